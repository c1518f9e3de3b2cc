"""Pages of work orders: the office's list and board, the page for the street, crews and rules."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from rhinecloud.city import City, Refused, Rules
from rhinecloud.web.forms import fields

from ..faults import alarms
from ..faults.kinds import Kind
from . import crews, orders
from .crews import Rule
from .life import WORKING, Event, State
from .orders import Said

_PAGE: Final = 100
_LONGEST: Final = 4_000  # letters of a note
_PHOTOS: Final = Rules(kinds=tuple(kind for kind in Rules().kinds if kind.image), count=3, longest=2_048)
_FROM_THE_STREET: Final = (Event.START, Event.FINISH, Event.NOTE)


async def listed(city: City, request: Request) -> Response:
    """Open orders as a list or a board, or (`closed`) those that are closed."""
    asked = request.query_params
    crew, before = _whole(asked.get("crew", "")), _whole(asked.get("before", ""))
    closed, board = asked.get("closed") == "1", asked.get("view") == "board"
    states = (State.VERIFIED, State.WITHDRAWN) if closed else WORKING
    found = await orders.page(city.db.pool, states, crew=crew, before=before, limit=_PAGE + 1)
    return city.render(
        request,
        "lighting/work.html",
        orders=found[:_PAGE],
        more=found[_PAGE - 1].number if len(found) > _PAGE else None,
        counts=await orders.counts(city.db.pool),
        crews=await crews.every(city.db.pool),
        crew=crew,
        closed=closed,
        board=board,
        states=WORKING,
        today=city.clock.today(),
        may_configure=city.people.who(request).may("lighting.configure"),
    )


async def worker(city: City, request: Request) -> Response:
    """The service worker that opens these pages without a network. It has nothing of anybody in it."""
    return Response(
        city.part("lighting/scripts/orders_worker.js", "en"),
        media_type="text/javascript",
        headers={"Cache-Control": "no-cache", "Service-Worker-Allowed": f"/{city.app}/orders"},
    )


async def one(city: City, request: Request) -> Response:
    """An order, usable on a phone."""
    return await _one(city, request)


async def _one(city: City, request: Request, wrong: str = "", status: int = 200) -> Response:
    order = await orders.get(city.db.pool, request.path_params["number"])
    if order is None:
        raise HTTPException(404)
    return city.render(
        request,
        "lighting/order.html",
        status,
        order=order,
        kind=None if order.kind is None else Kind(order.kind),
        entries=await orders.entries(city.db.pool, order.number),
        crews=await crews.every(city.db.pool),
        key=uuid4(),
        accept=_PHOTOS.accept(),
        wrong=wrong,
        today=city.clock.today(),
    )


async def make(city: City, request: Request) -> Response:
    """An order from a fault, by a click; if it has one that is open, that."""
    fault = await alarms.get(city.db.pool, request.path_params["number"])
    if fault is None or fault.ended_at is not None:
        raise HTTPException(404)
    async with city.transaction() as transaction:
        await orders.make(
            transaction,
            fault=fault.number,
            subject=fault.subject,
            name=fault.name,
            task="",
            actor=city.people.who(request).id,
            at=city.clock.now(),
        )
    order = await orders.of_fault(city.db.pool, fault.number)
    assert order is not None
    return RedirectResponse(f"/{city.app}/orders/{order.number}", 303)


async def office(city: City, request: Request) -> Response:
    """What the office does to an order: assign, withdraw, verify by hand."""
    given = await fields(request)
    number = request.path_params["number"]
    try:
        event = Event(given.get("event", ""))
        due = date.fromisoformat(given["due"]) if given.get("due") else None
        said = Said(event=event, key=uuid4(), crew=_whole(given.get("crew", "")), due=due, note=_note(given))
    except ValueError as error:
        raise HTTPException(422) from error
    known = {crew.number for crew in await crews.every(city.db.pool)}
    if event not in (Event.ASSIGN, Event.WITHDRAW, Event.VERIFY) or (
        event is Event.ASSIGN and said.crew not in known
    ):
        raise HTTPException(422)
    actor = city.people.who(request)
    async with city.transaction() as transaction:
        outcome = await orders.say(transaction, number, said, actor.id, city.clock.now())
    if outcome is None:
        raise HTTPException(404)
    done = "refused" if outcome.refused else event.value
    return RedirectResponse(f"/{city.app}/orders/{number}?done={done}", 303)


async def enter(city: City, request: Request) -> Response:
    """What somebody in the street enters, perhaps long after; each key counts once. A script is answered as JSON."""
    script = "application/json" in request.headers.get("accept", "")
    number = request.path_params["number"]
    try:
        form = await city.files.receive(request, _PHOTOS)
    except Refused as error:
        if script:
            return JSONResponse({"reason": error.reason}, error.status)
        return await _one(city, request, error.reason, error.status)
    try:
        event = Event(form.fields.get("event", ""))
        said = Said(
            event=event,
            key=UUID(form.fields.get("key", "")),
            entered_at=_moment(form.fields.get("entered_at", "")),
            note=_note(form.fields),
            uploads=form.uploads.get("photo", []),
        )
    except ValueError as error:
        raise HTTPException(422) from error
    if event not in _FROM_THE_STREET:
        raise HTTPException(422)
    actor = city.people.who(request)
    async with city.transaction() as transaction:
        outcome = await orders.say(
            transaction, number, said, actor.id, city.clock.now(), keeper=(city, actor)
        )
    if outcome is None:
        raise HTTPException(404)
    if script:
        return JSONResponse({"state": outcome.state.value, "refused": outcome.refused})
    done = "refused" if outcome.refused else "entered"
    return RedirectResponse(f"/{city.app}/orders/{number}?done={done}", 303)


async def photo(city: City, request: Request) -> Response:
    """A photograph of an order."""
    try:
        file = await city.files.get(UUID(request.path_params["file"]))
    except ValueError:
        file = None
    if file is None or file.subject != f"work-order:{request.path_params['number']}":
        raise HTTPException(404)
    return await city.files.answer(file, request)


async def settings(city: City, request: Request) -> Response:
    """Crews, and which faults become orders by themselves."""
    return await _settings(city, request)


async def _settings(city: City, request: Request, wrong: str = "", status: int = 200) -> Response:
    return city.render(
        request,
        "lighting/crews.html",
        status,
        crews=await crews.every(city.db.pool),
        rules=await crews.rules(city.db.pool),
        kinds=list(Kind),
        wrong=wrong,
    )


async def add_crew(city: City, request: Request) -> Response:
    """Add an organisation or role."""
    given = await fields(request)
    name, kind = given.get("name", "").strip(), given.get("kind", "")
    if not 0 < len(name) <= 120 or not name.isprintable() or kind not in ("organisation", "role"):
        return await _settings(city, request, "name", 422)
    await crews.add(city, city.people.who(request), name, kind)
    return RedirectResponse(f"/{city.app}/orders/crews?done=1", 303)


async def remove_crew(city: City, request: Request) -> Response:
    """Let one go."""
    await crews.remove(city, city.people.who(request), request.path_params["number"])
    return RedirectResponse(f"/{city.app}/orders/crews?done=1", 303)


async def set_rules(city: City, request: Request) -> Response:
    """Which faults become orders by themselves."""
    given = await fields(request)
    known = {crew.number for crew in await crews.every(city.db.pool)}
    actor = city.people.who(request)
    for kind in Kind:
        rule = None
        if given.get(f"{kind.value}-rule") == "on":
            crew, days = (
                _whole(given.get(f"{kind.value}-crew", "")),
                _whole(given.get(f"{kind.value}-days", "")),
            )
            if days is None or days > 365 or (crew is not None and crew not in known):
                return await _settings(city, request, "days", 422)
            rule = Rule(kind, crew, days)
        await crews.set_rule(city, actor, kind, rule)
    return RedirectResponse(f"/{city.app}/orders/crews?done=1", 303)


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _note(given: dict[str, Any]) -> str:
    note = str(given.get("note", "")).strip().replace("\r\n", "\n")
    if len(note) > _LONGEST or not note.replace("\n", "").replace("\t", "").isprintable():
        raise ValueError("a note is text")
    return note


def _moment(text: str) -> datetime | None:
    """When something was entered; a wrong clock is put right by whoever writes it."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
