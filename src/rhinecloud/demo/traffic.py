"""What happens on the streets: vehicles drive, and where the road sees one coming, the lamps ahead of it are called.

A state machine in simulated time, without input or output: `step` returns what detectors would report. Pure.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from rhinecloud.demo.streets import LAMP_SPACING, Street

AHEAD = 90.0  # metres of light before a vehicle
BEHIND = 30.0  # metres of light behind it
_KINDS = (("car", 0.86), ("lorry", 0.07), ("bus", 0.04), ("motorcycle", 0.03))

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
    """The streets with their vehicles. `busy`, the share of the vehicles that are on the road, is set from outside; at
    first all of them drive."""

    def __init__(self, streets: list[Street], vehicles: int, seed: int = 1) -> None:
        self.streets = streets
        self._chance = random.Random(seed)
        self.busy = 1.0
        self.vehicles = [self._vehicle(anywhere=True) for _ in range(vehicles)]

    def step(self, seconds: float) -> list[Report]:
        """Let time pass; what detectors report, in the order in which it happened."""
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
        return reports

    def near(self) -> list[set[int]]:
        """Of each street the lamps that a vehicle is near to, or will be in a moment. None where the road is blind."""
        found: list[set[int]] = [set() for _ in self.streets]
        for vehicle in self.vehicles:
            street = self.streets[vehicle.street]
            if vehicle.parked or not street.reacts:
                continue
            forward = vehicle.speed > 0
            low = vehicle.place - (BEHIND if forward else AHEAD)
            high = vehicle.place + (AHEAD if forward else BEHIND)
            last = len(street.lamps) - 1
            first, end = max(0, round(low / LAMP_SPACING)), min(last, round(high / LAMP_SPACING))
            found[vehicle.street].update(range(first, end + 1))
        return found

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


def detector_key(street: Street, direction: int) -> str:
    """The local id of the traffic detector in the middle of a street; direction 0 is that of the lamps' numbers."""
    return f"duisburg-{street.key}-{direction}"


def _passing(street: Street, vehicle: Vehicle) -> Report:
    direction = 0 if vehicle.speed > 0 else 1
    speed = round(abs(vehicle.speed) * 3.6, 1)
    attributes = {
        "intensity": 1,
        "averageVehicleSpeed": {"value": speed, "unitCode": "KMH"},
        "vehicleType": vehicle.kind,
    }
    return "TrafficFlowObserved", detector_key(street, direction), attributes
