"""Checks of the values that entities are made of: times, URIs, scopes, JSON values (CIM 009 §4.6, §4.18).

Each check returns the value in its stored form or raises BadRequestData that names the place by its path.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from rhinecloud.model.context import is_iri
from rhinecloud.model.errors import BadRequestData, json_pointer

Path = tuple[str | int, ...]

NULL: Final = "urn:ngsi-ld:null"
"""The NGSI-LD Null: in a fragment it asks for deletion (CIM 009 §4.5.0)."""

MAX_DEPTH: Final = 64
MAX_URI: Final = 1024
"""Longest URI in characters; identifiers are index keys, which the store cannot take at any length."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLOCK = re.compile(r"(\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?Z", re.ASCII)
_SCOPE = re.compile(r"/?[^\W\d_]\w*(?:/[^\W\d_]\w*)*")
_LANGUAGE = re.compile(r"@none|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")


def bad(path: Path, detail: str) -> BadRequestData:
    """The error for the member at `path`."""
    return BadRequestData(detail, field=json_pointer(path))


@lru_cache(maxsize=8192)
def normal_time(text: str) -> str | None:
    """A DateTime (CIM 009 §4.6.3) in its one stored spelling, or None if it is none.

    Stored is UTC with ``Z``, at most six fractional digits (more are cut off) and no trailing zeros. The
    comma as decimal separator is accepted as the standard asks; offsets other than Z as a courtesy.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    seconds, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(seconds + ("+00:00" if zone == "Z" else zone))
        if zone != "Z":
            seconds = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return None
    return f"{seconds}{_fraction(fraction)}Z"


@lru_cache(maxsize=1024)
def normal_date(text: str) -> str | None:
    """A Date ``YYYY-MM-DD`` that exists, or None."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return text


@lru_cache(maxsize=1024)
def normal_clock(text: str) -> str | None:
    """A Time ``hh:mm:ssZ`` in its one stored spelling, or None."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    clock, fraction = found.groups()
    try:
        datetime.fromisoformat("2000-01-01T" + clock)
    except ValueError:
        return None
    return f"{clock}{_fraction(fraction)}Z"


def _fraction(digits: str | None) -> str:
    kept = digits[:6].rstrip("0") if digits else ""
    return "." + kept if kept else ""


def check_time(value: Any, path: Path) -> str:
    """A DateTime in stored form."""
    time = normal_time(value) if isinstance(value, str) else None
    if time is None:
        raise bad(path, f"{_shown(value)} is no DateTime such as 2026-01-31T12:00:00Z")
    return time


def check_uri(value: Any, path: Path) -> str:
    """An absolute URI or IRI, as given."""
    if not isinstance(value, str) or not is_iri(value):
        raise bad(path, f"{_shown(value)} is no URI")
    if len(value) > MAX_URI:
        raise bad(path, f"the URI is longer than {MAX_URI} characters")
    return value


def check_scopes(value: Any, path: Path) -> tuple[str, ...]:
    """One scope or a list of scopes (CIM 009 §4.18), in order, without repetitions."""
    given = value if isinstance(value, list) else [value]
    if not given:
        raise bad(path, "scope is empty")
    for scope in given:
        if not isinstance(scope, str) or _SCOPE.fullmatch(scope) is None or len(scope) > MAX_URI:
            raise bad(path, f"{_shown(scope)} is no scope such as /Duisburg/Ruhrort")
    return tuple(dict.fromkeys(given))


def check_language(value: Any, path: Path) -> str:
    """A language tag (RFC 5646)."""
    if not isinstance(value, str) or value == "@none" or _LANGUAGE.fullmatch(value) is None:
        raise bad(path, f"{_shown(value)} is no language tag")
    return value


def check_language_map(value: Any, path: Path, *, nulls: bool) -> dict[str, Any]:
    """Language tags (RFC 5646 or @none) to a text or a list of texts (CIM 009 §4.6.5)."""
    if not isinstance(value, dict) or not value:
        raise bad(path, "languageMap is an object from language tags to text")
    if nulls and value == {"@none": NULL}:
        return value
    for tag, text in value.items():
        if _LANGUAGE.fullmatch(tag) is None:
            raise bad((*path, tag), f"{tag!r} is no language tag")
        for one in text if isinstance(text, list) else (text,):
            if not isinstance(one, str) or "\x00" in one or (one == NULL and not nulls):
                raise bad((*path, tag), "a languageMap holds texts or lists of texts")
    return value


def check_json(value: Any, path: Path, *, nulls: bool, depth: int = 0) -> None:
    """A JSON value to keep: no NGSI-LD Null unless allowed (§5.5.4), not too deep, no NUL, no NaN."""
    kind = type(value)
    if kind is str:
        if value == NULL and not nulls:
            raise bad(path, f"{NULL} is allowed in updates only")
        if "\x00" in value:
            raise bad(path, "text must not contain the character U+0000")
    elif kind is float:
        if value - value != 0.0:
            raise bad(path, "a number must be finite")
    elif kind is dict:
        if depth >= MAX_DEPTH:
            raise bad(path, f"the value is nested more than {MAX_DEPTH} deep")
        for key, member in value.items():
            if type(key) is not str or "\x00" in key:
                raise bad(path, "a member's name is a text without the character U+0000")
            check_json(member, (*path, key), nulls=nulls, depth=depth + 1)
    elif kind is list:
        if depth >= MAX_DEPTH:
            raise bad(path, f"the value is nested more than {MAX_DEPTH} deep")
        for position, member in enumerate(value):
            check_json(member, (*path, position), nulls=nulls, depth=depth + 1)
    elif value is not None and kind is not int and kind is not bool:
        raise bad(path, f"{kind.__name__} is no JSON value")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
