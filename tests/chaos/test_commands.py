"""Commands while workers and NATS are killed and devices come and go: nothing is forgotten, nothing goes back."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import httpx
import psutil
import pytest

from rhinecloud.tasks import stop

from ..conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve, Server
from ..mqtt_device import Device

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="kills processes of embedded engines"
)
DEVICES = 4
KILLS = 4
PATIENCE = 90.0


class Roamer(Device):
    """Goes away at its pleasure. Half of its confirmations are lost on the way."""

    def __init__(self, server: Server, name: str, secret: str, seed: int) -> None:
        super().__init__(server, "Lamp", name, secret)
        self._chance = random.Random(seed)

    @property
    def state(self) -> dict[str, Any]:
        """It carries out whatever version is newer than its last."""
        return max(self.heard, key=lambda one: one[0])[1]

    def answer(self) -> dict[str, Any] | None:
        return super().answer() if self._chance.random() < 0.5 else None

    def stays(self) -> float:
        return self._chance.uniform(1.0, 6.0)

    def rests(self) -> float:
        return self._chance.uniform(0.0, 1.5)


async def ask(client: httpx.AsyncClient, method: str, path: str, **options: Any) -> Any:
    """Insist while workers are down."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                response = await client.request(method, path, **options)
                if response.status_code < 500:
                    assert response.is_success, response.text
                    return response.json() if response.content else None
            await asyncio.sleep(0.1)


def kill_one(server: Server, chance: random.Random) -> None:
    children = psutil.Process(server.process.pid).children(recursive=True)
    wanted = ["rhinecloud.worker", "nats-server"] if chance.random() < 0.3 else ["rhinecloud.worker"]
    victims = []
    for child in children:
        with contextlib.suppress(psutil.Error):
            if any(word in " ".join(child.cmdline()) for word in wanted):
                victims.append(child)
    if victims:
        with contextlib.suppress(psutil.Error):
            chance.choice(victims).kill()


async def test_every_device_ends_in_the_state_that_was_wanted_last(serve: Serve) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = await asyncio.to_thread(serve, "--workers=2")
    base = f"{server.base_url.rstrip('/')}/api/v1/"
    async with httpx.AsyncClient(base_url=base, timeout=10) as client:
        devices = []
        for number in range(DEVICES):
            name = f"lamp-{number}"
            await ask(client, "POST", "devices", json={"id": name, "type": "Lamp"})
            issued = await ask(client, "POST", f"devices/{name}/secrets", json={})
            devices.append(Roamer(server, name, issued["secret"], chance.randrange(2**32)))
        living = [asyncio.create_task(device.run(), name=device.name) for device in devices]
        try:
            last: dict[str, tuple[int, int]] = {}
            for _ in range(KILLS):
                for _ in range(10):
                    device, dim = chance.choice(devices), chance.randrange(100)
                    body = {"set": {"dim": dim}, "timeout_seconds": 3_600}
                    wanted = await ask(client, "POST", f"devices/{device.name}/wanted", json=body)
                    last[device.name] = (wanted["version"], dim)
                    await asyncio.sleep(chance.uniform(0, 0.15))
                await asyncio.to_thread(kill_one, server, chance)
            async with asyncio.timeout(PATIENCE):
                for name, (version, _) in last.items():
                    while (await ask(client, "GET", f"devices/{name}/wanted/{version}"))[
                        "state"
                    ] != "confirmed":
                        await asyncio.sleep(0.2)
            for device in devices:
                if device.name not in last:
                    continue
                version, dim = last[device.name]
                assert device.state == {"dim": dim}
                heard = [number for number, _ in device.heard]
                assert heard == sorted(heard), "an older version came after a newer one"
                assert heard[-1] == version
                history = (await ask(client, "GET", f"devices/{device.name}/wanted"))["items"]
                versions = [one["version"] for one in history]
                assert versions == sorted(versions, reverse=True)
                assert {one["state"] for one in history[1:]} <= {"superseded", "confirmed"}
        finally:
            await stop(*living)
