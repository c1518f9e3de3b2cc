"""The app's tables and graph on real engines, and what two workers would have of them: no server in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from rhinecloud.broker import Broker
from rhinecloud.bus import Bus
from rhinecloud.city import City
from rhinecloud.clock import Clock
from rhinecloud.store import Database, RoomDatabase, Rooms
from rhinecloud.store.connections import Connections
from rhinecloud.store.rooms import migrations_in
from tests.conftest import NatsServer

from .hall import Hall

PACKAGE = "rhinecloud.apps.participation"


async def _worker(url: str, nats: NatsServer) -> tuple[City, Any]:
    room = await Rooms(url).prepare("app_participation", migrations_in(PACKAGE))
    connections = Connections(url, 12)
    own = RoomDatabase(connections, room)
    bus = await Bus.connect(nats.url, patience=10, **nats.credentials.options())
    broker = Broker(await Database.open(url, size=4), bus)
    await broker.open()
    nothing: Any = None
    city = City(
        "participation",
        name="Duisburg",
        broker=broker,
        bus=bus,
        db=own,
        jobs=nothing,
        mail=nothing,
        files=nothing,
        devices=nothing,
        people=own,
        allowed=nothing,
        clock=Clock(),
    )

    async def close() -> None:
        await asyncio.sleep(0.6)  # what is told last is told
        await own.close()
        await connections.close()
        await broker.close()
        await broker.database.close()
        await bus.close()

    return city, close


@pytest_asyncio.fixture(scope="module")
async def cities(module_database_url: str, module_nats: NatsServer) -> AsyncIterator[tuple[City, City]]:
    """What two workers of one installation have."""
    first, close_first = await _worker(module_database_url, module_nats)
    second, close_second = await _worker(module_database_url, module_nats)
    yield first, second
    await close_first()
    await close_second()


@pytest_asyncio.fixture(scope="module")
async def hall(cities: tuple[City, City], module_database_url: str) -> AsyncIterator[Hall]:
    """An organiser, events and people with phones."""
    rows = await asyncpg.connect(
        module_database_url, server_settings={"search_path": "app_participation,public"}
    )
    yield Hall(cities, rows)
    await rows.close()
