"""What the pages of planning have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.app import Text
from rhinecloud.city import City
from rhinecloud.web.forms import fields

from ..cadastre.lamps import Lamp, lamps
from ..control import curve
from ..control.clocks import night_of
from ..control.problems import Problem
from ..control.programs import Program
from ..control.sun import Event, sky
from ..control.targets import Layers, night
from .asking import words
from .drawing import Drawing, draw
from .judging import Site, centre
from .plan import Plan
from .store import Changed
from .wording import where


async def given_of(request: Request) -> dict[str, str]:
    """The fields of the form that was sent."""
    return {name: text.strip() for name, text in (await fields(request)).items()}


def version_of(given: Mapping[str, str]) -> int | None:
    """The version that a form changes; None: it makes a new one. Raises HTTPException 400."""
    text = given.get("version", "")
    if not text:
        return None
    if not text.isdigit() or len(text) > 9:
        raise HTTPException(400)
    return int(text)


def back(city: City, path: str, done: str) -> Response:
    """To a page of planning that says what was done."""
    return RedirectResponse(f"/{city.app}{path}?done={done}", 303)


def told(problems: Sequence[Problem]) -> list[tuple[str, Text, Text]]:
    """(severity, where, what) for the template."""
    return [(one.severity, where(one.path), one.text) for one in problems]


def forbids(problems: Sequence[Problem]) -> bool:
    """Whether it cannot be written."""
    return any(one.severity == "refuse" for one in problems)


def somebody_else() -> Problem:
    """For a form that is older than what it changes."""
    return Problem(
        "refuse",
        "",
        (
            "Jemand anderes hat das inzwischen geändert. Bitte neu laden und noch einmal ändern.",
            "Somebody else changed this meanwhile. Please load it anew and change it again.",
        ),
    )


def taken(one: str) -> Problem:
    """For a new one whose id there is."""
    return Problem("refuse", "id", (f"Die Kennung {one} gibt es schon.", f"The id {one} is there already."))


def trouble(error: Changed, version: int | None) -> Problem:
    """Why nothing was written."""
    return taken(str(error)) if version is None else somebody_else()


def evening_of(city: City, request: Request) -> date:
    """The night that is asked for (`date`), tonight if none."""
    try:
        return date.fromisoformat(request.query_params.get("date", ""))
    except ValueError:
        return night_of(city.clock.now().timestamp(), city.clock.zone)


async def site_of(city: City) -> Site:
    """The middle of the lamps that the plan knows of."""
    record = await city.db.pool.fetchrow(
        "SELECT avg((facts->>'lon')::float8), avg((facts->>'lat')::float8) FROM target"
    )
    if record is None or record[0] is None:
        return centre(await lamps(city))
    return Site(record[0], record[1])


def drawn(program: Program, site: Site, evening: date, zone: tzinfo) -> Drawing:
    """A program's night at a site."""
    above = sky(site.lon, site.lat, evening)
    layers = Layers(curve=curve.curve(program, evening, above, zone))
    plan = Plan(programs=(program,))
    sun = (above[Event.SUNSET].begin, above[Event.SUNSET].end)
    return draw(night(layers), evening, zone, sun, lambda why: words(why, plan))


async def lamp_of(city: City, text: str) -> Lamp | None:
    """The lamp of an id or of a name."""
    text = text.strip()
    if not text:
        return None
    found = await lamps(city, [text if text.startswith("urn:") else f"urn:ngsi-ld:Streetlight:{text}"])
    if found:
        return found[0]
    known = await city.db.pool.fetchval(
        "SELECT lamp FROM target WHERE lower(facts->>'name') = lower($1) ORDER BY lamp LIMIT 1", text
    )
    if known is not None:
        return next(iter(await lamps(city, [known])), None)
    return next((lamp for lamp in await lamps(city) if lamp.name.casefold() == text.casefold()), None)


def local(city: City, text: str) -> datetime | None:
    """A time of the city's clock, as a form has it (2026-07-01T22:30); None if it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=city.clock.zone) if found.tzinfo is None else found


def values(request: Request, **more: Any) -> dict[str, Any]:
    """What every page of planning shows."""
    return {"done": request.query_params.get("done", ""), **more}


def instant(seconds: float) -> datetime:
    """UTC."""
    return datetime.fromtimestamp(seconds, UTC)
