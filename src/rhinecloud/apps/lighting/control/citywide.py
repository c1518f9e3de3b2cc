"""The targets of a whole city at once: lamps that share program, sun and rules are computed once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, tzinfo
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from .calendars import Calendar, program_of
from .clocks import night_of
from .curve import Curve, curve, dark_all_night
from .programs import Program, senses
from .reasons import Reason, Why
from .rules import Floor
from .sun import Dark, Event, Sky, nights
from .targets import Demand, Layers, Override, target
from .volume import Needed, Volume

# Degrees. The middle of a cell is at most 2.4 s of sun from its east and 3 s from its north (in Germany): lamps of a
# cell share its times, which are within 10 s of their own.
CELL: Final = 0.02


class Lamps(msgspec.Struct, frozen=True, kw_only=True):
    """All lamps as columns of one length. `calendar` is an index into the calendars (−1: none), `floors` one into the
    city's sets of floors, `overrides` one into its sets of overrides, `volume` one into its places of counting (none:
    all 0)."""

    longitude: NDArray[np.float64]
    latitude: NDArray[np.float64]
    calendar: NDArray[np.int64]
    floors: NDArray[np.int64]
    overrides: NDArray[np.int64]
    volume: NDArray[np.int64] | None = None


class Place(msgspec.Struct, frozen=True):
    """What a class by volume asks of a lamp: where its traffic is counted (empty: nowhere), and its own class (empty:
    not known). `behind`: a gateway runs its program."""

    counted: str = ""
    installed: str = ""
    behind: bool = False

    def follows(self, program: Program) -> bool:
        """Whether a program has the lamp follow counts. Not where a gateway listens to sensors: an override would lie
        over them."""
        return program.volume is not None and not (self.behind and senses(program))


class Plans(msgspec.Struct, frozen=True, kw_only=True):
    """What the columns of `Lamps` point to. An empty set of floors and of overrides stands first, by convention; of
    `places` none, for lamps that no count reaches. `needed`: by where it is counted and the program."""

    calendars: Sequence[Calendar]
    programs: Mapping[str, Program]
    floors: Sequence[tuple[Floor, ...]] = ((),)
    overrides: Sequence[tuple[Override, ...]] = ((),)
    places: Sequence[Place | None] = (None,)
    needed: Mapping[tuple[str, str], tuple[Needed, ...]] = {}
    holidays: Collection[date] = frozenset()


class CityTargets(msgspec.Struct, frozen=True, kw_only=True):
    """Targets as columns, one row per lamp: percent, seconds since 1970; `why` is an index into `reasons`, `lowered` as
    that of `Target`."""

    level: NDArray[np.float32]
    since: NDArray[np.float64]
    until: NDArray[np.float64]
    why: NDArray[np.int64]
    lowered: NDArray[np.float64]
    reasons: Sequence[Why]


def city_targets(
    lamps: Lamps,
    plans: Plans,
    instant: float,
    zone: tzinfo,
    demands: Mapping[int, tuple[Demand, ...]] | None = None,
) -> CityTargets:
    """What every lamp should be doing. `demands`: light on demand by the lamp's row."""
    night = night_of(instant, zone)
    columns, cells = _cells(lamps)
    keys, alike = np.unique(columns, axis=0, return_inverse=True) if len(columns) else (columns, columns)
    planner = _Night(plans, night, zone, cells)
    layers = [planner.layers(*key) for key in keys.tolist()]
    found = [target(one, instant) for one in layers]
    alike = alike.reshape(-1)
    for row, demanded in (demands or {}).items():
        raised = msgspec.structs.replace(layers[alike[row]], demands=demanded)
        alike[row] = len(found)
        found.append(target(raised, instant))
    reasons: dict[Why, int] = {}
    return CityTargets(
        level=np.array([one.level for one in found], np.float32)[alike],
        since=np.array([one.since for one in found], np.float64)[alike],
        until=np.array([one.until for one in found], np.float64)[alike],
        why=np.array([reasons.setdefault(one.why, len(reasons)) for one in found], np.int64)[alike],
        lowered=np.array([one.lowered for one in found], np.float64)[alike],
        reasons=list(reasons),
    )


def _cells(lamps: Lamps) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What lamps share, a row each: cell, calendar, floors, overrides, place; and the middles of cells (degrees)."""
    corner = np.floor(np.column_stack((lamps.longitude, lamps.latitude)) / CELL).astype(np.int64)
    packed, cell = np.unique(corner[:, 0] * 100_000 + corner[:, 1] + 50_000, return_inverse=True)
    middles = (np.column_stack(np.divmod(packed, 100_000)) - [0, 50_000] + 0.5) * CELL
    volume = np.zeros(len(cell), np.int64) if lamps.volume is None else lamps.volume
    return np.column_stack((cell.reshape(-1), lamps.calendar, lamps.floors, lamps.overrides, volume)), middles


class _Night:
    """One night's curves, each computed once."""

    def __init__(self, plans: Plans, night: date, zone: tzinfo, cells: NDArray[np.float64]) -> None:
        self._plans, self._night, self._zone = plans, night, zone
        self._choices = [program_of(calendar, night, plans.holidays) for calendar in plans.calendars]
        self._skies = _skies(cells, night)
        self._curves: dict[tuple[int, str | None], Curve] = {}

    def layers(self, cell: int, calendar: int, floors: int, overrides: int, place: int) -> Layers:
        sky = self._skies[cell]
        program, chosen = self._choice(calendar)
        return Layers(
            curve=self._curve(cell, program),
            chosen=chosen,
            dark=sky[Event.CIVIL],
            volume=self._volume(program, self._plans.places[place]),
            floors=self._plans.floors[floors],
            overrides=self._plans.overrides[overrides],
        )

    def _choice(self, calendar: int) -> tuple[str | None, Why]:
        if calendar < 0:
            return None, ()
        choice = self._choices[calendar]
        return choice.program, (Reason("calendar", self._plans.calendars[calendar].id, choice.rule),)

    def _volume(self, program: str | None, place: Place | None) -> Volume | None:
        known = self._plans.programs.get(program) if program is not None else None
        if known is None or place is None or not place.follows(known):
            return None
        return Volume(place.counted, place.installed, self._plans.needed.get((place.counted, known.id), ()))

    def _curve(self, cell: int, program: str | None) -> Curve:
        """Of a program that is not there any more: off, as without one."""
        known = self._plans.programs.get(program) if program is not None else None
        key = (cell, program)
        if key not in self._curves:
            self._curves[key] = (
                dark_all_night(self._night, self._zone)
                if known is None
                else curve(known, self._night, self._skies[cell], self._zone)
            )
        return self._curves[key]


def _skies(cells: NDArray[np.float64], night: date) -> list[Sky]:
    found: list[dict[Event, Dark]] = [{} for _ in cells]
    for event in Event:
        sets, rises = nights(cells[:, 0], cells[:, 1], night, 1, event.elevation)
        for sky, begin, end in zip(found, sets[:, 0].tolist(), rises[:, 0].tolist(), strict=True):
            sky[event] = Dark(begin, end)
    return list(found)
