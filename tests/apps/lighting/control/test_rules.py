"""Rules of the city: who may be switched off at night, and who may not."""

from __future__ import annotations

import math
from datetime import date

import msgspec
import pytest

from rhinecloud.apps.lighting.control import rules
from rhinecloud.apps.lighting.control.curve import Curve, curve, dark_all_night
from rhinecloud.apps.lighting.control.programs import Astro, Period, Program, Step
from rhinecloud.apps.lighting.control.rules import (
    DEFAULTS,
    CrossingStaysLit,
    LawRule,
    MinimumLevel,
    PartNightNeedsSign394,
    check,
    floors,
)
from rhinecloud.apps.lighting.control.sun import Dark, Event, sky

from .generated import BERLIN, DUISBURG, Facts

NIGHT = date(2026, 6, 21)
SKY = sky(*DUISBURG, NIGHT)
CIVIL = SKY[Event.CIVIL]


def planned(*steps: Step, period: Period | None = None) -> Curve:
    made = Program(
        id="p", name=("a", "b"), periods=(period or Astro(),), fixed=steps or (Step("18:00", 100),)
    )
    return curve(made, NIGHT, SKY, BERLIN)


PART_NIGHT = planned(Step("18:00", 100), Step("01:00", 0), Step("04:00", 100))
DIMMED = planned(Step("18:00", 100), Step("23:00", 30))


@pytest.mark.parametrize(
    ("lamp", "refused"),
    [
        (Facts("road"), ["sign-394"]),
        (Facts("road", sign_394=True), []),
        (Facts("park"), []),
        (Facts("crossing"), ["crossing"]),
        (Facts("crossing", sign_394=True), ["crossing"]),
    ],
)
def test_part_night_needs_the_sign_and_crossings_stay_lit(lamp: Facts, refused: list[str]) -> None:
    found = check(lamp, PART_NIGHT, CIVIL, DEFAULTS)
    assert [(one.severity, one.path) for one in found] == [("refuse", path) for path in refused]
    assert all("0 %" in text for one in found for text in one.text)


def test_dimming_is_no_part_night_but_a_crossing_keeps_its_light() -> None:
    assert check(Facts("road"), DIMMED, CIVIL, DEFAULTS) == []
    assert [one.path for one in check(Facts("crossing"), DIMMED, CIVIL, DEFAULTS)] == ["crossing"]


@pytest.mark.parametrize(
    "period",
    [Astro(), Astro(event=Event.CIVIL), Astro(event=Event.CIVIL, sunset_offset=14, sunrise_offset=-14)],
)
def test_whoever_switches_by_sun_or_twilight_breaks_no_rule(period: Period) -> None:
    for category in ("road", "crossing"):
        assert check(Facts(category), planned(period=period), CIVIL, DEFAULTS) == []


def test_no_program_is_no_light() -> None:
    assert check(Facts("road"), dark_all_night(NIGHT, BERLIN), CIVIL, DEFAULTS)


def test_where_it_does_not_become_dark_no_rule_holds() -> None:
    for dark in (Dark(math.nan, math.nan), Dark(CIVIL.begin, CIVIL.begin + 1200)):
        assert check(Facts("crossing"), PART_NIGHT, dark, DEFAULTS) == []


def test_the_city_edits_its_rules() -> None:
    row = LawRule(id="m", name=("Schule", "school"), rule=MinimumLevel(level=50), severity="warn")
    assert [(one.severity, one.path) for one in check(Facts("park"), DIMMED, CIVIL, [row])] == [("warn", "m")]
    assert check(Facts("park"), DIMMED, CIVIL, [msgspec.structs.replace(row, active=False)]) == []
    assert [floor.rule for floor in floors(Facts("crossing"), [*DEFAULTS, row])] == ["crossing", "m"]


@pytest.mark.parametrize(
    "rule", [PartNightNeedsSign394(), CrossingStaysLit(level=80), MinimumLevel(level=5, grace=0)]
)
def test_what_is_printed_is_parsed_again(rule: rules.Demanded) -> None:
    row = LawRule(id="r", name=("Regel", "rule"), rule=rule)
    assert rules.parse(rules.printed(row)) == row
    assert rules.problems(row) == []
    assert [one.path for one in rules.problems(LawRule(id="", name=("", ""), rule=rule))] == ["id", "name"]


def test_another_form_is_refused() -> None:
    for wrong in ('"level":101', '"level":-1', '"level":50,"grace":-1'):
        text = '{"id":"r","name":["a","b"],"rule":{"kind":"minimum_level",' + wrong + "}}"
        with pytest.raises(msgspec.ValidationError):
            rules.parse(text)
