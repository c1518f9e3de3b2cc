"""All profiles of a city in one worker: those of the program and the city's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal

from rhinecloud.broker import Broker
from rhinecloud.bus import Bus

from .profile import Profile
from .shapes import Mapped, Trial


class Profiles:
    """One for each worker: compiled, reloaded on the wake-up "profiles" and after each save and delete."""

    def __init__(
        self,
        broker: Broker,
        bus: Bus,
        *,
        clock_ahead: timedelta = timedelta(seconds=600),
        registered: Callable[[str], tuple[str, str] | None] | None = None,
    ) -> None:
        """`registered` says which (entity id, type) a device has in the registry, None if it is not there."""
        raise NotImplementedError

    async def open(self) -> None:
        """Load the city's own and follow their changes. Raises one of broker.Unavailable, BusUnavailable."""

    async def close(self) -> None:
        """Stop to follow."""

    def all(self) -> list[Profile]:
        """Every profile, by name."""
        raise NotImplementedError

    def get(self, name: str) -> Profile | None:
        """A profile by its name."""
        raise NotImplementedError

    async def save(self, document: dict[str, Any], actor: str) -> Profile:
        """Make or change a profile of the city. Raises ProfileError; a built-in one cannot be changed."""
        raise NotImplementedError

    async def delete(self, name: str, actor: str) -> bool:
        """Delete a profile of the city; False if there is none. Raises ProfileError while others extend it, and for
        a built-in one."""
        raise NotImplementedError

    def find(self, topic: str) -> tuple[Profile, dict[str, str]] | None:
        """The profile that has this topic, and the levels that it names ("device" among them, where it knows)."""
        raise NotImplementedError

    def read(
        self,
        topic: str,
        payload: bytes,
        arrived: datetime,
        *,
        clock: Literal["device", "arrival"] = "device",
    ) -> Mapped:
        """A message by its profile. `clock="arrival"` gives every value the time of arrival. Raises Unmappable."""
        raise NotImplementedError

    def try_(
        self, profile: str | dict[str, Any] | None, topic: str, payload: bytes, arrived: datetime
    ) -> Trial:
        """What a profile (a document, a name, or None: whichever has the topic) would make of a message. Pure."""
        raise NotImplementedError

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back after the set of profiles changed in this worker."""
        raise NotImplementedError
