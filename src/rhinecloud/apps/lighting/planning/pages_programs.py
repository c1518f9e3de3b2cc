"""Pages of programs: the list, and the editor with its picture of the night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City

from ..control import curve, programs
from ..control.problems import Problem, refused
from ..control.programs import Astro, Program, Step
from . import showing, store
from .program_form import PARTS, fields_of, program_of, rows
from .wording import slug, split_error

_NEW = Program(
    id="",
    name=("", ""),
    periods=(Astro(),),
    fixed=(Step("16:00", 100), Step("23:00", 50), Step("05:00", 100)),
)


async def listed(city: City, request: Request) -> Response:
    """All programs, each with tonight's picture."""
    pool = city.db.pool
    site, evening = await showing.site_of(city), showing.evening_of(city, request)
    kept = await store.PROGRAMS.every(pool)
    pictures = {
        one.one.id: showing.drawn(one.one, site, evening, city.clock.zone)
        for one in kept
        if not showing.forbids(programs.problems(one.one))
    }
    return city.render(
        request,
        "lighting/programs.html",
        **showing.values(request, kept=kept, pictures=pictures, may=_may(city, request)),
    )


async def new(city: City, request: Request) -> Response:
    """The form of a new one, or of a copy (`from`)."""
    model = await store.PROGRAMS.get(city.db.pool, request.query_params.get("from", ""))
    given = fields_of(_NEW if model is None else model.one)
    if model is not None:
        given |= {"name_de": f"{given['name_de']} (Kopie)", "name_en": f"{given['name_en']} (copy)"}
    return await _form(city, request, given, None, [])


async def one(city: City, request: Request) -> Response:
    """A program: what is to be noted of it, its night, and the form."""
    kept = await _found(city, request)
    found = await _judged(city, kept.one)
    return await _form(city, request, fields_of(kept.one), kept, found, program=kept.one)


async def write(city: City, request: Request) -> Response:
    """Keep what the form says, or show what is wrong; `show` only draws the picture, `more-…` adds a row."""
    given = await showing.given_of(request)
    version = showing.version_of(given)
    kept = None if version is None else await _found(city, request)
    name = kept.one.id if kept else slug(given.get("id") or given.get("name_de", ""))
    more = next((part for part in PARTS if given.get("action") == f"more-{part}"), "")
    if more:
        return await _form(city, request, given, kept, [], more=more)
    program, wrong = program_of(given, name)
    if program is None:
        return await _form(city, request, given, kept, wrong, 422)
    found = await _judged(city, program)
    if given.get("action") == "show":
        return await _form(city, request, given, kept, found, program=program)
    return await _keep(city, request, program, version, found, given, kept)


async def write_json(city: City, request: Request) -> Response:
    """The same by the JSON form."""
    given = await showing.given_of(request)
    kept = await _found(city, request)
    shown = fields_of(kept.one)
    try:
        program = programs.parse(given.get("json", ""))
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        path, text = split_error(error)
        wrong = [refused(path, f"JSON: {path} {text}", f"JSON: {path} {text}")]
        return await _form(city, request, shown, kept, wrong, 422, text=given.get("json", ""))
    program = msgspec.structs.replace(program, id=kept.one.id)
    found = await _judged(city, program)
    return await _keep(city, request, program, showing.version_of(given), found, shown, kept)


async def remove(city: City, request: Request) -> Response:
    """Take it away, unless calendars name it."""
    kept = await _found(city, request)
    try:
        await store.PROGRAMS.remove(city, city.people.who(request), kept.one.id)
    except store.InUse as error:
        users = ", ".join(error.users)
        wrong = [refused("", f"Kalender verwenden es noch: {users}.", f"Calendars still use it: {users}.")]
        return await _form(city, request, fields_of(kept.one), kept, wrong, 409, program=kept.one)
    return showing.back(city, "/programs", "removed")


async def _keep(
    city: City,
    request: Request,
    program: Program,
    version: int | None,
    found: Sequence[Problem],
    given: Mapping[str, str],
    kept: store.Kept[Program] | None,
) -> Response:
    if showing.forbids(found):
        return await _form(city, request, given, kept, found, 422)
    try:
        await store.PROGRAMS.put(city, city.people.who(request), program, version)
    except store.Changed as error:
        wrong = [showing.trouble(error, version)]
        return await _form(city, request, given, kept, wrong, 409, program=program)
    return showing.back(city, f"/programs/{program.id}", "kept")


async def _judged(city: City, program: Program) -> list[Problem]:
    found = programs.problems(program)
    if not showing.forbids(found):
        site = await showing.site_of(city)
        found += curve.problems(program, site.lon, site.lat, city.clock.today().year, city.clock.zone)
    return found


async def _form(
    city: City,
    request: Request,
    given: Mapping[str, str],
    kept: store.Kept[Program] | None,
    found: Sequence[Problem],
    status: int = 200,
    *,
    program: Program | None = None,
    more: str = "",
    text: str | None = None,
) -> Response:
    evening = _evening(given) or showing.evening_of(city, request)
    picture = None
    if program is not None and not showing.forbids(programs.problems(program)):
        picture = showing.drawn(program, await showing.site_of(city), evening, city.clock.zone)
    json = text
    if json is None and kept is not None:
        json = msgspec.json.format(programs.printed(kept.one), indent=2).decode()
    may = _may(city, request)
    shown = {part: rows(given, part, may * (1 + (part == more))) for part in PARTS}
    return city.render(
        request,
        "lighting/program.html",
        status,
        **showing.values(
            request,
            given=given,
            kept=kept,
            problems=showing.told(found),
            rows=shown,
            evening=evening,
            picture=picture,
            json=json,
            may=may,
        ),
    )


def _evening(given: Mapping[str, str]) -> date | None:
    try:
        return date.fromisoformat(given.get("date", ""))
    except ValueError:
        return None


def _may(city: City, request: Request) -> bool:
    return city.people.who(request).may("lighting.program")


async def _found(city: City, request: Request) -> store.Kept[Program]:
    kept = await store.PROGRAMS.get(city.db.pool, request.path_params["id"])
    if kept is None:
        raise HTTPException(404)
    return kept
