"""Opening and closing polls.

A secret poll is closed in one transaction: its choices are copied in random order, without anything else, and the files
with what joined them to phones and people are gone when it commits. Killed before that, the poll is open; after it,
closed. Its empty partitions are dropped afterwards, and if that has to wait (for a backup, say), by a job.
"""

from __future__ import annotations

import logging
from typing import Final

import asyncpg

from rhinecloud.app import Attempt
from rhinecloud.city import City, Unavailable
from rhinecloud.people import Actor

from ..events.drafting import Running
from ..events.model import Poll
from . import questions, results
from .receiving import lock

_PARTITIONED: Final = ("voted", "ballot")
_log = logging.getLogger(__name__)


async def open_poll(city: City, actor: Actor, poll: Poll) -> None:
    """Let votes in. Open already: nothing happens. Raises Running for one that was closed: who has voted in a secret
    poll nobody knows any more, and what was closed is a result."""
    async with city.transaction() as transaction:
        connection = transaction.connection
        await lock(connection, [poll.number], alone=True)
        state = await connection.fetchval("SELECT state FROM poll WHERE number = $1 FOR UPDATE", poll.number)
        if state == "closed":
            raise Running(
                "",
                (
                    "Diese Abstimmung ist abgeschlossen. Bitte eine neue anlegen.",
                    "This poll is closed. Please make a new one.",
                ),
            )
        if state != "prepared":
            return
        if poll.secret:
            await _make_partitions(connection, poll.number)
        await connection.execute(
            "UPDATE poll SET state = 'open', opened_at = now() WHERE number = $1", poll.number
        )
        await transaction.audit(actor.id, "participation.open_poll", f"poll:{poll.number}")


async def close_poll(city: City, actor: Actor, poll: Poll) -> None:
    """Let no vote in any more. Votes before it count, those after it are refused. Not open: nothing happens."""
    async with city.transaction() as transaction:
        connection = transaction.connection
        await lock(connection, [poll.number], alone=True)
        state = await connection.fetchval("SELECT state FROM poll WHERE number = $1 FOR UPDATE", poll.number)
        if state != "open":
            return
        if poll.secret:
            await _shuffle(connection, poll.number)
        await connection.execute(
            "UPDATE poll SET state = 'closed', closed_at = now() WHERE number = $1", poll.number
        )
        await questions.part(connection, poll.number)
        await results.settle(transaction, poll)
        await transaction.audit(actor.id, "participation.close_poll", f"poll:{poll.number}")
    if poll.secret:
        await sweep(city)


async def sweep(city: City) -> int:
    """Drop the partitions of secret polls that are not open any more; returns how many polls that was about. One that
    somebody reads (a backup does) waits for the next time."""
    swept = 0
    for number in [row[0] for row in await city.db.pool.fetch(_LEFT)]:
        try:
            async with city.db.transaction() as connection:
                await connection.execute("SET LOCAL lock_timeout = '500ms'")
                await lock(connection, [number], alone=True)
                if await connection.fetchval("SELECT state = 'open' FROM poll WHERE number = $1", number):
                    continue
                for table in _PARTITIONED:
                    await connection.execute(f"DROP TABLE IF EXISTS {table}_{int(number)}")
            swept += 1
        except asyncpg.LockNotAvailableError:
            _log.info("the empty tables of the poll %s are read by somebody: they are dropped later", number)
        except Unavailable as error:
            _log.warning("the empty tables of the poll %s are dropped later: %s", number, error)
            break
    return swept


async def sweep_again(city: City, payload: None, attempt: Attempt) -> None:
    """The job."""
    await sweep(city)


_LEFT: Final = """
SELECT split_part(c.relname, '_', 2)::bigint AS number
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'ballot'::regclass
  AND NOT EXISTS (SELECT FROM poll p WHERE p.number = split_part(c.relname, '_', 2)::bigint AND p.state = 'open')
"""


async def _make_partitions(connection: asyncpg.Connection, number: int) -> None:
    # Attaching disturbs no vote of other polls, which making a partition at once would.
    for table in _PARTITIONED:
        await connection.execute(f"CREATE TABLE {table}_{int(number)} (LIKE {table} INCLUDING ALL)")
        await connection.execute(
            f"ALTER TABLE {table} ATTACH PARTITION {table}_{int(number)} FOR VALUES IN ({int(number)})"
        )


async def _shuffle(connection: asyncpg.Connection, number: int) -> None:
    # The order is drawn from the operating system's chance; random() could be computed from its seed. All rows are
    # of one transaction and one statement. Truncating gives the partitions new, empty files at the commit.
    await connection.execute(
        "INSERT INTO counted (poll, choice) SELECT poll, choice FROM ballot WHERE poll = $1 ORDER BY gen_random_uuid()",
        number,
    )
    await connection.execute("SET LOCAL lock_timeout = '2s'")
    try:
        async with connection.transaction():
            await connection.execute(f"TRUNCATE voted_{int(number)}, ballot_{int(number)}")
    except asyncpg.LockNotAvailableError:
        # A backup reads them. The vote is closed nevertheless; the files go as soon as it is done (`sweep`).
        for table in _PARTITIONED:
            await connection.execute(f"DELETE FROM {table}_{int(number)}")
    await connection.execute("SET LOCAL lock_timeout TO DEFAULT")
