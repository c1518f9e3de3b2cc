"""Texts with names in braces, `urn:ngsi-ld:{type}:{device}`, and JSON with such texts in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

_NAMED = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Template(msgspec.Struct, frozen=True):
    """A text in pieces: every second one is a name."""

    text: str
    pieces: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names in it."""
        return self.pieces[1::2]

    def fill(self, known: Mapping[str, str]) -> str:
        """The text. Raises KeyError for a name that is not known."""
        if len(self.pieces) == 1:
            return self.text
        return "".join(known[piece] if odd else piece for odd, piece in _numbered(self.pieces))


def _numbered(pieces: tuple[str, ...]) -> list[tuple[bool, str]]:
    return [(index % 2 == 1, piece) for index, piece in enumerate(pieces)]


def template(text: str) -> Template:
    """A parsed template. Raises ValueError for a brace that belongs to no name."""
    pieces = tuple(_NAMED.split(text))
    if any("{" in piece or "}" in piece for piece in pieces[::2]):
        raise ValueError(f"{text!r:.80} has a brace that belongs to no name such as {{device}}")
    return Template(text, pieces)


def names_of(value: Any) -> set[str]:
    """All names in a JSON value."""
    if isinstance(value, str):
        return set(_NAMED.findall(value))
    if isinstance(value, dict):
        return set().union(*(names_of(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(names_of(part) for part in value))
    return set()


def fill_json(value: Any, known: Mapping[str, Any]) -> Any:
    """A JSON value with its names filled in: a text that is one name and nothing else becomes what is known under it,
    of whatever type; within a text it is written out."""
    if isinstance(value, str):
        whole = _NAMED.fullmatch(value)
        if whole is not None and whole[1] in known:
            return known[whole[1]]
        return _NAMED.sub(_written(known), value)
    if isinstance(value, dict):
        return {key: fill_json(part, known) for key, part in value.items()}
    if isinstance(value, list):
        return [fill_json(part, known) for part in value]
    return value


def _written(known: Mapping[str, Any]) -> Callable[[re.Match[str]], str]:
    def write(found: re.Match[str]) -> str:
        value = known.get(found[1], found[0])
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()

    return write
