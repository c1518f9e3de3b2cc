"""Streets for tests, laid out in metres around a point in Duisburg."""

from __future__ import annotations

import math

from rhinecloud.apps.lighting.demand.neighbours import Detector, Lamps, Table, table
from rhinecloud.apps.lighting.demand.roads import Position, Roads, Way

"""A busy machine is no failure."""

_LON, _LAT = 6.76, 51.43


def at(x: float, y: float) -> Position:
    """Degrees of a point `x` metres east and `y` metres north."""
    return _LON + x / (111_195 * math.cos(math.radians(_LAT))), _LAT + y / 111_195


def way(name: str, *points: tuple[float, float], oneway: bool = False) -> Way:
    """A way through points in metres."""
    return Way(tuple(at(*point) for point in points), name, oneway)


def row(
    street: str, start: tuple[float, float], end: tuple[float, float], number: int
) -> dict[str, Position]:
    """Lamps from start to end, the first and the last on them."""
    between = [i / (number - 1) for i in range(number)]
    return {
        f"{street}{i}": at(start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
        for i, share in enumerate(between)
    }


def straight(lamps: int = 21, spacing: float = 30.0, **more: float) -> Table:
    """A street from west to east, a detector at each lamp; forward is eastward."""
    length = (lamps - 1) * spacing
    roads = Roads([way("A", (0, 0), (length, 0))])
    places = row("a", (0, 5), (length, 5), lamps)
    detectors = [Detector(f"d{i}", place, "A", 90.0) for i, place in enumerate(places.values())]
    standing = Lamps(tuple(places), roads.place(list(places.values())))
    return table(roads, standing, detectors, **more)
