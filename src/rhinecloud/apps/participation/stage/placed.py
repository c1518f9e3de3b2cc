"""Where somebody stands in a choice of groups, for their phone: their ticket, and their place once it is published."""

from __future__ import annotations

import msgspec

from rhinecloud.city import City

from ..choosing import drawing, placing
from ..choosing.board import Own
from ..events.model import Poll
from ..joining.here import Here


class Place(msgspec.Struct, frozen=True):
    """Of a poll: the ticket, and where its holder stands; None before that is published, and for who did not vote."""

    poll: int
    ticket: str
    own: Own | None


async def of(city: City, found: Here, poll: Poll | None) -> Place | None:
    """None where no places are given, and for who does not take part."""
    if poll is None or poll.kind != "groups" or found.pass_ is None or poll.state == "prepared":
        return None
    own = (
        await placing.own(city, found.event, poll, found.pass_.participant)
        if poll.state == "closed"
        else None
    )
    return Place(poll.number, drawing.ticket(found.event.key, found.pass_.participant), own)
