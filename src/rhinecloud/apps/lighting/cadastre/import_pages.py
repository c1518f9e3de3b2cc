"""The import: choose a file, see what it would do, take it in."""

from __future__ import annotations

from uuid import UUID

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import MOST_BYTES, upload

from . import importing
from .kinds import KINDS


async def form(city: City, request: Request) -> Response:
    """The form, and the files of the last day."""
    return await _form(city, request)


async def try_out(city: City, request: Request) -> Response:
    """Judge a file; nothing is written to the graph."""
    given, content = await upload(request, "file")
    kind = KINDS.get(str(given.get("kind") or ""))
    crs = str(given.get("crs") or "")
    if kind is None or crs not in importing.CRS:
        raise HTTPException(400)
    sent = given.get("file")
    name = getattr(sent, "filename", "") or ""
    if not content:
        return await _form(city, request, kind.key, crs, "empty", status=422)
    try:
        made = await importing.try_file(city, kind, name[:200], crs, content)
    except importing.Unreadable as error:
        return await _form(city, request, kind.key, crs, "unreadable", str(error), 422)
    return RedirectResponse(f"/{city.app}/import/{made}", 303)


async def one(city: City, request: Request) -> Response:
    """What a file would do, or how far it is taken in."""
    file = await _found(city, request)
    example = (
        None if file.example is None else msgspec.json.format(msgspec.json.encode(file.example)).decode()
    )
    return city.render(request, "lighting/import_file.html", 200, file=file, example=example)


async def progress(city: City, request: Request) -> Response:
    """The live part of it."""
    return city.render(request, "lighting/parts/import_state.html", 200, file=await _found(city, request))


async def take(city: City, request: Request) -> Response:
    """Have it taken in."""
    file = await _found(city, request)
    if not file.fit:
        raise HTTPException(409)
    await importing.order(city, file, city.people.who(request).id)
    return RedirectResponse(f"/{city.app}/import/{file.id}", 303)


async def _found(city: City, request: Request) -> importing.Kept:
    try:
        file = await importing.kept(city, UUID(request.path_params["id"]))
    except ValueError as error:
        raise HTTPException(404) from error
    if file is None:
        raise HTTPException(404)
    return file


async def _form(
    city: City,
    request: Request,
    kind: str = "lamps",
    crs: str = importing.CRS[0],
    wrong: str = "",
    said: str = "",
    status: int = 200,
) -> Response:
    return city.render(
        request,
        "lighting/import.html",
        status,
        kinds=KINDS.values(),
        kind_options=[(one.key, one.title) for one in KINDS.values()],
        kind=kind,
        systems=[(one, one) for one in importing.CRS],
        crs=crs,
        wrong=wrong,
        said=said,
        most=MOST_BYTES,
        files=await importing.latest(city),
    )
