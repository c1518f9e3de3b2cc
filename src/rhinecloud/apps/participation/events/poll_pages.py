"""Pages of polls: a new one from a template, and one with its options."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import fields
from rhinecloud.web.language import choose

from . import changing, forms, pages, reading, templates
from .drafting import CHOSEN, Wrong, draft_of
from .model import KINDS, ORGANISATIONS, Event, Kind, Poll


async def new(city: City, request: Request) -> Response:
    """The form of a new poll, filled from a template."""
    event = await pages.found(city, request)
    given = forms.fields_of_poll(_template(request).draft(choose(request)))
    return _new(city, request, event, given)


async def make(city: City, request: Request) -> Response:
    """Make it."""
    event = await pages.found(city, request)
    given = await fields(request)
    if "more" in given:
        return _new(city, request, event, given)
    try:
        draft = forms.poll_of(given, _template(request).kind)
        poll = await changing.add_poll(city, city.people.who(request), event, draft)
    except Wrong as wrong:
        return _new(city, request, event, given, wrong)
    except changing.Gone as error:
        raise HTTPException(404) from error
    return RedirectResponse(f"/{city.app}/events/{event.number}?made={poll.number}", 303)


async def one(city: City, request: Request) -> Response:
    """A poll and its options."""
    event, poll = await found(city, request)
    return _one(city, request, event, poll, forms.fields_of_poll(draft_of(poll)))


async def write(city: City, request: Request) -> Response:
    """Change it."""
    event, poll = await found(city, request)
    given = await fields(request)
    if "more" in given:
        return _one(city, request, event, poll, given)
    try:
        draft = forms.poll_of(given, poll.kind, poll)
        await changing.edit_poll(city, city.people.who(request), event, poll, draft)
    except Wrong as wrong:
        return _one(city, request, event, poll, given, wrong)
    except changing.Gone as error:
        raise HTTPException(404) from error
    return RedirectResponse(f"/{city.app}/polls/{poll.number}?done=kept", 303)


async def remove(city: City, request: Request) -> Response:
    """Remove it with its votes, unless it is open."""
    event, poll = await found(city, request)
    try:
        await changing.delete_poll(city, city.people.who(request), event, poll)
    except Wrong as wrong:
        return _one(city, request, event, poll, forms.fields_of_poll(draft_of(poll)), wrong)
    except changing.Gone as error:
        raise HTTPException(404) from error
    return RedirectResponse(f"/{city.app}/events/{event.number}?done=removed", 303)


async def move(city: City, request: Request) -> Response:
    """Put it before the one that it comes after."""
    event, poll = await found(city, request)
    try:
        await changing.move_poll_up(city, city.people.who(request), event, poll)
    except changing.Gone as error:
        raise HTTPException(404) from error
    return RedirectResponse(f"/{city.app}/events/{event.number}?done=moved#poll-{poll.number}", 303)


async def found(city: City, request: Request) -> tuple[Event, Poll]:
    """The poll that the path's {number} names, with its event. Raises HTTPException 404."""
    number = request.path_params["number"]
    both = await reading.of_poll(city, number) if number < 2**63 else None
    if both is None:
        raise HTTPException(404)
    return both


def _template(request: Request) -> templates.PollTemplate:
    template = templates.poll(request.query_params.get("template", ""))
    if template is None:
        raise HTTPException(404)
    return template


def _new(
    city: City, request: Request, event: Event, given: Mapping[str, str], wrong: Wrong | None = None
) -> Response:
    template = _template(request)
    return city.render(
        request,
        "participation/poll_new.html",
        200 if wrong is None else 422,
        event=event,
        template=template,
        **_values(given, wrong, template.kind, True),
    )


def _one(
    city: City,
    request: Request,
    event: Event,
    poll: Poll,
    given: Mapping[str, str],
    wrong: Wrong | None = None,
) -> Response:
    return city.render(
        request,
        "participation/poll.html",
        200 if wrong is None else 422,
        event=event,
        poll=poll,
        done=request.query_params.get("done", ""),
        **_values(given, wrong, poll.kind, poll.state == "prepared"),
    )


def _values(given: Mapping[str, str], wrong: Wrong | None, kind: Kind, free: bool) -> dict[str, object]:
    return {
        "given": given,
        "wrong": wrong,
        "kind": kind,
        "kinds": KINDS,
        "chosen": kind in CHOSEN,
        "organisations": ORGANISATIONS,
        "rows": forms.rows(given) + (forms.MORE if free else 0),
        "free": free,
    }
