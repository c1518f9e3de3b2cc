"""Few at once have their turn, few wait, and who finds too many waiting is told so."""

from __future__ import annotations

import asyncio

import pytest

from rhinecloud.apps.lighting.talq.flood import Full, Turns


async def test_few_at_once_few_wait_and_nobody_is_forgotten() -> None:
    turns, closed = Turns(at_once=2, most_waiting=3), False
    go, inside, most, done = asyncio.Event(), 0, 0, 0

    async def is_closed() -> bool:
        return closed

    async def one() -> None:
        nonlocal inside, most, done
        async with turns.turn(is_closed):
            inside += 1
            most = max(most, inside)
            await go.wait()
            inside -= 1
            done += 1

    tasks = [asyncio.create_task(one()) for _ in range(8)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    refused = [task for task in tasks if task.done()]
    assert len(refused) == 3
    for task in refused:
        with pytest.raises(Full):
            task.result()
    waiting = next(task for task in reversed(tasks) if not task.done())
    waiting.cancel()  # who goes away makes room
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(one()))
    await asyncio.sleep(0)
    assert not tasks[-1].done()
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (done, most, inside) == (5, 2, 0)
    closed = True
    turns = Turns(at_once=2, most_waiting=3)
    with pytest.raises(Full):
        await one()
