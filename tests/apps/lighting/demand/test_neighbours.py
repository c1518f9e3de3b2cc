"""Tables for field gateways: complete, small, versioned."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.demand.neighbours import (
    PROFILES,
    VEHICLE,
    Detector,
    Lamps,
    Profile,
    Reacts,
    Table,
    Together,
    Zone,
    alone,
    decode,
    encode,
    part,
    problems,
    table,
    zoned,
)
from rhinecloud.apps.lighting.demand.roads import Roads

from .places import at, row, straight, way


def test_both_directions_have_their_lamps_with_metres_along_the_road() -> None:
    made = straight(lamps=5)
    assert made.detectors["d1"].forward == (1, 0, 2, 30, 3, 60, 4, 90)
    assert made.detectors["d1"].backward == (1, 0, 0, 30)


def test_a_detector_that_looks_the_other_way_calls_that_forward() -> None:
    roads = Roads([way("A", (0, 0), (100, 0))])
    lamps = Lamps(("west", "east"), roads.place([at(10, 0), at(90, 0)]))
    made = table(roads, lamps, [Detector("d", at(50, 0), "A", 280.0)])
    assert made.detectors["d"].forward == (0, 40)


def test_what_has_no_road_has_no_part() -> None:
    roads = Roads([way("A", (0, 0), (100, 0))])
    lamps = Lamps(("near", "far"), roads.place([at(10, 0), at(10, 900)]))
    made = table(roads, lamps, [Detector("d", at(0, 0)), Detector("lost", at(0, 900))])
    assert set(made.detectors) == {"d"}
    assert made.detectors["d"].forward == (0, 10)


def test_a_table_travels_as_json_and_its_revision_names_its_content() -> None:
    made = straight()
    data = encode(made)
    assert decode(data) == made
    assert json.loads(data)["format"] == "light-on-demand/1"
    assert encode(straight()) == data
    assert straight(lamps=22).revision != made.revision
    damaged = data.replace(b"[1,0,2,30", b"[1,0,2,31")
    assert damaged != data
    with pytest.raises(ValueError, match="revision"):
        decode(damaged)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"light-on-demand/1"', b'"light-on-demand/2"'),
        (b'"forward":[0,0,', b'"forward":[99,0,'),
        (b'"forward":[0,0,', b'"forward":[0,'),
        (b'"lasting":240.0', b'"lasting":86400.0'),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(old: bytes, new: bytes) -> None:
    data = encode(straight())
    assert old in data
    with pytest.raises((msgspec.ValidationError, ValueError)):
        decode(data.replace(old, new))


def test_a_gateway_gets_its_lamps_and_the_detectors_that_concern_them() -> None:
    whole = straight(lamps=41)
    mine = part(whole, {"a0", "a1", "a2"})
    assert mine.lamps == ("a0", "a1", "a2")
    assert mine.detectors["d2"].backward == (2, 0, 1, 30, 0, 60)
    assert mine.detectors["d15"].backward == (2, 390), "a detector of another gateway, 390 m away"
    assert "d16" not in mine.detectors
    assert decode(encode(mine)) == mine


def test_a_gateway_of_a_hundred_lamps_gets_a_few_kilobytes() -> None:
    whole = straight(lamps=300)
    assert len(encode(part(whole, {f"a{i}" for i in range(100, 200)}))) < 40_000


@given(
    st.integers(2, 25), st.integers(2, 25), st.floats(0, 400), st.sampled_from([1.0, -1.0]), st.floats(0, 700)
)
def test_lamps_ahead_are_those_on_that_side_within_reach(
    first: int, second: int, reach: float, side: float, where: float
) -> None:
    """Two streets in line: the graph agrees with the ruler."""
    roads = Roads([way("A", (0, 0), (300, 0)), way("B", (300, 0), (700, 0))])
    lamps = row("a", (1, 3), (290, 3), first) | row("b", (310, 3), (699, 3), second)
    standing = Lamps(tuple(lamps), roads.place(list(lamps.values())))
    made = table(roads, standing, [Detector("d", at(where, 0), "", 90 * side)], reach=reach)
    flat = made.detectors["d"].forward
    found = {made.lamps[n]: away for n, away in zip(flat[::2], flat[1::2], strict=True)}
    eastings = [1 + 289 * i / (first - 1) for i in range(first)]
    eastings += [310 + 389 * i / (second - 1) for i in range(second)]
    for name, x in zip(lamps, eastings, strict=True):
        away = (x - where) * side
        if 0.1 < away < reach - 0.1:
            assert abs(found[name] - away) < 1.1
        elif not -0.1 < away < reach + 0.1:
            assert name not in found


def test_reach_grows_with_speed_and_stays_within_its_points() -> None:
    profile = Profile(reach=((5.0, 50.0), (15.0, 150.0)))
    assert [profile.reaches(v) for v in (0, 5, 10, 15, 40)] == [50, 50, 100, 150, 150]
    assert VEHICLE.reaches(5) == 100
    for v in (5.0, 14.0, 20.0, 23.0, 25.0, 32.0):
        assert 1.15 * max(100, v * 2 + v * v / 6.8) > VEHICLE.reaches(v) >= max(100, v * 2 + v * v / 6.8) - 1


def test_the_profiles_that_come_with_it_can_be_meant() -> None:
    assert not any(problems(one) for one in PROFILES.values())
    for wrong in (
        Profile(level=101),
        Profile(reach=()),
        Profile(reach=((5.0, 1.0), (5.0, 2.0))),
        Profile(lasting=301),
        Profile(hold=-1),
        Profile(least_speed=1.2),
        Profile(typical_speed=0),
    ):
        assert problems(wrong), wrong


SQUARE = Zone(
    id="square",
    lamps=["a3", "a7", "gone"],
    detectors=["d1", "far"],
    reacts={"pedestrian": Reacts(60.0, 120.0)},
)


def test_a_zone_is_in_the_table_of_each_of_its_detectors_also_of_one_without_a_road() -> None:
    plain = straight(lamps=10)
    made = zoned(plain, [SQUARE])
    together = Together("square", (3, 7), {"pedestrian": Reacts(60.0, 120.0)})
    assert made.detectors["d1"].zones == (together,) == made.detectors["far"].zones
    assert made.detectors["d1"].forward == plain.detectors["d1"].forward and not made.detectors["d2"].zones
    assert made.revision != plain.revision and decode(encode(made)) == made
    assert zoned(plain, []) == plain, "a table without zones is what it was"
    mine = part(made, {"a7", "a8"})
    assert mine.detectors["far"].zones[0].lamps == (0,) and mine.lamps == ("a7", "a8")
    assert "far" not in part(made, {"a0"}).detectors
    assert alone(made, "far").lamps == ("a3", "a7") and set(alone(made, "far").detectors) == {"far"}


@pytest.mark.parametrize("reacts", [Reacts(101, 60), Reacts(50, 301), Reacts(50, 0)])
def test_a_zone_that_cannot_be_meant_is_refused(reacts: Reacts) -> None:
    wrong = msgspec.structs.replace(SQUARE, reacts={"vehicle": reacts})
    with pytest.raises(ValueError, match="zone square"):
        decode(encode(zoned(straight(lamps=10), [wrong])))


def test_a_table_without_zones_is_what_it_was_before_there_were_any() -> None:
    body = (
        b'{"detectors":{"d":{"forward":[0,5]}},"format":"light-on-demand/1","lamps":["x"],"profiles":{},'
        b'"revision":""}'
    )
    assert encode(msgspec.json.decode(body, type=Table)) == body
