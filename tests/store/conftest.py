"""A migrated database for one test, and one that the tests of a module share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from rhinecloud.store import Database


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of this test alone."""
    opened = await Database.open(database_url, size=6)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(module_database_url: str) -> AsyncIterator[Database]:
    """A database that the tests of the module share; each uses names of its own."""
    opened = await Database.open(module_database_url, size=4)
    yield opened
    await opened.close()
