"""The connection: publishing with acknowledgement, subscriptions, wake-ups, a server that goes away."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

from rhinecloud.bus import Bus, BusUnavailable, Pull
from rhinecloud.engines.nats import Nats
from rhinecloud.tasks import stop

from ..conftest import EXTERNAL_NATS, NatsServer

embedded_only = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="an external NATS is not ours to kill")


async def eventually(condition: Any, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def publish_again(bus: Bus, payload: bytes, msg_id: str) -> None:
    """Until the bus is back and takes it."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await bus.publish("changes.city", payload, msg_id)
            except BusUnavailable:
                await asyncio.sleep(0.1)


async def hold(child: Nats) -> None:
    """Stop a process where it is. The signal is not enough: until the system gets round to it, its threads go on."""
    child.send(signal.SIGSTOP)
    assert child.process is not None
    threads = Path(f"/proc/{child.process.pid}/task")
    await eventually(
        lambda: all(
            (one / "stat").read_text().rpartition(")")[2].split()[0] == "T" for one in threads.iterdir()
        )
    )


async def test_a_message_id_is_stored_once(bus: Bus) -> None:
    await bus.ensure_changes("city", 1)
    await asyncio.gather(*(bus.publish("changes.city", b"x", f"m{n % 50}") for n in range(100)))
    assert (await bus.streams.stream_info("CHANGES")).state.messages == 50


async def test_a_new_epoch_forgets_the_old_changes_of_its_tenant_only(bus: Bus) -> None:
    await bus.ensure_changes("city", 1)
    await bus.ensure_changes("other", 1)
    await bus.publish("changes.city", b"x", "city.1")
    await bus.publish("changes.other", b"x", "other.1")
    await bus.ensure_changes("city", 1)
    assert (await bus.streams.stream_info("CHANGES")).state.messages == 2
    await bus.ensure_changes("city", 2)
    info = await bus.streams.stream_info("CHANGES", subjects_filter=">")
    assert info.state.subjects == {"changes.other": 1}
    assert info.config.metadata is not None
    assert info.config.metadata["epoch.city"] == "2"
    assert info.config.metadata["epoch.other"] == "1"


async def test_publishing_without_a_stream_is_an_error(bus: Bus) -> None:
    with pytest.raises(BusUnavailable):
        await bus.publish("changes.nowhere", b"x", "1")


async def test_no_server_is_an_error_in_time() -> None:
    with pytest.raises(BusUnavailable):
        await Bus.connect("nats://127.0.0.1:9", patience=0.3)


async def test_wake_ups_reach_other_connections(nats: NatsServer, bus: Bus) -> None:
    woken: list[int] = []
    await bus.on_wake("relay", lambda: woken.append(1))
    other = await Bus.connect(nats.url, patience=10, **nats.credentials.options())
    await other.wake("relay")
    await eventually(lambda: woken)
    await other.close()


@embedded_only
async def test_subscriptions_and_streams_survive_a_killed_server(nats: NatsServer, bus: Bus) -> None:
    await bus.ensure_changes("city", 1)
    got: list[bytes] = []

    async def remember(payload: bytes) -> None:
        got.append(payload)

    await bus.subscribe("changes.city", remember)
    await bus.publish("changes.city", b"before", "1")
    await asyncio.to_thread(nats.restart)
    await publish_again(bus, b"after", "2")
    await eventually(lambda: got == [b"before", b"after"])
    assert (await bus.streams.stream_info("CHANGES")).state.messages == 2
    assert bus.health()["reconnections"] == 1


@embedded_only
async def test_nobody_waits_for_an_answer_that_broke_with_the_connection(nats: NatsServer) -> None:
    assert nats.child is not None
    bus = await Bus.connect(nats.url, patience=10, **nats.credentials.options())
    bus.streams = bus.client.jetstream(timeout=3_600)
    await bus.ensure_changes("city", 1)
    await hold(nats.child)
    asked = [asyncio.create_task(bus.publish("changes.city", b"x", str(n))) for n in range(3)]
    await asyncio.sleep(0.05)
    await asyncio.to_thread(nats.restart)
    async with asyncio.timeout(30):
        told = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in told] == [BusUnavailable] * 3
    await publish_again(bus, b"x", "4")
    await bus.close()


@embedded_only
async def test_a_pull_goes_on_after_the_server_was_killed(nats: NatsServer, bus: Bus) -> None:
    await bus.ensure_stream(StreamConfig(name="S", subjects=["s.>"]))
    await bus.ensure_consumer(
        "S", ConsumerConfig(durable_name="c", ack_policy=AckPolicy.EXPLICIT, ack_wait=2)
    )
    pull = Pull(bus, "S", "c", ahead=20)
    await pull.open()
    seen: set[int] = set()

    async def follow() -> None:
        while True:
            batch = await pull.batch(7)
            seen.update(delivery.sequence for delivery in batch)
            await pull.acknowledge(batch)

    task = asyncio.create_task(follow())
    for n in range(100):
        await bus.publish("s.x", b"x", str(n))
    await eventually(lambda: len(seen) == 100)
    await asyncio.to_thread(nats.restart)
    await eventually(lambda: bus.connected)
    for n in range(100, 150):
        await bus.publish("s.x", b"x", str(n))
    await eventually(lambda: len(seen) == 150, 20)
    await stop(task)
    await pull.close()


async def test_a_pull_says_that_its_consumer_is_gone(bus: Bus) -> None:
    await bus.ensure_stream(StreamConfig(name="S", subjects=["s.>"]))
    await bus.ensure_consumer("S", ConsumerConfig(durable_name="c", ack_policy=AckPolicy.EXPLICIT))
    pull = Pull(bus, "S", "c")
    await pull.open()
    waiting = asyncio.create_task(pull.batch())
    await asyncio.sleep(0.1)
    await bus.streams.delete_stream("S")
    with pytest.raises(BusUnavailable):
        async with asyncio.timeout(10):
            await waiting
    with pytest.raises(BusUnavailable):
        async with asyncio.timeout(10):
            await pull.batch()
    await pull.close()
