"""The background of an app in one worker: its tasks, its sign of life, and the migrations that come after."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from uuid import UUID, uuid4

import asyncpg

from rhinecloud.app import Task
from rhinecloud.broker.office import hold
from rhinecloud.city import City
from rhinecloud.store import NotMigrated, RoomDatabase, Rooms, Unavailable
from rhinecloud.tasks import stop

from . import phases
from .phases import Migration

_log = logging.getLogger(__name__)
_BEAT = 30.0  # seconds
_BEAT_WHILE_LEFT = 5.0  # seconds; while a migration waits for workers of an older version to go
_AGAIN = 5.0  # seconds until a worker that was not elected stands again
_LOOK = 5.0  # seconds between looks whether the election still holds
_LONGEST_PAUSE = 60.0  # seconds before a task that fails again and again is begun anew


class Running:
    """What goes on for one app in this worker."""

    def __init__(
        self,
        name: str,
        work: Sequence[Task],
        city: City,
        rooms: Rooms,
        before: list[Migration],
        after: list[Migration],
    ) -> None:
        self._name = name
        self._work = work
        self._city = city
        self._rooms = rooms
        self._before = before
        self._after = after
        self._worker: UUID = uuid4()
        self._tasks: list[asyncio.Task[None]] = []
        self.trouble: str | None = None

    async def open(self) -> None:
        """Begin. Raises one of store.Unavailable."""
        await phases.appear(self._city.db, self._worker, self._after)
        name = self._name
        self._tasks = [asyncio.create_task(self._beat(), name=f"app-{name}")]
        once = [task for task in self._work if not task.everywhere]
        if once:
            self._tasks.append(asyncio.create_task(self._elected(once), name=f"app-{name}-elected"))
        for task in self._work:
            if task.everywhere:
                self._tasks.append(asyncio.create_task(self._keep(task), name=f"app-{name}-{task.name}"))

    async def close(self) -> None:
        """Stop, and say so to the other workers."""
        await stop(*self._tasks)
        with contextlib.suppress(*Unavailable, asyncpg.PostgresError):
            await phases.leave(self._city.db, self._worker)

    async def _beat(self) -> None:
        left = bool(self._after)
        while True:
            try:
                await phases.appear(self._city.db, self._worker, self._after)
                if left:
                    left = not await phases.finish(self._rooms, self._city.db, self._before, self._after)
                self.trouble = None
            except NotMigrated as error:
                self.trouble = str(error)
                _log.error("the app %s: a migration failed: %s", self._name, error)
            except (*Unavailable, asyncpg.PostgresError) as error:
                _log.warning("the app %s: %s", self._name, error)
            await asyncio.sleep((_BEAT_WHILE_LEFT if left else _BEAT) * random.uniform(0.8, 1.2))

    async def _elected(self, tasks: list[Task]) -> None:
        async def serve(connection: asyncpg.Connection) -> None:
            async with asyncio.TaskGroup() as group:
                for task in tasks:
                    group.create_task(self._keep(task), name=f"app-{self._name}-{task.name}")
                while True:  # the election ends with its connection
                    await connection.execute("SELECT 1")
                    await asyncio.sleep(_LOOK)

        await hold(_Electorate(self._city.db), "app", serve, again=_AGAIN)

    async def _keep(self, task: Task) -> None:
        pause = 1.0
        while True:
            try:
                await task.run(self._city)
                pause = 1.0
            except Exception:
                _log.exception("the task %s of the app %s begins again", task.name, self._name)
                pause = min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)


class _Electorate:
    """The workers that serve an app, as offices know them."""

    def __init__(self, database: RoomDatabase) -> None:
        self.pool = database.pool
        self.tenant = database.room.name
