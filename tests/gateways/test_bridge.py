"""The bridge with real foreign brokers: what they acknowledged is committed here, then acknowledged to them."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiomqtt
import pytest
import trustme

from rhinecloud.bridge_address import parse
from rhinecloud.broker import Broker
from rhinecloud.bus import Bus
from rhinecloud.engines.postgresql import free_port
from rhinecloud.gateways.bridge import Bridges
from rhinecloud.gateways.bridge import bridge as bridging
from rhinecloud.gateways.bridge.line import Line, Received
from rhinecloud.gateways.mqtt import Flag, Incoming, MqttGateway
from rhinecloud.model.sight import EVERYTHING

from ..conftest import new_folder
from . import foreign
from .foreign import Foreign

N = "https://uri.etsi.org/ngsi-ld/default-context/n"
SECRET = "gr0sses-geheimnis"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a broker that is away, nor for a report."""
    monkeypatch.setattr(bridging, "_PAUSES", (0.1, 0.2, 0.5))
    monkeypatch.setattr(bridging, "_HEARTBEAT", 0.05)
    monkeypatch.setattr(bridging, "_AGAIN", 0.1)


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = new_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["nats", "mosquitto"])
def broker_there(request: pytest.FixtureRequest, folder: Path, programs: Path) -> Iterator[Foreign]:
    """A foreign broker, of each kind."""
    there = foreign.nats(folder, programs) if request.param == "nats" else foreign.mosquitto(folder)
    yield from running(there)


def running(there: Foreign) -> Iterator[Foreign]:
    there.start()
    try:
        yield there
    finally:
        there.kill()


@pytest.fixture
def graph(broker: Broker) -> Broker:
    """What came over the bridge."""
    return broker


class Gateway:
    """The real one; can be made to wait before the commit, and remembers."""

    def __init__(self, graph: Broker) -> None:
        self.real = MqttGateway(cast(Bus, graph._bus), graph)
        self.may_commit = asyncio.Event()
        self.may_commit.set()
        self.offered: list[Incoming] = []
        self.taken: list[Incoming] = []

    async def take(self, messages: Sequence[Incoming]) -> None:
        self.offered += messages
        await self.may_commit.wait()
        await self.real.take(messages)
        self.taken += messages


@asynccontextmanager
async def bridged(
    graph: Broker, text: str, flag: Flag | None = None
) -> AsyncIterator[tuple[Bridges, Gateway]]:
    gateway = Gateway(graph)
    bridges = Bridges(graph.database, gateway, parse(text), flag)
    bridges.open()
    try:
        yield bridges, gateway
    finally:
        await bridges.close()


async def status(bridges: Bridges) -> dict[str, Any]:
    health = await bridges.health()
    assert health is not None
    (figures,) = (value for value in health.values() if isinstance(value, dict))
    return dict(figures)


async def reported(
    bridges: Bridges, condition: Callable[[dict[str, Any]], Any], seconds: float = 20.0
) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := condition(await status(bridges))):
            await asyncio.sleep(0.02)
    return found


async def connected(bridges: Bridges) -> None:
    await reported(bridges, lambda figures: figures["connected"])


async def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def publish(there: Foreign, numbers: Sequence[int], name: str = "sender", **options: Any) -> None:
    options = {"qos": 1, **options}
    async with there.client(name) as client:
        for n in numbers:
            await client.publish(f"json/Lamp/{n % 3}", json.dumps({"n": n}), **options)


async def history(graph: Broker) -> Counter[int]:
    found: Counter[int] = Counter()
    for number in range(3):
        found.update(
            (await graph.history(f"urn:ngsi-ld:Lamp:{number}", N, limit=100_000, sight=EVERYTHING)).values
        )
    return found


def address(there: Foreign, rest: str = "topic=json/%23") -> str:
    return f"mqtt://127.0.0.1:{there.port}/?{rest}"


async def test_what_is_published_there_is_in_the_graph_here(broker_there: Foreign, graph: Broker) -> None:
    async with bridged(graph, address(broker_there)) as (bridges, gateway):
        await connected(bridges)
        await publish(broker_there, range(150))
        await publish(broker_there, range(150, 200), qos=0)
        await eventually(lambda: len(gateway.taken) == 200)
        figures = await reported(bridges, lambda figures: figures["taken"] == 200 and figures)
    assert await history(graph) == Counter(range(200))
    assert (figures["received"], figures["received_qos0"], figures["redelivered"]) == (200, 50, 0)
    assert all(
        message.delivery is None for message in gateway.taken if json.loads(message.payload)["n"] >= 150
    )


async def test_nothing_is_acknowledged_before_the_commit(broker_there: Foreign, graph: Broker) -> None:
    """The first one dies before the commit; the next one, elsewhere, is given everything."""
    async with bridged(graph, address(broker_there)) as (bridges, dead):
        await connected(bridges)
        dead.may_commit.clear()
        await publish(broker_there, range(60))
        await eventually(lambda: dead.offered)
    assert dead.taken == []
    await publish(broker_there, range(60, 90), "another")
    async with bridged(graph, address(broker_there)) as (_, alive):
        await eventually(lambda: {*numbers(alive)} == {*range(90)})
    assert await history(graph) == Counter(range(90))


async def test_a_redelivery_of_what_was_committed_changes_nothing(
    broker_there: Foreign, graph: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(line: Line, messages: list[Received]) -> None:
        return None

    async with bridged(graph, address(broker_there)) as (bridges, first):
        await connected(bridges)
        with monkeypatch.context() as patch:
            patch.setattr(Line, "acknowledge", lost)
            # The same content again and again: only the packet identifiers tell these apart.
            async with broker_there.client("sender") as client:
                for _ in range(15):
                    await client.publish("json/Lamp/0", b'{"n":1}', qos=1)
            await eventually(lambda: len(first.taken) >= 15)
            assert await history(graph) == Counter({1: 15})
            await bridges.close()
    async with bridged(graph, address(broker_there)) as (bridges, second):
        await eventually(lambda: len({message.delivery for message in second.taken}) == 15)
        figures = await reported(bridges, lambda figures: figures["known"] >= 15 and figures)
        # Acknowledged now, so that the next ones are new, although their content is the same.
        await publish_same(broker_there, 5)
        await eventually(lambda: len({message.delivery for message in second.taken}) == 20)
    assert figures["known"] == figures["redelivered"]
    assert await history(graph) == Counter({1: 20})


async def publish_same(there: Foreign, times: int) -> None:
    async with there.client("sender") as client:
        for _ in range(times):
            await client.publish("json/Lamp/0", b'{"n":1}', qos=1)


async def test_a_broker_that_comes_back_goes_on_where_it_stopped(
    broker_there: Foreign, graph: Broker
) -> None:
    async with bridged(graph, address(broker_there)) as (bridges, gateway):
        await connected(bridges)
        await publish(broker_there, range(30))
        await eventually(lambda: len(gateway.taken) == 30)
        broker_there.stop()
        problem = await reported(bridges, lambda figures: not figures["connected"] and figures["problem"])
        assert problem
        broker_there.start()
        await connected(bridges)
        await publish(broker_there, range(30, 60))
        await eventually(lambda: {*numbers(gateway)} == {*range(60)})
        figures = await status(bridges)
    assert (figures["reconnections"], figures["sessions_lost"]) == (1, 0)
    assert await history(graph) == Counter(range(60))


async def test_two_workers_elect_one_and_the_other_goes_on(broker_there: Foreign, graph: Broker) -> None:
    async with bridged(graph, address(broker_there)) as (one, first):
        await connected(one)
        async with bridged(graph, address(broker_there)) as (other, second):
            await connected(other)  # told by the first: it is one bridge
            await publish(broker_there, range(50))
            await eventually(lambda: numbers(first) == list(range(50)))
            assert second.offered == []
            await one.close()
            await publish(broker_there, range(50, 100))
            await eventually(lambda: {*range(50, 100)} <= {*numbers(second)})
    assert await history(graph) == Counter(range(100))


async def test_topics_that_are_not_wanted_any_more_end(broker_there: Foreign, graph: Broker) -> None:
    for text, begin, wanted in (
        ("topic=json/Lamp/0&topic=json/Lamp/1", 0, {0, 1}),
        ("topic=json/Lamp/2&topic=json/Lamp/1", 30, {1, 2}),
    ):
        async with bridged(graph, address(broker_there, text)) as (bridges, gateway):
            await connected(bridges)
            await publish(broker_there, range(begin, begin + 30))
            await eventually(lambda: begin + 28 in numbers(gateway))  # noqa: B023
            await publish(broker_there, [begin + 31])  # of the topic that both have, and after all others
            await eventually(lambda: begin + 31 in numbers(gateway))  # noqa: B023
        assert {n for n in numbers(gateway) if n >= begin} == {
            *(n for n in range(begin, begin + 30) if n % 3 in wanted),
            begin + 31,
        }


async def test_a_prefix_stands_before_the_topic(broker_there: Foreign, graph: Broker) -> None:
    async with bridged(graph, address(broker_there, "topic=+&prefix=json/Lamp")) as (bridges, gateway):
        await connected(bridges)
        async with broker_there.client("sender") as client:
            await client.publish("2", b'{"n":7}', qos=1)
        await eventually(lambda: gateway.taken)
    assert await history(graph) == Counter([7])


async def test_retained_messages_are_old_and_left_unless_asked_for(
    broker_there: Foreign, graph: Broker
) -> None:
    await publish(broker_there, [1], retain=True)
    async with bridged(graph, address(broker_there)) as (bridges, gateway):
        await connected(bridges)
        await reported(bridges, lambda figures: figures["retained_left"] == 1)
        await publish(broker_there, [2], retain=True)  # that one is news
        await eventually(lambda: len(gateway.taken) == 1)
    asked = address(broker_there, "topic=json/%23&retained=yes&name=another")
    async with bridged(graph, asked) as (bridges, gateway):
        await eventually(lambda: len(gateway.taken) == 2)
    assert await history(graph) == Counter([1, 2, 2])


async def test_a_session_that_the_broker_forgot_is_told(broker_there: Foreign, graph: Broker) -> None:
    alarms = []

    async def flag(device: str | None, kind: str, detail: dict[str, Any]) -> None:
        alarms.append((device, kind, detail["problem"]))

    text = address(broker_there, "topic=json/%23&client=ours")
    async with bridged(graph, text) as (bridges, gateway):
        await connected(bridges)
        await publish(broker_there, range(3))
        await eventually(lambda: len(gateway.taken) == 3)
    async with broker_there.client("ours", clean_session=True):
        pass  # ends the session of that name
    await publish(broker_there, range(3, 6))
    async with bridged(graph, text, flag) as (bridges, gateway):
        await reported(bridges, lambda figures: figures["sessions_lost"] == 1 and figures["connected"])
        await publish(broker_there, range(6, 9))
        await eventually(lambda: len(gateway.taken) == 3)
    assert await history(graph) == Counter([0, 1, 2, 6, 7, 8])
    ((device, kind, problem),) = alarms
    assert (device, kind) == (None, "bridge")
    assert "forgotten our session" in problem


async def test_a_broker_that_stays_away_is_told_once(folder: Path, graph: Broker) -> None:
    alarms = []

    async def flag(device: str | None, kind: str, detail: dict[str, Any]) -> None:
        alarms.append((device, kind, detail["bridge"], detail["problem"]))

    text = f"mqtt://city:{SECRET}@127.0.0.1:{free_port('127.0.0.1')}/?topic=json/%23&name=gone"
    async with bridged(graph, text, flag) as (bridges, _):
        await eventually(lambda: alarms)
        await asyncio.sleep(1.2)  # two pauses
        health = await bridges.health()
    assert alarms == [(None, "bridge", "gone", "[Errno 111] Connection refused")]
    assert health is not None
    assert health["away"] == 1
    assert health["gone"]["problem"] == "[Errno 111] Connection refused"


async def test_a_full_memory_is_not_read_into(
    broker_there: Foreign, graph: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of QoS 1 nothing is lost, of QoS 0 it is counted."""
    monkeypatch.setattr("rhinecloud.gateways.bridge.line.MOST_WAITING", 10)
    async with bridged(graph, address(broker_there)) as (bridges, gateway):
        await connected(bridges)
        gateway.may_commit.clear()
        await publish(broker_there, [0])
        await eventually(lambda: gateway.offered)
        await publish(broker_there, range(1, 101))
        await publish(broker_there, range(1000, 1100), qos=0)
        gateway.may_commit.set()
        await eventually(lambda: {n for n in numbers(gateway) if n < 1000} == set(range(101)))
        figures = await status(bridges)
        async with asyncio.timeout(20):
            while figures["dropped_qos0"] + sum(n >= 1000 for n in numbers(gateway)) < 100:
                await asyncio.sleep(0.02)
                figures = await status(bridges)
    found = await history(graph)
    assert {n: found[n] for n in range(101)} == dict.fromkeys(range(101), 1)


def numbers(gateway: Gateway) -> list[int]:
    return [json.loads(message.payload)["n"] for message in gateway.taken]


async def test_refused_topics_are_named_and_the_others_come(
    folder: Path, programs: Path, graph: Broker
) -> None:
    for there in running(foreign.nats(folder, programs, closed="secret.>")):
        async with bridged(graph, address(there, "topic=json/%23&topic=secret/%23")) as (bridges, gateway):
            await reported(bridges, lambda figures: figures["refused_topics"] == ["secret/#"])
            await publish(there, [5])
            await eventually(lambda: gateway.taken)


async def test_a_broker_that_greets_and_leaves_is_asked_again(graph: Broker) -> None:
    """The end comes in the same breath as the greeting: it is noticed all the same."""
    greeted = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        writer.write(b"\x20\x02\x01\x00")  # CONNACK: the session is there
        writer.close()
        greeted.append(1)

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with bridged(graph, f"mqtt://127.0.0.1:{port}/?topic=a"):
        # What the table says of a session that was never begun here: nothing is missing.
        await eventually(lambda: len(greeted) >= 2)
        await graph.database.pool.execute("UPDATE bridge SET topics = '{a}'")
    greeted.clear()
    async with bridged(graph, f"mqtt://127.0.0.1:{port}/?topic=a"):
        await eventually(lambda: len(greeted) >= 10)
    server.close()
    await server.wait_closed()


async def test_tls_and_passwords(folder: Path, graph: Broker, caplog: pytest.LogCaptureFixture) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    there = foreign.mosquitto(
        folder,
        "allow_anonymous false",
        f"password_file {folder}/passwords",
        f"certfile {folder}/cert.pem",
        f"keyfile {folder}/key.pem",
    )
    passwords = ["mosquitto_passwd", "-b", "-c", str(folder / "passwords"), "city", SECRET]
    await asyncio.to_thread(subprocess.run, passwords, check=True)

    def secure(user: str, rest: str) -> str:
        return f"mqtts://{user}@127.0.0.1:{there.port}/?topic=json/%23{rest}"

    for _ in running(there):
        for text, complaint in (
            (secure(f"city:{SECRET}", ""), "certificate verify failed"),
            (secure(f"city:{SECRET}x", f"&ca={folder}/ca.pem"), "ot authori"),
            (secure(f"city:{SECRET}", f"&ca={folder}/none.pem"), "certificates cannot be used"),
        ):
            async with bridged(graph, text) as (bridges, _):
                await reported(bridges, lambda figures, told=complaint: told in (figures["problem"] or ""))
                assert SECRET not in json.dumps(await bridges.health())
        async with bridged(graph, secure(f"city:{SECRET}", f"&ca={folder}/ca.pem")) as (bridges, gateway):
            await connected(bridges)
            context = aiomqtt.TLSParameters(ca_certs=str(folder / "ca.pem"))
            async with there.client("sender", username="city", password=SECRET, tls_params=context) as client:
                await client.publish("json/Lamp/1", b'{"n":4}', qos=1)
            await eventually(lambda: gateway.taken)
    assert await history(graph) == Counter([4])
    assert SECRET not in caplog.text


async def test_without_an_address_there_is_no_bridge(graph: Broker) -> None:
    bridges = Bridges(graph.database, Gateway(graph), ())
    bridges.open()
    assert await bridges.health() is None
    await bridges.close()
