"""The reference pages name every key of a mapping and every option of the import; their example can be used."""

from __future__ import annotations

import json
import re
import tomllib
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rhinecloud.bus.intake import MAX_BYTES
from rhinecloud.gateways.importing import mapping
from rhinecloud.gateways.importing.entities import builder
from rhinecloud.gateways.mqtt import QUEUE
from rhinecloud.gateways.profiles import FixedProfiles, Kind, document, plain_json
from rhinecloud.gateways.profiles.confirming import COMMAND_NAMES
from rhinecloud.gateways.profiles.profiles import AHEAD, built_in_documents
from rhinecloud.settings import Settings

REFERENCE = Path(__file__).parents[2] / "docs/reference"
PARTS = (mapping.Mapping, mapping.Source, mapping.Geometry, mapping.Attribute, mapping.Rule)


@pytest.mark.parametrize("part", PARTS)
def test_every_key_of_a_mapping_is_documented(part: type[msgspec.Struct]) -> None:
    text = (REFERENCE / "import-mapping.md").read_text()
    for key in part.__struct_fields__:
        if part is mapping.Mapping and key in ("source", "geometry", "attributes", "skip"):
            assert f"[{key}" in text
        else:
            assert re.search(rf"\b{key} = |`{key}`", text), f"{part.__name__}.{key} is not documented"


def test_the_example_of_a_mapping_can_be_used() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (REFERENCE / "import-mapping.md").read_text(), re.S)
    builder(mapping.check(msgspec.convert(tomllib.loads(example), mapping.Mapping)))


@pytest.mark.parametrize(
    "part", [document.Document, document.EntityRule, document.TimeRule, document.AttributeRule]
)
def test_every_key_of_a_profile_is_documented(part: type[msgspec.Struct]) -> None:
    text = (REFERENCE / "device-profiles.md").read_text()
    for key in part.__struct_fields__:
        assert f"`{key}`" in text or f'"{key}"' in text, f"{part.__name__}.{key} is not documented"


@pytest.mark.parametrize("part", [document.ConfirmRule, document.VersionRule])
def test_every_key_of_a_confirmation_is_documented(part: type[msgspec.Struct]) -> None:
    text = (REFERENCE / "device-profiles.md").read_text()
    section = text[text.index("Each element of `confirm`") : text.index("## Messages that cannot be mapped")]
    for key in part.__struct_fields__:
        assert f"`{key}`" in section or f'"{key}"' in section, f"{part.__name__}.{key} is not documented"


def test_every_word_of_a_profile_is_documented() -> None:
    text = (REFERENCE / "device-profiles.md").read_text()
    hints = {
        **typing.get_type_hints(document.Document),
        **typing.get_type_hints(document.AttributeRule),
        "times": document.TimeFormat,
        "kinds": Kind,
    }
    words = {word for hint in hints.values() for word in _literals(hint)}
    assert {"senml", "relationship", "boolean", "unix_ms", "refused"} <= words
    assert not [word for word in words if f"`{word}`" not in text]
    assert not [name for name in COMMAND_NAMES if f"`{{{name}}}`" not in text]
    assert not [name for name in built_in_documents() if f"`{name}`" not in text]


def _literals(hint: Any) -> set[str]:
    if typing.get_origin(hint) is typing.Literal:
        return set(typing.get_args(hint))
    return {word for part in typing.get_args(hint) for word in _literals(part)}


def test_the_example_of_a_profile_does_what_the_page_says() -> None:
    text = (REFERENCE / "device-profiles.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", text, re.S)
    (topic, payload) = re.findall(r"mosquitto_pub -q 1 -t (\S+) -m '(.*?)'", text)[0]
    arrived = datetime(2026, 3, 1, 12, tzinfo=UTC)
    trial = FixedProfiles().try_(json.loads(example), topic, payload.encode(), arrived)
    assert trial.problems == []
    (entity,) = trial.entities
    assert f"`{entity['id']}`" in text
    assert (entity["height"]["value"], entity["height"]["unitCode"]) == (4.12, "MTR")
    assert entity["status"]["value"] == "ok"
    assert entity["refDevice"]["object"] == "urn:ngsi-ld:Device:p7"


def test_the_limits_of_profiles_are_the_real_ones() -> None:
    text = (REFERENCE / "device-profiles.md").read_text()
    assert f"at most {document.MAX_BYTES // 1024} KiB" in text
    assert f"{document.MAX_ATTRIBUTES} rules and {document.MAX_TOPICS} topics" in text
    assert f"at most {plain_json.MAX_LEVEL} characters" in text
    settings = Settings()
    assert f"`clock_ahead_seconds` ({settings.clock_ahead_seconds})" in text
    assert f"`unmapped_retention_days` ({settings.unmapped_retention_days})" in text
    assert AHEAD.seconds == settings.clock_ahead_seconds


def test_the_limits_of_the_profile_are_the_real_ones() -> None:
    text = (REFERENCE / "plain-json-profile.md").read_text()
    assert f"{plain_json.MAX_PAYLOAD // 1024} KiB" in text
    assert f"up to {plain_json.MAX_ITEMS:,} of them" in text
    assert f"up to {plain_json.MAX_LEVEL} characters" in text
    assert f"{MAX_BYTES // 1024**3} GiB" in text
    assert f"{QUEUE:,}" in text
    assert f"more than {AHEAD.seconds // 60} minutes in the future" in text
