"""The map of the detectors with the lamps that each raises, and the same as a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rhinecloud.city import City

from ..cadastre import following, points
from ..cadastre.fleet import Fleet
from . import computing, forms, pages, store
from .neighbours import Kind
from .passing import KINDS, Placed
from .showing import CODES, HOWS, STATES, Raised, raised

_EVERY: Final = 30  # seconds between two questions whether there is another table
_NEAR: Final = 2e-5  # degrees: what is drawn at the same place


class _Asked(msgspec.Struct, frozen=True):
    """What is shown: one passing of a detector, or all detectors."""

    fleet: Fleet
    detectors: dict[str, Placed]
    version: int
    one: Placed | None
    kind: Kind
    way: str
    speed: float | None
    found: Sequence[Raised]


async def _asked(city: City, request: Request) -> _Asked:
    given, pool = request.query_params, city.db.pool
    fleet = await following.fleet(city, city.people.who(request).sight)
    detectors = await store.detectors(pool)
    one = detectors.get(given.get("detector", ""))
    kind: Kind = next(
        (kind for kind in KINDS if kind == given.get("kind")), one.kinds[0] if one else KINDS[0]
    )
    way = given.get("way", "") if given.get("way") in ("forward", "backward") else ""
    speed = forms.number(given.get("speed", ""))
    speed_given = speed if 0 < speed <= 100 else None
    found: list[Raised] = []
    if one is not None and (table := await store.reach(pool, one.id)) is not None:
        forward = {"forward": True, "backward": False}.get(way)
        found = raised(table, one.id, kind, forward, speed_given)
    computed = await store.computed(pool)
    version = 0 if computed is None else computed.version
    # What the sight does not have is not told, though a detector raises it.
    found = [lamp for lamp in found if fleet.index_of(lamp.lamp) is not None]
    return _Asked(fleet, detectors, version, one, kind, way, speed_given, found)


async def shown(city: City, request: Request) -> Response:
    """The page."""
    asked = await _asked(city, request)
    codes = _codes(asked)
    return city.render(
        request,
        "lighting/demand_map.html",
        asked=asked,
        query=request.url.query,
        every=_EVERY,
        legend=[(code, state, int((codes == code).sum())) for code, state in enumerate(STATES)],
        codes={code: _drawn(state) for code, state in enumerate(STATES)},
        kinds=[(kind, pages.NAMES[kind]) for kind in KINDS],
        may_configure=city.people.who(request).may("lighting.configure"),
        **await _listed(city, asked),
    )


async def table(city: City, request: Request) -> Response:
    """The list beside it."""
    asked = await _asked(city, request)
    return city.render(
        request, "lighting/parts/demand_raised.html", 200, asked=asked, **await _listed(city, asked)
    )


async def snapshot(city: City, request: Request) -> Response:
    """Positions and looks, as bytes."""
    asked = await _asked(city, request)
    those = list(asked.detectors.values())
    lon = np.concatenate([asked.fleet.lon, [one.lon for one in those]])
    lat = np.concatenate([asked.fleet.lat, [one.lat for one in those]])
    body = points.packed(_epoch(asked), 0, lon, lat, _codes(asked))
    return Response(body, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


async def changes(city: City, request: Request) -> Response:
    """Nothing, or 410 where there are other tables, lamps or detectors."""
    asked = await _asked(city, request)
    if request.query_params.get("since", "").partition(".")[0] != _epoch(asked):
        return Response(status_code=410)
    told = {"version": 0, "count": len(asked.fleet.lamps) + len(asked.detectors)}
    return JSONResponse(told, headers={"Cache-Control": "no-store"})


async def at(city: City, request: Request) -> Response:
    """What stands at a place of the map: a detector before a lamp."""
    asked = await _asked(city, request)
    try:
        lon, lat = float(request.query_params["lon"]), float(request.query_params["lat"])
    except (KeyError, ValueError) as error:
        raise HTTPException(400) from error
    here = [one for one in asked.detectors.values() if abs(one.lon - lon) + abs(one.lat - lat) < _NEAR]
    lamp = None
    if not here and len(asked.fleet.lamps):
        away = abs(asked.fleet.lon - lon) + abs(asked.fleet.lat - lat)
        if away.min() < _NEAR:
            lamp = asked.fleet.lamps[int(away.argmin())]
    return city.render(
        request,
        "lighting/parts/demand_at.html",
        200,
        detectors=here,
        lamp=lamp,
        raised=None if lamp is None else next((one for one in asked.found if one.lamp == lamp.id), None),
        names=pages.NAMES,
        hows=HOWS,
    )


def _codes(asked: _Asked) -> Any:
    """Of the lamps, then of the detectors."""
    lamps = np.full(len(asked.fleet.lamps), CODES["other"], np.uint8)
    for one in asked.found:
        if (index := asked.fleet.index_of(one.lamp)) is not None:
            lamps[index] = one.code
    others = [CODES["chosen" if one is asked.one else "detector"] for one in asked.detectors.values()]
    return np.concatenate([lamps, np.array(others, np.uint8)])


def _epoch(asked: _Asked) -> str:
    return f"{asked.fleet.epoch}-{asked.version}-{len(asked.detectors)}"


async def _listed(city: City, asked: _Asked) -> dict[str, Any]:
    """The lamps with who tells them; without a detector all detectors with how many lamps each raises."""
    pool = city.db.pool
    field = {one.cabinet: one.device for one in await store.gateways(pool)}
    entries = []
    for one in asked.found:
        index = asked.fleet.index_of(one.lamp)
        if index is not None:
            lamp = asked.fleet.lamps[index]
            entries.append((lamp, one, computing.runs(lamp, field).partition(":")[0]))
    return {
        "entries": entries,
        "reaches": {} if asked.one else await store.reaches(pool),
        "names": pages.NAMES,
        "hows": HOWS,
    }


def _drawn(state: Any) -> dict[str, Any]:
    return {name: getattr(state, name) for name in ("key", "shape", "light", "dark", "size", "alarm")}
