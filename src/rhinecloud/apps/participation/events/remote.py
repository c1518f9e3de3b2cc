"""The remote control on a phone: what is shown, one big button for what comes next, and counts as they grow."""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.app import Text
from rhinecloud.city import City, Sight
from rhinecloud.web.forms import fields

from ..ballots import counting
from ..ballots.counting import Tally
from . import changing, pages, reading, steering
from .drafting import Wrong
from .model import KINDS, Event, Poll

Action = Literal["open", "close", "reveal", "hide", "show", "end"]


class Step(msgspec.Struct, frozen=True):
    """What one button does: an action on a poll."""

    action: Action
    poll: Poll


def next_step(event: Event) -> Step | None:
    """What most likely comes next, None if nothing is left to do. Pure."""
    shown = event.shown
    if shown is not None:
        if shown.state == "prepared":
            return Step("open", shown)
        if shown.state == "open":
            return Step("close", shown)
        if shown.results == "reveal" and not shown.revealed:
            return Step("reveal", shown)
    polls = list(event.polls)
    later = polls[polls.index(shown) + 1 :] if shown in polls else polls
    following = next((poll for poll in later if poll.state != "closed"), None)
    return Step("show", following) if following is not None else None


async def page(city: City, request: Request) -> Response:
    """The remote control. With `close` it asks whether a vote is to end, for that is for good."""
    event = await pages.found(city, request)
    return await _page(city, request, event)


async def steer(city: City, request: Request) -> Response:
    """What a button says. A button that was pressed twice, or late, does no harm."""
    event = await pages.found(city, request)
    actor = city.people.who(request)
    given = await fields(request)
    action, number = given.get("action", ""), given.get("poll", "")
    poll = event.poll(int(number)) if number.isdecimal() and len(number) < 19 else None
    try:
        if action == "end":
            await steering.end(city, actor, event)
        elif action == "welcome":
            await steering.show(city, actor, event, None)
        elif poll is None:
            raise HTTPException(404 if number else 422)
        elif action == "open":
            await steering.open_poll(city, actor, event, poll)
        elif action == "close":
            await steering.close_poll(city, actor, event, poll)
        elif action == "show":
            await steering.show(city, actor, event, poll)
        elif action in ("reveal", "hide"):
            await steering.reveal(city, actor, event, poll, action == "reveal")
        else:
            raise HTTPException(422)
    except Wrong as wrong:
        return await _page(city, request, await pages.found(city, request), wrong.text)
    except changing.Gone as error:
        raise HTTPException(404) from error
    return RedirectResponse(f"/{city.app}/events/{event.number}/remote", 303)


async def _page(city: City, request: Request, event: Event, wrong: Text | None = None) -> Response:
    asked = request.query_params.get("close", "")
    closing = event.poll(int(asked)) if asked.isdecimal() and len(asked) < 19 else None
    return city.render(
        request,
        "participation/remote.html",
        200 if wrong is None else 409,
        wrong=wrong,
        closing=closing if closing is not None and closing.state == "open" else None,
        **await _values(city, event),
    )


async def part(city: City, sight: Sight, language: str, number: str) -> str:
    """What the remote control shows, told anew when somebody votes or steers."""
    event = await reading.by_number(city, int(number)) if number.isdecimal() and len(number) < 19 else None
    if event is None:
        return city.part("participation/parts/remote_gone.html", language)
    return city.part("participation/parts/remote.html", language, **await _values(city, event))


async def _values(city: City, event: Event) -> dict[str, object]:
    shown = event.shown
    tally: Tally | None = None
    if shown is not None and shown.state != "prepared" and shown.kind != "questions":
        tally = await counting.tally(city, shown, whole=shown.state == "closed" or not shown.secret)
    return {"event": event, "shown": shown, "tally": tally, "next": next_step(event), "kinds": KINDS}
