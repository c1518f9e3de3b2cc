"""Each scheme lights what it says."""

from __future__ import annotations

import numpy as np

from rhinecloud.apps.lighting.control.classes import Adaptive
from rhinecloud.apps.lighting.demand.neighbours import Profile
from rhinecloud.apps.lighting.demand.reacting import Detection
from rhinecloud.apps.lighting.evidence import usefulness
from rhinecloud.apps.lighting.evidence.schemes import (
    LATENCY,
    Night,
    by_volume,
    constant,
    directional,
    over,
    stepped,
    zones,
)
from rhinecloud.apps.lighting.evidence.traffic import Crossings, drive, generated_street

EVENING = 1_477_328_400.0  # 24 October 2016, 19:00 in Moers
NIGHT = Night(EVENING, EVENING + 12 * 3600, 1.0, 7200.0)
STREET = generated_street()
LAMPS = len(STREET.lamps)


def test_steps_hold_by_the_local_clock_across_midnight() -> None:
    levels = stepped(2, NIGHT, ((23.5, 0.0), (4.5, 100.0)))[0]
    off = np.flatnonzero(levels == 0)
    assert (off[0], off[-1] + 1) == (4.5 * 3600, 9.5 * 3600)
    assert set(levels) == {0.0, 100.0}


def test_an_hour_is_lit_by_the_class_of_its_vehicles() -> None:
    night = Night(EVENING + 1800, EVENING + 3 * 3600, 1.0, 7200.0)
    levels = by_volume(1, night, np.array([700.0, 300.0, 10.0]), "M2", Adaptive(high=600, low=200))[0]
    assert levels[0] == levels[1799] == 100
    assert round(levels[1800], 1) == round(levels[5399], 1) == 66.7
    assert levels[5400] == levels[-1] == 50


def test_a_zone_is_lit_as_a_whole_and_from_the_moment_it_is_seen() -> None:
    demand = zones(STREET, NIGHT, [Detection("9", EVENING + 10), Detection("8", EVENING + 30)], 4, 25.0)
    assert np.flatnonzero(demand.any(axis=1)).tolist() == [8, 9, 10, 11]
    lit = np.flatnonzero(demand[8])
    assert (lit[0], lit[-1] + 1) == (np.ceil(10 + LATENCY), np.ceil(30 + LATENCY + 25))
    assert len(lit) == lit[-1] + 1 - lit[0], "in one go"


def test_a_zone_falls_between_two_that_come_long_after_each_other() -> None:
    demand = zones(STREET, NIGHT, [Detection("0", EVENING + 10), Detection("0", EVENING + 100)], 4, 20.0)
    assert demand[0].sum() == 100.0 * 40


def test_light_goes_ahead_of_a_real_trip_and_nowhere_else() -> None:
    vehicles = Crossings(np.array([EVENING + 3600]), np.array([10.0]), np.array([1]))
    trips = drive(vehicles, STREET, seed=1, turning=0.0)
    table = STREET.table(2, {"vehicle": Profile(hold=5.0)})
    demand = directional(STREET, NIGHT, trips.detections(STREET, 2, 0.0, 1), table)
    seen = trips.seen(STREET, NIGHT.begin, NIGHT.steps, NIGHT.step)
    useful = usefulness.motorist(demand, STREET.lamps, seen, np.full(len(seen.step), 100.0))
    assert useful.min() == 1.0, "from the second sensor on it is always light for 100 m"
    each = (demand > 0).sum(axis=1)
    assert 10 < each[LAMPS // 2] < 45, "seconds that a lamp is up for one vehicle"
    middle = seen.step[np.argmin(np.abs(seen.place - STREET.length / 2))]
    lit = STREET.lamps[demand[:, middle] > 0]
    assert lit.max() < STREET.length / 2 + 300 and lit.min() > STREET.length / 2 - 150


def test_demand_lies_over_the_program() -> None:
    demand = np.array([[0.0, 100.0, 20.0]])
    assert over(30.0, demand).tolist() == [[30.0, 100.0, 30.0]]
    assert constant(1, Night(0, 3, 1, 0)).tolist() == [[100.0] * 3]
