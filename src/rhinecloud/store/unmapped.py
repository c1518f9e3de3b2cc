"""Messages that could not be mapped: read, found in groups, locked for another attempt, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from .intake import UnmappedMessage, cause_of, storable

_COLUMNS = "id, arrived, source, topic, payload, kind, reason, profile, device, tried_at, tries, delivery"

# Each group by its index alone; the texts come from its newest message.
_GROUPS = """
WITH found AS (
    SELECT kind, profile, pattern, cause, count(*) AS count, min(id) AS oldest, max(id) AS newest
    FROM unmapped GROUP BY kind, profile, pattern, cause
    ORDER BY newest DESC LIMIT $1
)
SELECT found.kind, found.profile, found.pattern AS topic, new.reason, found.count,
       old.arrived AS first, new.arrived AS newest, new.id AS newest_id
FROM found JOIN unmapped old ON old.id = found.oldest JOIN unmapped new ON new.id = found.newest
ORDER BY found.newest DESC
"""


class Kept(msgspec.Struct, frozen=True):
    """A message that was kept. `arrived` is when it came in, `tried_at` when it was last replayed in vain."""

    id: int
    arrived: datetime
    source: str
    topic: str
    payload: bytes
    kind: str
    reason: str
    profile: str  # '' where none has the topic
    device: str | None
    tried_at: datetime | None
    tries: int
    delivery: str | None = None


class Group(msgspec.Struct, frozen=True):
    """Messages of one kind, profile and topic filter, whose reasons differ in names and numbers only.

    `topic` is the MQTT filter of the profile's pattern; of the first level where no profile has the topic.
    """

    kind: str
    profile: str
    topic: str
    reason: str  # of the newest
    count: int
    first: datetime
    newest: datetime
    newest_id: int


class Filter(msgspec.Struct, frozen=True):
    """Which messages; None is any. `topic` is an MQTT topic filter."""

    ids: tuple[int, ...] | None = None
    kind: str | None = None
    profile: str | None = None
    topic: str | None = None
    device: str | None = None


async def groups(pool: asyncpg.Pool, most: int) -> list[Group]:
    """Groups, the one with the newest message first."""
    return [Group(**dict(record)) for record in await pool.fetch(_GROUPS, most)]


async def page(
    connection: asyncpg.Pool | asyncpg.Connection, wanted: Filter, before: int | None, limit: int
) -> list[Kept]:
    """Newest first, ids smaller than `before`."""
    where, values = _where(wanted)
    if before is not None:
        values.append(before)
        where.append(f"id < ${len(values)}")
    values.append(limit)
    records = await connection.fetch(
        f"SELECT {_COLUMNS} FROM unmapped WHERE {' AND '.join(where) or 'true'} ORDER BY id DESC LIMIT ${len(values)}",
        *values,
    )
    return [Kept(**dict(record)) for record in records]


async def newest(pool: asyncpg.Pool) -> int:
    """The largest id there is."""
    return int(await pool.fetchval("SELECT coalesce(max(id), 0) FROM unmapped"))


async def lock(
    connection: asyncpg.Connection, wanted: Filter, after: int, until: int, limit: int
) -> list[Kept]:
    """Oldest first, after < id <= until; nobody else gets them until the transaction ends, and what others have is
    left to them."""
    where, values = _where(wanted)
    values += [after, until, limit]
    n = len(values)
    where += [f"id > ${n - 2}", f"id <= ${n - 1}"]
    records = await connection.fetch(
        f"SELECT {_COLUMNS} FROM unmapped WHERE {' AND '.join(where)} ORDER BY id LIMIT ${n} FOR UPDATE SKIP LOCKED",
        *values,
    )
    return [Kept(**dict(record)) for record in records]


async def delete(connection: asyncpg.Connection | asyncpg.Pool, ids: Sequence[int]) -> int:
    """Delete messages; how many there were."""
    told = await connection.execute("DELETE FROM unmapped WHERE id = ANY($1::bigint[])", list(ids))
    return int(told.split()[-1])


async def tried(connection: asyncpg.Connection, attempts: Sequence[tuple[int, UnmappedMessage]]) -> None:
    """Remember why messages still cannot be mapped."""
    await connection.execute(
        """
        UPDATE unmapped u SET tried_at = now(), tries = u.tries + 1, kind = new.kind, reason = new.reason,
               cause = new.cause, profile = new.profile, pattern = new.pattern, device = new.device
        FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
             AS new (id, kind, reason, cause, profile, pattern, device)
        WHERE u.id = new.id
        """,
        [number for number, _ in attempts],
        [one.kind for _, one in attempts],
        [storable(one.reason) for _, one in attempts],
        [cause_of(one.reason) for _, one in attempts],
        [one.profile for _, one in attempts],
        [storable(one.pattern) for _, one in attempts],
        [None if one.device is None else storable(one.device) for _, one in attempts],
    )


async def forget(connection: asyncpg.Connection, *, days: int, most: int = 10_000) -> int:
    """Delete what was kept for so many days, at most so many messages; how many there were."""
    told = await connection.execute(
        """
        DELETE FROM unmapped WHERE id IN (
            SELECT id FROM unmapped WHERE at < now() - make_interval(days => $1) ORDER BY id LIMIT $2)
        """,
        days,
        most,
    )
    return int(told.split()[-1])


def _where(wanted: Filter) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    for column in ("kind", "profile", "device"):
        value = getattr(wanted, column)
        if value is not None:
            values.append(value)
            where.append(f"{column} = ${len(values)}")
    if wanted.ids is not None:
        values.append(list(wanted.ids))
        where.append(f"id = ANY(${len(values)}::bigint[])")
    if wanted.topic is not None:
        values.append(_expression(wanted.topic))
        where.append(f"topic ~ ${len(values)}")
    return where, values


def _expression(topic_filter: str) -> str:
    """The regular expression of an MQTT topic filter (MQTT 3.1.1 §4.7); `a/#` has `a` as well."""
    parts = topic_filter.split("/")
    rest = parts[-1] == "#"
    levels = [
        "[^/]*" if part == "+" else "".join(f"\\{c}" if not c.isalnum() and c.isascii() else c for c in part)
        for part in (parts[:-1] if rest else parts)
    ]
    if not rest:
        return f"^{'/'.join(levels)}$"
    return f"^{'/'.join(levels)}(/|$)" if levels else "^"
