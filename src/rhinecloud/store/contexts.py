"""The @contexts that the broker keeps, and who is fetching which (CIM 009 §5.13)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg
import msgspec

CACHED, HOSTED, IMPLICIT = "Cached", "Hosted", "ImplicitlyCreated"
KINDS = (CACHED, HOSTED, IMPLICIT)

_Connection: TypeAlias = asyncpg.Connection | asyncpg.Pool


class StoredContext(msgspec.Struct, frozen=True):
    """A document {"@context": …} with its local id, the number that changes whenever the document does, and its size in
    characters."""

    id: str
    kind: str
    version: int
    document: Any
    size: int


class Details(msgspec.Struct, frozen=True):
    """What is told about an @context (§5.13.3.5); `bytes` is the size of its document, `problem` why it could not be
    fetched anew."""

    id: str
    kind: str
    url: str | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    hits: int
    bytes: int
    problem: str | None


_STORED = "SELECT id, kind, version, document FROM context"
_DETAILS = """
SELECT id, kind, url, created_at, expires_at, used_at, hits, octet_length(document::text) AS bytes, problem
FROM context
"""
_IMPLICIT = """
INSERT INTO context (kind, document, digest) VALUES ('ImplicitlyCreated', $1::json, $2)
ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest RETURNING id
"""
_CACHE = """
INSERT INTO context (kind, url, document, expires_at) VALUES ('Cached', $1, $2::json, $3)
ON CONFLICT (url) DO UPDATE SET document = excluded.document, expires_at = excluded.expires_at,
    version = CASE WHEN context.document::text = excluded.document::text THEN context.version
              ELSE nextval('context_version') END,
    created_at = now(), problem = NULL
"""
_CLAIM = """
INSERT INTO context_fetch (url, until) VALUES ($1, now() + make_interval(secs => $2))
ON CONFLICT (url) DO UPDATE SET until = excluded.until, problem = NULL
WHERE context_fetch.until < now() OR ($3 AND context_fetch.problem IS NOT NULL)
RETURNING true
"""
# Locked in the order of the ids: two workers that count the same ones must not wait for each other.
_COUNT_HITS = """
WITH locked AS (SELECT id FROM context WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)
UPDATE context SET hits = context.hits + used.hits, used_at = greatest(context.used_at, used.at)
FROM locked JOIN unnest($1::text[], $2::bigint[], $3::timestamptz[]) AS used (id, hits, at) USING (id)
WHERE context.id = locked.id
"""
# What a subscription names is used whenever it tells, without being counted.
_CROWD_OUT = """
WITH named AS (
    SELECT document ->> 'jsonldContext' AS url FROM subscription
    UNION
    SELECT part #>> '{}' FROM subscription, jsonb_path_query(context, '$[*]') AS part
)
DELETE FROM context WHERE id IN (
    SELECT id FROM context
    WHERE kind = 'Cached' AND url <> ALL($2::text[]) AND NOT EXISTS (SELECT 1 FROM named WHERE named.url = context.url)
    ORDER BY coalesce(used_at, created_at) DESC OFFSET $1)
"""
_ORPHANED = """
DELETE FROM context WHERE id = $1 AND kind = 'ImplicitlyCreated'
AND NOT EXISTS (SELECT 1 FROM subscription WHERE right(document ->> 'jsonldContext', 45) = $1)
"""


def _stored(record: asyncpg.Record | None) -> StoredContext | None:
    if record is None:
        return None
    return StoredContext(record[0], record[1], record[2], msgspec.json.decode(record[3]), len(record[3]))


def _details(record: asyncpg.Record) -> Details:
    return Details(*record)


def _json(document: Any) -> str:
    return msgspec.json.encode(document).decode()


async def by_url(connection: _Connection, url: str) -> StoredContext | None:
    """The Cached @context that came from a URL."""
    return _stored(await connection.fetchrow(f"{_STORED} WHERE url = $1", url))


async def by_id(connection: _Connection, local_id: str) -> StoredContext | None:
    """The @context of a local id."""
    return _stored(await connection.fetchrow(f"{_STORED} WHERE id = $1", local_id))


async def versions(connection: _Connection, ids: Sequence[str]) -> dict[str, int]:
    """The version of each of these that there is."""
    records = await connection.fetch("SELECT id, version FROM context WHERE id = ANY($1)", ids)
    return {record[0]: record[1] for record in records}


async def details(connection: _Connection, identity: str) -> Details | None:
    """What is known about the @context of a local id, or a Cached one of this URL."""
    record = await connection.fetchrow(f"{_DETAILS} WHERE id = $1 OR url = $1", identity)
    return None if record is None else _details(record)


async def page(connection: _Connection, kind: str | None, limit: int, offset: int) -> list[Details]:
    """A page of all @contexts, or those of a kind, oldest first."""
    where = "WHERE ($1::text IS NULL OR kind = $1) ORDER BY created_at, id LIMIT $2 OFFSET $3"
    return [_details(record) for record in await connection.fetch(f"{_DETAILS} {where}", kind, limit, offset)]


async def count(connection: _Connection, kind: str | None) -> int:
    """The number of all @contexts, or those of a kind."""
    where = "WHERE $1::text IS NULL OR kind = $1"
    return int(await connection.fetchval(f"SELECT count(*) FROM context {where}", kind))


async def host(connection: _Connection, document: Any) -> str:
    """Keep a Hosted @context and return its local id."""
    statement = "INSERT INTO context (kind, document) VALUES ('Hosted', $1::json) RETURNING id"
    return str(await connection.fetchval(statement, _json(document)))


async def imply(connection: _Connection, document: Any) -> str:
    """The local id of the ImplicitlyCreated @context with this content, made unless it is there."""
    text = _json(document)
    return str(await connection.fetchval(_IMPLICIT, text, hashlib.sha256(text.encode()).digest()))


async def forget_orphan(connection: _Connection, local_id: str) -> None:
    """Forget an ImplicitlyCreated @context if no subscription names it any more, by whichever host's name. Meanwhile
    nobody shall write subscriptions (`subscriptions.touch`)."""
    await connection.execute(_ORPHANED, local_id)


async def keep(connection: _Connection, url: str, document: Any) -> None:
    """Keep a Cached @context that never expires, unless there is one of this URL."""
    statement = (
        "INSERT INTO context (kind, url, document) VALUES ('Cached', $1, $2::json) ON CONFLICT DO NOTHING"
    )
    await connection.execute(statement, url, _json(document))


async def cache(connection: _Connection, url: str, document: Any, expires_at: datetime | None) -> None:
    """Keep what was fetched from a URL, in the place of what was fetched before."""
    await connection.execute(_CACHE, url, _json(document), expires_at)


async def postpone(connection: _Connection, url: str, until: datetime, problem: str | None) -> None:
    """Keep what was fetched before until a later moment."""
    await connection.execute(
        "UPDATE context SET expires_at = $2, problem = $3 WHERE url = $1", url, until, problem
    )


async def expired(connection: _Connection, limit: int) -> list[str]:
    """URLs of Cached @contexts whose time has come, the longest expired first."""
    statement = "SELECT url FROM context WHERE expires_at < now() ORDER BY expires_at LIMIT $1"
    return [record[0] for record in await connection.fetch(statement, limit)]


async def has_expired(connection: _Connection, url: str) -> bool:
    """Whether the time of a Cached @context has come."""
    statement = "SELECT EXISTS (SELECT 1 FROM context WHERE url = $1 AND expires_at < now())"
    return bool(await connection.fetchval(statement, url))


async def delete(connection: _Connection, local_id: str) -> bool:
    """Delete one; whether it was there."""
    return str(await connection.execute("DELETE FROM context WHERE id = $1", local_id)) == "DELETE 1"


async def crowd_out(connection: _Connection, most: int, spared: Sequence[str]) -> None:
    """Forget the Cached @contexts that were used longest ago, so that `most` are left beside the spared URLs and those
    that subscriptions name."""
    if await count(connection, CACHED) > most:
        await connection.execute(_CROWD_OUT, most, spared)


async def count_hits(connection: _Connection, uses: Mapping[str, tuple[int, datetime]]) -> None:
    """Add what was counted: local id → how often it was used, and when last."""
    if uses:
        ids = list(uses)
        await connection.execute(
            _COUNT_HITS, ids, [uses[one][0] for one in ids], [uses[one][1] for one in ids]
        )


async def claim_fetch(connection: _Connection, url: str, seconds: float, *, again: bool = False) -> bool:
    """Whether the caller may fetch from this URL now; for so many seconds nobody else will. `again` passes over what
    has just failed."""
    return bool(await connection.fetchval(_CLAIM, url, seconds, again))


async def fetch_problem(connection: _Connection, url: str) -> str | None:
    """Why the last attempt to fetch from this URL failed, while nobody shall try again."""
    statement = "SELECT problem FROM context_fetch WHERE url = $1 AND until > now()"
    problem: str | None = await connection.fetchval(statement, url)
    return problem


async def end_fetch(connection: _Connection, url: str) -> None:
    """Nobody fetches from this URL any more."""
    await connection.execute("DELETE FROM context_fetch WHERE url = $1", url)


async def fail_fetch(connection: _Connection, url: str, problem: str, seconds: float) -> None:
    """Fetching failed: for so many seconds nobody tries again. What failed long ago is forgotten."""
    await connection.execute(
        "UPDATE context_fetch SET problem = $2, until = now() + make_interval(secs => $3) WHERE url = $1",
        url,
        problem,
        seconds,
    )
    await connection.execute("DELETE FROM context_fetch WHERE until < now() - interval '1 minute'")
