"""Many tenants in one process: few connections, changes told by the one caretaker, whatever is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from rhinecloud.broker import Broker, tenants
from rhinecloud.broker.caretaker import WAKE, Caretaker
from rhinecloud.broker.contexts import Contexts
from rhinecloud.broker.outbound import Allowed
from rhinecloud.broker.relay import READER
from rhinecloud.broker.tenants import Served, Tenants
from rhinecloud.bus import Bus
from rhinecloud.model import CORE, NonexistentTenant
from rhinecloud.store import Connections, Database, Registry, Unavailable, outbox

from ..conftest import NatsServer
from ..receivers import eventually, http_receiver
from .graph import whole

MANY = 12
FEW = 3
Worker = tuple[Tenants, Caretaker, Connections]


@pytest_asyncio.fixture
async def make_worker(database_url: str, nats: NatsServer) -> AsyncIterator[Callable[[], Awaitable[Worker]]]:
    """What another worker process would have of tenants."""
    made: list[Callable[[], Awaitable[None]]] = []

    async def make() -> Worker:
        bus = await Bus.connect(nats.url, patience=10, **nats.credentials.options())
        database = await Database.open(database_url, size=4)
        broker = Broker(database, bus)
        allowed = Allowed("127.0.0.1")
        connections = Connections(database_url, FEW)

        async def serve(of_tenant: Database) -> Served:
            return Served(
                of_tenant, Broker(of_tenant, bus, cared_for=True), Contexts(of_tenant, allowed=allowed)
            )

        default = Served(database, broker, Contexts(database))
        of_worker = Tenants(default, Registry(database_url), connections, serve)
        caretaker = Caretaker(of_worker, bus, allowed, outbox_days=7, unmapped_days=7)
        await bus.on_wake(WAKE, caretaker.wake)
        await caretaker.open()

        async def close() -> None:
            await caretaker.close()
            await of_worker.close()
            await broker.close()
            await database.close()
            await bus.close()

        made.append(close)
        return of_worker, caretaker, connections

    yield make
    for close in made:
        await close()


async def write(of_worker: Tenants, name: str, *numbers: int) -> None:
    async with of_worker.use(name) as served:
        for number in numbers:
            await served.broker.do(whole("create", f"urn:x:{number}", n=number))


async def untold(database: Database) -> int:
    told = await outbox.position(database.pool, READER) or 0
    return int(await database.pool.fetchval("SELECT count(*) FROM outbox WHERE id > $1", told))


async def test_one_caretaker_tells_the_changes_of_all(
    make_worker: Callable[[], Awaitable[Worker]], bus: Bus
) -> None:
    of_worker, _, connections = await make_worker()
    names = [f"t{number}" for number in range(MANY)]
    for name in names:
        await of_worker.registry.prepare(name)
    heard: dict[str, list[Any]] = {}
    for name in ["city", *names]:

        async def hear(payload: bytes, name: str = name) -> None:
            heard.setdefault(name, []).extend(msgspec.json.decode(payload)["changes"])

        await bus.subscribe(f"changes.{name}", hear)
    await bus.client.flush()
    await asyncio.gather(*(write(of_worker, name, 1, 2, 3) for name in names))
    await eventually(lambda: sorted(heard) == sorted(names) and all(len(heard[one]) == 3 for one in names))
    assert connections.open <= FEW
    assert of_worker.opened == sorted(names)
    with pytest.raises(NonexistentTenant):
        await write(of_worker, "nobody", 1)

    # The other worker writes, dies before it can say so, and what stands for it asks for a round.
    other, _, _ = await make_worker()
    async with other.use("t1") as served:
        served.broker._told = served.broker._writer._told = lambda: None  # type: ignore[method-assign]
        await served.broker.do(whole("create", "urn:x:4", n=4))
        assert await untold(served.database) == 1
        await bus.wake(WAKE)
        await eventually(lambda: len(heard["t1"]) == 4)
        await asyncio.sleep(0)


async def test_another_takes_over_with_subscriptions_and_all(
    make_worker: Callable[[], Awaitable[Worker]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenants, "_KEPT", 0.1)
    first, caretaker, _ = await make_worker()
    await first.registry.prepare("port")
    await first.registry.prepare("quiet")
    second, successor, _ = await make_worker()
    async with http_receiver() as receiver:
        document = {
            "type": "Subscription",
            "entities": [{"type": "Lamp"}],
            "notification": {"endpoint": {"uri": receiver.url}, "format": "keyValues"},
        }
        async with second.use("port") as served:
            await served.broker.subscriptions.create(document, CORE, owner="open")
        await write(second, "port", 1)
        (told,) = await receiver.told(1)
        assert told.headers["ngsild-tenant"] == "port"
        await caretaker.close()
        await write(second, "port", 2)
        # At least once, and in order: the first may have been told without having been crossed off.
        await eventually(lambda: receiver.entities[-1]["id"] == "urn:x:2")
        assert list(dict.fromkeys(one["id"] for one in receiver.entities)) == ["urn:x:1", "urn:x:2"]

        # Who is not asked for is closed; who has subscriptions is followed. The second worker cares now.
        await write(second, "quiet", 1)
        await eventually(lambda: first.opened == [] and second.opened == ["port"])
        assert await second.registry.remove("port")
        for _ in range(5):
            try:
                await write(second, "port", 3)
            except NonexistentTenant:
                break
            except Unavailable:  # the connections that were cut off
                continue
        else:
            raise AssertionError("a tenant that was removed is still served")
        successor.wake()
        await eventually(lambda: second.opened == [] and not successor._cares.keys() & {"port"})
