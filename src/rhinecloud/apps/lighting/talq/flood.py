"""How much a gateway may send: a bucket for each, in this worker's memory; and how many reports are read when."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

_RATE: Final = 20.0  # requests a second in the long run
_BURST: Final = 400.0
_ENTRIES: Final = 2_000.0  # entries of reports a second: ten times those of 5,000 lamps every five minutes
_ENTRIES_BURST: Final = 200_000.0
_LOOK: Final = 1.0  # seconds


class Bucket:
    """`rate` a second in the long run, `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._levels: dict[int, tuple[float, float]] = {}

    def take(self, who: int, much: float, now: float) -> int:
        """Take so much; 0, or the whole seconds until there is so much again. More than `burst` never is."""
        level, then = self._levels.get(who, (self._burst, now))
        level = min(self._burst, level + (now - then) * self._rate)
        lacking = min(much, self._burst) - level
        if lacking > 0:
            self._levels[who] = (level, now)
            return math.ceil(lacking / self._rate)
        self._levels[who] = (level - much, now)
        return 0


class Meter:
    """What gateways sent to this worker: requests, and entries of reports."""

    def __init__(self) -> None:
        self._requests = Bucket(_RATE, _BURST)
        self._entries = Bucket(_ENTRIES, _ENTRIES_BURST)

    def take(self, gateway: int) -> int:
        """A request; 0, or seconds to wait."""
        return self._requests.take(gateway, 1, time.monotonic())

    def take_entries(self, gateway: int, number: int) -> int:
        """Entries of a report; 0, or seconds to wait."""
        return self._entries.take(gateway, number, time.monotonic())


class Full(Exception):
    """As many as may wait are waiting, or none may now."""


class Turns:
    """So many at once, and so many that wait for them."""

    def __init__(self, at_once: int, most_waiting: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = most_waiting
        self._waiting = 0
        self._closed, self._looked_at = False, -math.inf

    @asynccontextmanager
    async def turn(self, closed: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
        """Have a turn as soon as there is one. `closed`: whether nobody has one now, asked once a second. Raises Full,
        at once or while it waits."""
        if await self._is_closed(closed) or (self._free.locked() and self._waiting >= self._most_waiting):
            raise Full
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            if await self._is_closed(closed):
                raise Full
            yield
        finally:
            self._free.release()

    async def _is_closed(self, closed: Callable[[], Awaitable[bool]]) -> bool:
        if time.monotonic() > self._looked_at + _LOOK:
            self._looked_at = time.monotonic()
            self._closed = await closed()
        return self._closed
