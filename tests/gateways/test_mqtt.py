"""The MQTT gateway with a real NATS, real MQTT clients, and a broker that is real where the graph matters."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiomqtt
import pytest

from rhinecloud.broker import Applied, Broker, Operation, Overloaded, UnmappedMessage, Verdict
from rhinecloud.bus import Bus, Pull, ensure_intake
from rhinecloud.bus.intake import STREAM, look
from rhinecloud.gateways import MqttGateway
from rhinecloud.gateways.profiles import Confirmation, FixedProfiles, Profiles
from rhinecloud.gateways.taking import operations_of
from rhinecloud.model import BadRequestData
from rhinecloud.model.sight import EVERYTHING

from ..conftest import EXTERNAL_NATS, NatsServer

AT_ONCE = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
pytestmark = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")
DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"


class FakeBroker:
    """Remembers what it was told, by delivery as the real one does; can be away, and can refuse."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.refused: list[tuple[str, bytes, str]] = []
        self.known: set[str] = set()
        self.away = 0  # attempts that fail
        self.refuses: Callable[[Operation], bool] = lambda operation: False
        self.breaks: Callable[[Operation], bool] = lambda operation: False
        self.waits: Callable[[Operation], bool] = lambda operation: False

    async def apply(self, operations: Sequence[Operation]) -> list[Verdict]:
        await asyncio.sleep(0.001)
        while any(map(self.waits, operations)):
            await asyncio.sleep(0.001)
        if self.away:
            self.away -= 1
            raise ConnectionError("away")
        if any(map(self.breaks, operations)):
            raise ValueError("the whole statement breaks")
        verdicts: list[Verdict] = []
        for operation in operations:
            if self.refuses(operation):
                verdicts.append(BadRequestData("refused"))
            elif operation.delivery in self.known:
                verdicts.append(Applied(duplicate=True))
            else:
                if operation.delivery is not None:
                    self.known.add(operation.delivery)
                self.operations.append(operation)
                verdicts.append(Applied())
        return verdicts

    async def keep(self, messages: Sequence[UnmappedMessage]) -> None:
        self.refused += [(one.topic, one.payload, one.reason) for one in messages]

    def values(self, attribute: str = "n") -> list[Any]:
        return [o.attributes[DEFAULT + attribute][0]["value"] for o in self.operations]


async def eventually(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(bus: Bus, broker: Any, **options: Any) -> AsyncIterator[MqttGateway]:
    gateway = MqttGateway(bus, broker, **options)
    await gateway.open()
    try:
        yield gateway
    finally:
        await gateway.close()


def device(nats: NatsServer, name: str = "device") -> aiomqtt.Client:
    assert nats.mqtt_host is not None
    assert nats.mqtt_port is not None
    return aiomqtt.Client(nats.mqtt_host, nats.mqtt_port, identifier=name, socket_options=AT_ONCE)


async def test_every_quality_of_service_arrives_once(nats: NatsServer, bus: Bus) -> None:
    broker = FakeBroker()
    async with running(bus, broker) as gateway, device(nats) as client:
        for n in range(300):
            await client.publish(f"json/Lamp/{n % 3}", json.dumps({"n": n}), qos=n % 3)
        await eventually(lambda: len(broker.operations) >= 300)
        await asyncio.sleep(0.2)
        assert sorted(broker.values()) == list(range(300))
        for qos in (0, 1, 2):
            assert [n for n in broker.values() if n % 3 == qos] == list(range(qos, 300, 3))
        health = await gateway.health()
    assert (health["received"], health["received_qos0"], health["dropped_qos0"]) == (200, 100, 0)
    await eventually_empty(bus)


async def eventually_empty(bus: Bus) -> None:
    async with asyncio.timeout(10):
        while (await look(bus)).messages:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_what_cannot_be_mapped_is_kept_with_the_reason(nats: NatsServer, bus: Bus) -> None:
    broker = FakeBroker()
    broker.refuses = lambda operation: operation.entity_id.endswith(":refused")
    broker.breaks = lambda operation: operation.entity_id.endswith(":breaks")
    async with running(bus, broker), device(nats) as client:
        await client.publish("json/Lamp/1", b"{", qos=1)
        await client.publish("weather", b"sunny", qos=1)
        await client.publish("json/Lamp/1", b"no", qos=0)
        for name in ("good", "refused", "breaks", "good"):
            await client.publish(f"json/Lamp/{name}", b'{"n":1}', qos=1)
        await client.publish("json/Lamp/big", b" " * 300_000, qos=1)
        await eventually(lambda: len(broker.refused) == 6 and len(broker.operations) == 2)
    reasons = {(topic, payload[:10]): reason for topic, payload, reason in broker.refused}
    assert "no JSON" in reasons["json/Lamp/1", b"{"]
    assert "topic" in reasons["weather", b"sunny"]
    assert "no JSON" in reasons["json/Lamp/1", b"no"]
    assert reasons["json/Lamp/refused", b'{"n":1}'] == "refused"
    assert "breaks" in reasons["json/Lamp/breaks", b'{"n":1}']
    assert "300000 bytes" in reasons["json/Lamp/big", b" " * 10]
    await eventually_empty(bus)


async def test_nothing_is_acknowledged_while_the_broker_is_away(nats: NatsServer, bus: Bus) -> None:
    broker = FakeBroker()
    broker.away = 3
    async with running(bus, broker) as gateway, device(nats) as client:
        for n in range(50):
            await client.publish("json/Lamp/1", json.dumps({"n": n}), qos=1)
        assert (await look(bus)).messages == 50
        await eventually(lambda: len(broker.operations) == 50)
        assert broker.values() == list(range(50))
        assert gateway.counters.retries == 3
    await eventually_empty(bus)


@pytest.mark.usefixtures("impatient")
async def test_a_worker_that_dies_leaves_its_messages_to_the_next(nats: NatsServer, bus: Bus) -> None:
    dead = FakeBroker()
    dead.away = 10**9
    async with running(bus, dead), device(nats) as client:
        for n in range(20):
            await client.publish("json/Lamp/1", json.dumps({"n": n}), qos=1)
        await eventually(lambda: dead.away < 10**9)
    alive = FakeBroker()
    async with running(bus, alive):
        await eventually(lambda: len(alive.operations) == 20)
    assert alive.values() == list(range(20))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not acknowledged is delivered again after a second."""
    monkeypatch.setattr("rhinecloud.bus.intake.ACK_WAIT", 1.0)


async def test_two_workers_share_the_work(nats: NatsServer, bus: Bus) -> None:
    first, second = FakeBroker(), FakeBroker()
    other = await Bus.connect(nats.url, patience=10, **nats.credentials.options())
    async with running(bus, first), running(other, second), device(nats) as client:
        for n in range(200):
            await client.publish("json/Lamp/1", json.dumps({"n": n}), qos=n % 2)
        await eventually(lambda: len(first.operations) + len(second.operations) >= 200)
        await asyncio.sleep(0.2)
    assert sorted(first.values() + second.values()) == list(range(200))
    await other.close()


async def test_qos_0_is_dropped_and_counted_when_the_queue_is_full(
    nats: NatsServer, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhinecloud.gateways.taking._PAUSES", (0.2,))
    broker = FakeBroker()
    broker.away = 5
    async with running(bus, broker, queue=10) as gateway, device(nats) as client:
        for n in range(100):
            await client.publish("json/Lamp/1", json.dumps({"n": n}), qos=0)
        await eventually(lambda: gateway.counters.received_qos0 == 100)
        dropped = gateway.counters.dropped_qos0
        assert dropped >= 50
        await eventually(lambda: len(broker.operations) == 100 - dropped)


async def test_large_messages_of_qos_0_are_dropped_before_they_fill_the_memory(
    nats: NatsServer, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhinecloud.gateways.taking._PAUSES", (0.2,))
    monkeypatch.setattr("rhinecloud.gateways.mqtt.QUEUE_BYTES", 10_000)
    broker = FakeBroker()
    broker.away = 5
    async with running(bus, broker) as gateway, device(nats) as client:
        for n in range(100):
            await client.publish("json/Lamp/1", json.dumps({"n": n, "text": "x" * 1_000}), qos=0)
        await eventually(lambda: gateway.counters.received_qos0 == 100)
        assert gateway.counters.dropped_qos0 >= 90
        await eventually(lambda: len(broker.operations) == 100 - gateway.counters.dropped_qos0)
        before = len(broker.operations)
        await client.publish("json/Lamp/1", json.dumps({"n": 100}), qos=0)  # there is room again
        await eventually(lambda: len(broker.operations) == before + 1)


async def test_overload_is_waited_out(nats: NatsServer, bus: Bus) -> None:
    broker = FakeBroker()
    once = [Overloaded()]
    apply = broker.apply

    async def overloaded(operations: Sequence[Operation]) -> list[Verdict]:
        if once:
            raise once.pop()
        return await apply(operations)

    broker.apply = overloaded  # type: ignore[method-assign]
    async with running(bus, broker), device(nats) as client:
        await client.publish("json/Lamp/1", b'{"n":1}', qos=1)
        await eventually(lambda: broker.values() == [1])


async def test_a_bus_that_was_thrown_away_begins_anew(nats: NatsServer, bus: Bus) -> None:
    broker = FakeBroker()
    async with running(bus, broker), device(nats) as client:
        await client.publish("json/Lamp/1", b'{"n":1}', qos=1)
        await eventually(lambda: broker.values() == [1])
        await bus.streams.delete_stream(STREAM)
        async with asyncio.timeout(20):
            while True:
                try:
                    await look(bus)
                    break
                except ConnectionError:
                    await asyncio.sleep(0.1)
        async with device(nats, "another") as again:
            await again.publish("json/Lamp/1", b'{"n":2}', qos=1)
        await eventually(lambda: broker.values() == [1, 2])


def test_items_of_one_message_have_deliveries_of_their_own() -> None:
    def deliveries(payload: bytes, delivery: str | None) -> list[str | None]:
        mapped = FixedProfiles().read("json/L/1", payload, datetime(2026, 3, 1, tzinfo=UTC))
        return [operation.delivery for operation in operations_of(mapped, delivery)]

    assert deliveries(b'{"n":1}', "mqtt:1.2") == ["mqtt:1.2"]
    assert deliveries(b'[{"n":1},{"n":2}]', "mqtt:1.2") == ["mqtt:1.2.0", "mqtt:1.2.1"]
    assert deliveries(b'{"n":1}', None) == [None]


# With the real broker


@pytest.mark.usefixtures("impatient")
async def test_a_redelivery_changes_nothing(
    nats: NatsServer, bus: Bus, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several measurements of the same instant are all kept; each of them once, however often it comes."""

    async def lost(pull: Pull, deliveries: object) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(Pull, "acknowledge", lost)
        async with running(bus, broker) as first, device(nats) as client:
            for speed in (32, 35, 32):
                payload = {
                    "vehicleSpeed": {"value": speed, "unitCode": "KMH"},
                    "observedAt": "2016-10-24T06:37:29Z",
                }
                await client.publish("json/TrafficFlowObserved/moers", json.dumps(payload), qos=1)
            await client.publish("json/TrafficFlowObserved/moers", b"nonsense", qos=1)
            await eventually(lambda: first.counters.applied == 3 and first.counters.unmapped == 1)
    before = await state(broker)
    assert sorted(before["values"]) == [32, 32, 35]
    assert before["unmapped"] == 1
    async with running(bus, broker) as second:
        await eventually(lambda: second.counters.duplicates == 3 and second.counters.unmapped == 1)
        assert second.counters.applied == 0
    assert await state(broker) == before
    await eventually_empty(bus)


async def state(broker: Broker) -> dict[str, Any]:
    entity = await broker.retrieve("urn:ngsi-ld:TrafficFlowObserved:moers", sight=EVERYTHING)
    series = await broker.history(entity.id, DEFAULT + "vehicleSpeed", sight=EVERYTHING)
    pool = broker.database.pool
    return {
        "entity": entity,
        "times": series.times,
        "values": series.values,
        "changes": await pool.fetchval("SELECT count(*) FROM outbox"),
        "unmapped": await pool.fetchval("SELECT count(*) FROM unmapped"),
    }


async def test_values_without_a_time_keep_their_order(nats: NatsServer, bus: Bus, broker: Broker) -> None:
    async with running(bus, broker) as gateway, device(nats) as client:
        for n in range(200):
            await client.publish("json/Lamp/1", json.dumps({"n": n}), qos=1)
        await eventually(lambda: gateway.counters.applied == 200)
    entity = await broker.retrieve("urn:ngsi-ld:Lamp:1", sight=EVERYTHING)
    assert entity.attributes[DEFAULT + "n"][0]["value"] == 199
    assert (await broker.history(entity.id, DEFAULT + "n", sight=EVERYTHING)).values == list(range(200))


# Profiles


async def test_topics_of_every_profile_are_heard_once_whatever_the_quality_of_service(
    nats: NatsServer, bus: Bus
) -> None:
    broker = FakeBroker()
    topics = ["json/Lamp/a.b", "zigbee2mqtt/x", "tele/d/STATE"]
    async with running(bus, broker) as gateway, device(nats) as client:
        for topic in topics:
            for qos in (0, 1):
                await client.publish(topic, b'{"POWER":"ON","n":1}', qos=qos)
        await eventually(lambda: gateway.counters.received == gateway.counters.received_qos0 == len(topics))
        await eventually(lambda: len(broker.operations) == 6)
        # What no profile reads is nobody's, with QoS 0; and what is said on the bus comes from no device.
        for topic in ("unknown/topic", "json/Lamp/1/command", "zigbee2mqtt/bridge/set", "cmnd/d/POWER"):
            await client.publish(topic, b"x", qos=0)
        await bus.client.publish("json.Lamp.1", b'{"n":3}')
        await client.publish("json/Lamp/1", b'{"n":2}', qos=0)
        await eventually(lambda: len(broker.operations) == 7)
        assert gateway.counters.received_qos0 == len(topics) + 1
        await client.publish("zigbee2mqtt/bridge/set", b"x", qos=1)
        await eventually(lambda: gateway.counters.ignored == 1)
    assert broker.refused == []


async def test_confirmations_are_told_after_the_measurements_are_committed(
    nats: NatsServer, bus: Bus
) -> None:
    broker = FakeBroker()
    told: list[tuple[Confirmation, int]] = []
    away = [ConnectionError("away")]

    async def confirm(confirmation: Confirmation) -> None:
        if away:
            raise away.pop()
        told.append((confirmation, len(broker.operations)))

    async with running(bus, broker, confirm=confirm) as gateway, device(nats) as client:
        await client.publish("zigbee2mqtt/flur", b'{"state":"ON"}', qos=1)
        await client.publish("json/Lamp/7/confirm", b'{"version":3}', qos=1)
        await eventually(lambda: len(told) == 2)
        await eventually_empty(bus)
        assert gateway.counters.retries == 1
    by_device = {confirmation.device: (confirmation, committed) for confirmation, committed in told}
    assert by_device["flur"] == (Confirmation("flur", None, "done", reported={"state": "ON"}), 1)
    assert by_device["7"][0] == Confirmation("7", 3, "done")


async def test_a_device_that_sends_too_much_waits_behind_the_others_and_loses_nothing_that_was_promised(
    nats: NatsServer, bus: Bus
) -> None:
    broker = FakeBroker()
    broker.waits = lambda operation: "flood" in operation.entity_id and not broker.operations
    seen: list[tuple[str | None, int]] = []

    def count(device: str | None, topic: str, n: int, size: int, *at: int | None) -> bool:
        seen.append((device, n))
        return device != "flood"

    gateway = MqttGateway(bus, broker, seen=count, admits=lambda topic, size: "flood" not in topic)
    async with device(nats) as client:
        await ensure_intake(bus)
        for n in range(300):
            await client.publish("json/Lamp/flood", json.dumps({"n": n}), qos=1)
        await client.publish("json/Lamp/quiet", b'{"n":-1}', qos=1)
        await gateway.open()
        await eventually(lambda: len(broker.operations) == 301)
        await client.publish("json/Lamp/flood", b'{"n":-2}', qos=0)
        await eventually(lambda: gateway.counters.dropped_flood == 1)
        await eventually_empty(bus)
    await gateway.close()
    assert broker.values()[0] == -1
    assert broker.values()[1:] == list(range(300))
    assert sum(n for device, n in seen if device == "flood") == 300


async def test_a_profile_that_is_saved_is_heard_with_qos_0(
    nats: NatsServer, bus: Bus, broker: Broker
) -> None:
    profiles = Profiles(broker, bus)
    await profiles.open()
    gateway = MqttGateway(bus, broker, profiles)
    await gateway.open()
    own = {
        "name": "own",
        "topics": ["own/{device}", "own/{device}/x", "own/y/{device}"],
        "entity": {"type": "Thing"},
        "attributes": [{"name": "a", "path": "$.a"}],
    }
    await profiles.save(own, "operator")
    async with device(nats) as client, asyncio.timeout(15):
        while not gateway.counters.applied:
            await client.publish("own/7", b'{"a":1}', qos=0)
            await asyncio.sleep(0.02)
        before = gateway.counters.received_qos0
        for _ in range(50):
            await client.publish("own/y/x", b'{"a":2}', qos=0)  # two subscriptions have it
        await client.publish("own/8", b'{"a":2}', qos=0)
        await eventually(lambda: gateway.counters.received_qos0 - before >= 51)
        assert gateway.counters.received_qos0 - before == 51
        await profiles.delete("own", "operator")
        while "own.*" in gateway._listening:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await gateway.close()
    await profiles.close()
    assert (await broker.retrieve("urn:ngsi-ld:Thing:7", sight=EVERYTHING)).attributes[DEFAULT + "a"][0][
        "value"
    ] == 1
