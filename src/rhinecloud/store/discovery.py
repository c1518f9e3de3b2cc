"""What there is: types and attributes of the entities that exist (CIM 009 §5.7.5 to §5.7.10), counted when asked."""

from __future__ import annotations

import asyncpg
import msgspec

from rhinecloud.model.sight import Sight

from .parameters import Parameters
from .seeing import Seen

_TYPES = (
    "SELECT type, count(*) FROM entity e, unnest(e.types) AS type{where} GROUP BY type ORDER BY 2 DESC, type"
)
_ATTRIBUTES_OF_TYPES = """
SELECT type, array_agg(DISTINCT attribute ORDER BY attribute)
FROM entity e, unnest(e.types) AS type, jsonb_object_keys(e.attributes) AS attribute{where}
GROUP BY type ORDER BY type
"""
_TYPES_OF_ATTRIBUTES = """
SELECT attribute, array_agg(DISTINCT type ORDER BY type)
FROM entity e, unnest(e.types) AS type, jsonb_object_keys(e.attributes) AS attribute{where}
GROUP BY attribute ORDER BY attribute
"""
_KINDS_IN_TYPE = """
SELECT attribute, array_agg(DISTINCT instance->>'type')
FROM entity e, jsonb_each(e.attributes) AS a (attribute, instances), jsonb_array_elements(instances) AS instance{where}
GROUP BY attribute ORDER BY attribute
"""
_ATTRIBUTE = """
WITH found AS (SELECT e.types, e.attributes->$1::text AS instances FROM entity e{where})
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


async def types(pool: asyncpg.Pool, sight: Sight) -> list[tuple[str, int]]:
    """Entity types with the number of their entities, most first."""
    parameters = Parameters()
    where = _where(Seen(sight, parameters).entity())
    records = await pool.fetch(_TYPES.format(where=where), *parameters.values)
    return [(record[0], record[1]) for record in records]


async def attributes_of_types(pool: asyncpg.Pool, sight: Sight) -> list[tuple[str, list[str]]]:
    """Entity types with the attributes that their entities have, in the order of the types' names."""
    return await _pairs(pool, _ATTRIBUTES_OF_TYPES, sight)


async def types_of_attributes(pool: asyncpg.Pool, sight: Sight) -> list[tuple[str, list[str]]]:
    """Attributes with the types of the entities that have them, in the order of the attributes' names."""
    return await _pairs(pool, _TYPES_OF_ATTRIBUTES, sight)


async def _pairs(pool: asyncpg.Pool, statement: str, sight: Sight) -> list[tuple[str, list[str]]]:
    parameters = Parameters()
    seen = Seen(sight, parameters)
    where = _where([*seen.entity(), *seen.attribute_in("attribute")])
    records = await pool.fetch(statement.format(where=where), *parameters.values)
    return [(record[0], list(record[1])) for record in records]


async def type_info(pool: asyncpg.Pool, iri: str, sight: Sight) -> TypeInfo | None:
    """A type; None if no entity is of it."""
    parameters = Parameters()
    seen = Seen(sight, parameters)
    of_type = [f"e.types && ARRAY[{parameters.add(iri)}::text]", *seen.entity()]
    count = await pool.fetchval(f"SELECT count(*) FROM entity e{_where(of_type)}", *parameters.values)
    if not count:
        return None
    where = _where([*of_type, *seen.attribute_in("attribute")])
    records = await pool.fetch(_KINDS_IN_TYPE.format(where=where), *parameters.values)
    return TypeInfo(count, {record[0]: sorted(record[1]) for record in records})


async def attribute_info(pool: asyncpg.Pool, iri: str, sight: Sight) -> AttributeInfo | None:
    """An attribute; None if no entity has it."""
    parameters = Parameters()
    seen = Seen(sight, parameters)
    has = [f"e.attributes ? {parameters.add(iri)}::text", *seen.entity()]
    if (visible := seen.attribute(iri)) is not None:
        has.append(visible)
    record = await pool.fetchrow(_ATTRIBUTE.format(where=_where(has)), *parameters.values)
    if not record[0]:
        return None
    return AttributeInfo(record[0], sorted(record[1]), sorted(record[2]))


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
