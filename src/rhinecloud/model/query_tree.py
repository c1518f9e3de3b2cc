"""Queries of the NGSI-LD query language as trees of frozen structs (CIM 009 §4.9). Names in them are IRIs."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Operator = Literal["==", "!=", ">=", ">", "<=", "<", "~=", "!~="]

TIME_MEMBERS: Final = frozenset({"observedAt", "createdAt", "modifiedAt", "deletedAt", "expiresAt"})
"""Members of an instance (and some of an entity) that are times; a path may end in them."""
PATH_MEMBERS: Final = TIME_MEMBERS | {
    "unitCode",
    "datasetId",
    "instanceId",
    "objectType",
    "valueType",
    "lang",
}
"""Members of an instance that a path may end in; they stand in `sub_path` by name, all others as IRIs."""
ENTITY_MEMBERS: Final = frozenset({"createdAt", "modifiedAt", "expiresAt"})
"""Times of the entity itself, which may stand in `attribute` by name."""


class AttributePath(msgspec.Struct, frozen=True):
    """What a term looks at: ``attribute.sub.path[json.path]`` or ``attribute{Type:linked}``.

    attribute: the IRI of the attribute, or one of ENTITY_MEMBERS.
    sub_path: IRIs of sub-attributes, outermost first; the last may be one of PATH_MEMBERS.
    json_path: member names inside the value; for a LanguageProperty one language tag, or ``*`` for any.
    linked: where to look in the entities that the Relationship `attribute` leads to.
    """

    attribute: str
    sub_path: tuple[str, ...] = ()
    json_path: tuple[str, ...] = ()
    linked: LinkedPath | None = None


class LinkedPath(msgspec.Struct, frozen=True):
    """A path in linked entities; `types` (IRIs, any of them) narrows the search, empty for any type."""

    path: AttributePath
    types: tuple[str, ...] = ()


class Temporal(msgspec.Struct, frozen=True):
    """A dateTime, date or time in stored spelling; the text without ``Z`` sorts in the order of time."""

    kind: Literal["dateTime", "date", "time"]
    text: str


class Uri(msgspec.Struct, frozen=True):
    """A URI written without quotes (or a term expanded by expandValues); compares like a text."""

    text: str


Single = str | bool | int | float | Temporal | Uri


class Range(msgspec.Struct, frozen=True):
    """Both ends included, of one type of value."""

    low: Single
    high: Single


class ValueList(msgspec.Struct, frozen=True):
    """Any of these values."""

    values: tuple[Single, ...]


class Pattern(msgspec.Struct, frozen=True):
    """An extended regular expression of IEEE 1003.2; it matches where any part of the text matches."""

    text: str


Value = Single | Range | ValueList | Pattern


class Exists(msgspec.Struct, frozen=True):
    """The element that the path leads to exists."""

    path: AttributePath


class Comparison(msgspec.Struct, frozen=True):
    """The value that the path leads to compares so with `value`."""

    path: AttributePath
    op: Operator
    value: Value


class And(msgspec.Struct, frozen=True):
    """All terms hold; never directly holds another And."""

    terms: tuple[Q, ...]


class Or(msgspec.Struct, frozen=True):
    """Some term holds; never directly holds another Or."""

    terms: tuple[Q, ...]


Q = And | Or | Comparison | Exists


def link_depth(q: Q) -> int:
    """How many Relationships one behind the other a query follows."""
    if isinstance(q, And | Or):
        return max(map(link_depth, q.terms))
    depth, path = 0, q.path
    while path.linked is not None:
        depth, path = depth + 1, path.linked.path
    return depth
