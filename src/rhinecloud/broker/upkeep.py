"""Upkeep of the store: partitions made ahead, past days compacted, what is over its time dropped, by one worker."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import asyncpg

from rhinecloud.store import (
    Database,
    alarms,
    history,
    intake,
    missing,
    outbox,
    partitions,
    rankings,
    unmapped,
)

from .office import hold
from .relay import READER

_log = logging.getLogger(__name__)
_EVERY = 1_800.0  # seconds
_UNMAPPED_DAYS = 90
_ALARMS_DAYS = 90  # after somebody has seen them
_GAPS_DAYS = 90  # after a watch was told
_DELIVERIES_DAYS = 8  # the bus redelivers for a week at most


async def keep(database: Database, *, outbox_days: int, unmapped_days: int = _UNMAPPED_DAYS) -> None:
    """Run for ever; failures are logged and tried again at the next round."""

    async def serve(connection: asyncpg.Connection) -> None:
        await once(connection, datetime.now(UTC), outbox_days=outbox_days, unmapped_days=unmapped_days)

    await hold(database, "upkeep", serve, again=_EVERY)


async def once(
    connection: asyncpg.Connection, now: datetime, *, outbox_days: int, unmapped_days: int = _UNMAPPED_DAYS
) -> int:
    """One round at the moment `now`; returns how many values of history were compacted."""
    today = now.date()
    for table in ("history", "outbox"):
        await partitions.ensure(connection, table, today)
    moved = 0
    for day in await partitions.days(connection, "history"):
        if day < today:
            moved += await history.compact(connection, day)
    moved += await history.compact_default(connection, datetime.combine(today, datetime.min.time(), UTC))
    oldest = today - timedelta(days=outbox_days)
    told = await outbox.position(connection, READER) or 0
    if not await outbox.untold_before(connection, told, oldest):
        await missing.record(connection, oldest)
        await partitions.drop_before(connection, "outbox", oldest)
        await outbox.forget_default(connection, oldest)
    while await unmapped.forget(connection, days=unmapped_days):
        pass
    await intake.forget(connection, days=_DELIVERIES_DAYS)
    await alarms.forget(connection, days=_ALARMS_DAYS)
    await missing.forget(connection, days=_GAPS_DAYS)
    await rankings.forget(connection)
    if moved:
        _log.info("upkeep: %s values compacted", moved)
    return moved
