"""What live results of secret polls tell: batches of at least ten ballots, so that nobody is unmasked by the moment.

A batch is drawn at random among the ballots that the figures do not tell yet, new ones and changed ones, and at least
ten always stay back: the step at closing is no smaller than the others.
"""

from __future__ import annotations

from typing import Final

from rhinecloud.city import City

from ..events.model import Poll
from .receiving import lock

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
        await lock(connection, [poll.number])
        # One worker at a time: two that draw at once would leave fewer than ten behind.
        if await connection.fetchval(
            "SELECT pg_try_advisory_xact_lock($1, ($2::bigint % 2147483647)::integer)",
            0x54656C6C,
            poll.number,
        ) and await connection.fetchval(
            "SELECT state = 'open' AND (results = 'live' OR (results = 'reveal' AND revealed)) FROM poll "
            "WHERE number = $1",
            poll.number,
        ):
            await connection.execute(_RELEASE, poll.number, BATCH)
