"""Who floods: never a device that keeps to the limit, whatever its messages come in; always one that does not."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from rhinecloud.gateways.floods import WINDOW, Flood, Floods, Report

LIMIT = 50
NOW = 1_800_000_000  # seconds since 1970


def report(n: int, first: float, last: float, talker: str = "d") -> Report:
    return Report(talker, True, n, int((NOW + first) * 1e9), int((NOW + last) * 1e9), "json/T/d")


def found(floods: Floods, now: float) -> list[Flood]:
    return floods.found(now, NOW + now)


@given(
    rate=st.integers(1, 50),
    ticks=st.lists(st.floats(0.5, 4.0), min_size=1, max_size=60),
    late=st.floats(0, 5_000),
)
@example(rate=50, ticks=[0.75, 3.0, 4.0, 3.5], late=0.0)
def test_who_keeps_to_the_limit_never_floods(rate: int, ticks: list[float], late: float) -> None:
    """However the messages are cut into reports, and however late they are worked off."""
    floods, moment, carried = Floods(LIMIT, "w"), 0.0, 0.0
    for number, tick in enumerate(ticks):
        carried += rate * tick
        floods.add("w", report(int(carried), moment, moment + tick), late + number * 0.001)
        carried -= int(carried)
        moment += tick
        assert found(floods, late + number * 0.001) == []


@given(rate=st.integers(60, 5_000), workers=st.integers(1, 4))
def test_who_does_not_is_found_within_ten_seconds_and_a_little(rate: int, workers: int) -> None:
    floods = Floods(LIMIT, "w0")
    for second in range(12):
        for number in range(workers):
            share = rate // workers + (number < rate % workers)
            floods.add(f"w{number}", report(share, second, second + 0.99), float(second))
    (flood,) = found(floods, 11.0)
    assert LIMIT < flood.rate <= rate + 1
    assert (flood.talker, flood.is_device, flood.reporters, flood.acts, flood.fresh) == (
        "d",
        True,
        workers,
        True,
        True,
    )


def test_a_burst_is_no_flood_until_it_is_ten_seconds_worth() -> None:
    floods = Floods(LIMIT, "w")
    floods.add("w", report(LIMIT * 10, 0, 0.1), 0.0)
    assert found(floods, 0.1) == []
    floods.add("w", report(2, 0.2, 0.2), 0.2)
    assert [flood.rate for flood in found(floods, 0.2)] == [50.1]


def test_a_backlog_that_comes_at_once_is_no_flood_and_one_that_was_is_old() -> None:
    floods = Floods(LIMIT, "w")
    floods.add("w", report(36_000, -3_600, 0, "patient"), 0.0)
    floods.add("w", report(36_000, -3_600, -3_500, "was"), 0.0)
    (flood,) = found(floods, 0.0)
    assert (flood.talker, flood.fresh, flood.rate) == ("was", False, 359.99)


def test_one_worker_acts_and_the_refusals_grow() -> None:
    floods = {name: Floods(LIMIT, name) for name in ("a", "b")}
    now, lengths = 0.0, []
    for _ in range(8):
        for one in floods.values():
            for name in floods:
                one.add(name, report(400, now, now + 1), now)
        acting = [one for one in floods.values() if found(one, now)[0].acts]
        assert acting == [floods["a"]]
        times, seconds = floods["a"].next_refusal("d", now)
        for one in floods.values():
            one.refused("d", times, seconds, now)
            assert found(one, now + 1) == [], "what came before the refusal is settled"
        lengths.append(seconds)
        for one in floods.values():  # it goes on, for nobody could cut it off
            one.add("a", report(4_000, now + 1, now + 2), now + 1)
            assert not found(one, now + 1.5)[0].acts
        now += seconds + WINDOW + 1
    assert lengths == [5, 10, 20, 40, 80, 160, 300, 300]
    assert floods["a"].next_refusal("d", now + 1_000) == (1, 5.0)


def test_a_flood_that_stopped_is_forgotten() -> None:
    floods = Floods(LIMIT, "w")
    floods.add("w", report(4_000, 0, 1), 1.0)
    assert found(floods, 2.0)
    assert found(floods, 12.0) == []
    assert found(floods, 40.0) == []
    assert floods.rate("d") == 0.0
