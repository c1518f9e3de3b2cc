"""The lighting map, the list of lamps and its table: all of them show the lamps that were selected."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from rhinecloud.city import City

from . import following, planned, points, words
from .fleet import Fleet, Indices, Trouble
from .looks import LOOKS, Look
from .rows import as_csv, row
from .selection import Inside, Selection, Wrong, choices, chosen, read, still_chosen

_EVERY: Final = 3  # seconds between two questions of the map
_PAGE: Final = 50  # lamps on a page of the list
_ROWS: Final = 15  # lamps beside the map
_NEAR: Final = 1e-6  # degrees: what is drawn at the same place
_AT: Final = 12  # lamps at one place


async def first(city: City, request: Request) -> Response:
    """The first page of the app is the map."""
    return RedirectResponse(f"/{city.app}/map", 303)


async def shown(city: City, request: Request) -> Response:
    """The map."""
    asked = await _asked(city, request)
    fleet, selection, look, still = asked.fleet, asked.selection, _look(request), asked.still()
    codes = look.codes(fleet)[still]
    return city.render(
        request,
        "lighting/map.html",
        422 if asked.wrong else 200,
        look=look,
        looks=[(look.key, look.label) for look in LOOKS.values()],
        without_area=msgspec.structs.replace(selection, area=()).query(look=_look(request).key),
        supply=_supply(fleet),
        legend=[(code, state, int((codes == code).sum())) for code, state in enumerate(look.states)],
        codes={code: _drawn(state) for code, state in enumerate(look.states)},
        every=_EVERY,
        query=selection.query(look=look.key),
        **await _selected(city, request, asked),
        **_beside(fleet, still[: _ROWS + 1], look, 0, len(still)),
    )


async def faults(city: City, request: Request) -> Response:
    """Feeders and cabinets that are out, as the map names them beside it."""
    fleet = await following.fleet(city, city.people.who(request).sight)
    return city.render(request, "lighting/parts/map_faults.html", 200, supply=_supply(fleet))


async def snapshot(city: City, request: Request) -> Response:
    """Positions and looks of the selected lamps, as bytes."""
    asked = await _asked(city, request)
    body = points.snapshot(asked.fleet, asked.still(), _look(request))
    return Response(body, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


async def changes(city: City, request: Request) -> Response:
    """What has changed since `since`; 410 where only a new snapshot helps."""
    asked = await _asked(city, request)
    mark = request.query_params.get("since", "")
    told = points.since(asked.fleet, asked.still(), _look(request), mark)
    if told is None:
        return Response(status_code=410)
    return JSONResponse(told, headers={"Cache-Control": "no-store"})


async def table(city: City, request: Request) -> Response:
    """The selected lamps in view of the map, by the looks that are shown."""
    asked = await _asked(city, request)
    look, params = _look(request), request.query_params
    fleet, found = asked.fleet, asked.still()
    if (bounds := _bounds(params.get("bounds", ""))) is not None:
        west, south, east, north = bounds
        lon, lat = fleet.lon[found], fleet.lat[found]
        found = found[(lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)]
    if codes := [
        int(code) for code in params.get("codes", "").split(",") if code.isascii() and code.isdigit()
    ]:
        of = look.codes(fleet)[found]
        found = found[[int(code) in codes for code in of]]
    start = min(_whole(params.get("offset")), max(0, len(found) - 1)) // _ROWS * _ROWS
    return city.render(
        request,
        "lighting/parts/map_table.html",
        200,
        **_beside(fleet, found[start : start + _ROWS + 1], look, start, len(found)),
    )


async def at(city: City, request: Request) -> Response:
    """The lamps at a place of the map."""
    asked = await _asked(city, request)
    try:
        lon, lat = float(request.query_params["lon"]), float(request.query_params["lat"])
    except (KeyError, ValueError) as error:
        raise HTTPException(400) from error
    fleet, found = asked.fleet, asked.still()
    # The snapshot tells positions as float32: the nearest lamp, and those that stand at its place.
    away = abs(fleet.lon[found] - lon) + abs(fleet.lat[found] - lat)
    here: list[int] = []
    if len(found) and away.min() < 20 * _NEAR:
        here = [int(index) for index in found[away <= away.min() + _NEAR][:_AT]]
    return city.render(
        request,
        "lighting/parts/map_chosen.html",
        200,
        entries=[row(fleet, index) for index in here],
        words=words,
    )


async def place(city: City, request: Request) -> Response:
    """Where a lamp is."""
    fleet = (await _asked(city, request)).fleet
    index = fleet.index_of(request.query_params.get("id", ""))
    if index is None:
        raise HTTPException(404)
    return JSONResponse({"lon": float(fleet.lon[index]), "lat": float(fleet.lat[index])})


async def listed(city: City, request: Request) -> Response:
    """The list, which can do all that the map can without one."""
    asked = await _asked(city, request)
    fleet, selection, found = asked.fleet, asked.selection, asked.chosen()
    pages = max(1, -(-len(found) // _PAGE))
    page = min(max(1, _whole(request.query_params.get("page"))), pages)
    some = found[(page - 1) * _PAGE : page * _PAGE]
    address = f"/{city.app}/lamps?"
    return city.render(
        request,
        "lighting/lamps.html",
        422 if asked.wrong else 200,
        rows=[row(fleet, int(index)) for index in some],
        paging={
            "page": page,
            "pages": pages,
            "before": address + selection.query(page=str(page - 1)) if page > 1 else None,
            "after": address + selection.query(page=str(page + 1)) if page < pages else None,
        },
        **await _selected(city, request, asked),
    )


async def download(city: City, request: Request) -> Response:
    """The selected lamps as CSV."""
    asked = await _asked(city, request)
    if asked.wrong:
        raise HTTPException(400)
    text = as_csv(row(asked.fleet, int(index)) for index in asked.chosen())
    return StreamingResponse(
        text,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="lamps.csv"', "Cache-Control": "no-store"},
    )


class _Asked(msgspec.Struct, frozen=True):
    """The lamps that whoever asks may see, what was selected, and which field of it cannot be read: then nothing is."""

    fleet: Fleet
    selection: Selection
    inside: Inside | None = None
    wrong: str = ""

    def still(self) -> Indices:
        return still_chosen(self.fleet, self.selection, self.inside)[: 0 if self.wrong else None]

    def chosen(self) -> Indices:
        return chosen(self.fleet, self.selection, self.inside)[: 0 if self.wrong else None]


async def _asked(city: City, request: Request) -> _Asked:
    fleet = await following.fleet(city, city.people.who(request).sight)
    try:
        selection = read(request.query_params)
    except Wrong as error:
        return _Asked(fleet, Selection(), wrong=str(error))
    return _Asked(fleet, selection, *await planned.inside(city, selection))


def _look(request: Request) -> Look:
    return LOOKS.get(request.query_params.get("look", ""), LOOKS["level"])


async def _selected(city: City, request: Request, asked: _Asked) -> dict[str, Any]:
    """The form of a selection, how many lamps it has, and what may be done with it."""
    fleet, selection = asked.fleet, asked.selection
    return {
        "selection": selection,
        "choices": choices(fleet),
        "planned_groups": await planned.names_of_groups(city),
        "number": len(asked.chosen()),
        "all_number": len(fleet.lamps),
        "names": fleet.names,
        "wrong_field": asked.wrong,
        "words": words,
        "area": selection.query().partition("area=")[2].partition("&")[0],
        "may_group": city.people.who(request).may("lighting.program"),
        "may_import": city.people.who(request).may("lighting.configure"),
    }


def _supply(fleet: Fleet) -> list[Trouble]:
    """What concerns many lamps at once and is one fault: each of its lamps leads to the same."""
    found = {one.number: one for having in fleet.troubles.values() for one in having if one.scope != "lamp"}
    return sorted(found.values(), key=lambda one: (-len(one.lamps), one.number))


def _beside(fleet: Fleet, some: Indices, look: Look, start: int, total: int) -> dict[str, Any]:
    """A page of the table beside the map; `some` has one more where there are more."""
    codes = look.codes(fleet)
    return {
        "entries": [(row(fleet, int(index)), look.states[codes[index]]) for index in some[:_ROWS]],
        "total": total,
        "first": start + 1 if total else 0,
        "last": min(start + _ROWS, total),
        "before": max(0, start - _ROWS) if start else None,
        "after": start + _ROWS if start + _ROWS < total else None,
    }


def _drawn(state: Any) -> dict[str, Any]:
    return {name: getattr(state, name) for name in ("key", "shape", "light", "dark", "size", "alarm")}


def _bounds(text: str) -> tuple[float, float, float, float] | None:
    try:
        west, south, east, north = (float(number) for number in text.split(","))
    except ValueError:
        return None
    return west, south, east, north


def _whole(text: str | None) -> int:
    return min(int(text), 10**7) if text and text.isascii() and text.isdigit() else 0
