"""Gateways for programs of the city: admit them, want plans and overrides, see what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City
from rhinecloud.model import BadRequestData

from ..control import calendars, programs
from ..control.problems import Problem
from . import devices, gateways, overrides, plan_rows, wanting
from .base import Level


class Plans(msgspec.Struct, frozen=True):
    """What is wanted of all gateways. `assigned`: lamp (urn) → id of its calendar."""

    programs: list[programs.Program]
    calendars: list[calendars.Calendar]
    assigned: dict[str, str]
    confirmed: bool = False


class Overriding(msgspec.Struct, frozen=True):
    """Lamps (urns) and their level in percent; null: back to the calendar. `ends`: until then."""

    lamps: list[str]
    level: Level | None = None
    ends: datetime | None = None


class Admitting(msgspec.Struct, frozen=True):
    """A gateway to be admitted."""

    name: str
    cabinet: str | None = None


async def _read(request: Request, wanted: Any) -> Any:
    try:
        return msgspec.json.decode(await request.body(), type=wanted)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BadRequestData(str(error)) from None


def _answer(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


async def listed(city: City, request: Request) -> Response:
    """Gateways, and what became of their plans."""
    plans = await plan_rows.states(city.db.pool)
    behind = await devices.lamps_behind(city.db.pool)
    return _answer(
        [
            {
                "number": one.number,
                "name": one.name,
                "stage": one.stage,
                "address": one.address,
                "heardAt": one.heard_at,
                "lamps": behind.get(one.number, 0),
                "plan": plans.get(one.number),
            }
            for one in await gateways.every(city.db.pool)
        ]
    )


async def admit(city: City, request: Request) -> Response:
    """Admit a gateway; the answer has its key, which is told once."""
    said: Admitting = await _read(request, Admitting)
    if not 0 < len(said.name) <= 120 or not said.name.isprintable():
        raise BadRequestData("a gateway has a name of up to 120 characters", field="/name")
    gateway, key = await gateways.admit(city, city.people.who(request), said.name, said.cabinet)
    return _answer({"number": gateway.number, "key": key}, 201)


async def want_plans(city: City, request: Request) -> Response:
    """Want plans of all gateways; 409 with the problems, and nothing is asked for, if some plan cannot be or is not
    confirmed."""
    said: Plans = await _read(request, Plans)
    try:
        changed = await wanting.ask(
            city,
            city.people.who(request),
            said.assigned,
            {one.id: one for one in said.programs},
            {one.id: one for one in said.calendars},
            confirmed=said.confirmed,
        )
    except wanting.NotWanted as error:
        return _answer(
            {
                "type": "about:blank",
                "title": "Conflict",
                "status": 409,
                "detail": str(error)[:2_000],
                "problems": {
                    name: [_problem(one) for one in those] for name, those in error.problems.items()
                },
            },
            409,
        )
    return _answer({"gateways": changed}, 202)


def _problem(problem: Problem) -> dict[str, Any]:
    return {"severity": problem.severity, "path": problem.path, "de": problem.text[0], "en": problem.text[1]}


async def override(city: City, request: Request) -> Response:
    """Override lamps, or send them back to their calendar; 403 for those that are behind no gateway of this city."""
    said: Overriding = await _read(request, Overriding)
    if said.ends is not None and said.ends.tzinfo is None:
        raise BadRequestData("a moment has a time zone", field="/ends")
    try:
        number = await overrides.want(city, city.people.who(request), said.lamps, said.level, said.ends)
    except overrides.Refused as error:
        refused = {
            "type": "about:blank",
            "title": "Forbidden",
            "status": 403,
            "detail": str(error),
            "lamps": error.lamps,
        }
        return _answer(refused, 403)
    return _answer({"lamps": number}, 202)


async def overridden(city: City, request: Request) -> Response:
    """What is wanted of lamps (`lamp`, repeated) beside their calendars, and what became of it."""
    return _answer(await overrides.of_lamps(city.db.pool, request.query_params.getlist("lamp")[:1_000]))
