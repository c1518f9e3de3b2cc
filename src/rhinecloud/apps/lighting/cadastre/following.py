"""Keeps the fleet of each worker as the graph is: read once, then told what changes.

One elected worker watches the lamps and tells the others over the bus of the app. Messages there may be lost: a fleet
is read anew when it is older than ten minutes, and soon after a lamp came, went or changed in what is known of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec

from rhinecloud.city import EVERYTHING, Change, City, Sight, Unavailable
from rhinecloud.model import CORE

from ..faults import alarms
from .fleet import STATE, Fleet, Told, Trouble, told
from .lamps import IRIS, TYPE, Lamp, plain, streamed

FAULTS: Final = "lamps.faults"  # which faults are open has changed
_SUBJECT: Final = "lamps"
_AGAIN: Final = 5.0
_FAULTS_EVERY: Final = 1.0  # seconds between two readings of them
_PORTION: Final = 2_000  # lamps in a message
_OLDEST: Final = 600.0  # seconds
_FACTS_EVERY: Final = 10.0  # seconds between two readings because of what is known of lamps
_SIGHTS: Final = 4  # fleets that are kept for other sights than all
_OWN_SIGHT_EVERY: Final = 30.0  # seconds: what only some may see is not told over the bus
_FACTS: Final = frozenset(IRIS)
_STATE_IRIS: Final = tuple(CORE.expand_term(name) for name in STATE)
_NAMED: Final = ("StreetlightGroup", "StreetlightModel", "StreetlightControlCabinet")


class _News(msgspec.Struct, frozen=True):
    states: list[Told] = []
    facts: bool = False  # a lamp came, went, or changed in what is known of it


class _Kept:
    """A fleet, when it was read, and whether what is known of its lamps has changed since."""

    def __init__(self) -> None:
        self.fleet: Fleet | None = None
        self.read_at = 0.0
        self.stale = False
        self.again: asyncio.Task[None] | None = None  # reads it
        self.waiting: list[Told] | None = None  # told while it is read

    def is_good(self, everything: bool) -> bool:
        if self.fleet is None:
            return False
        age = time.monotonic() - self.read_at
        if not everything:
            return age < _OWN_SIGHT_EVERY
        return age < (_FACTS_EVERY if self.stale else _OLDEST)

    def take(self, news: _News) -> None:
        self.stale = self.stale or news.facts
        if self.waiting is not None:
            self.waiting += news.states
        if self.fleet is not None:
            self.fleet.take(news.states)


_kept: WeakKeyDictionary[City, OrderedDict[str, _Kept]] = WeakKeyDictionary()


async def fleet(city: City, sight: Sight) -> Fleet:
    """All lamps that may be seen, with their state."""
    fleets = _kept.setdefault(city, OrderedDict())
    one = fleets.setdefault(sight.key, _Kept())
    fleets.move_to_end(sight.key)
    while len(fleets) > _SIGHTS + 1:
        fleets.popitem(last=False)
    if not one.is_good(sight.everything) and (one.again is None or one.again.done()):
        one.again = asyncio.create_task(_read(city, sight, one))
    if one.fleet is None:
        assert one.again is not None
        await asyncio.shield(one.again)
    assert one.fleet is not None
    return one.fleet  # that of before, while it is read anew: what lamps say is new in it


async def known(city: City) -> list[Lamp]:
    """All lamps in the order of their ids, as this worker knows them: what was told of them is awaited, what was not
    told yet is not. For pages that only show; who writes what follows from lamps reads them (`lamps`)."""
    found = await fleet(city, EVERYTHING)
    one = _kept[city][EVERYTHING.key]
    if one.stale and (one.again is None or one.again.done()):
        one.again = asyncio.create_task(_read(city, EVERYTHING, one))
    if one.again is not None and not one.again.done():
        await asyncio.shield(one.again)
        found = one.fleet or found
    return found.lamps


async def _read(city: City, sight: Sight, one: _Kept) -> None:
    one.waiting, one.stale, begun = [], False, time.monotonic()
    try:
        names: dict[str, str] = {}
        for type in _NAMED:
            async for some in city.values(type, "name", sight=sight):
                names.update((entity, str(values[0])) for entity, values in some if values[0])
        lamps = [lamp async for some in streamed(city, sight=sight) for lamp in some]
        states = [
            told(lamp, values)
            async for some in city.values(TYPE, *STATE, sight=sight)
            for lamp, values in some
        ]
        fresh = Fleet(lamps, states, names)
        fresh.concern(await _troubles(city))
        if sight.everything:
            fresh.take(one.waiting)
        one.fleet, one.read_at = fresh, begun
    finally:
        one.waiting = None


async def watch(city: City) -> None:
    """The task of one worker: tell all workers what changes."""
    async for changes in city.watch("cadastre", TYPE):
        news = _News([*_states(changes)], any(_is_of_facts(change) for change in changes))
        for start in range(0, max(1, len(news.states)), _PORTION):
            some = _News(news.states[start : start + _PORTION], news.facts)
            await city.bus.tell(_SUBJECT, msgspec.json.encode(some))


async def hear(city: City) -> None:
    """The task of each worker: take what is told."""

    async def heard(payload: bytes) -> None:
        news = msgspec.json.decode(payload, type=_News)
        fleets = _kept.get(city, OrderedDict[str, _Kept]())
        for key, one in fleets.items():
            if key == EVERYTHING.key:
                one.take(news)

    changed = asyncio.Event()

    async def noted(_: bytes) -> None:
        changed.set()

    await city.bus.hear(_SUBJECT, heard)
    await city.bus.hear(FAULTS, noted)
    while True:
        await changed.wait()
        changed.clear()
        try:
            troubles = await _troubles(city)
        except Unavailable:
            changed.set()  # PostgreSQL is away: what was known stays until it is back
            await asyncio.sleep(_AGAIN)
            continue
        for one in _kept.get(city, OrderedDict[str, _Kept]()).values():
            if one.fleet is not None:
                one.fleet.concern(troubles)
        await asyncio.sleep(_FAULTS_EVERY)


async def _troubles(city: City) -> list[Trouble]:
    return [
        Trouble(fault.number, fault.kind, fault.scope, fault.name, tuple(fault.lamps))
        for fault in await alarms.open_faults(city.db.pool)
    ]


def _states(changes: Iterable[Change]) -> Iterable[Told]:
    for change in changes:
        if change.entity is not None:
            attributes: Any = change.entity.attributes
            yield told(change.entity_id, [plain(attributes.get(iri)) for iri in _STATE_IRIS])


def _is_of_facts(change: Change) -> bool:
    """Whether a lamp came, went, or changed in what is known of it. `old` has only what was written."""
    if change.entity is None or change.operation != "update":
        return True
    attributes: Any = change.entity.attributes
    written = _FACTS.intersection(change.attributes)
    return any(plain(change.old.get(iri)) != plain(attributes.get(iri)) for iri in written)
