"""What a job is to its handler: how often it is tried, what it is told, and what it can say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec


class GiveUp(Exception):
    """Raised by a handler: no later attempt can go better. The job is dead at once, with this reason."""


class Later(Exception):
    """Raised by a handler: try again after `seconds`, instead of after the pause that is next in turn."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Attempt(msgspec.Struct, frozen=True):
    """One run of a job, as its handler is told of it.

    `number` counts from 1; after a failure of the `last` one the job is dead. `due` is the moment for which a timed
    job was queued, UTC; None for one that was queued by a caller.
    """

    job: int
    name: str
    number: int
    last: bool
    due: datetime | None


Handler = Callable[[Any, Attempt], Awaitable[None]]


class Kind(msgspec.Struct, frozen=True):
    """A kind of job: who does it, and how patiently. Pauses and `timeout` are in seconds."""

    name: str
    handler: Handler
    payload: Any
    attempts: int
    first_pause: float
    longest_pause: float
    timeout: float
    at_once: int

    def pause_after(self, number: int) -> float:
        """Seconds between the failed attempt `number` (from 1) and the next one: three times the one before."""
        pause = self.first_pause
        for _ in range(number - 1):
            pause *= 3
            if pause >= self.longest_pause:
                break
        return min(pause, self.longest_pause)

    def read(self, payload: bytes | None) -> Any:
        """The payload as the handler wants it. Raises GiveUp: it will fit as little the next time."""
        try:
            return msgspec.json.decode(payload or b"null", type=self.payload)
        except msgspec.DecodeError as error:
            raise GiveUp(f"the payload does not fit: {error}") from None


def due_of(headers: dict[str, object] | None) -> datetime | None:
    """The moment for which a timed job was queued, from the headers it was queued with."""
    due = (headers or {}).get("due")
    return datetime.fromisoformat(due).astimezone(UTC) if isinstance(due, str) else None
