"""All that a worker has of devices, put together."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from rhinecloud.bus import Bus, BusUnavailable
from rhinecloud.gateways.devices.alarms import Alarms
from rhinecloud.gateways.devices.commands import Commands
from rhinecloud.gateways.devices.credentials import Credentials
from rhinecloud.gateways.devices.passing import Passing
from rhinecloud.gateways.devices.registry import Registry
from rhinecloud.gateways.profiles import Profiles
from rhinecloud.store import Database, Unavailable

_WHILE = 1.0  # seconds for which a device that was cut off stays out, until every worker knows why
_log = logging.getLogger(__name__)

Disconnect = Callable[[str, float], Awaitable[int]]


class Devices:
    """`registry`, `credentials`, `commands`, `passing` and `alarms` of a tenant in one worker."""

    def __init__(self, database: Database, bus: Bus, profiles: Profiles) -> None:
        self._disconnect: Disconnect | None = None
        self.alarms = Alarms(database)
        self.registry = Registry(database, bus, profiles, cut=self._cut)
        self.commands = Commands(database, bus, profiles, alarm=self._raise)
        self.passing = Passing(database, bus, profiles)
        self.credentials = Credentials(database, bus, self.registry, signed_in=self.commands.connected)

    async def open(self) -> None:
        """Begin. Raises one of store.Unavailable."""
        await self.registry.open()
        await self.credentials.open()
        await self.commands.open()

    async def close(self) -> None:
        """Stop."""
        await self.commands.close()
        await self.credentials.close()
        await self.registry.close()

    def cut_by(self, disconnect: Disconnect) -> None:
        """How to end the connections of a device and refuse it for some seconds (Door.disconnect)."""
        self._disconnect = disconnect

    async def health(self) -> dict[str, Any]:
        """Figures for the health page. Raises one of store.Unavailable."""
        return {"commands": await self.commands.health(), "alarms": await self.alarms.counts()}

    async def _cut(self, device: str) -> None:
        if self._disconnect is None:
            return
        try:
            await self._disconnect(device, _WHILE)
        except BusUnavailable as error:
            # Without NATS no device is connected; who connects again is asked for what it may do now.
            _log.warning("device %s was not cut off: %s", device, error)

    async def _raise(self, device: str | None, kind: str, detail: dict[str, Any]) -> None:
        try:
            await self.alarms.raise_(device, kind, detail)
        except Unavailable as error:
            _log.warning("an alarm (%s) of device %s is lost: %s", kind, device, error)
