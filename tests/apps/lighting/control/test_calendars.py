"""Calendars: which rule has which night, holidays, and what is wrong with bad ones."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.control import calendars
from rhinecloud.apps.lighting.control.calendars import (
    Calendar,
    Choice,
    Dates,
    Holidays,
    Monthly,
    Rule,
    Weekdays,
    When,
    Yearly,
    matches,
    program_of,
)  # fmt: skip

from . import generated

NAME = ("Kalender", "calendar")
FREE = calendars.holidays_of([2026, 2027])


@given(generated.a_calendar)
def test_what_is_printed_is_parsed_again(calendar: Calendar) -> None:
    assert calendars.parse(calendars.printed(calendar)) == calendar


@given(generated.a_calendar, generated.days)
def test_the_first_rule_that_matches_has_the_night(calendar: Calendar, night: date) -> None:
    program, rule = program_of(calendar, night, FREE)
    before = calendar.rules if rule is None else calendar.rules[:rule]
    assert not any(matches(one, night, FREE) for one in before)
    if rule is None:
        assert program == calendar.default
    else:
        assert matches(calendar.rules[rule], night, FREE) and program == calendar.rules[rule].program


def test_holidays_are_those_of_the_state() -> None:
    """§ 2 Feiertagsgesetz NW: eleven, with Corpus Christi and All Saints', without Epiphany and Reformation Day."""
    of_2026 = calendars.holidays_of([2026])
    assert of_2026 == {
        date(2026, *day)
        for day in (
            (1, 1),
            (4, 3),
            (4, 6),
            (5, 1),
            (5, 14),
            (5, 25),
            (6, 4),
            (10, 3),
            (11, 1),
            (12, 25),
            (12, 26),
        )
    }
    assert date(2026, 1, 6) in calendars.holidays_of([2026], "DE-BY")
    with pytest.raises(NotImplementedError):
        calendars.holidays_of([2026], "XX-YY")


@pytest.mark.parametrize(
    ("when", "yes", "no"),
    [
        (None, "2026-02-03", None),
        (Weekdays((6, 7)), "2026-10-24", "2026-10-26"),
        (Weekdays((5,), (1,)), "2026-05-01", "2026-05-08"),
        (Weekdays((5,), ("last",)), "2026-05-29", "2026-05-22"),
        (Weekdays((5,), (5, "last")), "2026-04-24", "2026-04-17"),
        (Yearly("12-24"), "2030-12-24", "2030-12-25"),
        (Yearly("12-24", "01-06"), "2027-01-06", "2027-01-07"),
        (Yearly("12-24", "01-06"), "2026-12-31", "2026-12-23"),
        (Monthly((1, 31)), "2026-07-31", "2026-06-30"),
        (Dates((date(2026, 7, 4),)), "2026-07-04", "2027-07-04"),
        (Holidays(), "2026-10-03", "2026-10-02"),
        (Holidays(eve=True), "2026-10-02", "2026-10-04"),
    ],
)
def test_nights_of_a_rule(when: When | None, yes: str, no: str | None) -> None:
    rule = Rule(program="a", when=when)
    assert matches(rule, date.fromisoformat(yes), FREE)
    assert no is None or not matches(rule, date.fromisoformat(no), FREE)


@given(generated.days, generated.days, generated.days)
def test_a_range_has_both_its_ends(night: date, first: date, last: date) -> None:
    assert matches(Rule(program="a", first=first, last=last), night, FREE) == (first <= night <= last)


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)))
def test_every_weekday_is_one_of_the_five(night: date) -> None:
    found = [number for number in (1, 2, 3, 4, 5)
             if matches(Rule(program="a", when=Weekdays((night.isoweekday(),), (number,))), night, FREE)]  # fmt: skip
    last = matches(Rule(program="a", when=Weekdays((night.isoweekday(),), ("last",))), night, FREE)
    assert found == [(night.day + 6) // 7]
    assert last == ((night + timedelta(7)).month != night.month)


def test_a_night_without_a_program_has_to_be_confirmed() -> None:
    calendar = Calendar(id="k", name=NAME, rules=(Rule(program="a", when=Weekdays((1, 2, 3, 4, 5))),))
    assert program_of(calendar, date(2026, 10, 24), FREE) == Choice(None, None)
    (problem,) = calendars.problems(calendar, {"a"}, date(2026, 10, 23))
    assert (problem.severity, problem.path) == ("confirm", "") and "24.10.2026" in problem.text[0]
    gaps = calendars.gaps(calendar, date(2026, 10, 19), 14, FREE)
    assert [f"{night:%d.%m.}" for night in gaps] == ["24.10.", "25.10.", "31.10.", "01.11."]


@pytest.mark.parametrize(
    ("rules", "default", "severity", "path"),
    [
        ((Rule(program="x"),), None, "refuse", "rules[0].program"),
        ((), "x", "refuse", "default"),
        ((Rule(program="a", first=date(2026, 2, 1), last=date(2026, 1, 1)),), "a", "refuse", "rules[0].last"),
        ((Rule(program="a", when=Yearly("02-30")),), "a", "refuse", "rules[0].when.first"),
        ((Rule(program="a", when=Weekdays(())),), "a", "refuse", "rules[0].when"),
        ((Rule(program="a"), Rule(program="a", when=Holidays())), "a", "warn", "rules[1]"),
    ],
)
def test_what_is_wrong_is_named(
    rules: tuple[Rule, ...], default: str | None, severity: str, path: str
) -> None:
    calendar = Calendar(id="k", name=NAME, rules=rules, default=default)
    found = calendars.problems(calendar, {"a"}, date(2026, 1, 1), FREE)
    assert [(one.severity, one.path) for one in found] == [(severity, path)]
