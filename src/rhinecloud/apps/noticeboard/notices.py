"""Notices: rows of the app, and entities for as long as they hang."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor


class Notice(msgspec.Struct, frozen=True):
    """A notice that hangs. `until` is its last day, in the city's time zone."""

    number: int
    title: str
    text: str
    until: date
    posted_at: datetime

    @property
    def urn(self) -> str:
        """The id of its entity."""
        return f"urn:ngsi-ld:Notice:{self.number}"


_HANGING = "SELECT number, title, text, until, posted_at FROM notice WHERE withdrawn_at IS NULL"


async def hanging(city: City) -> list[Notice]:
    """What hangs now, the newest first."""
    rows = await city.db.pool.fetch(f"{_HANGING} AND until >= $1 ORDER BY posted_at DESC", city.clock.today())
    return [Notice(*row) for row in rows]


async def post(city: City, actor: Actor, title: str, text: str, until: date) -> Notice:
    """Hang it up."""
    async with city.transaction() as transaction:
        row = await transaction.connection.fetchrow(
            "INSERT INTO notice (title, text, until, author) VALUES ($1, $2, $3, $4) "
            "RETURNING number, title, text, until, posted_at",
            title,
            text,
            until,
            actor.id,
        )
        notice = Notice(*row)
        last_day = {"type": "Property", "value": {"@type": "Date", "@value": until.isoformat()}}
        await transaction.upsert(
            {"id": notice.urn, "type": "Notice", "title": title, "text": text, "until": last_day}
        )
        await transaction.audit(actor.id, "noticeboard.post", notice.urn, {"title": title})
    return notice


async def withdraw(city: City, actor: Actor, number: int) -> bool:
    """Take it down; false if it does not hang."""
    async with city.transaction() as transaction:
        row = await transaction.connection.fetchrow(f"{_HANGING} AND number = $1 FOR UPDATE", number)
        if row is not None:
            await _take_down(transaction, Notice(*row), actor.id)
        return row is not None


async def withdraw_expired(city: City) -> int:
    """Take down what has hung to the end of its last day; returns how many."""
    async with city.transaction() as transaction:
        rows = await transaction.connection.fetch(f"{_HANGING} AND until < $1 FOR UPDATE", city.clock.today())
        for row in rows:
            await _take_down(transaction, Notice(*row), "noticeboard")
        return len(rows)


async def _take_down(transaction: Transaction, notice: Notice, actor: str) -> None:
    await transaction.connection.execute(
        "UPDATE notice SET withdrawn_at = now() WHERE number = $1", notice.number
    )
    await transaction.delete(notice.urn)
    await transaction.audit(actor, "noticeboard.withdraw", notice.urn)
