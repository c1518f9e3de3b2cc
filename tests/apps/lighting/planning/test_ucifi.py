"""A lamp controller that speaks MQTT and names its resources as uCIFI does: told its level, confirmed by its report."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from rhinecloud.tasks import stop

from ....conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve
from .test_keeping import OWN, ask, entity, override, plan, until
from .test_makers import Maker, confirmed

pytestmark = pytest.mark.skipif(bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="needs MQTT")


class Controller(Maker):
    """It reports the command that it has, its level, and what its electrical monitor measures."""

    profile, hears = "ucifi", "ucifi/{}/write"

    def answers(self, word: str, payload: str) -> dict[str, Any]:
        (told,) = json.loads(payload)
        assert told["n"] == "/3416/0/1"
        level = told["v"]
        pack = [
            {"bn": "/3416/0/", "n": "1", "v": level},
            {"n": "3", "v": level},
            {"n": "5", "vb": False},
            {"bn": "/3418/0/", "n": "4", "v": 0.6 * level},
            {"n": "6", "v": 12_500},
        ]
        return {f"ucifi/{self.name}/report": pack}


async def test_a_controller_by_ucifi_follows_the_plan(serve: Serve) -> None:
    server = await asyncio.to_thread(serve, "--workers=1")
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=90) as city:
        given = {"id": "olc", "type": "Streetlight", "profile": "ucifi"}
        await ask(city, "/api/v1/devices", json=given)
        issued = (await ask(city, "/api/v1/devices/olc/secrets", json={})).json()
        await ask(city, "/ngsi-ld/v1/entityOperations/upsert", json=[entity("olc")])
        lamp = Controller(server, "olc", issued["secret"])
        playing = asyncio.create_task(lamp.run())

        async def measured() -> dict[str, Any]:
            path = "/ngsi-ld/v1/entities/urn:ngsi-ld:Streetlight:olc?options=keyValues"
            found = (await ask(city, path, method="GET")).json()
            names = ("illuminanceLevel", "powerState", "status", "lifetimePowerConsumption")
            return {name: found.get(name) for name in names}

        async def says(level: float, state: str) -> bool:
            return await measured() == {
                "illuminanceLevel": level,
                "powerState": state,
                "status": "ok",
                "lifetimePowerConsumption": 12.5,
            }

        try:
            await plan(city, 40)
            await until(lambda: confirmed(city, 1))
            await until(lambda: says(0.4, "on"))
            await ask(city, "/lighting/overrides", data=override(0))
            await until(lambda: says(0, "off"))
            await until(lambda: confirmed(city, 1))
            assert [json.loads(payload)[0]["v"] for _, payload in lamp.heard][:1] == [40]
            assert json.loads(lamp.heard[-1][1]) == [{"n": "/3416/0/1", "v": 0}]
        finally:
            await stop(playing)
