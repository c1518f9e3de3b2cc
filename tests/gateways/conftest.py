"""The broker that gateways write to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from rhinecloud.broker import Broker
from rhinecloud.bus import Bus
from rhinecloud.store import Database


@pytest_asyncio.fixture
async def broker(database_url: str, bus: Bus) -> AsyncIterator[Broker]:
    database = await Database.open(database_url)
    broker = Broker(database, bus)
    await broker.open()
    yield broker
    await broker.close()
    await database.close()
