"""Controls → request → the API's own parsers: the question stays the same, whatever is typed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhinecloud.api.ngsi_ld.api import ROUTES
from rhinecloud.model import CORE, parse_order_by, parse_q, parse_scope_q
from rhinecloud.model.geo import parse_geo_query
from rhinecloud.model.projection import parse_projection
from rhinecloud.model.query_tree import AttributePath
from rhinecloud.model.temporal_query import parse_temporal_query
from rhinecloud.web import question as asking
from rhinecloud.web.question import (
    Condition,
    Group,
    Question,
    Wrong,
    condition_tree,
    of_parameters,
    request_of,
)

BERLIN = ZoneInfo("Europe/Berlin")
FORMS = {
    AttributePath(CORE.expand_name(name)): form
    for name, form in (
        ("speed", "number"), ("title", "text"), ("on", "flag"), ("seen", "moment"), ("refRoad", "links"),
    )
}  # fmt: skip
SPEED = CORE.expand_name("speed")
FORMS |= {
    AttributePath(SPEED, (CORE.expand_name("accuracy"),)): "number",
    AttributePath(SPEED, ("observedAt",)): "moment",
    AttributePath(SPEED, ("datasetId",)): "links",
    AttributePath(CORE.expand_name("label"), json_path=("de",)): "text",
}
WITHIN = ("speed.accuracy", "speed.observedAt", "speed.datasetId", "label[de]")
names = st.one_of(
    st.from_regex(r"[a-z][A-Za-z0-9_]{0,12}", fullmatch=True).filter(lambda name: name not in CORE_WORDS),
    st.from_regex(r"https://[a-z]{1,8}\.example/[a-z]{1,5}#?[a-z]{1,8}", fullmatch=True),
)
CORE_WORDS = frozenset({"id", "type", "scope", "value", "object", "json", "vocab"})
typed = (
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20)
    .map(asking._clean)
    .filter(bool)
)
numbers = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: f"{x:.4f}".replace(".", ",")),
)
times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(
    lambda at: at.isoformat(timespec="minutes")
)


@st.composite
def condition(draw: st.DrawFn) -> Condition:
    chosen = draw(st.sampled_from(["speed", "title", "on", "seen", "refRoad", *WITHIN, "other"]))
    name = chosen if chosen != "other" else draw(names)
    path = asking.path_of(name)
    assert path is not None
    form = FORMS.get(path, "")
    operator = draw(st.sampled_from(asking.OPERATORS.get(form, ("eq", "ne", "contains", "exists"))))
    value = {"number": numbers, "moment": times, "links": st.just("urn:ngsi-ld:Road:1")}.get(form, typed)
    told = f"{draw(value)}..{draw(value)}" if operator == "between" else draw(value)
    return Condition(name, operator, told)


positions = st.tuples(
    st.floats(-180, 180).map(lambda x: round(x, 6)), st.floats(-90, 90).map(lambda x: round(x, 6))
)
questions = st.builds(
    Question,
    type=st.sampled_from(["", "Streetlight", "https://x.example/T"]),
    groups=st.lists(
        st.builds(Group, st.lists(condition(), min_size=1, max_size=3).map(tuple), st.booleans()), max_size=3
    ).map(tuple),
    any_group=st.booleans(),
    scope=st.sampled_from(["", "/Duisburg/#", "/A/+/B"]),
    near=st.one_of(st.just(""), positions.map(lambda at: f"{at[0]}, {at[1]}")),
    radius=st.sampled_from(["", "250", "12,5"]),
    history=st.booleans(),
    since=st.one_of(st.just(""), times),
    last=st.sampled_from(["", "7"]),
    show=st.lists(names, max_size=3, unique=True).map(tuple),
    order=st.one_of(st.just(""), names),
    descending=st.booleans(),
    limit=st.sampled_from(asking.SIZES),
    offset=st.integers(0, 10_000),
)


@given(questions)
@settings(max_examples=200)
def test_what_is_asked_is_what_was_chosen(question: Question) -> None:
    # The address can be shared: it says the same controls.
    assert of_parameters(question.address()) == question
    request = request_of(question, FORMS, BERLIN)
    address = urlsplit(request.path)
    told = dict(parse_qsl(address.query, keep_blank_values=True))
    assert told == request.parameters
    route, _ = ROUTES.find(list(request.parts), "GET")
    route.parameters.check(told)
    assert ("type" in told) == bool(question.type)
    tree = condition_tree(question.groups, FORMS, BERLIN, any_group=question.any_group)
    assert (parse_q(told["q"], CORE) if "q" in told else None) == tree
    if question.scope:
        parse_scope_q(told["scopeQ"])
    if question.near:
        geo = parse_geo_query(told["georel"], told["geometry"], told["coordinates"], None, CORE)
        assert geo.max_distance == float((question.radius or "500").replace(",", "."))
        assert geo.geometry["coordinates"] == [float(x) for x in question.near.split(",")]
    if question.show:
        picked = parse_projection(told["pick"], None, CORE).pick
        assert picked == {"id", "type", *map(CORE.expand_name, question.show)}
    if question.order and not question.history:
        (key,) = parse_order_by(told["orderBy"], CORE)
        assert (key.path.attribute, key.descending) == (CORE.expand_name(question.order), question.descending)
    if question.history:
        asked = parse_temporal_query(told, required=True)
        assert asked.last_n == int(question.last or asking.LAST)
        if question.since:
            local = datetime.fromisoformat(question.since).replace(tzinfo=BERLIN)
            assert asked.time_at == local.astimezone(UTC)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "type",
                    "group",
                    "any",
                    "groups",
                    "attribute",
                    "operator",
                    "value",
                    "near",
                    "radius",
                    "area",
                    "since",
                    "until",
                    "last",
                    "show",
                    "order",
                    "limit",
                    "offset",
                    "mode",
                    "x",
                ]
            ),
            st.text(max_size=12),
        ),
        max_size=12,
    )
)
@settings(max_examples=200)
def test_whatever_an_address_says_is_a_request_or_wrong_at_a_field(pairs: list[tuple[str, str]]) -> None:
    question = of_parameters(pairs)
    try:
        request_of(question, FORMS, BERLIN)
    except Wrong as wrong:
        assert wrong.field.rpartition("-")[0] in ("value", "operator", "attribute") or wrong.field in (
            "area", "near", "radius", "since", "until", "last",
        )  # fmt: skip
        assert wrong.reason


def asked(*conditions: Condition) -> Question:
    return Question(groups=(Group(conditions),))


@pytest.mark.parametrize(
    ("question", "field", "reason"),
    [
        (asked(Condition("speed", "gt", "fast")), "value-1", "number"),
        (asked(Condition("on", "yes"), Condition("speed", "gt")), "value-2", "missing"),
        (asked(Condition("speed", "between", "1")), "value-1", "range"),
        (asked(Condition("seen", "lt", "yesterday")), "value-1", "moment"),
        (asked(Condition("refRoad", "eq", "Road 1")), "value-1", "uri"),
        (asked(Condition("refRoad", "gt", "urn:x:1")), "operator-1", "operator"),
        (asked(Condition("speed.", "exists")), "attribute-1", "name"),
        (asked(Condition("label[", "exists")), "attribute-1", "name"),
        (Question(area="6.7,51.4 6.8,51.4"), "area", "corners"),
        (Question(area="6.7,51.4 6.8,51.4 x"), "area", "position"),
        (Question(near="51"), "near", "position"),
        (Question(near="6.7,51.4", radius="-1"), "radius", "radius"),
        (Question(near="6.7,51.4", radius="far"), "radius", "number"),
        (Question(type="T", history=True, last="0"), "last", "last"),
        (Question(type="T", history=True, since="2026-02-01", until="2026-01-01"), "until", "order"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(question: Question, field: str, reason: str) -> None:
    with pytest.raises(Wrong) as wrong:
        request_of(question, FORMS, BERLIN)
    assert (wrong.value.field, wrong.value.reason) == (field, reason)


def test_an_area_is_a_closed_ring() -> None:
    request = request_of(Question(area="6.7,51.4 6.8,51.4 6.8,51.5"), {}, UTC)
    assert json.loads(request.parameters["coordinates"]) == [
        [[6.7, 51.4], [6.8, 51.4], [6.8, 51.5], [6.7, 51.4]]
    ]


def test_groups_are_joined_as_was_chosen() -> None:
    fast, slow, on, named = (
        Condition("speed", "gt", "50"), Condition("speed", "lt", "5"), Condition("on", "yes"),
        Condition("label[de]", "contains", "Rhein"),
    )  # fmt: skip

    def q(question: Question) -> str:
        return request_of(question, FORMS, BERLIN).parameters["q"]

    one = Group((fast, slow), any_of=True)
    assert q(Question(groups=(one,))) == "speed>50|speed<5"
    assert q(Question(groups=(one, Group((on,))))) == "(speed>50|speed<5);on==true"
    assert q(Question(groups=(one, Group((on,))), any_group=True)) == "speed>50|speed<5|on==true"
    both = (Group((fast, on)), Group((named,)))
    assert q(Question(groups=both)) == 'speed>50;on==true;label[de]~="Rhein"'
    assert q(Question(groups=both, any_group=True)) == 'speed>50;on==true|label[de]~="Rhein"'
    with pytest.raises(Wrong) as wrong:
        q(Question(groups=(one, Group((on, Condition("speed", "gt", "x"))))))
    assert wrong.value.field == "value-4"


def test_a_form_without_a_script_says_empty_conditions_too() -> None:
    pairs = [
        ("any", "1"), ("group", "1"), ("attribute", "on"), ("operator", "yes"), ("value", ""),
        ("group", "1"), ("attribute", ""), ("operator", "eq"), ("value", ""),
        ("any", ""), ("group", "2"), ("attribute", "speed.accuracy"), ("operator", "gt"), ("value", "1"),
        ("group", "2"), ("attribute", ""), ("operator", "eq"), ("value", ""), ("groups", "any"),
    ]  # fmt: skip
    told = of_parameters(pairs)
    assert told.groups == (
        Group((Condition("on", "yes"),), any_of=True),
        Group((Condition("speed.accuracy", "gt", "1"),)),
    )
    assert told.any_group and of_parameters(told.address()) == told
