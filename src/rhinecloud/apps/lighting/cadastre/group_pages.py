"""A selection becomes a group to plan with."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import fields

from ..planning.store import Changed
from ..planning.wording import slug
from . import following, planned, words
from .selection import Selection, Wrong, chosen, read

_LONGEST: Final = 120  # letters of a name


async def form(city: City, request: Request) -> Response:
    """Name the group, and see what it will be made of."""
    return await _form(city, request, dict(request.query_params), {})


async def make(city: City, request: Request) -> Response:
    """Make it, or say what is wrong."""
    given = {name: text.strip() for name, text in (await fields(request)).items()}
    actor = city.people.who(request)
    fleet = await following.fleet(city, actor.sight)
    try:
        selection = read(given)
    except Wrong as error:
        return await _form(city, request, given, {"selection": str(error)}, 422)
    inside, _ = await planned.inside(city, selection)
    name = (given.get("name_de", ""), given.get("name_en", ""))
    key = slug(name[0])
    if not key or not all(0 < len(one) <= _LONGEST and one.isprintable() for one in name):
        return await _form(city, request, given, {"name": "missing"}, 422)
    try:
        wrong = await planned.make_group(city, actor, key, name, planned.as_group(fleet, selection, inside))
    except Changed:
        return await _form(city, request, given, {"name": "taken"}, 422)
    if wrong:
        return await _form(city, request, given, {"selection": wrong}, 422)
    return RedirectResponse(f"/{city.app}/groups/{key}", 303)


async def _form(
    city: City, request: Request, given: dict[str, str], wrong: dict[str, str], status: int = 200
) -> Response:
    fleet = await following.fleet(city, city.people.who(request).sight)
    try:
        selection = read(given)
    except Wrong:
        selection, wrong = Selection(), {"selection": "unreadable", **wrong}
    inside, _ = await planned.inside(city, selection)
    kind: Any = planned.as_group(fleet, selection, inside)
    return city.render(
        request,
        "lighting/group_new.html",
        status,
        given=given,
        wrong=wrong,
        selection=selection,
        number=len(chosen(fleet, selection, inside)),
        lasting=type(kind).__name__ != "Single",
        names=fleet.names,
        words=words,
    )
