"""Data are read as they are, and what is generated around them leaves them alone."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from rhinecloud.apps.lighting.evidence.traffic import (
    Crossings,
    approaches,
    crossings,
    drive,
    generated_street,
    walkers,
)

MOERS = """24.10.16 23:59:59;50;036;01;0
24.10.16 08:37:29;00;072;01;1

25.10.16 xx;00;032;01;0
"""
MUENSTER = "Name  /  Date: 2015_03_09;0:00\n" + "\n".join(
    (
        "MQ_03290_FV1_G (MQ1);" + ";".join(["10"] * 24) + ";",
        "MQ_03290_FV12_L (MQ2);" + ";".join(["5"] * 24) + ";",
        "MQ_03290_FV2_G (MQ3);" + ";".join(["7"] * 24) + ";",
        "MQ_08063_FV1_G (MQ4);60;24;18;",
        "LSA 3290 Schleifen (MQ1012);" + ";".join(["900"] * 24) + ";",
    )
)


def some(number: int = 40) -> Crossings:
    chance = np.random.default_rng(3)
    at = np.sort(chance.uniform(1e9, 1e9 + 3600, number))
    return Crossings(at, chance.uniform(4, 20, number), chance.choice([-1, 1], number))


def test_single_vehicles_are_read_by_the_clock_of_the_town() -> None:
    found, wrong = crossings(MOERS)
    assert wrong == 1
    assert [datetime.fromtimestamp(at, UTC).isoformat() for at in found.at] == [
        "2016-10-24T06:37:29+00:00",
        "2016-10-24T21:59:59.500000+00:00",
    ]
    assert found.speed.tolist() == [20.0, 10.0] and found.sense.tolist() == [1, -1]


def test_lanes_of_an_approach_are_added_and_what_is_no_lane_is_left_out() -> None:
    found = approaches(MUENSTER)
    assert {name: int(hours[0]) for name, hours in found.items()} == {"03290/1": 15, "03290/2": 7}


def test_every_vehicle_passes_the_cross_section_when_and_as_it_did() -> None:
    vehicles, street = some(), generated_street()
    trips = drive(vehicles, street, seed=1)
    assert len(trips.times) == len(vehicles.at)
    for at, sense, times, places in zip(vehicles.at, vehicles.sense, trips.times, trips.places, strict=True):
        assert np.all(np.diff(times) > 0)
        assert np.sign(places[-1] - places[0]) == sense
        assert np.interp(at, times, places) == pytest.approx(street.length / 2, abs=0.01)


def test_what_is_generated_is_the_same_for_the_same_seed() -> None:
    one, other = (drive(some(), generated_street(), seed=5) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one.times, other.times, strict=True))


def test_a_sensor_sees_each_passing_once_and_knows_the_direction() -> None:
    vehicles, street = some(), generated_street()
    found = drive(vehicles, street, seed=1, turning=0.0).detections(street, every=2, missed=0.0, seed=1)
    for sensor in range(0, len(street.lamps), 2):
        mine = [one for one in found if one.detector == str(sensor)]
        assert len(mine) == len(vehicles.at)
        assert sum(bool(one.forward) for one in mine) == int((vehicles.sense > 0).sum())
    assert not [one for one in found if int(one.detector) % 2]


def test_moments_are_seen_on_the_measured_part_alone() -> None:
    street = generated_street()
    trips = drive(some(), street, seed=1)
    seen = trips.seen(street, 1e9, 3600, 1.0)
    assert (
        len(seen.step) and seen.place.min() >= street.measured[0] and seen.place.max() <= street.measured[1]
    )
    assert seen.step.min() >= 0 and seen.step.max() < 3600
    assert (seen.speed > 0).all()


def test_walkers_walk_in_their_hours() -> None:
    street = generated_street()
    found = walkers(street, 1e9, np.array([0, 50, 0]), seed=2)
    assert 20 < len(found.times) < 90
    assert all(1e9 + 3600 <= times[0] < 1e9 + 7200 for times in found.times)
    assert all(places.min() >= 0 and places.max() <= street.length for places in found.places)
