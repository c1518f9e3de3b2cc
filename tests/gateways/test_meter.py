"""The meter with a real NATS between workers: the sum over them counts, and one of them acts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from rhinecloud.bus import Bus
from rhinecloud.gateways import meter as metering
from rhinecloud.gateways.meter import Meter

from ..conftest import NatsServer

LIMIT = 50


class Offices:
    """Remembers what a meter did: alarms, refusals, and when devices were heard."""

    def __init__(self) -> None:
        self.alarms: list[tuple[str | None, str, dict[str, Any]]] = []
        self.refused: list[tuple[str, float]] = []
        self.heard: dict[str, datetime] = {}
        self.away = 0

    async def raise_(self, device: str | None, kind: str, detail: Mapping[str, Any]) -> None:
        self.alarms.append((device, kind, dict(detail)))

    async def disconnect(self, device: str, refuse_seconds: float) -> int:
        self.refused.append((device, refuse_seconds))
        return 1

    async def write(self, times: Mapping[str, datetime]) -> None:
        if self.away:
            self.away -= 1
            raise ConnectionError("away")
        for device, at in times.items():
            self.heard[device] = max(at, self.heard.get(device, at))


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "_TICK", 0.02)
    monkeypatch.setattr(metering, "_WRITE_EVERY", 0.05)


@pytest_asyncio.fixture
async def workers(nats: NatsServer) -> AsyncIterator[tuple[list[Meter], Offices]]:
    """Three workers."""
    offices, meters, buses = Offices(), [], []
    for _ in range(3):
        bus = await Bus.connect(nats.url, patience=10, **nats.credentials.options())
        meter = Meter(bus, offices.write, offices, offices, LIMIT)
        await meter.open()
        buses.append(bus)
        meters.append(meter)
    yield meters, offices
    for meter in meters:
        await meter.close()
    for bus in buses:
        await bus.close()


async def eventually(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def test_the_sum_over_workers_counts_and_one_of_them_acts(workers: tuple[list[Meter], Offices]) -> None:
    """No worker alone sees more than the limit."""
    meters, offices = workers
    a_third = LIMIT * 10 // 3 - 10
    for meter in meters:
        assert meter.seen("loud", "json/T/loud", a_third, 1_000)
        assert meter.seen("quiet", "json/T/quiet", 10, 100)
    # Who acts is the first of those that are known to hear the device: each knows all of them before it is too much.
    await eventually(lambda: all(meter._floods.rate("loud") > LIMIT * 0.9 for meter in meters))
    assert offices.alarms == []
    for meter in meters:
        assert meter.seen("loud", "json/T/loud", a_third, 1_000)
    await eventually(lambda: all(meter.slowed_for("loud") for meter in meters))
    await eventually(lambda: offices.alarms)
    for meter in meters:
        assert not meter.seen("loud", "json/T/loud", 1, 10)
        assert not meter.seen("loud", "json/T/loud/another", 1, 10)
        assert meter.is_slowed("json/T/loud/another")
        assert meter.seen("quiet", "json/T/quiet", 1, 10)
        assert meter.slowed_for("quiet") == 0.0
        assert meter.health()["flooding"] == "loud"
    await asyncio.sleep(0.1)  # the others would have acted by now
    ((device, kind, detail),) = offices.alarms
    assert (device, kind) == ("loud", "flood")
    assert LIMIT < detail["messages_per_second"] <= 120.0
    assert (detail["limit"], detail["topic"], detail["refused_seconds"]) == (LIMIT, "json/T/loud", 5.0)
    assert offices.refused == [("loud", 5.0)]


async def test_one_worker_alone_need_not_ask(workers: tuple[list[Meter], Offices]) -> None:
    """It slows at once; that the device is named follows."""
    (meter, *_), offices = workers
    answers = [meter.seen("loud", "json/T/loud", 100, 100) for _ in range(6)]
    assert answers == [True] * 5 + [False]
    assert meter.is_slowed("json/T/loud")
    await eventually(lambda: offices.refused == [("loud", 5.0)])


async def test_what_floods_without_acknowledgement_is_dropped_to_the_limit(
    workers: tuple[list[Meter], Offices],
) -> None:
    (meter, *_), _ = workers
    assert all(meter.admits("json/T/loud", 10) for _ in range(1_000)), (
        "whoever is not known to flood comes in"
    )
    assert not meter.seen("loud", "json/T/loud", 10_000, 100)
    before = time.monotonic()
    admitted = sum(meter.admits("json/T/loud", 10) for _ in range(5_000))
    assert admitted <= 1 + LIMIT * (time.monotonic() - before)
    assert meter.dropped_qos0 == 5_000 - admitted
    assert meter.admits("json/T/quiet", 10)


async def test_a_talker_without_a_device_is_named_by_its_topic(workers: tuple[list[Meter], Offices]) -> None:
    (meter, *_), offices = workers
    assert not meter.seen(None, "weather/loud", 10_000, 100)
    await eventually(lambda: offices.alarms)
    ((device, kind, detail),) = offices.alarms
    assert (device, kind, detail["topic"], detail["refused_seconds"]) == (None, "flood", "weather/loud", 0)
    assert offices.refused == []


async def test_the_backlog_of_a_quiet_device_is_no_flood(workers: tuple[list[Meter], Offices]) -> None:
    meters, offices = workers
    begun = time.time_ns() - 3_600 * 10**9
    for second in range(0, 3_600, 100):
        at = begun + second * 10**9
        meter = meters[second // 100 % 3]
        assert meter.seen("patient", "json/T/patient", 1_000, 1, at, at + 99 * 10**9)
    await asyncio.sleep(0.1)
    assert offices.alarms == []
    # A flood that was is named, and nobody cut off for what is over.
    assert not meters[0].seen("was", "json/T/was", 10_000, 1, begun, begun + 10**9)
    await eventually(lambda: offices.alarms)
    assert offices.alarms[0][2]["refused_seconds"] == 0
    assert offices.refused == []


async def test_when_devices_were_heard_is_written_also_after_the_database_was_away(
    workers: tuple[list[Meter], Offices],
) -> None:
    meters, offices = workers
    offices.away = 2
    at = 1_800_000_000 * 10**9
    for number in range(1_200):
        meters[number % 3].seen(f"d{number}", f"json/T/{number}", 1, 10, at + number * 10**9)
    meters[0].seen("d1199", "json/T/1199", 1, 10, at)  # older news
    meters[0].seen(None, "nobody", 1, 10)
    await eventually(lambda: len(offices.heard) == 1_200)
    assert offices.heard["d1199"].timestamp() == 1_800_000_000 + 1_199


async def test_without_a_limit_it_only_counts(nats: NatsServer) -> None:
    bus, offices = await Bus.connect(nats.url, patience=10, **nats.credentials.options()), Offices()
    meter = Meter(bus, offices.write, offices, None, 0)
    await meter.open()
    assert meter.seen("loud", "json/T/loud", 10**6, 10)
    assert meter.admits("json/T/loud", 10)
    await meter.close()
    assert "loud" in offices.heard
    assert meter.health()["messages"] == 10**6
    await bus.close()


async def test_what_is_no_report_is_passed_over(
    workers: tuple[list[Meter], Offices], nats: NatsServer
) -> None:
    meters, offices = workers
    bus = await Bus.connect(nats.url, patience=10, **nats.credentials.options())
    await bus.client.publish(metering.REPORTS, b"\xc1 nonsense")
    await bus.client.flush()
    meters[0].seen("loud", "json/T/loud", 10_000, 10)
    await eventually(lambda: offices.refused)
    await bus.close()
