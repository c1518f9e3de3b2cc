"""The rows of choosing: wishes as they were voted, settlements as they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from ..events.model import Event, Option, Poll
from . import drawing
from .rules import Settlement, Standing, Wishes

Connection: TypeAlias = asyncpg.Connection | asyncpg.Pool

_VOTES: Final = """
SELECT v.participant, v.choice, v.arrival, p.kind FROM vote v
JOIN participant p ON p.event = v.event AND p.id = v.participant
WHERE v.poll = $1 ORDER BY v.arrival NULLS LAST, v.participant
"""
_STANDING: Final = """
SELECT participant, ticket, kind, position, wishes, rank, stays, gone FROM placement WHERE poll = $1 ORDER BY position
"""
_COLUMNS: Final = ("poll", "event", "participant", "ticket", "kind", "position", "wishes", "rank")
_choice = msgspec.json.Decoder(list[int]).decode


class Draw(msgspec.Struct, frozen=True):
    """The secret of a poll's draw, and the word of the hall once it was given."""

    seed: bytes
    word: str | None


class Gone(msgspec.Struct, frozen=True):
    """Somebody who gave their place up, or wants none."""

    participant: UUID
    ticket: str
    position: int


async def draw_of(connection: Connection, poll: int) -> Draw | None:
    """The draw of a poll, None before it was committed to."""
    row = await connection.fetchrow("SELECT seed, word FROM draw WHERE poll = $1", poll)
    return None if row is None else Draw(row["seed"], row["word"])


async def wishes_of(connection: Connection, event: Event, poll: Poll) -> list[Wishes]:
    """What was voted, in the order of arrival, or where none was kept in one that says nothing."""
    offered = {option.number for option in poll.options}
    return [
        Wishes(
            row["participant"],
            drawing.ticket(event.key, row["participant"]),
            row["kind"],
            tuple(dict.fromkeys(number for number in _choice(row["choice"]) if number in offered)),
        )
        for row in await connection.fetch(_VOTES, poll.number)
    ]


def drawn(wishes: Iterable[Wishes], draw: Draw) -> list[Wishes]:
    """Wishes in the order of the draw. Raises ValueError before there is a word."""
    if draw.word is None:
        raise ValueError("there is no word yet")
    word = draw.word
    return sorted(wishes, key=lambda one: (drawing.lot(draw.seed, word, one.ticket), one.participant))


async def settlement_of(
    connection: Connection, poll: int, options: Sequence[Option]
) -> tuple[Settlement, list[Gone]]:
    """How things stand after publishing, and who is no longer in it."""
    standings, gone = list[Standing](), list[Gone]()
    for row in await connection.fetch(_STANDING, poll):
        if row["gone"]:
            gone.append(Gone(row["participant"], row["ticket"], row["position"]))
            continue
        who = Wishes(row["participant"], row["ticket"], row["kind"], tuple(row["wishes"]))
        standings.append(Standing(who, row["position"], row["rank"], row["stays"]))
    return Settlement(tuple(options), tuple(standings)), gone


async def put(connection: asyncpg.Connection, poll: Poll, settlement: Settlement) -> None:
    """Write all places for the first time."""
    await connection.copy_records_to_table(
        "placement", records=[_record(poll, one) for one in settlement.standings], columns=_COLUMNS
    )


def _record(poll: Poll, one: Standing) -> tuple[Any, ...]:
    who = one.who
    return (
        poll.number, poll.event, who.participant, who.ticket, who.kind, one.position, list(who.wishes), one.rank,
    )  # fmt: skip


async def options_of(connection: Connection, poll: int) -> tuple[Option, ...]:
    """What a poll offers, as it is in this transaction."""
    rows = await connection.fetch(
        "SELECT number, title, capacity, reserved::text FROM option WHERE poll = $1 ORDER BY place", poll
    )
    return tuple(
        Option(
            row["number"],
            row["title"],
            row["capacity"],
            msgspec.json.decode(row["reserved"], type=dict[str, int]),
        )
        for row in rows
    )
