"""The examples of docs/reference/lighting-programs.md are what the app reads, and what it makes of them."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path

import msgspec
import pytest

from rhinecloud.apps.lighting.control import calendars, programs, reasons, rules
from rhinecloud.apps.lighting.control.classes import CLASSES
from rhinecloud.apps.lighting.control.curve import curve
from rhinecloud.apps.lighting.control.sun import sky

from .generated import BERLIN, DUISBURG

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "lighting-programs.md").read_text()
EXAMPLES = re.findall(r"^```json (\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PROGRAMS = [text for kind, text in EXAMPLES if kind == "program"]


def test_there_are_examples_of_each_kind() -> None:
    assert {kind for kind, _ in EXAMPLES} == {"program", "calendar", "rule"} and len(EXAMPLES) >= 5


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_an_example_is_read_and_printed(kind: str, text: str) -> None:
    """Unknown fields are refused, so that nothing of it is overlooked."""
    if kind == "program":
        program = programs.parse(text)
        assert programs.problems(program) == []
        assert programs.parse(programs.printed(program)) == program
    elif kind == "calendar":
        calendar = calendars.parse(text)
        known = {rule.program for rule in calendar.rules} | {calendar.default or ""}
        assert calendars.problems(calendar, known, date(2026, 1, 1)) == []
        assert calendars.parse(calendars.printed(calendar)) == calendar
    else:
        rule = rules.parse(text)
        assert rules.problems(rule) == []
        assert rules.parse(rules.printed(rule)) == rule


def test_the_curve_is_that_of_the_example() -> None:
    ((day, text),) = re.findall(r"^```text curve (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    night = date.fromisoformat(day)
    found = curve(programs.parse(PROGRAMS[0]), night, sky(*DUISBURG, night), BERLIN)
    lines = [
        f"{datetime.fromtimestamp(one.begin, BERLIN):%H:%M} {one.level:3.0f} %  {reasons.texts(one.why, 1)}"
        for one in found
        if one.why[0].kind != "ramp"
    ]
    assert text.splitlines() == lines


def test_every_field_and_class_is_documented() -> None:
    forms = [
        *(programs.Absolute, programs.Astro, programs.Sensor, programs.AstroAndSensor, programs.Dynamic),
        *(programs.Step, programs.AstroStep, programs.Program, calendars.Rule, calendars.Calendar),
        *(calendars.Weekdays, calendars.Yearly, calendars.Monthly, calendars.Dates, calendars.Holidays),
        *(rules.LawRule, rules.PartNightNeedsSign394, rules.CrossingStaysLit, rules.MinimumLevel),
    ]
    words = set(re.findall(r"\w+", PAGE))
    missing = [
        f"{form.__name__}.{field.encode_name}"
        for form in forms
        for field in msgspec.structs.fields(form)
        if field.encode_name not in words
    ]
    missing += [
        form.__struct_config__.tag for form in forms if form.__struct_config__.tag not in words | {None}
    ]
    missing += [name for name, one in CLASSES.items() if one.required and f" {one.required:g}" not in PAGE]
    assert not missing, f"docs/reference/lighting-programs.md misses {missing}"
