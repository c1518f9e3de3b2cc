"""Pages of light on demand: how far the tables are, detectors, profiles, gateways, roads, and what was counted."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.app import Text
from rhinecloud.city import City, Sight
from rhinecloud.web.forms import fields, upload

from . import forms, importing, store
from .neighbours import PROFILES, Kind, Profile
from .passing import KINDS, Placed

NAMES: Final[dict[str, Text]] = {
    "vehicle": ("Fahrzeuge", "vehicles"),
    "cyclist": ("Radfahrende", "cyclists"),
    "pedestrian": ("zu Fuß Gehende", "pedestrians"),
}
_CONFIGURE: Final = "lighting.configure"


async def overview(city: City, request: Request) -> Response:
    """Everything at a glance."""
    return await _overview(city, request)


async def _overview(
    city: City, request: Request, given: dict[str, str] | None = None, wrong: list[Text] | None = None
) -> Response:
    actor = city.people.who(request)
    return city.render(
        request,
        "lighting/demand.html",
        422 if wrong else 200,
        may_configure=actor.may(_CONFIGURE),
        given=given or {},
        wrong=wrong or [],
        profiles=await store.profiles(city.db.pool),
        names=NAMES,
        **await _state(city, actor.sight),
    )


async def part(city: City, sight: Sight, language: str) -> str:
    """What goes on, told anew while somebody looks."""
    return city.part("lighting/parts/demand.html", language, names=NAMES, **await _state(city, sight))


async def _state(city: City, sight: Sight) -> dict[str, Any]:
    pool = city.db.pool
    gateways = await store.gateways(pool)
    wanted = await city.devices.wanted([one.device for one in gateways])
    parts = {one.runs: one for one in await store.parts(pool)}
    computed = await store.computed(pool)
    return {
        "network": await store.network(pool),
        "computed": computed,
        "waits": computed is not None and computed.mark != await store.mark(pool),
        "parts": parts,
        "talq": sum(one.lamps for runs, one in parts.items() if runs.startswith("talq:")),
        "gateways": [
            (one, parts.get(f"field:{one.device}"), wanted.get(one.device) if one.revision else None)
            for one in gateways
        ],
        "confirmed": sum(
            one.revision is not None and one.device in wanted and wanted[one.device].state == "confirmed"
            for one in gateways
        ),
        "detectors": list((await store.detectors(pool)).values()),
        "zones": list((await store.zones(pool)).values()),
        "carried": await store.carried(pool),
        "counts": await _counts(city, sight),
    }


async def _counts(city: City, sight: Sight) -> dict[str, tuple[float, str]]:
    """Detector and kind → number and end of the last quarter of an hour of which one was told."""
    found = {}
    async for some in city.values("TrafficFlowObserved", "intensity", "dateObservedTo", sight=sight):
        for entity, (number, until) in some:
            if isinstance(until, dict) and isinstance(number, int | float):
                found[entity.removeprefix("urn:ngsi-ld:TrafficFlowObserved:")] = (
                    number,
                    until.get("@value", ""),
                )
    return found


async def take_roads(city: City, request: Request) -> Response:
    """Take a file of roads."""
    form, content = await upload(request, "file")
    try:
        found = await asyncio.to_thread(importing.read, content)
    except importing.Unreadable as unreadable:
        return await _overview(city, request, wrong=[unreadable.message])
    name = str(getattr(form.get("file"), "filename", "") or "roads.geojson")[:200]
    await importing.take(city, city.people.who(request).id, name, found)
    return RedirectResponse(f"/{city.app}/demand?done=roads&left={len(found.problems)}", 303)


async def compute(city: City, request: Request) -> Response:
    """Compute the tables anew, for the lamps as they are now."""
    async with city.transaction() as transaction:
        await store.changed(city, transaction)
        await transaction.audit(city.people.who(request).id, "lighting.demand.compute", "tables")
    return RedirectResponse(f"/{city.app}/demand?done=computing", 303)


# Detectors -------------------------------------------------------------------------------------------------


async def new_detector(city: City, request: Request) -> Response:
    """An empty form."""
    return _detector(city, request, {"vehicle": "on"}, known=False)


async def one_detector(city: City, request: Request) -> Response:
    """The form of one that is there."""
    one = await _found(city, request)
    given = {"id": one.id, "name": one.name, "lon": str(one.lon), "lat": str(one.lat), "street": one.street}
    given |= dict.fromkeys(one.kinds, "on")
    given["bearing"] = "" if one.bearing is None else f"{one.bearing:g}"
    return _detector(city, request, given, known=True)


def _detector(
    city: City, request: Request, given: dict[str, str], *, known: bool, wrong: list[Text] | None = None
) -> Response:
    return city.render(
        request,
        "lighting/demand_detector.html",
        422 if wrong else 200,
        given=given,
        known=known,
        may_configure=city.people.who(request).may(_CONFIGURE),
        wrong=wrong or [],
        kinds=[(kind, NAMES[kind]) for kind in KINDS],
    )


async def add_detector(city: City, request: Request) -> Response:
    """Set up a new one."""
    given = await fields(request)
    try:
        one = forms.placed(given)
        if one.id in await store.detectors(city.db.pool):
            raise forms.Wrong(
                [("einen Detektor dieser Kennung gibt es schon", "there is a detector of this id already")]
            )
    except forms.Wrong as wrong:
        return _detector(city, request, given, known=False, wrong=wrong.reasons)
    await store.put_detectors(city, city.people.who(request), [one])
    return RedirectResponse(f"/{city.app}/demand?done=detector", 303)


async def change_detector(city: City, request: Request) -> Response:
    """Change one."""
    given = {**await fields(request), "id": (await _found(city, request)).id}
    try:
        one = forms.placed(given)
    except forms.Wrong as wrong:
        return _detector(city, request, given, known=True, wrong=wrong.reasons)
    await store.put_detectors(city, city.people.who(request), [one])
    return RedirectResponse(f"/{city.app}/demand?done=detector", 303)


async def remove_detector(city: City, request: Request) -> Response:
    """Forget one."""
    await store.remove_detector(city, city.people.who(request), (await _found(city, request)).id)
    return RedirectResponse(f"/{city.app}/demand?done=removed", 303)


async def _found(city: City, request: Request) -> Placed:
    found = (await store.detectors(city.db.pool)).get(request.path_params["id"])
    if found is None:
        raise HTTPException(404)
    return found


# Profiles --------------------------------------------------------------------------------------------------


async def one_profile(city: City, request: Request) -> Response:
    """The form of a profile."""
    kind = _kind(request)
    one = (await store.profiles(city.db.pool))[kind]
    return _profile(city, request, kind, _texts(one))


def _texts(one: Profile) -> dict[str, str]:
    given = {name: f"{getattr(one, name):g}" for name in forms.NUMBERS}
    given["reach"] = "\n".join(f"{speed:g} {metres:g}" for speed, metres in one.reach)
    return given


def _profile(
    city: City, request: Request, kind: Kind, given: dict[str, str], wrong: list[Text] | None = None
) -> Response:
    return city.render(
        request,
        "lighting/demand_profile.html",
        422 if wrong else 200,
        kind=kind,
        name=NAMES[kind],
        given=given,
        usual=_texts(PROFILES[kind]),
        wrong=wrong or [],
    )


async def change_profile(city: City, request: Request) -> Response:
    """Set a profile."""
    kind, given = _kind(request), await fields(request)
    try:
        one = forms.profile(given)
    except forms.Wrong as wrong:
        return _profile(city, request, kind, given, wrong.reasons)
    await store.put_profile(city, city.people.who(request), kind, one)
    return RedirectResponse(f"/{city.app}/demand?done=profile", 303)


def _kind(request: Request) -> Kind:
    for kind in KINDS:
        if kind == request.path_params["kind"]:
            return kind
    raise HTTPException(404)


# Field gateways --------------------------------------------------------------------------------------------


async def add_gateway(city: City, request: Request) -> Response:
    """Say that a device runs light on demand for a cabinet."""
    given = {name: text.strip() for name, text in (await fields(request)).items()}
    device, cabinet = given.get("device", ""), given.get("cabinet", "")
    wrong: list[Text] = []
    if not device or len(device) > 128 or "/" in device:
        wrong.append(("die Kennung ist nicht die eines Geräts", "the id is not that of a device"))
    if not cabinet.startswith("urn:"):
        wrong.append(
            ("der Schrank ist die Kennung eines Objekts, urn:…", "the cabinet is the id of an object, urn:…")
        )
    if not wrong and not await store.put_gateway(city, city.people.who(request), device, cabinet):
        wrong.append(
            ("für diesen Schrank ist schon ein Gateway da", "there is a gateway for this cabinet already")
        )
    if wrong:
        return await _overview(city, request, given, wrong)
    return RedirectResponse(f"/{city.app}/demand?done=gateway", 303)


async def remove_gateway(city: City, request: Request) -> Response:
    """Its lamps are somebody else's again."""
    await store.remove_gateway(city, city.people.who(request), request.path_params["device"])
    return RedirectResponse(f"/{city.app}/demand?done=removed", 303)


# For programs ----------------------------------------------------------------------------------------------


async def put_detectors(city: City, request: Request) -> Any:
    """Detectors as JSON: a list; all of them, or none."""
    try:
        those = msgspec.json.decode(await request.body(), type=list[Placed])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400, str(error)) from None
    for place, one in enumerate(those):
        for _, reason in forms.wrong(one):
            raise HTTPException(400, f"/{place}: {reason}")
    await store.put_detectors(city, city.people.who(request), those)
    return {"detectors": len(those)}
