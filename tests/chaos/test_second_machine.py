"""A second machine on the same PostgreSQL and NATS: both serve and agree, and if one is lost the other does it all."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import httpx
import pytest

from ..conftest import NatsServer, Serve, Server
from ..receivers import eventually, http_receiver


def _of(server: Server, path: str) -> str:
    return f"{server.base_url.rstrip('/')}{path}"


async def _seen(client: httpx.AsyncClient, url: str, wanted: object) -> None:
    async with asyncio.timeout(30):
        while True:
            answer = await client.get(url, headers={"Accept": "application/json"})
            if answer.status_code == 200 and answer.json().get("level") == wanted:
                return
            await asyncio.sleep(0.05)


async def test_two_machines_agree_and_one_is_enough(
    serve: Serve, database_url: str, nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHINECLOUD_OUTBOUND_ALLOW", "127.0.0.1")
    who = nats.credentials
    url = (
        nats.url if not who.user else nats.url.replace("nats://", f"nats://{quote(who.user)}:{who.password}@")
    )
    shared = {
        "RHINECLOUD_DATABASE_URL": database_url,
        "RHINECLOUD_NATS_URL": url,
        "RHINECLOUD_DATABASE_CONNECTIONS": "40",
    }
    one = await asyncio.to_thread(serve, environ=shared)
    two = await asyncio.to_thread(serve, environ=shared)
    assert one.data != two.data
    entity = "/ngsi-ld/v1/entities/urn:ngsi-ld:Gauge:1"
    values = f"{entity}?options=keyValues"

    async with http_receiver() as receiver, httpx.AsyncClient(timeout=20) as client:

        async def write(server: Server, level: int) -> None:
            answer = await client.patch(
                _of(server, f"{entity}/attrs"), json={"level": {"type": "Property", "value": level}}
            )
            assert answer.status_code == 204, answer.text

        # What is kept at one is there at the other at once, and names mean the same: each looks its contexts up itself.
        body = {"@context": {"level": "https://example.org/level-of-one"}}
        added = await client.post(_of(one, "/ngsi-ld/v1/jsonldContexts"), json=body)
        assert added.status_code == 201, added.text
        created = {"id": "urn:ngsi-ld:Gauge:1", "type": "Gauge", "level": {"type": "Property", "value": 1}}
        assert (await client.post(_of(one, "/ngsi-ld/v1/entities"), json=created)).status_code == 201
        assert (await client.get(_of(two, values))).json()["level"] == 1
        assert (await client.get(_of(two, added.headers["location"]))).status_code == 200

        subscription = {
            "type": "Subscription",
            "entities": [{"type": "Gauge"}],
            "notification": {"endpoint": {"uri": receiver.url}, "format": "keyValues"},
        }
        answer = await client.post(_of(one, "/ngsi-ld/v1/subscriptions"), json=subscription)
        assert answer.status_code == 201
        listed = (await client.get(_of(two, "/ngsi-ld/v1/subscriptions"))).json()
        assert [each["notification"]["endpoint"]["uri"] for each in listed] == [receiver.url]

        # A live page of one tells what was written at the other.
        page = _of(one, "/live/objects/urn:ngsi-ld:Gauge:1")
        async with client.stream("GET", page, headers={"Accept": "text/event-stream"}) as live:
            if live.status_code == 200:  # else the pages were never built
                parts = live.aiter_text()
                told = ""
                await write(two, 4711)
                async with asyncio.timeout(30):
                    while "4711" not in told.replace(".", "").replace(",", ""):
                        told += await anext(parts)
            else:
                await write(two, 4711)
        await eventually(lambda: 4711 in receiver.values("level"), 30)
        assert receiver.values("level").count(4711) == 1, "both told the same"

        # The first began first, so that what is elected is its: it goes as machines go.
        one.kill()
        for level in range(10, 20):
            await write(two, level)
        await eventually(lambda: 19 in receiver.values("level"), 60)
        assert [level for level in receiver.values("level") if 10 <= level < 20] == list(range(10, 20))

        # It comes back, with nothing of its own to catch up with.
        again = await asyncio.to_thread(serve, environ=shared, data=one.data)
        await _seen(client, _of(again, values), 19)
        await write(again, 30)
        await _seen(client, _of(two, values), 30)
        await eventually(lambda: 30 in receiver.values("level"), 60)
    for server in (again, two):
        assert server.stop() == 0
