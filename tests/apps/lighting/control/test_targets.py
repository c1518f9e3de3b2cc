"""What a lamp should be doing: each layer in its place, from the override down to off."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.control.clocks import bounds
from rhinecloud.apps.lighting.control.curve import at, curve
from rhinecloud.apps.lighting.control.programs import Astro, Program, Step
from rhinecloud.apps.lighting.control.reasons import Reason
from rhinecloud.apps.lighting.control.rules import DEFAULTS, floors
from rhinecloud.apps.lighting.control.sun import Event, sky
from rhinecloud.apps.lighting.control.targets import Demand, Layers, Override, night, target

from . import generated
from .generated import AUTUMN, BERLIN, DUISBURG, Facts

NIGHT = date(2026, 11, 20)
SKY = sky(*DUISBURG, NIGHT)
BEGIN, END = bounds(NIGHT, BERLIN)
MIDNIGHT = BEGIN + 12 * 3600
PROGRAM = Program(
    id="p",
    name=("a", "b"),
    periods=(Astro(),),
    fixed=(Step("16:00", 100), Step("23:00", 40), Step("01:00", 0)),
)
CURVE = curve(PROGRAM, NIGHT, SKY, BERLIN)
CHOSEN = (Reason("calendar", "k", 2),)


def kinds(layers: Layers, instant: float) -> list[str]:
    return [one.kind for one in target(layers, instant).why]


@given(generated.a_program, st.sampled_from([NIGHT, AUTUMN]), st.integers(0, 86_399))
def test_without_more_the_target_is_the_curve(made: Program, when: date, second: int) -> None:
    found = curve(made, when, sky(*DUISBURG, when), BERLIN)
    instant = bounds(when, BERLIN)[0] + second
    here, aimed = at(found, instant), target(Layers(curve=found, chosen=CHOSEN), instant)
    assert (aimed.level, aimed.since, aimed.until, aimed.why) == (
        here.level,
        here.begin,
        here.end,
        here.why + CHOSEN,
    )


@given(generated.overrides(BEGIN, END), st.integers(BEGIN, END - 1))
def test_an_override_ends_when_it_says(given_ones: tuple[Override, ...], instant: int) -> None:
    layers = Layers(
        curve=CURVE, overrides=given_ones, dark=SKY[Event.CIVIL], floors=floors(Facts(), DEFAULTS)
    )
    found = target(layers, instant)
    in_force = [one for one in given_ones if one.begins <= instant < one.ends]
    if in_force:
        last = max(in_force, key=lambda one: one.begins)
        assert (found.level, found.why[0]) == (last.level, Reason("override", last.id))
    else:
        bare = target(Layers(curve=CURVE, dark=layers.dark, floors=layers.floors), instant)
        assert (found.level, found.why) == (bare.level, bare.why)
        assert bare.since <= found.since and found.until <= bare.until
    # For as long as the target holds, no other override begins or ends.
    edges = {edge for one in given_ones if one.begins < one.ends for edge in (one.begins, one.ends)}
    for edge in edges:
        if found.since < edge < found.until:
            before, after = (
                max(
                    (one for one in given_ones if one.begins <= at < one.ends),
                    key=lambda one: one.begins,
                    default=None,
                )
                for at in (edge - 0.5, edge)
            )
            assert (before and before.id) == (after and after.id)


@given(generated.overrides(BEGIN, END), st.integers(0, 100), st.integers(BEGIN, END), st.integers(0, 7200))
def test_a_night_of_targets_covers_it_and_each_holds_for_its_while(
    given_ones: tuple[Override, ...], level: int, begins: int, long: int
) -> None:
    demand = Demand(source="z", level=level, begins=begins, until=begins + long)
    layers = Layers(
        curve=CURVE, chosen=CHOSEN, dark=SKY[Event.CIVIL], floors=floors(Facts("crossing"), DEFAULTS),
        overrides=given_ones, demands=(demand,),
    )  # fmt: skip
    found = night(layers)
    assert (found[0].since, found[-1].until) == (BEGIN, END)
    for one, other in pairwise(found):
        assert one.until == other.since and (one.level, one.why) != (other.level, other.why)
    for one in found:
        assert target(layers, one.since) == target(layers, (one.since + one.until) / 2) == one


def test_a_crossing_is_kept_lit_whatever_its_program_says() -> None:
    layers = Layers(
        curve=CURVE, chosen=CHOSEN, dark=SKY[Event.CIVIL], floors=floors(Facts("crossing"), DEFAULTS)
    )
    found = target(layers, MIDNIGHT)
    assert found.level == 100
    assert [one.kind for one in found.why] == ["law", "fixed", "calendar"]
    assert target(layers, BEGIN).level == 0  # by day
    assert kinds(layers, MIDNIGHT - 3 * 3600) == ["fixed", "calendar"]  # the program does what the rule asks


def test_a_lamp_without_the_sign_shines_on() -> None:
    for sign, level in ((False, 10), (True, 0)):
        layers = Layers(curve=CURVE, dark=SKY[Event.CIVIL], floors=floors(Facts(sign_394=sign), DEFAULTS))
        assert target(layers, MIDNIGHT + 2 * 3600).level == level


def test_light_on_demand_lies_above_the_program_and_ends() -> None:
    demand = Demand(source="zone 7", level=80, begins=MIDNIGHT, until=MIDNIGHT + 30)
    layers = Layers(curve=CURVE, demands=(demand,))
    found = target(layers, MIDNIGHT + 10)
    assert (found.level, found.since, found.until) == (80, MIDNIGHT, MIDNIGHT + 30)
    assert kinds(layers, MIDNIGHT + 10) == ["demand", "fixed"]
    assert target(layers, MIDNIGHT + 30).level == 40
    assert kinds(layers, MIDNIGHT - 7200) == ["fixed"]  # it is brighter anyway


def test_whoever_overrides_decides_over_all() -> None:
    layers = Layers(
        curve=CURVE,
        dark=SKY[Event.CIVIL],
        floors=floors(Facts("crossing"), DEFAULTS),
        demands=(Demand(source="z", level=90, begins=MIDNIGHT, until=MIDNIGHT + 60),),
        overrides=(Override(id="repair", level=0, begins=MIDNIGHT, ends=MIDNIGHT + 60),),
    )
    assert target(layers, MIDNIGHT + 1).level == 0
    assert kinds(layers, MIDNIGHT + 1) == ["override", "law", "demand", "fixed"]
    assert kinds(layers, MIDNIGHT + 60) == ["law", "fixed"]
