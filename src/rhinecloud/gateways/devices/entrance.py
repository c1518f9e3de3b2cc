"""All that a worker has at the door for devices: it answers, cuts off, and reads what the server refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from rhinecloud import tasks
from rhinecloud.bus import Bus
from rhinecloud.engines.handover import DoorKeys
from rhinecloud.gateways.devices.alarms import Alarms
from rhinecloud.gateways.devices.connections import Connections
from rhinecloud.gateways.devices.door import Door, Verifier
from rhinecloud.gateways.devices.refusals import Refusals
from rhinecloud.nkeys import KeyPair
from rhinecloud.store import Database


class Entrance:
    """`door` and what stands beside it."""

    def __init__(
        self, keys: DoorKeys, bus: Bus, database: Database, verifier: Verifier, alarms: Alarms
    ) -> None:
        self._database = database
        self._connections = (
            Connections(keys.system_url, keys.system.options()) if keys.system_url is not None else None
        )
        self.door = Door(
            bus,
            verifier,
            KeyPair.from_seed(keys.issuer),
            alarms,
            self._connections,
            account=keys.account,
        )
        self._refusals = (
            Refusals(Path(keys.log), alarms, self._connections, self.door)
            if keys.log is not None and self._connections is not None
            else None
        )
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to answer. Raises BusUnavailable."""
        await self.door.open()
        if self._refusals is not None:
            self._reading = asyncio.create_task(self._refusals.keep(self._database), name="refused-topics")

    async def close(self) -> None:
        """Answer whoever asked already, and stop."""
        await tasks.stop(self._reading)
        await self.door.close()
        if self._connections is not None:
            await self._connections.close()

    def health(self) -> dict[str, Any]:
        """Figures for the health page."""
        return self.door.health()
