"""Entities in their expanded form, and the parser that makes them from documents (CIM 009 §4.5).

Inside the program names are IRIs and values are plain JSON. An attribute is a list of instances, one for each
datasetId (§4.5.5); the members of an instance that the core context defines keep their short names, all
others are sub-attributes under their IRIs.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rhinecloud.model.attribute_members import VALUE_MEMBER
from rhinecloud.model.attribute_parser import RESERVED, Attributes, Instance, Parser
from rhinecloud.model.context import Context
from rhinecloud.model.values import NULL, bad

__all__ = [
    "VALUE_MEMBER",
    "Attributes",
    "Entity",
    "Fragment",
    "Instance",
    "fragment_of",
    "is_null",
    "parse_attribute",
    "parse_entity",
    "parse_fragment",
]


class Entity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entity as it is stored and passed around. Times are DateTime texts in UTC."""

    id: str
    types: tuple[str, ...]
    scopes: tuple[str, ...] = ()
    attributes: Attributes = {}
    created_at: str | None = None
    modified_at: str | None = None
    expires_at: str | None = None


class Fragment(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an entity that an update brings (§5.4). `scopes` is None if unmentioned, empty to delete."""

    id: str | None = None
    types: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    attributes: Attributes = {}
    expires_at: str | None = None


def parse_entity(document: Any, context: Context, *, system: bool = False) -> Entity:
    """Read an entity, normalized or concise, each attribute by itself (§4.5.1; simplified counts as concise).

    `system` keeps createdAt, modifiedAt and instanceId, as when another broker tells them; otherwise they
    are ignored, for they are ours to give. Raises BadRequestData with the JSON pointer of what is wrong.
    """
    parser = Parser(context, nulls=False, partial=False, system=system)
    head, attributes = parser.members(document)
    if "id" not in head:
        raise bad(("id",), "the entity has no id")
    if "type" not in head:
        raise bad(("type",), "the entity has no type")
    return Entity(
        id=head["id"],
        types=head["type"],
        scopes=head.get("scope", ()),
        attributes=attributes,
        created_at=head.get("createdAt"),
        modified_at=head.get("modifiedAt"),
        expires_at=head.get("expiresAt"),
    )


def parse_fragment(document: Any, context: Context, *, nulls: bool, partial: bool = False) -> Fragment:
    """Read the body of an update (§5.4). With `nulls` the NGSI-LD Null may stand for what is to be deleted.

    With `partial` (merge, §5.5.12) an attribute may leave out its value and name only what changes, and the Null may
    stand within values.
    """
    return fragment_of(Parser(context, nulls=nulls, deep_nulls=nulls and partial, partial=partial), document)


def fragment_of(parser: Parser, document: Any) -> Fragment:
    """What a parser reads from the body of an update."""
    head, attributes = parser.members(document)
    return Fragment(
        id=head.get("id"),
        types=head.get("type", ()),
        scopes=head.get("scope"),
        attributes=attributes,
        expires_at=head.get("expiresAt"),
    )


def parse_attribute(
    name: str, document: Any, context: Context, *, nulls: bool = False, partial: bool = False
) -> tuple[str, list[Instance]]:
    """Read one attribute: its IRI and its instances. With `partial` (§5.6.4) the value may be missing."""
    parser = Parser(context, nulls=nulls, partial=partial, system=False)
    iri = parser.name(name, (name,))
    if iri[0] == "@" or iri in RESERVED:
        raise bad((name,), f"{name!r} is a term of the core @context and no name for an attribute (§4.5.1)")
    return iri, parser.whole_attribute(document)


def is_null(instance: Instance) -> bool:
    """Whether a fragment's instance asks for the deletion of its attribute (§4.5.0)."""
    member = VALUE_MEMBER.get(instance.get("type", ""))
    value = instance.get(member) if member else None
    return value == NULL or value == [NULL] or value == {"@none": NULL}
