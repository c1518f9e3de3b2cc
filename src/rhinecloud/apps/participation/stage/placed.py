"""Where somebody stands in a choice of groups, for their phone: their ticket, and their place once it is published."""

from __future__ import annotations

from rhinecloud.city import City

from ..choosing import drawing, placing
from ..choosing.board import Own
from ..joining.here import Here


async def of(city: City, found: Here) -> Own | None:
    """Where they stand in the poll that is shown; None where no places are given, before they are published, and for
    who did not vote."""
    poll = found.event.shown
    if poll is None or poll.kind != "groups" or poll.state != "closed" or found.pass_ is None:
        return None
    return await placing.own(city, found.event, poll, found.pass_.participant)


def ticket(found: Here) -> str:
    """Their number in all draws of the event; "" where there are none, and for who does not take part."""
    if found.pass_ is None or all(poll.kind != "groups" for poll in found.event.polls):
        return ""
    return drawing.ticket(found.event.key, found.pass_.participant)
