"""The courses of the streets as a map of roads, and detectors beside them, for light on demand. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rhinecloud.demo.streets import Position, Street

_DISTRICT = "mitte"  # where detectors stand, in a city that is as large as that
_EQUIPPED = 2  # streets with detectors: a main street and one that crosses it
_AT = (
    0.46,
    0.54,
)  # of the length of a street: a hundred metres before and behind its middle, where they cross
_DIGITS = 7  # of a degree; ways meet where they share a point


def roads(streets: Sequence[Street]) -> dict[str, Any]:
    """GeoJSON with a line for each street; streets of a district share a point where they cross."""
    courses = [_course(street) for street in streets]
    for first in range(len(streets)):
        for second in range(first + 1, len(streets)):
            if streets[first].district == streets[second].district:
                _cross(courses[first], courses[second])
    features = [
        {
            "type": "Feature",
            "properties": {"name": street.name},
            "geometry": {"type": "LineString", "coordinates": [list(point) for point in course]},
        }
        for street, course in zip(streets, courses, strict=True)
        if len(course) > 1
    ]
    return {"type": "FeatureCollection", "features": features}


def detectors(streets: Sequence[Street]) -> list[dict[str, Any]]:
    """Two on each of the first streets of a district, as the city's lighting wants them."""
    long = [street for street in streets if len(_course(street)) > 1]
    own = [street for street in long if street.district.key == _DISTRICT] or long
    return [
        _detector(street, number, share)
        for street in own[:_EQUIPPED]
        for number, share in enumerate(_AT, start=1)
    ]


def _detector(street: Street, number: int, share: float) -> dict[str, Any]:
    course = _course(street)
    index = min(round(share * len(course)), len(course) - 2)
    (lon, lat), (further_lon, further_lat) = course[index], course[index + 1]
    east = (further_lon - lon) * math.cos(math.radians(lat))
    return {
        "id": f"duisburg-detektor-{street.key}-{number}",
        "name": f"{street.name}, Detektor {number}",
        "lon": lon,
        "lat": lat,
        "street": street.name,
        "bearing": round(math.degrees(math.atan2(east, further_lat - lat)) % 360, 1),
        "kinds": ["vehicle", "cyclist", "pedestrian"],
    }


def _course(street: Street) -> list[Position]:
    """The middle of the road: between two lamp posts, which stand on its sides by turns."""
    return [_between(one, other, 0.5) for one, other in zip(street.lamps, street.lamps[1:], strict=False)]


def _cross(one: list[Position], other: list[Position]) -> None:
    """Let both have the point at which they cross first."""
    for index in range(len(one) - 1):
        for place in range(len(other) - 1):
            share = _share(one[index], one[index + 1], other[place], other[place + 1])
            if share is not None:
                point = _between(one[index], one[index + 1], share)
                one.insert(index + 1, point)
                other.insert(place + 1, point)
                return


def _share(one: Position, to: Position, other: Position, until: Position) -> float | None:
    """How far along the first stretch the second crosses it; None if it does not."""
    along = (to[0] - one[0], to[1] - one[1])
    across = (until[0] - other[0], until[1] - other[1])
    between = (other[0] - one[0], other[1] - one[1])
    turned = along[0] * across[1] - along[1] * across[0]
    if not turned:
        return None
    share = (between[0] * across[1] - between[1] * across[0]) / turned
    back = (between[0] * along[1] - between[1] * along[0]) / turned
    return share if 0 < share < 1 and 0 < back < 1 else None


def _between(one: Position, other: Position, share: float) -> Position:
    lon, lat = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return round(lon, _DIGITS), round(lat, _DIGITS)
