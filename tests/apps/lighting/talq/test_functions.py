"""The tables of functions are those of the data model, and what a device says is read or refused in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rhinecloud.apps.lighting.talq import functions
from rhinecloud.apps.lighting.talq.base import LevelState

from .definitions import Definitions, needed

LAMP = {"id": "lamp", "type": "LampActuatorFunction"}


@needed
@pytest.mark.parametrize("name", sorted(functions.ATTRIBUTES))
def test_tables_are_those_of_the_data_model(name: str) -> None:
    found = {}
    for part in Definitions().schemas[name]["allOf"]:
        for attribute, schema in part.get("properties", {}).items():
            if attribute != "type":
                (kind,) = (one["$ref"] for one in schema.get("allOf", [schema]) if "$ref" in one)
                found[attribute] = kind.rpartition("/")[2]
    assert dict(functions.ATTRIBUTES[name]) == found


def test_an_attribute_is_read() -> None:
    said = {"value": {"name": "LevelState", "value": 40}, "timestamp": "2026-11-23T20:00:00+01:00"}
    found = functions.attribute("LampActuatorFunction", "actualLightState", said)
    assert found.value == LevelState(value=40)
    assert found.timestamp == datetime(2026, 11, 23, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ({**LAMP, "actualLightState": {"value": {"name": "LevelState", "value": 101}}}, "<= 100"),
        ({**LAMP, "actualLightState": {"value": 40}}, "object"),
        ({**LAMP, "actualLightState": 40}, "value"),
        ({**LAMP, "calendarID": {"type": "AttributeFloat", "value": 1.0}}, "AttributeString"),
        ({**LAMP, "calendarID": {"value": "x", "timestamp": "2026-11-23T20:00:00"}}, "time zone"),
        ({"id": "lamp"}, "type"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(function: dict[str, Any], said: str) -> None:
    (problem,) = functions.problems([function])
    assert said in problem


def test_a_vendors_own_is_left_alone() -> None:
    assert not list(
        functions.problems([{"id": "x", "type": "AcmeFunction", "thing": 7}, {**LAMP, "acmeThing": 3}])
    )


def test_a_patch_changes_what_it_names() -> None:
    before = [{"id": "a", "type": "T", "one": {"value": 1}, "two": {"value": 2}}, {"id": "b", "type": "T"}]
    patch = [{"id": "a", "type": "T", "two": {"value": 3}}, {"id": "c", "type": "T"}]
    assert functions.merged(before, patch) == [
        {"id": "a", "type": "T", "one": {"value": 1}, "two": {"value": 3}},
        {"id": "b", "type": "T"},
        {"id": "c", "type": "T"},
    ]
