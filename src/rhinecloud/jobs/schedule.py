"""Timed jobs: cron expressions in the city's time zone, queued by one elected worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
from cronsim import CronSim, CronSimError

from rhinecloud.broker.office import hold
from rhinecloud.store import Database

_log = logging.getLogger(__name__)
_PUT_BACK = timedelta(hours=1)  # by which a clock has to be behind; machines differ by a little
_LOOK_AGAIN = 30.0  # seconds at most: the clock of the machine may be set
_AGAIN = 5.0  # seconds until a worker that was not elected stands again


class Timed(msgspec.Struct, frozen=True):
    """A job that is due by the clock; `payload` is JSON."""

    name: str
    cron: str
    payload: bytes


Enqueue = Callable[[asyncpg.Connection, Timed, datetime], Awaitable[bool]]


def check(cron: str) -> None:
    """Raises ValueError unless `cron` has five fields that can be due: minute, hour, day, month, weekday."""
    try:
        CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"not a cron expression: {cron!r}: {error}") from None


def next_due(cron: str, zone: ZoneInfo, after: datetime) -> datetime:
    """The first moment after `after` at which `cron` is due in the time zone; UTC.

    When clocks go forward, a fixed time in the hour that is left out is due at the end of it, once. When they go back,
    a fixed time in the hour that comes twice is due the first time only; `*` and `*/n` follow the clock through both.
    """
    for moment in CronSim(cron, after.astimezone(zone)):
        due = moment.astimezone(UTC)
        # Begun in the second turn of the hour that comes twice, the library tells of its first turn, which is past.
        if due > after:
            return due
    raise ValueError(f"never due: {cron!r}")


def last_due(cron: str, zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The last moment at which it was due with after < moment <= until, or None."""
    # Forwards only, for that is how the library keeps to the clocks; a day back is enough for most, and few steps.
    for begin in (max(after, until - timedelta(hours=25)), after):
        due = None
        moment = next_due(cron, zone, begin)
        while moment <= until:
            due, moment = moment, next_due(cron, zone, moment)
        if due is not None:
            return due
    return None


class Scheduler:
    """Queues what is due. Of all workers one is elected; the others stand ready."""

    def __init__(
        self, database: Database, zone: ZoneInfo, timed: Mapping[str, Timed], enqueue: Enqueue
    ) -> None:
        self._database = database
        self._zone = zone
        self._timed = timed
        self._enqueue = enqueue
        self.elected = False

    async def run(self) -> None:
        """For ever."""
        await hold(self._database, "jobs", self._serve, again=_AGAIN)

    async def _serve(self, connection: asyncpg.Connection) -> None:
        self.elected = True
        try:
            while True:
                now = datetime.now(UTC)
                due = await self.once(connection, now)
                pause = (due - datetime.now(UTC)).total_seconds() if due is not None else _LOOK_AGAIN
                await asyncio.sleep(min(max(pause, 0.05), _LOOK_AGAIN))
        finally:
            self.elected = False

    async def once(self, connection: asyncpg.Connection, now: datetime) -> datetime | None:
        """Queue what is due at `now`; returns when something is due next.

        What was due more than once while no worker ran is queued once. A job whose last run still waits or runs is
        not queued a second time.
        """
        soonest: datetime | None = None
        for timed in self._timed.values():
            async with connection.transaction():
                due = await self._one(connection, timed, now)
            soonest = due if soonest is None else min(soonest, due)
        return soonest

    async def _one(self, connection: asyncpg.Connection, timed: Timed, now: datetime) -> datetime:
        row = await connection.fetchrow(
            "SELECT cron, told_until FROM job_schedule WHERE name = $1 FOR UPDATE", timed.name
        )
        if row is None or row["cron"] != timed.cron:
            # A new schedule, and one that was changed, begins now: nothing of the time before is due.
            await connection.execute(
                "INSERT INTO job_schedule (name, cron, told_until) VALUES ($1, $2, $3)"
                " ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, told_until = excluded.told_until",
                timed.name,
                timed.cron,
                now,
            )
            return next_due(timed.cron, self._zone, now)
        told_until = row["told_until"]
        if told_until - now > _PUT_BACK:
            _log.warning(
                "%s: the clock was put back from %s; it is due again from now on", timed.name, told_until
            )
            told_until = now
            await connection.execute(
                "UPDATE job_schedule SET told_until = $2 WHERE name = $1", timed.name, told_until
            )
        due = last_due(timed.cron, self._zone, told_until, now)
        if due is not None:
            queued = await self._enqueue(connection, timed, due)
            if not queued:
                _log.warning("%s: not queued for %s, the run before is not over", timed.name, due.isoformat())
            await connection.execute(
                "UPDATE job_schedule SET told_until = $2, queued_at = CASE WHEN $3 THEN now() ELSE queued_at END"
                " WHERE name = $1",
                timed.name,
                now,
                queued,
            )
        return next_due(timed.cron, self._zone, now)
