"""How to vote, and what happens with one's data, for who takes part: also in Leichte Sprache, a text of its own."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City
from rhinecloud.people.register import GROUNDS, Table

from ..events.model import Event
from ..joining import here
from ..joining.strength import STRENGTHS


async def show(city: City, request: Request) -> Response:
    """The page. What it says of data stands in the register of the city, and is taken from there."""
    from ..app import app  # the whole app, of which this is a part

    event: Event = (await here.of(city, request)).event
    (activity,) = (one for one in app.personal_data.activities if one.key == "participation")
    return city.render(
        request,
        "participation/how.html",
        event=event,
        strength=STRENGTHS[event.admission],
        secret=any(poll.secret for poll in event.polls),
        groups=any(poll.kind == "groups" for poll in event.polls),
        purpose=activity.purpose,
        ground=GROUNDS[activity.ground],
        provision=activity.provision,
        holdings=[one for one in activity.holdings if isinstance(one, Table)],
    )
