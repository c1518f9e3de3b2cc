"""Temporal queries, durations, aggregates of every kind of value, and the temporal representations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.model import BadRequestData, Entity, parse_evolution
from rhinecloud.model.context import CORE
from rhinecloud.model.evolution import SCOPE
from rhinecloud.model.projection import parse_projection
from rhinecloud.model.temporal_aggregates import Part, aggregate, parse_aggregation
from rhinecloud.model.temporal_periods import Duration, Periods, parse_duration
from rhinecloud.model.temporal_query import FOREVER, FOREVER_AGO, parse_temporal_query
from rhinecloud.model.temporal_representation import EntityTemporal, Event, render_temporal, texts

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def query(**given: Any) -> Any:
    return parse_temporal_query(given)


def test_bounds_of_a_query() -> None:
    at, end = "2026-06-15T12:00:00Z", "2026-06-15T13:00:00Z"
    assert (query().since, query().until) == (FOREVER_AGO, FOREVER)
    before = query(timerel="before", timeAt=at)
    assert (before.since, before.until, before.timeproperty) == (FOREVER_AGO, NOON, "observedAt")
    after = query(timerel="after", timeAt=at, lastN="7", timeproperty="modifiedAt")
    assert (after.since, after.until, after.last_n, after.timeproperty) == (NOON, FOREVER, 7, "modifiedAt")
    between = query(timerel="between", timeAt=at, endTimeAt=end)
    assert (between.since, between.until) == (NOON, NOON.replace(hour=13))


@pytest.mark.parametrize(
    "given",
    [
        {"timerel": "during", "timeAt": "2026-06-15T12:00:00Z"},
        {"timerel": "after"},
        {"timerel": "after", "timeAt": ""},
        {"timerel": "after", "timeAt": "yesterday"},
        {"timerel": "after", "timeAt": 17},
        {"timerel": "between", "timeAt": "2026-06-15T12:00:00Z"},
        {"timeAt": "2026-06-15T12:00:00Z"},
        {"timeproperty": "expiresAt"},
        {"lastN": "0"},
        {"lastN": "-1"},
        {"lastN": "1.5"},
        {"lastN": "many"},
        {"lastN": 1.5},
        {"lastN": True},
    ],
)
def test_what_is_no_temporal_query(given: dict[str, Any]) -> None:
    with pytest.raises(BadRequestData):
        parse_temporal_query(given)


def test_a_query_of_many_entities_needs_a_time() -> None:
    with pytest.raises(BadRequestData):
        parse_temporal_query({"lastN": "3"}, required=True)


@pytest.mark.parametrize(
    ("text", "months", "seconds"),
    [
        ("P0D", 0, 0),
        ("PT0S", 0, 0),
        ("P3Y6M4DT12H30M5S", 42, 4 * 86_400 + 12 * 3_600 + 30 * 60 + 5),
        ("P2W", 0, 14 * 86_400),
        ("PT36H", 0, 36 * 3_600),
        ("PT0.5S", 0, 0.5),
        ("PT1,25S", 0, 1.25),
        ("P1M", 1, 0),
        ("PT1M", 0, 60),
    ],
)
def test_durations(text: str, months: int, seconds: float) -> None:
    assert parse_duration(text) == Duration(months, round(seconds * 1_000_000))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1",
        "1D",
        "P1DT",
        "P1H",
        "PT1D",
        "P1W2D",
        "P-1D",
        "P0001-01-01",
        "P1.5D",
        "p1d",
        "P1D ",
        None,
        3,
    ],
)
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(BadRequestData):
        parse_duration(text)


@given(
    months=st.integers(0, 30),
    micros=st.integers(0, 10**13),
    origin=st.integers(-(10**16), 10**16),
    ahead=st.lists(st.integers(0, 10**16), min_size=1, max_size=20),
)
def test_every_time_lies_in_its_period(months: int, micros: int, origin: int, ahead: list[int]) -> None:
    duration = Duration(months, micros)
    if 0 < months * 2_678_400 * 10**6 + micros < 10**9:
        return
    times = np.asarray(sorted(origin + one for one in ahead), dtype=np.int64)
    periods = Periods(duration, origin, int(times[-1]))
    numbers = periods.index(times)
    starts, ends = periods.bounds(numbers)
    assert (starts <= times).all()
    assert duration.whole or (times < ends).all()
    if (
        not duration.whole
        and (int(times[-1]) - origin) / max(1, duration.days * 86_400 * 10**6) < 1_000
        and duration.days
    ):
        listed = periods.starts(int(times[-1]))
        assert [listed[number] for number in numbers.tolist()] == starts.tolist()


# Which value takes part in which method (tables 4.5.19.1-1 to -3) -----------------------------------------------


def typed(kind: str, *values: str) -> list[dict[str, Any]]:
    return [{"type": "Property", "value": {"@type": kind, "@value": value}} for value in values]


def prop(*values: Any, type_: str = "Property", member: str = "value") -> list[dict[str, Any]]:
    return [{"type": type_, member: value} for value in values]


ALL = "avg,distinctCount,max,min,stddev,sum,sumsq,totalCount"


@pytest.mark.parametrize(
    ("instances", "expected"),
    [
        (prop("b", "a", "b"), {"max": "b", "min": "a", "distinctCount": 2, "totalCount": 3}),
        (
            [*prop(1, 3), {"type": "Property", "value": 2, "urn:x:accuracy": prop(1)}],
            {
                "avg": 2.0,
                "max": 3,
                "min": 1,
                "sum": 6,
                "sumsq": 14,
                "stddev": (2 / 3) ** 0.5,
                "distinctCount": 3,
                "totalCount": 3,
            },
        ),
        (
            prop(True, False, True, True),
            {
                "avg": 0.75,
                "max": 1,
                "min": 0,
                "sum": 3,
                "sumsq": 3,
                "stddev": (3 / 16) ** 0.5,
                "distinctCount": 2,
                "totalCount": 4,
            },
        ),
        (
            prop([1], [1, 2, 3], []),
            {"avg": 4 / 3, "max": 3, "min": 0, "sum": 4, "distinctCount": 3, "totalCount": 3},
        ),
        (prop({"a": 1}, {"a": 1.0}, {"b": 1}), {"distinctCount": 3, "totalCount": 3}),
        (
            typed("DateTime", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"),
            {
                "max": "2026-01-01T00:00:00.5Z",
                "min": "2026-01-01T00:00:00Z",
                "distinctCount": 2,
                "totalCount": 2,
            },
        ),
        (
            typed("Date", "2026-01-02", "2026-01-01"),
            {"max": "2026-01-02", "min": "2026-01-01", "distinctCount": 2, "totalCount": 2},
        ),
        (
            typed("https://uri.etsi.org/ngsi-ld/Time", "08:00:00Z", "09:00:01Z"),
            {
                "avg": "08:30:00.5Z",
                "max": "09:00:01Z",
                "min": "08:00:00Z",
                "distinctCount": 2,
                "totalCount": 2,
            },
        ),
        (typed("@id", "urn:x:1", "urn:x:1"), {"distinctCount": 1, "totalCount": 2}),
        (
            prop("urn:a", "urn:b", "urn:a", type_="Relationship", member="object"),
            {"distinctCount": 2, "totalCount": 3},
        ),
        (
            prop(["urn:a"], ["urn:b"], type_="ListRelationship", member="objectList"),
            {"distinctCount": 2, "totalCount": 2},
        ),
        (
            prop([1, 2], [3], type_="ListProperty", member="valueList"),
            {"avg": 1.5, "max": 2, "min": 1, "sum": 3, "distinctCount": 2, "totalCount": 2},
        ),
        (
            prop({"de": "an"}, type_="LanguageProperty", member="languageMap"),
            {"distinctCount": 1, "totalCount": 1},
        ),
        (prop("urn:x:on", type_="VocabProperty", member="vocab"), {"distinctCount": 1, "totalCount": 1}),
        (
            prop(4, type_="JsonProperty", member="json"),
            {
                "avg": 4,
                "max": 4,
                "min": 4,
                "sum": 4,
                "sumsq": 16,
                "stddev": 0,
                "distinctCount": 1,
                "totalCount": 1,
            },
        ),
        (
            prop({"type": "Point", "coordinates": [6, 51]}, type_="GeoProperty"),
            {"distinctCount": 1, "totalCount": 1},
        ),
        (
            [
                *prop("a"),
                {"type": "Property", "value": "urn:ngsi-ld:null", "deletedAt": "2026-01-01T00:00:00Z"},
            ],
            {"max": "a", "min": "a", "distinctCount": 1, "totalCount": 1},
        ),
    ],
)
def test_which_values_take_part_in_which_methods(
    instances: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    figures = aggregate(parse_aggregation(ALL, None).methods, [], {7: [(0, one) for one in instances]})[7]
    assert {name: column[0] for name, column in figures.methods.items()} == pytest.approx(expected)


def test_numbers_with_and_without_sub_attributes_are_one_series() -> None:
    others = {7: [(0, {"type": "Property", "value": 5, "urn:x:accuracy": prop(1)}), (2, prop("text")[0])]}
    part = Part(7, np.asarray([0, 0, 1]), np.asarray([1.0, 3.0, 10.0]))
    figures = aggregate(parse_aggregation("avg,max", None).methods, [part], others)[7]
    assert figures.periods.tolist() == [0, 1, 2]
    assert figures.methods == {"avg": [3.0, 10.0, None], "max": [5.0, 10.0, "text"]}


def test_methods_must_be_known() -> None:
    for wrong in ("", "mean", "avg,,max", None, [], [1]):
        with pytest.raises(BadRequestData):
            parse_aggregation(wrong, None)
    assert parse_aggregation("avg, max,avg", "PT1H").methods == ("avg", "max")
    assert parse_aggregation(["avg"], None).duration.whole


# Representations -------------------------------------------------------------------------------------------------

LAMP = Entity(id="urn:x:1", types=("urn:x:Lamp",), scopes=("/Duisburg",), created_at="2026-01-01T00:00:00Z")


def evolution(**attributes: list[dict[str, Any]]) -> EntityTemporal:
    return EntityTemporal(
        LAMP,
        events={
            SCOPE if name == "scope" else f"urn:x:{name}": [
                Event(one["observedAt"], one) for one in instances
            ]
            for name, instances in attributes.items()
        },
    )


def at(minute: int, **members: Any) -> dict[str, Any]:
    return {**members, "observedAt": f"2026-01-01T12:{minute:02d}:00Z"}


def test_each_type_in_the_simplified_form_is_read_back() -> None:
    shown = render_temporal(
        evolution(
            number=[at(1, type="Property", value=1), at(2, type="Property", value=2)],
            place=[at(1, type="GeoProperty", value={"type": "Point", "coordinates": [6.7, 51.4]})],
            link=[
                at(1, type="Relationship", object="urn:x:a"),
                at(2, type="Relationship", object=["urn:x:b"]),
            ],
            says=[at(1, type="LanguageProperty", languageMap={"de": "an", "en": "on"})],
            list=[at(1, type="ListProperty", valueList=["a", "b"])],
            links=[at(1, type="ListRelationship", objectList=["urn:x:a", "urn:x:b"])],
            json=[at(1, type="JsonProperty", json={"a": [1]})],
            word=[at(1, type="VocabProperty", vocab="urn:x:on")],
        ),
        CORE,
        format="temporalValues",
    )
    assert shown["urn:x:number"] == {
        "type": "Property",
        "values": [[1, "2026-01-01T12:01:00Z"], [2, "2026-01-01T12:02:00Z"]],
    }
    assert shown["urn:x:says"]["languageMaps"][0][0] == {"languageMap": {"de": "an", "en": "on"}}
    assert shown["urn:x:links"]["objectLists"] == [[["urn:x:a", "urn:x:b"], "2026-01-01T12:01:00Z"]]
    assert shown["urn:x:word"]["vocabs"][0][0] == {"vocab": "urn:x:on"}
    del shown["scope"]
    read = parse_evolution(shown, CORE)
    assert read.attributes["urn:x:json"][0]["json"] == {"a": [1]}
    assert read.attributes["urn:x:link"][1]["object"] == ["urn:x:b"]
    assert len(read.attributes) == 8


def test_datasets_stand_apart_in_the_simplified_form() -> None:
    shown = render_temporal(
        evolution(
            number=[
                at(1, type="Property", value=1),
                at(2, type="Property", value=2, datasetId="urn:x:d"),
                at(3, type="Property", value=3),
            ]
        ),
        CORE,
        format="temporalValues",
    )["urn:x:number"]
    assert [(one.get("datasetId"), [value for value, _ in one["values"]]) for one in shown] == [
        (None, [1, 3]),
        ("urn:x:d", [2]),
    ]


def test_system_times_are_shown_on_request_or_as_what_was_asked_by() -> None:
    given = evolution(
        number=[
            at(
                1,
                type="Property",
                value=1,
                createdAt="2026-01-01T12:05:00Z",
                modifiedAt="2026-01-01T12:05:00Z",
            )
        ]
    )
    plain = render_temporal(given, CORE)["urn:x:number"]
    assert plain == [at(1, type="Property", value=1)]
    assert "createdAt" in render_temporal(given, CORE, timeproperty="createdAt")["urn:x:number"][0]
    full = render_temporal(given, CORE, sys_attrs=True)
    assert full["urn:x:number"][0].keys() >= {"createdAt", "modifiedAt"}
    assert full["createdAt"] == "2026-01-01T00:00:00Z"


def test_languages_and_projection_and_the_scope_over_time() -> None:
    given = evolution(
        says=[at(1, type="LanguageProperty", languageMap={"de": "an", "en": "on"})],
        scope=[at(1, type="Property", value=["/Duisburg"])],
        number=[at(1, type="Property", value=1)],
    )
    shown = render_temporal(
        given, CORE, lang="en", projection=parse_projection("urn:x:says,scope", None, CORE)
    )
    assert shown == {
        "urn:x:says": [at(1, type="Property", value="on", lang="en")],
        "scope": [at(1, type="Property", value=["/Duisburg"])],
    }
    simple = render_temporal(given, CORE, lang="en", format="temporalValues")
    assert simple["urn:x:says"] == {"type": "Property", "values": [["on", "2026-01-01T12:01:00Z"]]}
    assert (
        render_temporal(
            given, CORE, projection=parse_projection(None, "id,type,scope,urn:x:says,urn:x:number", CORE)
        )
        == {}
    )
    concise = render_temporal(given, CORE, format="concise")
    assert concise["urn:x:number"] == [{"value": 1, "observedAt": "2026-01-01T12:01:00Z"}]


def test_times_as_texts() -> None:
    assert texts(np.asarray([0, 1, 500_000])) == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.000001Z",
        "1970-01-01T00:00:00.5Z",
    ]
    assert texts(np.asarray([-(10**6)])) == ["1969-12-31T23:59:59Z"]
