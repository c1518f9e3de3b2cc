"""Current state: rows of `entity`, and of `place` for what has a geometry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from rhinecloud.model import Entity

from . import facts

# Several IRIs in one text parameter: a text[] of text[] must be rectangular, IRIs hold no control characters.
_SEPARATOR = "\x1f"


class StoredEntity(msgspec.Struct, frozen=True):
    """A row of `entity`; `attributes` is JSON text of the expanded form (see model.Entity). `facts` (see store.facts,
    an array as PostgreSQL writes it) is for rows that are written whole; who reads an entity does not read them.
    """

    id: str
    types: tuple[str, ...]
    scopes: tuple[str, ...]
    attributes: str
    created_at: datetime
    modified_at: datetime
    facts: str = "{}"


class Remains(msgspec.Struct, frozen=True):
    """A row of `deleted_entity`: an entity that is no more, while its history remains."""

    id: str
    types: tuple[str, ...]
    scopes: tuple[str, ...]
    created_at: datetime
    deleted_at: datetime


class Place(msgspec.Struct, frozen=True):
    """A geometry of an entity: bounds in degrees (west, south, east, north) and WKB."""

    entity_id: str
    attribute: str
    dataset: str
    bounds: tuple[float, float, float, float]
    geometry: bytes


_decode_attributes = msgspec.json.Decoder(dict[str, list[dict[str, Any]]]).decode


def rfc3339(at: datetime) -> str:
    """A UTC instant as text, without trailing zeros in the fraction."""
    text = at.replace(tzinfo=None).isoformat()
    return f"{text.rstrip('0')}Z" if at.microsecond else f"{text}Z"


def fill_times(attributes: dict[str, list[dict[str, Any]]], created_at: str) -> None:
    """Put createdAt and modifiedAt into instances as they are stored, that is, without what goes without saying: the
    creation with the entity, and the modification at the creation. In most rows these are a third of the size."""
    for instances in attributes.values():
        for instance in instances:
            created = instance.setdefault("createdAt", created_at)
            instance.setdefault("modifiedAt", created)


def to_entity(stored: StoredEntity) -> Entity:
    """A row as an entity of the model."""
    attributes = _decode_attributes(stored.attributes)
    created_at = rfc3339(stored.created_at)
    fill_times(attributes, created_at)
    return Entity(
        id=stored.id,
        types=stored.types,
        scopes=stored.scopes,
        attributes=attributes,
        created_at=created_at,
        modified_at=rfc3339(stored.modified_at),
    )


COLUMNS = "e.id, e.types, e.scopes, e.attributes, e.created_at, e.modified_at"

# Rows are locked in the order of their ids, so that two transactions never wait for each other in a circle.
LOCK = f"SELECT {COLUMNS} FROM entity e WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE"
READ = f"SELECT {COLUMNS} FROM entity e WHERE id = ANY($1::text[])"

# Who comes back is no deleted entity any more.
INSERT = """
WITH back AS (DELETE FROM deleted_entity WHERE id = ANY($1::text[]))
INSERT INTO entity (id, types, scopes, attributes, created_at, modified_at, facts)
SELECT id, string_to_array(types, E'\\x1f'), coalesce(string_to_array(nullif(scopes, ''), E'\\x1f'), '{}'),
       attributes, created_at, modified_at, facts::integer[]
FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::timestamptz[], $6::timestamptz[], $7::text[])
     AS new (id, types, scopes, attributes, created_at, modified_at, facts)
"""

UPDATE = """
UPDATE entity e
SET types = string_to_array(new.types, E'\\x1f'),
    scopes = coalesce(string_to_array(nullif(new.scopes, ''), E'\\x1f'), '{}'),
    attributes = new.attributes, created_at = new.created_at, modified_at = new.modified_at,
    facts = new.facts::integer[]
FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::timestamptz[], $6::timestamptz[], $7::text[])
     AS new (id, types, scopes, attributes, created_at, modified_at, facts)
WHERE e.id = new.id
"""

DELETE = """
WITH gone AS (DELETE FROM entity WHERE id = ANY($1::text[]))
INSERT INTO deleted_entity (id, types, scopes, created_at, deleted_at)
SELECT id, string_to_array(types, E'\\x1f'), coalesce(string_to_array(nullif(scopes, ''), E'\\x1f'), '{}'),
       created_at, deleted_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
     AS old (id, types, scopes, created_at, deleted_at)
ON CONFLICT (id) DO UPDATE SET types = excluded.types, scopes = excluded.scopes
"""

REMAINS = """
SELECT id, types, scopes, created_at, deleted_at FROM deleted_entity WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE
"""

FORGET_PLACES = """
DELETE FROM place p USING unnest($1::text[], $2::text[]) AS old (entity_id, attribute)
WHERE p.entity_id = old.entity_id AND p.attribute = old.attribute
"""

INSERT_PLACES = """
INSERT INTO place (entity_id, attribute, dataset, area, geometry)
SELECT entity_id, attribute, dataset, box(point(west, south), point(east, north)), geometry
FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::bytea[])
     AS new (entity_id, attribute, dataset, west, south, east, north, geometry)
"""


def row(record: Any) -> StoredEntity:
    """A record of the columns above as a struct."""
    return StoredEntity(record[0], tuple(record[1]), tuple(record[2]), record[3], record[4], record[5])


async def lock(connection: asyncpg.Connection, ids: Iterable[str]) -> dict[str, StoredEntity]:
    """The rows that exist of these ids, locked until the transaction ends."""
    return {record[0]: row(record) for record in await connection.fetch(LOCK, list(ids))}


async def read(connection: asyncpg.Connection | asyncpg.Pool, ids: Iterable[str]) -> dict[str, StoredEntity]:
    """The rows that exist of these ids."""
    return {record[0]: row(record) for record in await connection.fetch(READ, list(ids))}


def columns(entities: Sequence[StoredEntity]) -> tuple[list[Any], ...]:
    """The parameters of INSERT and UPDATE."""
    return (
        [e.id for e in entities],
        [_SEPARATOR.join(e.types) for e in entities],
        [_SEPARATOR.join(e.scopes) for e in entities],
        [e.attributes for e in entities],
        [e.created_at for e in entities],
        [e.modified_at for e in entities],
        [e.facts for e in entities],
    )


async def insert(connection: asyncpg.Connection, entities: Sequence[StoredEntity]) -> None:
    """Write new rows. Raises asyncpg.UniqueViolationError if an id is there meanwhile."""
    if entities:
        await connection.execute(INSERT, *columns(entities))


async def update(connection: asyncpg.Connection, entities: Sequence[StoredEntity]) -> None:
    """Write the whole of rows that are locked."""
    if entities:
        await connection.execute(UPDATE, *columns(entities))


_FILLED_AT_ONCE = 1_000


async def fill_facts(connection: asyncpg.Connection) -> None:
    """Work out the facts of every entity, as when the rules by which they are made are new."""
    last = ""
    while records := await connection.fetch(
        "SELECT id, scopes, attributes FROM entity WHERE id > $1 ORDER BY id LIMIT $2", last, _FILLED_AT_ONCE
    ):
        last = records[-1][0]
        await connection.execute(
            "UPDATE entity e SET facts = new.facts::integer[] FROM unnest($1::text[], $2::text[]) AS new (id, facts) "
            "WHERE e.id = new.id",
            [record[0] for record in records],
            [facts.as_array(facts.of_entity(record[1], _decode_attributes(record[2]))) for record in records],
        )
    await connection.execute("SELECT gin_clean_pending_list('entity_facts')")
    await connection.execute("ANALYZE entity")


async def delete(connection: asyncpg.Connection, remains: Sequence[Remains]) -> None:
    """Delete rows that are locked, and keep what remains to be known of them."""
    if remains:
        await connection.execute(
            DELETE,
            [r.id for r in remains],
            [_SEPARATOR.join(r.types) for r in remains],
            [_SEPARATOR.join(r.scopes) for r in remains],
            [r.created_at for r in remains],
            [r.deleted_at for r in remains],
        )


async def erase(connection: asyncpg.Connection, ids: Collection[str]) -> None:
    """Delete rows that are locked, and what remains of deleted entities."""
    for table in ("entity", "deleted_entity") if ids else ():
        await connection.execute(f"DELETE FROM {table} WHERE id = ANY($1::text[])", list(ids))


async def remains(connection: asyncpg.Connection, ids: Iterable[str]) -> dict[str, Remains]:
    """Those of these entities that were deleted; their rows are locked until the transaction ends."""
    return {
        record[0]: Remains(record[0], tuple(record[1]), tuple(record[2]), record[3], record[4])
        for record in await connection.fetch(REMAINS, list(ids))
    }


_FINEST = 1e-12  # degrees: a ten-thousandth of a millimetre


def _indexable(bounds: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """The bounds, widened where a number is so near to zero that PostgreSQL, which multiplies sides of boxes to keep
    its index in shape, would refuse this row or any that comes after it ("value out of range: underflow").

    Numbers further from zero lie so far apart that the product of their differences is always a number.
    """
    if min(map(abs, bounds)) >= _FINEST:
        return bounds
    west, south, east, north = bounds
    return _lower(west), _lower(south), -_lower(-east), -_lower(-north)


def _lower(number: float) -> float:
    if abs(number) >= _FINEST:
        return number
    return -_FINEST if number < 0 else 0.0


async def replace_places(
    connection: asyncpg.Connection, forget: Sequence[tuple[str, str]], places: Sequence[Place]
) -> None:
    """Forget all geometries of (entity, attribute) pairs, then write these."""
    if forget:
        await connection.execute(FORGET_PLACES, [f[0] for f in forget], [f[1] for f in forget])
    if places:
        bounds = [_indexable(p.bounds) for p in places]
        await connection.execute(
            INSERT_PLACES,
            [p.entity_id for p in places],
            [p.attribute for p in places],
            [p.dataset for p in places],
            *([b[i] for b in bounds] for i in range(4)),
            [p.geometry for p in places],
        )
