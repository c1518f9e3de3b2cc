"""Gaps of durable watches: what the outbox forgot before a reader came that far, recorded as it is forgotten."""

from __future__ import annotations

from datetime import date

import asyncpg
import msgspec

from .entities import rfc3339


class Missing(msgspec.Struct, frozen=True):
    """Changes that a watch will not be told: the first and the last id, and since when that is known (RFC 3339)."""

    first: int
    last: int
    at: str


_RECORD = """
INSERT INTO watch_gap (reader, first_change, last_change)
SELECT p.reader, p.change_id + 1, forgotten.last
FROM position p, (SELECT max(id) AS last FROM outbox WHERE at < $1::date) AS forgotten
WHERE p.change_id < forgotten.last
ON CONFLICT (reader) WHERE told_at IS NULL
DO UPDATE SET last_change = greatest(watch_gap.last_change, excluded.last_change), recorded_at = now()
"""


async def record(connection: asyncpg.Connection, day: date) -> None:
    """Record what readers miss once the outbox has forgotten what is older than `day`. A reader whose gap was not told
    yet has one that grows."""
    await connection.execute(_RECORD, day)


async def of(connection: asyncpg.Connection | asyncpg.Pool, reader: str) -> Missing | None:
    """What a reader misses and was not told yet."""
    record = await connection.fetchrow(
        "SELECT first_change, last_change, recorded_at FROM watch_gap WHERE reader = $1 AND told_at IS NULL",
        reader,
    )
    return None if record is None else Missing(record[0], record[1], rfc3339(record[2]))


async def told(connection: asyncpg.Connection | asyncpg.Pool, reader: str, missing: Missing) -> None:
    """The reader knows; what was forgotten meanwhile it has still to be told."""
    await connection.execute(
        "UPDATE watch_gap SET told_at = now() WHERE reader = $1 AND told_at IS NULL AND last_change = $2",
        reader,
        missing.last,
    )


async def forget(connection: asyncpg.Connection, *, days: int) -> None:
    """Forget gaps that were told so long ago."""
    await connection.execute("DELETE FROM watch_gap WHERE told_at < now() - make_interval(days => $1)", days)


async def forget_readers(connection: asyncpg.Connection, beginning: str) -> None:
    """Forget the gaps of readers whose names begin so."""
    await connection.execute("DELETE FROM watch_gap WHERE starts_with(reader, $1)", beginning)
