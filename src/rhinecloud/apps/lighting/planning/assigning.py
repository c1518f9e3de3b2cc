"""The lamps of the city and the calendar that each has by the plan that is applied: rows that targets are kept by."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import msgspec

from rhinecloud.app import Attempt
from rhinecloud.city import City
from rhinecloud.people import Actor

from ..cadastre.lamps import Lamp, lamps
from ..talq import wanting
from ..talq.twilight import Place
from . import store
from .overrides import WAKE
from .plan import Plan, assigned, digest


class Outdated(Exception):
    """The draft is another one than that which was looked at."""


async def apply(city: City, actor: Actor, plan: Plan, seen: str) -> int:
    """Make the draft the plan that counts, from the commit on; returns its version. `seen` is the digest of what was
    looked at. Raises Outdated. That it may be applied has been judged by now."""
    if digest(plan) != seen:
        raise Outdated(seen)
    every = await lamps(city)
    async with city.transaction() as transaction:
        connection = transaction.connection
        version = await store.add(transaction, plan, len(every), actor, city.clock.now())
        await _write(connection, version, plan, every)
        detail = {"version": version, "lamps": len(every), "digest": seen}
        await transaction.audit(actor.id, "lighting.plan.apply", str(version), detail)
        await city.jobs.enqueue(transaction, "planning-gateways", version)
    await city.bus.tell(WAKE)
    return version


async def follow_lamps(city: City, payload: None, attempt: Attempt) -> None:
    """Lamps that came, went, or are known better than before: they get the calendar that is theirs by the plan."""
    applied = await store.applied(city.db.pool)
    if applied is None:
        return
    every = await lamps(city)
    async with city.transaction() as transaction:
        await _write(transaction.connection, applied.version, applied.plan, every)
    await city.bus.tell(WAKE)
    await tell_gateways(city, applied.version, attempt)


async def _write(connection: asyncpg.Connection, version: int, plan: Plan, every: Sequence[Lamp]) -> None:
    """The rows of all lamps; nothing if a newer plan is applied by now."""
    await connection.execute("LOCK TABLE target IN SHARE ROW EXCLUSIVE MODE")
    if await store.newest(connection) > version:
        return
    calendars = assigned(plan, every)
    # A lamp with another device is told anew. What is as it was is not written: this comes every quarter of an hour.
    written = await connection.execute(
        "INSERT INTO target AS old (lamp, facts, device, calendar, plan) "
        "SELECT lamp, facts::jsonb, device, calendar, $5 "
        "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS new (lamp, facts, device, calendar) "
        "ON CONFLICT (lamp) DO UPDATE SET facts = excluded.facts, device = excluded.device, "
        "calendar = excluded.calendar, plan = excluded.plan, "
        "level = CASE WHEN old.device IS NOT DISTINCT FROM excluded.device THEN old.level END "
        "WHERE (old.facts, old.device, old.calendar, old.plan) IS DISTINCT FROM "
        "(excluded.facts, excluded.device, excluded.calendar, excluded.plan)",
        [lamp.id for lamp in every],
        [msgspec.json.encode(lamp).decode() for lamp in every],
        [lamp.device if lamp.gateway is None and lamp.multicast is None else None for lamp in every],
        [calendars.get(lamp.id) for lamp in every],
        version,
    )
    gone = await connection.execute(
        "DELETE FROM target WHERE lamp NOT IN (SELECT unnest($1::text[]))", [lamp.id for lamp in every]
    )
    if any(not status.endswith(" 0") for status in (written, gone)):
        await store.touch(connection)


async def tell_gateways(city: City, version: int, attempt: Attempt) -> None:
    """Ask gateways for their part of a plan, if it still is the one that counts."""
    applied = await store.applied(city.db.pool)
    if applied is None or applied.version != version:
        return
    every = await lamps(city)
    plan = applied.plan
    try:
        number = await wanting.ask(
            city,
            Actor(applied.applied_by, "person"),
            assigned(plan, every),
            {program.id: program for program in plan.programs},
            {calendar.id: calendar for calendar in plan.calendars},
            places={lamp.id: Place(lamp.lon, lamp.lat) for lamp in every},
            confirmed=True,
        )
    except wanting.NotWanted as error:
        trouble = [(name, problem.text) for name, those in error.problems.items() for problem in those]
        await store.told_gateways(city.db.pool, version, 0, trouble[:100])
    else:
        await store.told_gateways(city.db.pool, version, number, ())
