"""Meetings and documents of a group: the forms, the feed, the files."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City, Refused
from rhinecloud.web.forms import fields

from ..events.drafting import Wrong
from . import documents, drafting, meetings, pages
from .asked import Asked, asked, refused
from .calendar import calendar
from .model import Meeting


async def feed(city: City, request: Request) -> Response:
    """The meetings for calendars that subscribe to them."""
    at = await asked(city, request)
    text = calendar(at.group, await meetings.of(city, at.group), city.address(request))
    return Response(
        text,
        media_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": f'inline; filename="{at.group.name}.ics"'},
    )


async def new(city: City, request: Request) -> Response:
    """The form of a new meeting."""
    at = await asked(city, request)
    return _form(city, request, at, None, {}, None) if at.meets else refused(request, at)


async def make(city: City, request: Request) -> Response:
    """Call a meeting."""
    at = await asked(city, request)
    if not at.meets:
        return refused(request, at)
    given = await fields(request)
    try:
        await meetings.add(city, at.actor, at.group, drafting.meeting_of(given, city.clock.zone))
    except Wrong as wrong:
        return _form(city, request, at, None, given, wrong)
    return RedirectResponse(f"{at.group.path}?done=meeting#meetings", 303)


async def one(city: City, request: Request) -> Response:
    """The form of a meeting."""
    at = await asked(city, request)
    if not at.meets:
        return refused(request, at)
    meeting = await _meeting(city, request, at)
    return _form(city, request, at, meeting, drafting.fields_of_meeting(meeting, city.clock.zone), None)


async def write(city: City, request: Request) -> Response:
    """Change a meeting, cancel it, or let it take place after all."""
    at = await asked(city, request)
    if not at.meets:
        return refused(request, at)
    meeting = await _meeting(city, request, at)
    given = await fields(request)
    action = given.get("action", "")
    if action in ("cancel", "restore"):
        given = drafting.fields_of_meeting(meeting, city.clock.zone)
    try:
        draft = drafting.meeting_of(given, city.clock.zone)
    except Wrong as wrong:
        return _form(city, request, at, meeting, given, wrong)
    cancelled = action == "cancel" or (meeting.cancelled and action != "restore")
    await meetings.change(city, at.actor, at.group, meeting, draft, cancelled=cancelled)
    return RedirectResponse(f"{at.group.path}?done=meeting#meetings", 303)


async def _meeting(city: City, request: Request, at: Asked) -> Meeting:
    found = await meetings.one(city, at.group, request.path_params["number"])
    if found is None:
        raise HTTPException(404)
    return found


def _form(
    city: City,
    request: Request,
    at: Asked,
    meeting: Meeting | None,
    given: dict[str, str],
    wrong: Wrong | None,
) -> Response:
    return city.render(
        request,
        "participation/groups/meeting.html",
        422 if wrong else 200,
        group=at.group,
        meeting=meeting,
        given=given,
        wrong=wrong,
    )


async def upload(city: City, request: Request) -> Response:
    """Put documents on the page."""
    at = await asked(city, request)
    if not at.meets:
        return refused(request, at)
    try:
        form = await city.files.receive(request, documents.RULES)
        public = form.fields.get("public") == "on"
        await documents.add(city, at.actor, at.group, form.uploads.get("file", []), public=public)
    except Refused as error:
        wrong = Wrong(
            "file",
            (
                "Diese Datei wird nicht angenommen: Sie ist zu groß oder von einer Art, die wir nicht zeigen.",
                "This file is not taken: it is too large, or of a kind that we do not show.",
            ),
        )
        return await pages.page(city, request, at, error.status, wrong)
    except Wrong as wrong:
        return await pages.page(city, request, at, 422, wrong)
    return RedirectResponse(f"{at.group.path}?done=document#documents", 303)


async def file(city: City, request: Request) -> Response:
    """A document."""
    at = await asked(city, request)
    seen = {one.id for one in await documents.of(city, at.group, hidden=at.belongs)}
    id_ = request.path_params["file"]
    found = await city.files.get(id_)
    if found is None or id_ not in seen:
        if found is not None and at.actor.kind == "anonymous":
            return refused(request, at)
        raise HTTPException(404)
    return await city.files.answer(found, request)


async def remove(city: City, request: Request) -> Response:
    """Take a document away."""
    at = await asked(city, request)
    if not at.meets:
        return refused(request, at)
    await documents.remove(city, at.actor, at.group, request.path_params["file"])
    return RedirectResponse(f"{at.group.path}?done=removed#documents", 303)
