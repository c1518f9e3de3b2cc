"""What is left of detections: counts of a quarter of an hour, and public levels of whole streets, such that nobody can
be followed in either. A detection is counted and forgotten; it is in no structure here."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from .neighbours import Kind
from .reacting import Change, Detection

QUARTER = 900
"""Seconds. Quarters begin with the hour of UTC, and with that of every time zone in use."""

FEWEST = 5
"""Smaller counts are not told, nor is whether they were nothing."""

STEP = 5.0
"""Percent to which a public level is rounded."""

FEWEST_LAMPS = 5
"""Streets with fewer lamps have no public level of their own."""


class Count(msgspec.Struct, frozen=True):
    """How many passed a detector in the quarter of an hour from `begin` (seconds since 1970) on. Counts below `FEWEST`
    are not there at all; there are no sums over kinds or detectors, of which one that is missing could be told."""

    detector: str
    kind: Kind
    begin: int
    number: int


class Level(msgspec.Struct, frozen=True):
    """The mean level of a street's lamps in percent in the quarter of an hour from `begin` on, told when it is over.

    It is that of the program alone unless `FEWEST` travellers passed one of its detectors."""

    street: str
    begin: int
    level: float


class Counting:
    """Counts of the running quarter of an hour, one number for each detector and kind, and nothing else."""

    def __init__(self) -> None:
        self._begin: int | None = None
        self._numbers: dict[tuple[str, Kind], int] = {}

    def count(self, detection: Detection, now: float) -> list[Count]:
        """Count it where the clock stands, not when it says it was: a late one can change nothing that is told. Gives
        what is finished by that."""
        finished = self.close(now)
        cell = (detection.detector, detection.kind)
        self._numbers[cell] = self._numbers.get(cell, 0) + 1
        return finished

    def close(self, now: float) -> list[Count]:
        """The counts of the quarter that is over by now, once; in the order of the detectors."""
        begin = quarter(now)
        if self._begin is None:
            self._begin = begin
        if begin <= self._begin:
            return []
        finished = [
            Count(detector, kind, self._begin, number)
            for (detector, kind), number in sorted(self._numbers.items())
            if number >= FEWEST
        ]
        self._begin, self._numbers = begin, {}
        return finished


class Publishing:
    """Levels for the public: whole streets, whole quarters of an hour, after their end.

    `streets` has each lamp's street, by its number; lamps without one are in no public level. `detectors` has each
    detector's street.
    """

    def __init__(self, streets: Mapping[int, str], detectors: Mapping[str, str]) -> None:
        self._street = dict(streets)
        self._detectors = dict(detectors)
        self._lamps: dict[str, list[int]] = {}
        for lamp, street in sorted(self._street.items()):
            self._lamps.setdefault(street, []).append(lamp)
        self._begin: int | None = None
        self._demand: dict[int, float] = {}
        self._since: dict[int, float] = {}
        self._sums: dict[int, float] = {}
        self._base: dict[int, float] = {}

    def note(self, change: Change, base: float) -> None:
        """A lamp's demand changes; `base` is the level of its program meanwhile. Within the running quarter."""
        if change.lamp not in self._street or self._begin is None:
            return
        at = min(max(change.at, self._begin), self._begin + QUARTER)
        self._settle(change.lamp, at)
        self._demand[change.lamp], self._base[change.lamp] = change.level, base
        if not change.level:
            self._demand.pop(change.lamp)

    def close(self, now: float, counts: list[Count], base: Mapping[int, float]) -> list[Level]:
        """The levels of the quarter that is over by now, once. `counts` are those that `Counting.close` gave with it,
        `base` has each lamp's level by its program."""
        begin = quarter(now)
        if self._begin is None:
            self._begin = begin
        if begin <= self._begin:
            return []
        told = [self._level(street, lamps, counts, base) for street, lamps in self._lamps.items()]
        self._begin, self._sums, self._since = begin, {}, {}
        return [one for one in told if one is not None]

    def _level(
        self, street: str, lamps: list[int], counts: list[Count], base: Mapping[int, float]
    ) -> Level | None:
        assert self._begin is not None
        if len(lamps) < FEWEST_LAMPS:
            return None
        mean = math.fsum(base.get(lamp, 0.0) for lamp in lamps) / len(lamps)
        if any(one.begin == self._begin and self._detectors.get(one.detector) == street for one in counts):
            for lamp in lamps:
                self._settle(lamp, self._begin + QUARTER)
            mean += math.fsum(self._sums.get(lamp, 0.0) for lamp in lamps) / QUARTER / len(lamps)
        return Level(street, self._begin, min(100.0, round(mean / STEP) * STEP))

    def _settle(self, lamp: int, at: float) -> None:
        """Add what the lamp gave above its program since it last changed."""
        assert self._begin is not None
        since = self._since.get(lamp, float(self._begin))
        above = max(0.0, self._demand.get(lamp, 0.0) - self._base.get(lamp, 0.0))
        if above and at > since:
            self._sums[lamp] = self._sums.get(lamp, 0.0) + above * (at - since)
        self._since[lamp] = max(at, since)


def quarter(now: float) -> int:
    """The beginning of the quarter of an hour, in seconds since 1970."""
    return math.floor(now / QUARTER) * QUARTER
