"""Seven ways to light a street, as levels of its lamps through a night."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from rhinecloud.apps.lighting.control.classes import Adaptive, adapted, level
from rhinecloud.apps.lighting.demand.neighbours import Table
from rhinecloud.apps.lighting.demand.reacting import Change, Detection, Reacting

from .traffic import Street

Floats = npt.NDArray[np.float64]

LATENCY = 0.5
"""Seconds from a detection to the light of the lamps that it raises at once."""


class Night(msgspec.Struct, frozen=True):
    """A time that is looked at: seconds since 1970, in steps. `zone`: local clock less UTC, in seconds."""

    begin: float
    end: float
    step: float
    zone: float

    @property
    def steps(self) -> int:
        """How many."""
        return int((self.end - self.begin) // self.step)

    @property
    def hours(self) -> Floats:
        """The time of day of each step, in hours of the local clock."""
        moments = self.begin + self.step * np.arange(self.steps)
        return np.asarray((moments + self.zone) % 86_400.0 / 3600.0)


def constant(lamps: int, night: Night, percent: float = 100.0) -> Floats:
    """Always on, and dusk to dawn: the same level as long as it is looked at."""
    return np.full((lamps, night.steps), percent)


def stepped(lamps: int, night: Night, steps: Sequence[tuple[float, float]]) -> Floats:
    """Levels by the local clock: (hour from which it holds, level), around midnight; a level of 0 is part-night."""
    hours = np.array([hour for hour, _ in steps])
    levels = np.array([level for _, level in steps])
    order = np.argsort(hours)
    found = levels[order][np.searchsorted(hours[order], night.hours, "right") - 1]
    return np.broadcast_to(found, (lamps, night.steps))


def by_volume(lamps: int, night: Night, hourly: Floats, installed: str, adaptive: Adaptive) -> Floats:
    """Levels of the class that each hour's vehicles need; `hourly` from the full hour in which the night begins. The
    last one goes on."""
    classes = [adapted(installed, float(vehicles), adaptive) for vehicles in hourly]
    levels = np.array([level(needed, installed) for needed in classes])
    first = night.begin // 3600
    hour = ((night.begin + night.step * np.arange(night.steps)) // 3600 - first).astype(np.int64)
    return np.broadcast_to(levels[np.minimum(hour, len(levels) - 1)], (lamps, night.steps))


def zones(street: Street, night: Night, detections: Sequence[Detection], size: int, hold: float) -> Floats:
    """What is demanded where each detection raises all lamps of its zone for `hold` seconds: `size` lamps in a row."""
    demand = np.zeros((len(street.lamps), night.steps))
    lit: dict[int, tuple[float, float]] = {}

    def paint(zone: int) -> None:
        begin, end = lit[zone]
        demand[zone * size : (zone + 1) * size, _step(night, begin) : _step(night, end)] = 100.0

    for one in detections:
        zone, at = int(one.detector) // size, one.at + LATENCY
        if zone in lit and at <= lit[zone][1]:
            lit[zone] = (lit[zone][0], at + hold)
            continue
        if zone in lit:
            paint(zone)
        lit[zone] = (at, at + hold)
    for zone in lit:
        paint(zone)
    return demand


def directional(street: Street, night: Night, detections: Sequence[Detection], table: Table) -> Floats:
    """What is demanded by the very machine that runs in a field gateway (demand/reacting.py)."""
    machine = Reacting(table)
    demand = np.zeros((len(street.lamps), night.steps))
    since: dict[int, Change] = {}

    def note(changes: Sequence[Change]) -> None:
        for change in changes:
            before = since.get(change.lamp)
            if before is not None and before.level:
                demand[change.lamp, _step(night, before.at) : _step(night, change.at)] = before.level
            since[change.lamp] = change

    for one in detections:
        note(machine.detect(one, one.at + LATENCY))
    note(machine.advance(night.end + 1e6))
    return demand


def over(program: Floats | float, demand: Floats) -> Floats:
    """The level that is shown: the greater of what the program says and what is demanded."""
    return np.maximum(program, demand)


def _step(night: Night, at: float) -> int:
    return min(max(0, int(np.ceil((at - night.begin) / night.step))), night.steps)
