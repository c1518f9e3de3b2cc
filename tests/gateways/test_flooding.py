"""A device that floods beside one that does not: the quiet one is not made to wait for the loud one's messages.

Counted, not timed: how many messages of the loud one were handled before the quiet one's, which came after them all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest

from rhinecloud.broker import Operation, Verdict
from rhinecloud.bus import Bus, ensure_intake
from rhinecloud.bus.intake import look
from rhinecloud.gateways import MqttGateway
from rhinecloud.gateways.meter import Meter
from rhinecloud.gateways.mqtt import BATCH

from ..conftest import EXTERNAL_NATS, NatsServer
from .test_mqtt import FakeBroker, device, eventually

pytestmark = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")
LOUD, QUIET = 4_000, 20


class SlowBroker(FakeBroker):
    """As slow as a database."""

    async def apply(self, operations: Sequence[Operation]) -> list[Verdict]:
        await asyncio.sleep(0.02)
        return await super().apply(operations)

    def handled(self, name: str) -> list[int]:
        """At which place each message of a device was handled."""
        return [at for at, one in enumerate(self.operations) if one.entity_id.endswith(f":{name}")]


class Nobody:
    """Neither writes nor cuts off: the loud one goes on."""

    def __init__(self) -> None:
        self.named: list[str | None] = []

    async def raise_(self, device: str | None, kind: str, detail: Mapping[str, Any]) -> None:
        self.named.append(device)

    async def heard(self, times: Mapping[str, datetime]) -> None:
        return None


@asynccontextmanager
async def metered(bus: Bus, broker: FakeBroker, limit: int) -> AsyncIterator[tuple[MqttGateway, Nobody]]:
    nobody = Nobody()
    meter = Meter(bus, nobody.heard, nobody, None, limit)
    gateway = MqttGateway(bus, broker, seen=meter.seen, admits=meter.admits)
    await meter.open()
    await gateway.open()
    try:
        yield gateway, nobody
    finally:
        await gateway.close()
        await meter.close()


async def loud_then_quiet(nats: NatsServer) -> None:
    """All of them are acknowledged to the devices before anybody reads."""
    async with device(nats, "loud") as client:
        client.pending_calls_threshold = LOUD
        for start in range(0, LOUD, 500):
            numbers = range(start, start + 500)
            await asyncio.gather(
                *(client.publish("json/Lamp/loud", json.dumps({"n": n}), qos=1) for n in numbers)
            )
    async with device(nats, "quiet") as client:
        for n in range(QUIET):
            await client.publish("json/Lamp/quiet", json.dumps({"n": n}), qos=1)


@pytest.mark.parametrize("limit", [50, 0])
async def test_a_quiet_device_does_not_wait_for_a_flood(nats: NatsServer, bus: Bus, limit: int) -> None:
    """Without a limit it does: that is what the limit is for."""
    await ensure_intake(bus)
    await loud_then_quiet(nats)
    broker = SlowBroker()
    async with metered(bus, broker, limit) as (_, nobody):
        await eventually(lambda: len(broker.operations) == LOUD + QUIET, 60)
        if limit:
            await eventually(lambda: nobody.named == ["loud"])
    before = broker.handled("quiet")[-1] - (QUIET - 1)
    print(f"{before} of the loud one before the quiet one")
    if limit:
        # What was handled until it was known to flood, and what went on beside the reading of the others.
        assert before <= 4 * BATCH
    else:
        assert before >= LOUD - BATCH  # those of one batch are handled side by side
        assert nobody.named == []
    # Whatever was acknowledged is handled, once, and in the order of the device.
    assert [one.attributes for one in broker.operations if one.entity_id.endswith(":quiet")] == [
        one.attributes for one in sorted_by_number(broker, "quiet")
    ]
    assert sorted(broker.values()) == sorted([*range(LOUD), *range(QUIET)])
    async with asyncio.timeout(10):
        while (await look(bus)).messages:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def sorted_by_number(broker: FakeBroker, name: str) -> list[Operation]:
    found = [one for one in broker.operations if one.entity_id.endswith(f":{name}")]
    return sorted(found, key=lambda one: next(iter(one.attributes.values()))[0]["value"])


async def test_what_floods_without_acknowledgement_is_dropped_and_counted(nats: NatsServer, bus: Bus) -> None:
    broker = FakeBroker()
    async with metered(bus, broker, 20) as (gateway, nobody):
        async with device(nats, "loud") as loud, device(nats, "quiet") as quiet:
            for n in range(1_000):
                await loud.publish("json/Lamp/loud", json.dumps({"n": n}), qos=0)
                if n % 100 == 0:
                    await quiet.publish("json/Lamp/quiet", json.dumps({"n": n}), qos=0)
            counters = gateway.counters
            await eventually(lambda: counters.received_qos0 == 1_010)
            await eventually(lambda: len(broker.operations) == 1_010 - counters.dropped_flood)
        await eventually(lambda: nobody.named == ["loud"])
    assert counters.dropped_qos0 == 0
    assert counters.dropped_flood > 500
    assert len([one for one in broker.operations if one.entity_id.endswith(":quiet")]) == 10
