"""A city's own device profiles."""

from __future__ import annotations

from typing import Any

import asyncpg
import msgspec

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('profiles'), hashtext(current_schema()::text))"
_SAVE = """
INSERT INTO profile (name, document) VALUES ($1, $2::jsonb)
ON CONFLICT (name) DO UPDATE SET document = excluded.document, modified_at = now()
"""


async def all(connection: asyncpg.Connection | asyncpg.Pool) -> dict[str, dict[str, Any]]:
    """Documents by name."""
    records = await connection.fetch("SELECT name, document::text FROM profile ORDER BY name")
    return {record[0]: msgspec.json.decode(record[1]) for record in records}


async def locked(connection: asyncpg.Connection) -> dict[str, dict[str, Any]]:
    """As `all`, while no other transaction changes any of them."""
    await connection.execute(_LOCK)
    return await all(connection)


async def save(connection: asyncpg.Connection, name: str, document: dict[str, Any]) -> None:
    """Make or change one."""
    await connection.execute(_SAVE, name, msgspec.json.encode(document).decode())


async def delete(connection: asyncpg.Connection, name: str) -> None:
    """Delete one."""
    await connection.execute("DELETE FROM profile WHERE name = $1", name)
