"""Queues on a real PostgreSQL, as many as a test wants, each with connections of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest_asyncio

from rhinecloud.jobs import Jobs
from rhinecloud.store import Database

Prepare = Callable[[Jobs], None]
LEASE = 1.0  # seconds


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of this test alone."""
    opened = await Database.open(database_url, size=8)
    yield opened
    await opened.close()


class Workers:
    """Each call of `begin` is what another worker process would have."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._made: list[tuple[Jobs, Database]] = []

    async def begin(self, prepare: Prepare, *, lease: float = LEASE) -> Jobs:
        database = await Database.open(self._url, size=6)
        jobs = Jobs(database, "Europe/Berlin", lease=lease)
        prepare(jobs)
        self._made.append((jobs, database))
        await jobs.open()
        return jobs

    async def end(self) -> None:
        for jobs, database in self._made:
            await jobs.close()
            await database.close()


@pytest_asyncio.fixture
async def workers(database_url: str) -> AsyncIterator[Workers]:
    made = Workers(database_url)
    yield made
    await made.end()
