"""Going round for as long as the city is served: after a pause, or as soon as somebody says that there is something."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from rhinecloud.city import City, Unavailable

_log = logging.getLogger(__name__)
_AGAIN: Final = 5.0  # seconds


async def woken_by(city: City, *subjects: str) -> asyncio.Event:
    """An event that is set whenever a message comes on one of these subjects of the app's bus."""
    woken = asyncio.Event()

    async def wake(_: bytes) -> None:
        woken.set()

    for subject in subjects:
        await city.bus.hear(subject, wake)
    return woken


async def go_round(
    woken: asyncio.Event, once: Callable[[], Awaitable[float]], what: str, *, again: float = _AGAIN
) -> None:
    """`once` returns the seconds until the next time, if nothing wakes it before; `again` are those after the database
    was away. `what` begins the line that then stands in the log."""
    while True:
        woken.clear()
        try:
            pause = await once()
        except Unavailable as error:
            _log.warning("%s: %s", what, error)
            pause = again
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await woken.wait()
