"""The page of the LoRaWAN groups: which schedule each should have, how far it is, and what its lamps say."""

from __future__ import annotations

import re
from typing import Any, Final

import asyncpg
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City, Sight
from rhinecloud.web.forms import fields

from ..planning import store
from . import ending, networks, rows
from .frames import FRAME
from .keeping import VIEW
from .networks import Network

_LONGEST: Final = 120  # letters of a name
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_SHOWN: Final = 500  # lamps of a group
_PORT: Final = 10


async def listed(city: City, request: Request) -> Response:
    """All groups and how far each is."""
    return await _list(city, request, {})


async def _list(
    city: City, request: Request, given: dict[str, str], wrong: str = "", status: int = 200
) -> Response:
    known, unreadable = _networks(city)
    may_configure = city.people.who(request).may("lighting.configure")
    return city.render(
        request,
        "lighting/lorawan.html",
        status,
        given=given,
        wrong=wrong,
        networks=sorted(known),
        unreadable=unreadable if may_configure else "",
        lamp_groups=[kept.one for kept in await store.GROUPS.every(city.db.pool)],
        may_configure=may_configure,
        **await _progress(city),
    )


def _networks(city: City) -> tuple[dict[str, Network], str]:
    try:
        return networks.read(city.settings.lorawan_networks), ""
    except (ValueError, OSError) as error:
        return {}, str(error)


async def part(city: City, sight: Sight, language: str) -> str:
    """The same, told anew while somebody looks."""
    return city.part("lighting/parts/lorawan.html", language, **await _progress(city))


async def _progress(city: City) -> dict[str, Any]:
    pool = city.db.pool
    refusals = await pool.fetch("SELECT grp, german, english FROM lorawan_refusal")
    return {
        "groups": await rows.groups(pool),
        "schedules": await rows.schedules(pool),
        "standings": await rows.standings(pool),
        "refusals": {record[0]: (record[1], record[2]) for record in refusals},
        "drift_limit": city.settings.lorawan_drift_seconds,
    }


async def make(city: City, request: Request) -> Response:
    """A new group."""
    given = {name: text.strip() for name, text in (await fields(request)).items()}
    wrong = await _wrong(city, given)
    if wrong:
        return await _list(city, request, given, wrong, 422)
    actor = city.people.who(request)
    try:
        async with city.transaction() as transaction:
            number = await transaction.connection.fetchval(
                "INSERT INTO lorawan_group (name, network, multicast, port, lamps, made_at, made_by) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING number",
                given["name"],
                given["network"],
                given["multicast"],
                int(given["port"]),
                given["lamps"],
                city.clock.now(),
                actor.id,
            )
            subject = f"lorawan-group-{number}"
            await transaction.audit(
                actor.id, "lighting.lorawan.make", subject, {"multicast": given["multicast"]}
            )
    except asyncpg.UniqueViolationError:
        return await _list(city, request, given, "taken", 409)
    await city.bus.tell(rows.WAKE)
    return RedirectResponse(f"/{city.app}/lorawan/{number}", 303)


async def _wrong(city: City, given: dict[str, str]) -> str:
    """The first field that cannot be."""
    name, port = given.get("name", ""), given.setdefault("port", str(_PORT))
    if not 0 < len(name) <= _LONGEST or not name.isprintable():
        return "name"
    if given.get("network", "") not in _networks(city)[0]:
        return "network"
    if not _IDENTIFIER.fullmatch(given.get("multicast", "")):
        return "multicast"
    if not re.fullmatch(r"\d{1,3}", port, re.ASCII) or not 1 <= int(port) <= 223:
        return "port"
    if await store.GROUPS.get(city.db.pool, given.get("lamps", "")) is None:
        return "lamps"
    return ""


async def one(city: City, request: Request) -> Response:
    """A group: its schedule, night by night, and what each of its lamps says."""
    group = await _found(city, request)
    pool = city.db.pool
    row = (await rows.schedules(pool)).get(group.number)
    actor = city.people.who(request)
    record = await pool.fetchrow("SELECT german, english FROM lorawan_refusal WHERE grp = $1", group.number)
    return city.render(
        request,
        "lighting/lorawan_group.html",
        group=group,
        row=row,
        wanted=None if row is None else row.wanted,
        frames=0 if row is None else len(row.frames),
        frame_bytes=FRAME,
        standing=(await rows.standings(pool)).get(group.number, rows.Standing()),
        refusal=None if record is None else tuple(record),
        members=await pool.fetch(
            f"SELECT m.lamp, m.device, {rows.STATE} AS state, m.heard_at, m.version, m.drift, m.level, m.expected, "
            f"m.troubles FROM {rows.OF_MEMBERS} WHERE m.grp = $1 "
            "ORDER BY cardinality(m.troubles) DESC, m.state = 'verified', m.lamp LIMIT $2",
            group.number,
            _SHOWN,
        ),
        may_configure=actor.may("lighting.configure"),
        may_program=actor.may("lighting.program"),
    )


async def again(city: City, request: Request) -> Response:
    """Send it anew, in as many rounds as at first."""
    group = await _found(city, request)
    async with city.transaction() as transaction:
        await rows.lock(transaction.connection, group.number)
        await rows.again(transaction.connection, group.number, city.clock.now())
        await transaction.audit(city.people.who(request).id, "lighting.lorawan.again", group.subject)
    await city.bus.tell(rows.WAKE)
    await city.refresh(VIEW)
    return RedirectResponse(f"/{city.app}/lorawan/{group.number}?done=again", 303)


async def remove(city: City, request: Request) -> Response:
    """Forget a group, and end its alarms. Its lamps keep the schedule that they have."""
    group = await _found(city, request)
    async with city.transaction() as transaction:
        connection = transaction.connection
        await rows.lock(connection, group.number)
        gone = await connection.fetch(
            "DELETE FROM lorawan_member WHERE grp = $1 RETURNING device, troubles", group.number
        )
        await connection.execute("DELETE FROM lorawan_group WHERE number = $1", group.number)
        of_network = [(group.subject, kind) for kind in ending.OF_NETWORK]
        await ending.end(city, transaction, [*ending.of_members(gone), *of_network])
        await transaction.audit(city.people.who(request).id, "lighting.lorawan.remove", group.subject)
        await city.jobs.enqueue(transaction, "planning-lamps")
    await city.refresh(VIEW)
    return RedirectResponse(f"/{city.app}/lorawan?done=removed", 303)


async def _found(city: City, request: Request) -> rows.Group:
    found = await rows.group(city.db.pool, request.path_params["number"])
    if found is None:
        raise HTTPException(404)
    return found
