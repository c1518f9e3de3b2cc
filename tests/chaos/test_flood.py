"""A device that floods is named and cut off; what it was promised is kept, and a quiet device beside it is heard."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import Counter
from typing import Any

import aiomqtt
import aiomqtt.exceptions
import httpx
import pytest

from ..conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve, Server
from .ledger import Ledger, now, query

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="cuts off devices of the embedded NATS"
)
AT_ONCE = 50  # publications of the loud one that wait for their acknowledgement
KEPT = """
SELECT s.entity_id, h.value::bigint FROM history h JOIN series s ON s.id = h.series
 WHERE s.entity_id LIKE 'urn:ngsi-ld:Chaos:%' AND s.attribute LIKE '%/n'
"""


async def add(api: httpx.AsyncClient, device: str) -> str:
    """Its secret."""
    body = {"id": device, "profile": "plain-json", "type": "Chaos"}
    answer = await api.post("/devices", json=body)
    assert answer.status_code == 201, answer.text
    answer = await api.post(f"/devices/{device}/secrets", json={})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["secret"])


def client(server: Server, device: str, secret: str) -> aiomqtt.Client:
    nodelay = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    made = aiomqtt.Client(
        server.mqtt_host,
        server.mqtt_port,
        username=device,
        password=secret,
        identifier=device,
        socket_options=nodelay,
        timeout=10,
        max_inflight_messages=AT_ONCE,
    )
    made.pending_calls_threshold = AT_ONCE  # above it the library warns each time
    return made


async def publish(mqtt: aiomqtt.Client, ledger: Ledger, device: str) -> None:
    number = next(ledger.numbers)
    entry = (f"urn:ngsi-ld:Chaos:{device}", number)
    ledger.tried.add(entry)
    await mqtt.publish(f"json/Chaos/{device}", json.dumps({"n": number, "observedAt": now()}), qos=1)
    ledger.acknowledged.add(entry)


async def flood(mqtt: aiomqtt.Client, ledger: Ledger) -> None:
    """Until the connection ends."""

    async def lane() -> None:
        while True:
            await publish(mqtt, ledger, "loud")

    lanes = [asyncio.create_task(lane()) for _ in range(AT_ONCE)]
    try:
        # Who publishes would learn of it when the answer is overdue.
        await asyncio.wait([*lanes, mqtt._disconnected], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in lanes:
            one.cancel()
        ended = await asyncio.gather(*lanes, return_exceptions=True)
    for one in ended:
        if not isinstance(one, asyncio.CancelledError | aiomqtt.MqttError):
            raise one


async def test_a_flooding_device_is_named_and_cut_off_and_a_quiet_one_is_heard(serve: Serve) -> None:
    server = serve("--workers=2", environ={"RHINECLOUD_DEVICE_RATE": "20"})
    loud, quiet = Ledger("loud"), Ledger("quiet")
    over = asyncio.Event()

    async def whisper(secret: str) -> None:
        async with client(server, "quiet", secret) as mqtt:
            while not over.is_set():
                await publish(mqtt, quiet, "quiet")
                await asyncio.sleep(0.1)

    async with httpx.AsyncClient(base_url=f"{server.base_url.rstrip('/')}/api/v1", timeout=20) as api:
        secrets = {device: await add(api, device) for device in ("loud", "quiet")}
        whispering = asyncio.create_task(whisper(secrets["quiet"]))
        # Cut off in the middle of it, and refused for a while that grows: on a busy machine the first one may be over.
        async with asyncio.timeout(150):
            while True:
                try:
                    async with client(server, "loud", secrets["loud"]) as mqtt:
                        await flood(mqtt, loud)
                except aiomqtt.exceptions.MqttConnectError:
                    if (
                        len(loud.acknowledged) > 200
                    ):  # what it may send within the time that a rate is counted over
                        break
                    await asyncio.sleep(0.5)
                except aiomqtt.MqttError:
                    continue
        async with asyncio.timeout(30):
            while not (alarms := await open_alarms(api)):
                await asyncio.sleep(0.1)
        assert [(alarm["device"], alarm["kind"]) for alarm in alarms] == [("loud", "flood")]
        assert alarms[0]["detail"]["messages_per_second"] > 20
        assert alarms[0]["detail"]["refused_seconds"] >= 5
        # It comes back when it is let in again, and behaves.
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(aiomqtt.MqttError):
                    async with client(server, "loud", secrets["loud"]) as mqtt:
                        await publish(mqtt, loud, "loud")
                        break
                await asyncio.sleep(0.5)
        over.set()
        await whispering  # it was never cut off

    kept: Counter[tuple[str, int]] = Counter()
    wanted = loud.acknowledged | quiet.acknowledged
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while not wanted <= kept.keys():
                kept = Counter(await query(server.database_url, KEPT))
                await asyncio.sleep(0.2)
    missing = wanted - kept.keys()
    print(f"{len(loud.acknowledged)} of the loud one, {len(quiet.acknowledged)} of the quiet one")
    assert not missing, f"{len(missing)} acknowledged values are lost: {sorted(missing)[:5]}"
    assert {entry: times for entry, times in kept.items() if times > 1} == {}


async def open_alarms(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Of floods."""
    answer = await api.get("/alarms", params={"kind": "flood"})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found
