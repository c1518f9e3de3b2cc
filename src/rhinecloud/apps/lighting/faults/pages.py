"""Pages of faults: what is wrong now, one fault with its evidence, and what the city calls a fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.app import Text
from rhinecloud.city import City, Sight
from rhinecloud.web.forms import fields

from ..cadastre.lamps import Lamp, lamps
from ..work import orders
from . import alarms
from .kinds import LAMP_KINDS, Kind
from .thresholds import Hold, Thresholds, parsed
from .watching import WAKE

_PAGE: Final = 50
_NAMED: Final = 100  # lamps on the page of a fault
_KINDS: Final = [(kind.value, kind.text) for kind in Kind]
_SETTINGS: Final[dict[str, Text]] = {
    "standby_power": ("Bereitschaft: brennt nicht bis (W)", "Standby: does not burn up to (W)"),
    "day_elevation": ("Tag: Sonne höher als (°)", "Day: sun higher than (°)"),
    "cycles": ("Erlischt von selbst so oft …", "Goes out by itself so often …"),
    "cycle_minutes": ("… in (Minuten)", "… within (minutes)"),
    "settle_minutes": (
        "Nach einer neuen Vorgabe warten (Minuten)",
        "Wait after a new target (minutes)",
    ),
    "dimming_tolerance": (
        "Abweichung der Dimmung (Prozentpunkte)",
        "Deviation of dimming (points of percent)",
    ),
    "power_tolerance": ("Abweichung der Leistung (%)", "Deviation of power (%)"),
    "fixed_share": (
        "Anteil der Leistung, der vom Dimmen nicht abhängt",
        "Share of power that dimming leaves",
    ),
    "new_share": (
        "Konstantlichtstrom: Anteil der Leistung im Neuzustand",
        "Constant light: share of power when new",
    ),
    "aged_hours": (
        "Konstantlichtstrom: volle Leistung nach (Brennstunden)",
        "Constant light: full power after (h)",
    ),
    "hours_a_year": ("Brennstunden im Jahr", "Hours of burning in a year"),
    "hot": ("Zu heiß ab (°C)", "Too hot from (°C)"),
    "cool": ("Wieder gut bis (°C)", "Well again up to (°C)"),
    "silence_minutes": ("Meldet sich nicht seit (Minuten)", "Silent for (minutes)"),
    "gather_minutes": ("Auf Nachbarn warten (Minuten)", "Wait for neighbours (minutes)"),
    "settle_after_supply_minutes": (
        "Nach Rückkehr der Versorgung warten (Minuten)",
        "Wait after supply is back (minutes)",
    ),
    "feeder_share": ("Versorgung fehlt, wenn so viele dunkel sind (%)", "No supply if so many are dark (%)"),
    "fewest_lamps": ("… und mindestens (Leuchten)", "… and at least (lamps)"),
    "contradicted_minutes": (
        "Erledigtes öffnet sich wieder nach (Minuten)",
        "What is done reopens after (minutes)",
    ),
}
_CONSTANT: Final = ("unknown", "all", "none")
_HOLDS: Final = ("begin_minutes", "begin_reports", "end_minutes", "end_reports")


async def listed(city: City, request: Request) -> Response:
    """What is wrong now, or (`over`) what was."""
    kind, over = _kind(request), request.query_params.get("over") == "1"
    before = request.query_params.get("before", "")
    found = await alarms.page(
        city.db.pool,
        kind=kind,
        over=over,
        before=int(before) if before.isdecimal() and len(before) < 19 else None,
        limit=_PAGE + 1,
    )
    actor = city.people.who(request)
    return city.render(
        request,
        "lighting/faults.html",
        faults=found[:_PAGE],
        more=found[_PAGE - 1].number if len(found) > _PAGE else None,
        orders=await _orders(city, found[:_PAGE]),
        counts=await alarms.counts(city.db.pool),
        kinds=_KINDS,
        kind=kind,
        over=over,
        live=not (kind or over or before),
        may_work=actor.may("lighting.work"),
        may_configure=actor.may("lighting.configure"),
    )


async def part(city: City, sight: Sight, language: str) -> str:
    """The first page of what is wrong, told anew."""
    found = await alarms.page(city.db.pool, limit=_PAGE)
    return city.part(
        "lighting/parts/faults.html",
        language,
        faults=found,
        orders=await _orders(city, found),
        counts=await alarms.counts(city.db.pool),
        over=False,
    )


async def one(city: City, request: Request) -> Response:
    """A fault with its evidence and its order."""
    fault = await alarms.get(city.db.pool, request.path_params["number"])
    if fault is None:
        raise HTTPException(404)
    return city.render(
        request,
        "lighting/fault.html",
        fault=fault,
        names={lamp.id: lamp.name for lamp in await lamps(city, fault.lamps[:_NAMED])},
        order=await orders.of_fault(city.db.pool, fault.number),
        may_work=city.people.who(request).may("lighting.work"),
    )


async def of_lamp(city: City, request: Request, lamp: Lamp) -> Mapping[str, Any]:
    """What the page of a lamp says of it: open faults, those that are over, and orders for whoever works on them."""
    pool = city.db.pool
    found = await alarms.page(pool, lamp=lamp.id, limit=10)
    found += await alarms.page(pool, lamp=lamp.id, over=True, limit=5)
    may_work = city.people.who(request).may("lighting.work")
    return {"faults": found, "orders": await orders.of_subject(pool, lamp.id, 5) if may_work else []}


async def settings(city: City, request: Request) -> Response:
    """What the city calls a fault."""
    return _settings(city, request, await alarms.thresholds(city.db.pool))


async def set_thresholds(city: City, request: Request) -> Response:
    """Take it, or say what is wrong."""
    given = await fields(request)
    try:
        limits = _limits(given)
    except ValueError as error:
        return _settings(city, request, await alarms.thresholds(city.db.pool), str(error), 422)
    async with city.transaction() as transaction:
        actor = city.people.who(request)
        body = msgspec.json.encode(limits).decode()
        await transaction.connection.execute(
            "INSERT INTO fault_threshold (body, changed_at, changed_by) VALUES ($1, $2, $3) "
            "ON CONFLICT (only_one) DO UPDATE SET body = excluded.body, changed_at = excluded.changed_at, "
            "changed_by = excluded.changed_by",
            *(body, city.clock.now(), actor.id),
        )
        await transaction.audit(actor.id, "lighting.thresholds", "lighting", msgspec.to_builtins(limits))
    await city.bus.tell(WAKE)
    return RedirectResponse(f"/{city.app}/faults/thresholds?done=1", 303)


def _limits(given: dict[str, str]) -> Thresholds:
    body: dict[str, Any] = {name: _number(given.get(name, "")) for name in _SETTINGS}
    body["constant_light"] = given.get("constant_light", "")
    body["on_demand"] = given.get("on_demand") == "on"
    body["holds"] = {
        kind.value: {name: _number(given.get(f"{kind.value}-{name}", "")) for name in _HOLDS}
        for kind in LAMP_KINDS
        if kind is not Kind.SILENCE
    }
    return parsed(msgspec.json.encode(body))


def _number(text: str) -> float | int | str:
    """As it is meant; what is no number is refused by whoever reads the body."""
    plain = text.strip().replace(",", ".")
    try:
        return int(plain) if plain.isdecimal() else float(plain)
    except ValueError:
        return text


def _settings(
    city: City, request: Request, limits: Thresholds, wrong: str = "", status: int = 200
) -> Response:
    holds: list[tuple[Kind, Hold]] = [
        (kind, limits.hold(kind)) for kind in LAMP_KINDS if kind is not Kind.SILENCE
    ]
    return city.render(
        request,
        "lighting/thresholds.html",
        status,
        limits=limits,
        settings=[(name, text, getattr(limits, name)) for name, text in _SETTINGS.items()],
        holds=holds,
        wrong=wrong,
    )


async def _orders(city: City, found: list[alarms.Fault]) -> dict[int, int]:
    rows = await city.db.pool.fetch(
        "SELECT fault, max(number) FROM work_order WHERE fault = ANY($1) GROUP BY fault",
        [fault.number for fault in found],
    )
    return {row[0]: row[1] for row in rows}


def _kind(request: Request) -> Kind | None:
    try:
        return Kind(request.query_params.get("kind", ""))
    except ValueError:
        return None
