"""What comes in from outside: deliveries that were applied, and messages that could not be mapped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

_REMEMBER = """
INSERT INTO delivery (id) SELECT id FROM unnest($1::text[]) AS new (id) ORDER BY id
ON CONFLICT DO NOTHING RETURNING id
"""

_KEEP = """
INSERT INTO unmapped (source, topic, payload, reason, delivery) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (delivery) DO NOTHING
"""


async def remember(connection: asyncpg.Connection, deliveries: Sequence[str]) -> set[str]:
    """Those of the deliveries that are new; they are remembered when the transaction commits."""
    if not deliveries:
        return set()
    return {record[0] for record in await connection.fetch(_REMEMBER, list(deliveries))}


async def disown(connection: asyncpg.Connection, deliveries: Sequence[str]) -> None:
    """Forget deliveries whose operations failed."""
    await connection.execute("DELETE FROM delivery WHERE id = ANY($1::text[])", list(deliveries))


async def forget(connection: asyncpg.Connection | asyncpg.Pool, *, days: int) -> None:
    """Forget deliveries older than so many days: none is repeated after that."""
    await connection.execute("DELETE FROM delivery WHERE at < now() - make_interval(days => $1)", days)


async def keep_unmapped(
    connection: asyncpg.Connection | asyncpg.Pool,
    source: str,
    topic: str,
    payload: bytes,
    reason: str,
    delivery: str | None,
) -> None:
    """Keep a message that could not be mapped, once per delivery."""
    await connection.execute(_KEEP, source, topic, payload, reason, delivery)


async def audit(
    connection: asyncpg.Connection, actor: str, action: str, subject: str, detail: dict[str, Any]
) -> None:
    """Write an audit line."""
    await connection.execute(
        "INSERT INTO audit (actor, action, subject, detail) VALUES ($1, $2, $3, $4::jsonb)",
        actor,
        action,
        subject,
        msgspec.json.encode(detail).decode(),
    )
