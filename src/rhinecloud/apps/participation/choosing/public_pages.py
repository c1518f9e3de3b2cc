"""What everybody sees of places: the rule, the proof of the draw, who stands where by ticket; and one's own place."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City, Sight
from rhinecloud.web.forms import fields

from ..events import reading
from ..events.model import Event, Poll
from ..joining import here
from . import drawing, placing, rows
from .board import Board, Own, board
from .pages import as_csv
from .ways import WAYS, rule

_AT_ONCE: Final = 100  # tickets on a page


class Paging(msgspec.Struct, frozen=True):
    """Where in the list a page is; `before` and `after` are addresses."""

    page: int
    pages: int
    before: str | None
    after: str | None


async def shown(city: City, request: Request) -> Response:
    """The rule, the draw, the groups, and all tickets."""
    at, poll = await _asked(city, request)
    standing = await board(city, poll)
    draw = await rows.draw_of(city.db.pool, poll.number)
    if standing is None or draw is None or draw.word is None:
        draw = None
    sought = _ticket(request.query_params.get("ticket", ""))
    lines = [line for line in standing.lines if not sought or sought in line.ticket] if standing else []
    paging = _paging(request, len(lines), sought)
    return city.render(
        request,
        "participation/places_public.html",
        event=at.event,
        poll=poll,
        rule=rule(poll, standing.way if standing is not None else None),
        ways=WAYS,
        board=standing,
        draw=draw,
        recipe=drawing.recipe(draw.seed, draw.word) if draw is not None and draw.word is not None else "",
        lines=lines[(paging.page - 1) * _AT_ONCE : paging.page * _AT_ONCE],
        number=len(lines),
        sought=sought,
        paging=paging,
        ticket=drawing.ticket(at.event.key, at.pass_.participant) if at.pass_ is not None else None,
        own=standing.owns.get(at.pass_.participant)
        if standing is not None and at.pass_ is not None
        else None,
        done=request.query_params.get("done", ""),
    )


def _ticket(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalnum() or letter == "-")[:9]


def _paging(request: Request, number: int, sought: str) -> Paging:
    pages = max(1, -(-number // _AT_ONCE))
    asked = request.query_params.get("page", "")
    page = min(pages, max(1, int(asked))) if asked.isdecimal() and len(asked) < 9 else 1

    def address(other: int) -> str | None:
        return f"?ticket={sought}&page={other}#tickets" if 1 <= other <= pages else None

    return Paging(page, pages, address(page - 1), address(page + 1))


async def own(city: City, request: Request) -> Response:
    """Where the phone that asks stands, as JSON; 204 before places are published, and for who did not vote."""
    at, poll = await _asked(city, request)
    found = await placing.own(city, at.event, poll, at.pass_.participant) if at.pass_ is not None else None
    headers = {"Cache-Control": "no-store"}
    if found is None:
        return Response(status_code=204, headers=headers)
    return Response(msgspec.json.encode(found), media_type="application/json", headers=headers)


async def tickets(city: City, request: Request) -> Response:
    """All tickets of the draw, a line each, in the order of the alphabet: what the draw is computed of."""
    _, _, standing = await _published(city, request)
    lines = sorted(line.ticket for line in standing.lines)
    return Response("".join(f"{line}\n" for line in lines), media_type="text/plain; charset=utf-8")


async def listed(city: City, request: Request) -> Response:
    """All places as CSV, by ticket."""
    _, poll, standing = await _published(city, request)
    lines = [["position", "ticket", "state", "group", "wish", "waiting for"]]
    lines += [_cells(line) for line in standing.lines]
    return Response(
        as_csv(lines),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="places-{poll.number}.csv"'},
    )


def _cells(line: Own) -> list[str]:
    ahead = " | ".join(f"{one.title} ({one.place})" for one in line.ahead)
    return [str(line.position), line.ticket, line.state, line.title or "", str(line.rank or ""), ahead]


async def leave(city: City, request: Request) -> Response:
    """Give up one's place, or keep it and wait for no other."""
    at = await here.of(city, request)
    given = await fields(request)
    number = given.get("poll", "")
    poll = at.event.poll(int(number)) if number.isdecimal() and len(number) < 19 else None
    if poll is None or at.pass_ is None:
        raise HTTPException(403 if at.pass_ is None else 404)
    act = {"leave": placing.leave, "stay": placing.stay}.get(given.get("act", ""))
    if act is None:
        raise HTTPException(400)
    changed = await act(city, at.event, poll, at.pass_.participant)
    path = f"/participation/e/{at.event.code}/places/{poll.number}"
    return RedirectResponse(f"{path}?done={given['act']}" if changed else path, 303)


async def live(city: City, sight: Sight, language: str, number: str) -> str:
    """The view of how full the groups are."""
    poll = await _poll(city, number)
    standing = await board(city, poll) if poll is not None else None
    return city.part("participation/parts/places_groups.html", language, board=standing)


async def _poll(city: City, number: str) -> Poll | None:
    if not number.isdecimal() or len(number) > 18:
        return None
    of = await city.db.pool.fetchval("SELECT event FROM poll WHERE number = $1", int(number))
    event: Event | None = await reading.by_number(city, of) if of is not None else None
    return event.poll(int(number)) if event is not None else None


async def _asked(city: City, request: Request) -> tuple[here.Here, Poll]:
    at = await here.of(city, request)
    poll = at.event.poll(request.path_params["number"])
    if poll is None or poll.kind != "groups":
        raise HTTPException(404)
    return at, poll


async def _published(city: City, request: Request) -> tuple[here.Here, Poll, Board]:
    at, poll = await _asked(city, request)
    standing = await board(city, poll)
    if standing is None:
        raise HTTPException(404)
    return at, poll, standing
