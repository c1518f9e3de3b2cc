"""HTTP push: a message of a device that cannot speak MQTT, on the same way as one that does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from rhinecloud.broker import Operation, Verdict
from rhinecloud.gateways.devices.devices import Devices
from rhinecloud.gateways.profiles import Profiles, Unmappable
from rhinecloud.gateways.profiles.plain_json import MAX_PAYLOAD
from rhinecloud.model import BadRequestData, NgsiLdError
from rhinecloud.store.devices import Device

SOURCE = "http"
_LONGEST_KEY = 128  # characters of an idempotency key


class Forbidden(Exception):  # noqa: N818  # says what the request is
    """The topic is not the device's own."""


class TooMuch(Exception):  # noqa: N818
    """The device sends more than it may; try again later."""


class Door(Protocol):
    """The broker, as far as a push needs it."""

    async def apply(self, operations: Sequence[Operation]) -> list[Verdict]:
        """A verdict for each operation, after the commit."""
        ...


class Keep(Protocol):
    """Keeps a message that could not be mapped."""

    async def __call__(
        self, topic: str, payload: bytes, arrived: datetime, error: Unmappable, delivery: str | None
    ) -> None:
        """With the reason."""
        ...


Seen = Callable[[str | None, str, int, int], bool | None]


class Push:
    """Takes messages of devices that have proved who they are."""

    def __init__(
        self, broker: Door, profiles: Profiles, devices: Devices, keep: Keep, seen: Seen | None = None
    ) -> None:
        """`seen` counts messages and says False to a device that sends more than it may."""
        self._broker = broker
        self._profiles = profiles
        self._devices = devices
        self._keep = keep
        self._seen = seen

    async def take(self, device: Device, topic: str | None, payload: bytes, key: str | None = None) -> None:
        """Return when what the message says is committed.

        `topic` is one that the device may publish to; without it the one that its profile gives it. The same `key`
        a second time changes nothing. Raises Forbidden, TooMuch, BadRequestData, and Unmappable when it could not be
        mapped: then it is kept with the reason. Further what Broker.apply raises.
        """
        topic = self._topic(device, topic)
        if key is not None and not 0 < len(key) <= _LONGEST_KEY:
            raise BadRequestData(f"an idempotency key has 1 to {_LONGEST_KEY} characters")
        if self._seen is not None and self._seen(device.id, topic, 1, len(payload)) is False:
            raise TooMuch(f"device {device.id} sends more than it may")
        arrived = datetime.now(UTC)
        delivery = None if key is None else f"{SOURCE}:{device.id}:{key}"
        try:
            mapped = self._profiles.read(topic, payload, arrived)
            alone = len(mapped.measurements) == 1
            verdicts = await self._broker.apply(
                [
                    Operation(
                        "measure",
                        one.entity_id,
                        one.types,
                        attributes=one.attributes,
                        delivery=delivery if delivery is None or alone else f"{delivery}.{index}",
                    )
                    for index, one in enumerate(mapped.measurements)
                ]
            )
            for verdict in verdicts:
                if isinstance(verdict, NgsiLdError):
                    raise Unmappable(str(verdict), "refused", device.id, mapped.profile)
        except Unmappable as error:
            await self._keep(topic, payload, arrived, error, delivery)
            raise
        for confirmation in mapped.confirmations:
            if confirmation.device == device.id:  # what a payload says of another device is not its to say
                await self._devices.commands.confirm(confirmation)
        self._devices.commands.heard(device.id)

    def _topic(self, device: Device, topic: str | None) -> str:
        own = self._devices.registry.topics(device).publish
        if topic is None:
            for one in own:
                if "+" not in one.split("/") and not one.endswith("#"):
                    return one
            raise BadRequestData(
                f"profile {device.profile} gives {device.id} no single topic: name one", field="topic"
            )
        if "+" in topic or "#" in topic or not any(matches(one, topic) for one in own):
            raise Forbidden(f"{topic!r} is no topic that {device.id} may publish to")
        return topic


def matches(filter_: str, topic: str) -> bool:
    """Whether an MQTT topic filter meets a topic (MQTT 3.1.1 §4.7)."""
    wanted, levels = filter_.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


__all__ = ["MAX_PAYLOAD", "Forbidden", "Push", "TooMuch", "matches"]
