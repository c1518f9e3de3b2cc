"""Which entities are about a person: those of a type that name them in an attribute, now or in their history.

An entity that was deleted, or that names somebody else meanwhile, is found by what the history still says.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

# Values and objects of all instances there are, as text; of rows only, for numbers alone are compacted away.
_NAMED = """
SELECT e.id, instance ->> m.name AS value
FROM entity e, jsonb_array_elements(e.attributes -> $2) AS instance, unnest(ARRAY['value', 'object']) AS m (name)
WHERE e.types @> ARRAY[$1::text]
UNION
SELECT s.entity_id, h.instance ->> m.name
FROM series s
JOIN (SELECT series, instance FROM history UNION ALL SELECT series, instance FROM history_rows) h ON h.series = s.id,
     unnest(ARRAY['value', 'object']) AS m (name)
WHERE s.attribute = $2 AND h.instance IS NOT NULL
  AND (EXISTS (SELECT FROM entity e WHERE e.id = s.entity_id AND e.types @> ARRAY[$1::text])
       OR EXISTS (SELECT FROM deleted_entity d WHERE d.id = s.entity_id AND d.types @> ARRAY[$1::text]))
"""


async def naming(
    pool: asyncpg.Pool | asyncpg.Connection, entity_type: str, attribute: str, values: Sequence[str]
) -> list[str]:
    """Ids of the entities of a type whose attribute is or was one of these values (small and capital letters are the
    same), in their order."""
    records = await pool.fetch(
        f"SELECT DISTINCT id FROM ({_NAMED}) AS named WHERE lower(value) = ANY($3::text[]) ORDER BY id",
        entity_type,
        attribute,
        [value.lower() for value in values],
    )
    return [record[0] for record in records]


async def named(pool: asyncpg.Pool | asyncpg.Connection, entity_type: str, attribute: str) -> list[str]:
    """All values that the attribute has or had at entities of the type, in lower case."""
    records = await pool.fetch(
        f"SELECT DISTINCT lower(value) FROM ({_NAMED}) AS named WHERE value IS NOT NULL",
        entity_type,
        attribute,
    )
    return [record[0] for record in records]


async def entities(pool: asyncpg.Pool | asyncpg.Connection, ids: Sequence[str]) -> dict[str, str]:
    """The attributes of entities that are there, as JSON."""
    records = await pool.fetch(
        "SELECT id, attributes::text FROM entity WHERE id = ANY($1::text[]) ORDER BY id", list(ids)
    )
    return {record[0]: record[1] for record in records}


async def history(
    pool: asyncpg.Pool | asyncpg.Connection, ids: Sequence[str], attributes: Sequence[str], limit: int
) -> list[asyncpg.Record]:
    """What the history has of these entities and attributes, a chunk as one value:
    entity_id, attribute, at, text; the newest first."""
    return list(
        await pool.fetch(
            """
            SELECT s.entity_id, s.attribute, h.at, coalesce(h.instance::text, h.value::text) AS text
            FROM series s JOIN (
                SELECT series, at, value, instance FROM history
                UNION ALL SELECT series, at, value, instance FROM history_rows
                UNION ALL SELECT series, at1, NULL, jsonb_build_object('from', at0, 'until', at1, 'count', n,
                                                                      'values', to_jsonb(values)) FROM chunk
            ) h ON h.series = s.id
            WHERE s.entity_id = ANY($1::text[]) AND s.attribute = ANY($2::text[])
            ORDER BY h.at DESC LIMIT $3
            """,
            list(ids),
            list(attributes),
            limit,
        )
    )
