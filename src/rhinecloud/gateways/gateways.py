"""All gateways of a worker, put together: what comes in, what devices are told, and who keeps watch over both."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from rhinecloud import bridge_address
from rhinecloud.broker import Broker
from rhinecloud.bus import Bus, BusUnavailable
from rhinecloud.engines.handover import DoorKeys
from rhinecloud.gateways.bridge import Bridges
from rhinecloud.gateways.devices.devices import Devices
from rhinecloud.gateways.devices.entrance import Entrance
from rhinecloud.gateways.devices.push import Push
from rhinecloud.gateways.meter import Meter
from rhinecloud.gateways.mqtt import MqttGateway
from rhinecloud.gateways.profiles import Profiles
from rhinecloud.gateways.taking import Counters, Taking
from rhinecloud.gateways.unmapped import Unmapped
from rhinecloud.settings import Settings

_log = logging.getLogger(__name__)


class Gateways:
    """`profiles`, `devices`, `mqtt`, `unmapped`, `push`, `meter`, `bridges` and the `entrance` for devices."""

    def __init__(self, settings: Settings, broker: Broker, bus: Bus, door: DoorKeys | None) -> None:
        """Without `door` no device with a name can sign in at NATS through us."""
        database = broker.database
        self._bus = bus
        self.profiles = Profiles(broker, bus, clock_ahead=timedelta(seconds=settings.clock_ahead_seconds))
        self.devices = Devices(database, bus, self.profiles)
        self.profiles.registered = self.devices.registry.registered
        self.entrance = (
            None
            if door is None
            else Entrance(door, bus, database, self.devices.credentials, self.devices.alarms)
        )
        if self.entrance is not None:
            self.devices.cut_by(self.entrance.door.disconnect)
        self.meter = Meter(
            bus,
            self.devices.registry.seen,
            self.devices.alarms,
            None if self.entrance is None else self.entrance.door,
            settings.device_rate,
        )
        self.mqtt = MqttGateway(
            bus,
            broker,
            self.profiles,
            confirm=self.devices.commands.confirm,
            flag=self.devices.alarms.raise_,
            seen=self._seen,
            admits=self.meter.admits,
        )
        self._pushed = Counters()
        pushing = Taking(
            broker,
            self.profiles,
            self._pushed,
            confirm=self.devices.commands.confirm,
            flag=self.devices.alarms.raise_,
        )
        self.push = Push(self.devices.registry, pushing, self._pushed_by)
        self.unmapped = Unmapped(broker, self.profiles)
        addresses = bridge_address.parse(settings.mqtt_bridge)
        self.bridges = Bridges(database, self.mqtt, addresses, self.devices.alarms.raise_)

    async def open(self) -> None:
        """Begin; devices are let in last, when whoever hears them is there. Raises one of broker.Unavailable,
        BusUnavailable: then `close`, and try again with new ones."""
        await self.profiles.open()
        await self.devices.open()
        await self.meter.open()
        await self.mqtt.open()
        self.bridges.open()
        if self.entrance is not None:
            await self.entrance.open()

    async def close(self) -> None:
        """Let nobody in, take nothing more, and write what is known."""
        if self.entrance is not None:
            with contextlib.suppress(BusUnavailable):
                await self.entrance.close()
        await self.bridges.close()
        await self.mqtt.close()
        await self.meter.close()
        await self.devices.close()
        await self.profiles.close()

    async def health(self) -> dict[str, Any]:
        """Figures for the health page. Raises one of broker.Unavailable."""
        figures: dict[str, Any] = {
            "mqtt": await self.mqtt.health(),
            "push": {"applied": self._pushed.applied, "unmapped": self._pushed.unmapped},
            "meter": self.meter.health(),
            "devices": await self.devices.health(),
        }
        if self.entrance is not None:
            figures["door"] = self.entrance.health()
        bridges: Mapping[str, Any] | None = await self.bridges.health()
        if bridges is not None:
            figures["bridge"] = dict(bridges)
        return figures

    def counts(self) -> dict[str, Any]:
        """Counters of this process, at no cost."""
        return {
            "mqtt": msgspec.structs.asdict(self.mqtt.counters),
            "push": msgspec.structs.asdict(self._pushed),
            "door": {} if self.entrance is None else self.entrance.health(),
        }

    def _seen(
        self,
        device: str | None,
        topic: str,
        n: int,
        size: int,
        at: int | None = None,
        until: int | None = None,
    ) -> bool:
        if self.profiles.passes(topic):
            # When a detector was heard is when somebody passed: only the rate of its topic is looked at.
            return self.meter.seen(None, topic, n, size, at, until)
        if device is not None:
            self.devices.commands.heard(device)
        return self.meter.seen(device, topic, n, size, at, until)

    def _pushed_by(self, device: str, topic: str, size: int) -> bool:
        return self._seen(device, topic, 1, size)
