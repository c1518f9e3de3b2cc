"""Questions to the stage: asked by participants, let through by the organiser, supported once by each.

Who asked and who supports is kept while the poll is open, so that nobody counts twice; then it is taken away (`part`),
and how many supported a question stays.
"""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from rhinecloud.city import City, Unavailable
from rhinecloud.people import Actor

from ..events.model import Event, Poll
from . import telling
from .choices import question as tidy
from .receiving import Entering, Refused, enter, lock

State = Literal["pending", "shown", "hidden", "answered"]
STATES: Final[tuple[State, ...]] = ("pending", "shown", "hidden", "answered")
MOST_OF_ONE: Final = 10  # questions of one participant in a poll
_MOST: Final = 500  # of a poll that are listed
_BUSY: Final = 2  # seconds


class Question(msgspec.Struct, frozen=True):
    """A question; `votes`: how many support it."""

    number: int
    text: str
    votes: int
    state: State


_SHOWN: Final = """
SELECT number, text, votes, state FROM question WHERE poll = $1 AND state IN ('shown', 'answered')
ORDER BY state = 'answered', votes DESC, number LIMIT $2
"""
_EVERY: Final = """
SELECT number, text, votes, state FROM question WHERE poll = $1
ORDER BY array_position(ARRAY['pending', 'shown', 'answered', 'hidden'], state), votes DESC, number LIMIT $2
"""


async def shown(city: City, poll: Poll) -> list[Question]:
    """What everybody may see, the most supported first, then what was answered."""
    return [Question(*row) for row in await city.db.pool.fetch(_SHOWN, poll.number, _MOST)]


async def every(city: City, poll: Poll) -> list[Question]:
    """All, those that wait to be let through first."""
    return [Question(*row) for row in await city.db.pool.fetch(_EVERY, poll.number, _MOST)]


async def supported(city: City, poll: Poll, participant: UUID) -> frozenset[int]:
    """The numbers of the questions that somebody supports."""
    rows = await city.db.pool.fetch(
        "SELECT s.question FROM support s JOIN question q ON q.number = s.question "
        "WHERE q.poll = $1 AND s.participant = $2",
        poll.number,
        participant,
    )
    return frozenset(row["question"] for row in rows)


async def ask(
    city: City, event: Event, poll: Poll, participant: UUID, invitation: int | None, text: str
) -> int:
    """A question; its number. The same text of the same person is the same question. Raises Wrong, Refused."""
    text = tidy(text)
    try:
        async with city.db.transaction() as connection:
            await _let_in(connection, event, poll, participant, invitation)
            # One at a time of a person, so that two phones count together.
            await connection.execute(
                "SELECT FROM participant WHERE event = $1 AND id = $2 FOR NO KEY UPDATE",
                event.number,
                participant,
            )
            rows = await connection.fetch(
                "SELECT number, text FROM question WHERE poll = $1 AND participant = $2",
                poll.number,
                participant,
            )
            again = next((row["number"] for row in rows if row["text"] == text), None)
            if again is not None:
                return int(again)
            if len(rows) >= MOST_OF_ONE:
                raise Refused("many")
            number: int = await connection.fetchval(
                "INSERT INTO question (poll, event, participant, text) VALUES ($1, $2, $3, $4) RETURNING number",
                poll.number,
                event.number,
                participant,
                text,
            )
    except Unavailable as error:
        raise Refused("busy", _BUSY) from error
    telling.tell(city, event, poll)
    return number


async def support(
    city: City, event: Event, poll: Poll, number: int, participant: UUID, invitation: int | None
) -> bool:
    """Support a question that everybody sees; false if that was done already. Raises Refused."""
    try:
        async with city.db.transaction() as connection:
            await _let_in(connection, event, poll, participant, invitation)
            new = await connection.fetchval(
                "INSERT INTO support (question, event, participant) "
                "SELECT number, event, $3 FROM question WHERE number = $1 AND poll = $2 AND state = 'shown' "
                "ON CONFLICT DO NOTHING RETURNING true",
                number,
                poll.number,
                participant,
            )
            if new:
                await connection.execute("UPDATE question SET votes = votes + 1 WHERE number = $1", number)
    except Unavailable as error:
        raise Refused("busy", _BUSY) from error
    if new:
        telling.tell(city, event, poll)
    return bool(new)


async def judge(city: City, actor: Actor, event: Event, poll: Poll, number: int, state: State) -> bool:
    """Let a question through, hide it, or note that it was answered; false if there is none."""
    async with city.transaction() as transaction:
        found = await transaction.connection.fetchval(
            "UPDATE question SET state = $3 WHERE number = $1 AND poll = $2 RETURNING true",
            number,
            poll.number,
            state,
        )
        if found:
            await transaction.audit(
                actor.id, "participation.judge_question", f"question:{number}", {"state": state}
            )
    if found:
        telling.tell(city, event, poll)
    return bool(found)


async def part(connection: asyncpg.Connection, poll: int) -> None:
    """Part the questions of a poll from who asked and who supports them."""
    await connection.execute(
        "DELETE FROM support WHERE question IN (SELECT number FROM question WHERE poll = $1)", poll
    )
    await connection.execute("UPDATE question SET participant = NULL WHERE poll = $1", poll)


async def _let_in(
    connection: asyncpg.Connection, event: Event, poll: Poll, participant: UUID, invitation: int | None
) -> None:
    await lock(connection, [poll.number])
    open_ = await connection.fetchval(
        "SELECT state = 'open' AND kind = 'questions' FROM poll WHERE number = $1", poll.number
    )
    if not open_:
        raise Refused("closed")
    (reason,) = await enter(connection, [Entering(event, participant, invitation)])
    if reason is not None:
        raise Refused(reason)
