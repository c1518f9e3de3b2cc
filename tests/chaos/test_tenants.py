"""`kill -9` of anything while a tenant that is not the default one writes: the same promises hold for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import httpx
import pytest

from rhinecloud.store import Database

from ..conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve
from ..receivers import eventually, http_receiver
from .test_kill import City

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="kills engines; external ones are not ours"
)

WRITES = 90
VICTIMS = {
    10: ["worker"],
    25: ["postgres"],
    40: ["nats-server"],
    55: ["worker", "nats-server"],
    70: ["worker", "postgres"],
}


async def test_what_was_acknowledged_to_a_tenant_is_kept_and_told(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHINECLOUD_OUTBOUND_ALLOW", "127.0.0.1")
    city = await asyncio.to_thread(City, serve)
    command = [sys.executable, "-m", "rhinecloud.cli", "tenant", "add", "port", f"--data={city.server.data}"]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=60)
    entities = f"{city.server.base_url.rstrip('/')}/ngsi-ld/v1/entities"
    acknowledged: set[int] = set()
    async with (
        http_receiver() as receiver,
        httpx.AsyncClient(headers={"NGSILD-Tenant": "port"}, timeout=10) as client,
    ):
        document = {
            "type": "Subscription",
            "entities": [{"type": "Kept"}],
            "notification": {"endpoint": {"uri": receiver.url}, "format": "keyValues"},
        }
        answer = await client.post(entities.replace("entities", "subscriptions"), json=document)
        assert answer.status_code == 201, answer.text
        for number in range(WRITES):
            for name in VICTIMS.get(number, []):
                for pid in city.pids(name):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(60):
                while True:  # until the city answers again; what failed may have happened all the same
                    entity = {"id": f"urn:ngsi-ld:Kept:{number}", "type": "Kept", "n": number}
                    with contextlib.suppress(httpx.HTTPError):
                        answer = await client.post(entities, json=entity)
                        assert answer.status_code in (201, 409, 503), answer.text
                        if answer.status_code != 503:
                            break
                    await asyncio.sleep(0.05)
            acknowledged.add(number)
        await eventually(lambda: acknowledged <= set(receiver.values("n")), 90)
        assert {one.headers["ngsild-tenant"] for one in receiver.received} == {"port"}
        await asyncio.to_thread(city.restart)
        answer = await client.get(entities, params={"type": "Kept", "limit": 1000, "options": "keyValues"})
        assert {entity["n"] for entity in answer.json()} == acknowledged
    for tenant, expected in (("port", acknowledged), ("city", set())):
        database = await Database.open(city.server.database_url, tenant, size=1, migrate=False)
        assert {int(row[0]) for row in await database.pool.fetch("SELECT value FROM history")} == expected
        await database.close()
