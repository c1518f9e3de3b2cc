"""The page of a lamp: what it does, what it should be doing and why, its history, its asset data, and what other areas
know of it. All of it is live."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.city import City, Sight
from rhinecloud.model import CORE, Entity, NgsiLdError

from . import planned, words
from .fleet import POWERS, STATE, STATUSES, told
from .lamps import Lamp, lamps, plain
from .rows import Row
from .sections import Section, declared

_log = logging.getLogger(__name__)
SPANS: Final = {
    "day": (timedelta(days=1), ("letzter Tag", "last day")),
    "week": (timedelta(days=7), ("letzte Woche", "last week")),
    "month": (timedelta(days=30), ("letzte 30 Tage", "last 30 days")),
}
_MOST: Final = 2_000  # values of a chart
_TABLE: Final = 50  # values of the table under it
_CHARTS: Final = (
    ("illuminanceLevel", ("Niveau", "Level"), "%", 100.0),
    ("powerConsumption", ("Leistung", "Power"), "W", 1.0),
)
# What the page says in its own words, or what is no fact of the asset.
_SAID: Final = frozenset({*STATE, "location", "name", "refStreetlightGroup", "refStreetlightControlCabinet"})


async def shown(city: City, request: Request) -> Response:
    """The page."""
    lamp, entity = await _found(city, request)
    span = request.query_params.get("span", "day")
    span = span if span in SPANS else "day"
    return city.render(
        request,
        "lighting/lamp.html",
        200,
        span=span,
        spans=[(key, label) for key, (_, label) in SPANS.items()],
        charts=await _charts(city, request, lamp, SPANS[span][0]),
        facts=_facts(entity),
        **await _now(city, request, lamp, entity),
    )


async def now(city: City, request: Request) -> Response:
    """The live part of it."""
    lamp, entity = await _found(city, request)
    return city.render(
        request, "lighting/parts/lamp_now.html", 200, **await _now(city, request, lamp, entity)
    )


async def _found(city: City, request: Request) -> tuple[Lamp, Entity]:
    one, sight = request.path_params["id"], city.people.who(request).sight
    if not one.isprintable():
        raise HTTPException(404)
    try:
        entity = await city.broker.retrieve(one, sight=sight)
    except NgsiLdError as error:
        raise HTTPException(404) from error
    found = await lamps(city, [one], sight=sight)
    if not found:
        raise HTTPException(404)
    return found[0], entity


async def _now(city: City, request: Request, lamp: Lamp, entity: Entity) -> dict[str, Any]:
    actor = city.people.who(request)
    permitted = [section for section in declared() if actor.may(section.permission)]
    parts = [(section, await _part(city, request, lamp, section)) for section in permitted]
    return {
        "lamp": lamp,
        "row": _row(lamp, entity),
        "heard": _heard(entity),
        **await planned.now(city, lamp),
        "names": await _names(city, lamp, actor.sight),
        "sections": [(section, part) for section, part in parts if part != ""],
        "words": words,
    }


async def _part(city: City, request: Request, lamp: Lamp, section: Section) -> Markup | None:
    """A section as it is shown, empty where it says nothing of this lamp; None if it cannot be had. It is rendered by
    itself, for what fails in one area is no reason to show nothing of the lamp."""
    try:
        values = await section.values(city, request, lamp)
        if values is None:
            return Markup()
        shown = city.render(request, section.template, 200, lamp=lamp, values=values)
    except Exception:
        _log.exception("the section %s of %s cannot be shown", section.key, lamp.id)
        return None
    return Markup(bytes(shown.body).decode())


def _row(lamp: Lamp, entity: Entity) -> Row:
    says = told(lamp.id, [plain(entity.attributes.get(CORE.expand_term(name))) for name in STATE])
    power = says.power if says.power in POWERS else ""
    status = says.status or ""
    return Row(lamp, power or "", status if status in STATUSES else "other", says.level, says.watts)


def _heard(entity: Entity) -> str | None:
    """When it last said something of its state."""
    times = [
        instance.get("observedAt") or instance.get("modifiedAt")
        for name in STATE
        for instance in entity.attributes.get(CORE.expand_term(name), [])
    ]
    return max((at for at in times if at), default=None)


async def _names(city: City, lamp: Lamp, sight: Sight) -> dict[str, str]:
    """The names of what it refers to."""
    named = {}
    for one in (*lamp.groups, lamp.cabinet, lamp.model, lamp.feeder):
        if one is None or not one.startswith("urn:"):
            continue
        try:
            entity = await city.broker.retrieve(one, sight=sight)
        except NgsiLdError:
            continue
        named[one] = str(plain(entity.attributes.get(CORE.expand_term("name"))) or "")
    return {one: name for one, name in named.items() if name}


def _facts(entity: Entity) -> list[tuple[str, Any, str]]:
    """Name, value and unit of what else is known of the asset."""
    found = []
    for iri, instances in entity.attributes.items():
        name = CORE.compact_iri(iri)
        value = plain(instances)
        if name in _SAID or value is None or isinstance(value, dict):
            continue
        found.append((name, value, instances[0].get("unitCode", "")))
    return sorted(found)


async def _charts(city: City, request: Request, lamp: Lamp, span: timedelta) -> list[dict[str, Any]]:
    sight, end = city.people.who(request).sight, city.clock.now()
    charts = []
    for attribute, label, unit, scale in _CHARTS:
        series = await city.broker.history(
            lamp.id, CORE.expand_term(attribute), since=end - span, limit=_MOST, sight=sight
        )
        values = [
            (_instant(at), round(scale * float(value), 2))
            for at, value in zip(series.times, series.values, strict=True)
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        charts.append(
            {
                "key": attribute,
                "label": label,
                "unit": unit,
                "limited": len(series.times) == _MOST,
                "table": values[::-1][:_TABLE],
                "count": len(values),
                "series": {
                    "times": [at.timestamp() for at, _ in values],
                    "values": [value for _, value in values],
                    "name": label[0],
                    "unit": unit,
                    "zone": str(city.clock.zone),
                },
            }
        )
    return charts


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
