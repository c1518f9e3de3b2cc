"""Geo-queries: their grammar, the seven relations, and distances against the geodesic."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from rhinecloud.model import CORE, LOCATION, BadRequestData, GeoQuery, matches_geometry, parse_geo_query
from rhinecloud.model.core_context import NGSI_LD
from rhinecloud.model.geo import distance_metres

SQUARE = [[[6.0, 51.0], [7.0, 51.0], [7.0, 52.0], [6.0, 52.0], [6.0, 51.0]]]


def point(longitude: float, latitude: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [longitude, latitude]}


def polygon(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def test_the_parameters() -> None:
    assert parse_geo_query("near;maxDistance==2000", "Point", "[8,40]", "observationSpace", CORE) == GeoQuery(
        "near", point(8, 40), NGSI_LD + "observationSpace", max_distance=2000.0
    )
    assert parse_geo_query("near;minDistance==1e3", "Point", [8, 40], None, CORE).min_distance == 1000.0
    assert parse_geo_query("within", "Polygon", SQUARE, None, CORE) == GeoQuery(
        "within", {"type": "Polygon", "coordinates": SQUARE}, LOCATION
    )


@pytest.mark.parametrize(
    ("georel", "geometry", "coordinates", "geoproperty", "field"),
    [
        ("near", "Point", "[8,40]", None, "georel"),
        ("near;maxDistance=5", "Point", "[8,40]", None, "georel"),
        ("near;maxDistance==0", "Point", "[8,40]", None, "georel"),
        ("near;maxDistance==-5", "Point", "[8,40]", None, "georel"),
        ("near;maxDistance==5;maxDistance==6", "Point", "[8,40]", None, "georel"),
        ("near;maxDistance==1e999", "Point", "[8,40]", None, "georel"),
        ("within;maxDistance==5", "Point", "[8,40]", None, "georel"),
        ("beside", "Point", "[8,40]", None, "georel"),
        ("within", "GeometryCollection", "[8,40]", None, "geometry"),
        ("within", "Point", "8,40", None, "coordinates"),
        ("within", "Point", "[200,40]", None, "coordinates"),
        ("within", "Polygon", "[[[0,0],[1,1],[1,0]]]", None, "coordinates/0"),
        ("within", "Point", "[" * 5000, None, "coordinates"),
        ("within", "Point", "[8,40]", "a b", "geoproperty"),
    ],
)
def test_wrong_parameters_are_named(
    georel: str, geometry: str, coordinates: str, geoproperty: str | None, field: str
) -> None:
    with pytest.raises(BadRequestData) as caught:
        parse_geo_query(georel, geometry, coordinates, geoproperty, CORE)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("georel", "reference", "target", "meets"),
    [
        ("within", polygon(6, 51, 7, 52), point(6.5, 51.5), True),
        ("within", polygon(6, 51, 7, 52), point(7.5, 51.5), False),
        ("within", polygon(6, 51, 7, 52), point(6, 51), False),  # On the edge is not inside.
        ("within", polygon(6, 51, 7, 52), polygon(6.1, 51.1, 6.2, 51.2), True),
        ("contains", point(6.5, 51.5), polygon(6, 51, 7, 52), True),
        ("contains", polygon(6, 51, 7, 52), point(6.5, 51.5), False),
        ("intersects", polygon(6, 51, 7, 52), polygon(7, 52, 8, 53), True),
        ("disjoint", polygon(6, 51, 7, 52), polygon(7, 52, 8, 53), False),
        ("disjoint", polygon(6, 51, 7, 52), point(8, 51), True),
        ("overlaps", polygon(6, 51, 7, 52), polygon(6.5, 51, 7.5, 52), True),
        ("overlaps", polygon(6, 51, 7, 52), polygon(6.1, 51.1, 6.2, 51.2), False),
        ("equals", polygon(6, 51, 7, 52), polygon(6, 51, 7, 52), True),
        ("equals", point(6, 51), point(6, 51.0000001), False),
        ("near;maxDistance==1000", point(6.76, 51.43), point(6.77, 51.43), True),
        ("near;maxDistance==600", point(6.76, 51.43), point(6.77, 51.43), False),
        ("near;minDistance==600", point(6.76, 51.43), point(6.77, 51.43), True),
        ("near;minDistance==600;maxDistance==650", point(6.76, 51.43), point(6.77, 51.43), False),
        ("near;maxDistance==1", polygon(6, 51, 7, 52), point(6.5, 51.5), True),
        ("near;maxDistance==23000", point(179.9, 0), point(-179.9, 0), True),
        ("near;maxDistance==1", point(6, 51), None, False),
        ("disjoint", point(6, 51), None, False),
        ("disjoint", point(6, 51), "nowhere", False),
    ],
)
def test_the_relations(georel: str, reference: dict[str, Any], target: Any, meets: bool) -> None:
    query = parse_geo_query(georel, reference["type"], reference["coordinates"], None, CORE)
    assert matches_geometry(query, target) is meets


def test_rings_that_cross_themselves_are_put_right() -> None:
    bow_tie = [[[6, 51], [7, 52], [7, 51], [6, 52], [6, 51]]]
    query = parse_geo_query("within", "Polygon", bow_tie, None, CORE)
    assert matches_geometry(query, point(6.9, 51.5))
    assert not matches_geometry(query, point(6.5, 51.9))


@settings(max_examples=150)
@given(st.floats(-180, 180), st.floats(-85, 85), st.floats(-180, 180), st.floats(-85, 85))
def test_distances_of_points_are_geodesic(lon1: float, lat1: float, lon2: float, lat2: float) -> None:
    exact = Geod(ellps="WGS84").inv(lon1, lat1, lon2, lat2)[2]
    assert distance_metres(shapely.Point(lon1, lat1), shapely.Point(lon2, lat2)) == pytest.approx(
        exact, abs=1e-3
    )


@settings(max_examples=60)
@given(st.floats(-60, 60), st.floats(0.01, 0.3), st.floats(0.01, 0.3), st.floats(0.01, 0.3))
def test_distances_to_lines_are_exact_to_half_a_percent(
    lat: float, dx: float, dy: float, tilt: float
) -> None:
    ends = [(7.0, lat), (7.0 + dx, lat + tilt)]
    target = shapely.Point(7.0 + 2 * dx, lat - dy)
    geodesic = Geod(ellps="WGS84")
    steps = [k / 4000 for k in range(4001)]
    exact = min(
        geodesic.inv(
            ends[0][0] + k * (ends[1][0] - ends[0][0]),
            ends[0][1] + k * (ends[1][1] - ends[0][1]),
            target.x,
            target.y,
        )[2]
        for k in steps
    )
    assert distance_metres(shapely.LineString(ends), target) == pytest.approx(exact, rel=0.005)


def test_geometry_libraries_are_loaded_only_when_needed() -> None:
    code = (
        "import sys; from rhinecloud.model import *;"
        "parse_entity({'id': 'urn:a:b', 'type': 'T', 'location': {'type': 'Point', 'coordinates': [1, 2]}}, CORE);"
        "parse_geo_query('within', 'Point', '[1,2]', None, CORE);"
        "sys.exit(any(name in sys.modules for name in ('shapely', 'pyproj', 'numpy', 'asyncio', 'pyld')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
