"""The scope query language: ``/Duisburg/+/Park``, ``/Duisburg/#``, ``(/A;/B)|/C`` (CIM 009 §4.19)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from rhinecloud.model.errors import BadRequestData, TooComplexQuery
from rhinecloud.model.type_selection import split_alternatives

MAX_TEXT: Final = 16_384
_LEVEL = r"(?:[^\W\d_]\w*|\+)"
_SCOPE = re.compile(rf"/\#|/?{_LEVEL}(?:/{_LEVEL})*(?:/\#)?")


class ScopePattern(msgspec.Struct, frozen=True):
    """Levels from the top, ``+`` for any one; with `below` also every scope underneath."""

    levels: tuple[str, ...]
    below: bool = False

    def matches(self, scope: str) -> bool:
        """Whether a scope meets the pattern; the leading slash of a scope makes no difference."""
        levels = scope.removeprefix("/").split("/")
        if len(levels) < len(self.levels) or (len(levels) > len(self.levels) and not self.below):
            return False
        pairs = zip(self.levels, levels, strict=False)
        return all(wanted in ("+", level) for wanted, level in pairs)

    def regex(self) -> str:
        """The same as a regular expression that PostgreSQL and Python read alike, anchored at both ends."""
        if not self.levels:
            return "^.+$"
        levels = "/".join("[^/]+" if level == "+" else level for level in self.levels)
        return f"^/?{levels}(/.*)?$" if self.below else f"^/?{levels}$"

    def __str__(self) -> str:
        return "".join("/" + level for level in self.levels) + ("/#" if self.below else "")


class ScopeQuery(msgspec.Struct, frozen=True):
    """An entity is selected if, for some alternative, each of its patterns is met by one of its scopes."""

    alternatives: tuple[tuple[ScopePattern, ...], ...]

    def matches(self, scopes: Iterable[str]) -> bool:
        """Whether an entity with these scopes is selected."""
        present = list(scopes)
        return any(
            all(any(pattern.matches(scope) for scope in present) for pattern in all_of)
            for all_of in self.alternatives
        )

    def __str__(self) -> str:
        parts = [";".join(map(str, all_of)) for all_of in self.alternatives]
        return "|".join(f"({part})" if ";" in part else part for part in parts)


def parse_scope_q(text: str) -> ScopeQuery:
    """Read a scope query; ``/#`` alone means any scope at all."""
    if len(text) > MAX_TEXT:
        raise TooComplexQuery(f"scopeQ is longer than {MAX_TEXT} characters", field="scopeQ")
    try:
        alternatives = split_alternatives(text, _SCOPE, "scopeQ")
    except BadRequestData as error:
        raise BadRequestData(error.detail, field="scopeQ") from None
    return ScopeQuery(tuple(tuple(_pattern(scope) for scope in all_of) for all_of in alternatives))


def _pattern(text: str) -> ScopePattern:
    below = text.endswith("/#")
    levels = text.removesuffix("/#").removeprefix("/")
    return ScopePattern(tuple(levels.split("/")) if levels else (), below)
