"""Rows of the queue, in the transaction of who asks: workers by `Jobs`, and commands, which run no jobs themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
from pgqueuer.queries import Queries


async def enqueue(connection: asyncpg.Connection, name: str, payload: Any = None) -> int:
    """Queue a job in the transaction of `connection` (the city's), from a process that may have no handlers; its id.

    A worker that serves the city begins it after the commit; while none does it waits for the next one.
    """
    (job,) = await insert(connection, name, [msgspec.json.encode(payload)])
    assert job is not None  # without a key nothing is in its way
    return job


async def insert(
    connection: asyncpg.Connection,
    name: str,
    payloads: list[bytes | None],
    *,
    at: datetime | None = None,
    keys: Iterable[str | None] | None = None,
    headers: dict[str, str] | None = None,
) -> list[int | None]:
    """Queue jobs of one name; their ids, None for those whose key waits or runs already."""
    count = len(payloads)
    if not count:
        return []
    wait = timedelta(0)
    if at is not None:
        # The queue counts from the beginning of the transaction, by the database's clock.
        wait = max(wait, at.astimezone(UTC) - await connection.fetchval("SELECT now()"))
    known = [f"{name}:{key}" if key is not None else None for key in keys or [None] * count]
    jobs = await Queries.from_asyncpg_connection(connection).enqueue(
        [name] * count,
        payloads,
        [0] * count,
        [wait] * count,
        known,
        [headers] * count,
        on_conflict="skip",
    )
    return [int(job) if job is not None else None for job in jobs]
