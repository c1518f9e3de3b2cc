"""Pages of calendars: the list, and the editor of the ordered rules with the nights that come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City

from ..control import calendars
from ..control.calendars import Calendar, Rule, holidays_of, program_of
from ..control.problems import Problem, refused
from . import showing, store
from .rule_form import fields_of, rule_of
from .wording import DAYS, nights, slug, split_error

_NIGHTS = 14


async def listed(city: City, request: Request) -> Response:
    """All calendars."""
    pool = city.db.pool
    return city.render(
        request,
        "lighting/calendars.html",
        **showing.values(
            request,
            kept=await store.CALENDARS.every(pool),
            programs=await store.PROGRAMS.every(pool),
            may=_may(city, request),
            given={},
            problems=[],
        ),
    )


async def make(city: City, request: Request) -> Response:
    """A new one, with its default program."""
    given = await showing.given_of(request)
    calendar = Calendar(
        id=slug(given.get("name_de", "")),
        name=(given.get("name_de", ""), given.get("name_en", "")),
        default=given.get("default") or None,
    )
    found = await _judged(city, calendar)
    if not showing.forbids(found):
        try:
            await store.CALENDARS.put(city, city.people.who(request), calendar, None)
            return showing.back(city, f"/calendars/{calendar.id}", "kept")
        except store.Changed:
            found = [showing.taken(calendar.id)]
    pool = city.db.pool
    return city.render(
        request,
        "lighting/calendars.html",
        422,
        **showing.values(
            request,
            kept=await store.CALENDARS.every(pool),
            programs=await store.PROGRAMS.every(pool),
            may=True,
            given=given,
            problems=showing.told(found),
        ),
    )


async def one(city: City, request: Request) -> Response:
    """A calendar, what is to be noted of it, and its next nights."""
    kept = await _found(city, request)
    return await _page(city, request, kept, kept.one, await _judged(city, kept.one), {})


async def write(city: City, request: Request) -> Response:
    """One change of it: its name and default, a rule more, another or less, or another order of rules."""
    given = await showing.given_of(request)
    kept = await _found(city, request)
    calendar, wrong = _changed(kept.one, given)
    if calendar is None:
        return await _page(city, request, kept, kept.one, wrong, given, 422)
    return await _keep(city, request, kept, calendar, showing.version_of(given), given)


async def write_json(city: City, request: Request) -> Response:
    """All of it by the JSON form."""
    given = await showing.given_of(request)
    kept = await _found(city, request)
    try:
        calendar = calendars.parse(given.get("json", ""))
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        path, text = split_error(error)
        wrong = [refused(path, f"JSON: {path} {text}", f"JSON: {path} {text}")]
        return await _page(city, request, kept, kept.one, wrong, given, 422)
    calendar = msgspec.structs.replace(calendar, id=kept.one.id)
    return await _keep(city, request, kept, calendar, showing.version_of(given), given)


async def remove(city: City, request: Request) -> Response:
    """Take it away, unless lamps have it."""
    kept = await _found(city, request)
    try:
        await store.CALENDARS.remove(city, city.people.who(request), kept.one.id)
    except store.InUse as error:
        users = ", ".join(error.users)
        wrong = [refused("", f"Es ist noch zugeordnet: {users}.", f"It is still assigned: {users}.")]
        return await _page(city, request, kept, kept.one, wrong, {}, 409)
    return showing.back(city, "/calendars", "removed")


def _changed(calendar: Calendar, given: Mapping[str, str]) -> tuple[Calendar | None, list[Problem]]:
    """The calendar after the step that a form asks for."""
    action, _, which = given.get("action", "").partition("-")
    index = int(which) if which.isdigit() and len(which) < 4 else -1
    rules = list(calendar.rules)
    if action in ("up", "down", "remove", "rule") and not 0 <= index < len(rules):
        raise HTTPException(400)
    match action:
        case "head":
            name = (given.get("name_de", ""), given.get("name_en", ""))
            return msgspec.structs.replace(calendar, name=name, default=given.get("default") or None), []
        case "up" | "down":
            there = min(len(rules) - 1, max(0, index + (1 if action == "down" else -1)))
            rules[index], rules[there] = rules[there], rules[index]
        case "remove":
            del rules[index]
        case "add" | "rule":
            rule, wrong = rule_of(given, len(rules) if action == "add" else index)
            if rule is None:
                return None, wrong
            if action == "add":
                rules.append(rule)
            else:
                rules[index] = rule
        case _:
            raise HTTPException(400)
    return msgspec.structs.replace(calendar, rules=tuple(rules)), []


async def _keep(
    city: City,
    request: Request,
    kept: store.Kept[Calendar],
    calendar: Calendar,
    version: int | None,
    given: Mapping[str, str],
) -> Response:
    found = await _judged(city, calendar)
    if showing.forbids(found):
        return await _page(city, request, kept, kept.one, found, given, 422)
    try:
        await store.CALENDARS.put(city, city.people.who(request), calendar, version)
    except store.Changed as error:
        return await _page(city, request, kept, kept.one, [showing.trouble(error, version)], given, 409)
    return showing.back(city, f"/calendars/{calendar.id}", "kept")


async def _judged(city: City, calendar: Calendar) -> list[Problem]:
    known = [kept.one.id for kept in await store.PROGRAMS.every(city.db.pool)]
    return calendars.problems(calendar, known, city.clock.today())


async def _page(
    city: City,
    request: Request,
    kept: store.Kept[Calendar],
    calendar: Calendar,
    found: Sequence[Problem],
    given: Mapping[str, str],
    status: int = 200,
) -> Response:
    json = given.get("json") or msgspec.json.format(calendars.printed(calendar), indent=2).decode()
    return city.render(
        request,
        "lighting/calendar.html",
        status,
        **showing.values(
            request,
            kept=kept,
            calendar=calendar,
            problems=showing.told(found),
            programs=await store.PROGRAMS.every(city.db.pool),
            rules=[(rule, nights(rule), fields_of(rule)) for rule in calendar.rules],
            given=given if given.get("action") == "add" else fields_of(Rule(program="")),
            coming=_coming(city, calendar),
            days=DAYS,
            json=json,
            may=_may(city, request),
        ),
    )


def _coming(city: City, calendar: Calendar) -> list[dict[str, Any]]:
    """The next nights: which program, by which rule."""
    today = city.clock.today()
    holidays = holidays_of((today.year, today.year + 1))
    found = []
    for day in range(_NIGHTS):
        night = today + timedelta(day)
        choice = program_of(calendar, night, holidays)
        found.append(
            {
                "night": night,
                "day": DAYS[night.weekday()],
                "holiday": night in holidays,
                "program": choice.program,
                "rule": choice.rule,
            }
        )
    return found


def _may(city: City, request: Request) -> bool:
    return city.people.who(request).may("lighting.program")


async def _found(city: City, request: Request) -> store.Kept[Calendar]:
    kept = await store.CALENDARS.get(city.db.pool, request.path_params["id"])
    if kept is None:
        raise HTTPException(404)
    return kept
