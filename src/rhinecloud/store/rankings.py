"""Rankings: the values of a path in their order, for paths that are in fact asked for by range or order.

The row of an entity has no index on what is measured, so that measurements stay heap-only updates. A ranking is a
table beside it that triggers keep up to date (without a ranking there are no triggers): whoever measures what is
ranked pays for it, nobody else. A path is ranked when it was asked for a few times on a graph where that matters; the
number of rankings is bounded, and those that nobody asks for any more make room
(docs/decisions/0015-queries-are-planned.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from typing import Any

import asyncpg
import msgspec

from rhinecloud.model.query_tree import PATH_MEMBERS, AttributePath

from . import facts

_log = logging.getLogger(__name__)

MOST = 16
_WORTH = 1_000  # entities that have the path; fewer are read as fast
_OFTEN = 3  # times it must be asked for, by one process
_FRESH = 2.0  # seconds that what is known of the rankings may be old
_FORGOTTEN = "7 days"
_PORTION = 1_000
_LOCK = 0x52616E6B  # "Rank": one maker at a time
_EVENTS = {
    "insert": "NEW TABLE AS after",
    "update": "OLD TABLE AS before NEW TABLE AS after",
    "delete": "OLD TABLE AS before",
}
# A function of its own for each ranking: it knows its table, and leaves alone what did not change.
_KEEP = """
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ranked_{number}
        SELECT k.number, a.id, v.* FROM after a, ranking k, ranked_values(a.attributes, a.modified_at, k) v
        WHERE k.number = {number};
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM ranked_{number} r USING before b WHERE r.entity_id = b.id;
    ELSE
        WITH changed AS MATERIALIZED (
            SELECT a.id, a.attributes, a.modified_at FROM before b JOIN after a USING (id) WHERE {changed}
        ), gone AS (
            DELETE FROM ranked_{number} r USING changed c WHERE r.entity_id = c.id
        )
        INSERT INTO ranked_{number}
        SELECT k.number, c.id, v.* FROM changed c, ranking k, ranked_values(c.attributes, c.modified_at, k) v
        WHERE k.number = {number};
    END IF;
    RETURN NULL;
END
"""

MODIFIED_AT = AttributePath("modifiedAt")


def text_of(path: AttributePath) -> str:
    """A path as one text, the same for the same path."""
    return json.dumps([[path.attribute, *path.sub_path], list(path.json_path)], ensure_ascii=False)


def is_rankable(path: AttributePath) -> bool:
    """Whether the values of a path can stand in a ranking."""
    if path == MODIFIED_AT:
        return True
    if path.linked is not None or ":" not in path.attribute:
        return False
    if path.sub_path and path.sub_path[-1] in PATH_MEMBERS:
        # Not what goes without saying in a stored instance: see entities.fill_times.
        return not path.json_path and path.sub_path[-1] not in ("createdAt", "modifiedAt")
    return path.json_path != ("*",)


class Ranking(msgspec.Struct, frozen=True):
    """A ranking, for those who look at it; `asked_at` is exact to a day."""

    number: int
    path: str
    ready: bool
    asked_at: Any


class Rankings:
    """What one process knows of a tenant's rankings, and has made. `pool` is the tenant's."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._ready: dict[str, int] = {}
        self._known_at = float("-inf")
        self._asked: dict[str, int] = {}
        self._told: dict[str, float] = {}
        self._making: asyncio.Task[None] | None = None

    async def number(self, path: AttributePath, *, ask: bool = True, measured: bool = False) -> int | None:
        """The number of the ranking of a path if there is one. Who asks often has it made; `measured`: only if it is
        values with an observation time that stand there, the others being facts."""
        if not is_rankable(path):
            return None
        if time.monotonic() - self._known_at > _FRESH:
            self._known_at = time.monotonic()
            records = await self._pool.fetch("SELECT path, number FROM ranking WHERE ready")
            self._ready = dict(records)
        name = text_of(path)
        number = self._ready.get(name)
        if ask:
            self._ask(path, name, number, measured)
        return number

    async def close(self) -> None:
        """Leave off making one; what is half made is made anew by who asks next."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    async def settle(self) -> None:
        """Wait until what is being made is made, and know of it."""
        if self._making is not None:
            await asyncio.gather(self._making, return_exceptions=True)
        self._known_at = float("-inf")

    def _ask(self, path: AttributePath, name: str, number: int | None, measured: bool) -> None:
        now = time.monotonic()
        if number is not None:
            due = now - self._told.get(name, float("-inf")) > 86_400
        else:
            if len(self._asked) > 10_000:
                self._asked.clear()
            self._asked[name] = self._asked.get(name, 0) + 1
            due = self._asked[name] % _OFTEN == 0 and now - self._told.get(name, float("-inf")) > 60
        if due and (self._making is None or self._making.done()):
            if len(self._told) > 10_000:
                self._told.clear()
            self._told[name] = now
            self._making = asyncio.create_task(self._make(path, number, measured))

    async def _make(self, path: AttributePath, number: int | None, measured: bool) -> None:
        try:
            if number is not None:
                await self._pool.execute("UPDATE ranking SET asked_at = now() WHERE number = $1", number)
            else:
                async with self._pool.acquire() as connection:
                    await make(connection, path, measured=measured)
                self._known_at = float("-inf")
        except asyncpg.LockNotAvailableError:
            _log.info("the ranking of %s waits for a quieter moment", text_of(path))
        except Exception:
            _log.exception("the ranking of %s was not made", text_of(path))


async def listed(connection: asyncpg.Connection | asyncpg.Pool) -> list[Ranking]:
    """All rankings, in the order of their paths."""
    records = await connection.fetch("SELECT number, path, ready, asked_at FROM ranking ORDER BY path")
    return [Ranking(*record) for record in records]


async def make(
    connection: asyncpg.Connection, path: AttributePath, *, measured: bool = False, worth: int = _WORTH
) -> bool:
    """Make the ranking of a path, beside all writing; returns whether it is there now.

    It is not made for fewer than `worth` entities (with `measured`: that measure it), nor if there is no room.
    Raises asyncpg.LockNotAvailableError if the moment is bad: it may be tried again.
    """
    await connection.execute("SELECT pg_advisory_lock($1, hashtext(current_schema()))", _LOCK)
    try:
        number = await _announce(connection, path, measured, worth)
        if number is None:
            return False
        await _fill(connection, number)
        # Outside of any transaction, so that the planner knows it from the first query on.
        await connection.execute(f"ANALYZE ranked_{number}")
        await connection.execute(
            "UPDATE ranking SET ready = true, asked_at = now() WHERE number = $1", number
        )
        return True
    finally:
        await _unlock(connection)


async def forget(connection: asyncpg.Connection, *, unasked: str = _FORGOTTEN) -> int:
    """Remove the rankings that nobody asked for lately; returns how many. A process may believe in a ranking for a
    few seconds after it is gone, so one round says that it is not ready, and the next removes it."""
    await connection.execute("SELECT pg_advisory_lock($1, hashtext(current_schema()))", _LOCK)
    try:
        gone = await connection.fetch(
            "SELECT number FROM ranking WHERE NOT ready AND asked_at < now() - $1::text::interval", unasked
        )
        for record in gone:
            with contextlib.suppress(asyncpg.LockNotAvailableError):  # then at the next round
                await _remove(connection, record[0])
        await connection.execute(
            "UPDATE ranking SET ready = false WHERE asked_at < now() - $1::text::interval", unasked
        )
        return len(gone)
    finally:
        await _unlock(connection)


async def _remove(connection: asyncpg.Connection, number: int) -> None:
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '1s'")
        await connection.execute("LOCK TABLE entity IN SHARE ROW EXCLUSIVE MODE")
        await connection.execute("DELETE FROM ranking WHERE number = $1", number)
        await connection.execute(f"DROP FUNCTION rank_{number} CASCADE")  # with its triggers
        await connection.execute(f"DROP TABLE ranked_{number}")


async def _unlock(connection: asyncpg.Connection) -> None:
    if not connection.is_closed():
        await connection.execute("SELECT pg_advisory_unlock($1, hashtext(current_schema()))", _LOCK)


async def _announce(
    connection: asyncpg.Connection, path: AttributePath, measured: bool, worth: int
) -> int | None:
    """The number of a ranking that every writer keeps from now on: when the lock is had all who did not know of it
    have committed, and when it is given back all others know."""
    name = text_of(path)
    number = await connection.fetchval("SELECT number FROM ranking WHERE path = $1", name)
    if number is not None:  # made before, or left half made
        return int(number)
    if await connection.fetchval("SELECT count(*) FROM ranking") >= MOST:
        return None
    fact, instances, member = None, None, None
    if path != MODIFIED_AT:
        (fact,) = facts.of_measured_path(path) if measured else facts.of_path(path)
        names = [path.attribute, *(one for one in path.sub_path if one not in PATH_MEMBERS)]
        instances = "$" + "".join(f".{json.dumps(one)}[*]" for one in names)
        member = path.sub_path[-1] if path.sub_path and path.sub_path[-1] in PATH_MEMBERS else None
    having = "true" if fact is None else "facts @> ARRAY[$2::integer]"
    many = await connection.fetchval(
        f"SELECT count(*) FROM (SELECT FROM entity WHERE {having} LIMIT $1) AS counted",
        *((worth,) if fact is None else (worth, fact)),
    )
    if many < worth:
        return None
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '3s'")
        await connection.execute("LOCK TABLE entity IN SHARE ROW EXCLUSIVE MODE")
        number = await connection.fetchval(
            "INSERT INTO ranking (path, instances, member, members) VALUES ($1, $2, $3, $4) RETURNING number",
            name,
            instances,
            member,
            list(path.json_path),
        )
        # Made apart and then attached: nobody who reads waits for that.
        await connection.execute(f"CREATE TABLE ranked_{number} (LIKE ranked)")
        await connection.execute(
            f"ALTER TABLE ranked ATTACH PARTITION ranked_{number} FOR VALUES IN ({number})"
        )
        body = _KEEP.format(number=number, changed=_changed(path))
        await connection.execute(
            f"CREATE FUNCTION rank_{number}() RETURNS trigger LANGUAGE plpgsql "
            f"SET enable_seqscan = off AS {_literal(body)}"
        )
        for event, tables in _EVENTS.items():
            await connection.execute(
                f"CREATE TRIGGER ranked_{number}_{event} AFTER {event} ON entity REFERENCING {tables} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION rank_{number}()"
            )
    return int(number)


def _changed(path: AttributePath) -> str:
    if path == MODIFIED_AT:
        return "b.modified_at <> a.modified_at"
    name = _literal(path.attribute)
    return f"b.attributes -> {name} IS DISTINCT FROM a.attributes -> {name}"


def _literal(text: str) -> str:
    """A text as PostgreSQL reads it within a statement (standard_conforming_strings is on)."""
    return "'" + text.replace("'", "''") + "'"


async def _fill(connection: asyncpg.Connection, number: int) -> None:
    """Rank what is there, a portion at a time under the locks of its rows: who writes them comes before or after."""
    last = ""
    while True:
        async with connection.transaction():
            ids = await connection.fetchval(
                """
                SELECT array_agg(id) FROM (
                    SELECT id FROM entity WHERE id > $1 ORDER BY id LIMIT $2 FOR NO KEY UPDATE
                ) AS locked
                """,
                last,
                _PORTION,
            )
            if ids is None:
                return
            await connection.execute(
                "DELETE FROM ranked WHERE ranking = $1 AND entity_id = ANY($2::text[])", number, ids
            )
            await connection.execute(
                """
                INSERT INTO ranked
                SELECT k.number, e.id, v.* FROM ranking k, entity e, ranked_values(e.attributes, e.modified_at, k) v
                WHERE k.number = $1 AND e.id = ANY($2::text[])
                """,
                number,
                ids,
            )
            last = max(ids)
