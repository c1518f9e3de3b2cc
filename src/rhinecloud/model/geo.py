"""Geo-queries: a relation between an entity's geometry and a reference geometry (CIM 009 §4.10).

shapely and pyproj are loaded when the first geometry is compared, not before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import asin, cos, radians, sin, sqrt
from typing import Any, Final, Literal

import msgspec

from rhinecloud.model.context import Context
from rhinecloud.model.core_context import TERMS
from rhinecloud.model.errors import BadRequestData
from rhinecloud.model.geojson import GEOMETRY_TYPES, check_geometry, is_geometry

Relation = Literal["near", "within", "contains", "intersects", "equals", "disjoint", "overlaps"]

RELATIONS: Final[tuple[Relation, ...]] = (
    "within",
    "contains",
    "intersects",
    "equals",
    "disjoint",
    "overlaps",
)
MAX_TEXT: Final = 1_000_000
EARTH_RADIUS: Final = 6_371_008.8
"""Mean radius in metres, of the sphere that `spherical_metres` is about."""

# A JSON number without sign; zero is refused below (production PositiveNumber).
_DISTANCE = re.compile(r"(maxDistance|minDistance)==((?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")


class GeoQuery(msgspec.Struct, frozen=True):
    """`property` (an IRI) stands in `relation` to `geometry` (GeoJSON); distances of `near` in metres."""

    relation: Relation
    geometry: dict[str, Any]
    property: str
    max_distance: float | None = None
    min_distance: float | None = None


def parse_geo_query(
    georel: str, geometry: str, coordinates: Any, geoproperty: str | None, context: Context
) -> GeoQuery:
    """Read the four parameters of a geo-query; `coordinates` is JSON text or already decoded.

    BadRequestData names the parameter that is wrong. Without `geoproperty` it is the location.
    """
    relation, max_distance, min_distance = _relation(georel)
    if geometry not in GEOMETRY_TYPES:
        raise BadRequestData(f"{geometry!r} is none of {', '.join(sorted(GEOMETRY_TYPES))}", field="geometry")
    if isinstance(coordinates, str | bytes):
        if len(coordinates) > MAX_TEXT:
            raise BadRequestData(f"coordinates are longer than {MAX_TEXT} characters", field="coordinates")
        try:
            coordinates = msgspec.json.decode(coordinates)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise BadRequestData("coordinates are no JSON", field="coordinates") from None
    try:
        reference = check_geometry({"type": geometry, "coordinates": coordinates}, ())
    except BadRequestData as error:
        raise BadRequestData(error.detail, field=(error.field or "/coordinates")[1:]) from None
    try:
        iri = context.expand_name(geoproperty) if geoproperty else TERMS["location"]
    except BadRequestData as error:
        raise BadRequestData(error.detail, field="geoproperty") from None
    return GeoQuery(relation, reference, iri, max_distance, min_distance)


def _relation(georel: str) -> tuple[Relation, float | None, float | None]:
    name, *modifiers = georel.split(";")
    for relation in RELATIONS:
        if name == relation and not modifiers:
            return relation, None, None
    if name != "near" or not modifiers:
        expected = f"near;maxDistance==metres, near;minDistance==metres or one of {', '.join(RELATIONS)}"
        raise BadRequestData(f"{georel!r} is no georel; expected {expected}", field="georel")
    distances: dict[str, float] = {}
    for modifier in modifiers:
        found = _DISTANCE.fullmatch(modifier)
        metres = float(found[2]) if found else 0.0
        if found is None or found[1] in distances or not 0 < metres < float("inf"):
            raise BadRequestData(
                f"{modifier!r} is no distance such as maxDistance==2000 (metres, more than 0)", field="georel"
            )
        distances[found[1]] = metres
    return "near", distances.get("maxDistance"), distances.get("minDistance")


def matches(query: GeoQuery, geometry: Any) -> bool:
    """Whether a geometry (GeoJSON, None for none) meets the query; a missing one never does (§4.10)."""
    return matcher(query)(geometry)


def matcher(query: GeoQuery) -> Callable[[Any], bool]:
    """As `matches`, with the reference geometry made ready once for many comparisons."""
    if query.relation == "near":
        reference = _shape(query.geometry)
        return lambda geometry: is_geometry(geometry) and _near(query, reference, _shape(geometry))
    relate = relation(query)
    return lambda geometry: is_geometry(geometry) and bool(relate(_shape(geometry)))


def relation(query: GeoQuery) -> Callable[[Any], Any]:
    """The topological relation of a query (not near) as a predicate on one shape, or on an array of shapes at once."""
    import shapely

    reference = _shape(query.geometry)
    shapely.prepare(reference)
    # Prepared geometries stand on the left, so the relation of the target to it is turned round.
    relate: Callable[[Any, Any], Any] = {
        "within": shapely.contains,
        "contains": shapely.within,
        "intersects": shapely.intersects,
        "equals": shapely.equals,
        "disjoint": shapely.disjoint,
        "overlaps": shapely.overlaps,
    }[query.relation]
    return lambda shapes: relate(reference, shapes)


def _shape(geometry: dict[str, Any]) -> Any:
    import shapely
    from shapely.geometry import shape

    made = shape(geometry)
    # Rings that cross themselves make the predicates fail.
    return made if made.is_valid else shapely.make_valid(made)


def _near(query: GeoQuery, reference: Any, target: Any) -> bool:
    distance = distance_metres(reference, target)
    if query.max_distance is not None and distance > query.max_distance:
        return False
    # Disjoint with the buffer, whose edge belongs to it.
    return query.min_distance is None or distance > query.min_distance


def distance_metres(one: Any, other: Any) -> float:
    """Shortest distance of two shapes in metres on WGS 84, geodesic between their nearest points."""
    if one.geom_type == other.geom_type == "Point":
        return abs(float(_geodesic()(one.x, one.y, other.x, other.y)[2]))
    (lon1, lat1), (lon2, lat2) = _nearest_points(one, other)
    return abs(float(_geodesic()(lon1, lat1, lon2, lat2)[2]))


def spherical_metres(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Shortest distance of two geometries (GeoJSON) in metres on a sphere, by the haversine formula (§4.23.1)."""
    if one["type"] == other["type"] == "Point":
        nearest = [one["coordinates"][:2], other["coordinates"][:2]]
    else:
        nearest = _nearest_points(_shape(one), _shape(other))
    (lon1, lat1), (lon2, lat2) = ((radians(lon), radians(lat)) for lon, lat in nearest)
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS * asin(sqrt(min(1.0, half)))


def _nearest_points(one: Any, other: Any) -> Any:
    """The points of two shapes that are nearest to each other, as (lon, lat)."""
    import shapely
    from shapely.affinity import scale, translate

    shift = one.centroid.x - other.centroid.x
    if abs(shift) > 180:
        other = translate(other, xoff=360 if shift > 0 else -360)
    latitude = one.centroid.y
    nearest: Any = None
    # Degrees of longitude shrink with the latitude, which is known once the nearest points are.
    for _ in range(2):
        factor = max(cos(radians(latitude)), 1e-6)
        scaled = [scale(part, xfact=factor, yfact=1.0, origin=(0, 0)) for part in (one, other)]
        line = shapely.shortest_line(*scaled)
        nearest = [(x / factor, y) for x, y in line.coords]
        latitude = (nearest[0][1] + nearest[1][1]) / 2
    return nearest


@lru_cache(maxsize=1)
def _geodesic() -> Callable[[float, float, float, float], tuple[float, float, float]]:
    from pyproj import Geod

    inverse: Callable[[float, float, float, float], tuple[float, float, float]] = Geod(ellps="WGS84").inv
    return inverse
