"""The entity type selection language: ``A|B``, ``A,B``, ``(A;B)|C`` (CIM 009 §4.17)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from rhinecloud.model.context import Context
from rhinecloud.model.errors import BadRequestData, TooComplexQuery

MAX_TEXT: Final = 16_384
MAX_NESTING: Final = 16
MAX_ALTERNATIVES: Final = 1_000
_TYPE = re.compile(r"[^\s,;|()]+")


class TypeSelection(msgspec.Struct, frozen=True):
    """An entity is selected if it has all types of some alternative; no alternatives select every entity."""

    alternatives: tuple[tuple[str, ...], ...]

    def matches(self, types: Iterable[str]) -> bool:
        """Whether an entity of these types is selected."""
        present = set(types)
        return not self.alternatives or any(present.issuperset(all_of) for all_of in self.alternatives)


def parse_type_selection(text: str, context: Context) -> TypeSelection:
    """Read a selection of types, names expanded; ``*`` selects every entity (Table 6.4.3.2-1)."""
    if len(text) > MAX_TEXT:
        raise TooComplexQuery(f"type is longer than {MAX_TEXT} characters", field="type")
    if text.strip() == "*":
        return TypeSelection(())
    alternatives = tuple(
        tuple(_iri(name, context) for name in names) for names in split_alternatives(text, _TYPE, "type")
    )
    return TypeSelection(tuple(dict.fromkeys(alternatives)))


def print_type_selection(selection: TypeSelection, context: Context) -> str:
    """The text of a selection; `parse_type_selection` reads it back."""
    if not selection.alternatives:
        return "*"
    parts = [";".join(context.compact_iri(iri) for iri in all_of) for all_of in selection.alternatives]
    return "|".join(f"({part})" if ";" in part else part for part in parts)


def _iri(name: str, context: Context) -> str:
    try:
        iri = context.expand_type(name)
    except BadRequestData as error:
        raise BadRequestData(error.detail, field="type") from None
    if iri[0] == "@":
        raise BadRequestData(f"{name!r} is no type", field="type")
    return iri


def split_alternatives(text: str, element: re.Pattern[str], field: str) -> list[list[str]]:
    """The grammar of types and scopes: alternatives by ``|`` or ``,``, each an element or ``(a;b)``.

    Beyond the standard parentheses may hold whatever the whole may, and ``;`` may stand without them; it binds
    more than ``|``. The result is what that says as alternatives.
    """
    return _Splitter(text, element, field).whole()


class _Splitter:
    """Recursive descent over the text; `at` is the next character."""

    def __init__(self, text: str, element: re.Pattern[str], field: str) -> None:
        self.text = text
        self.element = element
        self.field = field
        self.at = 0

    def whole(self) -> list[list[str]]:
        alternatives = self.alternatives(0)
        if self.at < len(self.text):
            raise self.wrong("'|', ',' or the end")
        return alternatives

    def wrong(self, expected: str) -> BadRequestData:
        found = repr(self.text[self.at : self.at + 30]) if self.at < len(self.text) else "the end"
        detail = f"{self.field}: expected {expected} at character {self.at + 1}, found {found}"
        return BadRequestData(detail, field=self.field)

    def take(self, signs: str) -> bool:
        """Step over the next character if it is one of these, and over the blanks around it."""
        self.blanks()
        taken = self.at < len(self.text) and self.text[self.at] in signs
        if taken:
            self.at += 1
            self.blanks()
        return taken

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def alternatives(self, depth: int) -> list[list[str]]:
        found = self.all_of(depth)
        while self.take("|,"):
            found += self.all_of(depth)
        return found

    def all_of(self, depth: int) -> list[list[str]]:
        found = self.one(depth)
        while self.take(";"):
            more = self.one(depth)
            if len(found) * len(more) > MAX_ALTERNATIVES:
                raise TooComplexQuery(f"{self.field} has too many alternatives", field=self.field)
            found = [[*left, *right] for left in found for right in more]
        return found

    def one(self, depth: int) -> list[list[str]]:
        if self.take("("):
            if depth >= MAX_NESTING:
                raise TooComplexQuery(f"{self.field} nests more than {MAX_NESTING} deep", field=self.field)
            found = self.alternatives(depth + 1)
            if not self.take(")"):
                raise self.wrong("';', '|' or ')'")
            return found
        self.blanks()
        element = self.element.match(self.text, self.at)
        if element is None:
            raise self.wrong(f"a {self.field}")
        self.at = element.end()
        self.blanks()
        return [[element[0]]]
