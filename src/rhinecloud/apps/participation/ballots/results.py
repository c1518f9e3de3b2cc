"""Results as entities of the graph: counts, and nothing of who chose what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from rhinecloud.city import Transaction

from ..events.model import Poll
from .counting import Tally, count
from .releasing import release_if_free

TYPE: Final = "Poll"
_NOW: Final = """
SELECT p.state, p.revealed, e.title AS event FROM poll p JOIN event e ON e.number = p.event WHERE p.number = $1
"""


def entity_of(number: int) -> str:
    """The id of the entity of a poll."""
    return f"urn:ngsi-ld:Poll:{number}"


async def settle(transaction: Transaction, poll: Poll) -> None:
    """Make the graph tell of a poll, as it is in this transaction, what everybody may know of it now: its counts once
    it is closed, or nothing. Of an open secret poll that was revealed the first batch is told."""
    connection = transaction.connection
    row = await connection.fetchrow(_NOW, poll.number)
    known = None
    if row is not None and row["state"] == "open" and poll.secret:
        await release_if_free(connection, poll)
    if row is not None and row["state"] == "closed" and poll.kind != "questions":
        poll = msgspec.structs.replace(poll, state=row["state"], revealed=row["revealed"])
        known = await count(connection, poll, whole=True) if poll.open_results else None
    if known is None:
        await transaction.delete(entity_of(poll.number))
    else:
        await transaction.upsert(document(row["event"], poll, known))


async def forget(transaction: Transaction, numbers: Iterable[int]) -> None:
    """These polls are removed, and so is what the graph tells of them."""
    await transaction.delete(*map(entity_of, numbers))


def document(event: str, poll: Poll, counted: Tally) -> dict[str, Any]:
    """A poll as an entity. Pure."""
    return {
        "id": entity_of(poll.number),
        "type": TYPE,
        "title": {"type": "Property", "value": poll.title},
        "eventTitle": {"type": "Property", "value": event},
        "kind": {"type": "Property", "value": poll.kind},
        "ballots": {"type": "Property", "value": counted.ballots},
        "counts": {"type": "Property", "value": _counts(poll, counted)},
    }


def _counts(poll: Poll, counted: Tally) -> list[dict[str, Any]]:
    if poll.kind == "words":
        return [{"title": word, "count": n} for word, n in counted.words]
    if poll.kind == "scale":
        return [{"title": str(step), "count": n} for step, n in enumerate(counted.values, 1)]
    return [
        {"title": option.title, "count": counted.options.get(option.number, 0)}
        | ({"ranks": counted.ranks[option.number]} if option.number in counted.ranks else {})
        for option in poll.options
    ]
