"""What goes out beside the program: the bill of materials, licences, and the file for catalogues of public software."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def script(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


dependencies = script("dependencies")


def test_the_bill_of_materials_is_valid_and_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "sbom.py", tmp_path], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "rhinecloud.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert (
        JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"library"', '"book"', 1))
        is not None
    )
    bom = json.loads(text)
    named = {component["name"] for component in bom["components"]}
    assert {dependencies.canonical(one.name) for one in dependencies.direct()} <= named
    assert {"htmx.org", "maplibre-gl", "uplot"} <= named and "vite" not in named and "pytest" not in named
    root = next(one for one in bom["dependencies"] if one["ref"] == bom["metadata"]["component"]["bom-ref"])
    assert any(ref.startswith("pkg:pypi/asyncpg@") for ref in root["dependsOn"])
    assert "| asyncpg |" in (tmp_path / "licences.md").read_text()


@pytest.mark.parametrize("family", ["of_python", "of_pages"])
def test_no_licence_surprises(family: str) -> None:
    """Whoever adds a package with another licence decides on it here (scripts/dependencies.py)."""
    found = getattr(dependencies, family)()
    assert len(found) > 5
    refused = [
        f"{one.name} {one.version}: {one.licence}" for one in found if not dependencies.allowed(one.licence)
    ]
    assert not refused


def test_expressions_of_licences() -> None:
    for good in ("MIT", "EPL-2.0 OR BSD-3-Clause", "BSD-3-Clause AND (MIT)", "(MIT OR GPL-3.0-only)"):
        assert dependencies.allowed(good)
    for bad in ("", "GPL-3.0-only", "MIT AND GPL-3.0-only", "LGPL-3.0-only", "Proprietary"):
        assert not dependencies.allowed(bad)


# The keys of the standard (publiccode.yml 0.7, docs/standard/schema.core.rst) that are mandatory or used here.
_TEXT = {"type": "string", "minLength": 1}
_URL = {"type": "string", "pattern": "^https?://"}
_DEPENDENCY = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": _TEXT,
        "versionMin": _TEXT,
        "versionMax": _TEXT,
        "version": _TEXT,
        "optional": {"type": "boolean"},
    },
}
PUBLICCODE: dict[str, Any] = {
    "type": "object",
    "required": [
        "publiccodeYmlVersion",
        "name",
        "url",
        "platforms",
        "developmentStatus",
        "softwareType",
        "description",
        "legal",
        "maintenance",
        "localisation",
    ],
    "additionalProperties": False,
    "properties": {
        "publiccodeYmlVersion": {"const": "0.7.0"},
        "name": _TEXT,
        "url": _URL,
        "softwareVersion": _TEXT,
        "releaseDate": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "platforms": {"type": "array", "items": _TEXT, "minItems": 1},
        # Of its list of categories those that could fit a platform of a city.
        "categories": {
            "type": "array",
            "minItems": 1,
            "items": {
                "enum": [
                    "collaboration",
                    "data-analytics",
                    "data-collection",
                    "data-visualization",
                    "digital-citizenship",
                    "geographic-information-systems",
                    "workflow-management",
                ]
            },
        },
        "developmentStatus": {"enum": ["concept", "development", "beta", "stable", "obsolete"]},
        "softwareType": {
            "enum": ["standalone/web", "standalone/backend", "standalone/other", "standalone/iot"]
        },
        "intendedAudience": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "countries": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{2}$"}},
                "scope": {"type": "array", "items": _TEXT},
            },
        },
        "description": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^[a-z]{2,3}(-[A-Za-z0-9]+)*$"},
            "additionalProperties": {
                "type": "object",
                "required": ["shortDescription", "longDescription", "features"],
                "additionalProperties": False,
                "properties": {
                    "shortDescription": {"type": "string", "minLength": 1, "maxLength": 150},
                    "longDescription": {"type": "string", "minLength": 150, "maxLength": 10_000},
                    "features": {
                        "type": "array",
                        "items": {"type": "string", "maxLength": 100},
                        "minItems": 1,
                    },
                },
            },
        },
        "legal": {
            "type": "object",
            "required": ["license"],
            "properties": {"license": {"const": "EUPL-1.2"}},
        },
        "maintenance": {
            "type": "object",
            "required": ["type", "contacts"],
            "additionalProperties": False,
            "properties": {
                "type": {"enum": ["internal", "community"]},
                "contacts": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}},
                },
            },
        },
        "localisation": {
            "type": "object",
            "required": ["localisationReady", "availableLanguages"],
            "additionalProperties": False,
            "properties": {
                "localisationReady": {"type": "boolean"},
                "availableLanguages": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            },
        },
        "dependsOn": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                kind: {"type": "array", "items": _DEPENDENCY} for kind in ("open", "proprietary", "hardware")
            },
        },
    },
}


def test_the_file_for_catalogues_keeps_to_the_standard() -> None:
    document = yaml.safe_load((ROOT / "publiccode.yml").read_text())
    jsonschema.validate(document, PUBLICCODE)
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{document["softwareVersion"]}"' in project
    assert set(document["localisation"]["availableLanguages"]) == set(document["description"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "developmentStatus": "finished"}, PUBLICCODE)


def test_each_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for many in project["optional-dependencies"].values() for one in many),
    ]
    reasons = (ROOT / "docs" / "decisions" / "0005-dependencies.md").read_text().casefold()
    names = [Requirement(one).name for one in wanted]
    assert len(names) > 40
    assert [name for name in names if name.casefold() not in reasons] == []
