"""Texts and places as somebody gives them, and what is wrong with them. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from ..events.drafting import Wrong

_MARKS: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # turn the direction of writing
_MOST_LINKS: Final = 10
TITLE, TEXT, COMMENT, NAME = 200, 10_000, 4_000, 120

_Given = Mapping[str, str]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal as somebody wants it. `place`: (lon, lat) in degrees of WGS 84; `links`: ids of entities."""

    title: str
    text: str
    group: int | None = None
    place: tuple[float, float] | None = None
    links: tuple[str, ...] = ()
    name: str = ""


def draft_of(given: _Given, groups: Mapping[int, str]) -> Draft:
    """The proposal that a form describes. `groups`: the titles of those that take proposals. Raises Wrong."""
    return Draft(
        title=line("title", given.get("title", ""), TITLE),
        text=lines("text", given.get("text", ""), TEXT),
        group=_group(given.get("group", ""), groups),
        place=place(given.get("lon", ""), given.get("lat", "")),
        links=links(given.get("links", "")),
        name=line("name", given.get("name", ""), NAME, needed=False),
    )


def line(field: str, text: str, most: int, *, needed: bool = True) -> str:
    """A line of text without what nobody can see. Raises Wrong."""
    text = " ".join(_MARKS.sub("", text).split())
    if not text and needed:
        raise Wrong(field, ("Hier fehlt etwas.", "Something is missing here."))
    return _checked(field, text, most)


def lines(field: str, text: str, most: int, *, needed: bool = True) -> str:
    """Several lines of text. Raises Wrong."""
    text = _MARKS.sub("", text.replace("\r\n", "\n").replace("\t", " ")).strip()
    if not text and needed:
        raise Wrong(field, ("Hier fehlt etwas.", "Something is missing here."))
    return _checked(field, text, most)


def _checked(field: str, text: str, most: int) -> str:
    if len(text) > most:
        shown = f"{most:,}"
        raise Wrong(
            field,
            (
                f"Das ist zu lang: höchstens {shown.replace(',', '.')} Zeichen.",
                f"This is too long: {shown} characters at most.",
            ),
        )
    if not text.replace("\n", "").isprintable():
        raise Wrong(
            field,
            (
                "Darin sind Zeichen, die niemand sehen kann.",
                "There are characters in it that nobody can see.",
            ),
        )
    return text


def place(lon: str, lat: str) -> tuple[float, float] | None:
    """A position (lon, lat) in degrees, None if both are empty. A comma for the point is fine. Raises Wrong."""
    if not lon.strip() and not lat.strip():
        return None
    return _degrees("lon", lon, 180), _degrees("lat", lat, 90)


def _degrees(field: str, text: str, most: float) -> float:
    try:
        value = float(text.strip().replace(",", ".")) if len(text) < 40 else math.nan
    except ValueError:
        value = math.nan
    if not -most <= value <= most:
        raise Wrong(
            field,
            (
                f"Eine Zahl von Grad zwischen −{most} und {most}, oder beide Felder leer.",
                f"A number of degrees between −{most} and {most}, or leave both fields empty.",
            ),
        )
    return round(value, 6)


def links(text: str) -> tuple[str, ...]:
    """Ids of entities, one a line, each once; the address of an object's page will do as well. Raises Wrong."""
    found = dict.fromkeys(_id_of(one) for one in text.split())
    if len(found) > _MOST_LINKS:
        raise Wrong("links", ("Höchstens 10 Objekte.", "10 objects at most."))
    for one in found:
        if not one.startswith("urn:") or len(one) > 300 or not one.isprintable():
            raise Wrong(
                "links",
                (
                    f"„{one[:60]}“ ist keine Kennung eines Objekts.",
                    f"“{one[:60]}” is no id of an object.",
                ),
            )
    return tuple(found)


def _id_of(text: str) -> str:
    if text.startswith(("https://", "http://", "/objects/")):
        return unquote(urlsplit(text).path.rpartition("/objects/")[2])
    return text


def address(field: str, text: str) -> str:
    """An address of the web, or none. Raises Wrong."""
    text = text.strip()
    try:
        there = not text or (
            urlsplit(text).scheme in ("http", "https") and bool(urlsplit(text).hostname) and len(text) <= 500
        )
    except ValueError:
        there = False
    if not there or not text.isprintable() or " " in text:
        raise Wrong(
            field,
            ("Eine Adresse beginnt mit https://", "An address begins with https://"),
        )
    return text


def _group(text: str, groups: Mapping[int, str]) -> int | None:
    if not text:
        return None
    number = int(text) if text.isdecimal() and len(text) < 19 else None
    if number not in groups:
        raise Wrong("group", ("Diese Gruppe gibt es nicht.", "There is no such group."))
    return number


def mail(field: str, text: str) -> str | None:
    """A mail address, None if there is none. What mail can really go to is found out by sending. Raises Wrong."""
    text = text.strip()
    if not text:
        return None
    name, _, host = text.rpartition("@")
    if (
        not name
        or "." not in host
        or len(text) > 254
        or not text.isprintable()
        or set(text) & set(" <>,;\"'()")
    ):
        raise Wrong(field, ("Das ist keine E-Mail-Adresse.", "This is no mail address."))
    return text
