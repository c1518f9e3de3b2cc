"""What is known of jobs: the tables of the queue, read for pages, commands and health."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import asyncpg
import msgspec

State = Literal["waiting", "running", "dead"]
_STATUS: dict[str, str] = {"waiting": "queued", "running": "picked", "dead": "failed"}
_STATE: dict[str, State] = {"queued": "waiting", "picked": "running", "failed": "dead"}

_LIST = """
SELECT q.id, q.entrypoint, q.status::text, q.attempts, q.created, q.execute_after, q.updated, q.payload,
       q.dedupe_key, l.created AS failed_at, l.traceback
  FROM pgqueuer q
  LEFT JOIN LATERAL (
       SELECT created, traceback::text FROM pgqueuer_log
        WHERE job_id = q.id AND traceback IS NOT NULL ORDER BY created DESC, id DESC LIMIT 1
  ) l ON true
 WHERE ($1::text IS NULL OR q.status::text = $1) AND ($2::bigint IS NULL OR q.id < $2)
   AND ($4::text IS NULL OR q.entrypoint = $4) AND ($5::bigint IS NULL OR q.id = $5)
 ORDER BY q.id DESC LIMIT $3
"""

# Starts since the job was last queued: each but the newest ended without a word, with its worker.
_STARTS = """
SELECT count(*) FROM pgqueuer_log
 WHERE job_id = $1 AND status = 'picked'
   AND id > coalesce((SELECT max(id) FROM pgqueuer_log WHERE job_id = $1 AND status = 'queued'), 0)
"""

_HEALTH = """
SELECT (SELECT count(*) FROM pgqueuer WHERE status = 'queued') AS waiting,
       (SELECT count(*) FROM pgqueuer WHERE status = 'picked') AS running,
       (SELECT count(*) FROM pgqueuer WHERE status = 'failed') AS dead,
       (SELECT extract(epoch FROM now() - min(execute_after)) FROM pgqueuer
         WHERE status = 'queued' AND execute_after <= now()) AS overdue,
       (SELECT count(*) FROM pgqueuer_log
         WHERE status = 'successful' AND created > now() - interval '1 hour') AS done
"""

_FORGET = (
    "DELETE FROM pgqueuer_log l WHERE created < now() - $1::interval"
    " AND NOT EXISTS (SELECT FROM pgqueuer q WHERE q.id = l.job_id)"
)


_DEAD = "SELECT count(*), min(updated) FROM pgqueuer WHERE status = 'failed'"


class NotDead(Exception):
    """There is no dead job of this id: it was run again or given up already, or it never was."""


class JobRecord(msgspec.Struct, frozen=True):
    """A job that waits, runs or is dead.

    `attempts` are those that failed. `payload` is JSON as it was queued. `reason` is what the last failure said, and
    `trace` where it happened; both None while nothing failed. Times are UTC.
    """

    id: int
    name: str
    state: State
    attempts: int
    created_at: datetime
    due_at: datetime
    changed_at: datetime
    payload: str
    key: str | None
    failed_at: datetime | None
    reason: str | None
    trace: str | None


class Schedule(msgspec.Struct, frozen=True):
    """A timed job: its cron expression, when it was last queued, and when it is due next (UTC)."""

    name: str
    cron: str
    queued_at: datetime | None
    next_at: datetime


async def browse(
    connection: asyncpg.Pool | asyncpg.Connection,
    *,
    state: State | None,
    name: str | None,
    before: int | None,
    limit: int,
    job: int | None = None,
) -> list[JobRecord]:
    """Jobs, newest first; those with an id below `before`."""
    status = _STATUS[state] if state is not None else None
    return [_record(row) for row in await connection.fetch(_LIST, status, before, limit, name, job)]


def _record(row: asyncpg.Record) -> JobRecord:
    trace: dict[str, Any] = msgspec.json.decode(row["traceback"]) if row["traceback"] else {}
    reason = trace.get("exception_message")
    if reason is not None and trace.get("exception_type") not in _SPEAKING:
        reason = f"{trace.get('exception_type')}: {reason}"
    return JobRecord(
        id=row["id"],
        name=row["entrypoint"],
        state=_STATE[row["status"]],
        attempts=row["attempts"] + (row["status"] == "failed"),
        created_at=row["created"],
        due_at=row["execute_after"],
        changed_at=row["updated"],
        payload=bytes(row["payload"] or b"null").decode("utf-8", "replace"),
        key=row["dedupe_key"] and row["dedupe_key"].removeprefix(f"{row['entrypoint']}:"),
        failed_at=row["failed_at"],
        reason=reason,
        trace=trace.get("traceback"),
    )


# Exceptions whose message says all there is to say.
_SPEAKING = ("RetryRequested", "GiveUp", "Later")


async def starts(pool: asyncpg.Pool, job: int) -> int:
    """How often a job was begun since it was last queued: more than once if workers ended with it."""
    return int(await pool.fetchval(_STARTS, job))


async def figures(pool: asyncpg.Pool) -> dict[str, Any]:
    """Figures for health: counts by state, and for how long the job that waits longest has been due (seconds)."""
    row = await pool.fetchrow(_HEALTH)
    return {
        "waiting": row["waiting"],
        "running": row["running"],
        "dead": row["dead"],
        "done_last_hour": row["done"],
        "overdue_seconds": round(float(row["overdue"] or 0), 1),
    }


async def remove_dead(connection: asyncpg.Connection, job: int) -> None:
    """Delete a dead job. Raises NotDead."""
    found = await connection.fetchval(
        "DELETE FROM pgqueuer WHERE id = $1 AND status = 'failed' RETURNING id", job
    )
    if found is None:
        raise NotDead(f"there is no dead job {job}")


async def give_back(pool: asyncpg.Pool, jobs: Sequence[int]) -> None:
    """Take back the attempt of jobs that were interrupted by the end of their worker: nothing failed."""
    await pool.execute(
        "UPDATE pgqueuer SET attempts = greatest(0, attempts - 1) WHERE id = ANY($1::bigint[])", list(jobs)
    )


async def remove_named(connection: asyncpg.Connection, prefix: str) -> int:
    """Delete the jobs and schedules whose names begin so, in the caller's transaction; returns how many jobs."""
    await connection.execute("DELETE FROM job_schedule WHERE starts_with(name, $1)", prefix)
    removed = await connection.fetch(
        "DELETE FROM pgqueuer WHERE starts_with(entrypoint, $1) RETURNING id", prefix
    )
    return len(removed)


async def forget(pool: asyncpg.Pool, age: timedelta) -> None:
    """Delete what is told of jobs that ended longer ago than `age`. Dead jobs keep theirs."""
    await pool.execute(_FORGET, age)


async def dead(pool: asyncpg.Pool) -> tuple[int, datetime | None]:
    """How many jobs failed for good, and when the first of them did."""
    count, since = await pool.fetchrow(_DEAD)
    return count, since
