"""The reference pages name every key of a mapping and every option of the import; their example can be used."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from rhinecloud.bus.intake import MAX_BYTES
from rhinecloud.gateways.importing import mapping
from rhinecloud.gateways.importing.entities import builder
from rhinecloud.gateways.mqtt import QUEUE
from rhinecloud.gateways.profiles import plain_json
from rhinecloud.gateways.profiles.profiles import AHEAD

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


def test_the_limits_of_the_profile_are_the_real_ones() -> None:
    text = (REFERENCE / "plain-json-profile.md").read_text()
    assert f"{plain_json.MAX_PAYLOAD // 1024} KiB" in text
    assert f"up to {plain_json.MAX_ITEMS:,} of them" in text
    assert f"up to {plain_json.MAX_LEVEL} characters" in text
    assert f"{MAX_BYTES // 1024**3} GiB" in text
    assert f"{QUEUE:,}" in text
    assert f"more than {AHEAD.seconds // 60} minutes in the future" in text
