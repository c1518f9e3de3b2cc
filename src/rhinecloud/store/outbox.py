"""Changes to be told, in the order of their ids, and how far each reader has come.

Ids come from a sequence, so a transaction that commits late leaves a gap that fills afterwards. A gap is settled once
every transaction that was running when it was first seen has ended: `pg_snapshot_xmin` has reached a transaction id
that was drawn at that moment, the fence. (`pg_snapshot_xmax` is no fence: it is one more than the newest transaction
that has *ended*, so that one which runs may lie beyond it.) What is missing then was rolled back. Changes are told
strictly in the order of ids, and never past an unsettled gap: hence nothing is skipped, and two changes of one entity,
whose ids were drawn under its row lock, are never told in the wrong order (see docs/decisions/0003-outbox-order.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import asyncpg
import msgspec

from .entities import rfc3339

_AFTER = """
SELECT id, at, change, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin
FROM outbox WHERE id > $1 ORDER BY id LIMIT $2
"""

_FENCE = "SELECT pg_current_xact_id()::text::bigint"

_TOLD = "SELECT id, at, change FROM outbox WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3"


class OutboxRow(msgspec.Struct, frozen=True):
    """One change: its id, the moment it was written (RFC 3339), its JSON."""

    id: int
    at: str
    change: bytes


class Gap(msgspec.Struct, frozen=True):
    """An id that is missing after `after`; who may still fill it has a transaction id below `fence`."""

    after: int
    fence: int


def settled_run(ids: Sequence[int], last: int, gap: Gap | None, *, xmin: int) -> tuple[int, int | None]:
    """How many of `ids` (ascending, all > last) may be told now, and the id behind which one is still missing.

    `gap` is the one at which reading stopped before; `xmin` belongs to the snapshot in which `ids` were read.
    """
    for count, identity in enumerate(ids):
        if identity != last + 1 and (gap is None or gap.after != last or xmin < gap.fence):
            return count, last
        last = identity
    return len(ids), None


async def read_settled(
    connection: asyncpg.Connection, last: int, gap: Gap | None, limit: int
) -> tuple[list[OutboxRow], Gap | None]:
    """The next changes that may be told after `last`, at most `limit`, and the gap at which reading stopped.

    Not inside a transaction: each statement needs a snapshot of its own, and the fence must end at once.
    """
    records = await connection.fetch(_AFTER, last, limit)
    if not records:
        return [], None
    count, missing_after = settled_run([r["id"] for r in records], last, gap, xmin=records[0]["xmin"])
    if missing_after is None:
        gap = None
    elif gap is None or gap.after != missing_after:
        gap = Gap(missing_after, await connection.fetchval(_FENCE))
    return [_row(r) for r in records[:count]], gap


async def read_told(
    connection: asyncpg.Connection | asyncpg.Pool, last: int, until: int, limit: int
) -> list[OutboxRow]:
    """Changes after `last` up to `until`, a position the relay has passed, at most `limit`."""
    return [_row(r) for r in await connection.fetch(_TOLD, last, until, limit)]


def _row(record: asyncpg.Record) -> OutboxRow:
    return OutboxRow(record["id"], rfc3339(record["at"]), record["change"])


async def position(connection: asyncpg.Connection | asyncpg.Pool, reader: str) -> int | None:
    """The last change id that the reader has done with, None if it never read."""
    found: int | None = await connection.fetchval("SELECT change_id FROM position WHERE reader = $1", reader)
    return found


async def advance(connection: asyncpg.Connection | asyncpg.Pool, reader: str, change_id: int) -> None:
    """Record how far a reader has come; never backwards."""
    await connection.execute(
        """
        INSERT INTO position (reader, change_id) VALUES ($1, $2)
        ON CONFLICT (reader) DO UPDATE SET change_id = greatest(position.change_id, $2), at = now()
        """,
        reader,
        change_id,
    )


async def untold_before(connection: asyncpg.Connection, told: int, day: date) -> bool:
    """Whether a change older than `day` still waits to be told: then nothing may be forgotten."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE id > $1 AND at < $2::date)", told, day
    )
    return found


async def forget_default(connection: asyncpg.Connection, day: date) -> None:
    """Forget what is older than `day` and lies in no partition of its own."""
    await connection.execute("DELETE FROM outbox_default WHERE at < $1::date", day)
