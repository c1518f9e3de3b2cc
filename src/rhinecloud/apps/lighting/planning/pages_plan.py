"""The page of the plan: who has which calendar, what it would change, what is against it; applying it; its progress."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City, Sight

from ..cadastre.following import known
from ..cadastre.lamps import lamps
from ..control.clocks import bounds
from ..control.problems import Problem, refused
from ..control.targets import Target
from ..talq import devices as talq_devices
from ..talq import lowering
from . import assigning, overrides, showing, store, traffic
from .asking import asks_of, night_of_lamp, words
from .counting import hours, placing
from .drawing import Drawing, draw
from .judging import judge
from .plan import Assignment, Plan, digest
from .settling import STATES
from .wording import where

_SHOWN: Final = 200


async def page(city: City, request: Request) -> Response:
    """The draft against what is applied."""
    return await _page(city, request, [])


async def _page(city: City, request: Request, wrong: Sequence[Problem], status: int = 200) -> Response:
    pool = city.db.pool
    lines = await store.assignments(pool)
    plan, applied, every = await store.draft(pool), await store.applied(pool), await known(city)
    before = None if applied is None else applied.plan
    judged = await asyncio.to_thread(judge, plan, before, every, city.clock.today(), city.clock.zone)
    return city.render(
        request,
        "lighting/plan.html",
        status,
        **showing.values(
            request,
            problems=showing.told(wrong),
            lines=[
                (number, line, count) for (number, line), count in zip(lines, judged.by_line, strict=True)
            ],
            plan=plan,
            names={("group", one.id): one.name for one in plan.groups}
            | {("calendar", one.id): one.name for one in plan.calendars},
            judged=judged,
            findings=[(one, where(one.problem.path)) for one in judged.findings],
            digest=digest(plan),
            same=applied is not None and applied.digest == digest(plan),
            behind=len(await talq_devices.of_lamps(pool)),
            history=await store.history(pool),
            may=_may(city, request),
            **await _progress(city),
        ),
    )


async def _progress(city: City) -> dict[str, Any]:
    pool = city.db.pool
    records = await pool.fetch("SELECT state, count(*) FROM target WHERE state IS NOT NULL GROUP BY state")
    counted = {record[0]: record[1] for record in records}
    return {
        "applied": await store.applied(pool),
        "states": [(state, counted.get(state, 0)) for state in STATES],
        "told": sum(counted.values()),
        "planned": await pool.fetchval("SELECT count(*) FROM target WHERE calendar IS NOT NULL"),
    }


async def progress(city: City, sight: Sight, language: str) -> str:
    """How far lamps are told, anew while somebody looks."""
    return city.part("lighting/parts/plan_progress.html", language, **await _progress(city))


async def assign(city: City, request: Request) -> Response:
    """Give a group or a lamp a calendar; move a line, or take it away."""
    given = await showing.given_of(request)
    actor = city.people.who(request)
    action, _, which = given.get("action", "").partition("-")
    number = int(which) if which.isdigit() and len(which) < 16 else -1
    match action:
        case "up" | "down":
            await store.move(city, actor, number, 1 if action == "down" else -1)
        case "remove":
            await store.unassign(city, actor, number)
        case "add":
            wrong = await _add(
                city, request, given.get("lamp", ""), given.get("group", ""), given.get("calendar", "")
            )
            if wrong:
                return await _page(city, request, wrong, 422)
        case _:
            raise HTTPException(400)
    return showing.back(city, "/plan", "kept")


async def _add(city: City, request: Request, lamp: str, group: str, calendar: str) -> list[Problem]:
    if bool(lamp) == bool(group):
        return [refused("", "Entweder eine Gruppe oder eine Leuchte.", "Either a group or a lamp.")]
    if lamp:
        found = await showing.lamp_of(city, lamp)
        if found is None:
            return [refused("", f"Es gibt keine Leuchte {lamp}.", f"There is no lamp {lamp}.")]
        line = Assignment("lamp", found.id, calendar)
    else:
        line = Assignment("group", group, calendar)
    try:
        await store.assign(city, city.people.who(request), line)
    except KeyError as error:
        name = str(error.args[0])
        return [
            refused(
                "",
                f"Es gibt keine Gruppe und keinen Kalender {name!r}.",
                f"There is no group and no calendar {name!r}.",
            )
        ]
    return []


async def apply(city: City, request: Request) -> Response:
    """Make the draft that was looked at the plan that counts."""
    given = await showing.given_of(request)
    pool = city.db.pool
    plan, applied, every = await store.draft(pool), await store.applied(pool), await lamps(city)
    before = None if applied is None else applied.plan
    judged = await asyncio.to_thread(judge, plan, before, every, city.clock.today(), city.clock.zone)
    if judged.refused:
        wrong = [
            refused(
                "",
                "Der Plan wird so nicht angewendet, siehe unten.",
                "The plan is not applied like this, see below.",
            )
        ]
        return await _page(city, request, wrong, 422)
    if judged.doubtful and not given.get("confirmed"):
        wrong = [
            refused("", "Bitte bestätigen, was unten fraglich ist.", "Please confirm what is doubtful below.")
        ]
        return await _page(city, request, wrong, 422)
    try:
        await assigning.apply(city, city.people.who(request), plan, given.get("digest", ""))
    except assigning.Outdated:
        wrong = [
            refused(
                "",
                "Der Entwurf wurde inzwischen geändert. Bitte noch einmal ansehen und dann anwenden.",
                "The draft was changed meanwhile. Please look at it again and apply it then.",
            )
        ]
        return await _page(city, request, wrong, 409)
    return showing.back(city, "/plan", "applied")


async def night(city: City, request: Request) -> Response:
    """The night of one lamp: as it is applied, and as the draft would have it."""
    text = request.query_params.get("lamp", "")
    lamp = await showing.lamp_of(city, text)
    evening = showing.evening_of(city, request)
    shown: dict[str, Any] = {"draft": None, "applied": None, "version": 0, "same": True}
    shown |= {"by_volume": False, "place": "", "vehicles": "", "wrong": False}
    if lamp is not None:
        pool = city.db.pool
        plan, applied = await store.draft(pool), await store.applied(pool)
        now = Plan() if applied is None else applied.plan
        zone = city.clock.zone
        begin, end = (showing.instant(one) for one in bounds(evening, zone))
        rows = await overrides.of_lamp(pool, lamp.id, begin, end)
        reasons = {str(row.number): row.reason for row in rows}
        over = [row.control() for row in rows]
        those = await traffic.counters(pool)
        spot = placing(those, plan.groups, await lowering.sensed(pool, [lamp.id]))(lamp)
        place = "" if spot is None else spot.counted
        vehicles = request.query_params.get("vehicles", "").strip()
        if vehicles == "week":
            some = await traffic.typical_day(city, [one for one in those if one.place == place], zone)
            vehicles = " ".join("?" if math.isnan(one) else f"{one:.0f}" for one in some)
        assumed = hours(vehicles) if vehicles else None
        asks = await asks_of(city, lamp.id, assumed)
        old, new = (night_of_lamp(one, lamp, evening, zone, over, asks) for one in (now, plan))

        def picture(one: Any, of: Plan, before: Any = None) -> Drawing:
            drawn = () if before is None else before.targets
            return draw(
                one.targets, evening, zone, (one.dusk, one.dawn), lambda why: words(why, of, reasons), drawn
            )

        shown = {
            "draft": picture(new, plan, old),
            "applied": picture(old, now),
            "version": 0 if applied is None else applied.version,
            "same": [(one.level, one.since) for one in old.targets]
            == [(one.level, one.since) for one in new.targets],
            "by_volume": any(_by_volume(one) for night in (old, new) for one in night.targets),
            "place": place,
            "vehicles": vehicles,
            "wrong": bool(vehicles) and assumed is None,
        }
    return city.render(
        request,
        "lighting/night.html",
        200 if lamp is not None or not text else 404,
        **showing.values(request, asked=text, lamp=lamp, evening=evening, may=_may(city, request), **shown),
    )


def _by_volume(target: Target) -> bool:
    return any(reason.kind == "volume" for reason in target.why)


async def targets(city: City, request: Request) -> Response:
    """Lamps that are told their target, by what became of it."""
    state = request.query_params.get("state", "")
    records = await city.db.pool.fetch(
        "SELECT lamp, facts->>'name' AS name, device, level, state, asked_at, settled_at, trouble FROM target "
        "WHERE state IS NOT NULL AND ($1 = '' OR state = $1) ORDER BY asked_at DESC, lamp LIMIT $2",
        state if state in STATES else "",
        _SHOWN,
    )
    return city.render(
        request,
        "lighting/targets.html",
        **showing.values(request, targets=records, state=state, states=STATES, may=_may(city, request)),
    )


def _may(city: City, request: Request) -> bool:
    return city.people.who(request).may("lighting.program")
