"""The replay of single vehicles: reading the file, and every vehicle acknowledged, whatever happens to NATS."""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from rhinecloud.bus import Bus, Pull, ensure_intake
from rhinecloud.bus.intake import CONSUMER, STREAM, look
from rhinecloud.demo import replay
from rhinecloud.demo.mqtt import Publisher

from ..conftest import EXTERNAL_NATS, NatsServer

FIXTURE = Path(__file__).parent / "fixtures/vehicles.txt"
REAL = Path(__file__).parents[3] / "shared/data/traffic/moers_roemerstrasse_2016-10.txt"
BERLIN = ZoneInfo("Europe/Berlin")
needs_mqtt = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")
needs_real = pytest.mark.skipif(not REAL.exists(), reason=f"the real vehicles are not here: {REAL}")


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    replay.add_arguments(parser)
    return parser.parse_args(given)


@pytest_asyncio.fixture
async def bus(nats: NatsServer) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats.url, patience=10, **nats.credentials.options())
    await ensure_intake(bus)
    yield bus
    await bus.close()


async def stored(bus: Bus, number: int) -> list[dict[str, object]]:
    pull = Pull(bus, STREAM, CONSUMER)
    await pull.open()
    found: list[dict[str, object]] = []
    async with asyncio.timeout(20):
        while len(found) < number:
            batch = await pull.batch()
            found += [{"topic": d.subject, **json.loads(d.payload)} for d in batch]
            await pull.acknowledge(batch)
    await pull.close()
    return found


def test_lines_become_vehicles_in_utc() -> None:
    vehicles = list(replay.read(FIXTURE, BERLIN))
    assert len(vehicles) == 6
    assert vehicles[0].at.isoformat() == "2025-02-03T06:59:58+00:00"
    assert vehicles[2].at.isoformat() == "2025-02-03T06:59:58.500000+00:00"
    assert [(v.speed, v.vehicle_class, v.direction) for v in vehicles[3:5]] == [(52, 3, 1), (29, 1, 0)]


@pytest.mark.parametrize("line", ["", "x", "31.02.25 08:00:00;00;030;01;0", "03.02.25 08:00:00;00;030;01;2"])
def test_what_is_no_vehicle_is_named_with_its_line(line: str) -> None:
    with pytest.raises(replay.ReplayError, match="line 7"):
        replay.vehicle(7, line, BERLIN)


def test_wrong_calls_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay.run(arguments(str(tmp_path / "none"))) == 1
    assert replay.run(arguments(str(FIXTURE), "--timezone", "Europe/Ruhrort")) == 1
    assert replay.run(arguments(str(FIXTURE), "--mqtt", "nowhere:x")) == 1
    told = capsys.readouterr().err
    assert "cannot be read" in told
    assert "Europe/Ruhrort" in told
    assert "HOST:PORT" in told


@needs_mqtt
async def test_every_vehicle_of_the_same_second_is_told(nats: NatsServer, bus: Bus, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    options = ("--mqtt", f"{nats.mqtt_host}:{nats.mqtt_port}", "--speed", "20", "--ledger", str(ledger))
    assert await asyncio.to_thread(replay.run, arguments(str(FIXTURE), *options)) == 0
    found = await stored(bus, 6)
    speeds = [item["averageVehicleSpeed"]["value"] for item in found]  # type: ignore[index]
    assert speeds == [31, 34, 34, 52, 29, 47]
    assert collections.Counter(item["observedAt"] for item in found)["2025-02-03T06:59:58Z"] == 2
    assert [("location" in item, "laneDirection" in item) for item in found].count((True, True)) == 2
    told = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert sorted(item["line"] for item in told) == [1, 2, 3, 4, 5, 6]


@needs_mqtt
async def test_a_publisher_outlives_a_killed_server(nats: NatsServer, bus: Bus) -> None:
    assert nats.mqtt_host is not None
    assert nats.mqtt_port is not None
    acknowledged: set[int] = set()
    async with Publisher(nats.mqtt_host, nats.mqtt_port, "outlives", window=20) as publisher:
        published = 0

        async def publish() -> None:
            nonlocal published
            number = published
            published += 1
            future = await publisher.publish("json/Lamp/1", json.dumps({"n": number}).encode())
            future.add_done_callback(lambda f: f.cancelled() or acknowledged.add(number))

        for _ in range(100):
            await publish()
        restarting = asyncio.create_task(asyncio.to_thread(nats.restart))
        async with asyncio.timeout(60):
            while not restarting.done() or publisher.connections < 2:
                await publish()
                await asyncio.sleep(0.001)
            for _ in range(100):
                await publish()
            await publisher.settled()
    await restarting
    assert acknowledged == set(range(published))
    found = [item["n"] for item in await stored(bus, (await look(bus)).messages)]
    assert acknowledged <= set(found)


@needs_mqtt
@needs_real
async def test_the_real_vehicles_of_moers(nats: NatsServer, bus: Bus) -> None:
    options = ("--mqtt", f"{nats.mqtt_host}:{nats.mqtt_port}", "--speed", "0")
    assert await asyncio.to_thread(replay.run, arguments(str(REAL), *options)) == 0
    found = await stored(bus, 14_152)
    directions = collections.Counter(str(item["topic"])[-1] for item in found)
    assert directions == {"0": 5_803, "1": 8_349}
    assert len({item["observedAt"] for item in found}) < 14_152
