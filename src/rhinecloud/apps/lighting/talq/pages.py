"""The page of the gateways: who was admitted, how each is, and how far the distribution of plans is."""

from __future__ import annotations

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City, Sight
from rhinecloud.web.forms import fields

from . import devices, gateways, plan_rows
from .distributing import VIEW

_LONGEST: Final = 120  # letters of a name
_STATES: Final = ("asked", "sent", "confirmed", "contradicted", "timed_out")


async def listed(city: City, request: Request) -> Response:
    """All gateways and the progress of their plans."""
    return await _list(city, request, {})


async def _list(
    city: City, request: Request, given: dict[str, str], wrong: str = "", status: int = 200
) -> Response:
    may_configure = city.people.who(request).may("lighting.configure")
    return city.render(
        request,
        "lighting/gateways.html",
        status,
        given=given,
        wrong=wrong,
        key="",
        may_configure=may_configure,
        **await _progress(city),
    )


async def part(city: City, sight: Sight, language: str) -> str:
    """The same, told anew while somebody looks."""
    return city.part("lighting/parts/gateways.html", language, **await _progress(city))


async def _progress(city: City) -> dict[str, Any]:
    pool = city.db.pool
    counted = await pool.fetch(
        "SELECT gateway, count(*), count(lamp) FROM talq_device WHERE functions @> "
        """'[{"type": "LampActuatorFunction"}]' GROUP BY gateway"""
    )
    plans = await plan_rows.counts(pool)
    return {
        "gateways": await gateways.every(pool),
        "plans": await plan_rows.states(pool),
        "counts": [(state, plans.get(state, 0)) for state in _STATES],
        "planned": sum(plans.values()),
        "devices": {record[0]: record[1] for record in counted},
        "lamps": {record[0]: record[2] for record in counted},
    }


async def admit(city: City, request: Request) -> Response:
    """Admit one; its key is shown on this one answer and never again."""
    given = {name: text.strip() for name, text in (await fields(request)).items()}
    name, cabinet = given.get("name", ""), given.get("cabinet", "")
    if not 0 < len(name) <= _LONGEST or not name.isprintable():
        return await _list(city, request, given, "name", 422)
    if cabinet and not cabinet.startswith("urn:"):
        return await _list(city, request, given, "cabinet", 422)
    gateway, key = await gateways.admit(city, city.people.who(request), name, cabinet or None)
    return city.render(
        request,
        "lighting/gateways.html",
        200,
        given={},
        wrong="",
        key=key,
        admitted=gateway,
        cms_uri=str(request.base_url) + f"api/{city.app}/talq/",
        may_configure=True,
        **await _progress(city),
    )


async def one(city: City, request: Request) -> Response:
    """One gateway: what it said of itself, its plan, its devices, and what of it was not believed."""
    gateway = await _found(city, request)
    actor = city.people.who(request)
    pool = city.db.pool
    return city.render(
        request,
        "lighting/gateway.html",
        gateway=gateway,
        plan=await plan_rows.read(pool, gateway.number),
        devices=await pool.fetch(
            "SELECT address, name, class, asset, lamp, calendar FROM talq_device WHERE gateway = $1 "
            "ORDER BY lamp NULLS FIRST, name LIMIT 500",
            gateway.number,
        ),
        number=await devices.count(pool, gateway),
        refused=await pool.fetch(
            "SELECT at, reason FROM talq_refused WHERE gateway = $1 ORDER BY number DESC LIMIT 20",
            gateway.number,
        ),
        may_configure=actor.may("lighting.configure"),
        may_program=actor.may("lighting.program"),
    )


async def dismiss(city: City, request: Request) -> Response:
    """Remove one."""
    gateway = await _found(city, request)
    await gateways.dismiss(city, city.people.who(request), gateway.number)
    return RedirectResponse(f"/{city.app}/gateways?done=dismissed", 303)


async def again(city: City, request: Request) -> Response:
    """Compare and tell it its plan now."""
    gateway = await _found(city, request)
    async with city.transaction() as transaction:
        await plan_rows.again(transaction.connection, gateway, city.clock.now())
        await transaction.audit(city.people.who(request).id, "lighting.plan.again", gateway.subject)
    await city.bus.tell(plan_rows.WAKE)
    await city.refresh(VIEW)
    return RedirectResponse(f"/{city.app}/gateways/{gateway.number}?done=again", 303)


async def _found(city: City, request: Request) -> gateways.Gateway:
    gateway = await gateways.by_number(city.db.pool, request.path_params["number"])
    if gateway is None:
        raise HTTPException(404)
    return gateway
