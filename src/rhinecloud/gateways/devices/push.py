"""HTTP push: a message of a device that cannot speak MQTT, on the same way as one that does."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rhinecloud.gateways.devices.registry import Registry
from rhinecloud.gateways.profiles.plain_json import MAX_PAYLOAD
from rhinecloud.gateways.profiles.shapes import Unmappable
from rhinecloud.gateways.taking import Incoming
from rhinecloud.model import BadRequestData
from rhinecloud.store.devices import Device

SOURCE = "http"
_LONGEST_KEY = 128  # characters of an idempotency key
_PATIENCE = 20.0  # seconds for the commit


class Forbidden(Exception):  # noqa: N818  # says what the request is
    """The topic is not the device's own."""


class TooMuch(Exception):  # noqa: N818  # says what the request is
    """The device sends more than it may; try again later."""


class Taking(Protocol):
    """Brings messages into the graph."""

    async def take(self, messages: Sequence[Incoming]) -> list[Unmappable | None]:
        """Return when each is committed, or kept among the unmapped: then why."""
        ...


Seen = Callable[[str, str, int], bool]


class Push:
    """Takes messages of devices that have proved who they are."""

    def __init__(self, registry: Registry, taking: Taking, seen: Seen) -> None:
        """`seen` counts a message of a device, on a topic, of so many bytes; False: it sends more than it may."""
        self._registry = registry
        self._taking = taking
        self._seen = seen

    async def take(self, device: Device, topic: str | None, payload: bytes, key: str | None = None) -> None:
        """Return when what the message says is committed.

        `topic` is one that the device may publish to; without it the one that its profile gives it. The same `key`
        a second time changes nothing. Raises Forbidden, TooMuch, BadRequestData; Unmappable when it could not be
        mapped: then it is kept with the reason; TimeoutError when it is not known to be committed.
        """
        topic = self._topic(device, topic)
        if key is not None and not 0 < len(key) <= _LONGEST_KEY:
            raise BadRequestData(f"an idempotency key has 1 to {_LONGEST_KEY} characters")
        if not self._seen(device.id, topic, len(payload)):
            raise TooMuch(f"device {device.id} sends more than it may")
        message = Incoming(topic, payload, time.time_ns(), _delivery(device.id, key), SOURCE)
        async with asyncio.timeout(_PATIENCE):
            (refused,) = await self._taking.take([message])
        if refused is not None:
            raise refused

    def _topic(self, device: Device, topic: str | None) -> str:
        own = self._registry.topics(device).publish
        if topic is None:
            for one in own:
                if "+" not in one.split("/") and not one.endswith("#"):
                    return one
            raise BadRequestData(
                f"profile {device.profile} gives {device.id} no single topic: name one", field="topic"
            )
        if "+" in topic or "#" in topic or not any(matches(one, topic) for one in own):
            raise Forbidden(f"{topic!r:.600} is no topic that {device.id} may publish to")
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


def _delivery(device: str, key: str | None) -> str | None:
    """What names the message for good: a device's own key, of one length whatever it is."""
    if key is None:
        return None
    return f"{SOURCE}:{device}:{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"


__all__ = ["MAX_PAYLOAD", "Forbidden", "Push", "TooMuch", "matches"]
