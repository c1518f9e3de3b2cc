"""The bridges to foreign MQTT brokers: their sessions, how they are, and which of their messages are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

_OPEN = """
INSERT INTO bridge (name, client) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING id, client, generation, topics, connected_at
"""

# The newest delivery under each prefix, if it is young enough. Of the unmapped ones there are few in so short a time.
_KNOWN = """
SELECT p.prefix, found.id
  FROM unnest($1::text[]) AS p (prefix)
 CROSS JOIN LATERAL (
    SELECT newest.id
      FROM (SELECT d.id, d.at FROM delivery AS d
             WHERE d.id >= p.prefix COLLATE "C" AND d.id < (p.prefix || '~') COLLATE "C"
             ORDER BY d.id DESC LIMIT 1) AS newest
     WHERE newest.at > $2
    UNION ALL
    SELECT u.delivery FROM unmapped AS u WHERE u.at > $2 AND starts_with(u.delivery, p.prefix)
 ) AS found (id)
"""


class Session(msgspec.Struct, frozen=True):
    """What is known of our session at a foreign broker before it is asked."""

    number: int
    client: str
    generation: int
    topics: tuple[str, ...]
    connected_at: datetime


async def open_session(connection: asyncpg.Connection, name: str, client: str) -> Session:
    """The session of the bridge of this name, made with this client identifier if there is none."""
    record = await connection.fetchrow(_OPEN, name, client)
    number, client, generation, topics, connected_at = record
    return Session(number, client, generation, tuple(topics), connected_at)


async def begin_generation(connection: asyncpg.Connection, number: int) -> int:
    """The foreign broker began a new session: nothing is subscribed in it. Returns its generation."""
    return int(
        await connection.fetchval(
            "UPDATE bridge SET generation = generation + 1, topics = '{}' WHERE id = $1 RETURNING generation",
            number,
        )
    )


async def subscribed(connection: asyncpg.Connection, number: int, topics: Sequence[str]) -> None:
    """Remember what the session is subscribed to."""
    await connection.execute("UPDATE bridge SET topics = $2 WHERE id = $1", number, list(topics))


async def report(
    connection: asyncpg.Connection, number: int, status: Mapping[str, Any], *, connected: bool
) -> None:
    """Say how the bridge is, for every worker to show."""
    await connection.execute(
        "UPDATE bridge SET status = $2::jsonb, reported_at = now(),"
        " connected_at = CASE WHEN $3 THEN now() ELSE connected_at END WHERE id = $1",
        number,
        msgspec.json.encode(status).decode(),
        connected,
    )


async def reports(pool: asyncpg.Pool, names: Sequence[str]) -> dict[str, tuple[dict[str, Any], float]]:
    """What the bridges of these names last said of themselves, and how many seconds ago."""
    records = await pool.fetch(
        "SELECT name, status::text, extract(epoch FROM now() - reported_at)::float8"
        " FROM bridge WHERE name = ANY($1::text[])",
        list(names),
    )
    return {name: (msgspec.json.decode(status), seconds) for name, status, seconds in records}


async def known(pool: asyncpg.Pool, prefixes: Sequence[str], since: datetime) -> dict[str, list[str]]:
    """The newest delivery whose id begins with each prefix, committed or kept among the unmapped since then."""
    found: dict[str, list[str]] = {}
    for prefix, delivery in await pool.fetch(_KNOWN, list(prefixes), since):
        found.setdefault(prefix, []).append(delivery)
    return found
