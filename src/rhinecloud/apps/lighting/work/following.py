"""What faults do to orders: they make them by rule, verify them, contradict them. In the transaction of the fault."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from rhinecloud.city import City, Transaction

from ..faults.alarms import Fault
from ..faults.kinds import Kind
from ..faults.relating import SUPPLY_SIGNS
from . import orders
from .life import Event
from .orders import Said

ACTOR: Final = "lighting"
SeenSince = Callable[[str, Kind, datetime], bool]


async def began(transaction: Transaction, fault: Fault, at: datetime) -> None:
    """A fault was found: an order that waits for the lamp is about it now, or a rule makes one."""
    waiting = await transaction.connection.fetchval(
        "UPDATE work_order SET fault = $2 WHERE number = (SELECT o.number FROM work_order o JOIN fault f "
        "ON f.number = o.fault WHERE o.subject = $1 AND o.closed_at IS NULL AND f.ending = 'merged' "
        "ORDER BY o.number LIMIT 1) RETURNING number",
        *(fault.subject, fault.number),
    )
    if waiting is not None:
        return
    rule = await transaction.connection.fetchrow(
        "SELECT crew, days FROM work_rule WHERE kind = $1", fault.kind.value
    )
    if rule is not None:
        await orders.make(
            transaction,
            fault=fault.number,
            subject=fault.subject,
            name=fault.name,
            task="",
            actor=ACTOR,
            at=at,
            crew=rule["crew"],
            due=(at + timedelta(days=rule["days"])).date(),
        )


async def ended(transaction: Transaction, fault: Fault, at: datetime) -> None:
    """A fault is over, or is a part of another: its order is verified, or not needed any more."""
    order = await transaction.connection.fetchrow(
        "SELECT number, state FROM work_order WHERE fault = $1 AND closed_at IS NULL", fault.number
    )
    if order is None:
        return
    if fault.ending == "merged" and order["state"] not in ("new", "assigned"):
        return  # somebody is there; what the lamp says when its supply is back decides
    await orders.say(transaction, order["number"], Said(event=Event.RECOVERED, key=uuid4()), ACTOR, at)


async def contradict(city: City, seen_since: SeenSince, minutes: float) -> None:
    """Reopen orders that are done, although the lamp said after that (and `minutes`) that it still has the fault."""
    now = city.clock.now()
    grace = timedelta(minutes=minutes)
    rows = await city.db.pool.fetch(
        "SELECT o.number, o.done_at, f.kind, f.lamps FROM work_order o JOIN fault f ON f.number = o.fault "
        "WHERE o.state = 'done' AND f.ended_at IS NULL AND o.done_at <= $1",
        now - grace,
    )
    for number, done_at, kind, lamps in rows:
        kinds = SUPPLY_SIGNS if kind == Kind.SUPPLY else {Kind(kind)}
        if any(seen_since(lamp, one, done_at + grace) for lamp in lamps for one in kinds):
            async with city.transaction() as transaction:
                said = Said(event=Event.CONTRADICTED, key=uuid4())
                await orders.say(transaction, number, said, ACTOR, now)
