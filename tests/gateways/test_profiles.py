"""Device profiles: documents, rules, what is refused and where; pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhinecloud.gateways.profiles import (
    Catalogue,
    FixedProfiles,
    Mapped,
    Profile,
    ProfileError,
    Unmappable,
    arrival_of,
)
from rhinecloud.gateways.profiles.profiles import built_in_documents
from rhinecloud.gateways.profiles.rules import written_name
from rhinecloud.model import CORE

ARRIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)
ARRIVAL = arrival_of(ARRIVED)
ARRIVED_TEXT = "2026-03-01T12:00:00Z"
PLAIN: dict[str, Any] = {
    "name": "own",
    "topics": ["own/{device}"],
    "entity": {"type": "Thing"},
    "attributes": [{"name": "a", "path": "$.a"}],
}


def profile_of(**keys: Any) -> Profile:
    return Catalogue().compiled({**PLAIN, **keys})


def read(profile: Profile, payload: Any, topic: str = "own/7", clock: Any = "device") -> Mapped:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    catalogue = Catalogue({profile.name: profile.document})
    return catalogue.read(topic, raw, arrival_of(ARRIVED, clock=clock))


def attributes(profile: Profile, payload: Any, topic: str = "own/7") -> dict[str, Any]:
    (measurement,) = read(profile, payload, topic).measurements
    return {CORE.compact_iri(iri): instances for iri, instances in measurement.attributes.items()}


def value(profile: Profile, payload: Any, name: str = "a") -> Any:
    (instance,) = attributes(profile, payload)[name]
    return instance.get("value", instance.get("object"))


def refusal(profile: Profile, payload: Any, topic: str = "own/7") -> Unmappable:
    with pytest.raises(Unmappable) as caught:
        read(profile, payload, topic)
    return caught.value


def problems(document: Any, **own: Any) -> dict[str, str]:
    with pytest.raises(ProfileError) as caught:
        Catalogue(own).compiled(document)
    return dict(caught.value.problems)


# Rules


def test_a_property_with_unit_scale_and_offset() -> None:
    rule = {"name": "a", "path": "$.x.t", "unit": "CEL", "scale": 0.1, "offset": -40}
    assert attributes(profile_of(attributes=[rule]), {"x": {"t": 613}}) == {
        "a": [{"type": "Property", "value": 21.3, "unitCode": "CEL", "observedAt": ARRIVED_TEXT}]
    }


@pytest.mark.parametrize(
    ("rule", "given", "expected"),
    [
        ({"convert": "number"}, " 23.50 ", 23.5),
        ({"convert": "number"}, "12", 12),
        ({"convert": "number"}, True, 1),
        ({"convert": "boolean"}, "ON", True),
        ({"convert": "boolean"}, 0, False),
        ({"convert": "text"}, 21.5, "21.5"),
        ({"map": {"1": "open", "0": "closed"}}, 1, "open"),
        ({"map": {"true": "on", "false": "off"}}, False, "off"),
        ({"convert": "number", "scale": 0.001}, "1500", 1.5),
        ({"map": {"low": 1}, "scale": 10}, "low", 10.0),
        ({}, {"x": [1, None, {"y": "z"}]}, {"x": [1, None, {"y": "z"}]}),
        ({}, [1, 2], [1, 2]),
    ],
)
def test_values_are_converted(rule: dict[str, Any], given: Any, expected: Any) -> None:
    profile = profile_of(attributes=[{"name": "a", "path": "$.a", **rule}])
    found = value(profile, {"a": given})
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("rule", "given", "says"),
    [
        ({"convert": "number"}, "n/a", "no number"),
        ({"convert": "number"}, "inf", "finite"),
        ({"convert": "boolean"}, "perhaps", "neither"),
        ({"convert": "text"}, {}, "no plain value"),
        ({"map": {"1": "open"}}, 2, "not in the map"),
        ({"scale": 2}, "12", "cannot be scaled"),
        ({"scale": 1e300}, 1e300, "too large"),
        ({}, "urn:ngsi-ld:null", "urn:ngsi-ld:null"),
        ({}, "\x00", "U+0000"),
        ({"kind": "relationship"}, "no uri", "no URI"),
        ({"kind": "geo"}, {"type": "Point", "coordinates": [200, 0]}, "coordinates"),
        ({"kind": "geo"}, 7, "geometry"),
    ],
)
def test_values_that_cannot_be_are_refused_at_their_rule(rule: dict[str, Any], given: Any, says: str) -> None:
    error = refusal(profile_of(attributes=[{"name": "a", "path": "$.a", **rule}]), {"a": given})
    assert str(error).startswith("/attributes/0")
    assert says.lower() in str(error).lower()
    assert (error.kind, error.device, error.profile) == ("payload", "7", "own")


def test_what_is_missing_or_null_is_left_out_unless_required() -> None:
    rules: list[dict[str, Any]] = [{"name": "a", "path": "$.a"}, {"name": "b", "path": "$.b"}]
    assert attributes(profile_of(attributes=rules), {"a": None, "b": 1}).keys() == {"b"}
    assert "no rule finds anything" in str(refusal(profile_of(attributes=rules), {"c": 1}))
    rules[0]["required"] = True
    assert "nothing at $.a" in str(refusal(profile_of(attributes=rules), {"b": 1}))


def test_constants_relationships_and_places() -> None:
    profile = profile_of(
        topics=["own/{site}/{device}"],
        attributes=[
            {"name": "refDevice", "kind": "relationship", "value": "urn:ngsi-ld:Device:{device}"},
            {
                "name": "gateways",
                "kind": "relationship",
                "path": "$.gw",
                "prefix": "urn:ngsi-ld:Gateway:{site}:",
            },
            {"name": "category", "value": ["sensor"]},
            {
                "name": "location",
                "kind": "geo",
                "longitude": "$.lon",
                "latitude": "$.lat",
                "altitude": "$.alt",
            },
        ],
    )
    found = attributes(profile, {"gw": ["a", 7], "lon": 6.76, "lat": "51.43"}, "own/nord/d1")
    assert found["refDevice"][0]["object"] == "urn:ngsi-ld:Device:d1"
    assert found["gateways"][0]["object"] == ["urn:ngsi-ld:Gateway:nord:a", "urn:ngsi-ld:Gateway:nord:7"]
    assert found["category"][0]["value"] == ["sensor"]
    assert found["location"][0]["value"] == {"type": "Point", "coordinates": [6.76, 51.43]}


def test_all_members_become_attributes_under_names_that_can_be() -> None:
    rule = {"names": "*", "path": "$.v.*", "rename": {"t": "temperature"}, "skip": ["raw"], "unit": "CEL"}
    profile = profile_of(attributes=[{"name": "own", "path": "$.v.own", "unit": "P1"}, rule])
    found = attributes(
        profile, {"v": {"t": 1, "PM2.5": 2, "1wire": 3, "type": 4, "raw": 5, "none": None, "own": 6}}
    )
    assert {name: one[0]["value"] for name, one in found.items()} == {
        "own": 6,
        "temperature": 1,
        "PM2_5": 2,
        "x1wire": 3,
        "type_": 4,
    }
    assert found["own"][0]["unitCode"] == "P1"
    assert "second attribute" in str(refusal(profile, {"v": {"a.b": 1, "a_b": 2}}))


@given(st.text(max_size=40))
def test_every_key_has_a_name(key: str) -> None:
    assert CORE.expand_name(written_name(key))


def test_several_values_need_datasets() -> None:
    rule: dict[str, Any] = {"name": "t", "path": "$.*.t"}
    payload = {"in": {"t": 20}, "out": {"t": 5}}
    assert "dataset" in str(refusal(profile_of(attributes=[rule]), payload))
    rule["dataset"] = "urn:sensor:{key}"
    instances = attributes(profile_of(attributes=[rule]), payload)["t"]
    assert [(one["datasetId"], one["value"]) for one in instances] == [
        ("urn:sensor:in", 20),
        ("urn:sensor:out", 5),
    ]
    (alone,) = attributes(profile_of(attributes=[rule]), {"in": {"t": 20}})["t"]
    assert "datasetId" not in alone


def test_units_that_stand_in_the_payload() -> None:
    rule = {"name": "a", "path": "$.a", "unit": "$.u", "units": {"C": "CEL", "none": ""}}
    profile = profile_of(attributes=[rule])
    assert attributes(profile, {"a": 1, "u": "C"})["a"][0]["unitCode"] == "CEL"
    assert "unitCode" not in attributes(profile, {"a": 1, "u": "none"})["a"][0]
    assert "unitCode" not in attributes(profile, {"a": 1})["a"][0]
    assert "not known" in str(refusal(profile, {"a": 1, "u": "K"}))


def test_each_node_is_a_measurement() -> None:
    profile = profile_of(
        each="$.rows[*]",
        observed_at={"path": "@.at", "format": "unix"},
        attributes=[
            {"names": "@.k", "path": "@.v"},
            {"name": "site", "path": "$.site"},
        ],
    )
    payload = {
        "site": "N",
        "rows": [{"k": "a", "v": 1, "at": 1772366300}, {"k": "a", "v": 2, "at": 1772366310}],
    }
    first, second = read(profile, payload).measurements
    assert first.attributes[CORE.expand_name("a")][0]["observedAt"] == "2026-03-01T11:58:20Z"
    assert second.attributes[CORE.expand_name("a")][0]["value"] == 2
    assert "0 nodes" in str(refusal(profile, {"rows": []}))
    assert "0 nodes" in str(refusal(profile, [1]))


# Times


@pytest.mark.parametrize(
    ("rule", "given", "expected"),
    [
        ({}, "2026-03-01T12:30:00+01:00", "2026-03-01T11:30:00Z"),
        ({"format": "unix"}, 1772366300.25, "2026-03-01T11:58:20.25Z"),
        ({"format": "unix"}, "1772366300", "2026-03-01T11:58:20Z"),
        ({"format": "unix_ms"}, 1772366300250, "2026-03-01T11:58:20.25Z"),
        ({"format": "local", "zone": "Europe/Berlin"}, "2026-03-01T12:30:00", "2026-03-01T11:30:00Z"),
        ({"format": "local", "zone": "Europe/Berlin"}, "2025-07-01 12:30", "2025-07-01T10:30:00Z"),
    ],
)
def test_times_as_devices_write_them(rule: dict[str, Any], given: Any, expected: str) -> None:
    profile = profile_of(observed_at={"path": "$.t", **rule})
    assert attributes(profile, {"a": 1, "t": given})["a"][0]["observedAt"] == expected
    assert attributes(profile, {"a": 1})["a"][0]["observedAt"] == ARRIVED_TEXT
    assert str(refusal(profile, {"a": 1, "t": "soon"})).startswith("/observed_at")


@pytest.mark.parametrize(
    "given", ["1970-01-01T00:00:05Z", "1999-12-31T23:59:59Z", "2026-03-01T12:10:01Z", "9999-12-31T23:59:59Z"]
)
def test_clocks_that_lie_are_told_from_payloads_that_cannot_be_read(given: str) -> None:
    profile = profile_of(observed_at={"path": "$.t"})
    error = refusal(profile, {"a": 1, "t": given})
    assert (error.kind, error.device) == ("clock", "7")
    assert given in str(error)
    (measurement,) = read(profile, {"a": 1, "t": given}, clock="arrival").measurements
    assert measurement.attributes[CORE.expand_name("a")][0]["observedAt"] == ARRIVED_TEXT


@pytest.mark.parametrize("given", ["2000-01-01T00:00:00Z", "2026-03-01T12:10:00.9Z"])
def test_clocks_that_may_be_right(given: str) -> None:
    profile = profile_of(observed_at={"path": "$.t"})
    assert attributes(profile, {"a": 1, "t": given})["a"][0]["observedAt"] == given


def test_the_clock_of_arrival_counts_where_the_profile_says_so() -> None:
    profile = profile_of(observed_at={"path": "$.t"}, clock="arrival")
    assert attributes(profile, {"a": 1, "t": "1970-01-01T00:00:00Z"})["a"][0]["observedAt"] == ARRIVED_TEXT


# Whom a message speaks of


def test_the_registry_says_the_entity_unless_the_topic_says_the_type() -> None:
    profiles = FixedProfiles(
        registered=lambda device: ("urn:ngsi-ld:Lamp:L7", "Lamp") if device == "7" else None
    )
    ids = {
        device: profiles.read(f"zigbee2mqtt/{device}", b'{"state":"ON"}', ARRIVED).measurements[0].entity_id
        for device in ("7", "8")
    }
    assert ids == {"7": "urn:ngsi-ld:Lamp:L7", "8": "urn:ngsi-ld:Device:8"}
    (named,) = profiles.read("json/Pump/7", b'{"a":1}', ARRIVED).measurements
    assert named.entity_id == "urn:ngsi-ld:Pump:7"


def test_devices_that_stand_in_the_payload() -> None:
    profile = profile_of(topics=["own/all"], capture={"device": "$.id"}, entity={"type": "Thing"})
    found = read(profile, {"id": "x9", "a": 1}, "own/all")
    assert (found.device, found.measurements[0].entity_id) == ("x9", "urn:ngsi-ld:Thing:x9")
    assert "{device} is not known" in str(refusal(profile, {"a": 1}, "own/all"))
    assert "no entity is named" in str(refusal(profile, {"id": "a b", "a": 1}, "own/all"))


# Documents


@pytest.mark.parametrize(
    ("keys", "pointer", "says"),
    [
        ({"name": "No Good"}, "/name", "lower-case"),
        ({"colour": 1}, "/colour", "no such key"),
        ({"topics": ["+/x"]}, "/topics/0", "neither a word"),
        ({"topics": "own"}, "/topics", "array"),
        ({"topics": ["own/{device}", "own/{x}"]}, "/topics/1", "same topics"),
        ({"ignore": ["own/{device}"]}, "/ignore/0", "same topics"),
        ({"attributes": []}, "/attributes", "nothing would be measured"),
        ({"attributes": [{"path": "$.a"}]}, "/attributes/0", "name or names"),
        ({"attributes": [{"name": "a"}]}, "/attributes/0", "one of path"),
        ({"attributes": [{"name": "a b", "path": "$.a"}]}, "/attributes/0/name", "no valid name"),
        ({"attributes": [{"name": "type", "path": "$.a"}]}, "/attributes/0/name", "no name"),
        ({"attributes": [{"name": "a", "path": "a.b"}]}, "/attributes/0/path", "begins with"),
        ({"attributes": [{"name": "a", "path": "$.a["}]}, "/attributes/0/path", "no JSONPath"),
        ({"attributes": [{"name": "a", "path": "@.a"}]}, "/attributes/0", "no each"),
        ({"attributes": [{"name": "a", "path": 7}]}, "/attributes/0/path", "str"),
        ({"attributes": [{"name": "a", "path": "$.a", "unti": "x"}]}, "/attributes/0", "unti"),
        ({"attributes": [{"name": "a", "path": "$.a", "kind": "x"}]}, "/attributes/0/kind", "enum"),
        (
            {"attributes": [{"name": "a", "path": "$.a", "kind": "geo", "unit": "CEL"}]},
            "/attributes/0/unit",
            "unit",
        ),
        ({"attributes": [{"names": "*", "path": "$.a"}]}, "/attributes/0/path", "wildcard"),
        ({"attributes": [{"names": "$.*", "path": "$.a"}]}, "/attributes/0/names", "several"),
        ({"attributes": [{"name": "a", "longitude": "$.x"}]}, "/attributes/0", "belong together"),
        ({"attributes": [{"name": "a", "value": "{site}"}]}, "/attributes/0", "{site}"),
        ({"attributes": [{"name": "a", "value": "{"}]}, "/attributes/0/value", "brace"),
        (
            {"attributes": [{"name": "a", "path": "$.a"}, {"name": "a", "path": "$.a"}]},
            "/attributes/1/name",
            "twice",
        ),
        ({"entity": {"type": "9x"}}, "/entity/type", "no valid name"),
        ({"entity": {"type": "{kind}"}}, "/entity/type", "{kind}"),
        ({"entity": {"id": "urn:x:{site}", "type": "A"}}, "/entity/id", "{site}"),
        ({"observed_at": {"path": "$.*"}}, "/observed_at/path", "several"),
        ({"observed_at": {"path": "$.t", "format": "local"}}, "/observed_at", "zone"),
        ({"observed_at": {"path": "$.t", "format": "local", "zone": "Mars"}}, "/observed_at", "zone"),
        ({"observed_at": {"path": "$.t", "zone": "Europe/Berlin"}}, "/observed_at", "zone"),
        ({"each": "@.x"}, "/each", "begins with $"),
        ({"capture": {"device": "$.d"}}, "/capture/device", "already"),
        ({"capture": {"Xy": "$.d"}}, "/capture/Xy", "cannot be the name"),
        ({"format": "attributes"}, "/attributes", "every member"),
        ({"confirm": [{"topics": ["own/{device}/c"]}]}, "/confirm/0", "version"),
        ({"confirm": [{"topics": [], "version": "$.v"}]}, "/confirm/0/topics", "topic"),
        (
            {"confirm": [{"topics": ["own/{device}/c"], "version": "$.v", "result": "x"}]},
            "/confirm/0/result",
            "done",
        ),
        ({"command_payload": {}}, "/command_payload", "command_topic"),
        ({"command_topic": "c/{rest…}"}, "/command_topic", "one topic"),
        ({"command_topic": "c/{device}", "command_payload": "{nobody}"}, "/command_payload", "{nobody}"),
        ({"extends": "nobody"}, "/extends", "no profile"),
        ({"extends": "own"}, "/extends", "own"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(keys: dict[str, Any], pointer: str, says: str) -> None:
    found = problems({**PLAIN, **keys})
    assert pointer in found, found
    assert says in found[pointer]


@pytest.mark.parametrize("document", [None, 7, [], "x", {}])
def test_what_is_no_profile_is_refused(document: Any) -> None:
    assert problems(document)


def test_a_profile_that_extends_another() -> None:
    parent = {
        **PLAIN,
        "name": "parent",
        "attributes": [{"name": "a", "path": "$.a"}, {"name": "b", "path": "$.b"}],
    }
    child = {
        "name": "child",
        "extends": "parent",
        "topics": ["child/{device}"],
        "attributes": [{"name": "a", "path": "$.other", "unit": "CEL"}],
    }
    catalogue = Catalogue({"parent": parent, "child": child})
    (found,) = catalogue.read("child/1", b'{"a":1,"b":2,"other":3}', ARRIVAL).measurements
    assert {CORE.compact_iri(iri): one[0]["value"] for iri, one in found.attributes.items()} == {
        "a": 3,
        "b": 2,
    }
    assert catalogue.children("parent") == ["child"]
    assert "extends" in problems({**child, "name": "parent"}, parent=parent, child=child).get("/extends", "")


def test_topics_of_the_city_and_of_the_program() -> None:
    """A special pattern goes before a general one; the same topics are the city's, before those of the program, and
    of one of its profiles only."""
    special = {**PLAIN, "name": "special", "topics": ["v3/app1/devices/{device}/up"]}
    instead = {**PLAIN, "name": "instead", "topics": ["zigbee2mqtt/{device}"]}
    catalogue = Catalogue({"special": special, "instead": instead})
    names = {}
    for topic in ("v3/app1/devices/x/up", "v3/app2/devices/x/up", "zigbee2mqtt/x"):
        found = catalogue.find(topic)
        assert found is not None
        names[topic] = found[1].profile.name
    assert list(names.values()) == ["special", "tts-v3", "instead"]
    with pytest.raises(ProfileError) as caught:
        catalogue.check(
            catalogue.compiled(
                {
                    **PLAIN,
                    "name": "third",
                    "topics": ["zigbee2mqtt/{other}"],
                    "entity": {"id": "urn:x:{other}", "type": "A"},
                }
            )
        )
    assert caught.value.problems == [("/topics/0", "instead has these topics: zigbee2mqtt/{device}")]


# Trials


def test_a_trial_shows_what_each_path_finds_and_what_would_be_written() -> None:
    document = {
        **PLAIN,
        "observed_at": {"path": "$.t"},
        "attributes": [{"name": "a", "path": "$.a", "unit": "CEL"}, {"name": "b", "path": "$.nowhere"}],
    }
    trial = FixedProfiles().try_(document, "own/7", b'{"a":21.5,"t":"2026-03-01T11:00:00Z"}', ARRIVED)
    assert trial.problems == []
    assert trial.entities == [
        {
            "id": "urn:ngsi-ld:Thing:7",
            "type": "Thing",
            "a": {"value": 21.5, "unitCode": "CEL", "observedAt": "2026-03-01T11:00:00Z"},
        }
    ]
    assert [(one.pointer, one.found) for one in trial.findings] == [
        ("/observed_at/path", "2026-03-01T11:00:00Z"),
        ("/attributes/0/path", 21.5),
        ("/attributes/1/path", None),
    ]


@pytest.mark.parametrize(
    ("profile", "topic", "payload", "pointer", "kind"),
    [
        ({**PLAIN, "topics": 7}, "own/7", b"{}", "/topics", None),
        (PLAIN, "other/7", b"{}", "/topics", "topic"),
        (PLAIN, "own/7", b"{", "", "payload"),
        (
            {**PLAIN, "attributes": [{"name": "a", "path": "$.a", "scale": 2}]},
            "own/7",
            b'{"a":"x"}',
            "/attributes/0",
            "payload",
        ),
        (
            {**PLAIN, "observed_at": {"path": "$.t"}},
            "own/7",
            b'{"a":1,"t":"1970-01-01T00:00:00Z"}',
            "",
            "clock",
        ),
        ("nobody", "own/7", b"{}", "/name", None),
        (None, "own/7", b"{}", "", "topic"),
    ],
)
def test_a_trial_says_what_is_wrong_and_where(
    profile: Any, topic: str, payload: bytes, pointer: str, kind: str | None
) -> None:
    trial = FixedProfiles().try_(profile, topic, payload, ARRIVED)
    assert [one[0] for one in trial.problems] == [pointer]
    assert (trial.kind, trial.entities) == (kind, [])


def test_a_trial_by_name_or_by_topic() -> None:
    for profile in (None, "plain-json"):
        trial = FixedProfiles().try_(profile, "json/Lamp/1", b'{"a":1}', ARRIVED)
        assert trial.profile == "plain-json"
        assert trial.entities[0]["id"] == "urn:ngsi-ld:Lamp:1"


# Anything


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)
TOPICS = st.sampled_from(
    [
        pattern.filter().replace("#", "rest").replace("+", "x1")
        for profile in Catalogue().profiles.values()
        for pattern in profile.patterns
    ]
)


@settings(max_examples=300)
@given(TOPICS, st.one_of(JSON.map(lambda one: json.dumps(one).encode()), st.binary(max_size=60)))
def test_any_message_is_mapped_or_refused(topic: str, payload: bytes) -> None:
    try:
        mapped = FIXED.read(topic, payload, ARRIVED)
    except Unmappable as error:
        assert str(error)
        assert error.profile
    else:
        assert mapped.profile
        for measurement in mapped.measurements:
            assert all(one["observedAt"] for many in measurement.attributes.values() for one in many)


FIXED = FixedProfiles()
WORD = st.text(max_size=6) | st.sampled_from(["$.a", "@.b", "own/{device}", "{device}", "*", "a"])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(
            [*PLAIN, "format", "each", "capture", "observed_at", "confirm", "command_topic", "extends"]
        ),
        ANY,
        max_size=4,
    )
)
def test_any_document_is_compiled_or_refused_with_places(keys: dict[str, Any]) -> None:
    try:
        profile = Catalogue().compiled({**PLAIN, **keys})
    except ProfileError as error:
        assert error.problems
        assert all(pointer == "" or pointer.startswith("/") for pointer, _ in error.problems)
    else:
        profile.topics_of("d", "T")


def test_the_documents_of_the_program_have_texts_in_both_languages() -> None:
    for name, document in built_in_documents().items():
        assert {"de", "en"} <= document["title"].keys() & document["description"].keys(), name


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("$.a[?match(@, @.p)]", "no expression"),
        ("$.a[?search(@, '(')]", "invalid"),
        (r"$.a[?search(@, '(?=a)')]", "extended"),
        ("$.a[?count(@..*) > 1]", "several nodes"),
        ("$.a[?$.a[?@.b]]", "several nodes"),
        ("$[" + ",".join("*" * 20) + "]", "selectors"),
    ],
)
def test_paths_that_could_take_for_ever_are_refused(path: str, says: str) -> None:
    with pytest.raises(ProfileError) as caught:
        profile_of(attributes=[{"names": "*", "path": path}])
    ((pointer, text),) = caught.value.problems
    assert pointer == "/attributes/0/path"
    assert says in text


@pytest.mark.parametrize("function", ["match", "search"])
def test_no_text_makes_an_expression_of_a_path_take_exponential_time(function: str) -> None:
    # Python's engine would need 2^60 steps for the first text.
    rule = {"name": "a", "path": f"$.v[?{function}(@, '(a+)+b')]"}
    assert value(profile_of(attributes=[rule]), {"v": ["a" * 60 + "!", "c", "aab"]}) == "aab"


def test_a_whole_text_matches_and_a_part_of_it_is_found() -> None:
    texts = {"v": ["xab", "ab"]}
    assert value(profile_of(attributes=[{"name": "a", "path": "$.v[?match(@, 'x|ab')]"}]), texts) == "ab"
    found = attributes(
        profile_of(
            attributes=[{"name": "a", "path": "$.v[?search(@, 'ab')]", "dataset": "urn:x:{key}"}],
        ),
        texts,
    )
    assert len(found["a"]) == 2


def test_a_path_looks_at_so_many_nodes_only() -> None:
    profile = profile_of(attributes=[{"name": "a", "path": "$..*..*..*..nothing"}])
    nested: Any = 1
    for _ in range(80):
        nested = [nested, nested] if nested == 1 else [nested, 1]
    assert "more than" in str(refusal(profile, {"a": [nested] * 20}))


def test_a_text_is_no_document_with_places_in_it() -> None:
    profile = profile_of(
        format="text", attributes=[{"name": "a", "path": "$..b"}, {"name": "t", "path": "$"}]
    )
    assert attributes(profile, b'{"b": 1}').keys() == {"t"}


def test_profiles_extend_each_other_so_often_only() -> None:
    own: dict[str, Any] = {"c0": {**PLAIN, "name": "c0", "topics": ["c0/{device}"]}}
    for n in range(1, 9):
        own[f"c{n}"] = {"name": f"c{n}", "extends": f"c{n - 1}", "topics": [f"c{n}/{{device}}"]}
    assert Catalogue(own).profiles["c8"].parts.rules
    with pytest.raises(ProfileError) as caught:
        Catalogue(own).compiled({"name": "c9", "extends": "c8", "topics": ["c9/{device}"]})
    ((pointer, text),) = caught.value.problems
    assert pointer == "/extends"
    assert "more than 8" in text


@pytest.mark.parametrize("name", [[1], {"a": 1}, 7])
def test_a_name_that_is_no_text_is_told_also_where_it_extends(name: Any) -> None:
    own = {"c0": {**PLAIN, "name": "c0"}}
    with pytest.raises(ProfileError) as caught:
        Catalogue(own).compiled(
            {"name": "c1", "extends": "c0", "attributes": [{"name": name, "path": "$.a"}]}
        )
    assert caught.value.problems[0][0] == "/attributes/0/name"
