"""The road graph says who is a neighbour."""

from __future__ import annotations

import pytest

from rhinecloud.apps.lighting.demand.neighbours import Detector, Lamps, table
from rhinecloud.apps.lighting.demand.roads import Roads, ways_of

from .places import at, row, way


def standing(roads: Roads, lamps: dict[str, tuple[float, float]]) -> Lamps:
    """The lamps, each in the street that its name begins with."""
    streets = [name.rstrip("0123456789") for name in lamps]
    return Lamps(tuple(lamps), roads.place(list(lamps.values()), streets))


def ahead_of(roads: Roads, lamps: dict[str, tuple[float, float]], detector: Detector) -> dict[str, int]:
    """Lamps forward of it on the road, with their metres."""
    made = table(roads, standing(roads, lamps), [detector])
    flat = made.detectors[detector.id].forward
    return {made.lamps[number]: away for number, away in zip(flat[::2], flat[1::2], strict=True)}


def test_a_lamp_in_the_street_behind_the_block_is_no_neighbour() -> None:
    """It stands 45 m away as the crow flies, and 345 m by the road."""
    roads = Roads(
        [
            way("a", (0, 0), (150, 0), (300, 0), (400, 0)),
            way("b", (0, 45), (300, 45), (400, 45)),
            way("C", (300, 0), (300, 45)),
        ]
    )
    lamps = row("a", (0, 5), (300, 5), 11) | row("b", (0, 40), (300, 40), 11)
    found = ahead_of(roads, lamps, Detector("d", at(0, 2), "a", 90.0))
    assert found == {f"a{i}": 30 * i for i in range(11)}
    made = table(
        roads,
        standing(roads, lamps),
        [Detector("d", at(290, 2), "a", 90.0)],
    )
    names = {made.lamps[n] for n in made.detectors["d"].forward_aside[::2]}
    assert names == {"b10"}, "behind the turn only as far as asked for"


def test_a_bridge_does_not_join_what_it_crosses() -> None:
    roads = Roads([way("a", (0, 0), (400, 0)), way("bridge", (200, -200), (200, 200))])
    lamps = row("a", (0, 4), (400, 4), 9) | row("bridge", (204, -200), (204, 200), 9)
    found = ahead_of(roads, lamps, Detector("d", at(100, 1), "a", 90.0))
    assert found and not any(name.startswith("bridge") for name in found)


def test_the_road_is_followed_where_it_bends_and_where_its_name_goes() -> None:
    """A bend without a junction is no turn, and at one the street goes on where its name does."""
    roads = Roads(
        [
            way("A", (0, 0), (100, 0), (100, 100)),
            way("A", (100, 100), (200, 100)),
            way("C", (100, 100), (0, 100)),
        ]
    )
    lamps = {"bent": at(100, 50), "on": at(150, 100), "other": at(10, 100)}
    found = ahead_of(roads, lamps, Detector("d", at(0, 0), "A", 90.0))
    assert found == {"bent": 150, "on": 250}


def test_one_way_streets_are_not_entered_from_their_end() -> None:
    roads = Roads([way("A", (0, 0), (100, 0)), way("B", (200, 0), (100, 0), oneway=True)])
    assert ahead_of(roads, {"b": at(150, 0)}, Detector("d", at(0, 0), "A", 90.0)) == {}
    assert ahead_of(roads, {"a": at(50, 0)}, Detector("d", at(190, 0), "B", 270.0)) == {"a": 140}


def test_a_way_around_the_block_is_no_way_back() -> None:
    """The lamp behind the detector is not ahead of it, unless the road leads there."""
    roads = Roads([way("A", (0, 0), (200, 0))])
    assert ahead_of(roads, {"behind": at(40, 0)}, Detector("d", at(50, 0), "A", 90.0)) == {}
    ring = Roads([way("R", (0, 0), (50, 0), (50, 50), (0, 50), (0, 0))])
    found = ahead_of(ring, {"behind": at(20, 0)}, Detector("d", at(30, 0), "R", 90.0))
    assert found == {"behind": 190}


def test_a_lamp_at_a_corner_belongs_to_the_street_of_its_name() -> None:
    roads = Roads([way("Hauptstraße", (0, 0), (200, 0)), way("Gasse", (100, 0), (100, 100))])
    corner = at(103, 9)
    place = roads.place([corner, corner, at(0, 500)], ["Gasse", "Hauptstr.", "Gasse"])
    assert [roads.edges[edge].name for edge in place.edge[:2]] == ["Gasse", "Hauptstraße"]
    assert place.edge[2] == -1
    assert place.distance[0] == pytest.approx(3, abs=0.05)


def test_a_map_that_is_wrong_in_places_is_read_where_it_is_right() -> None:
    features = [
        {
            "geometry": {"type": "LineString", "coordinates": [[6.7, 51.4], [6.71, 51.4, 33.0]]},
            "properties": None,
        },
        {"geometry": {"type": "LineString", "coordinates": [[6.7, 51.4]]}},
        {"geometry": {"type": "LineString", "coordinates": [[6.7, "x"], [6.8, 51.4]]}},
        {"geometry": {"type": "Point", "coordinates": [6.7, 51.4]}},
        {"geometry": None},
        "nothing",
        {
            "geometry": {"type": "MultiLineString", "coordinates": [[[6.7, 51.4], [6.71, 51.4]]]},
            "properties": {"oneway": -1, "name": "E"},
        },
        {"geometry": {"type": "LineString", "coordinates": [[float("nan"), 51.4], [6.71, 51.4]]}},
    ]
    ways, problems = ways_of(features)
    assert [one.name for one in ways] == ["", "E"]
    assert ways[1].oneway and ways[1].points[0] == (6.71, 51.4)
    assert [one.feature for one in problems] == [1, 2, 4, 5, 7]


def test_no_way_at_all_is_said() -> None:
    with pytest.raises(ValueError, match="no way"):
        Roads([way("A", (0, 0), (0, 0))])
