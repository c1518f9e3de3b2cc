"""The table of mail: what is queued, what is due, what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from .smtp import Verdict

STATES = ("queued", "sent", "delivered", "refused", "expired", "bounced")
_FIRST_PAUSE = 60.0  # seconds
_LONGEST_PAUSE = 3_600.0
_COLUMNS = (
    "id, app, letter, language, recipient, state, attempts, created_at, due_at, give_up_at, sent_at, ended_at, "
    "status, answer"
)


class Record(msgspec.Struct, frozen=True):
    """A message and what became of it.

    `state`: queued; sent (a mail server took it); delivered (somebody reported that); refused (a mail server did not
    take it, for good); expired (none took it in time); bounced (it could not be delivered after all). `status` and
    `answer` are the words of a mail server, `due_at` is when it is tried next.
    """

    id: int
    app: str
    letter: str
    language: str
    recipient: str
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime
    give_up_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None
    status: str | None
    answer: str | None


class Due(msgspec.Struct, frozen=True):
    """A message that is to be sent now."""

    id: int
    token: str
    recipient: str
    message: bytes
    attempts: int


async def add(
    connection: asyncpg.Connection,
    *,
    token: str,
    app: str,
    letter: str,
    language: str,
    recipient: str,
    message: bytes,
    within: timedelta,
) -> int:
    """Queue a message in the caller's transaction; it is given up after `within`."""
    return int(
        await connection.fetchval(
            """
            INSERT INTO mail (token, app, letter, language, recipient, message, give_up_at)
            VALUES ($1, $2, $3, $4, $5, $6, now() + $7) RETURNING id
            """,
            token,
            app,
            letter,
            language,
            recipient,
            message,
            within,
        )
    )


async def due(connection: asyncpg.Connection, limit: int) -> list[Due]:
    """What is to be sent now, the longest due first."""
    records = await connection.fetch(
        """
        SELECT id, token, recipient, message, attempts FROM mail
        WHERE state = 'queued' AND due_at <= now() AND message IS NOT NULL ORDER BY due_at LIMIT $1
        """,
        limit,
    )
    return [Due(**record) for record in records]


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts: a minute, then twice as long each time, at most an hour."""
    return timedelta(seconds=min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, 10)))


async def note(connection: asyncpg.Connection | asyncpg.Pool, message: Due, verdict: Verdict) -> None:
    """Write down what became of an attempt; a report that came first is left as it is."""
    if verdict.kind == "sent":
        await connection.execute(
            """
            UPDATE mail SET state = 'sent', sent_at = now(), message = NULL, attempts = attempts + 1, status = $2,
                answer = $3
            WHERE id = $1 AND state = 'queued'
            """,
            message.id,
            verdict.status,
            verdict.answer,
        )
    elif verdict.kind == "refused":
        await connection.execute(
            """
            UPDATE mail SET state = 'refused', ended_at = now(), attempts = attempts + 1, status = $2, answer = $3
            WHERE id = $1 AND state = 'queued'
            """,
            message.id,
            verdict.status,
            verdict.answer,
        )
    elif verdict.kind == "later":
        await connection.execute(
            """
            UPDATE mail SET attempts = attempts + 1, due_at = now() + $4, status = $2, answer = $3
            WHERE id = $1 AND state = 'queued'
            """,
            message.id,
            verdict.status,
            verdict.answer,
            pause(message.attempts + 1),
        )


async def expire(connection: asyncpg.Connection) -> int:
    """Give up what nobody took in its time; returns how many."""
    return _count(
        await connection.execute(
            "UPDATE mail SET state = 'expired', ended_at = now() WHERE state = 'queued' AND give_up_at <= now()"
        )
    )


async def forget(connection: asyncpg.Connection, days: int) -> int:
    """Drop what ended so many days ago; returns how many."""
    return _count(
        await connection.execute(
            "DELETE FROM mail WHERE state <> 'queued' AND created_at < now() - $1 * interval '1 day' "
            "AND coalesce(ended_at, sent_at) < now() - $1 * interval '1 day'",
            days,
        )
    )


async def report(
    connection: asyncpg.Connection | asyncpg.Pool, token: str, action: str, status: str | None, answer: str
) -> int | None:
    """Write down what a report says about the message with this token; the message's id, or None if there is none."""
    found = await connection.fetchval(
        """
        UPDATE mail SET
            state = CASE WHEN $2 = 'failed' THEN 'bounced'
                         WHEN $2 = 'delivered' AND state IN ('sent', 'queued') THEN 'delivered' ELSE state END,
            ended_at = CASE WHEN $2 IN ('failed', 'delivered') THEN now() ELSE ended_at END,
            message = CASE WHEN $2 IN ('failed', 'delivered') THEN NULL ELSE message END,
            status = coalesce($3, status), answer = $4
        WHERE token = $1 RETURNING id
        """,
        token,
        action,
        status,
        answer,
    )
    return None if found is None else int(found)


async def retry(connection: asyncpg.Connection, message: int, within: timedelta) -> bool:
    """Queue a message again that was refused or expired; false if there is none such, or its text is gone."""
    found = await connection.fetchval(
        """
        UPDATE mail SET state = 'queued', due_at = now(), give_up_at = now() + $2, ended_at = NULL, attempts = 0
        WHERE id = $1 AND state IN ('refused', 'expired') AND message IS NOT NULL RETURNING id
        """,
        message,
        within,
    )
    return found is not None


async def page(
    pool: asyncpg.Pool, states: Sequence[str], recipient: str | None, before: int | None, limit: int
) -> list[Record]:
    """The newest first."""
    records = await pool.fetch(
        f"""
        SELECT {_COLUMNS} FROM mail
        WHERE state = ANY($1) AND ($2::text IS NULL OR lower(recipient) = lower($2)) AND ($3::bigint IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4
        """,
        list(states or STATES),
        recipient,
        before,
        limit,
    )
    return [Record(**record) for record in records]


async def one(pool: asyncpg.Pool, message: int) -> Record | None:
    """A message by its id."""
    record = await pool.fetchrow(f"SELECT {_COLUMNS} FROM mail WHERE id = $1", message)
    return Record(**record) if record is not None else None


async def wait(pool: asyncpg.Pool, answer: str) -> None:
    """Write down why what is due now is not sent; nothing else of it changes."""
    await pool.execute(
        "UPDATE mail SET answer = $1 WHERE state = 'queued' AND due_at <= now() AND answer IS DISTINCT FROM $1",
        answer,
    )


async def figures(pool: asyncpg.Pool) -> dict[str, Any]:
    """How many wait and for how long, why, and how many of the last seven days came to each end."""
    counts: dict[str, Any] = dict.fromkeys(STATES, 0)
    for record in await pool.fetch(
        "SELECT state, count(*) FROM mail WHERE state = 'queued' OR created_at > now() - interval '7 days' GROUP BY 1"
    ):
        counts[record[0]] = record[1]
    oldest = await pool.fetchrow(
        "SELECT extract(epoch FROM now() - due_at) AS lag, answer FROM mail "
        "WHERE state = 'queued' AND due_at <= now() ORDER BY due_at LIMIT 1"
    )
    counts["lag_seconds"] = float(oldest["lag"]) if oldest is not None else 0.0
    if oldest is not None and oldest["answer"]:
        counts["reason"] = oldest["answer"]
    return counts


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])


async def lost(pool: asyncpg.Pool, within: timedelta) -> tuple[int, datetime | None]:
    """How many letters were refused, given up or came back within this time, and when the first of them."""
    count, since = await pool.fetchrow(
        "SELECT count(*), min(ended_at) FROM mail "
        "WHERE state IN ('refused', 'expired', 'bounced') AND ended_at > now() - $1::interval",
        within,
    )
    return count, since
