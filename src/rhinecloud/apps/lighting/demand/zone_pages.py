"""Pages of sensor zones: lamps are chosen on the map or in the list, detectors and reactions here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.app import Text
from rhinecloud.city import City
from rhinecloud.web.forms import fields

from ..cadastre import following, planned, selection
from ..cadastre.fleet import Fleet
from ..planning import groups
from ..planning.wording import slug
from . import forms, pages, store, zones
from .passing import KINDS, Placed
from .zones import Planned

_TICK: Final = "detector:"
_CONFIGURE: Final = "lighting.configure"
_METRES: Final = 111_195.0  # a degree of latitude


async def new(city: City, request: Request) -> Response:
    """The form of a new zone for the lamps that were selected."""
    return await _new(city, request, dict(zones.USUAL) | {"pedestrian": "on"})


async def add(city: City, request: Request) -> Response:
    """Set up a new one."""
    given = await fields(request)
    fleet, lamps, found = await _selected(city, request)
    name = slug(given.get("name", ""))
    try:
        if name in await store.zones(city.db.pool):
            raise forms.Wrong(
                [("eine Zone dieses Namens gibt es schon", "there is a zone of this name already")]
            )
        if not 0 < lamps <= zones.MOST:
            raise forms.Wrong([_too_many()])
        known = await store.detectors(city.db.pool)
        one = zones.planned(name or "zone", given, _ticked(given), planned_selection(fleet, found), known)
    except forms.Wrong as wrong:
        return await _new(city, request, given, wrong.reasons)
    await store.put_zones(city, city.people.who(request), [one])
    return RedirectResponse(f"/{city.app}/demand?done=zone", 303)


async def one(city: City, request: Request) -> Response:
    """A zone that is there."""
    zone = await _found(city, request)
    ticked = {f"{_TICK}{name}": "on" for name in zone.detectors}
    return await _one(city, request, zone, zones.USUAL | zones.texts(zone) | ticked)


async def change(city: City, request: Request) -> Response:
    """Change one; its lamps stay as they were selected."""
    zone, given = await _found(city, request), await fields(request)
    try:
        known = await store.detectors(city.db.pool)
        changed = zones.planned(zone.id, given, _ticked(given), zone.selection, known)
    except forms.Wrong as wrong:
        return await _one(city, request, zone, given, wrong.reasons)
    await store.put_zones(city, city.people.who(request), [changed])
    return RedirectResponse(f"/{city.app}/demand?done=zone", 303)


async def remove(city: City, request: Request) -> Response:
    """Forget one."""
    await store.remove_zone(city, city.people.who(request), (await _found(city, request)).id)
    return RedirectResponse(f"/{city.app}/demand?done=removed", 303)


async def put(city: City, request: Request) -> Any:
    """Zones as JSON: a list; all of them, or none."""
    try:
        those = msgspec.json.decode(await request.body(), type=list[Planned])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400, str(error)) from None
    known = await store.detectors(city.db.pool)
    for place, zone in enumerate(those):
        if slug(zone.id) != zone.id:
            raise HTTPException(400, f"/{place}: an id has small letters, digits and hyphens")
        try:
            zones.planned(zone.id, zones.texts(zone), zone.detectors, zone.selection, known)
        except forms.Wrong as wrong:
            raise HTTPException(400, f"/{place}: {wrong}") from None
    await store.put_zones(city, city.people.who(request), those)
    return {"zones": len(those)}


async def _new(
    city: City, request: Request, given: Mapping[str, str], wrong: list[Text] | None = None
) -> Response:
    fleet, lamps, found = await _selected(city, request)
    wrong = [*(wrong or []), *([_too_many()] if lamps > zones.MOST and not wrong else [])]
    inside = groups.selects(planned_selection(fleet, found)) if lamps else lambda lamp: False
    near = _by_nearness(await store.detectors(city.db.pool), [x for x in fleet.lamps if inside(x)])
    return _form(city, request, given, wrong, near, lamps=lamps, query=found[0].query(), zone=None)


async def _one(
    city: City, request: Request, zone: Planned, given: Mapping[str, str], wrong: list[Text] | None = None
) -> Response:
    fleet = await following.fleet(city, city.people.who(request).sight)
    members = groups.selects(zone.selection)
    lamps = [lamp for lamp in fleet.lamps if members(lamp)]
    near = _by_nearness(await store.detectors(city.db.pool), lamps)
    return _form(city, request, given, wrong or [], near, lamps=len(lamps), query="", zone=zone)


def _form(
    city: City,
    request: Request,
    given: Mapping[str, str],
    wrong: list[Text],
    near: list[tuple[Placed, float | None]],
    **more: Any,
) -> Response:
    return city.render(
        request,
        "lighting/demand_zone.html",
        422 if wrong else 200,
        given=given,
        wrong=wrong,
        detectors=near,
        kinds=[(kind, pages.NAMES[kind]) for kind in KINDS],
        may_configure=city.people.who(request).may(_CONFIGURE),
        **more,
    )


_Found = tuple[selection.Selection, selection.Inside | None]


async def _selected(city: City, request: Request) -> tuple[Fleet, int, _Found]:
    """The lamps that the address selects: how many; none where it says nothing."""
    fleet = await following.fleet(city, city.people.who(request).sight)
    try:
        found = selection.read(request.query_params)
    except selection.Wrong:
        raise HTTPException(400) from None
    inside, unknown = await planned.inside(city, found)
    if found.is_all() or unknown:
        return fleet, 0, (selection.Selection(), None)
    return fleet, len(selection.chosen(fleet, found, inside)), (found, inside)


def planned_selection(fleet: Fleet, found: _Found) -> groups.Selection:
    """The selection as zones keep it: lamps that come later are in it too, where that can be said."""
    return planned.as_group(fleet, *found)


def _ticked(given: Mapping[str, str]) -> list[str]:
    return [name.removeprefix(_TICK) for name in given if name.startswith(_TICK)]


def _too_many() -> Text:
    return (
        f"eine Zone hat 1 bis {zones.MOST} Leuchten",
        f"a zone has 1 to {zones.MOST} lamps",
    )


def _by_nearness(known: Mapping[str, Placed], lamps: list[Any]) -> list[tuple[Placed, float | None]]:
    """Detectors with their metres from the nearest of the lamps, the nearest first; without lamps by name."""
    if not lamps:
        return [(one, None) for one in sorted(known.values(), key=lambda one: one.name)]
    some = lamps[:: max(1, len(lamps) // 200)]

    def away(one: Placed) -> float:
        shrunk = math.cos(math.radians(one.lat))
        return _METRES * min(math.hypot((x.lon - one.lon) * shrunk, x.lat - one.lat) for x in some)

    return sorted(((one, away(one)) for one in known.values()), key=lambda pair: (pair[1], pair[0].id))


async def _found(city: City, request: Request) -> Planned:
    found = (await store.zones(city.db.pool)).get(request.path_params["id"])
    if found is None:
        raise HTTPException(404)
    return found
