"""The plug is pulled on every leg between a device and a subscriber: what was acknowledged arrives, once in history.

Two machines share a PostgreSQL and a NATS, each reaches them over plugs of its own; devices and the subscriber are
behind plugs too. Each test pulls one leg under load: connections break, fall silent for a while, or both.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from rhinecloud.engines.postgresql import free_port
from rhinecloud.tasks import stop

from ..conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, NatsServer, Server, new_folder, server_factory
from ..receivers import HttpReceiver, http_receiver
from .ledger import Ledger, compare, publish_mqtt, query, settled, write_http
from .plugs import Plug, board

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="puts plugs before the engines of the test"
)


@dataclass
class Machine:
    """A server with its two plugs."""

    server: Server
    database: Plug
    nats: Plug


@dataclass
class Wiring:
    """Two machines, the way of the devices, the way to the subscriber (which listens on `receiver_port`)."""

    first: Machine
    second: Machine
    devices: Plug
    subscriber: Plug
    receiver_port: int
    database_url: str
    tests: int = 0

    def leg(self, name: str) -> list[list[Plug]]:
        """The plugs of a leg, and which are pulled together. Of the machines one is elected relay and notifier: they
        are pulled in turns, and while one is out the other takes over."""
        one, two = self.first, self.second
        return {
            "device to NATS": [[self.devices]],
            "NATS to gateway": [[one.nats, two.nats]],
            "gateway to PostgreSQL": [[one.database, two.database]],
            "PostgreSQL to relay": [[one.database], [two.database]],
            "relay to NATS": [[one.nats], [two.nats]],
            "notifier to subscriber": [[self.subscriber]],
        }[name]


@pytest.fixture(scope="module")
def wiring(engines: object, module_database_url: str, module_nats: NatsServer) -> Iterator[Wiring]:
    """Everything plugged in."""
    folder = new_folder()
    folder.chmod(0o755)
    socket = Path(parse_qs(urlsplit(module_database_url).query)["host"][0], ".s.PGSQL.5432")
    assert module_nats.mqtt_port is not None
    receiver_port = free_port("127.0.0.1")
    with board() as plug:
        devices = plug("devices").lead_to("127.0.0.1", module_nats.mqtt_port)
        subscriber = plug("subscriber").lead_to("127.0.0.1", receiver_port)
        factory = server_factory(None)
        serve = next(factory)

        def machine(name: str) -> Machine:
            near = folder / name
            near.mkdir()
            database = plug(f"{name} database").lead_to_socket(socket, near / socket.name)
            nats = plug(f"{name} nats").lead_to("127.0.0.1", urlsplit(module_nats.url).port or 0)
            login = module_nats.credentials
            user, password = quote(str(login.user), ""), quote(str(login.password), "")
            parts = urlsplit(module_database_url)
            server = serve(
                "--outbound-allow=127.0.0.1",
                environ={
                    "RHINECLOUD_DATABASE_URL": f"{parts.scheme}://{parts.netloc}{parts.path}?host={near}",
                    "RHINECLOUD_NATS_URL": f"nats://{user}:{password}@127.0.0.1:{nats.port}",
                },
            )
            return Machine(server, database, nats)

        try:
            first = machine("first")
            second = machine("second")
            yield Wiring(first, second, devices, subscriber, receiver_port, module_database_url)
        finally:
            for _ in factory:
                pass
            shutil.rmtree(folder, ignore_errors=True)


def told(receiver: HttpReceiver) -> Callable[[], set[tuple[str, int]]]:
    return lambda: {(entity["id"], int(entity["n"])) for entity in receiver.entities}


async def disturb(plugs: list[Plug], chance: random.Random) -> None:
    """Break; fall silent and go on; fall silent and break."""
    for _ in range(2):
        await asyncio.sleep(chance.uniform(0.3, 0.8))
        for plug in plugs:
            plug.pull()
        await asyncio.sleep(chance.uniform(0.1, 0.9))
        for plug in plugs:
            plug.put_back()
    for breaks in (False, True):
        await asyncio.sleep(chance.uniform(0.3, 0.8))
        for plug in plugs:
            plug.silence()
        await asyncio.sleep(chance.uniform(1.0, 2.0))
        for plug in plugs:
            if breaks:
                plug.pull()
            plug.put_back()


@pytest.mark.parametrize(
    "leg",
    [
        "device to NATS",
        "NATS to gateway",
        "gateway to PostgreSQL",
        "PostgreSQL to relay",
        "relay to NATS",
        "notifier to subscriber",
    ],
)
async def test_what_was_acknowledged_arrives_although_the_plug_was_pulled(wiring: Wiring, leg: str) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    wiring.tests += 1
    ledger = Ledger(f"leg{wiring.tests}")
    async with http_receiver(wiring.receiver_port) as receiver, httpx.AsyncClient(timeout=20) as client:
        subscriptions = f"{wiring.second.server.base_url.rstrip('/')}/ngsi-ld/v1/subscriptions"
        answer = await client.post(
            subscriptions,
            json={
                "type": "Subscription",
                "entities": [{"type": "Chaos", "idPattern": f"urn:ngsi-ld:Chaos:{ledger.prefix}\\..*"}],
                "notification": {
                    "format": "simplified",
                    "endpoint": {"uri": f"http://127.0.0.1:{wiring.subscriber.port}/told"},
                },
            },
        )
        assert answer.status_code == 201, answer.text
        over = asyncio.Event()
        load = [
            asyncio.create_task(publish_mqtt("127.0.0.1", wiring.devices.port, ledger, over, f"m{n}"))
            for n in range(3)
        ]
        for name, machine in (("a", wiring.first), ("b", wiring.second)):
            url = machine.server.base_url
            load.append(asyncio.create_task(write_http(lambda url=url: url, ledger, over, name)))
        before = {plug.name: plug.connections for plugs in wiring.leg(leg) for plug in plugs}
        for plugs in wiring.leg(leg):
            await disturb(plugs, random.Random(seed))
        await asyncio.sleep(0.5)
        over.set()
        done, left = await asyncio.wait(load, timeout=60)
        await stop(*left)
        assert not left, "a writer did not end"
        for task in done:
            task.result()
        print(
            f"tried {len(ledger.tried)}, acknowledged {len(ledger.acknowledged)}, refused {len(ledger.refused)}"
        )
        assert len(ledger.acknowledged) > 50
        assert [text for text in ledger.refused if not text.startswith("503 ")] == []
        await settled(wiring.database_url, ledger, told(receiver))
        await compare(wiring.database_url, ledger)
        for plugs in wiring.leg(leg):
            for plug in plugs:
                assert plug.connections > before[plug.name], f"{plug.name} was never pulled"
        written = {entry for entry in ledger.acknowledged if ".m" not in entry[0]}
        assert written <= told(receiver)(), "each write over HTTP is a change of its own"
        assert await query(wiring.database_url, "SELECT reason FROM unmapped") == []
        # In order for each entity, as far as what is told for the first time.
        seen: dict[str, list[int]] = {}
        for entity in receiver.entities:
            seen.setdefault(entity["id"], []).append(int(entity["n"]))
        for entity_id, numbers in seen.items():
            first = list(dict.fromkeys(numbers))
            assert first == sorted(first), entity_id
        number = answer.headers["location"].rpartition("/")[2]
        deleted = await client.delete(f"{subscriptions}/{number}")
        assert deleted.status_code == 204
