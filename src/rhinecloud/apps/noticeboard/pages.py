"""The board for everybody, and the form for those who may post."""

from __future__ import annotations

from datetime import date
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import fields

from . import notices


async def board(city: City, request: Request) -> Response:
    """What hangs."""
    may_edit = city.people.who(request).may("noticeboard.edit")
    return city.render(request, "board.html", notices=await notices.hanging(city), may_edit=may_edit)


async def form(city: City, request: Request) -> Response:
    """The empty form."""
    return _form(city, request, {}, "")


async def post(city: City, request: Request) -> Response:
    """Post what was written, or say which field is wrong."""
    given = {name: text.strip() for name, text in (await fields(request)).items()}
    title, text = given.get("title", ""), given.get("text", "")
    try:
        until = date.fromisoformat(given.get("until", ""))
    except ValueError:
        until = date.min
    today = city.clock.today()
    wrong = "title" if not 0 < len(title) <= 200 else "text" if not 0 < len(text) <= 10_000 else ""
    wrong = wrong or ("until" if not today <= until <= date(today.year + 2, 1, 1) else "")
    if wrong or not (title + text.replace("\n", "")).isprintable():
        return _form(city, request, given, wrong or "text", 422)
    await notices.post(city, city.people.who(request), title, text, until)
    return RedirectResponse(f"/{city.app}?done=posted", 303)


async def withdraw(city: City, request: Request) -> Response:
    """Take one down."""
    number = request.path_params["number"]
    if not await notices.withdraw(city, city.people.who(request), number):
        raise HTTPException(404)
    return RedirectResponse(f"/{city.app}?done=withdrawn", 303)


def _form(city: City, request: Request, given: dict[str, Any], wrong: str, status: int = 200) -> Response:
    today = city.clock.today().isoformat()
    return city.render(request, "form.html", status, given=given, wrong=wrong, today=today)
