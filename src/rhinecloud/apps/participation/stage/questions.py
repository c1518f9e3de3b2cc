"""Questions to the stage, from phones: asking one, supporting those of others. No name stands beside any of them."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from rhinecloud.app import Text
from rhinecloud.city import City
from rhinecloud.web.forms import fields

from ..ballots import questions
from ..ballots.casting import Refused
from ..ballots.choices import Wrong
from ..events.model import Poll
from ..joining import here
from ..joining.here import Here
from ..joining.passes import Pass
from . import phone
from .answering import in_language, wants_json


async def ask(city: City, request: Request) -> Response:
    """Take a question to the poll that is shown. A text that comes twice is one question."""
    found = await here.of(city, request)
    given = await fields(request)
    pass_, poll = _asked(found, given.get("poll", ""))
    try:
        await questions.ask(
            city, found.event, poll, pass_.participant, pass_.invitation, given.get("question", "")
        )
    except Wrong as wrong:
        return await _refuse(city, request, found, 422, wrong.text, given)
    except Refused as refused:
        return await _refused(city, request, found, refused, given)
    return _taken(city, request, found)


async def support(city: City, request: Request) -> Response:
    """Support a question; twice is once."""
    found = await here.of(city, request)
    poll = found.event.shown
    pass_, poll = _asked(found, str(poll.number) if poll else "")
    number = request.path_params["number"]
    try:
        await questions.support(city, found.event, poll, number, pass_.participant, pass_.invitation)
    except Refused as refused:
        return await _refused(city, request, found, refused, {})
    return _taken(city, request, found)


def _asked(found: Here, number: str) -> tuple[Pass, Poll]:
    poll = next((poll for poll in found.event.polls if str(poll.number) == number), None)
    if poll is None or poll.kind != "questions":
        raise HTTPException(404)
    if found.pass_ is None:
        raise HTTPException(403)
    return found.pass_, poll


async def _refused(
    city: City, request: Request, found: Here, refused: Refused, given: dict[str, str]
) -> Response:
    status = 503 if refused.reason == "busy" else 409
    response = await _refuse(city, request, found, status, refused.text, given)
    if refused.retry_after:
        response.headers["Retry-After"] = str(refused.retry_after)
    return response


async def _refuse(
    city: City, request: Request, found: Here, status: int, text: Text, given: dict[str, str]
) -> Response:
    if wants_json(request):
        return JSONResponse({"received": False, "message": in_language(request, text)}, status)
    return await phone.page(city, request, found, status, wrong=text, given=given)


def _taken(city: City, request: Request, found: Here) -> Response:
    if wants_json(request):
        return JSONResponse({"received": True})
    return RedirectResponse(f"/{city.app}/e/{found.event.code}?asked=1", 303)
