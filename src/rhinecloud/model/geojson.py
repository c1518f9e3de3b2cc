"""Cheap validation of GeoJSON geometries (RFC 7946 §3.1, CIM 009 §4.7), without a geometry library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from rhinecloud.model.values import Path, bad

GEOMETRY_TYPES: Final = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"}
)
"""All but GeometryCollection, which NGSI-LD leaves out (CIM 009 §4.7.1)."""


def is_geometry(value: Any) -> bool:
    """Whether the value looks like a geometry: a known type and coordinates."""
    if not isinstance(value, dict) or "coordinates" not in value:
        return False
    kind = value.get("type")
    return isinstance(kind, str) and kind in GEOMETRY_TYPES


def check_geometry(value: Any, path: Path) -> dict[str, Any]:
    """A valid geometry, also given as JSON text (§4.7.2); BadRequestData names the wrong part.

    Positions are longitude and latitude in degrees of WGS 84 and an optional altitude in metres.
    """
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise bad(path, "the text is no GeoJSON geometry") from None
    if not isinstance(value, dict):
        raise bad(path, "a GeoProperty holds a GeoJSON geometry")
    kind = value.get("type")
    check = _CHECKS.get(kind) if isinstance(kind, str) else None
    if check is None:
        raise bad((*path, "type"), f"{kind!r} is none of {', '.join(sorted(GEOMETRY_TYPES))}")
    if "coordinates" not in value:
        raise bad(path, "the geometry has no coordinates")
    check(value["coordinates"], (*path, "coordinates"))
    return value


def _position(value: Any, path: Path) -> None:
    if type(value) is not list or not 2 <= len(value) <= 4:
        raise bad(path, "a position is a list of longitude, latitude and perhaps altitude")
    for number in value:
        if type(number) is not float and type(number) is not int:
            raise bad(path, "a position holds numbers only")
    # Written so that NaN fails too.
    if not -180 <= value[0] <= 180:
        raise bad(path, f"longitude {value[0]} is outside -180 to 180")
    if not -90 <= value[1] <= 90:
        raise bad(path, f"latitude {value[1]} is outside -90 to 90")


def _many(check: Callable[[Any, Path], None], least: int, what: str) -> Callable[[Any, Path], None]:
    def checked(value: Any, path: Path) -> None:
        if type(value) is not list or len(value) < least:
            raise bad(path, f"{what} has at least {least} parts")
        for index, part in enumerate(value):
            check(part, (*path, index))

    return checked


_line = _many(_position, 2, "a LineString")


def _ring(value: Any, path: Path) -> None:
    _line(value, path)
    if len(value) < 4:
        raise bad(path, "a ring has at least 4 positions")
    if value[0] != value[-1]:
        raise bad(path, "a ring ends where it starts")


_polygon = _many(_ring, 1, "a Polygon")

_CHECKS: Final[dict[str, Callable[[Any, Path], None]]] = {
    "Point": _position,
    "MultiPoint": _many(_position, 1, "a MultiPoint"),
    "LineString": _line,
    "MultiLineString": _many(_line, 1, "a MultiLineString"),
    "Polygon": _polygon,
    "MultiPolygon": _many(_polygon, 1, "a MultiPolygon"),
}
