"""Changes to be told, in the order of their ids, and how far each reader has come.

Ids come from a sequence, so a transaction that commits late leaves a gap that fills afterwards. A gap is settled once
every transaction that was running when it was first seen has ended: `pg_snapshot_xmin` has reached a transaction id
that was drawn at that moment, the fence. (`pg_snapshot_xmax` is no fence: it is one more than the newest transaction
that has *ended*, so that one which runs may lie beyond it.) What is missing then was rolled back. Changes are told
strictly in the order of ids, and never past an unsettled gap: hence nothing is skipped, and two changes of one entity,
whose ids were drawn under its row lock, are never told in the wrong order (see docs/decisions/0003-outbox-order.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


async def forget_readers(connection: asyncpg.Connection, beginning: str) -> None:
    """Forget how far the readers came whose names begin so."""
    await connection.execute("DELETE FROM position WHERE starts_with(reader, $1)", beginning)


async def untold_before(connection: asyncpg.Connection, told: int, day: date) -> bool:
    """Whether a change older than `day` still waits to be told: then nothing may be forgotten."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE id > $1 AND at < $2::date)", told, day
    )
    return found


async def forget_default(connection: asyncpg.Connection, day: date) -> None:
    """Forget what is older than `day` and lies in no partition of its own."""
    await connection.execute("DELETE FROM outbox_default WHERE at < $1::date", day)


# Forgetting a person ---------------------------------------------------------------------------------------

_PORTION = 20_000  # change ids that one statement looks through
_JSON = "convert_from(change, 'UTF8')::jsonb"
_NAMING = f"""
SELECT DISTINCT c ->> 'entityId'
FROM (SELECT {_JSON} AS c FROM outbox WHERE id > $1 AND id <= $2) AS told,
     unnest(ARRAY[c #> ARRAY['entity', 'attributes', $4], c #> ARRAY['old', $4]]) AS instances,
     jsonb_array_elements(CASE jsonb_typeof(instances) WHEN 'array' THEN instances ELSE '[]' END) AS instance,
     unnest(ARRAY['value', 'object']) AS m (name)
WHERE c -> 'types' ? $3 AND lower(instance ->> m.name) = ANY($5::text[])
"""
_ABOUT = f"SELECT id, at, change FROM outbox WHERE id > $1 AND id <= $2 AND {_JSON} ->> 'entityId' = ANY($3::text[])"


async def bounds(connection: asyncpg.Connection | asyncpg.Pool) -> tuple[int, int]:
    """The ids of the oldest and the newest change that there are; (0, 0) if there is none."""
    record = await connection.fetchrow("SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM outbox")
    return record[0], record[1]


async def naming(
    pool: asyncpg.Pool, entity_type: str, attribute: str, values: Sequence[str]
) -> dict[str, None]:
    """Ids of the entities of a type that changes say one of these values of an attribute of (small and capital letters
    are the same), also where neither the graph nor the history knows it any more."""
    found: dict[str, None] = {}
    wanted = [value.lower() for value in values]
    oldest, newest = await bounds(pool)
    for after in range(oldest - 1, newest, _PORTION):
        records = await pool.fetch(_NAMING, after, after + _PORTION, entity_type, attribute, wanted)
        found |= dict.fromkeys(record[0] for record in records)
    return found


async def rewrite_about(
    pool: asyncpg.Pool, ids: Sequence[str], rewritten: Callable[[OutboxRow], bytes | None]
) -> int:
    """Put what `rewritten` makes of them in the place of all changes of these entities, and let go those for which it
    returns None; how many were touched. Readers take the gaps for what was rolled back."""
    count = 0
    oldest, newest = await bounds(pool)
    for after in range(oldest - 1, newest, _PORTION):
        async with pool.acquire() as connection, connection.transaction():
            rows = [_row(r) for r in await connection.fetch(_ABOUT, after, after + _PORTION, list(ids))]
            new = {row.id: rewritten(row) for row in rows}
            gone = [number for number, change in new.items() if change is None]
            changed = [(row.id, new[row.id]) for row in rows if new[row.id] not in (None, row.change)]
            await connection.execute("DELETE FROM outbox WHERE id = ANY($1::bigint[])", gone)
            await connection.executemany("UPDATE outbox SET change = $2 WHERE id = $1", changed)
            count += len(gone) + len(changed)
    return count
