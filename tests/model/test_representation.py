"""Entities as documents in every form, and back again where the form is lossless."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhinecloud.model import (
    CORE,
    NULL,
    BadRequestData,
    Context,
    Entity,
    feature_collection,
    parse_entity,
    render,
)
from rhinecloud.model.core_context import DEFAULT_VOCABULARY as DEFAULT
from rhinecloud.model.core_context import NGSI_LD
from rhinecloud.model.language import choose, parse_languages
from rhinecloud.model.projection import only_attributes, parse_projection

from . import strategies

POINT = {"type": "Point", "coordinates": [6.76, 51.43]}
LAMP = {
    "id": "urn:ngsi-ld:Streetlight:1",
    "type": ["Streetlight", "Device"],
    "scope": "/Duisburg/Ruhrort",
    "location": {"type": "GeoProperty", "value": POINT},
    "powerState": {"type": "Property", "value": "on", "observedAt": "2026-01-31T12:00:00Z"},
    "level": {"type": "Property", "value": 0.5},
    "refDevice": {"type": "Relationship", "object": "urn:ngsi-ld:Device:1", "objectType": "Device"},
    "name": {"type": "LanguageProperty", "languageMap": {"de": "Lampe", "en": "lamp"}},
    "category": {"type": "VocabProperty", "vocab": "Outdoor"},
    "raw": {"type": "JsonProperty", "json": {"a": 1}},
    "shape": {"type": "Property", "value": POINT},
    "steps": {"type": "ListProperty", "valueList": [1, 2]},
    "route": {"type": "ListRelationship", "objectList": [{"object": "urn:a:b"}]},
    "speed": [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": 2, "datasetId": "urn:d:2"},
    ],
}
ENTITY = parse_entity(LAMP, CORE)


def test_normalized_is_what_was_given() -> None:
    assert render(ENTITY, CORE) == LAMP


def test_concise_leaves_out_what_follows_from_the_rest() -> None:
    assert render(ENTITY, CORE, format="concise") == {
        "id": "urn:ngsi-ld:Streetlight:1",
        "type": ["Streetlight", "Device"],
        "scope": "/Duisburg/Ruhrort",
        "location": POINT,
        "powerState": {"value": "on", "observedAt": "2026-01-31T12:00:00Z"},
        "level": 0.5,
        "refDevice": {"object": "urn:ngsi-ld:Device:1", "objectType": "Device"},
        "name": {"languageMap": {"de": "Lampe", "en": "lamp"}},
        "category": {"vocab": "Outdoor"},
        "raw": {"json": {"a": 1}},
        # Without its type it would be read as a GeoProperty.
        "shape": {"type": "Property", "value": POINT},
        "steps": {"valueList": [1, 2]},
        "route": {"objectList": ["urn:a:b"]},
        "speed": [{"value": 1}, {"value": 2, "datasetId": "urn:d:2"}],
    }


def test_simplified_shows_values_only() -> None:
    assert render(ENTITY, CORE, format="simplified") == {
        "id": "urn:ngsi-ld:Streetlight:1",
        "type": ["Streetlight", "Device"],
        "scope": "/Duisburg/Ruhrort",
        "location": POINT,
        "powerState": "on",
        "level": 0.5,
        "refDevice": "urn:ngsi-ld:Device:1",
        "name": {"languageMap": {"de": "Lampe", "en": "lamp"}},
        "category": {"vocab": "Outdoor"},
        "raw": {"json": {"a": 1}},
        "shape": POINT,
        "steps": [1, 2],
        "route": ["urn:a:b"],
        "speed": {"dataset": {"@none": 1, "urn:d:2": 2}},
    }


def test_geojson_is_a_feature() -> None:
    feature = render(ENTITY, CORE, geojson=True, projection=only_attributes({DEFAULT + "level"}))
    assert feature == {
        "id": "urn:ngsi-ld:Streetlight:1",
        "type": "Feature",
        "geometry": POINT,
        "properties": {
            "type": ["Streetlight", "Device"],
            "scope": "/Duisburg/Ruhrort",
            "level": {"type": "Property", "value": 0.5},
        },
    }
    nowhere = render(
        ENTITY, CORE, geojson=True, geometry_property=NGSI_LD + "observationSpace", format="concise"
    )
    assert nowhere["geometry"] is None
    assert feature_collection([feature]) == {"type": "FeatureCollection", "features": [feature]}


def test_a_choice_of_attributes_and_datasets() -> None:
    shown = render(ENTITY, CORE, projection=parse_projection("id,type,scope,speed", "", CORE))
    assert shown.keys() == {"id", "type", "scope", "speed"}
    shown = render(ENTITY, CORE, datasets={"urn:d:2"})
    assert shown["speed"] == {"type": "Property", "value": 2, "datasetId": "urn:d:2"}
    assert "level" not in shown
    assert render(ENTITY, CORE, datasets={"@none"})["speed"] == {"type": "Property", "value": 1}


def test_system_attributes_are_shown_on_request() -> None:
    now = "2026-01-31T12:00:00Z"
    instance = {"type": "Property", "value": 1, "createdAt": now, "modifiedAt": now, "expiresAt": now}
    entity = Entity(
        id="urn:a:b",
        types=(DEFAULT + "T",),
        attributes={DEFAULT + "x": [instance]},
        created_at=now,
        modified_at=now,
    )
    assert render(entity, CORE) == {"id": "urn:a:b", "type": "T", "x": {"type": "Property", "value": 1}}
    assert render(entity, CORE, format="concise")["x"] == 1
    assert render(entity, CORE, sys_attrs=True) == {
        "id": "urn:a:b",
        "type": "T",
        "createdAt": now,
        "modifiedAt": now,
        "x": instance,
    }
    assert parse_entity(render(entity, CORE, sys_attrs=True), CORE, system=True) == entity


def test_names_are_those_of_the_context_asked_for() -> None:
    context = Context.compile(
        {"an": DEFAULT + "powerState", "Lamp": DEFAULT + "Streetlight", "ex": DEFAULT + "c"}
    )
    shown = render(ENTITY, context, projection=only_attributes({DEFAULT + "powerState"}))
    assert (shown["type"], "an" in shown) == (["Lamp", "Device"], True)


def test_deleted_attributes_in_notifications() -> None:
    deleted = {
        "a": {"type": "Property", "value": NULL, "previousValue": 1},
        "b": {"type": "ListRelationship", "objectList": [NULL]},
        "c": {"type": "LanguageProperty", "languageMap": {"@none": NULL}},
    }
    attributes = {DEFAULT + name: [instance] for name, instance in deleted.items()}
    entity = Entity(id="urn:a:b", types=(DEFAULT + "T",), attributes=attributes)
    assert render(entity, CORE, lang="de") == {"id": "urn:a:b", "type": "T", **deleted}


@pytest.mark.parametrize(
    ("lang", "shown"),
    [
        ("en", {"type": "Property", "value": "lamp", "lang": "en"}),
        ("fr,de;q=0.5", {"type": "Property", "value": "Lampe", "lang": "de"}),
        ("de-AT", {"type": "Property", "value": "Lampe", "lang": "de"}),
        ("*", {"type": "Property", "value": "Lampe", "lang": "de"}),
        ("tr", {"type": "Property", "value": "Lampe", "lang": "de"}),
    ],
)
def test_the_language_filter(lang: str, shown: dict[str, Any]) -> None:
    assert render(ENTITY, CORE, lang=lang)["name"] == shown
    assert render(ENTITY, CORE, lang=lang, format="simplified")["name"] == shown["value"]


def test_language_preferences() -> None:
    assert choose({"fr-CH": 1, "fr": 2}, parse_languages("fr-CH,fr")) == ("fr-CH", 1)
    assert choose({"FR-ch": 1, "en": 2}, parse_languages("fr")) == ("FR-ch", 1)
    assert choose({"en": 1, "@none": 2}, parse_languages("tr;q=0,*")) == ("@none", 2)
    assert choose({"en": 1, "fr": 2}, parse_languages("en;q=0.2,fr;q=0.9")) == ("fr", 2)
    for wrong in ("", "en;q=x", "en;q=2", "e n", ",", ",".join(["en"] * 99)):
        with pytest.raises(BadRequestData):
            parse_languages(wrong)


@settings(max_examples=150)
@given(strategies.entities, st.sampled_from(["normalized", "concise"]), st.booleans())
def test_lossless_forms_are_read_back_to_the_same_entity(entity: Entity, format: Any, short: bool) -> None:
    context = Context.compile({"ex": DEFAULT, "v": DEFAULT + "speed"}) if short else CORE
    assert parse_entity(render(entity, context, format=format), context) == entity


@settings(max_examples=100)
@given(strategies.entities)
def test_rendering_changes_nothing_in_the_entity(entity: Entity) -> None:
    before = repr(entity)
    for format in ("normalized", "concise", "simplified"):
        render(entity, CORE, format=format, lang="de", geojson=True, sys_attrs=True)
    assert repr(entity) == before
