"""The database of the devices."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from rhinecloud.store import Database


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.open(database_url, migrate=False)
    yield database
    await database.close()
