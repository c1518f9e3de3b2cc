"""Overrides by hand: rows with an end and a reason. Made and ended on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from rhinecloud.app import Attempt
from rhinecloud.city import City
from rhinecloud.people import Actor

from ..control.targets import Override
from ..talq import devices as talq_devices
from ..talq import overrides as talq_overrides
from .store import Connection, touch

WAKE: Final = "planning"  # what is heard by the worker that keeps targets
_FIELDS: Final = "number, what, subject, level, begins, ends, reason, made_at, made_by, ended_by"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An override, for `number_of_lamps` lamps. `ended_by` ended it before its time."""

    number: int
    what: Literal["lamp", "group"]
    subject: str
    number_of_lamps: int
    level: int
    begins: datetime
    ends: datetime
    reason: str
    made_at: datetime
    made_by: str
    ended_by: str | None

    def control(self) -> Override:
        """As what lies over a lamp's program."""
        return Override(
            id=str(self.number),
            level=float(self.level),
            begins=self.begins.timestamp(),
            ends=self.ends.timestamp(),
            reason=self.reason,
        )


async def make(
    city: City,
    actor: Actor,
    *,
    what: Literal["lamp", "group"],
    subject: str,
    lamps: Sequence[str],
    level: int,
    begins: datetime,
    ends: datetime,
    reason: str,
) -> int:
    """Override these lamps; returns the number of the override. Lamps behind gateways are told by a job."""
    async with city.transaction() as transaction:
        number: int = await transaction.connection.fetchval(
            "INSERT INTO override (what, subject, lamps, level, begins, ends, reason, made_at, made_by) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING number",
            what,
            subject,
            sorted(set(lamps)),
            level,
            begins,
            ends,
            reason,
            city.clock.now(),
            actor.id,
        )
        await touch(transaction.connection)
        detail = {
            "override": number,
            "level": level,
            "begins": begins.isoformat(),
            "ends": ends.isoformat(),
            "reason": reason,
            "lamps": len(set(lamps)),
        }
        await transaction.audit(actor.id, "lighting.override.make", subject, detail)
        await city.jobs.enqueue(transaction, "planning-override", number, at=begins)
    await city.bus.tell(WAKE)
    return number


async def end(city: City, actor: Actor, number: int) -> bool:
    """End one before its time; false if there is none that has not ended."""
    now = city.clock.now()
    async with city.transaction() as transaction:
        subject = await transaction.connection.fetchval(
            "UPDATE override SET ends = greatest($2, begins + interval '1 microsecond'), ended_by = $3 "
            "WHERE number = $1 AND ends > $2 RETURNING subject",
            number,
            now,
            actor.id,
        )
        if subject is not None:
            await touch(transaction.connection)
            await transaction.audit(actor.id, "lighting.override.end", subject, {"override": number})
            await city.jobs.enqueue(transaction, "planning-override", number)
    await city.bus.tell(WAKE)
    return subject is not None


async def listed(connection: Connection, now: datetime, over: int = 20) -> list[Row]:
    """All that have not ended, and the last that have."""
    records = await connection.fetch(
        f"SELECT {_FIELDS}, cardinality(lamps) AS number_of_lamps FROM override WHERE ends > $1 UNION ALL "
        f"(SELECT {_FIELDS}, cardinality(lamps) FROM override WHERE ends <= $1 ORDER BY ends DESC LIMIT $2) "
        "ORDER BY ends DESC, number DESC",
        now,
        over,
    )
    return [Row(**dict(record)) for record in records]


async def of_lamp(connection: Connection, lamp: str, begin: datetime, finish: datetime) -> list[Row]:
    """Those of a lamp that are in force at any time from `begin` until before `finish`."""
    records = await connection.fetch(
        f"SELECT {_FIELDS}, cardinality(lamps) AS number_of_lamps FROM override "
        "WHERE lamps @> ARRAY[$1::text] AND ends > $2 AND begins < $3 ORDER BY number",
        lamp,
        begin,
        finish,
    )
    return [Row(**dict(record)) for record in records]


async def by_lamp(
    connection: Connection, begin: datetime, finish: datetime
) -> Mapping[str, tuple[Override, ...]]:
    """The same for all lamps that have any."""
    records = await connection.fetch(
        f"SELECT {_FIELDS}, lamps FROM override WHERE ends > $1 AND begins < $2 ORDER BY number",
        begin,
        finish,
    )
    found: dict[str, list[Override]] = {}
    for record in records:
        values: dict[str, Any] = dict(record)
        lamps = values.pop("lamps")
        one = Row(number_of_lamps=len(lamps), **values).control()
        for lamp in lamps:
            found.setdefault(lamp, []).append(one)
    return {lamp: tuple(those) for lamp, those in found.items()}


async def tell_gateways(city: City, number: int, attempt: Attempt) -> None:
    """The lamps of an override that are behind gateways: what holds for each now, or back to its calendar. Comes when
    an override begins and when it is ended; that it is over at its end the gateways know themselves."""
    record = await city.db.pool.fetchrow(
        "SELECT lamps, made_by, ends FROM override WHERE number = $1", number
    )
    if record is None:
        return
    behind = await talq_devices.by_lamp(city.db.pool, record["lamps"])
    if not behind:
        return
    now = city.clock.now()
    in_force = await by_lamp(city.db.pool, now, now)
    wanted: dict[tuple[int | None, datetime | None], list[str]] = {}
    for lamp in behind:
        last = max(in_force.get(lamp, ()), key=lambda one: one.begins, default=None)
        level = None if last is None else round(last.level)
        ends = None if last is None else datetime.fromtimestamp(last.ends, now.tzinfo)
        wanted.setdefault((level, ends), []).append(lamp)
    actor = Actor(record["made_by"], "person")
    for (level, ends), lamps in wanted.items():
        await talq_overrides.want(city, actor, lamps, level, ends)
