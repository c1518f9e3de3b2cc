"""A dead supply is one fault; when it is over, lamps that stay dark are faults again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.faults.kinds import Kind
from rhinecloud.apps.lighting.faults.relating import Grid, Key, Limits, Place, Relating, Single

CABINET = "urn:cabinet:1"
PLACES = {f"lamp:{number}": Place(f"feeder:{number // 10}", CABINET) for number in range(30)}
GRID = Grid(PLACES, PLACES)
LONG = 3_600.0
SUPPLY = Kind.SUPPLY


def dark(*numbers: int, at: float = 0.0, kind: Kind = Kind.DARK) -> list[Single]:
    return [Single(f"lamp:{number}", kind, at) for number in numbers]


def keys(*singles: Single) -> set[Key]:
    return {Key("lamp", one.lamp, one.kind) for one in singles}


def test_single_lamps_are_faults_after_their_neighbours_had_time() -> None:
    relating = Relating()
    some = dark(3, 17)
    assert relating.relate(some, GRID, 60.0).faults == {}
    assert relating.relate(some, GRID, 60.0).waiting == {"lamp:3", "lamp:17"}
    assert relating.relate(some, GRID, 421.0).faults.keys() == keys(*some)
    hot = [Single("lamp:3", Kind.TEMPERATURE, 0.0)]
    assert relating.relate(hot, GRID, 1.0).faults.keys() == keys(*hot)  # has nothing to do with the supply


def test_a_dark_feeder_is_one_fault_and_other_faults_stay() -> None:
    relating = Relating()
    hot = [Single("lamp:2", Kind.TEMPERATURE, 0.0)]
    found = relating.relate(dark(*range(8)) + dark(8, kind=Kind.SILENCE) + hot + dark(25), GRID, LONG).faults
    assert found.keys() == {Key("feeder", "feeder:0", SUPPLY), *keys(*hot, *dark(25))}
    assert len(found[Key("feeder", "feeder:0", SUPPLY)]) == 9


def test_a_dark_cabinet_is_one_fault() -> None:
    found = Relating().relate(dark(*range(25)), GRID, LONG).faults
    assert (
        found.keys() == {Key("cabinet", CABINET, SUPPLY)}
        and len(found[Key("cabinet", CABINET, SUPPLY)]) == 25
    )


def test_of_a_cabinet_with_one_feeder_the_feeder_is_named_and_without_feeders_the_cabinet() -> None:
    one = {f"lamp:{number}": Place("feeder:0", CABINET) for number in range(10)}
    found = Relating().relate(dark(*range(10)), Grid(one, one), LONG).faults
    assert found.keys() == {Key("feeder", "feeder:0", SUPPLY)}
    none = {f"lamp:{number}": Place(None, CABINET) for number in range(10)}
    found = Relating().relate(dark(*range(10)), Grid(none, none), LONG).faults
    assert found.keys() == {Key("cabinet", CABINET, SUPPLY)}


def test_lamps_that_were_never_heard_do_not_count() -> None:
    grid = Grid(PLACES, [f"lamp:{number}" for number in range(4)])
    assert Relating().relate(dark(*range(4)), grid, LONG).faults.keys() == {Key("feeder", "feeder:0", SUPPLY)}
    two = Grid(PLACES, ["lamp:0", "lamp:1"])
    assert Relating().relate(dark(0, 1), two, LONG).faults.keys() == keys(*dark(0, 1))


def test_when_supply_is_back_lamps_have_a_while_and_then_are_faults_again() -> None:
    relating = Relating()
    assert relating.relate(dark(*range(10)), GRID, LONG).faults.keys() == {Key("feeder", "feeder:0", SUPPLY)}
    # One lamp of ten makes no difference, in either direction.
    assert relating.relate(dark(*range(6)), GRID, LONG + 60).faults.keys() == {
        Key("feeder", "feeder:0", SUPPLY)
    }
    back = relating.relate(dark(0, 1, 2), GRID, LONG + 120)
    assert back.faults == {} and back.waiting == {"lamp:0", "lamp:1", "lamp:2"}
    later = relating.relate(dark(0, 2), GRID, LONG + 120 + 1_200)
    assert later.faults.keys() == keys(*dark(0, 2)) and not later.waiting


def test_what_was_out_before_a_restart_is_still_known() -> None:
    relating = Relating(out=[Key("feeder", "feeder:0", SUPPLY), Key("lamp", "lamp:20", Kind.DARK)])
    assert relating.relate(dark(*range(6)), GRID, LONG).faults.keys() == {Key("feeder", "feeder:0", SUPPLY)}


def test_lamps_of_unknown_place_are_faults_of_their_own() -> None:
    some = [Single("lamp:99", Kind.DARK, 0.0)]
    assert Relating().relate(some, GRID, 0.0).faults.keys() == keys(*some)


@given(st.lists(st.tuples(st.sets(st.integers(0, 29)), st.floats(1, 2_000)), max_size=15))
def test_no_lamp_is_lost_and_none_is_told_twice(steps: list[tuple[set[int], float]]) -> None:
    """At each moment a dark lamp is in exactly one fault, or waits; after everything settled none waits."""
    relating = Relating(Limits())
    now, since = 0.0, {}
    for numbers, passed in steps:
        now += passed
        since = {number: since.get(number, now) for number in numbers}
        singles = [Single(f"lamp:{number}", Kind.DARK, at) for number, at in since.items()]
        for moment in (now, now + 5_000.0):
            told = relating.relate(singles, GRID, moment)
            having = [lamp for lamps in told.faults.values() for lamp in lamps]
            assert len(having) == len(set(having))
            assert {*having, *told.waiting} == {one.lamp for one in singles}
            assert told.waiting.isdisjoint(having)
        now += 5_000.0
        assert not told.waiting or any(now - at < 420.0 for at in since.values())
        for key, lamps in told.faults.items():
            assert key.scope == "lamp" or len(lamps) >= 2
