"""The lamps: each does what it was last told, draws the power that this takes, and reports; a broken one does not.

A lamp that was told nothing yet goes by its own twilight switch and the demo's sun. Pure: `step` returns what the
cabinets of the streets would report of their lamps.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from rhinecloud.demo.faults import CYCLE, Act, Fault
from rhinecloud.demo.streets import Street
from rhinecloud.demo.traffic import Report

RATED = 62.0  # watts of a lamp at full level
STANDBY = 0.5  # watts of a lamp that is off, for it listens
FIXED = 0.05  # share of the rated power that a lit lamp takes whatever its level
UNTOLD = 0.3  # level of a lamp that nobody has told anything, between 0 and 1
DUSK = (-5.0, -1.0)  # elevation of the sun in degrees below which such a lamp is on
EVERY = 60.0  # seconds between two reports of a lamp that does nothing new

Place = tuple[int, int]
"""The number of a street, and the index of a lamp in it."""
_State = tuple[float, float]  # level and watts, before the noise of the meter


class Luminaires:
    """All lamps of the streets; `places` by local ids. `elevation` of the sun in degrees is set from outside; at first
    it is night."""

    def __init__(self, streets: Sequence[Street], seed: int = 1) -> None:
        self.streets = streets
        self.elevation = -90.0
        self.faults: dict[Place, Fault] = {}
        self.dead: set[tuple[int, str]] = set()  # feeders without supply, by the number of their street
        self._chance = random.Random(seed)
        self._near: Sequence[set[int]] = [set() for _ in streets]
        self._places = [(number, index) for number, street in enumerate(streets) for index in _of(street)]
        # Each lamp has a light sensor of its own.
        self._dusk = {place: self._chance.uniform(*DUSK) for place in self._places}
        self._told: dict[Place, float] = {}
        self.places = {self._key(place): place for place in self._places}
        self._now = 0.0
        self._turn = 0.0  # which lamp says again what it said before
        self._last = {place: self._state(place) for place in self._places}

    @property
    def broken(self) -> int:
        """Lamps that do not do what they should."""
        return sum(not self.powered(place) or place in self.faults for place in self._places)

    def tell(self, place: Place, level: float) -> None:
        """From now on it goes to this level, between 0 and 1; one without supply when it has supply again."""
        self._told[place] = level

    def act(self, street: int, act: Act) -> None:
        """Let a technician's act be done in a street, by its number."""
        if act.feeder:
            (self.dead.discard if act.supply else self.dead.add)((street, act.feeder))
        elif act.fault is None:
            self.faults.pop((street, act.index), None)
        else:
            self.faults[street, act.index] = act.fault

    def remember(self, levels: Mapping[str, float | None]) -> None:
        """What lamps were told in an earlier run, by their local ids."""
        for key, level in levels.items():
            if level is not None and key in self.places:
                self._told[self.places[key]] = level

    def powered(self, place: Place) -> bool:
        """Whether its feeder has supply."""
        return (place[0], self.streets[place[0]].feeder(place[1])) not in self.dead

    def step(self, seconds: float, near: Sequence[set[int]]) -> list[Report]:
        """Let time pass, with vehicles near to these lamps; what is reported of lamps that changed, and of those whose
        turn it is."""
        self._now += seconds
        self._near = near
        saying: dict[Place, None] = {}
        for place in self._places:
            state = self._state(place)
            if state != self._last[place]:
                self._last[place] = state
                saying[place] = None
        before, self._turn = self._turn, self._turn + len(self._places) * min(1.0, seconds / EVERY)
        for turn in range(int(before), int(self._turn)):
            saying[self._places[turn % len(self._places)]] = None
        self._turn %= len(self._places)
        return [("Streetlight", self._key(place), self._report(place)) for place in saying]

    def report(self, place: Place) -> dict[str, Any]:
        """What a lamp reports of itself now."""
        self._last[place] = self._state(place)
        return self._report(place)

    def _report(self, place: Place) -> dict[str, Any]:
        level, power = self._last[place]
        measured = power * self._chance.uniform(0.99, 1.01)
        said: dict[str, Any] = {
            "powerState": "on" if level > 0 else "off",
            "illuminanceLevel": level,
            "powerConsumption": {"value": round(measured, 1), "unitCode": "WTT"},
        }
        if (told := self._told.get(place)) is not None:
            said["illuminanceLevelSet"] = told
        return said

    def _state(self, place: Place) -> _State:
        if not self.powered(place):
            return 0.0, 0.0
        level = self._wanted(place)
        match self.faults.get(place):
            case Fault.DARK:
                return level, STANDBY
            case Fault.STUCK:
                return 1.0, RATED
            case Fault.CYCLING if self._now % CYCLE >= CYCLE / 2:
                return 0.0, STANDBY
            case Fault.UNDIMMED if level > 0:
                return level, RATED
        return level, power(level)

    def _wanted(self, place: Place) -> float:
        level = self._told.get(place)
        if level is None:
            level = UNTOLD if self.elevation < self._dusk[place] else 0.0
        return 1.0 if level > 0 and place[1] in self._near[place[0]] else level

    def _key(self, place: Place) -> str:
        return self.streets[place[0]].lamp_key(place[1])


def power(level: float) -> float:
    """Watts of a sound lamp at a level between 0 and 1."""
    return RATED * (FIXED + (1 - FIXED) * level) if level > 0 else STANDBY


def _of(street: Street) -> range:
    return range(len(street.lamps))
