"""Lamps of several makers are told their level in their own words, and what they say back confirms it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiomqtt
import httpx
import pytest

from rhinecloud.tasks import stop

from ....conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve, Server
from .test_keeping import OWN, ask, entity, override, plan, until

pytestmark = pytest.mark.skipif(bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="needs MQTT")


class Maker:
    """A lamp with the firmware of a maker: `heard` has what it was told, as (topic's last level, payload)."""

    profile: str
    hears: str

    def __init__(self, server: Server, name: str, secret: str) -> None:
        self._server, self.name, self._secret = server, name, secret
        self.heard: list[tuple[str, str]] = []

    async def run(self) -> None:
        async with aiomqtt.Client(
            self._server.mqtt_host,
            self._server.mqtt_port,
            username=self.name,
            password=self._secret,
            identifier=self.name,
            timeout=20,
        ) as client:
            await client.subscribe(self.hears.format(self.name), qos=1)
            async for message in client.messages:
                word, payload = str(message.topic).rpartition("/")[2], bytes(message.payload).decode()
                self.heard.append((word, payload))
                for topic, said in self.answers(word, payload).items():
                    await client.publish(topic, json.dumps(said), qos=1)

    def answers(self, word: str, payload: str) -> dict[str, Any]:
        raise NotImplementedError


class Dimmer(Maker):
    """Tasmota with a dimmer; a dimmer that is set switches on."""

    profile, hears = "tasmota", "cmnd/{}/#"

    def answers(self, word: str, payload: str) -> dict[str, Any]:
        state: dict[str, Any] = {"POWER": payload} if word == "POWER" else {"POWER": "ON", word: int(payload)}
        return {
            f"stat/{self.name}/RESULT": state,
            f"tele/{self.name}/STATE": {"Uptime": "0T00:10:00", **state},
        }


class Switch(Maker):
    """Tasmota with a relay."""

    profile, hears = "tasmota-switch", "cmnd/{}/#"

    def answers(self, word: str, payload: str) -> dict[str, Any]:
        if word != "POWER":
            return {f"stat/{self.name}/RESULT": {"Command": "Unknown"}}
        return {f"stat/{self.name}/RESULT": {"POWER": payload}}


class Json(Maker):
    """The JSON of Home Assistant's lights: it says how it is now, and keeps its brightness when it is off."""

    profile, hears = "json-light", "light/{}/set"
    brightness = 255

    def answers(self, word: str, payload: str) -> dict[str, Any]:
        told = json.loads(payload)
        self.brightness = told.get("brightness", self.brightness)
        state = {"state": told["state"], "brightness": self.brightness, "color_mode": "brightness"}
        return {f"light/{self.name}/state": state}


async def test_lamps_of_several_makers_follow_the_plan(serve: Serve) -> None:
    server = await asyncio.to_thread(serve, "--workers=1")
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=90) as city:
        lamps: list[Maker] = []
        for kind in (Dimmer, Switch, Json):
            name = kind.__name__.lower()
            given = {"id": name, "type": "Streetlight", "profile": kind.profile}
            await ask(city, "/api/v1/devices", json=given)
            issued = (await ask(city, f"/api/v1/devices/{name}/secrets", json={})).json()
            lamps.append(kind(server, name, issued["secret"]))
        await ask(city, "/ngsi-ld/v1/entityOperations/upsert", json=[entity(one.name) for one in lamps])
        playing = [asyncio.create_task(one.run()) for one in lamps]
        try:
            await plan(city, 40)
            await until(lambda: confirmed(city, 3))
            assert {one.name: set(one.heard) for one in lamps} == {
                "dimmer": {("Dimmer", "40")},
                "switch": {("POWER", "ON")},
                "json": {("set", '{"state":"ON","brightness":102}')},
            }
            await ask(city, "/lighting/overrides", data=override(0))
            await until(lambda: all_heard(lamps, "OFF"))
            await until(lambda: confirmed(city, 3))
            await until(lambda: off(city, "json"))
        finally:
            await stop(*playing)


async def all_heard(lamps: list[Maker], word: str) -> bool:
    return all(one.heard and word in one.heard[-1][1] for one in lamps)


async def confirmed(city: httpx.AsyncClient, number: int) -> bool:
    shown = (await ask(city, "/lighting/targets?state=confirmed", method="GET")).text
    return shown.count("/lighting/night?lamp=") == number


async def off(city: httpx.AsyncClient, lamp: str) -> bool:
    """Whether the graph says that it is off, at the level that it keeps."""
    found = (await ask(city, f"/ngsi-ld/v1/entities/urn:ngsi-ld:Streetlight:{lamp}", method="GET")).json()
    return (found["illuminanceLevel"]["value"], found["powerState"]["value"]) == (0.4, "off")
