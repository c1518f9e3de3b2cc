"""Jobs on a real PostgreSQL: with the caller's transaction or not at all, at least once, with pauses, dead and seen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from pgqueuer.queries import Queries

from rhinecloud.jobs import Attempt, GiveUp, JobRecord, Jobs, Later, NotDead
from rhinecloud.store import Database

from .conftest import Workers

PATIENCE = 20.0


class Letter(msgspec.Struct, frozen=True):
    """A payload."""

    to: str
    lines: int = 1


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """What the condition returns, as soon as it is true."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):
            await asyncio.sleep(0.01)
        return found


class Desk:
    """A handler that writes down what it is given, and fails as often as it is told."""

    def __init__(self, failures: int = 0, error: Exception | None = None) -> None:
        self.seen: asyncio.Queue[tuple[Any, Attempt]] = asyncio.Queue()
        self.failures = failures
        self.error = error or ValueError("no luck")

    async def __call__(self, payload: Any, attempt: Attempt) -> None:
        self.seen.put_nowait((payload, attempt))
        if self.failures > 0:
            self.failures -= 1
            raise self.error

    async def next(self) -> tuple[Any, Attempt]:
        async with asyncio.timeout(PATIENCE):
            return await self.seen.get()


async def gone(jobs: Jobs) -> bool:
    return not await jobs.list()


async def dead(jobs: Jobs) -> list[JobRecord]:
    return list(await jobs.list("dead"))


async def test_the_tables_are_those_that_the_library_declares(database: Database) -> None:
    async with database.pool.acquire() as connection:
        plan = await Queries.from_asyncpg_connection(connection).plan_upgrade()
    # It would replace the function that wakes the workers whatever it is; ours also tells of a job put off.
    assert [text for text in plan.statements if "fn_pgqueuer_changed" not in text] == []


async def test_a_job_of_a_transaction_that_is_rolled_back_never_was(
    database: Database, workers: Workers
) -> None:
    desk = Desk()
    jobs = await workers.begin(lambda j: j.register("letter", desk, Letter))
    with pytest.raises(RuntimeError, match="rolled back"):
        async with database.transaction() as connection:
            await jobs.enqueue(connection, "letter", Letter("a"))
            raise RuntimeError("rolled back")
    async with database.transaction() as connection:
        kept = await jobs.enqueue(connection, "letter", Letter("b", 2))
        assert await jobs.list() == []  # not before the commit
    payload, attempt = await desk.next()
    assert payload == Letter("b", 2)
    assert (attempt.job, attempt.name, attempt.number, attempt.last, attempt.due) == (
        kept,
        "letter",
        1,
        False,
        None,
    )
    await until(lambda: gone(jobs))
    assert desk.seen.empty()
