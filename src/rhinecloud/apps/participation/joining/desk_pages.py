"""The helpers' desk: find an invitation, say whether it has voted, enter a vote from paper."""

from __future__ import annotations

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.app import Text
from rhinecloud.city import City
from rhinecloud.web.forms import fields

from ..ballots.casting import Refused
from ..ballots.choices import LONGEST_WORD, Wrong
from ..events.model import Event, Poll
from ..events.reading import everything
from . import invitations, letters, paper
from .codes import MOST, code_of, number_of
from .invitation_pages import event_of
from .invitations import Invitation
from .qr import svg

_FOUND: Final = 30


async def desks(city: City, request: Request) -> Response:
    """The events that one can help at."""
    events = [event for event in await everything(city) if event.state != "over"]
    return city.render(request, "participation/desks.html", events=events)


async def desk(city: City, request: Request) -> Response:
    """Where helpers look for an invitation."""
    return _desk(city, request, await event_of(city, request))


async def find(city: City, request: Request) -> Response:
    """Look for a code, a number or a name. Posted, so that neither stands in an address."""
    event = await event_of(city, request)
    text = (await fields(request)).get("q", "").strip()[:100]
    number = number_of(event.key, text)
    if number is None and text.isascii() and text.isdigit() and len(text) <= len(str(MOST)):
        number = int(text)
    if number is not None and await invitations.one(city, event.number, number) is not None:
        return RedirectResponse(_path(city, event, number), 303)
    found = await invitations.named(city, event.number, text, _FOUND + 1) if text else []
    if len(found) == 1:
        return RedirectResponse(_path(city, event, found[0].number), 303)
    return _desk(city, request, event, q=text, found=found[:_FOUND], more=len(found) > _FOUND, asked=True)


async def one(city: City, request: Request) -> Response:
    """An invitation: whether it has voted, and the form for a vote on paper. 0 is for who has none."""
    event = await event_of(city, request)
    return await _one(city, request, event, await _invitation(city, request, event))


async def enter(city: City, request: Request) -> Response:
    """Enter a vote from paper."""
    event = await event_of(city, request)
    invitation = await _invitation(city, request, event)
    poll = event.poll(request.path_params["poll"])
    if poll is None or poll.kind == "questions":
        raise HTTPException(404)
    given = await fields(request)
    try:
        await paper.enter(city, city.people.who(request), event, poll, invitation, given)
    except Wrong as wrong:
        return await _one(city, request, event, invitation, 422, asked=poll, wrong=wrong.text, entered=given)
    except Refused as refused:
        busy = refused.reason == "busy"
        response = await _one(
            city,
            request,
            event,
            invitation,
            503 if busy else 409,
            asked=poll,
            wrong=refused.text,
            entered=given,
        )
        if busy:
            response.headers["Retry-After"] = str(refused.retry_after or 1)
        return response
    number = 0 if invitation is None else invitation.number
    return RedirectResponse(f"{_path(city, event, number)}?poll={poll.number}&done=entered", 303)


async def show_code(city: City, request: Request) -> Response:
    """Show somebody the code that they lost, on the helper's screen; it is audited."""
    event = await event_of(city, request)
    invitation = await _invitation(city, request, event)
    if invitation is None:
        raise HTTPException(404)
    await invitations.shown(city, city.people.who(request), event, invitation.number, invitation.number)
    code = code_of(event.key, invitation.number)
    link = letters.link(city, city.address(request), event, code)
    return await _one(city, request, event, invitation, code=code, link=link)


async def _invitation(city: City, request: Request, event: Event) -> Invitation | None:
    number = request.path_params["invitation"]
    if number == 0 and event.admission == "open":
        return None
    found = await invitations.one(city, event.number, number)
    if found is None:
        raise HTTPException(404)
    return found


def _desk(city: City, request: Request, event: Event, **values: Any) -> Response:
    shown: dict[str, Any] = {"event": event, "q": "", "found": [], "more": False, "asked": False, **values}
    return city.render(request, "participation/desk.html", **shown)


async def _one(
    city: City,
    request: Request,
    event: Event,
    invitation: Invitation | None,
    status: int = 200,
    *,
    asked: Poll | None = None,
    wrong: Text | None = None,
    **values: Any,
) -> Response:
    open_ = [poll for poll in event.polls if poll.state == "open" and poll.kind != "questions"]
    chosen = request.query_params.get("poll", "")
    first = event.shown if event.shown in open_ else next(iter(open_), None)
    poll = asked or next((one for one in open_ if str(one.number) == chosen), first)
    shown: dict[str, Any] = {
        "event": event,
        "invitation": invitation,
        "polls": [one for one in event.polls if one.kind != "questions"],
        "open": open_,
        "poll": poll,
        "voted": set() if invitation is None else await paper.voted(city, event, invitation.number),
        "entered": {},
        "longest_word": LONGEST_WORD,
        "qr": svg,
        "wrong": wrong,
        "done": request.query_params.get("done") == "entered" and wrong is None,
        "code": "",
        "link": "",
        **values,
    }
    return city.render(request, "participation/desk_one.html", status, **shown)


def _path(city: City, event: Event, number: int) -> str:
    return f"/{city.app}/events/{event.number}/desk/{number}"
