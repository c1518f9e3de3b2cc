"""Documentation says what there is: links lead somewhere, tables are those of the code."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rhinecloud.gateways.profiles import document

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """All of ours; texts of the installation's own pages link to its addresses, not to files."""
    return [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]


def anchors(page: Path) -> set[str]:
    """The names by which headings are linked to."""
    found = set()
    for line in page.read_text().splitlines():
        if line.startswith("#"):
            words = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            found.add(words.replace(" ", "-"))
    return found


def broken(page: Path) -> Iterator[str]:
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            yield f"{page.relative_to(ROOT)}: {link}"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{page.relative_to(ROOT)}: {link} (no such heading)"


def test_links_lead_somewhere() -> None:
    assert len(pages()) > 40
    found = [one for page in pages() for one in broken(page)]
    assert not found, "\n".join(found)


def test_a_broken_link_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    page = tmp_path / "a.md"
    page.write_text("# One: two\n[x](b.md) [y](#one-two) [z](#three) [w](https://example.org) `[v](c.md)`\n")
    assert list(broken(page)) == ["a.md: b.md", "a.md: #three (no such heading)"]


def test_what_is_in_the_folders_is_linked() -> None:
    """A how-to that nobody finds is none."""
    index = (DOCS / "README.md").read_text()
    for folder in ("tutorial", "how-to", "explanation"):
        for page in (DOCS / folder).glob("*.md"):
            assert f"({folder}/{page.name})" in index, f"docs/README.md does not name {folder}/{page.name}"


def test_permissions_are_documented_as_they_are() -> None:
    # In a process of its own: apps that other tests load add theirs.
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference.py", "permissions"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert made.count("\n| `") > 20
    assert (DOCS / "reference" / "permissions.md").read_text() == made, (
        "scripts/reference.py permissions makes it anew"
    )


def test_every_key_of_a_profile_is_documented() -> None:
    text = (DOCS / "reference" / "device-profiles.md").read_text()
    rules = [
        one
        for one in vars(document).values()
        if isinstance(one, type) and issubclass(one, msgspec.Struct) and one.__module__ == document.__name__
    ]
    assert len(rules) >= 6
    missing = [
        f"{rule.__name__}.{field.encode_name}"
        for rule in rules
        for field in msgspec.structs.fields(rule)
        if not re.search(rf"\b{re.escape(field.encode_name)}\b", text)
    ]
    assert not missing, f"docs/reference/device-profiles.md misses {missing}"


APPS = DOCS / "reference" / "apps.md"


def test_every_hook_of_an_app_is_documented() -> None:
    from rhinecloud import app

    text = APPS.read_text()
    missing = [
        f"{contract.__name__}.{field}"
        for contract in (
            app.App,
            app.Page,
            app.Endpoint,
            app.Place,
            app.Job,
            app.Task,
            app.View,
            app.Command,
            app.Layer,
        )
        for field in contract.__struct_fields__
        if f"`{field}" not in text
    ]
    assert not missing, f"docs/reference/apps.md misses {missing}"


def test_all_that_an_app_is_given_is_documented() -> None:
    from rhinecloud import city
    from rhinecloud.broker import Transaction

    text = APPS.read_text()
    given = {
        "city": city.City,
        "city.bus": city.OwnBus,
        "city.devices": city.OwnDevices,
        "city.files": city.OwnFiles,
        "city.jobs": city.OwnJobs,
        "city.mail": city.OwnMail,
        "city.people": city.Asking,
        "transaction": Transaction,
    }
    missing = [
        f"{name}.{method}"
        for name, one in given.items()
        for method, found in vars(one).items()
        if inspect.isfunction(found) and not method.startswith("_") and method not in NOT_FOR_APPS
        if not re.search(rf"`(\w+\.)*{method}[(`]", text)
    ]
    assert not missing, f"docs/reference/apps.md misses {missing}"


NOT_FOR_APPS = {"show_with", "begin", "of_city"}
