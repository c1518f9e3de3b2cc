"""The queue of one tenant, as the house uses it: over PgQueuer, which keeps it in PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import FailingListenerError
from pgqueuer.queries import Queries
from pgqueuer.types import JobId

from rhinecloud.store import Database, Unavailable, intake
from rhinecloud.tasks import stop

from . import records
from .compute import Compute
from .execution import Execution
from .queueing import insert
from .records import JobRecord, NotDead, Schedule, State
from .schedule import Scheduler, Timed, check, next_due
from .work import Attempt, Handler, Kind

_log = logging.getLogger(__name__)
_AGAIN = 1.0  # seconds until work begins again after PostgreSQL was away
_LEASE = 30.0  # seconds without a sign of life after which a running job is taken to be alone
_CRASHES = 5  # ends of a worker in the same job after which the job is taken for the cause
_LOOK = timedelta(seconds=5)  # in case the wake-up was lost with its connection
_BATCH = 5
_RUNNING = 20  # jobs at once in a worker
_KEPT = timedelta(days=30)
_FORGET = "jobs.forget"
R = TypeVar("R")


class Jobs:
    """Queued and timed jobs, and CPU work in other processes.

    Register handlers and schedules, then `open`. Every worker registers the same ones.
    """

    def __init__(
        self, database: Database, time_zone: str, *, lease: float = _LEASE, crashes: int = _CRASHES
    ) -> None:
        self._database = database
        self._zone = ZoneInfo(time_zone)
        self._lease = timedelta(seconds=lease)
        self._kinds: dict[str, Kind] = {}
        self._timed: dict[str, Timed] = {}
        self._scheduler = Scheduler(database, self._zone, self._timed, self._enqueue_timed)
        self._manager: QueueManager | None = None
        self._execution = Execution(database.pool, crashes)
        self._tasks: list[asyncio.Task[Any]] = []
        self._closing = False
        self._computing = Compute()
        self.register(_FORGET, self._forget, timeout=3_600)
        self.schedule(_FORGET, "20 3 * * *")

    # What there is to do ---------------------------------------------------------------------------------------

    def register(
        self,
        name: str,
        handler: Handler,
        payload: Any = Any,
        *,
        attempts: int = 8,
        first_pause: float = 10.0,
        longest_pause: float = 3_600.0,
        timeout: float = 600.0,
        at_once: int = 0,
    ) -> None:
        """Say who does the jobs of this name: `await handler(payload, attempt)`, the payload as the type `payload`.

        A handler that returns has done the job; one that raises is called again, after `first_pause` seconds, then
        after three times as long, up to `longest_pause`; after `attempts` failures the job is dead. It runs at least
        once: a worker that dies in it, or a lost connection, lets it run again. `timeout` seconds after its start
        an attempt is broken off as a failure. At most `at_once` jobs of the name run over all workers (0: no limit).
        A handler may raise `GiveUp` or `Later`.

        Raises ValueError for a name that was registered before, RuntimeError after `open`.
        """
        if self._tasks:
            raise RuntimeError("register jobs before they are opened")
        if name in self._kinds:
            raise ValueError(f"there is a handler for {name} already")
        self._kinds[name] = Kind(
            name, handler, payload, attempts, first_pause, longest_pause, timeout, at_once
        )

    def schedule(self, name: str, cron: str, payload: Any = None) -> None:
        """Queue a job of this name whenever `cron` (minute hour day month weekday) is due in the city's time zone.

        What was due while no worker ran is queued once. While a run waits or runs, no second one is queued.
        Raises ValueError for a bad expression or a name without a handler.
        """
        if name not in self._kinds:
            raise ValueError(f"there is no handler for {name}")
        check(cron)
        self._timed[name] = Timed(name, cron, msgspec.json.encode(payload))

    async def enqueue(
        self,
        connection: asyncpg.Connection,
        name: str,
        payload: Any = None,
        *,
        at: datetime | None = None,
        key: str | None = None,
    ) -> int | None:
        """Queue a job in the transaction of `connection`: it exists if and when that commits. Returns its id.

        It is due at once, or not before `at`. With a `key`, no second job of the same name and key is queued while
        one waits or runs; then None is returned. One that runs may have read already what this one is to act upon: who
        brings news queues without a key. `payload` is anything that msgspec encodes as JSON.
        """
        (job,) = await self.enqueue_many(connection, name, [payload], at=at, keys=[key])
        return job

    async def enqueue_many(
        self,
        connection: asyncpg.Connection,
        name: str,
        payloads: Iterable[Any],
        *,
        at: datetime | None = None,
        keys: Iterable[str | None] | None = None,
    ) -> list[int | None]:
        """`enqueue` for many payloads in one statement; `keys` are as many as the payloads, if given."""
        encoded: list[bytes | None] = [msgspec.json.encode(payload) for payload in payloads]
        return await insert(connection, name, encoded, at=at, keys=keys)

    async def _enqueue_timed(self, connection: asyncpg.Connection, timed: Timed, due: datetime) -> bool:
        headers = {"due": due.isoformat()}
        (job,) = await insert(connection, timed.name, [timed.payload], keys=["#schedule"], headers=headers)
        return job is not None

    # What became of it -----------------------------------------------------------------------------------------

    async def schedules(self) -> list[Schedule]:
        """Timed jobs, by name."""
        now = datetime.now(UTC)
        rows = await self._database.pool.fetch("SELECT name, queued_at FROM job_schedule")
        queued = {row["name"]: row["queued_at"] for row in rows}
        return [
            Schedule(
                timed.name,
                timed.cron,
                queued.get(timed.name),
                next_due(timed.cron, self._zone, now),
            )
            for timed in sorted(self._timed.values(), key=lambda one: one.name)
        ]

    async def list(
        self,
        state: State | None = None,
        name: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[JobRecord]:
        """Jobs that wait, run or are dead, newest first; those with an id below `before`."""
        return await records.browse(self._database.pool, state=state, name=name, before=before, limit=limit)

    async def get(self, job: int) -> JobRecord | None:
        """A job that waits, runs or is dead; None for one that was done or never was."""
        found = await records.browse(
            self._database.pool, state=None, name=None, before=None, limit=1, job=job
        )
        return found[0] if found else None

    async def retry(self, job: int, actor: str) -> None:
        """Run a dead job again, from its first attempt; with an audit line. Raises NotDead."""
        async with self._database.transaction() as connection:
            await self._dead(connection, job)
            try:
                async with connection.transaction():
                    await Queries.from_asyncpg_connection(connection).requeue_jobs([JobId(job)])
            except asyncpg.UniqueViolationError:
                raise NotDead(f"another job with the key of job {job} waits already") from None
            await intake.audit(connection, actor, "job.retry", str(job), {})

    async def discard(self, job: int, actor: str) -> None:
        """Delete a dead job, with an audit line that holds what it was. Raises NotDead."""
        async with self._database.transaction() as connection:
            record = await self._dead(connection, job)
            await records.remove_dead(connection, job)
            detail = {
                "name": record.name,
                "payload": msgspec.Raw(record.payload.encode()),
                "reason": record.reason,
            }
            await intake.audit(connection, actor, "job.discard", str(job), detail)

    async def _dead(self, connection: asyncpg.Connection, job: int) -> JobRecord:
        await connection.execute("SELECT FROM pgqueuer WHERE id = $1 FOR UPDATE", job)
        found = await records.browse(connection, state="dead", name=None, before=None, limit=1, job=job)
        if not found:
            raise NotDead(f"there is no dead job {job}")
        return found[0]

    async def dead(self) -> tuple[int, datetime | None]:
        """How many jobs failed for good, and when the first of them did."""
        return await records.dead(self._database.pool)

    async def health(self) -> dict[str, Any]:
        """Figures of the queue, of this worker's part in it, and of CPU work. Raises one of store.Unavailable."""
        return {
            **await records.figures(self._database.pool),
            "running_here": self._execution.running,
            "schedule_here": self._scheduler.elected,
            "computing": self._computing.health(),
        }

    # CPU work --------------------------------------------------------------------------------------------------

    async def compute(self, function: Callable[..., R], *args: Any, timeout: float = 30.0) -> R:
        """`function(*args)` in another process, so that nobody waits for it: see Compute.run."""
        return await self._computing.run(function, *args, timeout=timeout)

    # Life ------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin to work."""
        self._tasks = [
            asyncio.create_task(self._work(), name="jobs"),
            asyncio.create_task(self._scheduler.run(), name="schedule"),
        ]

    async def close(self, grace: float = 2.0) -> None:
        """Take no more jobs; those that run may end within `grace` seconds, the others are queued again."""
        self._closing = True
        if self._manager is not None:
            self._manager.shutdown.set()
        if self._tasks:
            work, timed = self._tasks
            await stop(timed)
            await asyncio.wait({work}, timeout=grace)
            self._execution.interrupt()
            await stop(work)
            if self._execution.interrupted:
                with contextlib.suppress(*Unavailable):
                    await records.give_back(self._database.pool, self._execution.interrupted)
        await self._computing.close()

    async def _work(self) -> None:
        while not self._closing:
            self._manager = manager = self._execution.manager(self._kinds)
            try:
                await manager.run(
                    dequeue_timeout=min(self._lease, _LOOK),
                    batch_size=_BATCH,
                    max_concurrent_tasks=_RUNNING,
                    shutdown_on_listener_failure=True,
                    heartbeat_timeout=self._lease,
                    log_aggregation_interval=timedelta(0),
                )
            except (FailingListenerError, *Unavailable) as error:
                _log.warning("jobs: %s; begins again", str(error) or type(error).__name__)
            except Exception:
                _log.exception("jobs: begins again")
            if not self._closing:
                await asyncio.sleep(_AGAIN)

    async def _forget(self, payload: None, attempt: Attempt) -> None:
        await records.forget(self._database.pool, _KEPT)
