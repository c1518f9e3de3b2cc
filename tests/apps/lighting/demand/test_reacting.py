"""What field gateways do with detections: raise in time, in the right direction, fall again, forget."""

from __future__ import annotations

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.demand.neighbours import (
    PEDESTRIAN,
    PROFILES,
    Profile,
    Reacts,
    Table,
    Zone,
    decode,
    encode,
    zoned,
)
from rhinecloud.apps.lighting.demand.reacting import MOST_WINDOWS, Change, Detection, Reacting, expected

from .places import straight

T = 1_800_000_000.0


def with_vehicles(profile: Profile, lamps: int = 21) -> Table:
    return msgspec.structs.replace(straight(lamps), profiles={"vehicle": profile})


def played(machine: Reacting, until: float) -> list[Change]:
    return machine.advance(until)


def test_lamps_ahead_rise_before_the_traveller_and_those_behind_stay() -> None:
    """At 10 m/s with 100 m of reach: lamps to 100 m at once, the others while it comes closer."""
    machine = Reacting(with_vehicles(Profile(ahead=200, lead=0, most_speed=1, least_speed=1, hold=5)))
    now = machine.detect(Detection("d10", T, forward=True, speed=10.0), T)
    assert [(one.lamp, one.level) for one in now] == [(10, 100), (11, 100), (12, 100), (13, 100)]
    later = played(machine, T + 60)
    rises = {one.lamp: one.at - T for one in later if one.level}
    falls = {one.lamp: one.at - T for one in later if not one.level}
    assert rises == {14: 2, 15: 5, 16: 8}, "120, 150 and 180 m away, light at 100 m"
    assert falls == {10: 5, 11: 8, 12: 11, 13: 14, 14: 17, 15: 20, 16: 23}
    assert [one.at for one in later] == sorted(one.at for one in later)
    assert machine.idle


def test_backward_is_the_other_way_and_unknown_is_both() -> None:
    for forward, lamps in ((False, {7, 8, 9, 10}), (None, {7, 8, 9, 10, 11, 12, 13})):
        machine = Reacting(with_vehicles(Profile(ahead=100)))
        assert {one.lamp for one in machine.detect(Detection("d10", T, forward=forward), T)} == lamps


def test_a_faster_traveller_has_light_further_ahead() -> None:
    profile = Profile(reach=((10.0, 60.0), (20.0, 150.0)), ahead=30)
    for speed, far in ((10.0, 12), (20.0, 15)):
        machine = Reacting(with_vehicles(profile))
        changes = machine.detect(Detection("d10", T, forward=True, speed=speed), T)
        assert max(one.lamp for one in changes) == far


def test_a_pedestrian_has_light_on_both_sides() -> None:
    machine = Reacting(msgspec.structs.replace(straight(), profiles={"pedestrian": PEDESTRIAN}))
    changes = machine.detect(Detection("d10", T, "pedestrian", forward=True), T)
    assert {7, 8, 9, 10, 11, 12, 13} <= {one.lamp for one in changes}


def test_a_second_traveller_prolongs_and_makes_no_flicker() -> None:
    machine = Reacting(with_vehicles(Profile(ahead=100, hold=10)))
    machine.detect(Detection("d10", T, forward=True, speed=10.0), T)
    assert machine.detect(Detection("d10", T + 5, forward=True, speed=10.0), T + 5) == []
    falls = [one for one in played(machine, T + 300) if one.lamp == 10]
    assert falls == [Change(T + 15, 10, 0.0)]


def test_the_brighter_demand_wins_and_the_other_comes_back() -> None:
    profiles = {"vehicle": Profile(ahead=0, hold=10), "cyclist": Profile(ahead=0, hold=30, level=60)}
    machine = Reacting(msgspec.structs.replace(straight(), profiles=profiles))
    machine.detect(Detection("d3", T, "cyclist"), T)
    machine.detect(Detection("d3", T + 1), T + 1)
    assert machine.level(3) == 100
    assert [one for one in played(machine, T + 60) if one.lamp == 3] == [
        Change(T + 11, 3, 60.0),
        Change(T + 30, 3, 0.0),
    ]


def test_a_detection_that_comes_late_is_reckoned_from_where_the_traveller_is_now() -> None:
    machine = Reacting(with_vehicles(Profile(ahead=200, lead=0, most_speed=1, least_speed=1, hold=0)))
    changes = machine.detect(Detection("d0", T, forward=True, speed=10.0), T + 10)
    lamps = {one.lamp for one in changes if one.level}
    assert lamps == {4, 5, 6}, "it is at 100 m, light is from there to 200 m"


def test_what_cannot_be_used_changes_nothing_and_is_counted() -> None:
    machine = Reacting(with_vehicles(Profile()))
    wrong = [
        Detection("unknown", T),
        Detection("d1", T, "cyclist"),
        Detection("d1", T - 3600),
        Detection("d1", T + 3600),
        Detection("d1", math.nan),
    ]
    assert [machine.detect(one, T) for one in wrong] == [[]] * 5
    assert machine.refused == 5 and machine.idle


def test_a_speed_that_cannot_be_is_the_usual_one() -> None:
    usual = Reacting(with_vehicles(Profile())).detect(Detection("d1", T), T)
    for speed in (0.0, -3.0, math.nan, math.inf):
        assert Reacting(with_vehicles(Profile())).detect(Detection("d1", T, speed=speed), T) == usual


def test_however_slow_somebody_is_after_lasting_nothing_is_left() -> None:
    machine = Reacting(with_vehicles(Profile(ahead=400, hold=60, lasting=120)))
    machine.detect(Detection("d1", T, speed=0.5), T)
    machine.advance(T + 119)
    assert not machine.idle
    assert {one.at for one in machine.advance(T + 120)} == {T + 120}
    assert machine.idle


def test_a_clock_that_goes_back_neither_raises_nor_fails() -> None:
    machine = Reacting(with_vehicles(Profile(reach=((0.0, 0.0),), ahead=0, hold=10)))
    machine.detect(Detection("d1", T), T)
    assert machine.detect(Detection("d1", T - 20), T - 20) == []
    assert machine.advance(T - 100) == []
    assert played(machine, T + 30) == [Change(T + 10, 1, 0.0)]


def test_a_table_that_has_travelled_makes_the_same_changes() -> None:
    here, there = Reacting(straight()), Reacting(decode(encode(straight())))
    for second in range(0, 60, 7):
        one = Detection(f"d{second % 20}", T + second, forward=bool(second % 2), speed=9.0)
        assert here.detect(one, T + second) == there.detect(one, T + second)
    assert here.advance(T + 900) == there.advance(T + 900)


detections = st.lists(
    st.builds(
        lambda place, after, kind, forward, speed, late: (
            Detection(f"d{place}", T + after, kind, forward, speed),
            T + after + late,
        ),
        st.integers(0, 22),
        st.floats(0, 600),
        st.sampled_from(list(PROFILES)),
        st.sampled_from([True, False, None]),
        st.none() | st.floats(0.01, 90),
        st.floats(0, 5),
    ),
    max_size=60,
)


@given(detections)
def test_state_is_bounded_and_nothing_is_left_of_anybody(
    given_detections: list[tuple[Detection, float]],
) -> None:
    machine = Reacting(straight())
    shown: dict[int, float] = {}
    last = -math.inf
    ordered = sorted(given_detections, key=lambda one: one[1])
    over = max((now for _, now in ordered), default=T) + max(one.lasting for one in PROFILES.values())
    for detection, now in [*ordered, (None, over)]:
        if detection is None:
            changes = machine.advance(now)
        else:
            changes = machine.detect(detection, now)
            assert machine.kept <= 21 * (MOST_WINDOWS + 2) + 16
        for change in changes:
            assert change.at >= last and change.at <= now
            assert shown.get(change.lamp, 0.0) != change.level, "only changes are said"
            last, shown[change.lamp] = change.at, change.level
    assert machine.idle and machine.kept == 0
    assert not any(shown.values())


@given(st.floats(2, 25), st.integers(0, 5), st.booleans())
def test_ahead_of_a_steady_vehicle_it_is_always_light(speed: float, skip: int, forward: bool) -> None:
    """Seen by a detector at every third lamp; from the first to the last, each lamp within 100 m ahead is up."""
    machine = Reacting(straight(lamps=41))
    places = [30.0 * i for i in range(3 * skip, 41, 3)]
    places = places if forward else places[::-1]
    at = {place: abs(place - places[0]) / speed for place in places}
    steps = sorted([(time, place) for place, time in at.items()])
    now = 0.0
    while now < abs(places[-1] - places[0]) / speed:
        while steps and steps[0][0] <= now:
            time, place = steps.pop(0)
            machine.detect(
                Detection(f"d{round(place / 30)}", T + time, forward=forward, speed=speed), T + time
            )
        machine.advance(T + now)
        here = places[0] + (now * speed if forward else -now * speed)
        for lamp in range(41):
            away = (30 * lamp - here) * (1 if forward else -1)
            if 0 <= away <= 100:
                assert machine.level(lamp) == 100, (now, lamp, away)
        now += 1.7


def test_a_zone_rises_as_a_whole_at_once_and_falls_together() -> None:
    reacts = {"pedestrian": Reacts(60.0, 120.0)}
    made = zoned(straight(), [Zone(id="z", lamps=["a18", "a20"], detectors=["d2"], reacts=reacts)])
    machine = Reacting(made)
    changes = machine.detect(Detection("d2", T, "pedestrian", True), T)
    assert {(one.lamp, one.level) for one in changes if one.lamp > 15} == {(18, 60.0), (20, 60.0)}
    assert [one for one in machine.advance(T + 119) if one.lamp > 15] == []
    assert {(one.lamp, one.level) for one in machine.advance(T + 120) if one.lamp > 15} == {(18, 0), (20, 0)}
    machine.advance(T + 300)
    assert machine.idle
    assert not [one for one in machine.detect(Detection("d2", T + 300, "vehicle"), T + 300) if one.lamp > 15]


def test_what_is_expected_of_one_passing_is_what_happens() -> None:
    made = straight()
    found = {one.lamp: one for one in expected(made, Detection("d3", T, "vehicle", True, 10))}
    machine = Reacting(made)
    seen: dict[int, list[float]] = {}
    for change in machine.detect(Detection("d3", T, "vehicle", True, 10), T):
        seen.setdefault(change.lamp, []).append(change.at - T)
    for change in machine.advance(T + 300):
        seen.setdefault(change.lamp, []).append(change.at - T)
    assert seen == {lamp: [one.begin, one.until] for lamp, one in found.items()} and found
    assert min(found) == 3, "nothing behind"
    assert found[3].begin == 0 and found[9].begin > 0
