"""Wanting plans of gateways: judged, refused where lamps would stay dark unless somebody confirms it, then asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from rhinecloud.city import City
from rhinecloud.people import Actor

from ..control import calendars, programs
from ..control.problems import Problem, refused
from . import devices, gateways, on_demand, plan_rows, plans
from .gateways import Gateway
from .on_demand import Carried
from .plans import Plan, Unspeakable, Wanted
from .twilight import Place

_DUISBURG = Place(6.763, 51.434)  # where a gateway is none of whose lamps has a place


class NotWanted(Exception):  # noqa: N818  # says what became of the wish
    """Plans that were not asked for: what is wrong, by gateway. Those of severity `confirm` may be confirmed."""

    def __init__(self, problems: Mapping[str, Sequence[Problem]]) -> None:
        self.problems = problems
        super().__init__("; ".join(one.text[1] for those in problems.values() for one in those))


async def ask(
    city: City,
    actor: Actor,
    assigned: Mapping[str, str],
    known_programs: Mapping[str, programs.Program],
    known_calendars: Mapping[str, calendars.Calendar],
    *,
    places: Mapping[str, Place] | None = None,
    confirmed: bool = False,
) -> int:
    """Want plans of all gateways, so that each lamp (urn) has the calendar that `assigned` names; lamps that are behind
    no gateway are others' affair. `places`: where lamps are. Returns how many gateways get another plan.

    Raises NotWanted, and then nothing is asked for: a calendar that leaves a night dark needs `confirmed`.
    """
    behind = await devices.of_lamps(city.db.pool)
    every = {one.number: one for one in await gateways.every(city.db.pool)}
    lamps_of: dict[int, dict[str, UUID]] = {number: {} for number in every}
    own = await gateways.own_address(city.db.pool)
    wanted: dict[int, dict[UUID, str]] = {number: {} for number in every}
    where: dict[int, Place] = {}
    for lamp, (number, device) in behind.items():
        lamps_of[number][lamp] = device
        if lamp in assigned:
            wanted[number][device] = assigned[lamp]
            if places is not None and lamp in places:
                where.setdefault(number, places[lamp])
    planned: dict[int, Plan] = {}
    wrong: dict[str, list[Problem]] = {}
    made: dict[object, Plan] = {}
    carried: dict[int, Carried | None] = {}
    for number, those in sorted(wanted.items()):
        gateway = every[number]
        one = Wanted(
            programs=known_programs,
            calendars=known_calendars,
            assigned=those,
            place=where.get(number, _DUISBURG),
        )
        if not those and await plan_rows.read(city.db.pool, number) is None:
            continue
        found = [
            problem
            for problem in plans.judge(one, gateway.service("ControlService"), city.clock.today())
            if problem.severity == "refuse" or (problem.severity == "confirm" and not confirmed)
        ]
        if not found:
            demand = await on_demand.of_gateway(city.db.pool, gateway, lamps_of[number])
            try:
                planned[number], carried[number], found = _fitting(city, gateway, one, own, made, demand)
            except Unspeakable as error:
                found = [
                    refused(
                        "", f"Für TALQ nicht ausdrückbar: {error}.", f"TALQ has no words for it: {error}."
                    )
                ]
        if found:
            wrong[gateway.name] = found
    if wrong:
        raise NotWanted(wrong)
    return await _write(city, actor, planned, carried)


def _fitting(
    city: City, gateway: Gateway, one: Wanted, own: UUID, made: dict[object, Plan], demand: Carried | None
) -> tuple[Plan, Carried | None, list[Problem]]:
    """The plan with light on demand where the gateway holds that, else without it; and what is too much even so."""
    if demand is not None and demand.effects:
        plan = _built(city, on_demand.with_effects(one, demand.effects), own, made)
        if not _beyond(plan, gateway):
            return plans.quiet(plan, demand.effects), demand, []
        demand = msgspec.structs.replace(demand, effects={}, trouble=on_demand.TOO_MANY)
    plan = _built(city, one, own, made)
    return plan, demand, list(_beyond(plan, gateway))


def _built(city: City, one: Wanted, own: UUID, made: dict[object, Plan]) -> Plan:
    """Hundreds of gateways share their programs and calendars: those are made once for each place and set."""
    key = (one.place, frozenset(one.assigned.values()))
    if key not in made:
        made[key] = plans.build(one, own, city.clock.today())
    return plans.assigned(made[key], one.assigned)


def _beyond(plan: Plan, gateway: Gateway) -> Sequence[Problem]:
    """What is more than the gateway can hold. While it changes over it has the old ones, too."""
    control = gateway.service("ControlService")
    if control is None:
        return ()
    found = []
    for most, number, what in (
        (control.maximum_programs, len(plan.programs), ("Programme", "programs")),
        (control.maximum_calendars, len(plan.calendars), ("Kalender", "calendars")),
    ):
        if most is not None and number > most:
            found.append(
                refused(
                    "",
                    f"Das Gateway {gateway.name} fasst {most} {what[0]}, nicht {number}.",
                    f"The gateway {gateway.name} holds {most} {what[1]}, not {number}.",
                )
            )
    return found


async def _write(
    city: City, actor: Actor, planned: Mapping[int, Plan], carried: Mapping[int, Carried | None]
) -> int:
    changed = 0
    async with city.transaction() as transaction:
        now = city.clock.now()
        for number, plan in sorted(planned.items()):
            version = await plan_rows.ask(transaction.connection, number, plan, actor.id, now)
            changed += version is not None
        await on_demand.note(city, transaction.connection, carried)
        if changed:
            detail = {"gateways": changed}
            await transaction.audit(actor.id, "lighting.plan.ask", "talq-gateways", detail)
    if changed:
        await city.bus.tell(plan_rows.WAKE)
    return changed
