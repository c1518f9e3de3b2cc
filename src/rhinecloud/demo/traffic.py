"""What happens on the streets: vehicles drive, lamps ahead of them brighten and fall again, now and then one fails.

A state machine in simulated time, without input or output: `step` returns what devices would report. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rhinecloud.demo.streets import LAMP_SPACING, Street

AHEAD = 90.0  # metres of light before a vehicle
BEHIND = 30.0  # metres of light behind it
DIMMED = 0.3  # illuminance level of an empty street, between 0 and 1
RATED = 62.0  # watts of a lamp at full level
DUSK = (-5.0, -1.0)  # elevation of the sun in degrees below which a lamp is on
DEFECT_EVERY = 25.0  # seconds, on average over the city
REPAIR_AFTER = (120.0, 480.0)  # seconds
MOST_DEFECTS = 12
_KINDS = (("car", 0.86), ("lorry", 0.07), ("bus", 0.04), ("motorcycle", 0.03))
_DEFECTS = ("defectiveLamp", "brokenLantern", "columnIssue")

Report = tuple[str, str, dict[str, Any]]
"""Entity type, local id, attributes."""


@dataclass(slots=True)
class Vehicle:
    """`place` in metres along the street, `speed` in m/s, negative on the way back."""

    street: int
    place: float
    speed: float
    kind: str
    parked: bool = False


class Traffic:
    """The streets with their vehicles and lamps. `elevation` of the sun (degrees) and `busy` (the share of the
    vehicles that are on the road) are set from outside; at first it is night, and all of them drive."""

    def __init__(self, streets: list[Street], vehicles: int, seed: int = 1) -> None:
        self.streets = streets
        self._chance = random.Random(seed)
        self._lit: list[set[int]] = [set() for _ in streets]
        self._defects: dict[tuple[int, int], float] = {}
        self._now = 0.0
        self.elevation = -90.0
        self.busy = 1.0
        # Each lamp has a light sensor of its own.
        self._dusk = [[self._chance.uniform(*DUSK) for _ in street.lamps] for street in streets]
        self._dark = [set(range(len(street.lamps))) for street in streets]
        self._next_defect = self._chance.expovariate(1 / DEFECT_EVERY)
        self.vehicles = [self._vehicle(anywhere=True) for _ in range(vehicles)]

    @property
    def defects(self) -> int:
        """Lamps that are out of order."""
        return len(self._defects)

    def step(self, seconds: float) -> list[Report]:
        """Let time pass; what devices report, in the order in which it happened."""
        self._now += seconds
        reports: list[Report] = []
        for vehicle in self._driving():
            before = vehicle.place
            vehicle.place += vehicle.speed * seconds
            street = self.streets[vehicle.street]
            middle = street.length / 2
            if (before - middle) * (vehicle.place - middle) < 0:
                reports.append(_passing(street, vehicle))
            if not 0 <= vehicle.place <= street.length:
                self._replace(vehicle)
        reports += self._fail_and_repair()
        reports += self._darken()
        reports += self._light()
        return reports

    def lamp_state(self, street: int, index: int) -> dict[str, Any]:
        """What a lamp reports of itself now."""
        if (street, index) in self._defects:
            return _lamp(0.0)
        if index not in self._dark[street]:
            return _lamp(0.0)
        return _lamp(1.0 if index in self._lit[street] else DIMMED)

    def _driving(self) -> list[Vehicle]:
        """Vehicles on the road; one that sets off begins at an end of a street."""
        wanted = round(self.busy * len(self.vehicles))
        driving = [vehicle for vehicle in self.vehicles if not vehicle.parked]
        for vehicle in self.vehicles:
            if len(driving) >= wanted:
                break
            if vehicle.parked:
                vehicle.parked = False
                self._replace(vehicle)
                driving.append(vehicle)
        return driving

    def _darken(self) -> Iterator[Report]:
        """Lamps go on and off with the sun."""
        for number, street in enumerate(self.streets):
            dark = {index for index, dusk in enumerate(self._dusk[number]) if self.elevation < dusk}
            changed = dark ^ self._dark[number]
            self._dark[number] = dark
            for index in sorted(changed):
                if (number, index) not in self._defects:
                    yield "Streetlight", street.lamp_key(index), self.lamp_state(number, index)

    def _vehicle(self, *, anywhere: bool) -> Vehicle:
        street = self._chance.randrange(len(self.streets))
        (kind,) = self._chance.choices([k for k, _ in _KINDS], [w for _, w in _KINDS])
        speed = self._chance.gauss(48, 7) / 3.6 * (0.85 if kind in ("lorry", "bus") else 1.0)
        speed = max(5.0, speed)
        length = self.streets[street].length
        if self._chance.random() < 0.5:
            return Vehicle(street, self._chance.uniform(0, length) if anywhere else 0.0, speed, kind)
        return Vehicle(street, self._chance.uniform(0, length) if anywhere else length, -speed, kind)

    def _replace(self, vehicle: Vehicle) -> None:
        """It left its street: another one begins somewhere, unless there are more on the road than there should be."""
        driving = sum(not one.parked for one in self.vehicles)
        if driving > round(self.busy * len(self.vehicles)):
            vehicle.parked = True
            return
        fresh = self._vehicle(anywhere=False)
        vehicle.street, vehicle.place = fresh.street, fresh.place
        vehicle.speed, vehicle.kind = fresh.speed, fresh.kind

    def _light(self) -> Iterator[Report]:
        wanted: list[set[int]] = [set() for _ in self.streets]
        for vehicle in self.vehicles:
            if vehicle.parked:
                continue
            forward = vehicle.speed > 0
            low = vehicle.place - (BEHIND if forward else AHEAD)
            high = vehicle.place + (AHEAD if forward else BEHIND)
            last = len(self.streets[vehicle.street].lamps) - 1
            first, end = max(0, round(low / LAMP_SPACING)), min(last, round(high / LAMP_SPACING))
            wanted[vehicle.street].update(range(first, end + 1))
        for number, street in enumerate(self.streets):
            changed = wanted[number] ^ self._lit[number]
            self._lit[number] = wanted[number]
            for index in sorted(changed):
                if (number, index) not in self._defects and index in self._dark[number]:
                    yield "Streetlight", street.lamp_key(index), self.lamp_state(number, index)

    def _fail_and_repair(self) -> Iterator[Report]:
        for (number, index), until in list(self._defects.items()):
            if self._now >= until:
                del self._defects[number, index]
                state = self.lamp_state(number, index)
                yield "Streetlight", self.streets[number].lamp_key(index), {"status": "ok", **state}
        if self._now < self._next_defect:
            return
        self._next_defect = self._now + self._chance.expovariate(1 / DEFECT_EVERY)
        number = self._chance.randrange(len(self.streets))
        index = self._chance.randrange(len(self.streets[number].lamps))
        if len(self._defects) < MOST_DEFECTS and (number, index) not in self._defects:
            self._defects[number, index] = self._now + self._chance.uniform(*REPAIR_AFTER)
            report = {"status": self._chance.choice(_DEFECTS), **_lamp(0.0)}
            yield "Streetlight", self.streets[number].lamp_key(index), report


def detector_key(street: Street, direction: int) -> str:
    """The local id of the traffic detector in the middle of a street; direction 0 is that of the lamps' numbers."""
    return f"duisburg-{street.key}-{direction}"


def _lamp(level: float) -> dict[str, Any]:
    power = 0.0 if level == 0 else round(RATED * (0.05 + 0.95 * level), 1)
    return {
        "powerState": "on" if level > 0 else "off",
        "illuminanceLevel": level,
        "activePower": {"value": power, "unitCode": "WTT"},
    }


def _passing(street: Street, vehicle: Vehicle) -> Report:
    direction = 0 if vehicle.speed > 0 else 1
    speed = round(abs(vehicle.speed) * 3.6, 1)
    attributes = {
        "intensity": 1,
        "averageVehicleSpeed": {"value": speed, "unitCode": "KMH"},
        "vehicleType": vehicle.kind,
    }
    return "TrafficFlowObserved", detector_key(street, direction), attributes
