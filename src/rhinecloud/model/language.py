"""The natural-language filter: which text of a languageMap to show (CIM 009 §4.15, RFC 4647 §3.4)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from rhinecloud.model.errors import BadRequestData

MAX_PREFERENCES = 32


class Preference(NamedTuple):
    """One language range and its quality, 0 to 1."""

    range: str
    quality: float


@lru_cache(maxsize=256)
def parse_languages(text: str) -> tuple[Preference, ...]:
    """Ranges in the wording of Accept-Language (``fr-CH,fr;q=0.9,*;q=0.5``), best first."""
    preferences = []
    for part in text.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, number = parameter.partition("=")
            try:
                quality = float(number) if key.strip() == "q" else quality
            except ValueError:
                raise BadRequestData(f"{part!r} is no language with a quality", field="lang") from None
        if (
            not name
            or not 0 <= quality <= 1
            or not name.replace("-", "").replace("*", "").isalnum()
            and name != "*"
        ):
            raise BadRequestData(f"{part!r} is no language range", field="lang")
        if quality > 0:
            preferences.append(Preference(name.lower(), quality))
    if len(preferences) > MAX_PREFERENCES:
        raise BadRequestData(f"more than {MAX_PREFERENCES} languages", field="lang")
    return tuple(sorted(preferences, key=lambda one: -one.quality))


def choose(language_map: dict[str, Any], preferences: tuple[Preference, ...]) -> tuple[str, Any]:
    """The tag and the text that fit best; some text always, for any is better than none (§4.15)."""
    by_tag = {tag.lower(): tag for tag in language_map}
    for preference in preferences:
        wanted = preference.range
        while wanted and wanted != "*":
            if wanted in by_tag:
                return by_tag[wanted], language_map[by_tag[wanted]]
            longer = next((tag for tag in by_tag if tag.startswith(wanted + "-")), None)
            if longer is not None:
                return by_tag[longer], language_map[by_tag[longer]]
            wanted = wanted.rpartition("-")[0]
        if wanted == "*":
            break
    tag = "@none" if "@none" in language_map else next(iter(language_map))
    return tag, language_map[tag]
