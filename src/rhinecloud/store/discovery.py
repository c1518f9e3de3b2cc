"""What there is: types and attributes of the entities that exist (CIM 009 §5.7.5 to §5.7.10), counted when asked."""

from __future__ import annotations

import asyncpg
import msgspec

_TYPES = "SELECT type, count(*) FROM entity, unnest(types) AS type GROUP BY type ORDER BY 2 DESC, type"
_ATTRIBUTES_OF_TYPES = """
SELECT type, array_agg(DISTINCT attribute ORDER BY attribute)
FROM entity, unnest(types) AS type, jsonb_object_keys(attributes) AS attribute GROUP BY type ORDER BY type
"""
_TYPES_OF_ATTRIBUTES = """
SELECT attribute, array_agg(DISTINCT type ORDER BY type)
FROM entity, unnest(types) AS type, jsonb_object_keys(attributes) AS attribute
GROUP BY attribute ORDER BY attribute
"""
_KINDS_IN_TYPE = """
SELECT attribute, array_agg(DISTINCT instance->>'type')
FROM entity, jsonb_each(attributes) AS a (attribute, instances), jsonb_array_elements(instances) AS instance
WHERE types && ARRAY[$1::text] GROUP BY attribute ORDER BY attribute
"""
_ATTRIBUTE = """
WITH found AS (SELECT types, attributes->$1::text AS instances FROM entity WHERE attributes ? $1::text)
SELECT (SELECT coalesce(sum(jsonb_array_length(instances)), 0)::bigint FROM found),
       (SELECT array_agg(DISTINCT one->>'type') FROM found, jsonb_array_elements(instances) AS one),
       (SELECT array_agg(DISTINCT type) FROM found, unnest(types) AS type)
"""


class AttributeInfo(msgspec.Struct, frozen=True):
    """How many instances an attribute has, of which kinds (Property, …), and the types of entities that have it."""

    count: int
    kinds: list[str]
    types: list[str]


class TypeInfo(msgspec.Struct, frozen=True):
    """How many entities are of a type, and which kinds each of their attributes has."""

    count: int
    kinds: dict[str, list[str]]


async def types(pool: asyncpg.Pool) -> list[tuple[str, int]]:
    """Entity types with the number of their entities, most first."""
    return [(record[0], record[1]) for record in await pool.fetch(_TYPES)]


async def attributes_of_types(pool: asyncpg.Pool) -> list[tuple[str, list[str]]]:
    """Entity types with the attributes that their entities have, in the order of the types' names."""
    return [(record[0], list(record[1])) for record in await pool.fetch(_ATTRIBUTES_OF_TYPES)]


async def types_of_attributes(pool: asyncpg.Pool) -> list[tuple[str, list[str]]]:
    """Attributes with the types of the entities that have them, in the order of the attributes' names."""
    return [(record[0], list(record[1])) for record in await pool.fetch(_TYPES_OF_ATTRIBUTES)]


async def type_info(pool: asyncpg.Pool, iri: str) -> TypeInfo | None:
    """A type; None if no entity is of it."""
    count = await pool.fetchval("SELECT count(*) FROM entity WHERE types && ARRAY[$1::text]", iri)
    if not count:
        return None
    records = await pool.fetch(_KINDS_IN_TYPE, iri)
    return TypeInfo(count, {record[0]: sorted(record[1]) for record in records})


async def attribute_info(pool: asyncpg.Pool, iri: str) -> AttributeInfo | None:
    """An attribute; None if no entity has it."""
    record = await pool.fetchrow(_ATTRIBUTE, iri)
    if not record[0]:
        return None
    return AttributeInfo(record[0], sorted(record[1]), sorted(record[2]))
