"""The entity type selection language: ``A|B``, ``A,B``, ``(A;B)|C`` (CIM 009 §4.17)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from rhinecloud.model.context import Context
from rhinecloud.model.errors import BadRequestData, TooComplexQuery

MAX_TEXT: Final = 16_384
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
    """The grammar of types and scopes: alternatives by ``|`` or ``,``, each an element or ``(a;b)``."""
    alternatives: list[list[str]] = []
    at = 0

    def blanks(at: int) -> int:
        while at < len(text) and text[at].isspace():
            at += 1
        return at

    def wrong(expected: str) -> BadRequestData:
        found = repr(text[at : at + 30]) if at < len(text) else "the end"
        return BadRequestData(
            f"{field}: expected {expected} at character {at + 1}, found {found}", field=field
        )

    while True:
        at = blanks(at)
        group = text.startswith("(", at)
        at = blanks(at + 1) if group else at
        elements: list[str] = []
        while True:
            found = element.match(text, at)
            if found is None:
                raise wrong(f"a {field}")
            elements.append(found[0])
            at = blanks(found.end())
            if not group:
                break
            if text.startswith(")", at):
                at = blanks(at + 1)
                break
            if not text.startswith(";", at):
                raise wrong("';' or ')'")
            at = blanks(at + 1)
        alternatives.append(elements)
        if at == len(text):
            return alternatives
        if text[at] not in "|,":
            raise wrong("'|', ',' or the end")
        at += 1
