"""What may be asked of the graph, and what became of it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from rhinecloud.model import Entity, NgsiLdError, TypeSelection

Kind = Literal[
    "create",  # CIM 009 §5.6.1
    "upsert",  # §5.6.8, default mode: make it, or replace the whole
    "replace",  # §5.6.18
    "append",  # §5.6.3
    "update",  # §5.6.2
    "partial_update",  # §5.6.4, one attribute
    "replace_attribute",  # §5.6.19
    "merge",  # §5.6.17
    "delete_attribute",  # §5.6.5
    "delete",  # §5.6.6
    "reduce",  # §5.6.21: without some attributes, or with some only
    "evolve",  # §5.6.11 and §5.6.12: instances at times of their own; scopes are the attribute `scope`
    "modify_instance",  # §5.6.14
    "delete_instance",  # §5.6.15
    "delete_evolution_attribute",  # §5.6.13
    "delete_evolution",  # §5.6.16: of the entity nothing is left
    "settle",  # what such a correction means for the current state; not to be asked for
    "erase",  # likewise
    "measure",  # a device's values: append; makes the entity if missing; what is older goes to history only
]

CORRECTING = frozenset(
    {"modify_instance", "delete_instance", "delete_evolution_attribute", "delete_evolution"}
)
EVOLVING = CORRECTING | {"evolve"}
"""What touches history that is there already, and so needs to see in the tables what came before."""

Instances = dict[str, list[dict[str, Any]]]


class Merging(msgspec.Struct, frozen=True):
    """How a merge reads its patches (CIM 009 §5.6.17): simplified ones have no types; texts without a language are in
    `lang`; instances with observedAt that are told no other get `observed_at`."""

    simplified: bool = False
    lang: str | None = None
    observed_at: str | None = None


class Operation(msgspec.Struct, frozen=True):
    """One write to one entity. `attributes` is in the expanded form of model.Entity.

    `delivery` names the delivery that brought it: the same name a second time changes nothing. Several operations
    may share one.
    """

    kind: Kind
    entity_id: str
    types: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    attributes: Instances = {}
    overwrite: bool = True  # append: whether attributes that exist are replaced
    attribute: str | None = (
        None  # the one attribute of partial_update, replace_attribute, delete_attribute and corrections
    )
    dataset: str | None = None  # which instance of it; None is the default instance
    all_instances: bool = False  # delete_attribute, delete_evolution_attribute: every instance
    instance: str | None = None  # the instanceId of modify_instance and delete_instance
    create_missing: bool = False  # update, evolve: make the entity if it is not there (upsert in update mode)
    names: frozenset[str] = frozenset()  # reduce: attributes to be deleted
    keep: bool = False  # reduce: they are the ones to be left
    only: TypeSelection | None = None  # the entity counts as there only if it is of these types (§4.17)
    merging: Merging = Merging()
    delivery: str | None = None

    @classmethod
    def of(cls, kind: Kind, entity: Entity, **options: Any) -> Operation:
        """An operation that carries a whole entity."""
        return cls(kind, entity.id, entity.types, entity.scopes or None, entity.attributes, **options)


class NotUpdated(msgspec.Struct, frozen=True):
    """An attribute that an operation left as it was, and why (CIM 009 §5.2.19)."""

    attribute: str
    reason: str


class Applied(msgspec.Struct, frozen=True):
    """What an operation did. `duplicate`: its delivery was known, nothing was done."""

    created: bool = False
    updated: tuple[str, ...] = ()
    not_updated: tuple[NotUpdated, ...] = ()
    history_only: tuple[str, ...] = ()
    duplicate: bool = False


Verdict = Applied | NgsiLdError


class Filed(msgspec.Struct, frozen=True):
    """Where an entity belongs: by this it is decided who may read it."""

    types: tuple[str, ...]
    scopes: tuple[str, ...]


class Head(msgspec.Struct, frozen=True, rename="camel"):
    """What of a change tells whether anybody wants it: read without the entity, which is nearly all of its size."""

    entity_id: str
    types: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    was: Filed | None = None


class Change(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A committed change as it is told to watches, pages and subscribers.

    `entity` is the state after the change (None after a deletion), `old` the previous instances of the attributes
    in `attributes`, `was` its types and scopes before if they were others. `id` orders all changes of a tenant and is
    what a consumer drops repetitions by.
    """

    entity_id: str
    types: tuple[str, ...]
    operation: Literal["create", "update", "delete"]
    attributes: tuple[str, ...] = ()
    entity: Entity | None = None
    old: Instances = {}
    scopes: tuple[str, ...] = ()  # of an entity that was deleted; else they stand in `entity`
    created_at: str | None = None  # likewise
    was: Filed | None = None
    id: int = 0
    at: str = ""
