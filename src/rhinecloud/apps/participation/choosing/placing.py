"""Giving places: the word of the hall, publishing, leaving, moving up. Everybody is told at once.

Whoever changes places holds the poll's row, so that one change follows another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import asyncpg

from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from ..events import keeping, reading
from ..events.drafting import Running, Wrong
from ..events.model import Event, Poll
from . import board, drawing, rows, rules, solving
from .rules import Move, Settlement, Wishes
from .ways import Way, announced

TELL: Final = "places-tell"
Act = Callable[[Settlement], tuple[Settlement, tuple[Move, ...]]]


async def commit(city: City, poll: Poll) -> None:
    """Bind the city to the secret of a poll's draw, whose hash everybody sees from now on; once. Raises Running when
    the word was given already: nobody may vote any more."""
    async with city.transaction() as transaction:
        connection = transaction.connection
        if await _hold(connection, poll.number) is None:
            return
        draw = await rows.draw_of(connection, poll.number)
        if await _published(connection, poll.number) or (draw is not None and draw.word is not None):
            raise Running(
                "",
                (
                    "Die Plätze sind schon verlost. Diese Abstimmung kann nicht wieder geöffnet werden.",
                    "The places are drawn already. This poll cannot be opened again.",
                ),
            )
        if draw is None:
            await _commit(connection, poll.number)


async def _commit(connection: asyncpg.Connection, poll: int) -> None:
    seed = drawing.new_seed()
    await connection.execute("INSERT INTO draw (poll, seed) VALUES ($1, $2)", poll, seed)
    await connection.execute(
        "UPDATE poll SET rule = rule || jsonb_build_object('seed', $2::text) WHERE number = $1",
        poll,
        drawing.commitment(seed),
    )


async def give_word(city: City, actor: Actor, event: Event, poll: Poll, text: str) -> None:
    """Take the word of the hall, which makes the draw: once, after closing. Raises Wrong."""
    try:
        word = drawing.word_of(text)
    except ValueError as error:
        raise Wrong(
            "word",
            ("Bitte ein Wort mit 1 bis 100 Zeichen eingeben.", "Please enter a word of 1 to 100 characters."),
        ) from error
    async with city.transaction() as transaction:
        connection = transaction.connection
        await _closed(connection, poll)
        if await rows.draw_of(connection, poll.number) is None:
            await _commit(connection, poll.number)
        given = await connection.execute(
            "UPDATE draw SET word = $2 WHERE poll = $1 AND word IS NULL", poll.number, word
        )
        if given == "UPDATE 0":
            raise Wrong(
                "word", ("Das Wort steht schon fest.", "The word was given already and cannot be changed.")
            )
        await transaction.audit(actor.id, "participation.places.word", f"poll:{poll.number}", {"word": word})
    await keeping.changed(city, event)


async def settled(city: City, event: Event, poll: Poll, way: Way) -> Settlement:
    """How places would be given in a way. Raises Wrong where it cannot be said yet, or the solver fails."""
    wishes = await _in_order(city.db.pool, event, poll, poll.rule.by if way == "solver" else way)
    if way != "solver":
        return rules.settle(wishes, poll.options)
    try:
        return await city.jobs.compute(solving.solve, wishes, poll.options, timeout=solving.SECONDS + 30)
    except Exception as error:  # whatever happens to another process
        raise Wrong(
            "",
            (
                "Das Rechenverfahren hat keine Verteilung gefunden. Die anderen Verfahren gehen.",
                "The solver found no result. The other ways can be used.",
            ),
        ) from error


async def _in_order(connection: rows.Connection, event: Event, poll: Poll, by: Way) -> list[Wishes]:
    wishes = await rows.wishes_of(connection, event, poll)
    if by == "arrival":
        if poll.rule.by != "arrival":
            raise Wrong(
                "",
                (
                    "Die Reihenfolge der Anmeldung wurde nicht festgehalten.",
                    "The order of arrival was not kept.",
                ),
            )
        return wishes
    draw = await rows.draw_of(connection, poll.number)
    if draw is None or draw.word is None:
        raise Wrong("", ("Das Wort aus dem Saal fehlt noch.", "The word of the hall is still missing."))
    return rows.drawn(wishes, draw)


async def publish(city: City, actor: Actor, event: Event, poll: Poll, way: Way) -> None:
    """Give the places, for everybody to see. Raises Wrong."""
    if way not in announced(poll):
        raise Wrong(
            "way",
            (
                "Dieses Verfahren wurde vor der Abstimmung nicht angekündigt.",
                "This way was not announced before the vote.",
            ),
        )
    settlement = await settled(city, event, poll, way)
    async with city.transaction() as transaction:
        connection = transaction.connection
        await _closed(connection, poll)
        by = poll.rule.by if way == "solver" else way
        now = await _in_order(connection, event, poll, by)
        offered = await rows.options_of(connection, poll.number)
        if [one.who for one in settlement.standings] != now or settlement.options != offered:
            raise Wrong(
                "",
                (
                    "Inzwischen hat sich etwas geändert. Bitte noch einmal ansehen.",
                    "Something was changed meanwhile. Please look again.",
                ),
            )
        await connection.execute(
            "INSERT INTO published (poll, way, published_at) VALUES ($1, $2, $3)",
            poll.number,
            way,
            city.clock.now(),
        )
        await rows.put(connection, poll, settlement)
        detail = {"way": way, "places": sum(settlement.taken.values())}
        await transaction.audit(actor.id, "participation.places.publish", f"poll:{poll.number}", detail)
        await city.jobs.enqueue(transaction, TELL, poll.number)
    await _told(city, event, poll)


async def leave(city: City, event: Event, poll: Poll, participant: UUID) -> bool:
    """Somebody gives their place up, and waits for none; others move up. False if they are not in it."""
    return await _change(city, event, poll, lambda now: rules.leave(now, participant))


async def stay(city: City, event: Event, poll: Poll, participant: UUID) -> bool:
    """Somebody keeps the place that they have and waits for no other. False if there is nothing to change."""
    return await _change(city, event, poll, lambda now: (rules.stay(now, participant), ()))


async def release(city: City, actor: Actor, event: Event, poll: Poll, ticket: str) -> None:
    """The organiser gives up the place of somebody who asked for it, by their ticket. Raises Wrong."""
    sought = "".join(letter for letter in ticket.upper() if letter.isalnum())
    participant = await city.db.pool.fetchval(
        "SELECT participant FROM placement WHERE poll = $1 AND ticket = $2 AND NOT gone",
        poll.number,
        f"{sought[:4]}-{sought[4:]}",
    )
    if participant is None or not await _change(
        city, event, poll, lambda now: rules.leave(now, participant), actor
    ):
        raise Wrong("ticket", ("Diese Losnummer hat hier keinen Platz.", "This ticket has no place here."))


async def raised(city: City, actor: Actor, event: Event, poll: Poll) -> None:
    """Capacities were changed, or somebody was removed: who waits moves up. Nothing before publishing."""
    await _change(city, event, poll, rules.fill)


async def fill(city: City) -> None:
    """Give places that became free unnoticed, where somebody's data were erased, say."""
    for row in await city.db.pool.fetch(
        "SELECT p.number, p.event FROM published JOIN poll p ON p.number = poll"
    ):
        event = await reading.by_number(city, row["event"])
        poll = event.poll(row["number"]) if event is not None else None
        if event is not None and poll is not None:
            await _change(city, event, poll, rules.fill)


async def taken(city: City, poll: Poll) -> dict[int, int]:
    """How many places of each option are given to somebody; of none before publishing."""
    found = await city.db.pool.fetch(
        "SELECT wishes[rank] AS option, count(*) FROM placement "
        "WHERE poll = $1 AND NOT gone AND rank IS NOT NULL GROUP BY 1",
        poll.number,
    )
    return {row["option"]: row["count"] for row in found}


async def own(city: City, event: Event, poll: Poll, participant: UUID) -> board.Own | None:
    """Where a participant stands; None before publishing, and for who did not vote."""
    found = await board.board(city, poll)
    return found.owns.get(participant) if found is not None else None


async def _change(city: City, event: Event, poll: Poll, act: Act, actor: Actor | None = None) -> bool:
    """Change the places of a poll, if they are published. False where nothing changed."""
    async with city.transaction() as transaction:
        connection = transaction.connection
        await _hold(connection, poll.number)
        if not await _published(connection, poll.number):
            return False
        offered = await rows.options_of(connection, poll.number)
        before, _ = await rows.settlement_of(connection, poll.number, offered)
        after, _ = act(before)
        if not await _write(transaction, poll, before, after, by_themselves=actor is None):
            return False
        if actor is not None:
            await transaction.audit(actor.id, "participation.places.release", f"poll:{poll.number}")
        await connection.execute("UPDATE published SET version = version + 1 WHERE poll = $1", poll.number)
        await city.jobs.enqueue(transaction, TELL, poll.number)
    await _told(city, event, poll)
    return True


async def _write(
    transaction: Transaction, poll: Poll, before: Settlement, after: Settlement, *, by_themselves: bool
) -> bool:
    """Write what differs; whether anything did. Who left by themselves needs no letter about it."""
    now = {one.who.participant: one for one in after.standings}
    changed = list[tuple[Any, ...]]()
    left = list[UUID]()
    for one in before.standings:
        then = now.get(one.who.participant)
        if then is None:
            left.append(one.who.participant)
        elif then != one:
            changed.append((poll.number, one.who.participant, then.rank, then.stays, then.rank == one.rank))
    await transaction.connection.executemany(
        "UPDATE placement SET rank = $3, stays = $4, told = told AND $5 WHERE poll = $1 AND participant = $2",
        changed,
    )
    await transaction.connection.execute(
        "UPDATE placement SET gone = true, rank = NULL, stays = false, told = $3 "
        "WHERE poll = $1 AND participant = ANY($2)",
        poll.number,
        left,
        by_themselves,
    )
    return bool(changed or left)


async def _hold(connection: asyncpg.Connection, poll: int) -> str | None:
    """The state of a poll, which nobody else changes until the transaction ends; None if it is gone."""
    state: str | None = await connection.fetchval("SELECT state FROM poll WHERE number = $1 FOR UPDATE", poll)
    return state


async def _closed(connection: asyncpg.Connection, poll: Poll) -> None:
    """Hold a poll that is closed and whose places are not given yet. Raises Wrong."""
    if poll.kind != "groups" or await _hold(connection, poll.number) != "closed":
        raise Wrong("", ("Die Abstimmung ist noch nicht geschlossen.", "The poll is not closed yet."))
    if await _published(connection, poll.number):
        raise Wrong("", ("Die Plätze sind schon veröffentlicht.", "The places are published already."))


async def _published(connection: asyncpg.Connection, poll: int) -> bool:
    return await connection.fetchval("SELECT 1 FROM published WHERE poll = $1", poll) is not None


async def _told(city: City, event: Event, poll: Poll) -> None:
    await keeping.changed(city, event)
    await city.refresh(f"/places/{poll.number}")
