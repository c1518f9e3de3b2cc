"""Pages of events: where a short code is typed, the organisers' list, a new one, one with its polls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import fields
from rhinecloud.web.language import choose

from ..joining.here import wrong_code
from ..joining.strength import STRENGTHS
from . import changing, forms, keeping, reading, steering, templates
from .drafting import Wrong
from .model import KINDS, Event

ORGANISE: Final = "participation.organise"


async def first(city: City, request: Request) -> Response:
    """Where a short code is typed; for organisers all events, too."""
    code = request.query_params.get("code", "").strip()
    if code:
        event = await keeping.kept(city, code[:100])
        if event is not None:
            return RedirectResponse(f"/{city.app}/e/{event.code}", 303)
    # Wrong codes are counted, and after too many of a neighbourhood they are not even looked at.
    unknown = wrong_code(city, request) if code else None
    if unknown is not None and unknown.status_code != 404:
        raise unknown
    may = city.people.who(request).may(ORGANISE)
    return city.render(
        request,
        "participation/first.html",
        404 if code else 200,
        code=code[:20],
        may=may,
        events=await reading.everything(city) if may else [],
        done=request.query_params.get("done", ""),
    )


async def new(city: City, request: Request) -> Response:
    """The form of a new event."""
    given = {"admission": "open", "expected": "150", "template": templates.EVENTS[0].key}
    return _new(city, request, given)


async def make(city: City, request: Request) -> Response:
    """Make it, with the polls of a template."""
    given = await fields(request)
    polls = templates.polls_of(given.get("template", ""), choose(request))
    if polls is None:
        raise HTTPException(422)
    try:
        draft = forms.event_of(given, city.clock.zone)
        event = await changing.create_event(city, city.people.who(request), draft, polls)
    except Wrong as wrong:
        return _new(city, request, given, wrong)
    return RedirectResponse(f"/{city.app}/events/{event.number}?done=made", 303)


async def one(city: City, request: Request) -> Response:
    """An event: its polls, ways to everything, and what it is."""
    event = await found(city, request)
    return _one(city, request, event, forms.fields_of_event(event, city.clock.zone))


async def write(city: City, request: Request) -> Response:
    """Change what it is."""
    event = await found(city, request)
    given = await fields(request)
    try:
        draft = forms.event_of(given, city.clock.zone)
        await changing.edit_event(city, city.people.who(request), event, draft)
    except Wrong as wrong:
        return _one(city, request, event, given, wrong)
    except changing.Gone as error:
        raise HTTPException(404) from error
    return RedirectResponse(f"/{city.app}/events/{event.number}?done=kept", 303)


async def act(city: City, request: Request) -> Response:
    """End it, or remove it with all that belongs to it."""
    event = await found(city, request)
    actor = city.people.who(request)
    action = (await fields(request)).get("action")
    try:
        if action == "end":
            await steering.end(city, actor, event)
            return RedirectResponse(f"/{city.app}/events/{event.number}?done=ended", 303)
        if action == "delete":
            await changing.delete_event(city, actor, event)
            return RedirectResponse(f"/{city.app}?done=deleted", 303)
    except Wrong as wrong:
        return _one(city, request, event, forms.fields_of_event(event, city.clock.zone), wrong)
    except changing.Gone as error:
        raise HTTPException(404) from error
    raise HTTPException(422)


async def found(city: City, request: Request) -> Event:
    """The event that the path's {number} names. Raises HTTPException 404."""
    number = request.path_params["number"]
    event = await reading.by_number(city, number) if number < 2**63 else None
    if event is None:
        raise HTTPException(404)
    return event


def _new(city: City, request: Request, given: Mapping[str, str], wrong: Wrong | None = None) -> Response:
    return city.render(
        request,
        "participation/event_new.html",
        200 if wrong is None else 422,
        given=given,
        wrong=wrong,
        strengths=STRENGTHS,
        templates=templates.EVENTS,
    )


def _one(
    city: City, request: Request, event: Event, given: Mapping[str, str], wrong: Wrong | None = None
) -> Response:
    return city.render(
        request,
        "participation/event.html",
        200 if wrong is None else 422,
        event=event,
        given=given,
        wrong=wrong,
        strengths=STRENGTHS,
        templates=templates.POLLS,
        kinds=KINDS,
        done=request.query_params.get("done", ""),
        made=request.query_params.get("made", ""),
    )
