"""Write dist/rhinecloud.cdx.json (CycloneDX 1.6, checked against its schema) and dist/licences.md.

.venv/bin/python scripts/sbom.py [FOLDER]
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

import dependencies

VERSION = SchemaVersion.V1_6


def bom_of(version: str, found: list[dependencies.Dependency]) -> Bom:
    """The bill of materials of Rhine Cloud `version`."""
    bom = Bom()
    root = Component(
        type=ComponentType.APPLICATION,
        name="rhinecloud",
        version=version,
        bom_ref=f"pkg:pypi/rhinecloud@{version}",
        purl=PackageURL("pypi", None, "rhinecloud", version),
        licenses=[LicenseExpression("EUPL-1.2")],
    )
    bom.metadata.component = root
    made = {one.key: _component(one) for one in found}
    for component in made.values():
        bom.components.add(component)
    for one in found:
        bom.register_dependency(made[one.key], [made[key] for key in one.needs if key in made])
    first = {f"pypi:{dependencies.canonical(wanted.name)}" for wanted in dependencies.direct()}
    first |= {one.key for one in found if one.ecosystem == "npm"}
    bom.register_dependency(root, [made[key] for key in sorted(first) if key in made])
    return bom


def _component(one: dependencies.Dependency) -> Component:
    licence = LicenseExpression(one.licence) if dependencies.allowed(one.licence) else None
    return Component(
        type=ComponentType.LIBRARY,
        name=one.name,
        version=one.version,
        bom_ref=one.purl,
        purl=PackageURL.from_string(one.purl),
        licenses=[licence or DisjunctiveLicense(name=one.licence or "not said")],
    )


def written(bom: Bom) -> str:
    """As JSON. Raises ValueError if that is no valid CycloneDX."""
    text = make_outputter(bom, OutputFormat.JSON, VERSION).output_as_string(indent=1)
    if (problem := JsonStrictValidator(VERSION).validate_str(text)) is not None:
        raise ValueError(str(problem))
    return text


def overview(found: list[dependencies.Dependency]) -> str:
    """Packages by licence, for people."""
    rows = [f"| {one.name} | {one.version} | {one.ecosystem} | {one.licence} |" for one in found]
    return (
        "# Licences\n\n| package | version | from | licence |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def main() -> int:
    """0 when both were written and every licence is among the allowed ones."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else dependencies.ROOT / "dist"
    folder.mkdir(parents=True, exist_ok=True)
    found = list(dependencies.everything())
    text = written(bom_of(importlib.metadata.version("rhinecloud"), found))
    (folder / "rhinecloud.cdx.json").write_text(text)
    (folder / "licences.md").write_text(overview(found))
    refused = [one for one in found if not dependencies.allowed(one.licence)]
    for one in refused:
        print(f"{one.key} {one.version}: licence {one.licence or 'not said'!r} is not among the allowed ones")
    print(f"{len(found)} packages in {folder}/rhinecloud.cdx.json")
    return 1 if refused else 0


if __name__ == "__main__":
    raise SystemExit(main())
