"""Requests of people for their data (Art. 15 to 18, 20, 21 GDPR), as rows. Who it was is known until one is closed."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import asyncpg
import msgspec

from .register import Person

Kind = Literal["access", "export", "correction", "erasure", "restriction", "objection"]
KINDS: Final[tuple[Kind, ...]] = (
    "access",
    "export",
    "correction",
    "erasure",
    "restriction",
    "objection",
)
Decided = Literal["restriction", "objection"]
DECIDED: Final[tuple[Decided, ...]] = ("restriction", "objection")
"""What people decide: nothing is carried out by itself (Art. 18 and 21 GDPR)."""


class Request(msgspec.Struct, frozen=True):
    """Somebody's request. `words`: what they say about it; `identity`: how staff made sure who asks."""

    id: int
    kind: Kind
    opened_at: datetime
    opened_by: str
    account: int | None
    mails: tuple[str, ...]
    devices: tuple[str, ...]
    identity: str
    words: str
    closed_at: datetime | None
    counts: dict[str, int] | None

    @property
    def person(self) -> Person:
        """Whose data it is about."""
        return Person(self.account, self.mails, self.devices)


class Waiting(msgspec.Struct, frozen=True):
    """How many requests wait for somebody's answer, and since when the first does. One has a month (Art. 12(3))."""

    count: int
    since: datetime | None


_COLUMNS = "id, kind, opened_at, opened_by, account, mails, devices, identity, words, closed_at, counts::text AS counts"
_SELECT = f"SELECT {_COLUMNS} FROM data_request"
_FORGET_WHO = (
    "UPDATE data_request SET account = NULL, mails = '{}', devices = '{}', identity = '', words = ''"
)


async def add(
    connection: asyncpg.Connection, kind: Kind, person: Person, actor: str, identity: str, words: str = ""
) -> int:
    """Write one down; returns its number."""
    return int(
        await connection.fetchval(
            "INSERT INTO data_request (kind, opened_by, account, mails, devices, identity, words) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
            kind,
            actor,
            person.account,
            person.values("mail"),
            list(person.devices),
            identity,
            words,
        )
    )


async def close(connection: asyncpg.Connection, request: int) -> bool:
    """It is answered; false if it was before."""
    status = await connection.execute(
        f"{_FORGET_WHO}, closed_at = now() WHERE id = $1 AND closed_at IS NULL", request
    )
    return bool(status != "UPDATE 0")


async def close_all(
    connection: asyncpg.Connection, person: Person, request: int | None, counts: str, actor: str
) -> None:
    """Whoever was erased asks for nothing any more; `counts` (JSON) says what was erased."""
    await connection.execute(
        f"{_FORGET_WHO}, opened_by = $4, closed_at = coalesce(closed_at, now()), counts = $3::jsonb "
        "WHERE account = $1 OR mails && $2::text[] OR id = $5",
        person.account,
        person.values("mail"),
        counts,
        actor,
        request,
    )


async def one(pool: asyncpg.Pool, request: int) -> Request | None:
    """A request, or None."""
    record = await pool.fetchrow(f"{_SELECT} WHERE id = $1", request)
    return _request(record) if record is not None else None


async def page(pool: asyncpg.Pool, before: int | None, limit: int) -> list[Request]:
    """Requests, the newest first; those with a number below `before`."""
    records = await pool.fetch(
        f"{_SELECT} WHERE $1::bigint IS NULL OR id < $1 ORDER BY id DESC LIMIT $2", before, limit
    )
    return [_request(record) for record in records]


async def waiting(pool: asyncpg.Pool) -> Waiting:
    """Those that somebody has to answer: all that no job carries out."""
    record = await pool.fetchrow(
        "SELECT count(*), min(opened_at) FROM data_request "
        "WHERE closed_at IS NULL AND kind NOT IN ('export', 'erasure')"
    )
    return Waiting(*record)


def _request(record: asyncpg.Record) -> Request:
    counts = record["counts"]
    return Request(
        **{
            **record,
            "mails": tuple(record["mails"]),
            "devices": tuple(record["devices"]),
            "counts": msgspec.json.decode(counts, type=dict[str, int]) if counts else None,
        }
    )
