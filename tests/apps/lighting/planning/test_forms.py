"""Forms of programs, rules of calendars, groups and rules of the city: what is written in them is what is read."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.control import programs
from rhinecloud.apps.lighting.control.calendars import Dates, Holidays, Monthly, Rule, Weekdays, Yearly
from rhinecloud.apps.lighting.control.programs import Program
from rhinecloud.apps.lighting.control.rules import DEFAULTS
from rhinecloud.apps.lighting.planning import pages_groups, pages_rules, program_form, rule_form
from rhinecloud.apps.lighting.planning.groups import Area, Group, Single, Streets, Types
from rhinecloud.apps.lighting.planning.wording import nights, slug, where

from ..control.generated import periods
from .places import lamp

_LEVEL = st.integers(0, 100)
_OPERATION = st.sampled_from(["set", "max", "min", "add"])
_CLOCK = st.sampled_from(["00:00", "05:30", "16:00", "23:59"])
_SENSOR = st.sampled_from([(), ("/devices/d1",), ("/devices/d1", "/devices/d2")])


@given(
    st.builds(
        Program,
        id=st.just("p"),
        name=st.just(("Name", "name")),
        periods=st.lists(periods, max_size=3).map(tuple),
        fixed=st.lists(st.builds(programs.Step, at=_CLOCK, level=_LEVEL, ramp=st.just(0.5)), max_size=3).map(tuple),
        astro=st.lists(
            st.builds(
                programs.AstroStep, event=st.sampled_from(["sunset", "sunrise"]), offset=st.integers(-99, 99),
                operation=_OPERATION, level=_LEVEL,
            ),
            max_size=2,
        ).map(tuple),
        dynamic=st.lists(
            st.builds(
                programs.Dynamic, sensor=_SENSOR, operation=_OPERATION, level=st.none() | _LEVEL,
                hold=st.just(30.0), start=st.none() | _CLOCK,
            ),
            max_size=2,
        ).map(tuple),
    )
)  # fmt: skip
def test_a_program_goes_through_its_form(program: Program) -> None:
    plain = [
        one for one in program.periods if not any(" " in s or "," in s for s in getattr(one, "sensor", ()))
    ]
    program = Program(
        id="p", name=program.name, periods=tuple(plain), fixed=program.fixed, astro=program.astro,
        dynamic=program.dynamic,
    )  # fmt: skip
    assert program_form.program_of(program_form.fields_of(program), "p") == (program, [])


def test_what_cannot_be_read_of_a_program_is_named() -> None:
    good = program_form.fields_of(Program(id="p", name=("a", "b"), fixed=(programs.Step("16:00", 100),)))
    for wrong, path in (
        ({"fixed-0-level": "viel"}, "fixed[0].level"),
        ({"fixed-0-level": "40,5"}, "fixed[0].level"),
        ({"fixed-0-at": "25:00"}, "fixed[0].at"),
        ({"periods-0-kind": "moon"}, "periods[0].kind"),
        ({"periods-0-kind": "absolute"}, "periods[0]"),
    ):
        program, problems = program_form.program_of(good | wrong, "p")
        assert program is None and [one.path for one in problems] == [path], wrong
    assert (
        program_form.rows(good, "fixed", 2)[0]["at"] == "16:00"
        and len(program_form.rows(good, "fixed", 2)) == 3
    )
    assert program_form.rows(good | {"fixed-0-remove": "on"}, "fixed") == []
    assert program_form.rows(good | {"fixed-99999-at": "16:00", "fixed-x-at": "1"}, "fixed")[1:] == []


@pytest.mark.parametrize(
    "rule",
    [
        Rule(program="p"),
        Rule(program="p", first=date(2026, 4, 1), last=date(2026, 9, 30)),
        Rule(program="p", when=Weekdays((1, 7))),
        Rule(program="p", when=Weekdays((5,), (1, "last"))),
        Rule(program="p", when=Yearly("12-24")),
        Rule(program="p", when=Yearly("12-24", "01-01")),
        Rule(program="p", when=Monthly((1, 15))),
        Rule(program="p", when=Dates((date(2026, 9, 12), date(2026, 9, 13)))),
        Rule(program="p", when=Holidays()),
        Rule(program="p", when=Holidays(eve=True)),
    ],
)
def test_a_rule_of_a_calendar_goes_through_its_form_and_has_words(rule: Rule) -> None:
    assert rule_form.rule_of(rule_form.fields_of(rule), 0) == (rule, [])
    assert all(nights(rule))


def test_rules_are_written_as_people_write_dates() -> None:
    found, _ = rule_form.rule_of({"program": "p", "kind": "dates", "dates": "24.12.2026, 1.1.2027"}, 0)
    assert found == Rule(program="p", when=Dates((date(2026, 12, 24), date(2027, 1, 1))))
    found, _ = rule_form.rule_of({"program": "p", "kind": "yearly", "from": "24.12.", "to": "1.1."}, 0)
    assert found == Rule(program="p", when=Yearly("12-24", "01-01"))
    found, _ = rule_form.rule_of({"program": "p", "kind": "monthly", "days": "1., 15"}, 0)
    assert found == Rule(program="p", when=Monthly((1, 15)))
    for wrong in (
        {"program": ""},
        {"program": "p", "kind": "dates", "dates": "bald"},
        {"program": "p", "kind": "yearly", "from": "Weihnachten"},
        {"program": "p", "kind": "monthly", "days": "32"},
        {"program": "p", "first": "gestern"},
    ):
        none, problems = rule_form.rule_of(wrong, 3)
        assert none is None and problems[0].path.startswith("rules[3]"), wrong


@pytest.mark.parametrize(
    "selection",
    [
        Streets(("Königstraße", "Am Rhein")),
        Area(districts=("Altstadt",), polygon=((6.7, 51.4), (6.8, 51.4), (6.8, 51.5))),
        Types(categories=("park",), models=("urn:m",)),
        Single(("urn:ngsi-ld:Streetlight:L1",)),
    ],
)
def test_a_group_goes_through_its_form(selection: object) -> None:
    group = Group(id="g", name=("a", "b"), selection=selection)  # type: ignore[arg-type]
    assert pages_groups.group_of(pages_groups.fields_of(group), "g", [lamp(1)]) == (group, [])


def test_single_lamps_are_named_by_name_too_and_unknown_ones_are_refused() -> None:
    given = {"kind": "static", "name_de": "a", "name_en": "b", "lamps": "KÖNIGSTRASSE 1"}
    group, problems = pages_groups.group_of(given, "g", [lamp(1)])
    assert group is not None and group.selection == Single((lamp(1).id,)) and problems == []
    group, problems = pages_groups.group_of(given | {"lamps": "nirgends 1"}, "g", [lamp(1)])
    assert group is None and "nirgends 1" in problems[0].text[0]
    square = '{"type": "Polygon", "coordinates": [[[6.7, 51.4], [6.8, 51.4], [6.8, 51.5], [6.7, 51.4]]]}'
    group, _ = pages_groups.group_of(given | {"kind": "area", "polygon": square}, "g", [])
    assert group is not None and group.selection == Area(polygon=((6.7, 51.4), (6.8, 51.4), (6.8, 51.5)))
    for wrong in ("6.7", "ost nord", '{"type": "Point"}', "["):
        assert pages_groups.group_of(given | {"kind": "area", "polygon": wrong}, "g", [])[0] is None


def test_a_rule_of_the_city_goes_through_its_form() -> None:
    for rule in DEFAULTS:
        assert pages_rules.rule_of(pages_rules.fields_of(rule), rule.id) == (rule, [])
    given = pages_rules.fields_of(DEFAULTS[0])
    for wrong in ({"level": "hell"}, {"level": "101"}, {"grace": "999"}, {"kind": "moon"}, {"severity": "x"}):
        none, problems = pages_rules.rule_of(given | wrong, "x")
        assert none is None and problems, wrong
    assert pages_rules.rule_of(given | {"name_en": ""}, "x")[1]


def test_words() -> None:
    assert slug("Wohnstraße, Süd (2)") == "wohnstrasse-sued-2" and slug("¿?") == "" and slug("New") == "neu"
    assert where("fixed[2].level") == ("Schaltzeit 3", "step 3") and where("") == ("", "")
