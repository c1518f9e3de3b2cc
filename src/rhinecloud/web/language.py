"""Languages of the pages: German first, English second. Texts stand in English in the code, in German in de.po."""

from __future__ import annotations

import gettext
import io
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.core import negotiate_locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_scientific
from starlette.requests import Request

LANGUAGES = ("de", "en")
NAMES = {"de": "Deutsch", "en": "English"}
CATALOGUES = Path(__file__).parent / "locale"
COOKIE = "rc_lang"

_LARGE = 1e15  # from here on a number is shown with an exponent


class Language:
    """The texts, numbers and dates of one language. `catalogues`: folders with texts of apps, asked before our own."""

    def __init__(self, code: str, zone: tzinfo = UTC, catalogues: tuple[Path, ...] = ()) -> None:
        self.code = code
        self.zone = zone
        self.locale = Locale.parse("en_GB" if code == "en" else code)
        self.translations = _translations(code, catalogues)
        self.gettext = self.translations.gettext
        self.ngettext = self.translations.ngettext

    def pick(self, label: tuple[str, str]) -> str:
        """The text of this language of a (German, English) label."""
        return label[LANGUAGES.index(self.code)]

    def number(self, value: float, digits: int = 3) -> str:
        """A number with at most so many fraction digits; a huge one with an exponent."""
        if abs(value) >= _LARGE:
            return format_scientific(value, format="0." + "#" * (digits or 1) + "E0", locale=self.locale)
        pattern = "#,##0." + "#" * digits if digits else "#,##0"
        return format_decimal(value, format=pattern, locale=self.locale)

    def moment(self, text: str | datetime | None, seconds: bool = True) -> str:
        """A UTC instant in the city's time; what is no instant is shown as it is."""
        at = instant(text)
        if at is None:
            return str(text or "")
        pattern = "dd.MM.y, HH:mm" if self.code == "de" else "d MMM y, HH:mm"
        return format_datetime(
            at.astimezone(self.zone), pattern + (":ss" if seconds else ""), locale=self.locale
        )

    def day(self, at: date) -> str:
        """A day."""
        return format_date(at, "dd.MM.y" if self.code == "de" else "d MMM y", locale=self.locale)

    def span(self, seconds: float) -> str:
        """A duration in words, roughly."""
        return format_timedelta(int(seconds), threshold=1.5, locale=self.locale)

    def size(self, count: float) -> str:
        """A number of bytes."""
        for unit in ("B", "kB", "MB", "GB"):
            if count < 1_000:
                return f"{self.number(count, 0 if unit == 'B' else 1)} {unit}"
            count /= 1_000
        return f"{self.number(count, 1)} TB"


def tongues(time_zone: str, catalogues: tuple[Path, ...] = ()) -> dict[str, Language]:
    """All languages by their codes, the first one first, with times in a zone."""
    return {code: Language(code, zone(time_zone), catalogues) for code in LANGUAGES}


def instant(text: Any) -> datetime | None:
    """An RFC 3339 text as an instant; None if it is none."""
    if isinstance(text, datetime):
        return text
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def zone(name: str) -> tzinfo:
    """A time zone by its IANA name; UTC where the machine has no time zone data."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def choose(request: Request) -> str:
    """The language that was asked for just now, else earlier, else by the browser, else German."""
    for wish in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if wish in LANGUAGES:
            return wish
    accepted = [
        part.partition(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")
    ]
    return negotiate_locale([a for a in accepted if a], list(LANGUAGES), sep="-") or LANGUAGES[0]


@cache
def _translations(code: str, catalogues: tuple[Path, ...]) -> gettext.NullTranslations:
    if code == "en":
        return gettext.NullTranslations()
    if not catalogues:
        return _read(CATALOGUES / f"{code}.po", code)
    *others, last = catalogues
    before = _translations(code, tuple(others))
    path = last / f"{code}.po"
    if not path.exists():
        return before
    translations = _read(path, code)
    translations.add_fallback(before)
    return translations


def _read(path: Path, code: str) -> gettext.GNUTranslations:
    with path.open("rb") as file:
        catalogue = read_po(file, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
