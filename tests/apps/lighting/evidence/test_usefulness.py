"""Usefulness as it is defined, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rhinecloud.apps.lighting.evidence.power import Luminaire, energy
from rhinecloud.apps.lighting.evidence.usefulness import Seen, ahead, motorist, pedestrian, score

LAMPS = np.arange(0.0, 301.0, 30.0)


def seen(place: float, sense: int = 1, speed: float = 10.0) -> Seen:
    return Seen(np.array([0]), np.array([place]), np.array([sense]), np.array([speed]))


def levels(*lit: int, level: float = 100.0) -> np.ndarray:
    found = np.zeros((len(LAMPS), 1))
    found[list(lit)] = level
    return found


def test_reach_is_a_hundred_metres_until_stopping_takes_longer() -> None:
    assert ahead(np.array([0.0, 10.0])).tolist() == [100.0, 100.0]
    assert ahead(np.array([25.0]))[0] == pytest.approx(50 + 625 / 6.8)


@pytest.mark.parametrize(
    ("place", "sense", "lit", "expected"),
    [
        (45.0, 1, (2, 3, 4), 1.0),  # 60, 90, 120; the next stands at 150 m, beyond 145
        (45.0, 1, (2, 3), 2 / 3),
        (45.0, 1, (0, 1), 0.0),  # what is behind is of no use
        (45.0, -1, (0, 1), 1.0),
        (60.0, 1, (2,), 1 / 4),  # 60, 90, 120, 150: the lamp one is at counts
        (290.0, 1, (10,), 1.0),  # the street ends
    ],
)
def test_a_motorist_needs_the_lamps_ahead(
    place: float, sense: int, lit: tuple[int, ...], expected: float
) -> None:
    found = motorist(levels(*lit), LAMPS, seen(place, sense), np.array([100.0]))
    assert found[0] == pytest.approx(expected)


def test_more_than_is_required_is_of_no_more_use() -> None:
    lamps = levels(2, 3, 4, level=80.0)
    assert motorist(lamps, LAMPS, seen(45.0), np.array([50.0]))[0] == 1.0
    assert motorist(lamps, LAMPS, seen(45.0), np.array([100.0]))[0] == pytest.approx(0.8)


def test_a_pedestrian_needs_three_neighbours_both_ways() -> None:
    required = np.array([100.0])
    assert pedestrian(levels(5), LAMPS, seen(148.0), required)[0] == pytest.approx(1 / 4)
    assert pedestrian(levels(4, 6), LAMPS, seen(152.0), required)[0] == pytest.approx(1.5 / 4)
    assert pedestrian(levels(*range(2, 9)), LAMPS, seen(150.0), required)[0] == 1.0
    assert pedestrian(levels(0), LAMPS, seen(0.0), required)[0] == pytest.approx(1 / 2.5), "the street ends"


def test_the_score_is_weighted_by_time() -> None:
    found = score(np.array([0.0] * 6 + [1.0] * 94), 2.0)
    assert (found.mean, found.fifth, found.seconds) == (pytest.approx(0.94), 0.0, 200.0)
    assert score(np.array([0.0] * 4 + [1.0] * 96), 1.0).fifth == 1.0
    assert math.isnan(score(np.empty(0), 1.0).mean)


def test_power_has_a_fixed_part_and_none_of_it_when_off() -> None:
    light = Luminaire(rated=100.0, fixed=0.1)
    assert light.power(np.array([0.0, 50.0, 100.0, 120.0])).tolist() == pytest.approx([0, 55, 100, 100])


def test_energy_counts_what_stands_by_all_day() -> None:
    light = Luminaire(rated=100.0, fixed=0.0, controller=1.0, sensor=0.5)
    lit = np.full((2, 3600), 50.0)
    assert energy(light, lit, 1.0, networked=False, sensors=0, hours=24.0) == pytest.approx(0.1)
    assert energy(light, lit, 1.0, networked=True, sensors=1, hours=24.0) == pytest.approx(
        0.1 + 0.048 + 0.012
    )
