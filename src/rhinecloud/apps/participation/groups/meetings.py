"""When groups meet."""

from __future__ import annotations

from typing import Final

from rhinecloud.city import City
from rhinecloud.people import Actor

from ..events.drafting import Wrong
from . import graph
from .drafting import MeetingDraft
from .model import Group, Meeting

_COLUMNS: Final = "number, title, place, about, starts_at, ends_at, sequence, cancelled, changed_at"
_MOST: Final = 500  # meetings of a group


async def of(city: City, group: Group) -> list[Meeting]:
    """The meetings of a group, the first one first."""
    rows = await city.db.pool.fetch(
        f"SELECT {_COLUMNS} FROM meeting WHERE theme_group = $1 ORDER BY starts_at, number", group.number
    )
    return [Meeting(**row) for row in rows]


async def one(city: City, group: Group, number: int) -> Meeting | None:
    """A meeting of a group."""
    if number >= 2**63:
        return None
    row = await city.db.pool.fetchrow(
        f"SELECT {_COLUMNS} FROM meeting WHERE theme_group = $1 AND number = $2", group.number, number
    )
    return Meeting(**row) if row is not None else None


async def add(city: City, actor: Actor, group: Group, draft: MeetingDraft) -> None:
    """A new meeting. Raises Wrong."""
    now = city.clock.now()
    async with city.transaction() as transaction:
        count = await transaction.connection.fetchval(
            "SELECT count(*) FROM meeting WHERE theme_group = $1", group.number
        )
        if count >= _MOST:
            raise Wrong("", ("Die Gruppe hat schon 500 Treffen.", "The group has 500 meetings already."))
        await transaction.connection.execute(
            "INSERT INTO meeting (theme_group, title, place, about, starts_at, ends_at, changed_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            group.number,
            draft.title,
            draft.place,
            draft.about,
            draft.starts_at,
            draft.ends_at,
            now,
        )
        await transaction.audit(actor.id, "participation.group.meeting", f"group:{group.number}")
        await graph.settle(transaction, group.number, now)


async def change(
    city: City, actor: Actor, group: Group, meeting: Meeting, draft: MeetingDraft, *, cancelled: bool
) -> None:
    """Move a meeting, or cancel it: calendars that have it take it over."""
    now = city.clock.now()
    async with city.transaction() as transaction:
        await transaction.connection.execute(
            "UPDATE meeting SET title = $2, place = $3, about = $4, starts_at = $5, ends_at = $6, cancelled = $7, "
            "sequence = sequence + 1, changed_at = $8 WHERE number = $1",
            meeting.number,
            draft.title,
            draft.place,
            draft.about,
            draft.starts_at,
            draft.ends_at,
            cancelled,
            now,
        )
        await transaction.audit(
            actor.id,
            "participation.group.meeting",
            f"group:{group.number}",
            {"meeting": meeting.number, "cancelled": cancelled},
        )
        await graph.settle(transaction, group.number, now)
