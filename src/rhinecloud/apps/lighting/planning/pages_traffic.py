"""The page of counters: whose counts say which class lamps need, and what they say now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City

from ..control.problems import Problem, refused
from ..talq import lowering
from . import showing, store, traffic
from .counting import Counter

_MINUTES = 1_440


async def listed(city: City, request: Request) -> Response:
    """All counters by their places, and the form of another one."""
    return await _page(city, request, {}, [])


async def add(city: City, request: Request) -> Response:
    """Let an object of the graph count for a street or a group."""
    given = await showing.given_of(request)
    counter, wrong = counter_of(given, await traffic.counters(city.db.pool))
    if counter is not None and counter.what == "group":
        known = await store.GROUPS.get(city.db.pool, counter.subject)
        if known is None:
            wrong = [refused("", "Diese Gruppe gibt es nicht.", "There is no such group.")]
    if counter is None or wrong:
        return await _page(city, request, given, wrong, 422)
    await traffic.put(city, city.people.who(request), counter)
    return showing.back(city, "/traffic", "kept")


async def remove(city: City, request: Request) -> Response:
    """Take one away."""
    if not await traffic.remove(city, city.people.who(request), request.path_params["number"]):
        raise HTTPException(404)
    return showing.back(city, "/traffic", "removed")


def counter_of(given: Mapping[str, str], known: Sequence[Counter]) -> tuple[Counter | None, list[Problem]]:
    """What a form describes, or what is wrong with it. A street is written as it is already."""
    street, group = given.get("street", ""), given.get("group", "")
    entity, minutes = given.get("entity", ""), given.get("minutes", "")
    wrong = []
    if bool(street) == bool(group):
        wrong.append(refused("", "Entweder eine Straße oder eine Gruppe.", "Either a street or a group."))
    if not entity.startswith("urn:"):
        wrong.append(
            refused("", "Ein Objekt hat eine Kennung wie urn:…", "An object has an id such as urn:…")
        )
    if minutes and not (minutes.isdigit() and 1 <= int(minutes[:9]) <= _MINUTES):
        wrong.append(refused("", "Minuten: 1 bis 1440, oder leer.", "Minutes: 1 to 1440, or nothing."))
    if wrong:
        return None, wrong
    for one in known:
        if one.what == "street" and one.subject.casefold() == street.casefold():
            street = one.subject
    covers = int(minutes) if minutes else None
    if street:
        return Counter(what="street", subject=street, entity=entity, minutes=covers), []
    return Counter(what="group", subject=group, entity=entity, minutes=covers), []


async def _page(
    city: City, request: Request, given: Mapping[str, str], wrong: Sequence[Problem], status: int = 200
) -> Response:
    pool = city.db.pool
    those, rows = await traffic.counters(pool), await traffic.standing(pool)
    counts = await traffic.counts(city, those)
    may = city.people.who(request).may("lighting.configure")
    return city.render(
        request,
        "lighting/traffic.html",
        status,
        **showing.values(
            request,
            places=[
                (
                    place,
                    [one for one in those if one.place == place],
                    None if count is None else (round(count.vehicles), showing.instant(count.ends)),
                    [(program, row) for (where, program), row in sorted(rows.items()) if where == place],
                )
                for place, count in counts.items()
            ],
            groups=await store.GROUPS.every(pool) if may else [],
            known=await traffic.known(city) if may else [],
            given=given,
            problems=showing.told(wrong),
            behind=await lowering.states(pool, city.clock.now()),
            may=may,
        ),
    )
