"""Preparing events: making, changing and removing them, their polls and options.

What people were told before they voted stays: once a poll was opened only its explanation and its places can change.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Final, Literal

import asyncpg
import msgspec

from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from ..ballots import results
from ..choosing import placing
from ..joining import codes
from . import keeping, reading
from .drafting import (
    EventDraft,
    Fewer,
    OptionDraft,
    PollDraft,
    Running,
    Wrong,
    check_event,
    check_poll,
    still_what_was_told,
)
from .model import Event, Poll

_MOST_POLLS: Final = 100
_TRIES: Final = 20


class Gone(Exception):
    """There is no such event or poll any more."""


async def create_event(city: City, actor: Actor, draft: EventDraft, polls: Sequence[PollDraft] = ()) -> Event:
    """A new event with polls, under a short code that no other has. Raises Wrong."""
    draft = check_event(draft)
    polls = [check_poll(poll) for poll in polls]
    for tried in range(_TRIES):
        try:
            number = await _insert(city, actor, draft, polls)
            break
        except asyncpg.UniqueViolationError:
            if tried == _TRIES - 1:
                raise
    return await _read(city, number)


async def _insert(city: City, actor: Actor, draft: EventDraft, polls: Sequence[PollDraft]) -> int:
    async with city.transaction() as transaction:
        number: int = await transaction.connection.fetchval(
            "INSERT INTO event (code, title, lead, admission, expected, key, starts_at, created_by) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING number",
            codes.short_code(),
            draft.title,
            draft.lead,
            draft.admission,
            draft.expected,
            secrets.token_bytes(32),
            draft.starts_at,
            actor.id,
        )
        for place, poll in enumerate(polls):
            await _insert_poll(transaction, number, place, poll)
        await transaction.audit(
            actor.id, "participation.create_event", f"event:{number}", {"title": draft.title}
        )
    return number


async def edit_event(city: City, actor: Actor, event: Event, draft: EventDraft) -> Event:
    """Change an event. How people get in cannot change once it has begun. Raises Wrong, Running, Gone."""
    draft = check_event(draft)
    if draft.admission != event.admission and event.state != "prepared":
        text = (
            "Die Veranstaltung hat begonnen: Der Zugang bleibt, wie er ist.",
            "The event has begun: admission stays as it is.",
        )
        raise Running("admission", text)
    async with city.transaction() as transaction:
        status = await transaction.connection.execute(
            "UPDATE event SET title = $2, lead = $3, admission = $4, expected = $5, starts_at = $6 "
            "WHERE number = $1 AND (state = 'prepared' OR admission = $4)",
            event.number,
            draft.title,
            draft.lead,
            draft.admission,
            draft.expected,
            draft.starts_at,
        )
        if status == "UPDATE 0":
            raise Gone
        await transaction.audit(actor.id, "participation.edit_event", f"event:{event.number}")
    return await _changed(city, event.number)


async def delete_event(city: City, actor: Actor, event: Event) -> None:
    """Remove an event with all that belongs to it: polls, invitations, votes, results. Raises Running while a poll is
    open."""
    async with city.transaction() as transaction:
        await _forget_polls(transaction, "event", event.number)
        if (
            await transaction.connection.execute("DELETE FROM event WHERE number = $1", event.number)
            == "DELETE 0"
        ):
            raise Gone
        await transaction.audit(
            actor.id, "participation.delete_event", f"event:{event.number}", {"title": event.title}
        )
    await keeping.changed(city, event)


async def add_poll(city: City, actor: Actor, event: Event, draft: PollDraft) -> Poll:
    """A new poll at the end of an event. Raises Wrong, Gone."""
    draft = check_poll(draft)
    async with city.transaction() as transaction:
        connection = transaction.connection
        if not await connection.fetchval("SELECT true FROM event WHERE number = $1 FOR UPDATE", event.number):
            raise Gone
        count, place = await connection.fetchrow(
            "SELECT count(*), coalesce(max(place) + 1, 0) FROM poll WHERE event = $1", event.number
        )
        if count >= _MOST_POLLS:
            raise Wrong("title", ("Höchstens 100 Abstimmungen.", "100 polls at most."))
        number = await _insert_poll(transaction, event.number, place, draft)
        await transaction.audit(
            actor.id, "participation.create_poll", f"poll:{number}", {"title": draft.title}
        )
    return _of(await _changed(city, event.number), number)


async def edit_poll(city: City, actor: Actor, event: Event, poll: Poll, draft: PollDraft) -> Poll:
    """Change a poll: all but its kind while it is prepared, then only its explanation and its places. Raises Wrong,
    Fewer if an option would have fewer places than are taken, Running, Gone."""
    draft = check_poll(msgspec.structs.replace(draft, kind=poll.kind))
    async with city.transaction() as transaction:
        connection = transaction.connection
        state = await connection.fetchval("SELECT state FROM poll WHERE number = $1 FOR UPDATE", poll.number)
        if state is None:
            raise Gone
        if state == "prepared":
            await connection.execute(
                "UPDATE poll SET title = $2, explanation = $3, secret = $4, results = $5, rule = $6::text::jsonb "
                "WHERE number = $1",
                poll.number,
                draft.title,
                draft.explanation,
                draft.secret,
                draft.results,
                _json(msgspec.structs.replace(draft.rule, seed=poll.rule.seed)),
            )
            await _replace_options(transaction, poll, draft.options)
        else:
            still_what_was_told(poll, draft)
            await _refuse_fewer(city, poll, draft.options)
            await connection.execute(
                "UPDATE poll SET explanation = $2 WHERE number = $1", poll.number, draft.explanation
            )
            for option in draft.options:
                await connection.execute(
                    "UPDATE option SET capacity = $3, reserved = $4::text::jsonb WHERE number = $2 AND poll = $1",
                    poll.number,
                    option.number,
                    option.capacity,
                    _json(option.reserved),
                )
        await transaction.audit(actor.id, "participation.edit_poll", f"poll:{poll.number}")
    event = await _changed(city, event.number)
    poll = _of(event, poll.number)
    if state != "prepared" and poll.kind == "groups":
        await placing.raised(city, actor, event, poll)
    return poll


async def delete_poll(city: City, actor: Actor, event: Event, poll: Poll) -> None:
    """Remove a poll with its votes. Raises Running while it is open, Gone."""
    async with city.transaction() as transaction:
        await _forget_polls(transaction, "number", poll.number)
        if (
            await transaction.connection.execute("DELETE FROM poll WHERE number = $1", poll.number)
            == "DELETE 0"
        ):
            raise Gone
        await transaction.audit(
            actor.id, "participation.delete_poll", f"poll:{poll.number}", {"title": poll.title}
        )
    await _changed(city, event.number)


async def move_poll_up(city: City, actor: Actor, event: Event, poll: Poll) -> None:
    """Put a poll before the one that it comes after; the first one stays. Raises Gone."""
    async with city.transaction() as transaction:
        connection = transaction.connection
        await connection.execute("SELECT FROM event WHERE number = $1 FOR UPDATE", event.number)
        rows = await connection.fetch(
            "SELECT number FROM poll WHERE event = $1 ORDER BY place, number", event.number
        )
        numbers = [row["number"] for row in rows]
        if poll.number not in numbers:
            raise Gone
        place = numbers.index(poll.number)
        if place == 0:
            return
        numbers[place - 1 : place + 1] = numbers[place], numbers[place - 1]
        await connection.execute(
            "UPDATE poll SET place = u.place - 1 FROM unnest($1::bigint[]) WITH ORDINALITY AS u (number, place) "
            "WHERE poll.number = u.number AND poll.place <> u.place - 1",
            numbers,
        )
        await transaction.audit(actor.id, "participation.move_poll", f"poll:{poll.number}")
    await _changed(city, event.number)


async def _insert_poll(transaction: Transaction, event: int, place: int, draft: PollDraft) -> int:
    number: int = await transaction.connection.fetchval(
        "INSERT INTO poll (event, place, kind, title, explanation, secret, results, rule) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb) RETURNING number",
        event,
        place,
        draft.kind,
        draft.title,
        draft.explanation,
        draft.secret,
        draft.results,
        _json(draft.rule),
    )
    for index, option in enumerate(draft.options):
        await _insert_option(transaction, number, index, option)
    return number


async def _insert_option(transaction: Transaction, poll: int, place: int, option: OptionDraft) -> None:
    await transaction.connection.execute(
        "INSERT INTO option (poll, place, title, capacity, reserved) VALUES ($1, $2, $3, $4, $5::text::jsonb)",
        poll,
        place,
        option.title,
        option.capacity,
        _json(option.reserved),
    )


async def _replace_options(transaction: Transaction, poll: Poll, options: Sequence[OptionDraft]) -> None:
    """Nobody has voted yet: no number of an option is kept anywhere."""
    await transaction.connection.execute("DELETE FROM option WHERE poll = $1", poll.number)
    for index, option in enumerate(options):
        await _insert_option(transaction, poll.number, index, option)


async def _refuse_fewer(city: City, poll: Poll, options: Sequence[OptionDraft]) -> None:
    if poll.kind != "groups":
        return
    taken = await placing.taken(city, poll)
    for place, option in enumerate(options):
        places = taken.get(option.number or 0, 0)
        if option.capacity is not None and option.capacity < places:
            text = (
                f"„{option.title}“: {places} Plätze sind schon vergeben. Weniger geht nicht.",
                f"“{option.title}”: {places} places are taken already. It cannot have fewer.",
            )
            raise Fewer(f"option-{place}-capacity", text)


async def _forget_polls(transaction: Transaction, of: Literal["event", "number"], number: int) -> None:
    """These polls will be removed: what the graph tells of them goes now. Raises Running if one is open."""
    polls = await transaction.connection.fetch(
        f"SELECT number, state FROM poll WHERE {of} = $1 ORDER BY number FOR UPDATE", number
    )
    if any(poll["state"] == "open" for poll in polls):
        text = ("Bitte zuerst die Abstimmung schließen.", "Please close the poll first.")
        raise Running("", text)
    await results.forget(transaction, [poll["number"] for poll in polls])


async def _read(city: City, number: int) -> Event:
    event = await reading.by_number(city, number)
    if event is None:
        raise Gone
    return event


async def _changed(city: City, number: int) -> Event:
    event = await _read(city, number)
    await keeping.changed(city, event)
    return event


def _of(event: Event, number: int) -> Poll:
    poll = event.poll(number)
    if poll is None:
        raise Gone
    return poll


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
