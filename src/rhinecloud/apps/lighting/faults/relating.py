"""Faults that belong together are one: a feeder or cabinet without supply is not sixty dark lamps. Pure.

What a dead supply does to a lamp is that it is dark, or silent. When nearly all lamps of a feeder are that, the fault
is the feeder's; when nearly all of a cabinet are, and it has more than one feeder or none that is known, the cabinet's.
When that is over, the lamps that stay dark have a while to come back, and are faults of their own after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from .kinds import Kind

Scope = Literal["lamp", "feeder", "cabinet"]
SUPPLY_SIGNS: Final = frozenset({Kind.DARK, Kind.SILENCE})
_OVER: Final = 0.625  # of the share at which a fault of supply begins: it does not come and go with one lamp


class Place(msgspec.Struct, frozen=True):
    """What a lamp is fed by: names that are one in the city, None where it is not known."""

    feeder: str | None = None
    cabinet: str | None = None


class Single(msgspec.Struct, frozen=True):
    """A lamp has this kind of fault; found at `at` (seconds since 1970)."""

    lamp: str
    kind: Kind
    at: float


class Key(msgspec.Struct, frozen=True, order=True):
    """A fault that people hear of: of what, and what."""

    scope: Scope
    subject: str
    kind: Kind


class Limits(msgspec.Struct, frozen=True):
    """`share` (percent) of the lamps that are in service, `fewest` lamps; seconds to wait for the neighbours of a lamp
    that went dark (`gather`), and for lamps to come back when supply did (`settle`)."""

    share: float = 80.0
    fewest: int = 3
    gather: float = 420.0
    settle: float = 1_200.0


class Related(msgspec.Struct, frozen=True):
    """`faults`: what there is now, with the lamps that each concerns; `waiting`: lamps of which is not said yet whether
    they are faults of their own."""

    faults: Mapping[Key, tuple[str, ...]]
    waiting: frozenset[str]


class Grid:
    """How many lamps in service hang on each feeder and cabinet."""

    def __init__(self, places: Mapping[str, Place], in_service: Iterable[str]) -> None:
        self.places = places
        known = [places[lamp] for lamp in in_service if lamp in places]
        self.on_feeder = Counter(one.feeder for one in known if one.feeder is not None)
        self.on_cabinet = Counter(one.cabinet for one in known if one.cabinet is not None)
        feeders = {(one.cabinet, one.feeder) for one in known if None not in (one.cabinet, one.feeder)}
        self.feeders_of = Counter(cabinet for cabinet, _ in feeders)


class Relating:
    """Remembers which supplies are out, and since when one is back, so that a fault does not come and go."""

    def __init__(self, limits: Limits | None = None, out: Iterable[Key] = ()) -> None:
        self.limits = limits or Limits()
        self._out = {key for key in out if key.scope != "lamp"}
        self._back: dict[str, float] = {}  # feeder or cabinet: since when it has supply again

    def relate(self, singles: Iterable[Single], grid: Grid, now: float) -> Related:
        """What the faults of lamps amount to."""
        every = list(singles)
        signs = {one.lamp for one in every if one.kind in SUPPLY_SIGNS}
        before = self._out
        cabinets = self._failed("cabinet", signs, grid, frozenset())
        feeders = self._failed("feeder", signs, grid, cabinets)
        self._out = {Key("cabinet", one, Kind.SUPPLY) for one in cabinets}
        self._out |= {Key("feeder", one, Kind.SUPPLY) for one in feeders}
        for key in before - self._out:
            place_still_out = key.scope == "feeder" and self._cabinet_out(key.subject, signs, grid, cabinets)
            if not place_still_out:
                self._back[key.subject] = now
        self._back = {one: at for one, at in self._back.items() if now - at < self.limits.settle}

        concerned: dict[Key, list[str]] = {key: [] for key in self._out}
        waiting = set()
        for one in every:
            place = grid.places.get(one.lamp, Place())
            if one.kind in SUPPLY_SIGNS:
                if place.cabinet in cabinets:
                    concerned[Key("cabinet", str(place.cabinet), Kind.SUPPLY)].append(one.lamp)
                    continue
                if place.feeder in feeders:
                    concerned[Key("feeder", str(place.feeder), Kind.SUPPLY)].append(one.lamp)
                    continue
                if self._undecided(one, place, grid, now):
                    waiting.add(one.lamp)
                    continue
            concerned.setdefault(Key("lamp", one.lamp, one.kind), []).append(one.lamp)
        faults = {key: tuple(sorted(set(lamps))) for key, lamps in concerned.items()}
        return Related(faults, frozenset(waiting))

    def _failed(self, scope: Scope, signs: set[str], grid: Grid, cabinets: frozenset[str]) -> frozenset[str]:
        """The feeders (of cabinets that are not out), or the cabinets, that are without supply."""
        counted: Counter[str] = Counter()
        for lamp in signs:
            place = grid.places.get(lamp, Place())
            name = place.cabinet if scope == "cabinet" else place.feeder
            if name is not None and place.cabinet not in cabinets:
                counted[name] += 1
        totals = grid.on_cabinet if scope == "cabinet" else grid.on_feeder
        found = set()
        for name, dark in counted.items():
            if scope == "cabinet" and grid.feeders_of[name] == 1:
                continue  # its only feeder names the fault more closely
            ease = _OVER if Key(scope, name, Kind.SUPPLY) in self._out else 1.0
            if dark >= ease * max(self.limits.fewest, self.limits.share / 100.0 * totals[name]):
                found.add(name)
        return frozenset(found)

    def _cabinet_out(self, feeder: str, signs: set[str], grid: Grid, cabinets: frozenset[str]) -> bool:
        return any(
            grid.places[lamp].cabinet in cabinets
            for lamp in signs
            if lamp in grid.places and grid.places[lamp].feeder == feeder
        )

    def _undecided(self, one: Single, place: Place, grid: Grid, now: float) -> bool:
        """A lamp whose neighbours may follow it, or whose supply has just come back."""
        if place.feeder in self._back or place.cabinet in self._back:
            return True
        fewest = self.limits.fewest
        neighbours = (
            grid.on_feeder[place.feeder or ""] >= fewest or grid.on_cabinet[place.cabinet or ""] >= fewest
        )
        return neighbours and now - one.at < self.limits.gather
