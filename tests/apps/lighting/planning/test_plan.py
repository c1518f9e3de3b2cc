"""Who has which calendar, what a plan would change, and what is against it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.control.calendars import Calendar, Rule, Weekdays
from rhinecloud.apps.lighting.control.rules import DEFAULTS
from rhinecloud.apps.lighting.planning import groups, manifest, settling
from rhinecloud.apps.lighting.planning.groups import Area, Group, Single, Streets, Types, members, within
from rhinecloud.apps.lighting.planning.judging import judge
from rhinecloud.apps.lighting.planning.plan import NOBODY, Assignment, Plan, assigned, digest, lines

from .places import ALWAYS, BERLIN, DIMMED, PART_NIGHT, TODAY, lamp

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "lighting-planning.md").read_text()
STREET = Group(
    id="street", name=("Straße", "street"), selection=Streets(("königstrasse", "KÖNIGSTRASSE", "Königstraße"))
)
CITY = [lamp(1), lamp(2, category="crossing"), lamp(3, street="Seitenweg", sign_394=True), lamp(4, lon=7.5)]
PLAN = Plan(
    programs=(DIMMED, PART_NIGHT),
    calendars=(ALWAYS,),
    groups=(STREET,),
    assignments=(Assignment("group", "street", "always"),),
    rules=DEFAULTS,
)


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (Streets(("KÖNIGSTRASSE", "seitenweg")), {1, 2, 3, 4}),  # as Unicode folds it: ß is ss
        (Streets(("Seitenweg",)), {3}),
        (Area(districts=("altstadt",)), {1, 2, 3, 4}),
        (Area(polygon=((6.7, 51.4), (6.8, 51.4), (6.8, 51.5), (6.7, 51.5))), {1, 2, 3}),
        (Types(categories=("crossing",)), {2}),
        (Types(models=("urn:x",)), set()),
        (Single((CITY[0].id, "urn:gone")), {1}),
    ],
)
def test_groups_select(selection: groups.Selection, numbers: set[int]) -> None:
    group = Group(id="g", name=("g", "g"), selection=selection)
    assert groups.problems(group) == []
    assert {int(one.id.rpartition("L")[2]) for one in members(group, CITY)} == numbers
    assert msgspec.json.decode(msgspec.json.encode(group), type=Group) == group


@pytest.mark.parametrize(
    "selection", [Streets(()), Area(), Types(), Single(()), Area(polygon=((1, 1), (2, 2)))]
)
def test_a_group_that_selects_nothing_is_refused(selection: groups.Selection) -> None:
    assert [one.severity for one in groups.problems(Group(id="g", name=("g", "g"), selection=selection))] == [
        "refuse"
    ]


@given(st.floats(-1, 2), st.floats(-1, 2))
def test_within_a_square(lon: float, lat: float) -> None:
    corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    if lon not in (0.0, 1.0) and lat not in (0.0, 1.0):
        assert within(corners, lon, lat) == (0 < lon < 1 and 0 < lat < 1)


def test_the_first_line_that_speaks_of_a_lamp_counts() -> None:
    other = Calendar(id="other", name=("x", "x"), default="dimmed")
    plan = msgspec.structs.replace(
        PLAN,
        calendars=(ALWAYS, other),
        assignments=(
            Assignment("group", "gone", "other"),
            Assignment("lamp", CITY[0].id, "other"),
            Assignment("group", "street", "always"),
            Assignment("lamp", CITY[1].id, "other"),
        ),
    )
    assert lines(plan, CITY) == [1, 2, NOBODY, 2]
    assert assigned(plan, CITY) == {CITY[0].id: "other", CITY[1].id: "always", CITY[3].id: "always"}


def test_what_a_plan_changes() -> None:
    first = judge(PLAN, None, CITY, TODAY, BERLIN)
    assert (first.lamps, first.assigned, first.by_line, first.other_calendar, first.changed) == (
        4,
        3,
        (3,),
        3,
        3,
    )
    same = judge(PLAN, PLAN, CITY, TODAY, BERLIN)
    assert (same.other_calendar, same.changed) == (0, 0) and digest(PLAN) == digest(PLAN)
    brighter = msgspec.structs.replace(
        DIMMED, fixed=(*DIMMED.fixed[:1], msgspec.structs.replace(DIMMED.fixed[1], level=60))
    )
    plan = msgspec.structs.replace(PLAN, programs=(brighter, PART_NIGHT))
    found = judge(plan, PLAN, CITY, TODAY, BERLIN)
    assert (found.other_calendar, found.changed) == (0, 3) and digest(plan) != digest(PLAN)
    without = judge(msgspec.structs.replace(PLAN, rules=()), PLAN, CITY, TODAY, BERLIN)
    assert without.changed == 3  # the crossing and both lamps without the sign lose a floor


def test_a_crossing_that_would_be_dimmed_and_a_lamp_without_the_sign_that_would_go_out_are_refused() -> None:
    found = judge(PLAN, None, CITY, TODAY, BERLIN)
    (refusal,) = [one for one in found.findings if one.problem.severity == "refuse"]
    assert (refusal.problem.path, refusal.id, refusal.lamps) == ("crossing", "dimmed", 1)
    assert "Fußgängerüberwege" in refusal.problem.text[0] and found.refused

    half = msgspec.structs.replace(ALWAYS, default="part-night")
    plan = msgspec.structs.replace(PLAN, calendars=(half,))
    found = judge(plan, None, CITY, TODAY, BERLIN)
    refused = {one.problem.path: one.lamps for one in found.findings if one.problem.severity == "refuse"}
    assert refused == {"crossing": 1, "sign-394": 2}
    signed = [lamp(1, sign_394=True)]
    found = judge(plan, None, signed, TODAY, BERLIN)
    assert not found.refused and found.doubtful  # it may, but somebody has to say that it is meant so


def test_a_rule_that_matches_only_one_night_of_the_year_is_looked_at_too() -> None:
    once = Rule(program="part-night", when=Weekdays((7,), (5,)), first=TODAY)
    calendar = msgspec.structs.replace(ALWAYS, rules=(once,))
    plan = msgspec.structs.replace(PLAN, calendars=(calendar,))
    found = judge(plan, None, [lamp(1)], TODAY, BERLIN)
    (refusal,) = [one for one in found.findings if one.problem.severity == "refuse"]
    assert refusal.problem.path == "sign-394" and "29.11.2026" in refusal.problem.text[0]


def test_nights_without_a_program_have_to_be_confirmed_if_lamps_have_the_calendar() -> None:
    gap = Calendar(
        id="always", name=("x", "x"), rules=(Rule(program="dimmed", when=Weekdays((1, 2, 3, 4, 5))),)
    )
    plan = msgspec.structs.replace(PLAN, calendars=(gap,))
    found = judge(plan, None, [lamp(1)], TODAY, BERLIN)
    (doubt,) = [one for one in found.findings if one.problem.severity == "confirm"]
    assert (doubt.kind, doubt.id, doubt.lamps) == (
        "calendar",
        "always",
        1,
    ) and "28.11.2026" in doubt.problem.text[0]
    assert not judge(plan, None, [lamp(3, street="x")], TODAY, BERLIN).doubtful


def test_where_the_sun_does_not_set_an_astronomical_period_has_to_be_confirmed() -> None:
    found = judge(PLAN, None, [lamp(1, lon=15.6, lat=78.2)], TODAY, BERLIN)
    texts = [one.problem.text[1] for one in found.findings if one.problem.severity == "confirm"]
    assert any("does not become dark enough" in text for text in texts)


def test_lamps_and_lines_of_nobody_are_noted() -> None:
    plan = msgspec.structs.replace(
        PLAN, assignments=(*PLAN.assignments, Assignment("lamp", "urn:gone", "always"))
    )
    found = judge(plan, None, CITY, TODAY, BERLIN)
    noted = [
        (one.kind, one.lamps)
        for one in found.findings
        if one.problem.severity == "warn" and one.kind == "lamps"
    ]
    assert noted == [("lamps", 1), ("lamps", 0)]


def test_thousands_of_lamps_are_judged_together() -> None:
    many = [
        lamp(n % 900, id=f"urn:ngsi-ld:Streetlight:{n}", category="sidewalk" if n % 3 else "road")
        for n in range(20_000)
    ]
    found = judge(PLAN, PLAN, many, TODAY, BERLIN)
    assert (found.assigned, found.changed, found.refused) == (20_000, 0, False)


def test_pages_and_states_are_documented() -> None:
    for page in manifest.PAGES:
        if page.method == "GET" and not page.path.endswith("/new"):
            assert f"`/lighting{page.path}`" in PAGE, page.path
    for state in settling.STATES:
        assert f"| {state} |" in PAGE
