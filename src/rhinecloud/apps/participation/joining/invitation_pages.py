"""The organiser's pages of invitations: make them, print them, send them, revoke them."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import fields, upload

from ..events.model import ORGANISATIONS, Event
from ..events.reading import by_number
from . import invitations, letters, lists
from .codes import code_of
from .invitations import Invitation, TooMany
from .qr import svg
from .strength import STRENGTHS

_PAGE: Final = 50
_SHEET: Final = 96  # codes on one page of the browser: twelve sheets of paper
_AT_ONCE: Final = 20_000
_SHOWN_WRONG: Final = 20  # bad lines of a list that are shown
_FOUND: Final = 100


async def listed(city: City, request: Request) -> Response:
    """All invitations of an event, and the forms that add to them."""
    return await _listed(city, request, await event_of(city, request))


async def add(city: City, request: Request) -> Response:
    """Make codes without names, but not for seats: who comes is told that each is somebody's."""
    event = await event_of(city, request)
    given = await fields(request)
    if event.admission == "seat":
        return await _listed(city, request, event, 409, wrong="seats")
    count, kind = given.get("count", "").strip(), given.get("kind", "person")
    if not (count.isascii() and count.isdigit() and len(count) < 6 and 1 <= int(count) <= _AT_ONCE):
        return await _listed(city, request, event, 422, wrong="count", given=given)
    if kind not in ORGANISATIONS:
        raise HTTPException(422)
    try:
        await invitations.add(city, city.people.who(request), event, int(count), kind)
    except TooMany:
        return await _listed(city, request, event, 409, wrong="many", given=given)
    return _back(city, event, f"done=added&count={count}")


async def add_list(city: City, request: Request) -> Response:
    """Invite whom a list names: all of it, or, where a line is wrong, nothing. Not where people are told that nobody
    knows who has which code."""
    event = await event_of(city, request)
    form, content = await upload(request, "file")
    if event.admission == "invitation":
        return await _listed(city, request, event, 409, wrong="names")
    typed = form.get("text")
    people, bad = lists.read(content or (typed.encode() if isinstance(typed, str) else b""))
    if bad:
        given = {"text": typed if isinstance(typed, str) and not content else ""}
        return await _listed(
            city, request, event, 422, bad=bad[:_SHOWN_WRONG], bad_count=len(bad), given=given
        )
    try:
        new = await invitations.add_named(city, city.people.who(request), event, people)
    except TooMany:
        return await _listed(city, request, event, 409, wrong="many")
    return _back(city, event, f"done=invited&count={new}&known={len(people) - new}")


async def send(city: City, request: Request) -> Response:
    """Write to everybody who has an address and was not written to yet."""
    event = await event_of(city, request)
    await letters.send(city, city.people.who(request), event, city.address(request))
    return _back(city, event, "done=sending")


async def revoke(city: City, request: Request) -> Response:
    """Revoke one, or let it count again."""
    event = await event_of(city, request)
    revoked = (await fields(request)).get("action") != "restore"
    number = request.path_params["invitation"]
    if not await invitations.revoke(city, city.people.who(request), event, number, revoked=revoked):
        raise HTTPException(404)
    done = "revoked" if revoked else "restored"
    return _back(city, event, f"done={done}&count={number}&after={number - 1}#list")


async def sheet(city: City, request: Request) -> Response:
    """Cards to print and cut: for each a QR code, its code in letters, and whose it is."""
    event = await event_of(city, request)
    start = _whole(request.query_params.get("after", ""))
    some = await invitations.after(city, event.number, start, _SHEET + 1, usable=True)
    more, some = some[_SHEET:], some[:_SHEET]
    if some:
        await invitations.shown(city, city.people.who(request), event, some[0].number, some[-1].number)
    address = city.address(request)
    cards = [
        (one, code := code_of(event.key, one.number), letters.link(city, address, event, code))
        for one in some
    ]
    return city.render(
        request,
        "participation/invitation_sheet.html",
        event=event,
        cards=cards,
        qr=svg,
        address=f"{address}/{city.app}",
        next=some[-1].number if more else None,
    )


async def table(city: City, request: Request) -> Response:
    """All codes that count, for letters that somebody else writes."""
    event = await event_of(city, request)
    some = await invitations.after(city, event.number, 0, _AT_ONCE * 50, usable=True)
    if some:
        await invitations.shown(city, city.people.who(request), event, some[0].number, some[-1].number)
    written = io.StringIO(newline="")
    rows = csv.writer(written, delimiter=";")
    rows.writerow(["number", "name", "mail", "organisation", "kind", "code", "link"])
    for one in some:
        code = code_of(event.key, one.number)
        told = [_cell(text) for text in (one.name, one.mail, one.organisation, one.kind)]
        rows.writerow([one.number, *told, code, letters.link(city, city.address(request), event, code)])
    return Response(
        "\ufeff" + written.getvalue(),
        media_type="text/csv",
        headers={
            "Content-Disposition": f'attachment; filename="codes-{event.code}.csv"',
            "Cache-Control": "no-store",
        },
    )


async def event_of(city: City, request: Request) -> Event:
    """The event of the path's {number}. Raises HTTPException 404."""
    event = await by_number(city, request.path_params["number"])
    if event is None:
        raise HTTPException(404)
    return event


async def _listed(city: City, request: Request, event: Event, status: int = 200, **values: Any) -> Response:
    asked = request.query_params
    text, start = asked.get("q", "").strip()[:100], _whole(asked.get("after", ""))
    some: list[Invitation]
    if text:
        some = await invitations.named(city, event.number, text, _FOUND)
        more = False
    else:
        some = await invitations.after(city, event.number, start, _PAGE + 1)
        more, some = len(some) > _PAGE, some[:_PAGE]
    shown: dict[str, Any] = {
        "event": event,
        "strength": STRENGTHS[event.admission],
        "kinds": ORGANISATIONS,
        "counts": await invitations.counts(city, event.number),
        "some": some,
        "q": text,
        "start": start,
        "next": some[-1].number if more else None,
        "told": {name: _whole(asked.get(name, "")) for name in ("count", "known")},
        "done": asked.get("done", ""),
        "wrong": "",
        "bad": [],
        "bad_count": 0,
        "given": {},
    }
    return city.render(request, "participation/invitations.html", status, **{**shown, **values})


def _back(city: City, event: Event, query: str) -> Response:
    return RedirectResponse(f"/{city.app}/events/{event.number}/invitations?{query}", 303)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def _cell(text: str | None) -> str:
    """A text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text or ""
