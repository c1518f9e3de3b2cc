"""The organiser's page of places: the word of the hall, the ways side by side, publishing, and the lists."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import fields

from ..events import reading
from ..events.drafting import Wrong
from ..events.model import ORGANISATIONS, Event, Poll
from . import placing, preview, rows
from .board import board
from .ways import WAYS, announced, rule

_MEMBERS: Final = """
SELECT t.ticket, t.kind, t.wishes[t.rank] AS option, i.name, i.mail, i.organisation FROM placement t
JOIN participant p ON p.event = t.event AND p.id = t.participant
LEFT JOIN invitation i ON i.event = p.event AND i.number = p.invitation
WHERE t.poll = $1 AND NOT t.gone ORDER BY t.position
"""


async def shown(city: City, request: Request) -> Response:
    """What each way would do, or what was published."""
    event, poll = await _asked(city, request)
    return await _page(city, request, event, poll)


async def give_word(city: City, request: Request) -> Response:
    """Take the word of the hall."""

    async def act(event: Event, poll: Poll, given: dict[str, str]) -> None:
        await placing.give_word(city, city.people.who(request), event, poll, given.get("word", ""))

    return await _act(city, request, act, "word")


async def publish(city: City, request: Request) -> Response:
    """Publish the places as one way gives them."""

    async def act(event: Event, poll: Poll, given: dict[str, str]) -> None:
        way = next((way for way in WAYS if way == given.get("way")), None)
        if way is None:
            raise HTTPException(400)
        await placing.publish(city, city.people.who(request), event, poll, way)

    return await _act(city, request, act, "published")


async def release(city: City, request: Request) -> Response:
    """Give up the place of somebody who asked for it."""

    async def act(event: Event, poll: Poll, given: dict[str, str]) -> None:
        await placing.release(city, city.people.who(request), event, poll, given.get("ticket", ""))

    return await _act(city, request, act, "released")


async def members(city: City, request: Request) -> Response:
    """Who has which place, as CSV: for the organiser, who looks after the groups. On record."""
    event, poll = await _asked(city, request)
    async with city.transaction() as transaction:
        found = await transaction.connection.fetch(_MEMBERS, poll.number)
        await transaction.audit(
            city.people.who(request).id, "participation.places.members", f"poll:{poll.number}"
        )
    titles = {option.number: option.title for option in poll.options}
    lines = [["Gruppe", "Losnummer", "Name", "E-Mail", "Organisation", "Art"]]
    lines += [
        [
            titles.get(row["option"], ""),
            row["ticket"],
            row["name"] or "",
            row["mail"] or "",
            row["organisation"] or "",
            ORGANISATIONS.get(row["kind"], (row["kind"], ""))[0],
        ]
        for row in found
    ]
    return Response(
        as_csv(lines),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="places-{poll.number}.csv"'},
    )


def as_csv(lines: list[list[str]]) -> str:
    """Lines as CSV that spreadsheets read, and do not compute."""
    out = io.StringIO()
    out.write("\ufeff")
    csv.writer(out, delimiter=";").writerows(
        [f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in line]
        for line in lines
    )
    return out.getvalue()


async def _act(
    city: City, request: Request, act: Callable[[Event, Poll, dict[str, str]], Awaitable[None]], done: str
) -> Response:
    event, poll = await _asked(city, request)
    given = await fields(request)
    try:
        await act(event, poll, given)
    except Wrong as wrong:
        return await _page(city, request, event, poll, wrong, given)
    return RedirectResponse(f"/participation/polls/{poll.number}/places?done={done}", 303)


async def _asked(city: City, request: Request) -> tuple[Event, Poll]:
    number = request.path_params["number"]
    if number >= 2**63:
        raise HTTPException(404)
    of = await city.db.pool.fetchval("SELECT event FROM poll WHERE number = $1 AND kind = 'groups'", number)
    event = await reading.by_number(city, of) if of is not None else None
    poll = event.poll(number) if event is not None else None
    if event is None or poll is None:
        raise HTTPException(404)
    return event, poll


async def _page(
    city: City,
    request: Request,
    event: Event,
    poll: Poll,
    wrong: Wrong | None = None,
    given: dict[str, str] | None = None,
) -> Response:
    draw = await rows.draw_of(city.db.pool, poll.number)
    standing = await board(city, poll)
    compared = poll.state == "closed" and standing is None
    return city.render(
        request,
        "participation/places.html",
        422 if wrong else 200,
        event=event,
        poll=poll,
        word=draw.word if draw is not None else None,
        needs_word=poll.rule.by == "lot",
        board=standing,
        rule=rule(poll, standing.way if standing is not None else None),
        ways=WAYS,
        announced=announced(poll),
        effects=await preview.effects(city, event, poll) if compared else [],
        wrong=wrong,
        given=given or {},
    )
