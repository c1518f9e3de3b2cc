"""Ending tasks of the event loop for certain."""

from __future__ import annotations

import asyncio
from typing import Any

_PATIENCE = 1.0  # seconds until a task that did not end is told again


async def stop(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks until each is over. Their results and failures are not raised.

    Once is not enough: in Python 3.11 `asyncio.wait_for` swallows a cancellation that arrives in the turn in which
    its future completes (https://github.com/python/cpython/issues/86296), and the task goes on for ever.
    """
    left = {task for task in tasks if task is not None}
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=_PATIENCE)
        for task in done:
            if not task.cancelled():
                task.exception()
