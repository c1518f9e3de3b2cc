"""The texts of the pages, as they stand in templates and code, for the catalogues: `python -m rhinecloud.web.texts`.

Adds what is new to `locale/*.po` (untranslated), and drops what is gone; the tests fail until it is translated.
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from .language import CATALOGUES

_WEB = Path(__file__).parent
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "_n": None}
# Letters are translated with the pages: the same words, one catalogue.
_ROOMS = (_WEB, _WEB.parent / "mail")
_METHODS = [("templates/**.html", "jinja2"), ("templates/**.txt", "jinja2"), ("**.py", "python")]
_JINJA = {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}
_OPTIONS = {"templates/**.html": _JINJA, "templates/**.txt": _JINJA}


def extract() -> Catalog:
    """All texts, without translations."""
    catalogue = Catalog(charset="utf-8")
    for room in _ROOMS:
        for name, _line, message, _comments, context in extract_from_dir(
            str(room), method_map=_METHODS, options_map=_OPTIONS, keywords=_KEYWORDS, directory_filter=_wanted
        ):
            catalogue.add(message, locations=[(name, 0)], context=context)
    return catalogue


def _wanted(folder: str) -> bool:
    return Path(folder).name not in ("frontend", "static", "locale", "__pycache__")


def main() -> None:
    """Bring the catalogues up to date."""
    for path in sorted(CATALOGUES.glob("*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.stem)
        catalogue.update(extract(), no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        with path.open("wb") as file:
            write_po(file, catalogue, omit_header=False, sort_output=True, no_location=True, width=110)


if __name__ == "__main__":
    main()
