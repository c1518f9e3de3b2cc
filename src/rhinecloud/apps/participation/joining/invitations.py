"""Invitations: who was invited to an event, with or without a name. Codes are not among them: they are signed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from ..events.model import Event
from .codes import MOST
from .lists import Invited


class Invitation(msgspec.Struct, frozen=True):
    """One of an event's. `mailed`: whether a letter was written; None for not yet, False for an address that cannot be
    one. `voted`: whether somebody took part with it, in whatever poll."""

    number: int
    name: str | None
    mail: str | None
    organisation: str | None
    kind: str
    revoked: bool
    mailed: bool | None
    voted: bool


class Counts(msgspec.Struct, frozen=True):
    """How many there are, of these named, revoked, used, and with an address to which nothing was written yet."""

    all: int
    named: int
    revoked: int
    voted: int
    to_mail: int


class TooMany(Exception):
    """An event has no more numbers for so many."""


_SELECT: Final = """
SELECT i.number, i.name, i.mail, i.organisation, i.kind, i.revoked, i.mailed, p.id IS NOT NULL AS voted
FROM invitation i LEFT JOIN participant p ON p.event = i.event AND p.invitation = i.number
WHERE i.event = $1
"""


async def one(city: City, event: int, number: int) -> Invitation | None:
    """An invitation of an event; None if there is none such."""
    if not 1 <= number <= MOST:
        return None
    row = await city.db.pool.fetchrow(f"{_SELECT} AND i.number = $2", event, number)
    return Invitation(*row) if row is not None else None


async def after(city: City, event: int, number: int, limit: int, *, usable: bool = False) -> list[Invitation]:
    """At most `limit` whose numbers are greater than this, in their order; with `usable` only those that count."""
    rows = await city.db.pool.fetch(
        f"{_SELECT} AND i.number > $2 AND NOT (i.revoked AND $4) ORDER BY i.number LIMIT $3",
        event,
        number,
        limit,
        usable,
    )
    return [Invitation(*row) for row in rows]


async def named(city: City, event: int, text: str, limit: int) -> list[Invitation]:
    """Those in whose name, organisation or address a text stands, in whatever case."""
    rows = await city.db.pool.fetch(
        f"{_SELECT} AND strpos(lower(concat_ws(E'\\n', i.name, i.organisation, i.mail)), lower($2)) > 0"
        " ORDER BY i.name, i.number LIMIT $3",
        event,
        text,
        limit,
    )
    return [Invitation(*row) for row in rows]


async def counts(city: City, event: int) -> Counts:
    """How many an event has."""
    row = await city.db.pool.fetchrow(
        f"""SELECT count(*), count(name), count(*) FILTER (WHERE revoked), count(*) FILTER (WHERE voted),
        count(*) FILTER (WHERE mail IS NOT NULL AND mailed IS NULL AND NOT revoked) FROM ({_SELECT}) AS i""",
        event,
    )
    return Counts(*row)


async def add(city: City, actor: Actor, event: Event, count: int, kind: str) -> range:
    """Make `count` invitations without names, for one kind of organisation; returns their numbers. Raises TooMany."""
    async with city.transaction() as transaction:
        numbers = await _numbers(transaction, event, count)
        await transaction.connection.execute(
            "INSERT INTO invitation (event, number, kind) SELECT $1, number, $3 FROM unnest($2::integer[]) AS number",
            event.number,
            list(numbers),
            kind,
        )
        await _audit(transaction, actor, "invite", event, {"count": count, "first": numbers.start})
    return numbers


async def add_named(city: City, actor: Actor, event: Event, people: Sequence[Invited]) -> int:
    """Invite people by their names; who is invited already (same name and address) is not invited twice. Returns how
    many are new. Raises TooMany."""
    async with city.transaction() as transaction:
        connection = transaction.connection
        await connection.execute("SELECT FROM event WHERE number = $1 FOR UPDATE", event.number)
        rows = await connection.fetch("SELECT name, mail FROM invitation WHERE event = $1", event.number)
        there = {(row["name"], row["mail"]) for row in rows}
        new = [person for person in people if (person.name, person.mail) not in there]
        numbers = await _numbers(transaction, event, len(new))
        await connection.copy_records_to_table(
            "invitation",
            records=[
                (event.number, number, person.name, person.mail, person.organisation, person.kind)
                for number, person in zip(numbers, new, strict=True)
            ],
            columns=["event", "number", "name", "mail", "organisation", "kind"],
        )
        if new:
            await _audit(transaction, actor, "invite", event, {"count": len(new), "first": numbers.start})
    return len(new)


async def revoke(city: City, actor: Actor, event: Event, number: int, *, revoked: bool) -> bool:
    """Revoke an invitation, or let it count again; false if there is none such. Votes that were cast with it stay."""
    async with city.transaction() as transaction:
        status = await transaction.connection.execute(
            "UPDATE invitation SET revoked = $3 WHERE event = $1 AND number = $2 AND revoked <> $3",
            event.number,
            number,
            revoked,
        )
        if status == "UPDATE 1":
            verb = "revoke" if revoked else "restore"
            await _audit(transaction, actor, verb, event, {"invitation": number})
            return True
    return await one(city, event.number, number) is not None


async def shown(city: City, actor: Actor, event: Event, first: int, last: int) -> None:
    """Write down that somebody saw codes, from one number to another: who has a code has its vote."""
    async with city.transaction() as transaction:
        await _audit(transaction, actor, "codes_shown", event, {"first": first, "last": last})


async def forget(city: City) -> int:
    """Forget names, addresses and organisations of events that were over 90 days ago; returns how many people."""
    status = await city.db.pool.execute(_FORGET)
    return int(status.rpartition(" ")[2])


# An event that nobody ended is taken for over a year after it began.
_FORGET: Final = """
UPDATE invitation i SET name = NULL, mail = NULL, organisation = NULL FROM event e
WHERE e.number = i.event AND (i.name IS NOT NULL OR i.mail IS NOT NULL OR i.organisation IS NOT NULL)
  AND coalesce(e.ended_at, greatest(e.created_at, e.starts_at) + interval '1 year') < now() - interval '90 days'
"""


async def _numbers(transaction: Transaction, event: Event, count: int) -> range:
    connection = transaction.connection
    await connection.execute("SELECT FROM event WHERE number = $1 FOR UPDATE", event.number)
    greatest = await connection.fetchval(
        "SELECT coalesce(max(number), 0) FROM invitation WHERE event = $1", event.number
    )
    if greatest + count > MOST:
        raise TooMany
    return range(greatest + 1, greatest + 1 + count)


async def _audit(
    transaction: Transaction, actor: Actor, verb: str, event: Event, detail: dict[str, Any]
) -> None:
    await transaction.audit(actor.id, f"participation.{verb}", f"event:{event.number}", detail)
