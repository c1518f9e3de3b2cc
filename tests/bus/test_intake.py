"""What NATS makes of MQTT: the facts on which the intake rests, tried on the real server."""

from __future__ import annotations

import asyncio
import socket

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.bus import Bus, Message, Pull, ensure_intake
from rhinecloud.bus.intake import CONSUMER, PREFIX, QOS_HEADER, STREAM, look, subject_of, topic_of

from ..conftest import EXTERNAL_NATS, NatsServer

AT_ONCE = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
pytestmark = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")


def device(nats: NatsServer, name: str = "device") -> aiomqtt.Client:
    assert nats.mqtt_host is not None
    assert nats.mqtt_port is not None
    return aiomqtt.Client(nats.mqtt_host, nats.mqtt_port, identifier=name, socket_options=AT_ONCE)


async def test_what_is_acknowledged_waits_for_us_whatever_its_topic(nats: NatsServer, bus: Bus) -> None:
    await ensure_intake(bus)
    topics = ["json/Lamp/1", "json/Lamp/a.b", "other/x", "json//x", "/json/x/", "json/Lamp/ü", "json/a*b/c>d"]
    async with device(nats) as client:
        for qos, topic in [(1, topic) for topic in topics] + [(2, "json/Lamp/2")]:
            await client.publish(topic, b"{}", qos=qos)
    assert (await look(bus)).messages == len(topics) + 1
    pull = Pull(bus, STREAM, CONSUMER)
    await pull.open()
    found = []
    async with asyncio.timeout(20):
        while len(found) < len(topics) + 1:
            batch = await pull.batch()
            found += batch
            await pull.acknowledge(batch)
    assert [topic_of(d.subject.removeprefix(PREFIX)) for d in found] == [*topics, "json/Lamp/2"]
    assert [d.sequence for d in found] == list(range(1, len(found) + 1))
    await pull.close()


async def test_core_carries_every_quality_and_says_which(nats: NatsServer, bus: Bus) -> None:
    await ensure_intake(bus)
    got: list[Message] = []
    await bus.listen("json.>", got.append)
    await bus.client.flush()
    async with device(nats) as client:
        for qos in (0, 1, 2):
            await client.publish("json/Lamp/1", str(qos), qos=qos)
        await client.publish("json/Lamp/1", "1", qos=1)
    async with asyncio.timeout(5):
        while len(got) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert [(m.headers[QOS_HEADER], m.payload) for m in got] == [
        ("0", b"0"),
        ("1", b"1"),
        ("2", b"2"),
        ("1", b"1"),
    ]
    assert (await look(bus)).messages == 3


async def test_a_full_intake_refuses_instead_of_lying(nats: NatsServer, bus: Bus) -> None:
    await ensure_intake(bus, max_bytes=20_000)
    acknowledged = 0
    with pytest.raises(aiomqtt.MqttError):
        async with device(nats, "first") as client:
            for _ in range(1_000):
                await client.publish("json/Lamp/1", b"x" * 100, qos=1, timeout=2)
                acknowledged += 1
    state = await look(bus)
    assert 50 < acknowledged == state.messages
    pull = Pull(bus, STREAM, CONSUMER)
    await pull.open()
    async with asyncio.timeout(20):
        while acknowledged:
            batch = await pull.batch(50)
            await pull.acknowledge(batch)
            acknowledged -= len(batch)
    await bus.client.flush()
    async with device(nats, "second") as client:
        await client.publish("json/Lamp/1", b"there is room again", qos=1, timeout=5)
    await pull.close()


async def test_the_limit_is_also_set_on_a_stream_that_the_server_made(nats: NatsServer, bus: Bus) -> None:
    async with device(nats) as client:
        await client.publish("json/Lamp/1", b"nobody is there", qos=1)
    assert (await bus.streams.stream_info(STREAM)).config.max_bytes == -1
    state = await ensure_intake(bus)
    assert state.max_bytes > 0
    async with device(nats) as client:
        await client.publish("json/Lamp/1", b"kept", qos=1)
    assert (await look(bus)).messages == 1


async def test_the_name_of_a_delivery_outlives_a_killed_server(nats: NatsServer, bus: Bus) -> None:
    await ensure_intake(bus)
    async with device(nats) as client:
        await client.publish("json/Lamp/1", b"{}", qos=1)
    pull = Pull(bus, STREAM, CONSUMER)
    await pull.open()
    async with asyncio.timeout(10):
        (before,) = await pull.batch()
    await asyncio.to_thread(nats.restart)
    async with asyncio.timeout(10):
        while not bus.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await bus.client.publish(before.reply, b"-NAK")
    async with asyncio.timeout(10):
        after = await pull.batch()
    # How often it is delivered is not promised: NATS writes that down a little later than the kill may come, and then
    # delivers it once because it was refused and once more because it does not know of the first time.
    assert {(d.sequence, d.at, d.payload) for d in after} == {(before.sequence, before.at, before.payload)}
    await pull.close()


@given(st.lists(st.text(st.characters(exclude_characters="/+# \x00\t\r\n\f"), max_size=6), min_size=1))
def test_topics_and_subjects_are_each_others_inverse(levels: list[str]) -> None:
    topic = "/".join(levels)
    assert topic_of(subject_of(topic)) == topic
