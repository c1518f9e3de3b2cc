"""Messages that could not be mapped: seen in groups, replayed when the profile is mended, discarded, forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from rhinecloud.broker import Broker

from .profiles.profiles import Profiles
from .profiles.shapes import Kind


class Kept(msgspec.Struct, frozen=True):
    """A message that was kept. `arrived` is when it came in, `tried_at` when it was last replayed in vain."""

    id: int
    arrived: datetime
    source: str
    topic: str
    payload: bytes
    kind: Kind
    reason: str
    profile: str
    device: str | None
    tried_at: datetime | None
    tries: int


class Group(msgspec.Struct, frozen=True):
    """Messages of one kind, profile (or topic pattern, where no profile is known) and reason."""

    kind: Kind
    profile: str  # '' where no profile has the topic
    topic: str  # the pattern of the profile, or the newest topic
    reason: str  # of the newest
    count: int
    first: datetime
    newest: datetime
    newest_id: int


class Replayed(msgspec.Struct, frozen=True):
    """How a replay went: messages that are in the graph now, and those that still cannot be mapped."""

    mapped: int
    still: int


class Unmapped:
    """The kept messages of a city."""

    def __init__(self, broker: Broker, profiles: Profiles) -> None:
        self._broker = broker
        self._profiles = profiles

    async def groups(self) -> list[Group]:
        """What is kept, most recent group first."""
        raise NotImplementedError

    async def page(
        self,
        *,
        kind: Kind | None = None,
        profile: str | None = None,
        topic: str | None = None,
        device: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Kept]:
        """Kept messages, newest first, those with ids smaller than `before`. `topic` is an MQTT topic filter."""
        raise NotImplementedError

    async def get(self, number: int) -> Kept | None:
        """One kept message."""
        raise NotImplementedError

    async def replay(
        self,
        ids: Sequence[int] = (),
        *,
        kind: Kind | None = None,
        profile: str | None = None,
        topic: str | None = None,
        device: str | None = None,
        clock: Literal["device", "arrival"] = "device",
        actor: str,
    ) -> Replayed:
        """Map messages anew: those of `ids`, or all that the filter meets (all if it is empty).

        A message that is mapped is gone in the transaction that wrote it; its delivery id is the one it came with.
        """
        raise NotImplementedError

    async def discard(self, ids: Sequence[int], actor: str) -> int:
        """Delete messages for good; how many there were. Writes an audit line."""
        raise NotImplementedError
