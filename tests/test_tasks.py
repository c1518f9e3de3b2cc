"""Ending tasks for certain, also those that swallow a cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

from rhinecloud.broker import Broker
from rhinecloud.store import Database
from rhinecloud.tasks import stop

from .broker.graph import whole


class Deaf:
    """A task that, like one inside Python 3.11's `wait_for`, misses the cancellations that come first."""

    def __init__(self, misses: int) -> None:
        self.misses = misses
        self.told = 0

    async def run(self) -> None:
        while True:
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                self.told += 1
                if self.told > self.misses:
                    raise


async def test_a_task_that_misses_its_cancellation_is_told_again() -> None:
    deaf = Deaf(misses=2)
    task = asyncio.create_task(deaf.run())
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await stop(task, None)
    assert task.cancelled() and deaf.told == 3


async def test_what_has_ended_or_failed_is_no_trouble() -> None:
    async def fail() -> None:
        raise ValueError("on purpose")

    tasks = [asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(0))]
    await asyncio.wait(tasks)
    async with asyncio.timeout(5):
        await stop(*tasks)


class Slow:
    """A bus that answers when it is told to, and waits for that as the client library does."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[None] | None = None

    async def subscribe(self, subject: str, callback: Any) -> None:
        return None

    async def wake(self, name: str) -> None:
        return None

    async def publish(self, subject: str, payload: bytes, msg_id: str) -> None:
        self.answer = asyncio.get_running_loop().create_future()
        await asyncio.wait_for(self.answer, 60)

    async def ensure_changes(self, tenant: str, epoch: int) -> None:
        return None


async def test_a_broker_closes_although_a_cancellation_met_an_answer(database_url: str) -> None:
    """The answer of the bus and the cancellation in one turn: Python 3.11 forgets the latter."""
    database = await Database.open(database_url)
    bus: Any = Slow()
    broker = Broker(database, bus)
    await broker.apply([whole("create", "urn:x:1", n=1)])
    async with asyncio.timeout(20):
        while bus.answer is None:
            await asyncio.sleep(0.01)
    bus.answer.set_result(None)
    async with asyncio.timeout(20):
        await broker._relay.close()
        await broker.close()
    await database.close()
