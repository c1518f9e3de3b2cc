"""Pages of proposals that are read: the list, one with its trail, for printing, and what waits for an answer."""

from __future__ import annotations

from typing import Final, get_args
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City

from ..groups import reading as groups
from ..moderation import hiding
from . import reading, showing
from .life import State
from .reading import Sort

_AT_ONCE: Final = 30


class Paging(msgspec.Struct, frozen=True):
    """Where in the list a page is; `before` and `after` are addresses."""

    page: int
    pages: int
    before: str | None
    after: str | None


async def listed(city: City, request: Request) -> Response:
    """Proposals, of a group or in a state, the newest first or those with most support."""
    asked = request.query_params
    known = {group.number: group for group in await groups.everything(city)}
    group = next((one for one in known.values() if one.name == asked.get("group")), None)
    state = next((one for one in State if one.value == asked.get("state")), None)
    sort: Sort = next((one for one in get_args(Sort) if one == asked.get("sort")), "new")
    text = "".join(letter for letter in asked.get("text", "")[:100] if letter.isprintable()).strip()
    number = asked.get("page", "")
    at = max(1, int(number)) if number.isdecimal() and len(number) < 7 else 1
    found, count = await reading.page(
        city,
        group=group.number if group else None,
        states=(state,) if state else (),
        text=text,
        sort=sort,
        limit=_AT_ONCE,
        offset=(at - 1) * _AT_ONCE,
    )
    given = {
        "group": group.name if group else "",
        "state": state.value if state else "",
        "sort": sort,
        "text": text,
    }
    pages = max(1, -(-count // _AT_ONCE))

    def address(page: int) -> str | None:
        return f"?{urlencode({**given, 'page': page})}" if 1 <= page <= pages else None

    return city.render(
        request,
        "participation/proposals/list.html",
        proposals=found,
        count=count,
        groups=known,
        hidden=await hiding.hidden(city, [one.subject for one in found]),
        states=list(State),
        given=given,
        paging=Paging(at, pages, address(at - 1), address(at + 1)),
        now=city.clock.now(),
        may=city.people.who(request).may(showing.ORGANISE),
        days=city.settings.answer_days,
    )


async def one(city: City, request: Request) -> Response:
    """A proposal, what people say to it, and what became of it."""
    return await showing.page(city, request, await showing.found(city, request))


async def printed(city: City, request: Request) -> Response:
    """A proposal with its trail, to be printed."""
    proposal = await showing.found(city, request)
    return await showing.page(city, request, proposal, template="participation/proposals/print.html")


async def picture(city: City, request: Request) -> Response:
    """A picture of a proposal; of one that is hidden for those only who judge it."""
    proposal = await showing.found(city, request)
    try:
        file = UUID(request.path_params["file"])
    except ValueError as error:
        raise HTTPException(404) from error
    if file not in [one.file for one in await reading.pictures(city, proposal.number)]:
        raise HTTPException(404)
    hidden = proposal.subject in await hiding.hidden(city, [proposal.subject])
    if hidden and not await showing.sees_hidden(city, city.people.who(request), proposal.group):
        raise HTTPException(404)
    kept = await city.files.get(file)
    if kept is None:
        raise HTTPException(404)
    return await city.files.answer(kept, request)


async def waiting(city: City, request: Request) -> Response:
    """What waits for an answer and for how long, overdue first."""
    found = await reading.waiting(city)
    now = city.clock.now()
    return city.render(
        request,
        "participation/proposals/waiting.html",
        proposals=found,
        late=sum(not one.clock(now).kept for one in found),
        groups={group.number: group for group in await groups.everything(city)},
        now=now,
    )
