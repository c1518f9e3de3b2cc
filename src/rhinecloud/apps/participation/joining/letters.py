"""Invitations by mail: a letter to everybody who has an address and was not written to."""

from __future__ import annotations

from typing import Final

import msgspec

from rhinecloud.app import Attempt
from rhinecloud.city import City
from rhinecloud.people import Actor

from ..events.model import Event
from ..events.reading import by_number
from .codes import code_of

_AT_ONCE: Final = 100


class Sending(msgspec.Struct, frozen=True):
    """For which event; `address`: where people reach the city."""

    event: int
    address: str


async def send(city: City, actor: Actor, event: Event, address: str) -> None:
    """Write to all who were not written to, soon."""
    async with city.transaction() as transaction:
        await city.jobs.enqueue(transaction, "invite", Sending(event.number, address), key=str(event.number))
        await transaction.audit(actor.id, "participation.mail_invitations", f"event:{event.number}", {})


async def write(city: City, sending: Sending, attempt: Attempt) -> None:
    """The job. Each letter is queued, and known to be, in one transaction: killed in between it writes to nobody
    twice."""
    event = await by_number(city, sending.event)
    while event is not None and event.state != "over" and await _some(city, event, sending.address):
        pass


_NEXT: Final = """
SELECT number, name, mail FROM invitation
WHERE event = $1 AND mail IS NOT NULL AND mailed IS NULL AND NOT revoked ORDER BY number LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED
"""


async def _some(city: City, event: Event, address: str) -> int:
    async with city.transaction() as transaction:
        connection = transaction.connection
        rows = await connection.fetch(_NEXT, event.number, _AT_ONCE)
        for row in rows:
            code = code_of(event.key, row["number"])
            try:
                await city.mail.queue(
                    transaction,
                    f"{city.app}_invitation",
                    row["mail"],
                    {
                        "name": row["name"],
                        "title": event.title,
                        "starts_at": event.starts_at,
                        "code": code,
                        "link": link(city, address, event, code),
                        "page": f"{address}/{city.app}/e/{event.code}/how",
                    },
                )
                written = True
            except ValueError:  # no address that mail can be sent to: it is shown in the list
                written = False
            await connection.execute(
                "UPDATE invitation SET mailed = $3 WHERE event = $1 AND number = $2",
                event.number,
                row["number"],
                written,
            )
    return len(rows)


def link(city: City, address: str, event: Event, code: str) -> str:
    """Where a code lets somebody in: what its QR code says."""
    return f"{address}/{city.app}/e/{event.code}/join?code={code}"
