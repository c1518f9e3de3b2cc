"""The page of overrides: those in force and those that were, a new one, and ending one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City

from ..cadastre.lamps import lamps
from ..control.problems import Problem, refused
from . import overrides, showing, store
from .groups import members

_LONGEST: Final = timedelta(days=366)
_REASON: Final = 500  # letters


async def listed(city: City, request: Request) -> Response:
    """All that have not ended, and the last that have."""
    return await _page(city, request, {}, [])


async def make(city: City, request: Request) -> Response:
    """Override a lamp or a group until an end, for a reason."""
    given = await showing.given_of(request)
    wrong = await _made(city, request, given)
    if wrong:
        return await _page(city, request, given, wrong, 422)
    return showing.back(city, "/overrides", "made")


async def end(city: City, request: Request) -> Response:
    """End one now."""
    if not await overrides.end(city, city.people.who(request), request.path_params["number"]):
        raise HTTPException(404)
    return showing.back(city, "/overrides", "ended")


async def _made(city: City, request: Request, given: Mapping[str, str]) -> list[Problem]:
    level, reason = given.get("level", ""), given.get("reason", "")
    now = city.clock.now()
    begins = showing.local(city, given["begins"]) if given.get("begins") else now
    ends = showing.local(city, given.get("ends", ""))
    wrong = []
    if not (level.isdigit() and len(level) < 4 and int(level) <= 100):
        wrong.append(refused("", "Das Niveau ist 0 bis 100 %.", "The level is 0 to 100 %."))
    if not 0 < len(reason) <= _REASON or not reason.replace("\n", "").isprintable():
        wrong.append(
            refused("", "Der Grund fehlt (bis 500 Zeichen).", "The reason is missing (up to 500 characters).")
        )
    if begins is None or ends is None or ends <= max(now, begins) or ends - now > _LONGEST:
        wrong.append(
            refused(
                "",
                "Das Ende liegt in der Zukunft, nach dem Anfang und höchstens ein Jahr voraus.",
                "The end is in the future, after the beginning, and a year ahead at the most.",
            )
        )
    what, subject, those = "lamp", "", list[str]()
    if given.get("group") and not given.get("lamp"):
        kept = await store.GROUPS.get(city.db.pool, given["group"])
        if kept is not None:
            what, subject = "group", kept.one.id
            those = [lamp.id for lamp in members(kept.one, await lamps(city))]
    elif given.get("lamp") and not given.get("group"):
        lamp = await showing.lamp_of(city, given["lamp"])
        if lamp is not None:
            subject, those = lamp.id, [lamp.id]
        else:
            await _refused(city, request, given["lamp"], level)
    if not those:
        wrong.append(
            refused(
                "",
                "Eine Gruppe mit Leuchten oder eine Leuchte, die es gibt, ist anzugeben.",
                "A group with lamps in it, or a lamp that there is, has to be given.",
            )
        )
    if wrong or begins is None or ends is None:
        return wrong
    await overrides.make(
        city,
        city.people.who(request),
        what="group" if what == "group" else "lamp",
        subject=subject,
        lamps=those,
        level=int(level),
        begins=max(begins, now),
        ends=ends,
        reason=reason,
    )
    return []


async def _refused(city: City, request: Request, lamp: str, level: str) -> None:
    """Who commands a lamp that is not this city's is on record."""
    async with city.transaction() as transaction:
        actor = city.people.who(request)
        await transaction.audit(actor.id, "lighting.override.refused", lamp[:200], {"level": level[:20]})


async def _page(
    city: City, request: Request, given: Mapping[str, str], wrong: Sequence[Problem], status: int = 200
) -> Response:
    pool = city.db.pool
    now = city.clock.now()
    default = (now + timedelta(hours=2)).astimezone(city.clock.zone)
    return city.render(
        request,
        "lighting/overrides.html",
        status,
        **showing.values(
            request,
            rows=await overrides.listed(pool, now),
            now=now,
            given={"ends": f"{default:%Y-%m-%dT%H:%M}", "lamp": request.query_params.get("lamp", "")}
            | dict(given),
            groups=await store.GROUPS.every(pool),
            problems=showing.told(wrong),
            may=city.people.who(request).may("lighting.program"),
        ),
    )
