"""Wanted states of devices: rows. What becomes of them is decided above; here they are locked, read and written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg
import msgspec

Connection: TypeAlias = "asyncpg.Connection | asyncpg.Pool"

COLUMNS = (
    "device", "version", "wanted", "state", "actor", "created_at", "sent_at", "sends", "attempts", "listening",
    "heard", "next_at", "due_at", "ended_at", "detail",
)  # fmt: skip
_COLUMNS = ", ".join(COLUMNS)
_OF_WANTED = ", ".join(f"wanted.{name}" for name in COLUMNS)

_WRITE = """
UPDATE wanted SET state = new.state, sent_at = new.sent_at, sends = new.sends, attempts = new.attempts,
       listening = new.listening, heard = new.heard, next_at = new.next_at, ended_at = new.ended_at,
       detail = new.detail
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::integer[], $6::integer[], $7::boolean[],
              $8::boolean[], $9::timestamptz[], $10::timestamptz[], $11::jsonb[])
       AS new (device, version, state, sent_at, sends, attempts, listening, heard, next_at, ended_at, detail)
 WHERE wanted.device = new.device AND wanted.version = new.version
"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `wanted`."""

    device: str
    version: int
    wanted: dict[str, Any]
    state: str
    actor: str
    created_at: datetime
    sent_at: datetime | None
    sends: int
    attempts: int
    listening: bool
    heard: bool
    next_at: datetime
    due_at: datetime
    ended_at: datetime | None
    detail: dict[str, Any]


class DueRow(msgspec.Struct, frozen=True):
    """A row whose turn it is, with what one needs to know of its device."""

    row: Row
    type: str
    profile: str
    detail: dict[str, Any]


async def last_version(connection: asyncpg.Connection, device: str) -> int | None:
    """The newest version that was drawn for a device, which is locked until the end; None if there is no device."""
    found: int | None = await connection.fetchval(
        "SELECT version FROM device WHERE id = $1 FOR UPDATE", device
    )
    return found


async def insert(connection: asyncpg.Connection, row: Row) -> None:
    """Write a new row, and that its version was drawn."""
    await connection.execute("UPDATE device SET version = $2 WHERE id = $1", row.device, row.version)
    await connection.execute(
        """
        INSERT INTO wanted (device, version, wanted, state, actor, created_at, next_at, due_at, detail)
        VALUES ($1, $2, $3::jsonb, $4, $5, $6, $7, $8, $9::jsonb)
        """,
        row.device,
        row.version,
        _json(row.wanted),
        row.state,
        row.actor,
        row.created_at,
        row.next_at,
        row.due_at,
        _json(row.detail),
    )


async def write(connection: asyncpg.Connection, rows: Sequence[Row]) -> None:
    """Write what can change of rows that are locked."""
    await connection.execute(
        _WRITE,
        [row.device for row in rows],
        [row.version for row in rows],
        [row.state for row in rows],
        [row.sent_at for row in rows],
        [row.sends for row in rows],
        [row.attempts for row in rows],
        [row.listening for row in rows],
        [row.heard for row in rows],
        [row.next_at for row in rows],
        [row.ended_at for row in rows],
        [_json(row.detail) for row in rows],
    )


async def lock_open(connection: asyncpg.Connection, devices: Sequence[str]) -> list[Row]:
    """The open rows of some devices, which nobody else changes until this transaction ends."""
    found = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM wanted WHERE device = ANY($1::text[]) AND ended_at IS NULL
         ORDER BY device FOR UPDATE
        """,
        list(devices),
    )
    return [_row(record) for record in found]


async def latest(connection: Connection, devices: Sequence[str]) -> list[Row]:
    """The newest row of each of these devices that has any."""
    found = await connection.fetch(
        f"""
        SELECT DISTINCT ON (device) {_COLUMNS} FROM wanted WHERE device = ANY($1::text[])
         ORDER BY device, version DESC
        """,
        list(devices),
    )
    return [_row(record) for record in found]


async def unheard(connection: Connection) -> set[str]:
    """Devices of which something is wanted, and which said nothing since the last attempt."""
    return {
        row[0]
        for row in await connection.fetch("SELECT device FROM wanted WHERE ended_at IS NULL AND NOT heard")
    }


async def lock_one(connection: asyncpg.Connection, device: str, version: int) -> Row | None:
    """One row, open or not."""
    record = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM wanted WHERE device = $1 AND version = $2 FOR UPDATE", device, version
    )
    return None if record is None else _row(record)


async def lock_due(connection: asyncpg.Connection, now: datetime, most: int) -> list[DueRow]:
    """The open rows whose turn it is, the longest waiting first; locked in the order that everybody locks in."""
    found = await connection.fetch(
        f"""
        WITH due AS (
            SELECT device, version FROM wanted WHERE ended_at IS NULL AND next_at <= $1 ORDER BY next_at LIMIT $2
        )
        SELECT {_OF_WANTED}, device.type, device.profile, device.detail AS about
          FROM due JOIN wanted USING (device, version) JOIN device ON device.id = wanted.device
         WHERE wanted.ended_at IS NULL AND wanted.next_at <= $1
         ORDER BY wanted.device FOR UPDATE OF wanted
        """,
        now,
        most,
    )
    return [
        DueRow(_row(record), record["type"], record["profile"], msgspec.json.decode(record["about"]))
        for record in found
    ]


async def next_turn(connection: Connection) -> datetime | None:
    """When the next open row has its turn."""
    found: datetime | None = await connection.fetchval(
        "SELECT min(next_at) FROM wanted WHERE ended_at IS NULL"
    )
    return found


async def page(connection: Connection, device: str, before: int | None, limit: int) -> list[Row]:
    """The rows of a device, newest first, those with versions below `before`."""
    found = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM wanted WHERE device = $1 AND ($2::bigint IS NULL OR version < $2)
         ORDER BY version DESC LIMIT $3
        """,
        device,
        before,
        limit,
    )
    return [_row(record) for record in found]


async def read(connection: Connection, device: str, version: int) -> Row | None:
    """One row."""
    record = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM wanted WHERE device = $1 AND version = $2", device, version
    )
    return None if record is None else _row(record)


async def figures(connection: Connection) -> dict[str, int]:
    """How many rows are in each state that is not the end, and how many ended unconfirmed within a day."""
    found = await connection.fetch(
        """
        SELECT state, count(*) FROM wanted
         WHERE ended_at IS NULL OR (state IN ('failed', 'timed_out') AND ended_at > now() - interval '1 day')
         GROUP BY state
        """
    )
    return {record[0]: record[1] for record in found}


async def forget(connection: Connection, *, days: int) -> None:
    """Forget rows that ended so many days ago."""
    await connection.execute("DELETE FROM wanted WHERE ended_at < now() - make_interval(days => $1)", days)


def _row(record: asyncpg.Record) -> Row:
    members = {name: record[name] for name in COLUMNS}
    members["wanted"] = msgspec.json.decode(members["wanted"])
    members["detail"] = msgspec.json.decode(members["detail"])
    return Row(**members)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
