"""Documents to entities: every type of attribute, both forms, and a clear answer to whatever is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyld import jsonld

from rhinecloud.model import (
    CORE,
    NULL,
    BadRequestData,
    Context,
    Entity,
    is_null,
    normal_time,
    parse_attribute,
    parse_entity,
    parse_fragment,
)
from rhinecloud.model.core_context import DEFAULT_VOCABULARY as DEFAULT
from rhinecloud.model.core_context import NGSI_LD

from . import strategies
from .test_context import CORE_DOCUMENT

HEAD = {"id": "urn:ngsi-ld:Streetlight:1", "type": "Streetlight"}


def parse(**members: Any) -> Entity:
    return parse_entity({**HEAD, **members}, CORE)


def instances(value: Any) -> list[dict[str, Any]]:
    return parse(x=value).attributes[DEFAULT + "x"]


def test_the_head_of_an_entity() -> None:
    document = {
        "@context": "https://ignored.here/",
        "@id": "urn:ngsi-ld:Streetlight:1",
        "@type": ["Streetlight", "Device", "Streetlight"],
        "scope": ["/Duisburg/Ruhrort", "/Lamps"],
        "expiresAt": "2030-01-01T00:00:00.500Z",
        "createdAt": "2020-01-01T00:00:00Z",
    }
    entity = parse_entity(document, CORE)
    assert entity == Entity(
        id="urn:ngsi-ld:Streetlight:1",
        types=(DEFAULT + "Streetlight", DEFAULT + "Device"),
        scopes=("/Duisburg/Ruhrort", "/Lamps"),
        expires_at="2030-01-01T00:00:00.5Z",
    )
    assert parse_entity(document, CORE, system=True).created_at == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({"type": "Property", "value": 21}, {"type": "Property", "value": 21}),
        (21, {"type": "Property", "value": 21}),
        ([1, "two", None], {"type": "Property", "value": [1, "two", None]}),
        ({"city": "Duisburg"}, {"type": "Property", "value": {"city": "Duisburg"}}),
        ({"value": {"type": "whatever"}}, {"type": "Property", "value": {"type": "whatever"}}),
        (
            {"@type": "Date", "@value": "2026-01-01"},
            {"type": "Property", "value": {"@type": "Date", "@value": "2026-01-01"}},
        ),
        (
            {"value": 21, "unitCode": "CEL", "observedAt": "2026-01-31T12:00:00,250Z"},
            {"type": "Property", "value": 21, "unitCode": "CEL", "observedAt": "2026-01-31T12:00:00.25Z"},
        ),
        (
            {"type": "Point", "coordinates": [6.7, 51.4]},
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [6.7, 51.4]}},
        ),
        (
            {"value": {"type": "Point", "coordinates": [6.7, 51.4]}},
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [6.7, 51.4]}},
        ),
        (
            {"type": "GeoProperty", "value": '{"type":"Point","coordinates":[6.7,51.4]}'},
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [6.7, 51.4]}},
        ),
        ({"object": "urn:a:b"}, {"type": "Relationship", "object": "urn:a:b"}),
        (
            {"type": "Relationship", "object": ["urn:a:b", "urn:a:c"], "objectType": "Device"},
            {"type": "Relationship", "object": ["urn:a:b", "urn:a:c"], "objectType": DEFAULT + "Device"},
        ),
        (
            {"languageMap": {"de": "Lampe", "en": ["lamp", "light"], "@none": "?"}},
            {
                "type": "LanguageProperty",
                "languageMap": {"de": "Lampe", "en": ["lamp", "light"], "@none": "?"},
            },
        ),
        ({"vocab": "Male"}, {"type": "VocabProperty", "vocab": DEFAULT + "Male"}),
        (
            {"type": "VocabProperty", "vocab": ["Male", "https://ex.org/x"]},
            {"type": "VocabProperty", "vocab": [DEFAULT + "Male", "https://ex.org/x"]},
        ),
        ({"json": {"id": 5, "type": NULL}}, {"type": "JsonProperty", "json": {"id": 5, "type": NULL}}),
        ({"valueList": [1, [2]]}, {"type": "ListProperty", "valueList": [1, [2]]}),
        (
            {"objectList": [{"object": "urn:a:b"}, "urn:a:c"]},
            {"type": "ListRelationship", "objectList": ["urn:a:b", "urn:a:c"]},
        ),
        ({"type": NGSI_LD + "Property", "value": 1}, {"type": "Property", "value": 1}),
        ({"type": "Property", "ngsi-ld:hasValue": 1}, {"type": "Property", "value": 1}),
        ({"type": "Property", "value": 1, "datasetId": "@none"}, {"type": "Property", "value": 1}),
        (
            {"type": "Property", "value": 1, "createdAt": "2026-01-01T00:00:00Z", "previousValue": 3},
            {"type": "Property", "value": 1},
        ),
    ],
)
def test_an_attribute_in_whatever_form(written: Any, kept: dict[str, Any]) -> None:
    assert instances(written) == [kept]


def test_sub_attributes_are_lists_under_their_iris() -> None:
    (instance,) = instances({"value": 1, "accuracy": 0.5, "by": {"object": "urn:a:b", "since": {"value": 3}}})
    assert instance[DEFAULT + "accuracy"] == [{"type": "Property", "value": 0.5}]
    (by,) = instance[DEFAULT + "by"]
    assert by == {
        "type": "Relationship",
        "object": "urn:a:b",
        DEFAULT + "since": [{"type": "Property", "value": 3}],
    }


def test_several_instances_by_dataset() -> None:
    expected = [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": 2, "datasetId": "urn:d:2"},
    ]
    assert instances([{"type": "Property", "value": 1}, {"value": 2, "datasetId": "urn:d:2"}]) == expected
    assert instances({"dataset": {"@none": 1, "urn:d:2": 2}}) == expected


def test_user_aliases_of_keywords_are_understood() -> None:
    context = Context.compile({"kind": "@type", "key": "@id"})
    document = {"id": "urn:a:b", "kind": "Lamp", "x": {"kind": "Property", "value": 1}}
    assert parse_entity(document, context).attributes == {DEFAULT + "x": [{"type": "Property", "value": 1}]}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"id": "no uri"}, "/id"),
        ({"id": 5}, "/id"),
        ({"id": "urn:" + "x" * 2000}, "/id"),
        ({"type": []}, "/type"),
        ({"type": "9"}, "/type"),
        ({"type": ["a", 5]}, "/type"),
        ({"scope": "/a//b"}, "/scope"),
        ({"scope": NULL}, "/scope"),
        ({"scope": []}, "/scope"),
        ({"expiresAt": "tomorrow"}, "/expiresAt"),
        ({"a b": 1}, "/a b"),
        ({"a/b": 1}, "/a~1b"),
        ({"x": None}, "/x"),
        ({"x": NULL}, "/x"),
        ({"x": {"a": {"b": NULL}}}, "/x/a/b"),
        ({"x": {"value": None}}, "/x/value"),
        ({"x": {"type": "Property"}}, "/x"),
        ({"x": {"type": "Property", "value": 1, "object": "urn:a:b"}}, "/x/object"),
        ({"x": {"type": "Relationship", "object": "urn:a:b", "unitCode": "CEL"}}, "/x/unitCode"),
        ({"x": {"type": "Relationship", "object": "nothing"}}, "/x/object"),
        ({"x": {"type": "Relationship", "object": ["urn:a:b", 5]}}, "/x/object/1"),
        ({"x": {"type": "Relationship", "object": []}}, "/x/object"),
        ({"x": {"type": "Nonsense", "value": 1}}, "/x/type"),
        ({"x": {"type": "Property", "value": 1, "observedAt": "2026-02-30T00:00:00Z"}}, "/x/observedAt"),
        ({"x": {"type": "Property", "value": 1, "observedAt": NULL}}, "/x/observedAt"),
        ({"x": {"type": "Property", "value": 1, "datasetId": "here"}}, "/x/datasetId"),
        ({"x": {"type": "Property", "value": 1, "@context": {}}}, "/x/@context"),
        ({"x": {"type": "Property", "value": 1, "id": "urn:a:b"}}, "/x/id"),
        ({"x": {"type": "Property", "value": 1, "entityIdSealed": "urn:a:b"}}, "/x/entityIdSealed"),
        ({"x": {"type": "LanguageProperty", "languageMap": {"d e": "x"}}}, "/x/languageMap/d e"),
        ({"x": {"type": "LanguageProperty", "languageMap": {"de": 5}}}, "/x/languageMap/de"),
        ({"x": {"type": "LanguageProperty", "languageMap": {"@none": NULL}}}, "/x/languageMap/@none"),
        ({"x": {"type": "LanguageProperty", "languageMap": {}}}, "/x/languageMap"),
        ({"x": {"type": "VocabProperty", "vocab": 5}}, "/x/vocab"),
        ({"x": {"type": "ListProperty", "valueList": 5}}, "/x/valueList"),
        ({"x": {"type": "ListRelationship", "objectList": [{"is": "urn:a:b"}]}}, "/x/objectList/0"),
        ({"x": {"type": "GeoProperty", "value": "nowhere"}}, "/x/value"),
        ({"x": {"type": "GeoProperty", "value": {"type": "GeometryCollection"}}}, "/x/value/type"),
        ({"x": {"type": "Point", "coordinates": [181, 0]}}, "/x/coordinates"),
        ({"x": {"type": "Point", "coordinates": [0, -91]}}, "/x/coordinates"),
        ({"x": {"type": "Point", "coordinates": ["1", 2]}}, "/x/coordinates"),
        ({"x": {"type": "LineString", "coordinates": [[0, 0]]}}, "/x/coordinates"),
        ({"x": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}}, "/x/coordinates/0"),
        ({"x": [{"type": "Property", "value": 1}, 5]}, "/x/1"),
        ({"x": [{"value": 1}, {"value": 2}]}, "/x/1"),
        ({"x": {"value": 1, "y": {"value": 1, "z z": 1}}}, "/x/y/z z"),
        ({"x": {"value": 1, "y": NULL}}, "/x/y"),
        ({"x": "a\x00b"}, "/x"),
        ({"x": float("nan")}, "/x"),
        ({"x": {"a": float("inf")}}, "/x/a"),
        ({"x": 1, DEFAULT + "x": 2}, "/https:~1~1uri.etsi.org~1ngsi-ld~1default-context~1x"),
        ({"datasetId": "urn:a:b"}, "/datasetId"),
        ({"observedAt": "2026-01-01T00:00:00Z"}, "/observedAt"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequestData) as caught:
        parse(**members)
    assert caught.value.field == field
    assert caught.value.problem()["status"] == 400


@pytest.mark.parametrize("document", [5, None, [], {"id": "urn:a:b"}, {"type": "x"}])
def test_what_is_no_entity_is_refused(document: Any) -> None:
    with pytest.raises(BadRequestData):
        parse_entity(document, CORE)


@pytest.mark.parametrize("wrapped", ["value", "sub", "dataset", "list"])
def test_nesting_is_limited(wrapped: str) -> None:
    inner: Any = 1
    for _ in range(400):
        inner = {
            "value": {"a": inner},
            "sub": {"value": 1, "a": inner},
            "dataset": {"dataset": {"@none": inner}},
            "list": [inner],
        }[wrapped]
    with pytest.raises(BadRequestData, match="deep"):
        parse(x=inner)


def test_a_fragment_may_delete_where_it_is_allowed() -> None:
    document = {
        "type": "Streetlight",
        "scope": NULL,
        "a": NULL,
        "b": {"type": "Relationship", "object": NULL},
        "c": {"type": "LanguageProperty", "languageMap": {"@none": NULL}},
        "d": {"type": "ListProperty", "valueList": [NULL]},
        "e": {"type": "GeoProperty", "value": NULL, "datasetId": "urn:d:1"},
        "f": {"value": {"keep": 1, "drop": NULL}, "unitCode": NULL},
    }
    with pytest.raises(BadRequestData, match="/f/value/drop"):  # within a value in merges only (§5.5.4)
        parse_fragment(document, CORE, nulls=True)
    fragment = parse_fragment(document, CORE, nulls=True, partial=True)
    assert (fragment.id, fragment.types, fragment.scopes) == (None, (DEFAULT + "Streetlight",), ())
    null = {iri.removeprefix(DEFAULT): is_null(one) for iri, (one,) in fragment.attributes.items()}
    assert null == {"a": True, "b": True, "c": True, "d": True, "e": True, "f": False}
    with pytest.raises(BadRequestData):
        parse_fragment(document, CORE, nulls=False)


def test_a_partial_attribute_needs_no_value() -> None:
    details = {"observedAt": "2026-01-31T12:00:00Z", "accuracy": NULL}
    iri, (instance,) = parse_attribute("x", details, CORE, nulls=True, partial=True)
    assert iri == DEFAULT + "x"
    assert instance == {
        "observedAt": "2026-01-31T12:00:00Z",
        DEFAULT + "accuracy": [{"type": "Property", "value": NULL}],
    }
    _, (typed,) = parse_attribute("x", {"type": "Relationship"}, CORE, partial=True)
    assert typed == {"type": "Relationship"}
    with pytest.raises(BadRequestData) as caught:
        parse_attribute("x", {"type": "Relationship"}, CORE)
    assert caught.value.field == ""
    fragment = parse_fragment({"x": {"unitCode": "CEL"}}, CORE, nulls=True, partial=True)
    assert fragment.attributes == {DEFAULT + "x": [{"unitCode": "CEL"}]}


@pytest.mark.parametrize("name", ["type", "@id", "value", "datasetId", "a b", "observedAt"])
def test_attributes_have_names_of_their_own(name: str) -> None:
    with pytest.raises(BadRequestData):
        parse_attribute(name, 1, CORE)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00,120Z", "2026-01-31T12:00:00.12Z"),
        ("2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123456Z"),
        ("2026-01-31T00:30:00.5+02:00", "2026-01-30T22:30:00.5Z"),
        ("2026-01-31", None),
        ("2026-01-31T12:00Z", None),
        ("2026-01-31T12:00:00", None),
        ("2026-13-31T12:00:00Z", None),
        ("2026-01-31T25:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("٢٠٢٦-01-31T12:00:00Z", None),
    ],
)
def test_times_have_one_spelling(written: str, kept: str | None) -> None:
    assert normal_time(written) == kept


def without_values(document: Any) -> Any:
    """The document with trivial values: what is inside values is plain JSON to us, yet JSON-LD to pyld."""
    if isinstance(document, list):
        return [without_values(one) for one in document]
    if not isinstance(document, dict):
        return document
    trivial: dict[str, Any] = {"value": 1, "json": 1, "valueList": [1]}
    if document.get("type") == "GeoProperty":
        trivial["value"] = {"type": "Point", "coordinates": [6.76, 51.43]}
    return {key: trivial[key] if key in trivial else without_values(one) for key, one in document.items()}


@settings(max_examples=60)
@given(strategies.documents.map(without_values))
def test_names_are_those_that_pyld_gives(document: dict[str, Any]) -> None:
    user = {"ex": "https://ex.org/", "speed": "ex:speed", "größe": {"@id": "ex:size", "@type": "@id"}}
    entity = parse_entity(document, Context.compile(user))
    (expanded,) = jsonld.expand({**document, "@context": [user, CORE_DOCUMENT]})
    assert expanded["@id"] == entity.id
    assert set(expanded["@type"]) == set(entity.types)
    assert expanded.keys() - {"@id", "@type", NGSI_LD + "scope"} == entity.attributes.keys()
    for iri, written in entity.attributes.items():
        for theirs, ours in zip(expanded[iri], written, strict=True):
            assert theirs["@type"] == [NGSI_LD + ours["type"]]
            for name, member in (("vocab", "hasVocab"), ("objectType", "hasObjectType")):
                if name in ours:
                    kept = ours[name] if isinstance(ours[name], list) else [ours[name]]
                    assert [one["@id"] for one in theirs[NGSI_LD + member]] == kept


fuzz = st.recursive(
    st.one_of(strategies.scalars, st.none(), st.just(NULL)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "value",
                    "object",
                    "vocab",
                    "json",
                    "dataset",
                    "languageMap",
                    "@type",
                    "@value",
                    "x",
                    "id",
                ]
                + ["coordinates", "objectList", "observedAt", "datasetId", "ngsi-ld:hasValue", "unitCode"]
            ),
            st.one_of(
                inner, st.sampled_from(["Property", "GeoProperty", "Relationship", "Point", "urn:a:b"])
            ),
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=500)
@given(fuzz, st.booleans(), st.booleans())
def test_whatever_comes_is_read_or_refused(value: Any, nulls: bool, partial: bool) -> None:
    try:
        parse_fragment({"x": value}, CORE, nulls=nulls, partial=partial)
        parse_attribute("x", value, CORE, nulls=nulls, partial=partial)
    except BadRequestData as error:
        assert error.field is not None
