"""A device that speaks MQTT as the profile `json` has it: it hears what is wanted of it, confirms, and says things."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import aiomqtt

from rhinecloud.tasks import stop

from .conftest import Server


class Device:
    """Comes back whenever it is cut off. `heard`: what it was told, (version, values) in the order in which it came."""

    def __init__(self, server: Server, type: str, name: str, secret: str) -> None:
        self._server = server
        self._secret = secret
        self._topic = f"json/{type}/{name}"
        self._say: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.name = name
        self.heard: list[tuple[int, dict[str, Any]]] = []
        self.there = asyncio.Event()

    def say(self, **attributes: Any) -> None:
        """Report something of its own accord."""
        self._say.put_nowait(attributes)

    def answer(self) -> dict[str, Any] | None:
        """What it confirms with; None: nothing."""
        return {"result": "done"}

    def stays(self) -> float | None:
        """Seconds until it goes away by itself."""
        return None

    def rests(self) -> float:
        """Seconds until it comes again."""
        return 0.2

    async def run(self) -> None:
        """Be there, again and again."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError, OSError):
                async with asyncio.timeout(self.stays()):
                    await self._live()
            await asyncio.sleep(self.rests())

    async def _live(self) -> None:
        async with aiomqtt.Client(
            self._server.mqtt_host,
            self._server.mqtt_port,
            username=self.name,
            password=self._secret,
            identifier=self.name,
            timeout=20,
        ) as client:
            await client.subscribe(f"{self._topic}/command", qos=1)
            self.there.set()
            talking = asyncio.create_task(self._talk(client))
            try:
                async for message in client.messages:
                    told = json.loads(bytes(message.payload))
                    self.heard.append((told["version"], told["set"]))
                    if (said := self.answer()) is not None:
                        said = {"version": told["version"], **said}
                        await client.publish(f"{self._topic}/confirm", json.dumps(said), qos=1)
            finally:
                await stop(talking)

    async def _talk(self, client: aiomqtt.Client) -> None:
        while True:
            await client.publish(self._topic, json.dumps(await self._say.get()), qos=1)
