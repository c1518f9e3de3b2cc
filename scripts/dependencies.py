"""What an installed Rhine Cloud consists of beside its own code: packages of Python and of the pages, their licences.

The environment this runs in is looked at; what only tests and builds need is left out.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGES = ROOT / "src" / "rhinecloud" / "web" / "frontend" / "package-lock.json"

# Licences under which a city may use, change and pass on the whole. EPL-2.0 and the like come with an alternative (OR).
ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "EUPL-1.2", "ISC", "MIT", "MIT-0", "MIT-CMU",
        "MPL-2.0", "OFL-1.1", "PostgreSQL", "PSF-2.0", "Unlicense", "Zlib",
    }
)  # fmt: skip

# What packages call them that do not speak SPDX.
_SPELLINGS = {
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD-0-Clause": "0BSD",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# What packages do not say in their metadata, but in their LICENSE file.
_SAID_ELSEWHERE = {"pyrage": "MIT", "python-dateutil": "Apache-2.0 OR BSD-3-Clause"}


class Dependency(NamedTuple):
    """One package. `licence` is an SPDX expression, or what the package says; `needs` are keys of others."""

    ecosystem: str  # pypi or npm
    name: str
    version: str
    licence: str
    needs: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.ecosystem}:{self.name}"

    @property
    def purl(self) -> str:
        """Package URL."""
        name = self.name.replace("@", "%40") if self.ecosystem == "npm" else self.name
        return f"pkg:{self.ecosystem}/{name}@{self.version}"


def direct() -> list[Requirement]:
    """What pyproject.toml names."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return [Requirement(text) for text in tomllib.load(file)["project"]["dependencies"]]


def of_python() -> list[Dependency]:
    """Everything that an installation without extras brings."""
    found: dict[str, Dependency] = {}
    waiting = direct()
    seen: set[tuple[str, str]] = set()
    needs: dict[str, set[str]] = {}
    while waiting:
        wanted = waiting.pop()
        name = canonical(wanted.name)
        distribution = importlib.metadata.distribution(wanted.name)
        found[name] = Dependency("pypi", name, distribution.version, licence_of(distribution))
        for extra in {"", *wanted.extras} - {extra for seen_name, extra in seen if seen_name == name}:
            seen.add((name, extra))
            for text in distribution.requires or []:
                next_one = Requirement(text)
                if next_one.marker is None or next_one.marker.evaluate({"extra": extra}):
                    needs.setdefault(name, set()).add(f"pypi:{canonical(next_one.name)}")
                    waiting.append(next_one)
    return [one._replace(needs=tuple(sorted(needs.get(name, ())))) for name, one in sorted(found.items())]


def of_pages() -> list[Dependency]:
    """What the pages' bundle is built from, as the lock file has it."""
    packages = json.loads(PACKAGES.read_text())["packages"]
    return [
        Dependency(
            "npm", path.rpartition("node_modules/")[2], entry["version"], spdx(entry.get("license", ""))
        )
        for path, entry in sorted(packages.items())
        if path and not entry.get("dev") and not entry.get("optional")
    ]


def canonical(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(distribution: importlib.metadata.Distribution) -> str:
    """What a package says about its licence, as SPDX where that is possible."""
    told = distribution.metadata
    said = told.get("License-Expression") or _SAID_ELSEWHERE.get(canonical(told["Name"])) or ""
    if not said:
        classified = [
            line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if "License ::" in line
        ]
        words = (told.get("License") or "").strip()
        said = words if words and len(words) < 60 else " AND ".join(spdx(one) for one in classified)
    return spdx(said)


def spdx(text: str) -> str:
    """A spelling of a licence in SPDX's own."""
    return _SPELLINGS.get(text, text)


def allowed(licence: str) -> bool:
    """Whether an SPDX expression can be fulfilled with ALLOWED licences alone. Not every expression is understood:
    what is not is not allowed."""
    for alternative in re.split(r"\s+OR\s+", licence.strip("() ")):
        if all(part.strip("() ") in ALLOWED for part in re.split(r"\s+AND\s+", alternative)):
            return True
    return False


def everything() -> Iterator[Dependency]:
    """Packages of Python, then of the pages."""
    yield from of_python()
    yield from of_pages()
