"""Geo queries: boxes in degrees through the index, then the exact answer by model.geo."""

from __future__ import annotations

import math

import asyncpg
import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Geod
from shapely.geometry import mapping, shape

from rhinecloud.model import GeoQuery, geometry_matcher
from rhinecloud.model.geo import relation

from .parameters import Parameters

_METRES_PER_DEGREE = 110_500.0  # a little less than anywhere on WGS 84, so that boxes are a little too large


async def matching(
    pool: asyncpg.Pool, query: GeoQuery, conditions: list[str], parameters: Parameters
) -> list[str]:
    """Ids, in their order, of the entities whose geometry meets the query and that meet the conditions."""
    where = [f"attribute = {parameters.add(query.property)}"]
    box = search_box(query)
    if box is not None:
        west, south, east, north = (parameters.add(value) for value in box)
        where.append(
            f"area && box(point({west}::float8, {south}::float8), point({east}::float8, {north}::float8))"
        )
    found = f"SELECT entity_id, geometry FROM place WHERE {' AND '.join(where)}"
    if conditions:
        # The few that the box leaves are looked up one by one: the planner, which cannot know how few they are, would
        # read the whole graph. OFFSET 0 keeps the look-up whole.
        found = (
            f"SELECT p.entity_id, p.geometry FROM ({found} OFFSET 0) AS p CROSS JOIN LATERAL "
            f"(SELECT FROM entity e WHERE e.id = p.entity_id AND {' AND '.join(conditions)} OFFSET 0) AS e"
        )
    records = await pool.fetch(f"{found} ORDER BY entity_id", *parameters.values)
    kept = refine(query, [record[1] for record in records])
    return list(dict.fromkeys(record[0] for record, keep in zip(records, kept, strict=True) if keep))


def search_box(query: GeoQuery) -> tuple[float, float, float, float] | None:
    """West, south, east, north in degrees of where matches can lie; None where they can lie anywhere."""
    if query.relation == "disjoint" or (query.relation == "near" and query.max_distance is None):
        return None
    west, south, east, north = shape(query.geometry).bounds
    if query.relation != "near":
        return west, south, east, north
    assert query.max_distance is not None
    high = query.max_distance / _METRES_PER_DEGREE
    widest = max(abs(south - high), abs(north + high))
    if widest >= 89.0:
        return -180.0, south - high, 180.0, north + high
    wide = high / math.cos(math.radians(widest)) * 1.01
    if west - wide < -180.0 or east + wide > 180.0:  # over the antimeridian: search all longitudes
        return -180.0, south - high, 180.0, north + high
    return west - wide, south - high, east + wide, north + high


def refine(query: GeoQuery, geometries: list[bytes]) -> npt.NDArray[np.bool_]:
    """Which of these WKB geometries meet the query exactly; points, the rule, all in one stroke."""
    if not geometries:
        return np.zeros(0, dtype=np.bool_)
    shapes = shapely.from_wkb(geometries)
    reference = shape(query.geometry)
    if (
        query.relation == "near"
        and reference.geom_type == "Point"
        and (shapely.get_type_id(shapes) == 0).all()
    ):
        metres = _wgs84.inv(
            np.full(len(shapes), reference.x),
            np.full(len(shapes), reference.y),
            shapely.get_x(shapes),
            shapely.get_y(shapes),
        )[2]
        kept = np.ones(len(shapes), dtype=np.bool_)
        if query.max_distance is not None:
            kept &= metres <= query.max_distance
        if query.min_distance is not None:
            kept &= metres > query.min_distance
        return kept
    if query.relation == "near":
        meets = geometry_matcher(query)
        return np.fromiter((meets(mapping(one)) for one in shapes), dtype=np.bool_, count=len(shapes))
    crossed = ~shapely.is_valid(shapes)  # rings that cross themselves make the predicates fail
    if crossed.any():
        shapes[crossed] = shapely.make_valid(shapes[crossed])
    return np.asarray(relation(query)(shapes), dtype=np.bool_)


_wgs84 = Geod(ellps="WGS84")
