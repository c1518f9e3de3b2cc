"""The attribute projection language: ``name,observation{temperature,humidity}`` (CIM 009 §4.21).

What a consumer wants to see of an entity, and of the entities that its Relationships lead to.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import msgspec

from rhinecloud.model.context import Context
from rhinecloud.model.core_context import TERMS
from rhinecloud.model.errors import BadRequestData, TooComplexQuery

ENTITY_PARTS: Final = frozenset({"id", "type", "scope"})
"""Members of an entity that may be named beside attributes (Table 6.4.3.2-1)."""
ENTITY_TIMES: Final = frozenset({"createdAt", "modifiedAt", "expiresAt"})

MAX_TEXT: Final = 16_384
MAX_NESTING: Final = 16
_NAME = re.compile(r"<[^\s<>\"{}|\\^`]+>|[^\s,|{}<>]+")
_TIMES_BY_IRI: Final = {TERMS[name]: name for name in ENTITY_TIMES}


class Projection(msgspec.Struct, frozen=True):
    """What to show of an entity. Members are IRIs of attributes, or of ENTITY_PARTS and ENTITY_TIMES.

    pick: only these, None for all. omit: not these. linked: Relationships with what to show of where they
    lead; whatever they do not say of a Relationship, its entities are shown whole.
    """

    pick: frozenset[str] | None = None
    omit: frozenset[str] = frozenset()
    linked: tuple[tuple[str, Projection], ...] = ()

    def shows(self, member: str) -> bool:
        """Whether the member is to be seen."""
        return (self.pick is None or member in self.pick) and member not in self.omit

    def behind(self, relationship: str) -> Projection:
        """What to show of the entities that a Relationship leads to."""
        return next((inner for name, inner in self.linked if name == relationship), EVERYTHING)

    @property
    def depth(self) -> int:
        """How many Relationships one behind the other it names."""
        return max((1 + inner.depth for _, inner in self.linked), default=0)

    @property
    def needed(self) -> frozenset[str] | None:
        """Attributes of which an entity must have one, for otherwise nothing of it would be seen; None if any
        entity shows something."""
        if self.pick is None or not self.pick.isdisjoint(ENTITY_PARTS | ENTITY_TIMES):
            return None
        return self.pick - self.omit


EVERYTHING: Final = Projection()


def only_attributes(attributes: Collection[str]) -> Projection:
    """What the deprecated `attrs` shows: these attributes, and the entity's own members always."""
    return Projection(frozenset(attributes) | ENTITY_PARTS | ENTITY_TIMES)


Members = dict[str, "Members"]
"""Names as in `Projection`, each with those in its braces."""


def parse_projection(pick: str | None, omit: str | None, context: Context) -> Projection:
    """Read `pick` and `omit`, names expanded; empty texts say nothing.

    BadRequestData names the parameter, also for a member that both name (§5.7.1.4).
    """
    return projection_of(
        parse_members(pick, context, "pick") if pick else None,
        parse_members(omit, context, "omit") if omit else {},
    )


def parse_members(text: str, context: Context, field: str) -> Members:
    """Read one projection (production ProjectionTerm), names expanded. BadRequestData names the field."""
    return _Parser(text, context, field).whole()


def print_members(members: Members, context: Context) -> list[str]:
    """The terms of a projection, names shortened; `parse_members` reads them back, joined by commas."""
    return [
        _print_name(name, context) + (f"{{{','.join(print_members(inside, context))}}}" if inside else "")
        for name, inside in members.items()
    ]


def projection_of(picked: Members | None, omitted: Members) -> Projection:
    """What two projections say together. BadRequestData for a member that is in both."""
    # A Relationship with something in braces is itself shown; only what is inside is left out.
    whole = {name for name, inside in omitted.items() if not inside}
    both = whole.intersection(picked or ())
    if both:
        raise BadRequestData(f"{min(both)} is in pick and in omit", field="omit")
    inside = picked or {}
    linked = tuple(
        (name, projection_of(inside.get(name) or None, omitted.get(name, {})))
        for name in dict.fromkeys((*inside, *omitted))
        if inside.get(name) or omitted.get(name)
    )
    return Projection(None if picked is None else frozenset(picked), frozenset(whole), linked)


def _print_name(name: str, context: Context) -> str:
    short = name if name in ENTITY_PARTS or name in ENTITY_TIMES else context.compact_iri(name)
    return short if _NAME.fullmatch(short) else f"<{name}>"


class _Parser:
    """Recursive descent over the text; `at` is the next character."""

    def __init__(self, text: str, context: Context, field: str) -> None:
        if len(text) > MAX_TEXT:
            raise TooComplexQuery(f"{field} is longer than {MAX_TEXT} characters", field=field)
        self.text = text
        self.context = context
        self.field = field
        self.at = 0

    def whole(self) -> Members:
        members = self.terms(0)
        if self.at < len(self.text):
            raise self.wrong("',' or the end")
        return members

    def wrong(self, expected: str) -> BadRequestData:
        rest = self.text[self.at : self.at + 30]
        found = f"{rest!r}" if rest else "the end"
        detail = f"{self.field}: expected {expected} at character {self.at + 1}, found {found}"
        return BadRequestData(detail, field=self.field)

    def take(self, signs: str) -> bool:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        if self.at < len(self.text) and self.text[self.at] in signs:
            self.at += 1
            return True
        return False

    def terms(self, depth: int) -> Members:
        if depth > MAX_NESTING:
            raise TooComplexQuery(f"{self.field} nests more than {MAX_NESTING} deep", field=self.field)
        members: Members = {}
        while True:
            name = self.member()
            inside: Members = {}
            if self.take("{"):
                if name in ENTITY_PARTS or name in ENTITY_TIMES:
                    raise BadRequestData(f"{self.field}: {name} leads nowhere", field=self.field)
                inside = self.terms(depth + 1)
                if not self.take("}"):
                    raise self.wrong("'}'")
            members[name] = {**members.get(name, {}), **inside}
            if not self.take(",|"):
                return members

    def member(self) -> str:
        self.take("")
        found = _NAME.match(self.text, self.at)
        if found is None:
            raise self.wrong("the name of a member")
        name = found[0].strip("<>")
        if name not in ENTITY_PARTS:
            try:
                iri = self.context.expand_name(name)
            except BadRequestData as error:
                raise BadRequestData(f"{self.field}: {error.detail}", field=self.field) from None
            if iri[0] == "@":
                raise BadRequestData(f"{self.field}: {name!r} is no member of an entity", field=self.field)
            name = _TIMES_BY_IRI.get(iri, iri)
        self.at = found.end()
        return name
