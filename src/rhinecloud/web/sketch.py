"""A small map as SVG, made here: positions of an answer over the outlines of the city. Needs no JavaScript."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from .points import centre

WIDTH, HEIGHT = 960, 540
_MARGIN = 0.06  # of the extent
_DEGREE = 111_320.0  # metres of latitude
_LEAST = 0.004  # degrees that are shown at least
_CITY = (6.62, 51.33, 6.84, 51.56)  # where there is neither an outline nor a position: Duisburg


class Mark(msgspec.Struct, frozen=True):
    """A position on the sketch, in its own units, and what stands there."""

    id: str
    name: str
    x: float
    y: float


class Sketch(msgspec.Struct, frozen=True):
    """`paths`: outlines; `area`: the corners that were drawn. Longitude = `west` + x / `per_lon`, latitude = `north` -
    y / `per_lat`. A bar of `bar` units is `metres` long."""

    marks: tuple[Mark, ...]
    paths: tuple[str, ...]
    area: str
    west: float
    north: float
    per_lon: float
    per_lat: float
    metres: float
    bar: float
    width: int = WIDTH
    height: int = HEIGHT


def sketch(found: Sequence[tuple[str, str, Any]], area: str, outline: Path | None) -> Sketch:
    """The sketch of these (id, name, location as GeoProperty), of an area as it was typed, and of a GeoJSON file."""
    places = []
    for entity_id, name, location in found:
        one = location[0] if isinstance(location, list) and location else location
        at = centre(one.get("value")) if isinstance(one, dict) else None
        if at is not None:
            places.append((entity_id, name, *at))
    corners = list(_corners(area))
    rings = _rings(outline, outline.stat().st_mtime_ns) if outline and outline.exists() else ()
    shown = [(lon, lat) for _, _, lon, lat in places] + corners
    if not shown:
        shown = [at for ring in rings for at in ring] or [_CITY[:2], _CITY[2:]]
    west, north, per_lon, per_lat = _frame(shown)

    def put(lon: float, lat: float) -> tuple[float, float]:
        return round((lon - west) * per_lon, 1), round((north - lat) * per_lat, 1)

    def line(ring: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x},{y}" for x, y in (put(*corner) for corner in ring))

    return Sketch(
        tuple(Mark(entity_id, name, *put(lon, lat)) for entity_id, name, lon, lat in places),
        tuple(line(ring) for ring in rings),
        line(corners),
        west,
        north,
        per_lon,
        per_lat,
        metres := _round(150 / per_lat * _DEGREE),
        round(metres / _DEGREE * per_lat, 1),
    )


def _round(metres: float) -> float:
    """The largest of 1, 2, 5, 10, … that is not more."""
    power = 10.0 ** math.floor(math.log10(metres))
    return next(step * power for step in (5, 2, 1) if step * power <= metres)


def _frame(shown: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    """West and north, and units for a degree of longitude and of latitude, so that all of these fit in."""
    lons, lats = [lon for lon, _ in shown], [lat for _, lat in shown]
    middle_lon, middle_lat = (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2
    shrink = max(math.cos(math.radians(middle_lat)), 0.01)  # a degree of longitude is shorter by this
    wide = max((max(lons) - min(lons)) * shrink, _LEAST) * (1 + 2 * _MARGIN)
    high = max(max(lats) - min(lats), _LEAST) * (1 + 2 * _MARGIN)
    per_lat = min(WIDTH / wide, HEIGHT / high)
    per_lon = per_lat * shrink
    return middle_lon - WIDTH / 2 / per_lon, middle_lat + HEIGHT / 2 / per_lat, per_lon, per_lat


def _corners(area: str) -> Iterator[tuple[float, float]]:
    for corner in area.split():
        try:
            lon, lat = (float(part) for part in corner.split(","))
        except ValueError:
            continue
        if -180 <= lon <= 180 and -90 <= lat <= 90:
            yield lon, lat


@lru_cache(maxsize=4)
def _rings(path: Path, changed: int) -> tuple[tuple[tuple[float, float], ...], ...]:
    """The lines of a GeoJSON file; none if it cannot be read."""
    try:
        document = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return ()
    found: list[tuple[tuple[float, float], ...]] = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            for name in ("features", "geometry", "geometries", "coordinates"):
                if name in part:
                    walk(part[name])
        elif isinstance(part, list) and part:
            first = part[0]
            if isinstance(first, list) and first and isinstance(first[0], int | float):
                found.append(tuple((float(at[0]), float(at[1])) for at in part))
            else:
                for inner in part:
                    walk(inner)

    walk(document)
    return tuple(found)
