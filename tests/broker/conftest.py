"""Brokers on a real PostgreSQL and a real NATS, as many as a test wants, each with connections of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from rhinecloud.broker import Broker
from rhinecloud.bus import Bus
from rhinecloud.engines import Engines
from rhinecloud.store import Database

from ..conftest import NatsServer

MakeBroker = Callable[[], Awaitable[Broker]]
_TABLES = (
    *("entity", "deleted_entity", "place", "history", "history_rows", "chunk"),
    *("outbox", "delivery", "unmapped", "audit"),
)


async def _open(database_url: str, bus: Bus) -> Broker:
    broker = Broker(await Database.open(database_url, size=6), bus)
    await broker.open()
    await bus.on_wake("relay", broker.wake_relay)
    return broker


async def _close(broker: Broker, bus: Bus) -> None:
    await broker.close()
    await broker.database.close()
    await bus.close()


@pytest_asyncio.fixture
async def make_broker(database_url: str, nats: NatsServer) -> AsyncIterator[MakeBroker]:
    """Each call is what another worker process would have."""
    made: list[tuple[Broker, Bus]] = []

    async def make() -> Broker:
        bus = await Bus.connect(nats.url, patience=10, **nats.credentials.options())
        made.append((await _open(database_url, bus), bus))
        return made[-1][0]

    yield make
    for broker, bus in made:
        await _close(broker, bus)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_broker(module_database_url: str, engines: Engines) -> AsyncIterator[Broker]:
    """One broker for the tests of a module."""
    bus = await Bus.connect(engines.nats_url, patience=10, **engines.nats_credentials.options())
    broker = await _open(module_database_url, bus)
    yield broker
    await _close(broker, bus)


@pytest_asyncio.fixture
async def broker(shared_broker: Broker) -> Broker:
    """A broker whose graph is empty. The series stay, for the writer knows their numbers."""
    await shared_broker.database.pool.execute("; ".join(f"DELETE FROM {table}" for table in _TABLES))
    return shared_broker
