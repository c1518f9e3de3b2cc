"""What is said between devices and apps and kept nowhere: no row, no history, no stream, not even when it was said.

For what would tell of persons if it were kept, such as that somebody passed a detector. A profile names the topics
(`passing`, `momentary_topic`); whatever else a device says goes the usual ways. It may be lost.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from nats.errors import Error as NatsError

from rhinecloud.bus import Bus, Message
from rhinecloud.bus.intake import QOS_HEADER, subject_of, topic_of
from rhinecloud.store import Database, devices

from ..profiles import FixedProfiles

_KNOWN_FOR = 60.0  # seconds for which the topic of a device is remembered


class Said(msgspec.Struct, frozen=True):
    """A message that passes: who said it, what, and when it came (seconds since 1970)."""

    device: str
    payload: bytes
    at: float


class Passing:
    """Hears and tells, in one worker."""

    def __init__(self, database: Database, bus: Bus, profiles: FixedProfiles) -> None:
        self._database = database
        self._bus = bus
        self._profiles = profiles
        self._topics: dict[str, str | None] = {}
        self._until = 0.0

    @asynccontextmanager
    async def hearing(self, profile: str, heard: Callable[[Said], None]) -> AsyncIterator[None]:
        """`heard(said)` for each message on the passing topics of this profile, over MQTT with whatever quality of
        service, for as long as the block lasts. Core NATS has them all. Raises LookupError without such a profile."""
        found = self._profiles.get(profile)
        if found is None or not found.parts.passing:
            raise LookupError(f"no profile {profile!r} with topics whose messages pass")

        def on_message(message: Message) -> None:
            if QOS_HEADER not in message.headers:
                return  # from no device
            device = self._profiles.device_of(topic_of(message.subject))
            if device is not None:
                heard(Said(device, message.payload, time.time()))

        subjects = {pattern.subject() for pattern in found.parts.passing}
        subscriptions = [await self._bus.listen(subject, on_message) for subject in subjects]
        try:
            yield
        finally:
            for subscription in subscriptions:
                with contextlib.suppress(NatsError, OSError):  # the connection may be gone, and it with it
                    await subscription.unsubscribe()

    async def tell(self, values: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Tell devices (id → values) something for this moment, as JSON on the `momentary_topic` of each one's
        profile; to whom it could not be said, for there is no such device or no such topic. Raises one of
        store.Unavailable."""
        await self._learn(values)
        missed = []
        for device, said in values.items():
            if (topic := self._topics.get(device)) is None:
                missed.append(device)
            else:
                await self._bus.tell(subject_of(topic), msgspec.json.encode(said))
        return missed

    async def _learn(self, wanted: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if now >= self._until:
            self._topics, self._until = {}, now + _KNOWN_FOR
        unknown = sorted(wanted.keys() - self._topics.keys())
        if not unknown:
            return
        kinds = await devices.kinds(self._database.pool, unknown)
        for device in unknown:
            self._topics[device] = None
            if (kind := kinds.get(device)) is not None and (
                profile := self._profiles.get(kind[0])
            ) is not None:
                self._topics[device] = profile.momentary_topic(device, kind[1])


__all__ = ["Passing", "Said"]
