"""The texts of the pages, as they stand in templates and code, for the catalogues: `python -m rhinecloud.web.texts`.

Adds what is new to `locale/*.po` (untranslated), and drops what is gone; the tests fail until it is translated.
`rhinecloud app texts FOLDER` does the same for an app.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from .language import CATALOGUES

_WEB = Path(__file__).parent
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "_n": None}
# Letters are translated with the pages: the same words, one catalogue.
_ROOMS = (_WEB, _WEB.parent / "mail")
_TEMPLATES = ("templates/**.html", "templates/**.txt", "letters/**.html", "letters/**.txt")
_METHODS = [*((files, "jinja2") for files in _TEMPLATES), ("**.py", "python")]
_JINJA = {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}
_OPTIONS = dict.fromkeys(_TEMPLATES, _JINJA)


def extract(rooms: Sequence[Path] = _ROOMS) -> Catalog:
    """All texts of these folders, without translations."""
    catalogue = Catalog(charset="utf-8")
    for room in rooms:
        for name, _line, message, _comments, context in extract_from_dir(
            str(room), method_map=_METHODS, options_map=_OPTIONS, keywords=_KEYWORDS, directory_filter=_wanted
        ):
            catalogue.add(message, locations=[(name, 0)], context=context)
    return catalogue


def _wanted(folder: str) -> bool:
    return Path(folder).name not in ("frontend", "static", "locale", "__pycache__")


def update(path: Path, rooms: Sequence[Path] = _ROOMS) -> None:
    """Bring a catalogue up to date with the texts of these folders; an app's has what the house's has not."""
    catalogue = Catalog(locale=path.stem, charset="utf-8")
    if path.exists():
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.stem)
    found = extract(rooms)
    shared = set() if path.parent == CATALOGUES else _translated(CATALOGUES / path.name)
    for message in list(found):
        if message.id in shared and message.id not in catalogue:
            found.delete(message.id, message.context)
    catalogue.update(found, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    with path.open("wb") as file:
        write_po(file, catalogue, omit_header=False, sort_output=True, no_location=True, width=110)


def untranslated(path: Path, rooms: Sequence[Path]) -> list[str]:
    """The texts of these folders that have no translation, neither in this catalogue nor in the house's."""
    known = _translated(path) | _translated(CATALOGUES / path.name)
    return sorted({str(message.id) for message in extract(rooms) if message.id} - known)


def _translated(path: Path) -> set[str]:
    if not path.exists():
        return set()
    with path.open("rb") as file:
        return {str(message.id) for message in read_po(file, locale=path.stem) if message.string}


def main() -> None:
    """Bring the house's catalogues up to date."""
    for path in sorted(CATALOGUES.glob("*.po")):
        update(path)


if __name__ == "__main__":
    main()
