"""Nobody can be followed in what is kept and told."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from rhinecloud.apps.lighting.demand.counting import (
    FEWEST,
    QUARTER,
    Count,
    Counting,
    Level,
    Publishing,
)
from rhinecloud.apps.lighting.demand.reacting import Detection, Reacting

from .places import straight

T = 1_800_000_000
assert T % QUARTER == 0

LAMPS = 21
STREETS = {lamp: "west" if lamp < 10 else "east" for lamp in range(LAMPS)}
DETECTORS = {f"d{lamp}": street for lamp, street in STREETS.items()}
BASE = dict.fromkeys(range(LAMPS), 30.0)


def told(detections: list[Detection], quarters: int = 4) -> list[Count | Level]:
    """Everything that is kept or told of them, by the code as it runs: reacting, counting, publishing."""
    machine, counting, publishing = Reacting(straight(LAMPS)), Counting(), Publishing(STREETS, DETECTORS)
    out: list[Count | Level] = []
    waiting = sorted(detections, key=lambda one: one.at)

    def close(now: float) -> None:
        for change in machine.advance(now):
            publishing.note(change, BASE[change.lamp])
        counts = counting.close(now)
        out.extend([*counts, *publishing.close(now, counts, BASE)])

    close(T)
    for end in range(T + QUARTER, T + (quarters + 1) * QUARTER, QUARTER):
        while waiting and waiting[0].at < end:
            one = waiting.pop(0)
            assert counting.count(one, one.at) == []
            for change in machine.detect(one, one.at):
                publishing.note(change, BASE[change.lamp])
        close(end)
    return out


def walk(begin: float, speed: float, forward: bool, first: int, last: int, kind: str) -> list[Detection]:
    """One traveller, seen by each detector on the way."""
    way = range(first, last + 1) if forward else range(last, first - 1, -1)
    return [
        Detection(f"d{lamp}", begin + 30 * i / speed, kind, forward, speed)  # type: ignore[arg-type]
        for i, lamp in enumerate(way)
    ]


travellers = st.builds(
    walk,
    st.floats(T, T + QUARTER),
    st.floats(1, 20),
    st.booleans(),
    st.integers(0, 8),
    st.integers(9, LAMPS - 1),
    st.sampled_from(["vehicle", "cyclist", "pedestrian"]),
)


@settings(max_examples=60)
@given(st.lists(travellers, max_size=FEWEST - 1))
def test_of_fewer_than_five_travellers_nothing_at_all_is_told(few: list[list[Detection]]) -> None:
    """However many detectors each of them passes: it is as if nobody had been there."""
    assert told([one for walked in few for one in walked]) == told([])


@settings(max_examples=40)
@given(travellers, st.integers(FEWEST, 12), st.floats(1, 15))
def test_when_somebody_passed_within_the_quarter_is_not_told(
    traveller: list[Detection], others: int, speed: float
) -> None:
    """In a crowd too, counts are the same whenever in the quarter each of them came, and in whatever order."""
    crowd = [Detection(f"d{lamp}", T + 10.0 * i) for i in range(others) for lamp in range(LAMPS)]
    there = [one for one in traveller if one.at < T + QUARTER]
    moved = [msgspec.structs.replace(one, at=T + QUARTER - 1 - (one.at - T) * 0.9) for one in there]
    counts = [one for one in told(crowd + there) if isinstance(one, Count)]
    assert counts == [one for one in told(crowd + moved) if isinstance(one, Count)]


def test_counts_are_told_once_after_the_quarter_and_from_five_on() -> None:
    counting = Counting()
    counting.close(T)
    for i in range(5):
        assert counting.count(Detection("busy", T + i), T + i) == []
        if i < 4:
            counting.count(Detection("quiet", T + i), T + i)
    assert counting.close(T + QUARTER - 1) == []
    assert counting.close(T + QUARTER) == [Count("busy", "vehicle", T, 5)]
    assert counting.close(T + QUARTER) == []


def test_a_late_detection_changes_nothing_that_was_told() -> None:
    """Two tellings of one quarter would show by their difference who came late."""
    counting = Counting()
    for i in range(5):
        counting.count(Detection("d", T + i), T + i)
    first = counting.close(T + QUARTER)
    counting.count(Detection("d", T + 6), T + QUARTER + 1)
    assert [one.begin for one in first] == [T]
    assert counting.close(T + 2 * QUARTER) == [], "the late one is a single one of its new quarter"


def test_nothing_kept_holds_a_moment() -> None:
    """The running counts are numbers by detector and kind; which of them came when is not there to be asked for."""
    one, other = Counting(), Counting()
    for i in range(40):
        one.count(Detection(f"d{i % 3}", T + i, speed=1.0 + i), T + i)
        other.count(Detection(f"d{i % 3}", T + 20 * i, forward=True), T + 20 * i)
    assert vars(one) == vars(other)


def test_a_busy_street_has_a_public_level_and_only_when_the_quarter_is_over() -> None:
    crowd = [Detection(f"d{lamp}", T + 60.0 * i + lamp) for i in range(14) for lamp in range(10)]
    levels = [one for one in told(crowd) if isinstance(one, Level)]
    west = {one.begin: one.level for one in levels if one.street == "west"}
    east = {one.begin: one.level for one in levels if one.street == "east"}
    assert west[T] > 50
    assert west[T + QUARTER] == 30 and set(east.values()) == {30}, "no detector of the east saw five"
    assert all(level % 5 == 0 for level in west.values())


def test_a_street_of_few_lamps_has_no_public_level() -> None:
    publishing = Publishing(dict.fromkeys(range(4), "lane"), {})
    publishing.close(T, [], BASE)
    assert publishing.close(T + QUARTER, [], BASE) == []


def test_the_level_by_the_program_is_not_counted_twice() -> None:
    """All lamps at their demanded 100 % for a whole quarter are 100 %, not 30 + 100."""
    from rhinecloud.apps.lighting.demand.reacting import Change

    publishing = Publishing(dict.fromkeys(range(6), "s"), {"d": "s"})
    base = dict.fromkeys(range(6), 30.0)
    publishing.close(T, [], base)
    for lamp in range(6):
        publishing.note(Change(float(T), lamp, 100.0), 30.0)
    counts = [Count("d", "vehicle", T, 5)]
    assert publishing.close(T + QUARTER, counts, base) == [Level("s", T, 100.0)]
    assert publishing.close(T + 2 * QUARTER, [], base) == [Level("s", T + QUARTER, 30.0)]
