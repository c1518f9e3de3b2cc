"""The plain-JSON profile: a pure function, tested by examples and by whatever hypothesis thinks of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.gateways.profiles import FixedProfiles, Measurement, Unmappable
from rhinecloud.gateways.profiles.plain_json import MAX_ITEMS, MAX_LEVEL, MAX_PAYLOAD
from rhinecloud.model import CORE

ARRIVED = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
ARRIVED_TEXT = "2026-03-01T12:00:00.25Z"
DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"

PROFILES = FixedProfiles()


def read(topic: str, payload: bytes, arrived: datetime) -> list[Measurement]:
    return PROFILES.read(topic, payload, arrived).measurements


def one(payload: Any, topic: str = "json/Streetlight/42") -> dict[str, list[dict[str, Any]]]:
    (measurement,) = read(topic, json.dumps(payload).encode(), ARRIVED)
    return measurement.attributes


def reason(payload: Any, topic: str = "json/Streetlight/42") -> str:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    with pytest.raises(Unmappable) as caught:
        read(topic, raw, ARRIVED)
    return str(caught.value)


def test_the_topic_names_the_entity() -> None:
    (measurement,) = read("json/Streetlight/a.b-7", b'{"powerState":"on"}', ARRIVED)
    assert measurement.entity_id == "urn:ngsi-ld:Streetlight:a.b-7"
    assert measurement.types == (DEFAULT + "Streetlight",)


def test_scalars_become_properties_with_the_moment_of_arrival() -> None:
    assert one({"powerState": "on", "illuminanceLevel": 0.5}) == {
        DEFAULT + "powerState": [{"type": "Property", "value": "on", "observedAt": ARRIVED_TEXT}],
        DEFAULT + "illuminanceLevel": [{"type": "Property", "value": 0.5, "observedAt": ARRIVED_TEXT}],
    }


def test_observed_at_of_the_object_counts_for_attributes_that_say_none() -> None:
    attributes = one(
        {
            "observedAt": "2026-03-01T12:00:00+01:00",
            "a": 1,
            "b": {"value": 2, "unitCode": "CEL", "observedAt": "2026-03-01T10:00:00Z"},
            "c": [{"value": 3, "datasetId": "urn:d:1"}, {"value": 4}],
        }
    )
    assert attributes[DEFAULT + "a"][0]["observedAt"] == "2026-03-01T11:00:00Z"
    assert attributes[DEFAULT + "b"][0]["observedAt"] == "2026-03-01T10:00:00Z"
    assert attributes[DEFAULT + "b"][0]["unitCode"] == "CEL"
    assert {i["observedAt"] for i in attributes[DEFAULT + "c"]} == {"2026-03-01T11:00:00Z"}


def test_a_geometry_becomes_a_geo_property_and_an_object_a_relationship() -> None:
    point = {"type": "Point", "coordinates": [6.76, 51.43]}
    attributes = one({"location": point, "refDevice": {"object": "urn:ngsi-ld:Device:1"}})
    (location,) = attributes[CORE.expand_name("location")]
    assert (location["type"], location["value"]) == ("GeoProperty", point)
    assert attributes[DEFAULT + "refDevice"][0]["type"] == "Relationship"


def test_a_list_is_several_measurements() -> None:
    times = [f"2026-03-01T11:00:0{n}Z" for n in range(3)]
    payload = [{"observedAt": time, "speed": n} for n, time in enumerate(times)]
    found = read("json/Counter/1", json.dumps(payload).encode(), ARRIVED)
    assert [m.attributes[DEFAULT + "speed"][0]["observedAt"] for m in found] == times


@pytest.mark.parametrize(
    "topic", ["json", "json/Lamp", "json/Lamp/", "json//1", "json/Lamp/1/2", "other/Lamp/1", ""]
)
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(Unmappable, match="no profile has the topic") as caught:
        read(topic, b'{"a":1}', ARRIVED)
    assert repr(topic) in str(caught.value)
    assert caught.value.kind == "topic"


@pytest.mark.parametrize("topic", ["json/9x/1", "json/Lamp/a b", f"json/Lamp/{'x' * (MAX_LEVEL + 1)}"])
def test_topics_that_name_no_entity_are_refused(topic: str) -> None:
    assert reason({"a": 1}, topic).startswith("/entity: ")


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b'{"a":NaN}', "no JSON"),
        (b'"\xff"', "no JSON"),
        (b"7", "neither"),
        (b"[]", "1 to"),
        (b"[7]", "/0"),
        (b"{}", "no attribute"),
        (b'{"observedAt":"2026-03-01T12:00:00Z"}', "no attribute"),
        (b'{"a":null}', "/a"),
        (b'{"a b":1}', "/a b"),
        (b'{"id":"urn:x:y","a":1}', "/id"),
        (b'{"observedAt":7,"a":1}', "/observedAt"),
        (b'[{"a":1},{"observedAt":"yesterday","a":1}]', "/1/observedAt"),
        (b'{"observedAt":"2026-03-01T12:10:01Z","a":1}', "clock"),
        (b'{"observedAt":"1970-01-01T00:00:00Z","a":1}', "2000"),
        (b'{"a":{"value":1,"observedAt":"2026-03-02T12:00:00Z"}}', "clock"),
        (b'{"location":1,"https://uri.etsi.org/ngsi-ld/location":2}', "twice"),
        (b'{"location":{"type":"Point","coordinates":[200,0]}}', "/location"),
    ],
)
def test_bad_payloads_are_refused_with_the_place(payload: bytes, says: str) -> None:
    assert says in reason(payload)


def test_limits() -> None:
    assert str(MAX_PAYLOAD) in reason(b'"' + b"x" * MAX_PAYLOAD + b'"')
    assert str(MAX_ITEMS) in reason([{"a": 1}] * (MAX_ITEMS + 1))
    assert "no JSON" in reason(b"[" * 100_000 + b"]" * 100_000)


@given(st.text(max_size=40), st.binary(max_size=200))
def test_no_message_brings_anything_but_measurements_or_a_reason(topic: str, payload: bytes) -> None:
    for place in (topic, "json/Lamp/1"):
        try:
            assert read(place, payload, ARRIVED)
        except Unmappable as error:
            assert str(error)


NAMES = st.from_regex(r"[a-z][A-Za-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: CORE.expand_term(name).startswith(DEFAULT)
)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1),
)
JSON = st.recursive(
    SCALARS | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, SCALARS, min_size=1, max_size=8))
def test_every_object_of_scalars_is_mapped_completely(payload: dict[str, Any]) -> None:
    attributes = one(payload)
    assert {name: instances[0]["value"] for name, instances in attributes.items()} == {
        DEFAULT + name: value for name, value in payload.items()
    }


@given(JSON)
def test_any_json_is_mapped_or_refused(payload: Any) -> None:
    for document in (payload, {"a": payload}, [{"a": payload}]):
        try:
            for measurement in read("json/Lamp/1", json.dumps(document).encode(), ARRIVED):
                assert all(i["observedAt"] for v in measurement.attributes.values() for i in v)
        except Unmappable as error:
            assert str(error)
