"""The live city map: its page, the binary snapshot, the stream of changes, the table beside it, search."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute

from . import language as languages
from . import layers, start
from .live import Channel, Fragment, StreamRoute
from .names import local_part
from .points import MapSource
from .shell import Shell
from .sight import PermittedRoute, sight_of

ROWS = 15
_FOUND = 12
_WALL_EVERY = 2.0  # seconds
_SPEED = 1  # gzip level: 450 kB in 15 ms


def routes(shell: Shell) -> list[BaseRoute]:
    """`/map` and what its island asks for."""

    async def page(request: Request) -> Response:
        return await shown(request)

    async def wall(request: Request) -> Response:
        figures = await start.figures(shell, sight_of(request), engines=False)
        return await shown(request, figures=figures)

    async def shown(request: Request, figures: dict[str, Any] | None = None) -> Response:
        source = await _ready(shell, request)
        return shell.renderer.page(
            request,
            "map.html",
            figures=figures,
            legend=_legend(source),
            style_url=shell.settings.map_style_url,
            outline="/map/outline" if shell.settings.map_outline else None,
            codes={code: _look(state) for code, (_, state) in layers.codes().items()},
            flashes=[number for number, layer in enumerate(layers.named()) if layer.flash],
            **_table(source, request),
        )

    def follow_wall(request: Request) -> Channel:
        code, sight = languages.choose(request), sight_of(request)
        key = f"wall:{code}"

        async def render() -> str:
            shell.live.notify_later(key, _WALL_EVERY)
            figures = await start.figures(shell, sight, engines=False)
            return shell.renderer.part("parts/wall.html", code, figures=figures)

        return shell.live.channel(sight, key, lambda: Fragment(render), rate=1.0)

    async def points(request: Request) -> Response:
        source = await _ready(shell, request)
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        body = await _packed(source, zipped)
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return Response(body, media_type="application/octet-stream", headers=headers)

    async def channel(request: Request) -> Channel:
        source = await _ready(shell, request)
        return shell.live.channel(sight_of(request), "map", lambda: source)

    def mark(request: Request) -> str | None:
        return request.headers.get("last-event-id") or request.query_params.get("since")

    async def table(request: Request) -> Response:
        source = await _ready(shell, request)
        return shell.renderer.page(request, "parts/map_table.html", **_table(source, request))

    async def at(request: Request) -> Response:
        source = await _ready(shell, request)
        try:
            lon, lat = float(request.query_params["lon"]), float(request.query_params["lat"])
        except (KeyError, ValueError) as error:
            raise HTTPException(400) from error
        found = [_entry(source, index) for index in source.points.at(lon, lat)[:_FOUND]]
        return shell.renderer.page(request, "parts/map_selection.html", entries=found)

    async def search(request: Request) -> Response:
        source = await _ready(shell, request)
        text = (request.query_params.get("search") or "").strip()[:200]
        found = [_entry(source, index) for index in source.points.search(text, _FOUND)] if text else []
        return shell.renderer.page(request, "parts/map_search.html", entries=found, text=text)

    async def outline(request: Request) -> Response:
        path = shell.settings.map_outline
        if path is None:  # apps draw it, and cannot know whether there is one
            return JSONResponse({"type": "FeatureCollection", "features": []})
        return FileResponse(
            path, media_type="application/geo+json", headers={"Cache-Control": "max-age=3600"}
        )

    async def place(request: Request) -> Response:
        source = await _ready(shell, request)
        index = source.points.index_of(request.query_params.get("id", ""))
        if index is None:
            raise HTTPException(404)
        return JSONResponse({"lon": source.points.lon[index], "lat": source.points.lat[index]})

    return [
        PermittedRoute("/map", page, "public"),
        PermittedRoute("/wall", wall, "public"),
        StreamRoute("/live/wall", shell.live, follow_wall, "public"),
        PermittedRoute("/map/points", points, "public"),
        PermittedRoute("/map/table", table, "public"),
        PermittedRoute("/map/at", at, "public"),
        PermittedRoute("/map/search", search, "public"),
        PermittedRoute("/map/outline", outline, "public"),
        PermittedRoute("/map/place", place, "public"),
        StreamRoute("/live/map", shell.live, channel, "public", mark),
    ]


async def _packed(source: MapSource, zipped: bool) -> bytes:
    """The snapshot's bytes, made and compressed once for all who ask for the same version."""
    async with source.packing:
        source.points.commit()
        mark = source.mark()
        if source.packed is None or source.packed[0] != mark:
            plain = source.points.snapshot()
            source.packed = (mark, plain, await asyncio.to_thread(gzip.compress, plain, _SPEED))
        return source.packed[2] if zipped else source.packed[1]


async def _ready(shell: Shell, request: Request) -> MapSource:
    """The points that whoever asks may see."""
    sight = sight_of(request)
    await shell.follower.ready(sight)
    source = shell.maps.of(sight)
    await source.ready()
    return source


def _look(state: layers.State) -> dict[str, Any]:
    return {
        "key": state.key,
        "shape": state.shape,
        "light": state.light,
        "dark": state.dark,
        "size": state.size,
        "alarm": state.alarm,
    }


def _legend(source: MapSource) -> list[tuple[layers.Layer, list[tuple[int, layers.State, int]]]]:
    """Layers that have points, with their states and how many there are of each."""
    counts = source.points.by_code()
    legend: dict[int, tuple[layers.Layer, list[tuple[int, layers.State, int]]]] = {}
    for code, (layer, state) in layers.codes().items():
        number = code // layers.STATES_A_LAYER
        if any(known // layers.STATES_A_LAYER == number for known in counts):
            legend.setdefault(number, (layer, []))[1].append((code, state, counts.get(code, 0)))
    return list(legend.values())


class Entry(msgspec.Struct, frozen=True):
    """A point as the table, the search and the panel show it."""

    id: str
    name: str
    layer: layers.Layer
    state: layers.State
    lon: float
    lat: float


def _entry(source: MapSource, index: int) -> Entry:
    points = source.points
    layer, state = layers.codes()[int(points.code[index])]
    entity_id = points.ids[index]
    name = points.names[index] or local_part(entity_id)
    return Entry(entity_id, name, layer, state, float(points.lon[index]), float(points.lat[index]))


def _table(source: MapSource, request: Request) -> dict[str, Any]:
    """A page of the table of what is in view."""
    params = request.query_params
    try:
        west, south, east, north = (float(x) for x in params.get("bounds", "").split(","))
        bounds = (west, south, east, north)
    except ValueError:
        bounds = None
    codes = [int(code) for code in params.get("codes", "").split(",") if code.isascii() and code.isdigit()]
    chosen = source.points.select(bounds, codes=[code for code in codes if code < layers.GONE])
    offset = params.get("offset", "0")
    start = min(int(offset), len(chosen)) if offset.isascii() and offset.isdigit() else 0
    start -= start % ROWS
    return {
        "entries": [_entry(source, int(index)) for index in chosen[start : start + ROWS]],
        "total": len(chosen),
        "first": start + 1 if len(chosen) else 0,
        "last": min(start + ROWS, len(chosen)),
        "before": max(0, start - ROWS) if start else None,
        "after": start + ROWS if start + ROWS < len(chosen) else None,
    }
