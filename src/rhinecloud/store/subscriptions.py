"""Subscriptions: their rows, the queue of what is due to each subscriber, how the telling went.

A row of the queue names a change; the change itself is read from the outbox. Rows come in order of their changes, in
one statement with the position of who matches, and go when their notification was taken. Both may be lost together
with the last moments before a crash of PostgreSQL (nobody waits for their flush): then it is matched and told again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from .entities import rfc3339

READER = "#subscriptions"
_decode = msgspec.json.decode


class StoredSubscription(msgspec.Struct, frozen=True):
    """A row of `subscription`."""

    number: int
    id: str
    document: dict[str, Any]
    context: Any
    since: int
    revision: int
    created_at: datetime
    modified_at: datetime
    owner: str = "open"


class Telling(msgspec.Struct, frozen=True):
    """How the telling went so far. `failing` is None before the first notification; `silenced_at` since when nobody is
    told, because the owner may read nothing any more."""

    times_sent: int = 0
    times_failed: int = 0
    last_notification: datetime | None = None
    last_success: datetime | None = None
    last_failure: datetime | None = None
    failing: bool | None = None
    reason: str | None = None
    next_attempt: datetime | None = None
    silenced_at: datetime | None = None


class Due(msgspec.Struct, frozen=True):
    """A row of the queue: `change` is JSON, None where the outbox has forgotten it."""

    change_id: int
    entity_id: str
    newest: bool
    at: str | None
    change: bytes | None


class Outcome(msgspec.Struct, frozen=True):
    """One attempt to tell. `done` are the changes that need not be told again; without `attempted` because there was
    nothing left to tell of them. `again_at`: when it is tried again after a failure."""

    subscription: int
    at: datetime
    done: tuple[int, ...] = ()
    failure: str | None = None
    attempted: bool = True
    again_at: datetime | None = None


class Gap(msgspec.Struct, frozen=True):
    """Changes from the first to the last that a subscriber was not told."""

    recorded_at: datetime
    first_change: int
    last_change: int
    changes: int
    reason: str


# The rows of subscriptions ---------------------------------------------------------------------------------

_COLUMNS = "number, id, document, context, since, revision, created_at, modified_at, owner"

# The newest id that was drawn: changes that are committed so far are not the new subscriber's.
_NOW = "(SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM change_id)"


async def touch(connection: asyncpg.Connection) -> int:
    """The revision of this transaction's writes; others wait until it ends."""
    found: int = await connection.fetchval(
        "UPDATE subscription_revision SET revision = revision + 1 RETURNING revision"
    )
    return found


async def insert(
    connection: asyncpg.Connection, document: dict[str, Any], context: Any, revision: int, owner: str
) -> bool:
    """Write a new row; false if the id is there."""
    number = await connection.fetchval(
        f"""
        INSERT INTO subscription (id, document, context, since, revision, owner)
        VALUES ($1, $2::jsonb, $3::jsonb, {_NOW}, $4, $5) ON CONFLICT (id) DO NOTHING RETURNING number
        """,
        document["id"],
        _json(document),
        _json(context) if context is not None else None,
        revision,
        owner,
    )
    if number is None:
        return False
    await connection.execute("INSERT INTO subscription_state (subscription) VALUES ($1)", number)
    # Whoever matches for the first time begins here, not where the changes are by then.
    await connection.execute(
        f"INSERT INTO position (reader, change_id) VALUES ($1, {_NOW}) ON CONFLICT DO NOTHING", READER
    )
    return True


async def update(
    connection: asyncpg.Connection,
    number: int,
    document: dict[str, Any],
    context: Any,
    revision: int,
    *,
    afresh: bool,
) -> None:
    """Write the whole of a row that is locked; `afresh`: changes committed so far are not the subscriber's."""
    await connection.execute(
        f"""
        UPDATE subscription SET document = $2::jsonb, context = $3::jsonb, revision = $4, modified_at = now(),
               since = CASE WHEN $5 THEN {_NOW} ELSE since END
        WHERE number = $1
        """,
        number,
        _json(document),
        _json(context) if context is not None else None,
        revision,
        afresh,
    )


async def delete(connection: asyncpg.Connection, subscription_id: str) -> bool:
    """Delete a row and all that was due; false if there is none."""
    number = await connection.fetchval(
        "DELETE FROM subscription WHERE id = $1 RETURNING number", subscription_id
    )
    if number is None:
        return False
    await connection.execute("DELETE FROM notification WHERE subscription = $1", number)
    return True


async def lock(connection: asyncpg.Connection, subscription_id: str) -> StoredSubscription | None:
    """The row of an id, locked until the transaction ends."""
    record = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM subscription WHERE id = $1 FOR UPDATE", subscription_id
    )
    return None if record is None else _row(record)


async def read(pool: asyncpg.Pool, subscription_id: str) -> tuple[StoredSubscription, Telling] | None:
    """The row of an id and how its telling went."""
    record = await pool.fetchrow(_READ + " WHERE s.id = $1", subscription_id)
    return None if record is None else (_row(record), Telling(*tuple(record)[9:]))


async def page(
    pool: asyncpg.Pool, limit: int, offset: int, owner: str | None = None
) -> list[tuple[StoredSubscription, Telling]]:
    """Rows in the order in which they were made; of one owner if it is named."""
    records = await pool.fetch(
        f"{_READ} WHERE $3::text IS NULL OR s.owner = $3::text ORDER BY s.number LIMIT $1 OFFSET $2",
        limit,
        offset,
        owner,
    )
    return [(_row(record), Telling(*tuple(record)[9:])) for record in records]


_READ = """
SELECT s.number, s.id, s.document, s.context, s.since, s.revision, s.created_at, s.modified_at, s.owner,
       t.times_sent, t.times_failed, t.last_notification, t.last_success, t.last_failure, t.failing, t.reason,
       t.next_attempt, t.silenced_at
FROM subscription s JOIN subscription_state t ON t.subscription = s.number
"""


async def count(pool: asyncpg.Pool, owner: str | None = None) -> int:
    """The number of subscriptions; of one owner if it is named."""
    return int(
        await pool.fetchval(
            "SELECT count(*) FROM subscription WHERE $1::text IS NULL OR owner = $1::text", owner
        )
    )


async def are_there(connection: asyncpg.Connection) -> bool:
    """Whether there is any subscription, or was one to whose subscriber something is still due."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM subscription) OR EXISTS (SELECT 1 FROM notification)"
    )
    return found


async def revision(connection: asyncpg.Connection) -> int:
    """The revision of the newest write that has committed."""
    return int(await connection.fetchval("SELECT revision FROM subscription_revision"))


async def changed_since(
    connection: asyncpg.Connection, known: int
) -> tuple[list[tuple[StoredSubscription, Telling]], set[int]]:
    """The rows written after a revision, and the numbers of all that there are."""
    records = await connection.fetch(_READ + " WHERE s.revision > $1 ORDER BY s.number", known)
    numbers = await connection.fetch("SELECT number FROM subscription")
    return [(_row(r), Telling(*tuple(r)[9:])) for r in records], {record[0] for record in numbers}


async def gaps(pool: asyncpg.Pool, number: int) -> list[Gap]:
    """What a subscriber was not told, oldest first."""
    records = await pool.fetch(
        """
        SELECT recorded_at, first_change, last_change, changes, reason FROM subscription_gap
        WHERE subscription = $1 ORDER BY recorded_at
        """,
        number,
    )
    return [Gap(*record) for record in records]


async def waiting(pool: asyncpg.Pool, number: int) -> int:
    """How much is due to a subscriber."""
    return int(await pool.fetchval("SELECT count(*) FROM notification WHERE subscription = $1", number))


async def backlog(pool: asyncpg.Pool, numbers: Sequence[int], most: int) -> dict[int, tuple[int, int]]:
    """How much is due to each of these subscribers, counted up to `most`, and how many gaps it has."""
    records = await pool.fetch(
        """
        SELECT number,
               (SELECT count(*) FROM (SELECT 1 FROM notification WHERE subscription = number LIMIT $2) AS counted),
               (SELECT count(*) FROM subscription_gap WHERE subscription = number)
        FROM unnest($1::bigint[]) AS asked (number)
        """,
        list(numbers),
        most,
    )
    return {record[0]: (record[1], record[2]) for record in records}


def _row(record: Any) -> StoredSubscription:
    number, identifier, document, context, *rest = tuple(record)[:9]
    return StoredSubscription(
        number, identifier, _decode(document), None if context is None else _decode(context), *rest
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# The queue -------------------------------------------------------------------------------------------------

_ENQUEUE = """
WITH fence AS (
    UPDATE position SET change_id = $2, at = now() WHERE reader = $1 AND change_id < $3 RETURNING 1
), queued AS (
    INSERT INTO notification (subscription, change_id, entity_id)
    SELECT subscription, new.change_id, entity_id
    FROM unnest($4::bigint[], $5::bigint[], $6::text[]) AS new (subscription, change_id, entity_id), fence
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM fence
"""


async def enqueue(
    connection: asyncpg.Connection, first: int, last: int, rows: Sequence[tuple[int, int, str]]
) -> bool:
    """Queue (subscription, change, entity) found in the changes `first` to `last`, and record how far matching came.

    False, with nothing written, if somebody else has been there: then we are not the elected one any more.
    """
    fenced = await connection.fetchval(
        _ENQUEUE,
        READER,
        last,
        first,
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
    )
    return bool(fenced)


async def with_queue(connection: asyncpg.Connection) -> list[int]:
    """The subscriptions to which something is due."""
    records = await connection.fetch(
        """
        SELECT number FROM subscription s
        WHERE EXISTS (SELECT 1 FROM notification n WHERE n.subscription = s.number)
        """
    )
    return [record[0] for record in records]


_DUE = """
SELECT n.change_id, n.entity_id, n.newest, o.at, o.change
FROM notification n LEFT JOIN outbox o ON o.id = n.change_id AND NOT n.newest
WHERE n.subscription = $1 AND n.change_id > $2 ORDER BY n.change_id LIMIT $3
"""


async def due(pool: asyncpg.Pool, number: int, after: int, limit: int) -> list[Due]:
    """What is due to a subscriber after a change, oldest first."""
    found = []
    for change_id, entity_id, newest, at, change in await pool.fetch(_DUE, number, after, limit):
        found.append(Due(change_id, entity_id, newest, None if at is None else rfc3339(at), change))
    return found


# Whoever touches a subscription, its state and its queue locks them in this order, as a deletion does: otherwise one
# that is told and deleted at the same moment would leave two transactions waiting for each other.
_DONE = """
WITH held AS MATERIALIZED (
    SELECT subscription FROM subscription_state WHERE subscription = ANY($1::bigint[]) ORDER BY subscription FOR UPDATE
)
DELETE FROM notification n USING unnest($1::bigint[], $2::bigint[]) AS done (subscription, change_id)
WHERE n.subscription = done.subscription AND n.change_id = done.change_id AND (SELECT count(*) FROM held) >= 0
"""

_COUNT = """
UPDATE subscription_state s
SET times_sent = times_sent + new.sent, times_failed = times_failed + new.failed,
    last_notification = new.last, last_success = coalesce(new.success, last_success),
    last_failure = coalesce(new.failure, last_failure), failing = new.failing, reason = new.reason,
    next_attempt = new.again
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
            $7::boolean[], $8::text[], $9::timestamptz[])
     AS new (number, sent, failed, last, success, failure, failing, reason, again)
WHERE s.subscription = new.number
"""


async def settle(connection: asyncpg.Connection, outcomes: Sequence[Outcome]) -> None:
    """Take from the queue what was told, and count attempts (§5.2.14.2)."""
    done = [(outcome.subscription, change) for outcome in outcomes for change in outcome.done]
    if done:
        await connection.execute(_DONE, [one[0] for one in done], [one[1] for one in done])
    by_number: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.attempted:
            by_number.setdefault(outcome.subscription, []).append(outcome)
    rows = []
    for number, attempts in sorted(by_number.items()):
        good = [one for one in attempts if one.failure is None]
        failed = [one for one in attempts if one.failure is not None]
        rows.append(
            (
                number,
                len(attempts),
                len(failed),
                attempts[-1].at,
                good[-1].at if good else None,
                failed[-1].at if failed else None,
                attempts[-1].failure is not None,
                attempts[-1].failure,
                attempts[-1].again_at,
            )
        )
    await connection.execute(_COUNT, *([row[i] for row in rows] for i in range(9)))


async def skip(
    connection: asyncpg.Connection | asyncpg.Pool, number: int, changes: Sequence[int], reason: str
) -> None:
    """Take changes from the queue that cannot be told, and record the gap."""
    await connection.execute(
        """
        WITH held AS MATERIALIZED (SELECT number FROM subscription WHERE number = $1 FOR KEY SHARE), gone AS (
            DELETE FROM notification
            WHERE subscription = $1 AND change_id = ANY($2::bigint[]) AND (SELECT count(*) FROM held) >= 0
            RETURNING change_id
        )
        INSERT INTO subscription_gap (subscription, first_change, last_change, changes, reason)
        SELECT $1, min(change_id), max(change_id), count(*), $3 FROM gone
        WHERE EXISTS (SELECT 1 FROM subscription WHERE number = $1) HAVING count(*) > 0
        """,
        number,
        list(changes),
        reason,
    )


# Of the changes of a subscription that lie before $2, one row an entity stays and stands for its newest state, unless
# a later change of that entity is due anyway.
_COLLAPSE = """
WITH old AS (
    SELECT change_id, entity_id, row_number() OVER (PARTITION BY entity_id ORDER BY change_id DESC) AS place
    FROM notification WHERE subscription = $1 AND change_id < $2 AND NOT newest
), kept AS (
    UPDATE notification n SET newest = true FROM old
    WHERE n.subscription = $1 AND n.change_id = old.change_id AND old.place = 1
      AND NOT EXISTS (SELECT 1 FROM notification later WHERE later.subscription = $1
                      AND later.change_id >= $2 AND later.entity_id = n.entity_id)
    RETURNING n.change_id
), gone AS (
    DELETE FROM notification n USING old
    WHERE n.subscription = $1 AND n.change_id = old.change_id AND n.change_id NOT IN (SELECT change_id FROM kept)
)
INSERT INTO subscription_gap (subscription, first_change, last_change, changes, reason)
SELECT $1, min(change_id), max(change_id), count(*), $3 FROM old HAVING count(*) > 0
"""


async def collapse(
    connection: asyncpg.Connection | asyncpg.Pool, number: int, before: int, reason: str
) -> None:
    """Let the newest state of each entity stand for the changes before one, and record the gap."""
    await connection.execute(_COLLAPSE, number, before, reason)


async def silence(connection: asyncpg.Connection | asyncpg.Pool, numbers: Collection[int]) -> None:
    """These, and no others, have owners that are not there any more."""
    await connection.execute(
        "UPDATE subscription_state SET silenced_at = CASE WHEN silenced_at IS NULL THEN now() END "
        "WHERE (subscription = ANY($1::bigint[])) <> (silenced_at IS NOT NULL)",
        list(numbers),
    )


async def oldest_kept(connection: asyncpg.Connection | asyncpg.Pool) -> int:
    """The id below which the outbox has forgotten all changes."""
    return int(await connection.fetchval(f"SELECT coalesce((SELECT min(id) FROM outbox), {_NOW} + 1)"))


async def behind(
    connection: asyncpg.Connection | asyncpg.Pool, oldest: int, most: int
) -> list[tuple[int, int]]:
    """(subscription, change) where what is due before that change cannot be told any more: the outbox has forgotten
    it, or more than `most` would be waiting."""
    records = await connection.fetch(
        """
        SELECT s.number, greatest($1, (
                   SELECT n.change_id FROM notification n WHERE n.subscription = s.number
                   ORDER BY n.change_id DESC LIMIT 1 OFFSET $2))
        FROM subscription s
        WHERE EXISTS (SELECT 1 FROM notification n
                      WHERE n.subscription = s.number AND NOT n.newest AND n.change_id < $1)
           OR EXISTS (SELECT 1 FROM notification n WHERE n.subscription = s.number LIMIT 1 OFFSET $2)
        """,
        oldest,
        most,
    )
    return [(record[0], record[1]) for record in records]


_THIN = """
WITH placed AS (
    SELECT change_id, row_number() OVER (PARTITION BY entity_id ORDER BY change_id) AS first,
           row_number() OVER (PARTITION BY entity_id ORDER BY change_id DESC) AS last
    FROM notification WHERE subscription = $1 AND NOT newest
)
DELETE FROM notification n USING placed p
WHERE n.subscription = $1 AND n.change_id = p.change_id AND p.first > 1 AND p.last > 1
"""


async def thin(connection: asyncpg.Connection | asyncpg.Pool, number: int) -> None:
    """Of each entity's changes only the first (what was before) and the last are due to a throttled subscriber."""
    await connection.execute(_THIN, number)


async def forget_expired(connection: asyncpg.Connection | asyncpg.Pool) -> None:
    """Nothing more is told after the expiration (§5.8.1.4)."""
    await connection.execute(
        """
        DELETE FROM notification n USING subscription s
        WHERE s.number = n.subscription AND (s.document->>'expiresAt')::timestamptz < now()
        """
    )


async def forget_orphans(connection: asyncpg.Connection | asyncpg.Pool) -> None:
    """Rows of the queue whose subscription was deleted while they were written."""
    await connection.execute(
        "DELETE FROM notification n WHERE NOT EXISTS (SELECT 1 FROM subscription WHERE number = n.subscription)"
    )
