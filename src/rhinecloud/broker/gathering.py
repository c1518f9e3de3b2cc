"""Gathered statements: whatever waits while the last statement runs goes into the next; no timer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from rhinecloud.tasks import stop

Item = TypeVar("Item")
Result = TypeVar("Result")


class Overloaded(Exception):
    """More is waiting than may wait. `retry_after` is in seconds."""

    retry_after = 1


class Gathering(Generic[Item, Result]):
    """Calls `flush` with whatever has been submitted, in up to `lanes` tasks side by side.

    A second lane opens only when `crowded` of weight waits: two that share what few there are gather worse than one.

    `flush` returns one result for each item, in order; a result that is an exception is raised to that item's
    submitter alone, an exception that `flush` raises to all of them. `weigh` says how much an item counts against
    `most_at_once` (one flush) and `most_waiting` (all that wait; beyond it Overloaded is raised at once).
    """

    def __init__(
        self,
        flush: Callable[[list[Item]], Awaitable[list[Result | Exception]]],
        *,
        lanes: int,
        most_at_once: int,
        most_waiting: int,
        crowded: int = 1,
        weigh: Callable[[Item], int] = lambda item: 1,
    ) -> None:
        self._flush = flush
        self._most_at_once = most_at_once
        self._most_waiting = most_waiting
        self._weigh = weigh
        self._queue: deque[tuple[Item, int, asyncio.Future[Result]]] = deque()
        self._weight = 0
        self._crowded = crowded
        self._busy = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        self._lanes = [asyncio.create_task(self._lane(), name=f"gathering-{n}") for n in range(lanes)]

    @property
    def waiting(self) -> int:
        """The weight of what waits."""
        return self._weight

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """Put an item into the next statement. Raises Overloaded."""
        weight = self._weigh(item)
        if self._weight and self._weight + weight > self._most_waiting:
            raise Overloaded
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, weight, future))
        self._weight += weight
        if self._may_begin():
            while self._idle:
                idle = self._idle.popleft()
                if not idle.done():
                    idle.set_result(None)
                    break
        return future

    def _may_begin(self) -> bool:
        return bool(self._queue) and (self._busy == 0 or self._weight >= self._crowded)

    async def close(self) -> None:
        """Stop; what still waits is cancelled, hence never acknowledged."""
        await stop(*self._lanes)
        while self._queue:
            self._queue.popleft()[2].cancel()

    async def _lane(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._may_begin():
                idle = loop.create_future()
                self._idle.append(idle)
                await idle
            taken: list[tuple[Item, int, asyncio.Future[Result]]] = []
            weight = 0
            while self._queue and (not taken or weight + self._queue[0][1] <= self._most_at_once):
                entry = self._queue.popleft()
                weight += entry[1]
                if not entry[2].cancelled():
                    taken.append(entry)
            self._weight -= weight
            if not taken:
                continue
            self._busy += 1
            try:
                results = await self._flush([entry[0] for entry in taken])
            except Exception as error:
                results = [error] * len(taken)
            finally:
                self._busy -= 1
            for (_, _, future), result in zip(taken, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
