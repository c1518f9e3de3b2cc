"""Geometries of sources as GeoJSON in WGS 84."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pyproj
import shapely
from pyproj.exceptions import CRSError
from shapely.geometry import mapping as to_geojson
from shapely.geometry import shape

from rhinecloud.gateways.importing.mapping import Geometry, MappingError

_MARGIN = 2.0  # degrees around the area for which a coordinate system is made
_MULTI = {"Point": "MultiPoint", "LineString": "MultiLineString", "Polygon": "MultiPolygon"}


class BadGeometry(Exception):  # noqa: N818  # says what it is
    """A geometry that cannot be read; the text is the reason."""


Reader = Callable[[dict[str, Any], Any], dict[str, Any] | None]


def reader(spec: Geometry) -> Reader:
    """A function from a record, and the geometry that a GeoJSON feature brings along, to a GeoJSON geometry in
    degrees of WGS 84, or None where there is none. It raises BadGeometry; this raises MappingError."""
    try:
        crs = pyproj.CRS.from_user_input(spec.crs)
    except CRSError as error:
        raise MappingError(f"geometry.crs: {error}") from None
    degrees = crs.equals(pyproj.CRS.from_epsg(4326), ignore_axis_order=True)
    transformer = None if degrees else pyproj.Transformer.from_crs(crs, 4326, always_xy=True)

    least_lon, least_lat, most_lon, most_lat = _area(crs)

    def read(record: dict[str, Any], own: Any) -> dict[str, Any] | None:
        geometry = _found(spec, record, own)
        if geometry is None or geometry.is_empty:
            return None
        if transformer is not None:
            geometry = shapely.transform(geometry, transformer.transform, interleaved=False)
        geometry = shapely.force_2d(geometry) if shapely.has_z(geometry) else geometry
        west, south, east, north = geometry.bounds
        # Written so that NaN and the infinity of a failed projection are refused too.
        if not (least_lon <= west <= east <= most_lon and least_lat <= south <= north <= most_lat):
            raise BadGeometry(
                f"the position {west:.4f}, {south:.4f} (degrees) is outside the area of {spec.crs}; "
                "is that the crs?"
            )
        return _rounded(to_geojson(geometry), spec.decimals)

    return read


def _area(crs: pyproj.CRS) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees of where the coordinate system is in use, with a margin."""
    area = crs.area_of_use
    if area is None or area.west > area.east:
        return -180.0, -90.0, 180.0, 90.0
    return (
        max(-180.0, area.west - _MARGIN),
        max(-90.0, area.south - _MARGIN),
        min(180.0, area.east + _MARGIN),
        min(90.0, area.north + _MARGIN),
    )


def _found(spec: Geometry, record: dict[str, Any], own: Any) -> Any:
    if spec.x is not None and spec.y is not None:
        x, y = record.get(spec.x), record.get(spec.y)
        if x in (None, "") or y in (None, ""):
            return None
        try:
            return shapely.Point(_number(x), _number(y))
        except ValueError:
            raise BadGeometry(f"{x!r}, {y!r} are no numbers") from None
    given = own if spec.column is None else record.get(spec.column)
    if given is None or given == "":
        return None
    try:
        if isinstance(given, str) and not given.lstrip().startswith("{"):
            geometry = shapely.from_wkt(given)
        else:
            geometry = shape(msgspec.json.decode(given) if isinstance(given, str) else given)
    except (shapely.errors.ShapelyError, msgspec.DecodeError, ValueError, TypeError, KeyError) as error:
        raise BadGeometry(f"no geometry: {str(error) or 'wrong form'}"[:200]) from None
    except (AttributeError, IndexError):
        raise BadGeometry("no geometry: wrong form") from None
    return _without_collections(geometry)


def _without_collections(geometry: Any) -> Any:
    """NGSI-LD has no GeometryCollection (CIM 009 §4.7.1): parts of one type become a Multi… of it."""
    if geometry is None or geometry.geom_type not in ("GeometryCollection", "LinearRing"):
        return geometry
    if geometry.geom_type == "LinearRing":
        return shapely.LineString(geometry)
    parts = list(geometry.geoms)
    kinds = {part.geom_type for part in parts}
    if len(parts) == 1:
        return _without_collections(parts[0])
    if len(kinds) == 1 and kinds <= _MULTI.keys():
        return shape(
            {"type": _MULTI[kinds.pop()], "coordinates": [to_geojson(p)["coordinates"] for p in parts]}
        )
    raise BadGeometry("a GeometryCollection of several types has no form in NGSI-LD")


def _number(value: Any) -> float:
    return float(value.replace(",", ".") if isinstance(value, str) else value)


def _rounded(geometry: dict[str, Any], decimals: int) -> dict[str, Any]:
    def one(value: Any) -> Any:
        return round(value, decimals) if isinstance(value, float) else [one(part) for part in value]

    return {"type": geometry["type"], "coordinates": one(geometry["coordinates"])}
