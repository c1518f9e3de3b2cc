"""A new app: a folder with the fixed files, which is a complete package with tests."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


def write(name: str, folder: Path) -> list[Path]:
    """Write the files into `folder`, which must not exist or be empty; returns them.

    Raises ValueError for what cannot be an app's name, FileExistsError.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError(
            f"a name is a lower-case letter, then at most 30 of these, digits and _, not {name!r}"
        )
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is there already, and not empty")
    words = name.split("_")
    given = {
        "@NAME@": name,
        "@PACKAGE@": f"rhinecloud_{name}",
        "@DISTRIBUTION@": f"rhinecloud-{name.replace('_', '-')}",
        "@TITLE@": " ".join(words).capitalize(),
        "@TYPE@": "".join(word.capitalize() for word in words) + "Entry",
    }
    written: list[Path] = []
    _copy(resources.files(__package__).joinpath("scaffold"), folder, given, written)
    return written


def _copy(source: Traversable, target: Path, given: dict[str, str], written: list[Path]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            inner = target / "src" / given["@PACKAGE@"] if entry.name == "package" else target / entry.name
            _copy(entry, inner, given, written)
        elif entry.name.endswith(".in"):
            text = entry.read_text("utf-8")
            for word, value in given.items():
                text = text.replace(word, value)
            written.append(target / entry.name.removesuffix(".in"))
            written[-1].write_text(text, "utf-8")
