"""Letters to those whose invitation has an address: which place they have now, each time that it changes."""

from __future__ import annotations

import logging
from typing import Any, Final

from rhinecloud.app import Attempt
from rhinecloud.city import City, Transaction

from ..events import reading
from ..events.model import Event, Poll
from . import board

_log = logging.getLogger(__name__)
_PORTION: Final = 100
_LETTER: Final = "participation_place"

_UNTOLD: Final = """
SELECT t.participant, i.mail, i.name FROM placement t
JOIN participant p ON p.event = t.event AND p.id = t.participant
LEFT JOIN invitation i ON i.event = p.event AND i.number = p.invitation AND NOT i.revoked
WHERE t.poll = $1 AND NOT t.told ORDER BY t.position LIMIT $2 FOR UPDATE OF t SKIP LOCKED
"""


async def tell(city: City, poll: int, attempt: Attempt) -> None:
    """The job: write to whoever was not told yet. Each letter is queued in the transaction that says so."""
    number = await city.db.pool.fetchval("SELECT event FROM poll WHERE number = $1", poll)
    event = await reading.by_number(city, number) if number is not None else None
    found = event.poll(poll) if event is not None else None
    if event is None or found is None:
        return
    while await _portion(city, event, found):
        pass


async def _portion(city: City, event: Event, poll: Poll) -> int:
    async with city.transaction() as transaction:
        untold = await transaction.connection.fetch(_UNTOLD, poll.number, _PORTION)
        for row in untold:
            if row["mail"]:
                await _letter(city, transaction, event, poll, row)
        await transaction.connection.execute(
            "UPDATE placement SET told = true WHERE poll = $1 AND participant = ANY($2)",
            poll.number,
            [row["participant"] for row in untold],
        )
    return len(untold)


async def _letter(city: City, transaction: Transaction, event: Event, poll: Poll, row: Any) -> None:
    standings = await board.board(city, poll)
    own = standings.owns.get(row["participant"]) if standings is not None else None
    if own is None:
        return
    values = {
        "name": row["name"] or "",
        "event": event.title,
        "poll": poll.title,
        "own": own,
        "link": f"{city.address()}/participation/e/{event.code}/places/{poll.number}"
        if city.address()
        else "",
    }
    try:
        await city.mail.queue(transaction, _LETTER, row["mail"], values)
    except ValueError:  # no address that mail could go to; the page tells it all the same
        _log.warning("a place of poll %d could not be told by mail", poll.number)
