"""Devices at the embedded MQTT side: the very first start, a store thrown away, and what they may not say."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import httpx
import pytest

from rhinecloud.engines.postgresql import free_port
from rhinecloud.tasks import stop
from tests.conftest import EXTERNAL_NATS, NatsServer, Serve

pytestmark = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="about the embedded NATS")


async def impatient_device(port: int, acknowledged: list[int], enough: Callable[[], bool]) -> None:
    """Publishes with QoS 1 from the first moment the port is open, again whenever it is cut off."""
    number = 0
    while not enough():
        try:
            async with aiomqtt.Client("127.0.0.1", port, identifier="impatient", timeout=2) as client:
                while not enough():
                    payload = json.dumps({"number": number})
                    await client.publish("json/Counter/first", payload, qos=1, timeout=2)
                    acknowledged.append(number)
                    number += 1
        except (aiomqtt.MqttError, OSError):
            number += 1  # whether that one arrived is not known
            await asyncio.sleep(0.001)


async def numbers_in_history(data: Path) -> list[float]:
    """What the graph remembers of the device's counter."""
    import asyncpg

    connection = await asyncpg.connect(f"postgresql://rhinecloud@/rhinecloud?host={data}/run")
    try:
        rows = await connection.fetch(
            "SELECT value FROM tenant_city.history h JOIN tenant_city.series s ON s.id = h.series "
            "WHERE s.entity_id = 'urn:ngsi-ld:Counter:first'"
        )
        return [row[0] for row in rows]
    finally:
        await connection.close()


@pytest.mark.parametrize("again", [False, True], ids=["first start", "store thrown away"])
async def test_what_is_acknowledged_to_the_first_device_is_there(
    serve: Serve, data_folder: Path, again: bool
) -> None:
    if again:
        serve(data=data_folder).stop()
        shutil.rmtree(data_folder / "nats" / "jetstream")
    port = free_port("127.0.0.1")
    server = serve(f"--mqtt-port={port}", data=data_folder, wait=False)
    acknowledged: list[int] = []
    device = asyncio.create_task(impatient_device(port, acknowledged, lambda: len(acknowledged) >= 50))
    await asyncio.to_thread(server.wait_ready)
    _, waiting = await asyncio.wait([device], timeout=30)
    await stop(device)
    assert not waiting, f"{len(acknowledged)} publications were acknowledged"
    async with httpx.AsyncClient(base_url=server.base_url) as client:
        for _ in range(200):
            found = await numbers_in_history(data_folder)
            if set(acknowledged) <= {int(value) for value in found}:
                break
            await asyncio.sleep(0.05)
        assert set(acknowledged) <= {int(value) for value in found}
        assert (await client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:Counter:first")).status_code == 200


async def test_a_device_cannot_speak_to_what_is_inside(nats: NatsServer) -> None:
    import nats as client_library

    inside = await client_library.connect(nats.url, **nats.credentials.options())
    heard: list[str] = []

    async def hear(message: object) -> None:
        heard.append(message.subject)  # type: ignore[attr-defined]

    for subject in ("wake.>", "changes.>", "$MQTT.msgs.>", "$JS.API.>", "json.>"):
        await inside.subscribe(subject, cb=hear)
    await inside.flush()
    forbidden = ("wake/relay", "changes/city", "$MQTT/msgs/json/Lamp/1", "$JS/API/STREAM/DELETE/CHANGES")
    assert nats.mqtt_host is not None
    for topic in forbidden:
        try:
            async with aiomqtt.Client(nats.mqtt_host, nats.mqtt_port, timeout=2) as device:
                await device.publish(topic, b"{}", qos=0)
        except aiomqtt.MqttError:
            pass  # cut off: refused all the same
    async with aiomqtt.Client(nats.mqtt_host, nats.mqtt_port, timeout=2) as device:
        await device.publish("json/Lamp/1", b"{}", qos=0)
    for _ in range(100):
        if "json.Lamp.1" in heard:
            break
        await asyncio.sleep(0.02)
    inner = [subject for subject in heard if not subject.startswith(("json.", "$JS.API."))]
    assert "json.Lamp.1" in heard
    assert inner == []
    # The MQTT side itself asks JetStream for the session's streams; a device's own words are not among that.
    assert "$JS.API.STREAM.DELETE.CHANGES" not in heard
    await inside.close()
