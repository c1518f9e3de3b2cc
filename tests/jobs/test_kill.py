"""`kill -9` of a worker in the middle of a job: the job runs again, elsewhere; one that kills workers is dead."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest_asyncio

from rhinecloud.jobs import Attempt, Jobs
from rhinecloud.store import Database

from .conftest import Workers
from .test_queue import dead, enqueue, gone, until

ROOT = Path(__file__).parent.parent.parent
RAN = "SELECT pid, number FROM ran ORDER BY at"
Start = Callable[[str], Awaitable[Process]]


@pytest_asyncio.fixture
async def start(database: Database, database_url: str) -> AsyncIterator[Start]:
    """Start a worker process; all are killed at the end."""
    await database.pool.execute(
        "CREATE TABLE ran (job bigint, pid int, number int, at timestamptz DEFAULT now())"
    )
    started: list[Process] = []

    async def start(ending: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.jobs.one_worker", database_url, ending), cwd=ROOT
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ran(database: Database, at_least: int) -> list[asyncpg.Record]:
    async def enough() -> list[asyncpg.Record] | None:
        rows = await database.pool.fetch(RAN)
        return list(rows) if len(rows) >= at_least else None

    return list(await until(enough))


async def test_a_job_whose_worker_was_killed_runs_in_another(
    database: Database, workers: Workers, start: Start
) -> None:
    first = await start("stays")
    done = asyncio.Event()

    async def note(payload: Any, attempt: Attempt) -> None:
        await database.pool.execute(
            "INSERT INTO ran (job, pid, number) VALUES ($1, $2, $3)", attempt.job, os.getpid(), attempt.number
        )
        done.set()

    def nothing(jobs: Jobs) -> None:
        """Has no handler: only queues."""

    queue = await workers.begin(nothing)
    await enqueue(database, queue, "job")
    assert [row["pid"] for row in await ran(database, 1)] == [first.pid]
    jobs = await workers.begin(lambda j: j.register("job", note))
    (record,) = await jobs.list("running")
    # As long as its worker lives, however long that takes, nobody else begins it.
    renewed = "SELECT heartbeat > updated FROM pgqueuer WHERE id = $1"
    await until(lambda: database.pool.fetchval(renewed, record.id))
    assert not done.is_set()

    first.kill()
    await first.wait()
    # Its death is no failure of the job: the attempt has the same number.
    assert [tuple(row) for row in await ran(database, 2)] == [(first.pid, 1), (os.getpid(), 1)]
    await until(lambda: gone(jobs))


async def test_a_job_that_ends_its_workers_is_dead_after_some(
    database: Database, workers: Workers, start: Start
) -> None:
    def nothing(jobs: Jobs) -> None:
        """Has no handler: only queues."""

    queue = await workers.begin(nothing)
    await enqueue(database, queue, "job")
    for times in (1, 2):
        process = await start("dies")
        await ran(database, times)
        assert await process.wait() == 1
    last = await start("dies")
    (record,) = await until(lambda: dead(queue))
    assert record.reason == "2 times the worker ended, or was cut off, while it ran this job"
    assert last.returncode is None
    assert len(await database.pool.fetch(RAN)) == 2
