"""Overrides of devices behind gateways: one row a device, the newest version wins; asked, sent, and what lamps say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from . import devices, readings
from .base import Command, LevelState, OverrideCommand, ResourceReference
from .gateways import Connection, Gateway
from .readings import Reading

State = Literal["asked", "sent", "confirmed", "contradicted", "timed_out"]
WAKE: Final = "talq.override"
_DUE: Final = timedelta(minutes=5)
_AGAIN: Final = timedelta(seconds=5)
_SETTLING: Final = timedelta(seconds=30)  # a lamp may be on its way to the level for so long
_SKEW: Final = timedelta(seconds=10)  # clocks of gateways differ
_MOST_AT_ONCE: Final = 500


class Refused(Exception):  # noqa: N818  # says what became of the wish
    """Lamps that this city cannot command; nothing was wanted of any."""

    def __init__(self, lamps: Sequence[str]) -> None:
        self.lamps = lamps
        super().__init__(f"no gateway of this city has {len(lamps)} of these lamps, the first is {lamps[0]}")


class Wish(NamedTuple):
    """An override that is to be sent."""

    device: UUID
    version: int
    level: int | None
    ends: datetime | None


class Override(msgspec.Struct, frozen=True):
    """What is wanted of a lamp beside its calendar: a level in percent, None to go back to the calendar. `automatic`:
    counted traffic asks for it, nobody made it."""

    lamp: str
    version: int
    level: int | None
    ends: datetime | None
    state: State
    asked_at: datetime
    trouble: str | None
    automatic: bool


async def want(
    city: City, actor: Actor, lamps: Sequence[str], level: int | None, ends: datetime | None = None
) -> int:
    """Override lamps, or end it (`level` None), from the commit on; returns how many. Raises Refused, which is on the
    audit log too, for lamps that are behind no gateway of this city: another tenant's among them."""
    wanted = sorted(set(lamps))
    found = await devices.by_lamp(city.db.pool, wanted)
    foreign = [lamp for lamp in wanted if lamp not in found]
    async with city.transaction() as transaction:
        detail: dict[str, Any] = {"level": level, "ends": None if ends is None else ends.isoformat()}
        if foreign:
            refused = detail | {"refused": foreign[:100], "number": len(foreign)}
            await transaction.audit(actor.id, "lighting.override.refused", foreign[0], refused)
        else:
            await _ask(city, transaction, actor, list(found.values()), level, ends)
            detail |= {"lamps": wanted[:100], "number": len(wanted)}
            await transaction.audit(actor.id, "lighting.override", wanted[0] if wanted else "", detail)
    if foreign:
        raise Refused(foreign)
    await city.bus.tell(WAKE)
    return len(wanted)


async def _ask(
    city: City,
    transaction: Transaction,
    actor: Actor,
    found: Sequence[tuple[int, UUID]],
    level: int | None,
    ends: datetime | None,
) -> None:
    now = city.clock.now()
    # In the order of their ids: two who want something of the same lamps do not wait for each other crosswise.
    rows = [
        (device, gateway, level, ends, actor.id, now, now + _DUE)
        for gateway, device in sorted(found, key=lambda pair: pair[1])
    ]
    await transaction.connection.executemany(
        "INSERT INTO talq_override AS old "
        "(device, gateway, version, level, ends, state, actor, asked_at, due_at, next_at) "
        "VALUES ($1, $2, 1, $3, $4, 'asked', $5, $6, $7, $6) ON CONFLICT (device) DO UPDATE SET "
        "gateway = excluded.gateway, version = old.version + 1, level = excluded.level, ends = excluded.ends, "
        "automatic = false, "
        "state = 'asked', actor = excluded.actor, asked_at = excluded.asked_at, due_at = excluded.due_at, "
        "next_at = excluded.next_at, attempts = 0, sent_at = NULL, settled_at = NULL, trouble = NULL",
        rows,
    )


async def of_lamps(connection: Connection, lamps: Sequence[str]) -> list[Override]:
    """What is wanted of lamps, and what became of it."""
    records = await connection.fetch(
        "SELECT lamp, version, level, ends, state, asked_at, trouble, automatic FROM talq_override "
        "JOIN talq_device ON address = device WHERE lamp = ANY($1::text[])",
        list(lamps),
    )
    return [Override(*record) for record in records]


async def gateways_due(connection: Connection, now: datetime, most: int) -> list[int]:
    """Gateways with something to be sent, those that waited longest first."""
    records = await connection.fetch(
        "SELECT o.gateway FROM talq_override AS o JOIN talq_gateway ON number = o.gateway "
        "WHERE next_at <= $1 AND stage = 'ready' GROUP BY o.gateway ORDER BY min(next_at) LIMIT $2",
        now,
        most,
    )
    return [record[0] for record in records]


async def lock_due(connection: asyncpg.Connection, gateway: int, now: datetime) -> list[Wish]:
    """What is to be sent to a gateway now, locked: a newer wish waits until this one was sent, so that no lamp is told
    an older one after it."""
    records = await connection.fetch(
        "SELECT device, version, level, ends FROM talq_override WHERE gateway = $1 AND next_at <= $2 "
        "ORDER BY device LIMIT $3 FOR UPDATE SKIP LOCKED",
        gateway,
        now,
        _MOST_AT_ONCE,
    )
    return [Wish(*record) for record in records]


def commands(wishes: Iterable[Wish], now: datetime) -> list[tuple[OverrideCommand, list[Wish]]]:
    """Wishes as messages, those that are the same together. What ended meanwhile becomes a return to the calendar."""
    groups: dict[tuple[int | None, datetime | None, int], list[Wish]] = {}
    for wish in wishes:
        over = wish.ends is not None and wish.ends <= now
        groups.setdefault(
            (None if over else wish.level, None if over else wish.ends, wish.version), []
        ).append(wish)
    found = []
    for (level, ends, version), those in groups.items():
        command = None
        if level is not None:
            state = LevelState(value=level)
            command = Command(state=state, reason="override", cms_ref_id=str(version), expiration=ends)
        addresses = [ResourceReference(resource="devices", address=str(wish.device)) for wish in those]
        found.append((OverrideCommand(addresses=addresses, target_command=command), those))
    return found


async def sent(connection: asyncpg.Connection, wishes: Sequence[Wish], now: datetime) -> None:
    """The gateway took them. Who wants a lamp back at its calendar cannot see that from its level, and lamps that
    follow who passes do not tell theirs: that is settled."""
    await connection.execute(
        "UPDATE talq_override AS o SET state = CASE WHEN seen THEN 'sent' ELSE 'confirmed' END, "
        "sent_at = $2::timestamptz, settled_at = CASE WHEN NOT seen THEN $2::timestamptz END, "
        "attempts = attempts + 1, trouble = NULL, next_at = CASE WHEN seen THEN due_at END "
        "FROM (SELECT device, level IS NOT NULL AND device NOT IN (SELECT device FROM talq_quiet) AS seen "
        "FROM talq_override WHERE device = ANY($1::uuid[])) AS those WHERE o.device = those.device",
        [wish.device for wish in wishes],
        now,
    )


async def failed(connection: asyncpg.Connection, wishes: Sequence[Wish], now: datetime, trouble: str) -> None:
    """It did not: again at growing pauses until it is too late for it, and then not at all."""
    await connection.execute(
        "UPDATE talq_override SET attempts = attempts + 1, trouble = $3, "
        "state = CASE WHEN due_at <= $2::timestamptz THEN 'timed_out' ELSE state END, "
        "settled_at = CASE WHEN due_at <= $2::timestamptz THEN $2::timestamptz END, "
        "next_at = CASE WHEN due_at <= $2::timestamptz THEN NULL ELSE "
        "least(due_at, $2::timestamptz + $4::interval * power(2, least(attempts, 6))) END "
        "WHERE device = ANY($1::uuid[])",
        [wish.device for wish in wishes],
        now,
        trouble[:500],
        _AGAIN,
    )


async def expire(connection: Connection, now: datetime) -> None:
    """What was sent and never confirmed."""
    await connection.execute(
        "UPDATE talq_override SET state = 'timed_out', settled_at = $1, next_at = NULL "
        "WHERE state = 'sent' AND due_at <= $1 AND next_at IS NOT NULL",
        now,
    )


async def told(city: City, gateway: Gateway, believed: Sequence[Reading]) -> None:
    """Compare what lamps say with what is wanted of them."""
    says = [one for one in believed if readings.level_of(one) is not None or readings.command_of(one)]
    open_ones = await city.db.pool.fetch(
        "SELECT device, version, level, sent_at, state FROM talq_override WHERE gateway = $1 "
        "AND device = ANY($2::uuid[]) AND level IS NOT NULL AND state IN ('sent', 'contradicted', 'confirmed') "
        "AND (ends IS NULL OR ends > $3)",
        gateway.number,
        sorted({one.device for one in says}),
        city.clock.now(),
    )
    wanted = {record["device"]: record for record in open_ones}
    found: dict[UUID, State] = {}
    for one in sorted(says, key=lambda reading: reading.at):
        record = wanted.get(one.device)
        if record is None or one.at < record["sent_at"] - _SKEW:
            continue
        if (verdict := _verdict(one, record)) is not None:
            found[one.device] = verdict
    for state in sorted(set(found.values())):
        changed = [
            (device, wanted[device]["version"])
            for device, verdict in found.items()
            if verdict == state != wanted[device]["state"]
        ]
        await _settle(city, gateway, changed, state)


def _verdict(one: Reading, record: Any) -> State | None:
    level = readings.level_of(one)
    if level is None:
        command = readings.command_of(one)
        if command is None or command.cms_ref_id != str(record["version"]):
            return None
        level = command.state.value
    if level == record["level"]:
        return "confirmed"
    return "contradicted" if one.at >= record["sent_at"] + _SETTLING else None


async def _settle(city: City, gateway: Gateway, changed: Sequence[tuple[UUID, int]], state: State) -> None:
    if not changed:
        return
    await city.db.pool.execute(
        "UPDATE talq_override AS o SET state = $3, settled_at = $4, next_at = NULL "
        "FROM unnest($1::uuid[], $2::bigint[]) AS told (device, version) "
        "WHERE o.device = told.device AND o.version = told.version",
        [device for device, _ in changed],
        [version for _, version in changed],
        state,
        city.clock.now(),
    )
    if state == "contradicted":
        detail = {"name": gateway.name, "devices": [str(device) for device, _ in changed[:20]]}
        await city.devices.raise_alarm(gateway.subject, "gateway_contradicts", detail)
