"""Each kind of fault is found when it lasts, with its evidence, is over when it is over, and nothing else is found."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.control.sun import Event, sky
from rhinecloud.apps.lighting.faults.detectors import Detectors
from rhinecloud.apps.lighting.faults.judging import band, elevation
from rhinecloud.apps.lighting.faults.kinds import LAMP_KINDS, Kind
from rhinecloud.apps.lighting.faults.thresholds import Hold, Thresholds, parsed

from .lamps import MINUTE, NIGHT, NOON, RATED, known, over_time, reports, street, watts

HOUR = 60 * MINUTE
WELL: dict[str, Any] = {"level": 100.0, "power": watts(100), "temperature": 40.0}
OFF: dict[str, Any] = {"level": 0.0, "power": 0.3, "target": 0.0}
DIMMED: dict[str, Any] = {"level": 40.0, "power": watts(40), "target": 40.0}


def kinds(found: list[Any]) -> list[tuple[Kind, bool]]:
    return [(one.kind, one.begins) for one in found]


def test_a_lamp_that_does_what_it_should_has_no_faults() -> None:
    detectors = street()
    assert over_time(detectors, NIGHT, 360, **WELL) == []
    assert over_time(detectors, NIGHT + 6.1 * HOUR, 60, level=40.0, power=watts(40), target=40.0) == []
    assert over_time(detectors, NOON + 24 * HOUR, 120, level=0.0, power=0.3, target=0.0) == []


CASES = [
    (Kind.DAY_BURNER, NOON, {"level": 100.0, "power": 60.0, "target": 0.0}, OFF),
    (Kind.DAY_BURNER, NOON, {"level": 100.0, "target": math.nan}, {"level": 0.0, "target": math.nan}),
    (Kind.DARK, NIGHT, {"level": 0.0, "power": 0.3}, WELL),
    (Kind.DARK, NIGHT, {"level": 0.0}, {"level": 100.0}),
    (Kind.DARK, NIGHT, {"level": 100.0, "power": 0.3, "target": math.nan}, WELL),
    (Kind.DARK, NIGHT, {"says_defect": True, "target": math.nan}, WELL),
    (Kind.DIMMING, NIGHT, {"level": 100.0, "power": 60.0, "target": 40.0}, DIMMED),
    (Kind.DIMMING, NIGHT, {"level": 40.0, "power": 60.0, "target": 40.0}, DIMMED),
    (Kind.DIMMING, NIGHT, {"level": 30.0, "target": 0.0}, {"level": 0.0, "target": 0.0, "says_defect": False}),
    (Kind.POWER, NIGHT, {"level": 100.0, "power": 20.0}, WELL),
    (Kind.POWER, NIGHT, {"level": 100.0, "power": 95.0}, WELL),
    (Kind.TEMPERATURE, NIGHT, WELL | {"temperature": 92.0}, WELL),
    (Kind.NONSENSE, NIGHT, WELL | {"impossible": True}, WELL),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "begin", "wrong", "right"), CASES)
def test_each_is_found_when_it_lasts_and_is_over_when_it_is(
    kind: Kind, begin: float, wrong: dict[str, Any], right: dict[str, Any]
) -> None:
    detectors = street()
    hold = detectors.limits.hold(kind)
    assert over_time(detectors, begin, 0, **wrong) == []  # once is nothing
    (found,) = over_time(detectors, begin + MINUTE, 120, **wrong)
    assert (found.kind, found.begins, found.since, found.row) == (kind, True, begin, 0)
    assert found.at - found.since >= hold.begin_minutes * MINUTE and found.reports >= hold.begin_reports
    assert detectors.active(0, kind) and detectors.last_true(0, kind) == begin + 121 * MINUTE
    assert all(
        isinstance(value, (float, bool, int)) for value in (*found.seen.values(), *found.expected.values())
    )
    (over,) = over_time(detectors, begin + 123 * MINUTE, 120, **right)
    assert (over.kind, over.begins) == (kind, False) and not detectors.active(0, kind)


def test_evidence_says_what_was_seen_and_expected() -> None:
    (found,) = over_time(street(), NIGHT, 60, level=100.0, power=20.0)
    assert found.seen["power"] == 20.0 and found.seen["level"] == 100.0 and found.seen["sun"] < -30
    assert 35 < found.expected["power_from"] < 60 < found.expected["power_to"] < 75
    (dark,) = over_time(street(), NIGHT, 60, level=0.0, target=70.0)
    assert dark.expected["level"] == 70.0 and dark.seen["level"] == 0.0


def test_what_comes_and_goes_is_no_fault() -> None:
    detectors = street()
    for step in range(200):
        told = {"level": 0.0} if step % 2 else {"level": 100.0}
        found = detectors.take(reports({**told, "at": NIGHT + step * 7 * MINUTE, "target": math.nan}))
        assert [one.kind for one in found] in ([], [Kind.CYCLING])
    assert not detectors.active(0, Kind.DARK)


def test_a_lamp_that_goes_out_by_itself_again_and_again_cycles() -> None:
    detectors = street()
    found = []
    for step in range(24):
        on = step % 2 == 0
        found += detectors.take(
            reports(
                {"level": 100.0 if on else 0.0, "power": 60.0 if on else 0.2, "at": NIGHT + step * 5 * MINUTE}
            )
        )
    (cycling,) = [one for one in found if one.kind is Kind.CYCLING]
    assert cycling.begins and cycling.seen["falls"] == 4.0 == cycling.expected["falls_below"]
    later = over_time(detectors, NIGHT + 3 * HOUR, 60 * 5, **WELL)
    assert (Kind.CYCLING, False) in kinds(later)


def test_going_out_as_planned_is_no_fall() -> None:
    detectors = street()
    for step in range(40):
        on = step % 2 == 0
        goal = 100.0 if on else 0.0
        assert detectors.take(
            reports({"level": goal, "target": goal, "at": NIGHT + step * 5 * MINUTE, "target_since": NIGHT})
        ) in ([],)


def test_a_target_that_is_new_is_given_time() -> None:
    detectors = street()
    for step in range(30):
        at = NIGHT + step * 4 * MINUTE
        assert (
            detectors.take(reports({"level": 100.0, "target": 40.0, "at": at, "target_since": at - MINUTE}))
            == []
        )


def test_light_on_demand_is_no_dimming_failure() -> None:
    assert over_time(street(), NIGHT, 120, level=90.0, target=30.0, most=100.0) == []
    (low,) = over_time(street(), NIGHT, 120, level=10.0, target=30.0, most=100.0)
    assert low.kind is Kind.DIMMING


def test_between_hot_and_cool_nothing_is_said() -> None:
    detectors = street()
    assert over_time(detectors, NIGHT, 60, temperature=83.0, target=math.nan) == []
    assert kinds(over_time(detectors, NIGHT + 2 * HOUR, 30, temperature=86.0, target=math.nan)) == [
        (Kind.TEMPERATURE, True)
    ]
    assert over_time(detectors, NIGHT + 3 * HOUR, 60, temperature=82.0, target=math.nan) == []
    assert kinds(over_time(detectors, NIGHT + 5 * HOUR, 30, temperature=79.0, target=math.nan)) == [
        (Kind.TEMPERATURE, False)
    ]


def test_constant_light_output_widens_the_band_by_age() -> None:
    level, rated = np.array([100.0, 100.0]), np.array([RATED, RATED])
    new, old = np.array([0.0, 0.0]), np.array([1e5, 1e5])
    alike = Thresholds(constant_light="all")
    low_new, high_new = band(level, rated, new, alike)
    low_old, high_old = band(level, rated, old, alike)
    assert (low_new < low_old).all() and (high_new < RATED).all() and (high_old > RATED).all()
    low, high = band(level, rated, new, Thresholds())  # not known: both are right
    assert (low == low_new).all() and (high == high_old).all()
    assert band(level, rated, new, Thresholds(constant_light="none"))[0][0] == low_old[0]
    low, high = band(level, rated, np.array([np.nan, np.nan]), alike)  # of unknown age it may be either
    assert (low == low_new).all() and (high == high_old).all()


def test_of_a_lamp_of_unknown_power_none_is_expected() -> None:
    assert over_time(street(rated=[math.nan]), NIGHT, 120, level=100.0, power=500.0) == []


def test_a_lamp_without_power_by_day_is_not_silent() -> None:
    detectors = street(3)
    detectors.take(reports({"row": 0, "at": NIGHT, **WELL}, {"row": 1, "at": NIGHT, **WELL}))
    always, none = -math.inf, math.nan
    powered = np.array([always, none, always])
    assert detectors.sweep(NIGHT + 44 * MINUTE, powered) == []
    (found,) = detectors.sweep(NIGHT + 46 * MINUTE, powered)  # the third was never heard: it is not connected
    assert (found.row, found.kind, found.seen) == (0, Kind.SILENCE, {"heard": NIGHT})
    assert detectors.sweep(NIGHT + 50 * MINUTE, powered) == []
    back = NIGHT + 5 * HOUR
    assert detectors.sweep(back + 44 * MINUTE, np.array([always, back, always])) == []
    (late,) = detectors.sweep(back + 46 * MINUTE, np.array([always, back, always]))
    assert late.row == 1
    assert kinds(detectors.take(reports({"row": 0, "at": back, **WELL}))) == [(Kind.SILENCE, False)]


def test_what_is_older_than_the_last_is_let_go_and_known_faults_are_remembered() -> None:
    detectors = street()
    detectors.remember(0, Kind.DARK)
    assert over_time(detectors, NIGHT, 60, level=0.0) == []  # it is known
    assert over_time(detectors, NIGHT - 10 * HOUR, 60, **WELL) == []  # from before
    assert kinds(over_time(detectors, NIGHT + 2 * HOUR, 60, **WELL)) == [(Kind.DARK, False)]


def test_lamps_that_come_later_stand_behind_the_others() -> None:
    detectors = street(2)
    over_time(detectors, NIGHT, 5, row=1, level=0.0)
    detectors.know(known(4))
    assert detectors.lamps == 4
    assert [one.row for one in over_time(detectors, NIGHT + 10 * MINUTE, 5, row=1, level=0.0)] == [1]
    assert [one.row for one in over_time(detectors, NIGHT, 30, row=3, level=0.0)] == [3]
    with pytest.raises(ValueError):
        detectors.know(known(1))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([0.0, 40.0, 100.0, math.nan]),
            st.sampled_from([0.2, 25.0, 60.0, math.nan]),
        ),
        max_size=60,
    ),
    st.integers(1, 9),
)
def test_lamps_do_not_disturb_each_other_however_reports_are_gathered(
    told: list[tuple[int, float, float]], size: int
) -> None:
    """One by one and in lists the same is found, and each lamp's faults follow from its own reports alone."""
    every = [
        {"row": row, "level": level, "power": power, "at": NIGHT + number * 3 * MINUTE}
        for number, (row, level, power) in enumerate(told)
    ]
    limits = Thresholds(holds={kind: Hold(3, 2, 3, 2) for kind in LAMP_KINDS})

    def found(detectors: Detectors, some: list[dict[str, Any]], by: int) -> list[Any]:
        findings = []
        for start in range(0, len(some), by):
            findings += detectors.take(reports(*some[start : start + by]))
        return sorted(((one.row, one.at, one.kind, one.begins, one.since) for one in findings), key=str)

    together = found(street(4, limits), every, size)
    assert together == found(street(4, limits), every, 1)
    for row in range(4):
        own = [one for one in every if one["row"] == row]
        assert [one for one in together if one[0] == row] == found(street(4, limits), own, 1)
    for row in range(4):
        for kind in LAMP_KINDS:  # what begins ends before it begins again
            turns = [
                one[3] for one in sorted(together, key=lambda one: one[1]) if one[0] == row and one[2] == kind
            ]
            assert turns == [index % 2 == 0 for index in range(len(turns))]


def test_the_sun_is_where_the_schedules_have_it() -> None:
    day = datetime(2026, 3, 3, tzinfo=UTC)
    for number in range(0, 365, 20):
        dark = sky(6.76, 51.43, (day + timedelta(number)).date())[Event.SUNSET]
        at = np.array([dark.begin, dark.end])
        assert elevation(np.full(2, 6.76), np.full(2, 51.43), at) == pytest.approx(-0.833, abs=0.02)


def test_thresholds_name_what_is_wrong() -> None:
    assert parsed('{"hot": 90, "holds": {"dark": {"begin_minutes": 1}}}').hold(Kind.DARK).begin_minutes == 1
    for wrong in ('{"hot": 60, "cool": 70}', '{"hot": "x"}', '{"holds": {"drak": {}}}', '{"unknown": 1}'):
        with pytest.raises(ValueError):
            parsed(wrong)
