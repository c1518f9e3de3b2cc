"""The task that follows the graph: it evaluates what lamps tell, keeps faults as rows, and tells the graph.

The watch is durable: after kill -9 the list that was under way comes again. What lamps have is read from the rows then;
what was only beginning begins anew, so that a fault may be found later by as long as it has to last.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from rhinecloud.city import Change, City, Operation, Transaction
from rhinecloud.model import CORE

from ..cadastre.following import FAULTS
from ..cadastre.lamps import TYPE, Lamp, lamps
from ..work import following
from . import alarms, grid, reading
from .alarms import Fault, Sign
from .detectors import Detectors, Finding
from .expecting import Expecting
from .judging import Lamps
from .kinds import Kind
from .relating import Grid, Key, Limits, Relating, Single
from .thresholds import Thresholds

VIEW: Final = "/faults"
WAKE: Final = "faults.look"  # thresholds were changed
FEEDER, CABINET = "StreetlightFeeder", "StreetlightControlCabinet"
_SWEEP: Final = 20.0  # seconds
_FACTS: Final = 900.0  # seconds between readings of what is known of lamps
_TYPE: Final = CORE.expand_type(TYPE)


async def watch(city: City) -> None:
    """Follow the graph for as long as the city is served."""
    watching = Watching(city)
    await watching.begin()
    sweeping = asyncio.create_task(watching.sweep_for_ever(), name="lighting faults")
    try:
        async for changes in city.watch("faults", TYPE, FEEDER, CABINET):
            await watching.take(changes)
            if sweeping.done():
                break
    finally:
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping


class Watching:
    """What is remembered between two lists of changes."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._lock = asyncio.Lock()
        self._limits = Thresholds()
        self._facts: list[Lamp] = []
        self._rows: dict[str, int] = {}
        self._detectors = Detectors(_known([]))
        self._expecting = Expecting(city)
        self._supplies = grid.Supplies()
        self._grid = Grid({}, ())
        self._in_service: set[str] = set()
        self._relating = Relating()
        self._signs: dict[tuple[str, Kind], Sign] = {}
        self._open: dict[Key, Fault] = {}
        self._told_status: dict[str, reading.Status] = {}
        self._facts_at = -1e18

    async def begin(self) -> None:
        """Read what is known. Who changes thresholds meanwhile is heard, and read after it."""
        async with self._lock:
            await self._city.bus.hear(WAKE, self._look_again)
            pool = self._city.db.pool
            self._open = {fault.key: fault for fault in await alarms.open_faults(pool)}
            self._signs = {(sign.lamp, sign.kind): sign for sign in await alarms.signs(pool)}
            await self._read_thresholds()
            self._relating = Relating(self._relating.limits, self._open)
            await self._supplies.read(self._city)
            await self._read_facts()
            for lamp, kind in self._signs:
                if lamp in self._rows:
                    self._detectors.remember(self._rows[lamp], kind)

    async def _look_again(self, _: bytes) -> None:
        async with self._lock:
            await self._read_thresholds()

    async def _read_thresholds(self) -> None:
        self._limits = limits = await alarms.thresholds(self._city.db.pool)
        self._detectors.limits = limits
        self._relating.limits = Limits(
            share=limits.feeder_share,
            fewest=limits.fewest_lamps,
            gather=limits.gather_minutes * 60.0,
            settle=limits.settle_after_supply_minutes * 60.0,
        )

    async def _read_facts(self, only: Iterable[str] | None = None) -> None:
        """What is known of all lamps, or of these; lamps keep their rows for as long as this runs."""
        now = self._city.clock.now().timestamp()
        if only is None:
            self._facts_at = now
        before = len(self._facts)
        for lamp in await lamps(self._city, only):
            row = self._rows.setdefault(lamp.id, len(self._facts))
            if row == len(self._facts):
                self._facts.append(lamp)
            else:
                self._facts[row] = lamp
        self._detectors.know(_known(self._facts))
        added = range(before, len(self._facts))
        if only is None:
            # When each was heard before this began is not known: nobody is missed sooner than from now on.
            heard = await self._reporting()
            rows = np.array([row for row in added if self._facts[row].id in heard], np.int64)
            self._detectors.heard(rows, now)
            self._in_service |= {self._facts[row].id for row in rows.tolist()}
        self._make_grid()
        await self._expecting.look(self._rows, again=True)

    async def _reporting(self) -> set[str]:
        """Lamps that have told anything that is measured."""
        names = ("illuminanceLevel", "powerConsumption", "activePower", "temperature")
        return {
            lamp
            async for some in self._city.values(TYPE, *names)
            for lamp, values in some
            if any(value is not None for value in values)
        }

    def _make_grid(self) -> None:
        self._grid = Grid({lamp.id: self._supplies.place(lamp) for lamp in self._facts}, self._in_service)

    async def take(self, changes: Sequence[Change]) -> None:
        """Evaluate a list of changes; when this returns, what follows is committed."""
        async with self._lock:
            now = self._city.clock.now().timestamp()
            told = []
            for change in changes:
                if _TYPE in change.types:
                    report = reading.report(change, now)
                    if report is not None:
                        told.append(report)
                    if change.entity is not None:
                        self._note_status(change)
                elif self._supplies.note(change):
                    self._make_grid()
            # One by one: what operators do with the keys of a dict goes through all lamps of the city.
            unknown = {report.lamp for report in told if report.lamp not in self._rows}
            if unknown:
                await self._read_facts(unknown)
            heard = {report.lamp for report in told if report.lamp in self._rows}
            new = heard - self._in_service
            if new:
                self._in_service |= new
                self._make_grid()
            await self._expecting.look(self._rows)
            reports = reading.columns(told, self._rows)
            reports = self._expecting.complete(reports, on_demand=self._limits.on_demand)
            findings = self._detectors.take(reports, now)
            if findings or self._told_status:
                await self._settle(findings, now)

    def _note_status(self, change: Change) -> None:
        """Of lamps that have a fault, what their `status` says: one that overwrites ours is told again."""
        if change.entity is not None and any((change.entity_id, kind) in self._signs for kind in Kind):
            status = reading.status_of(change.entity.attributes)
            self._told_status[change.entity_id] = status or reading.Status("", False)

    async def sweep_for_ever(self) -> None:
        """Look for what is not told: silence, waiting that is over, orders that a lamp contradicts."""
        while True:
            await asyncio.sleep(_SWEEP if self._limits.silence_minutes >= 5 else 1.0)
            await self.sweep()

    async def sweep(self) -> None:
        """Look once."""
        async with self._lock:
            now = self._city.clock.now().timestamp()
            if now - self._facts_at > _FACTS:
                await self._read_thresholds()  # a word of the bus may be lost
                await self._read_facts()
            powered = self._supplies.powered_since(self._facts, now)
            await self._settle(self._detectors.sweep(now, powered), now)
            await following.contradict(self._city, self._seen_since, self._limits.contradicted_minutes)

    def _seen_since(self, lamp: str, kind: Kind, at: datetime) -> bool:
        """Whether a report said so after this moment."""
        row = self._rows.get(lamp)
        return row is not None and bool(self._detectors.last_true(row, kind) > at.timestamp())

    async def _settle(self, findings: Sequence[Finding], now: float) -> None:
        """Keep what was found, and what faults that amounts to."""
        at = alarms.moment(now)
        begun: list[Sign] = []
        ended: list[Sign] = []
        for finding in findings:
            lamp = self._facts[finding.row].id
            sign = Sign(lamp, finding.kind, alarms.moment(finding.since), at, alarms.evidence(finding))
            (begun if finding.begins else ended).append(sign)
        signs = dict(self._signs)
        for sign in begun:
            signs.setdefault((sign.lamp, sign.kind), sign)
        for sign in ended:
            signs.pop((sign.lamp, sign.kind), None)
        singles = [Single(sign.lamp, sign.kind, sign.found_at.timestamp()) for sign in signs.values()]
        related = self._relating.relate(singles, self._grid, now)
        new = {key: members for key, members in related.faults.items() if key not in self._open}
        gone = [key for key in self._open if key not in related.faults]
        other = [
            (key, members)
            for key, members in related.faults.items()
            if key in self._open and tuple(self._open[key].lamps) != members
        ]
        statuses = self._statuses(signs, [sign.lamp for sign in (*begun, *ended)])
        if not (begun or ended or new or gone or other or statuses):
            return
        opened: list[Fault] = []
        async with self._city.transaction() as transaction:
            await alarms.sign_changes(transaction.connection, begun, ended)
            for key in gone:
                await self._end(transaction, key, at, signs)
            for key, members in new.items():
                fault = await alarms.began(transaction.connection, self._fault(key, members, signs, at))
                if fault is not None:
                    opened.append(fault)
                    await following.began(transaction, fault, at)
            await alarms.concerns(transaction.connection, other)
            if statuses:
                await transaction.apply(statuses)
        self._signs = signs
        for operation in statuses:
            self._told_status.pop(operation.entity_id, None)
        self._open = {fault.key: fault for fault in await alarms.open_faults(self._city.db.pool)}
        await alarms.tell(self._city)
        await self._city.refresh(VIEW)
        await self._city.bus.tell(FAULTS)

    async def _end(
        self, transaction: Transaction, key: Key, at: datetime, signs: Mapping[tuple[str, Kind], Sign]
    ) -> None:
        merged = key.scope == "lamp" and (key.subject, key.kind) in signs
        fault = await alarms.ended(transaction.connection, key, at, "merged" if merged else "over")
        if fault is not None:
            await following.ended(transaction, fault, at)

    def _fault(
        self, key: Key, members: Sequence[str], signs: Mapping[tuple[str, Kind], Sign], at: datetime
    ) -> Fault:
        lamp = self._facts[self._rows[key.subject]] if key.subject in self._rows else None
        having = [signs[one, kind] for one in members for kind in Kind if (one, kind) in signs]
        proof: Mapping[str, Any]
        if key.scope == "lamp":
            having = [signs[key.subject, key.kind]]
            proof = having[0].evidence
        else:
            total = (self._grid.on_feeder if key.scope == "feeder" else self._grid.on_cabinet)[key.subject]
            proof = {"seen": {"lamps": len(members)}, "expected": {"lamps_in_service": total}}
        return Fault(
            number=0,
            scope=key.scope,
            subject=key.subject,
            kind=key.kind,
            name=lamp.name if lamp is not None else self._supplies.name(key.subject),
            device=None if lamp is None else lamp.device,
            lamps=tuple(members),
            since=min((sign.since for sign in having), default=at),
            found_at=at,
            evidence=proof,
            ended_at=None,
            ending=None,
            told=False,
        )

    def _statuses(self, signs: Mapping[tuple[str, Kind], Sign], changed: Iterable[str]) -> list[Operation]:
        """What the graph is to say of lamps whose faults changed, or that deny theirs."""
        defective = {lamp for lamp, kind in signs if kind.defect}
        denying = {
            lamp
            for lamp, status in self._told_status.items()
            if lamp in defective and status.value.lower() == "ok"
        }
        operations = []
        for lamp in sorted({*changed, *denying}):
            value = "defectiveLamp" if lamp in defective else "ok"
            had = any((lamp, kind) in self._signs for kind in Kind if kind.defect)
            if lamp in defective or had:
                operations.append(_status(lamp, value))
        return operations


def _status(lamp: str, value: str) -> Operation:
    instance = {
        "type": "Property",
        "value": value,
        CORE.expand_term(reading.FOUND_BY): [{"type": "Property", "value": "lighting"}],
    }
    return Operation("append", lamp, attributes={reading.STATUS: [instance]})


def _known(facts: Sequence[Lamp]) -> Lamps:
    nan = float("nan")
    begun = [
        nan
        if one.commissioned is None
        else datetime.combine(one.commissioned, datetime.min.time()).timestamp()
        for one in facts
    ]
    return Lamps(
        longitude=np.array([one.lon for one in facts], np.float64),
        latitude=np.array([one.lat for one in facts], np.float64),
        rated=np.array([one.rated_power or nan for one in facts], np.float64),
        begun=np.array(begun, np.float64),
    )
