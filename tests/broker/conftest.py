"""Brokers on a real PostgreSQL and a real NATS, as many as a test wants, each with connections of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from rhinecloud.broker import Broker
from rhinecloud.bus import Bus
from rhinecloud.store import Database

from ..conftest import NatsServer

MakeBroker = Callable[[], Awaitable[Broker]]


@pytest_asyncio.fixture
async def make_broker(database_url: str, nats: NatsServer) -> AsyncIterator[MakeBroker]:
    """Each call is what another worker process would have."""
    made: list[tuple[Broker, Bus]] = []

    async def make() -> Broker:
        bus = await Bus.connect(nats.url, patience=10, **nats.credentials.options())
        broker = Broker(await Database.open(database_url, size=6), bus)
        made.append((broker, bus))
        await broker.open()
        await bus.on_wake("relay", broker.wake_relay)
        return broker

    yield make
    for broker, bus in made:
        await broker.close()
        await broker.database.close()
        await bus.close()


@pytest_asyncio.fixture
async def broker(make_broker: MakeBroker) -> Broker:
    """One broker."""
    return await make_broker()
