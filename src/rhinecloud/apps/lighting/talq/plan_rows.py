"""The plans of gateways: rows. One row a gateway, the newest version wins (docs/decisions/0032-talq.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from rhinecloud.city import City

from .gateways import Connection, Gateway
from .plans import Plan

State = Literal["asked", "sent", "confirmed", "contradicted", "timed_out"]
WAKE: Final = "talq.plan"
_DUE: Final = timedelta(minutes=15)
_LEASE: Final = timedelta(seconds=60)  # how long one attempt may take before another worker makes it
_TELLING: Final = timedelta(minutes=2)  # longer than telling the gateways of a city may take
_MANY: Final = 20
_FIELDS: Final = (
    "gateway, version, body, state, actor, asked_at, sent_at, settled_at, due_at, attempts, trouble"
)


class PlanRow(msgspec.Struct, frozen=True):
    """What a gateway shall have, and what became of it: asked; sent (it took the assignments); confirmed (its devices
    say so); contradicted (they say otherwise); timed_out (it did not answer in time, and is asked again)."""

    gateway: int
    version: int
    plan: Plan
    state: State
    actor: str
    asked_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None
    due_at: datetime
    attempts: int
    trouble: str | None


def _row(record: Any) -> PlanRow:
    values = dict(record)
    values["plan"] = msgspec.json.decode(values.pop("body"), type=Plan)
    return PlanRow(**values)


async def ask(
    connection: asyncpg.Connection, gateway: int, plan: Plan, actor: str, now: datetime
) -> int | None:
    """Want a plan of a gateway from the commit on; returns its version, or None if it is the wanted one already.

    Who wants several takes the gateways in the order of their numbers: a row is locked while it is sent.
    """
    body = msgspec.json.encode(plan).decode()
    found: int | None = await connection.fetchval(
        "INSERT INTO talq_plan AS old (gateway, version, body, state, actor, asked_at, due_at, next_at) "
        "VALUES ($1, 1, $2::text::jsonb, 'asked', $3, $4, $5, $4) ON CONFLICT (gateway) DO UPDATE SET "
        "version = old.version + 1, body = excluded.body, state = 'asked', actor = excluded.actor, "
        "asked_at = excluded.asked_at, due_at = excluded.due_at, next_at = excluded.next_at, attempts = 0, "
        "sent_at = NULL, settled_at = NULL, trouble = NULL WHERE old.body <> excluded.body RETURNING version",
        gateway,
        body,
        actor,
        now,
        now + _DUE,
    )
    return found


async def read(connection: Connection, gateway: int) -> PlanRow | None:
    """The plan of a gateway."""
    record = await connection.fetchrow(f"SELECT {_FIELDS} FROM talq_plan WHERE gateway = $1", gateway)
    return None if record is None else _row(record)


async def states(connection: Connection) -> dict[int, dict[str, Any]]:
    """What became of each, without the plans: for the page."""
    records = await connection.fetch(
        "SELECT gateway, version, state, actor, asked_at, sent_at, settled_at, attempts, trouble FROM talq_plan"
    )
    return {record["gateway"]: dict(record) for record in records}


async def counts(connection: Connection) -> dict[str, int]:
    """How many plans there are of each state."""
    records = await connection.fetch("SELECT state, count(*) FROM talq_plan GROUP BY state")
    return {record[0]: record[1] for record in records}


async def many_untold(connection: Connection, now: datetime) -> bool:
    """Whether plans that are wanted of many gateways have just begun to be told."""
    found = await connection.fetchval(
        "SELECT count(*) FROM talq_plan JOIN talq_gateway ON number = gateway "
        "WHERE state = 'asked' AND attempts = 0 AND asked_at > $1 AND stage = 'ready'",
        now - _TELLING,
    )
    return bool(found >= _MANY)


async def claim(connection: Connection, now: datetime, most: int) -> list[int]:
    """Gateways whose plan is to be looked after now, those that waited longest first. Each is left alone for a minute,
    or until it is released: after a kill -9 somebody else goes on then."""
    records = await connection.fetch(
        "UPDATE talq_plan SET next_at = $2 WHERE gateway IN (SELECT gateway FROM talq_plan JOIN talq_gateway ON "
        "number = gateway WHERE next_at <= $1 AND stage = 'ready' ORDER BY next_at LIMIT $3 "
        "FOR UPDATE OF talq_plan SKIP LOCKED) RETURNING gateway",
        now,
        now + _LEASE,
        most,
    )
    return [record[0] for record in records]


async def hold(connection: asyncpg.Connection, gateway: int, version: int) -> bool:
    """Keep a newer version from being wanted until this transaction ends; false if there is one already."""
    found = await connection.fetchval("SELECT version FROM talq_plan WHERE gateway = $1 FOR UPDATE", gateway)
    return bool(found == version)


async def settle(
    connection: Connection,
    row: PlanRow,
    state: State,
    now: datetime,
    *,
    again_at: datetime | None = None,
    trouble: str | None = None,
) -> None:
    """Note what became of an attempt; nothing if a newer version is wanted by now (that one is due at once)."""
    await connection.execute(
        "UPDATE talq_plan SET state = $3, next_at = $5, trouble = $6, "
        "attempts = CASE WHEN $3 = 'confirmed' THEN 0 ELSE attempts + 1 END, "
        "sent_at = CASE WHEN $3 IN ('sent', 'confirmed', 'contradicted') "
        "THEN coalesce(sent_at, $4::timestamptz) ELSE sent_at END, "
        "settled_at = CASE WHEN $3 IN ('confirmed', 'contradicted', 'timed_out') THEN $4::timestamptz END "
        "WHERE gateway = $1 AND version = $2",
        row.gateway,
        row.version,
        state,
        now,
        again_at,
        None if trouble is None else trouble[:500],
    )


async def again(connection: Connection, gateway: Gateway, now: datetime) -> None:
    """Look after it now: it introduced itself anew, or came back."""
    await connection.execute(
        "UPDATE talq_plan SET next_at = $2, state = 'asked', due_at = $3, attempts = 0, settled_at = NULL "
        "WHERE gateway = $1",
        gateway.number,
        now,
        now + _DUE,
    )


async def told_calendars(city: City, gateway: Gateway, calendars: Mapping[UUID, str]) -> None:
    """Devices say which calendar they have: where that settles or contradicts the plan, it is looked after now."""
    row = await read(city.db.pool, gateway.number)
    if row is None or row.state not in ("sent", "confirmed"):
        return
    wanted = row.plan.calendar_of()
    wrong = [device for device, calendar in calendars.items() if wanted.get(device, calendar) != calendar]
    if wrong or row.state == "sent":
        await city.db.pool.execute(
            "UPDATE talq_plan SET "
            "next_at = least(coalesce(next_at, $3::timestamptz), $3::timestamptz) WHERE gateway = $1 AND version = $2",
            gateway.number,
            row.version,
            city.clock.now(),
        )


def missing(plan: Plan, present: Mapping[UUID, str]) -> dict[str, Sequence[UUID]]:
    """calendar id → devices that do not have it yet, of those that the gateway has at all."""
    found: dict[str, Sequence[UUID]] = {}
    for calendar, those in plan.assignments.items():
        lacking = [device for device in those if device in present and present[device] != calendar]
        if lacking:
            found[calendar] = lacking
    return found
