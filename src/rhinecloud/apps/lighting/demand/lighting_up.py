"""The platform's own path: messages of detectors in, what to tell lamps out, and every quarter of an hour what may be
told of it. It knows no network and no clock; nothing of a single passing is in it for longer than its profile's
`lasting`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from .counting import FEWEST, Count, Counting, Level, Publishing, quarter
from .neighbours import Table
from .passing import Placed, Reason, Refused, read
from .reacting import Change, Reacting

_MOST: Final = 20.0  # passings a second that one detector may tell of
_AGAIN: Final = 4.0  # seconds before a lamp would fall, in which it is told that it shall not
_TURN: Final = 1.0  # seconds between two looks at all of them
_MARGIN: Final = 1.0  # seconds by which it is told to stay longer than is demanded: messages take their time


class Lamp(NamedTuple):
    """A lamp that the platform tells: the device that hears it, and its street."""

    device: str
    street: str


class Demand(msgspec.Struct, frozen=True):
    """What a lamp is told: the level in percent that it shall show at the least, and for how many seconds from now. It
    falls by itself; 0 ends it."""

    level: float
    seconds: float


class Finished(msgspec.Struct, frozen=True):
    """What may be told when a quarter of an hour is over. `refused`: detectors of which several messages were no
    detections, with the rule that was broken last."""

    counts: list[Count]
    levels: list[Level]
    refused: dict[str, Reason]


class LightingUp:
    """One table at work. `Counting` is given, so that it goes on when another table comes."""

    def __init__(
        self,
        table: Table,
        lamps: Mapping[str, Lamp],
        detectors: Mapping[str, Placed],
        counting: Counting,
        base: Mapping[str, float],
    ) -> None:
        """`lamps` and `base` (percent, by their programs) by the ids of the lamps, `detectors` by theirs."""
        self._reacting = Reacting(table)
        self._ids = table.lamps
        self._devices = {number: lamps[id].device for number, id in enumerate(table.lamps) if id in lamps}
        self._detectors = dict(detectors)
        self._counting = counting
        streets = {
            n: lamps[id].street for n, id in enumerate(table.lamps) if id in lamps and lamps[id].street
        }
        self._publishing = Publishing(streets, {one.id: one.street for one in detectors.values()})
        self._base: dict[int, float] = {}
        self.rebase(base)
        self._told: dict[int, tuple[float, float]] = {}
        self._look_at = -math.inf
        self._credit: dict[str, tuple[float, float]] = {}
        self._wrong: dict[str, tuple[int, Reason]] = {}
        self._quarter: int | None = None
        self._finished: list[Count] = []
        self.dropped = 0

    def rebase(self, base: Mapping[str, float]) -> None:
        """The levels of the programs, as they are now."""
        self._base = {number: base.get(id, 0.0) for number, id in enumerate(self._ids)}

    @property
    def due(self) -> float:
        """When a lamp rises or falls next (seconds since 1970); ∞ if none will."""
        due = self._reacting.due
        return math.inf if due is None else due

    @property
    def idle(self) -> bool:
        """Nothing is left of anybody but the numbers of the quarter."""
        return self._reacting.idle and not self._told

    def passed(self, detector: str, payload: bytes, now: float) -> dict[str, Demand]:
        """A message of a detector: what to tell which devices. One that is no detection, is of nobody known, or is one
        too many changes nothing."""
        placed = self._detectors.get(detector)
        if placed is None or not self._admits(detector, now):
            self.dropped += 1
            return {}
        try:
            detection = read(payload, placed, now)
        except Refused as refused:
            number, _ = self._wrong.get(detector, (0, refused.reason))
            self._wrong[detector] = (number + 1, refused.reason)
            return {}
        self._finished += self._counting.count(detection, now)
        return self._demands(self._reacting.detect(detection, now), now)

    def advance(self, now: float) -> dict[str, Demand]:
        """What is due by now. To be called every second while a lamp is raised: who stays raised is told again."""
        return self._demands(self._reacting.advance(now), now)

    def close(self, now: float) -> Finished | None:
        """Once after the end of a quarter of an hour; None within it."""
        if self._quarter is None:
            self._quarter = quarter(now)
            self._publishing.close(now, [], {})
            self._finished += self._counting.close(now)
        if quarter(now) <= self._quarter:
            return None
        self._quarter = quarter(now)
        counts, self._finished = self._finished + self._counting.close(now), []
        levels = self._publishing.close(now, counts, self._base)
        refused = {name: reason for name, (number, reason) in self._wrong.items() if number >= FEWEST}
        for name in refused:
            del self._wrong[name]
        return Finished(counts, levels, refused)

    def _admits(self, detector: str, now: float) -> bool:
        credit, at = self._credit.get(detector, (_MOST, now))
        credit = min(_MOST, credit + max(0.0, now - at) * _MOST)
        self._credit[detector] = (credit - 1 if credit >= 1 else credit, now)
        return credit >= 1

    def _demands(self, changes: list[Change], now: float) -> dict[str, Demand]:
        for change in changes:
            self._publishing.note(change, self._base.get(change.lamp, 0.0))
        touched = {change.lamp for change in changes}
        if now >= self._look_at:  # not for each of many who pass: that would be all lamps that are raised
            self._look_at = now + _TURN
            touched |= {lamp for lamp, (_, until) in self._told.items() if until - now <= _AGAIN}
        demands: dict[str, Demand] = {}
        for lamp in touched:
            level, until = self._reacting.level(lamp), self._reacting.until(lamp)
            before, ends = self._told.get(lamp, (0.0, -math.inf))
            if not level:
                self._told.pop(lamp, None)
                if not before or ends - now <= _MARGIN:
                    continue  # it falls by itself
                demand = Demand(0.0, 0.0)
            elif level == before and until + _MARGIN <= ends:
                continue
            else:
                self._told[lamp] = (level, until + _MARGIN)
                demand = Demand(level, round(until + _MARGIN - now, 1))
            if (device := self._devices.get(lamp)) is not None:
                demands[device] = demand
        return demands
