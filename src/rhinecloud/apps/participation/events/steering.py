"""Steering an event while it goes on: what stage and phones show, what is open, what is revealed, the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from rhinecloud.app import Attempt
from rhinecloud.city import City
from rhinecloud.people import Actor

from ..ballots import closing, results
from ..choosing import placing
from . import keeping, reading
from .changing import Gone
from .drafting import Running
from .model import Event, Poll

_LEFT: Final = timedelta(days=60)
_BY_ITSELF: Final = Actor("participation", "anonymous")


async def show(city: City, actor: Actor, event: Event, poll: Poll | None) -> Event:
    """Show a poll on stage and phones, open or not; None for the welcome. Raises Running once the event is over."""
    status = await city.db.pool.execute(
        "UPDATE event SET current_poll = $2, state = 'open' WHERE number = $1 AND state <> 'over'",
        event.number,
        None if poll is None else poll.number,
    )
    return await _went(city, event, status)


async def open_poll(city: City, actor: Actor, event: Event, poll: Poll) -> Event:
    """Let people vote, and show it. Raises Running once it was closed or the event
    is over."""
    if event.state == "over":
        raise _over()
    if poll.kind == "groups":
        await placing.commit(city, poll)  # the seed of the draw is fixed before anybody votes
    await closing.open_poll(city, actor, poll)
    return await show(city, actor, event, poll)


async def close_poll(city: City, actor: Actor, event: Event, poll: Poll) -> Event:
    """End the vote: what is not received by now does not count."""
    await closing.close_poll(city, actor, poll)
    return await _changed(city, event.number)


async def reveal(city: City, actor: Actor, event: Event, poll: Poll, revealed: bool = True) -> Event:
    """Show everybody the results of a poll that are shown on being revealed, or hide them again."""
    async with city.transaction() as transaction:
        changed = await transaction.connection.execute(
            "UPDATE poll SET revealed = $2 WHERE number = $1 AND revealed <> $2", poll.number, revealed
        )
        if changed != "UPDATE 0":
            action = "participation.reveal" if revealed else "participation.hide"
            await results.settle(transaction, poll)
            await transaction.audit(actor.id, action, f"poll:{poll.number}")
    return await _changed(city, event.number)


async def end(city: City, actor: Actor, event: Event) -> Event:
    """The event is over: open polls are closed, and nobody joins any more."""
    for poll in event.polls:
        if poll.state == "open":
            await closing.close_poll(city, actor, poll)
    async with city.transaction() as transaction:
        ended = await transaction.connection.execute(
            "UPDATE event SET state = 'over', current_poll = NULL, ended_at = $2 WHERE number = $1 AND state <> 'over'",
            event.number,
            city.clock.now(),
        )
        if ended != "UPDATE 0":
            await transaction.audit(actor.id, "participation.end_event", f"event:{event.number}")
    return await _changed(city, event.number)


async def end_left(city: City, payload: None, attempt: Attempt) -> None:
    """The job that ends what nobody ended, for deadlines count from the end: 60 days after an event was to begin, or a
    year after it was made where no time was given."""
    now = city.clock.now()
    rows = await city.db.pool.fetch(
        "SELECT number FROM event WHERE state <> 'over' AND coalesce(starts_at, created_at + interval '305 days') < $1",
        now - _LEFT,
    )
    for row in rows:
        event = await reading.by_number(city, row["number"])
        if event is not None:
            await end(city, _BY_ITSELF, event)


async def _went(city: City, event: Event, status: str) -> Event:
    if status == "UPDATE 0":
        if await reading.by_number(city, event.number) is None:
            raise Gone
        raise _over()
    return await _changed(city, event.number)


def _over() -> Running:
    return Running("", ("Die Veranstaltung ist vorbei.", "The event is over."))


async def _changed(city: City, number: int) -> Event:
    event = await reading.by_number(city, number)
    if event is None:
        raise Gone
    await keeping.changed(city, event)
    return event
