"""What live results of secret polls tell: batches of at least ten ballots, so that nobody is unmasked by the moment.

A batch is drawn at random among the ballots that the figures do not tell yet, new ones and changed ones, and at least
ten always stay back: the step at closing is no smaller than the others.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec

from rhinecloud.city import City

from ..events.model import Poll
from .receiving import lock, try_lock

BATCH: Final = 10  # ballots at least, in each step and in what stays back

_RELEASE: Final = """
WITH untold AS MATERIALIZED (
    SELECT key FROM ballot WHERE poll = $1 AND choice IS DISTINCT FROM shown
), batch AS (
    SELECT key FROM untold
    WHERE (SELECT count(*) FROM untold) >= 2 * $2::integer
    ORDER BY gen_random_uuid()
    LIMIT greatest((SELECT count(*) FROM untold) - $2, 0)
)
UPDATE ballot b SET shown = b.choice FROM batch WHERE b.poll = $1 AND b.key = batch.key
"""


def batch(untold: int) -> int:
    """How many of so many ballots may be told now."""
    return untold - BATCH if untold >= 2 * BATCH else 0


async def release(city: City, poll: Poll) -> None:
    """Let the figures of an open secret poll tell more, if there is enough that they do not tell yet."""
    async with city.db.transaction() as connection:
        # Alone: two workers that draw at once would leave fewer than ten behind, and no vote waits for a row meanwhile.
        await lock(connection, [poll.number], alone=True)
        await _release(connection, poll)


async def release_if_free(connection: asyncpg.Connection, poll: Poll) -> None:
    """The same in a transaction of the caller's that may hold the poll's row: where votes are being written now, they
    release it."""
    if await try_lock(connection, poll.number):
        await _release(connection, poll)


async def _release(connection: asyncpg.Connection, poll: Poll) -> None:
    row = await connection.fetchrow("SELECT state, revealed FROM poll WHERE number = $1", poll.number)
    if row is None or row["state"] != "open":
        return
    if msgspec.structs.replace(poll, state="open", revealed=row["revealed"]).open_results:
        await connection.execute(_RELEASE, poll.number, BATCH)
