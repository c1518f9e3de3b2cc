"""What the room of people does as jobs: forgets by the clock what is over, lets workers know of what commands did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from rhinecloud.jobs import Attempt, Jobs, enqueue

from .service import People

_SWEEP, _CHANGED = "people.sweep", "people.changed"
_ENDING: Final = (
    "link",
    "token",
    "challenge",
    "oidc_request",
)  # tables whose rows are nothing after `expires_at`


class Upkeep:
    """The room's jobs. Make it before the jobs are opened; `wake` has all workers look again at who may do what."""

    def __init__(self, people: People, jobs: Jobs, wake: Callable[[], Awaitable[None]]) -> None:
        self._people = people
        self._wake = wake
        jobs.register(_SWEEP, self._sweep_job)
        jobs.schedule(_SWEEP, "15 * * * *")
        jobs.register(_CHANGED, self._changed_job)

    async def sweep(self) -> dict[str, int]:
        """Forget sessions, links, tokens and sign-ins under way that are over; how many rows of which table."""
        counts = {"session": await self._people.sessions.sweep()}
        for table in _ENDING:
            status = await self._people.room.pool.execute(f"DELETE FROM {table} WHERE expires_at < now()")
            counts[table] = int(status.rpartition(" ")[2])
        return counts

    async def _sweep_job(self, payload: None, attempt: Attempt) -> None:
        await self.sweep()

    async def _changed_job(self, payload: None, attempt: Attempt) -> None:
        await self._wake()


async def changed(city: asyncpg.Connection) -> None:
    """Have a served city look again at who may do what, once the transaction of `city` commits. For commands: they are
    on no bus, and the database is the one thing that they share with the workers."""
    await enqueue(city, _CHANGED)


__all__ = ["Upkeep", "changed"]
