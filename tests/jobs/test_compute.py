"""CPU work in other processes: right answers, failures told, killed on time, bounded, none left behind."""

from __future__ import annotations

import asyncio
import math
import operator
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import msgspec
import psutil
import pytest
import pytest_asyncio

from rhinecloud.broker import Overloaded
from rhinecloud.jobs import ComputeFailed, ComputeTimeout
from rhinecloud.jobs.compute import Compute
from rhinecloud.jobs.schedule import Timed

PATIENCE = 20.0
ROOT = Path(__file__).parent.parent.parent


@pytest_asyncio.fixture
async def compute() -> AsyncIterator[Compute]:
    """Two processes, and two that may wait."""
    made = Compute(processes=2, waiting=2)
    yield made
    await made.close()
    await until(lambda: not children())


def children() -> list[psutil.Process]:
    """The processes that compute for this one."""
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and any("computing.py" in word for word in child.cmdline())
    ]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_answer_is_that_of_the_function(compute: Compute) -> None:
    assert await compute.run(math.factorial, 300, timeout=30) == math.factorial(300)
    # A function of the house, with a struct for an answer; a process that is there is used again.
    assert await compute.run(Timed, "a", "0 * * * *", b"", timeout=30) == Timed("a", "0 * * * *", b"")
    assert await compute.run(os.getpid, timeout=30) != os.getpid()
    assert compute.health() == {"busy": 0, "idle": 1, "most": 2, "waiting": 0, "done": 3, "killed": 0}


async def test_the_event_loop_goes_on_meanwhile(compute: Compute) -> None:
    big = asyncio.create_task(compute.run(math.factorial, 60_000, timeout=60))
    turns = 0
    while not big.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
    assert await big == math.factorial(60_000)


async def test_what_the_function_raises_is_raised_here_and_the_process_lives(compute: Compute) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        await compute.run(operator.truediv, 1, 0, timeout=30)
    assert "operator" in "".join(raised.value.__notes__) or "computing.py" in "".join(raised.value.__notes__)
    with pytest.raises(msgspec.ValidationError, match="Expected `int`"):
        await compute.run(msgspec.convert, "x", int, timeout=30)
    assert compute.health()["idle"] == 1


async def test_an_answer_that_cannot_be_sent_says_so(compute: Compute) -> None:
    with pytest.raises(RuntimeError, match="cannot be sent"):
        await compute.run(open, os.devnull, timeout=30)
    assert await compute.run(abs, -1, timeout=30) == 1


async def test_what_a_function_prints_is_not_taken_for_an_answer(compute: Compute) -> None:
    assert await compute.run(print, "something to read", timeout=30) is None
    assert await compute.run(abs, -2, timeout=30) == 2


async def test_what_takes_too_long_is_killed(compute: Compute) -> None:
    with pytest.raises(ComputeTimeout, match=r"0\.2 s"):
        await compute.run(time.sleep, 600, timeout=0.2)
    assert children() == []
    assert compute.health()["killed"] == 1
    assert await compute.run(abs, -3, timeout=30) == 3


async def test_a_call_that_is_cancelled_is_killed(compute: Compute) -> None:
    call = asyncio.create_task(compute.run(time.sleep, 600, timeout=600))
    await until(lambda: len(children()) == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert children() == []
    assert compute.health()["busy"] == 0


async def test_a_process_that_dies_fails_its_call_only(compute: Compute) -> None:
    other = asyncio.create_task(compute.run(time.sleep, 0.5, timeout=30))
    with pytest.raises(ComputeFailed, match="ended with -9"):
        await compute.run(os.kill, await compute.run(os.getpid, timeout=30), signal.SIGKILL, timeout=30)
    with pytest.raises(ComputeFailed, match="ended with 3"):
        await compute.run(os._exit, 3, timeout=30)
    assert await other is None
    assert await compute.run(abs, -4, timeout=30) == 4


async def test_a_process_that_died_while_idle_is_replaced(compute: Compute) -> None:
    pid = await compute.run(os.getpid, timeout=30)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: compute.health()["idle"] == 0)
    assert await compute.run(os.getpid, timeout=30) != pid


async def test_more_than_may_wait_is_refused(compute: Compute) -> None:
    calls = [asyncio.create_task(compute.run(time.sleep, 600, timeout=600)) for _ in range(4)]
    await until(lambda: compute.health()["waiting"] == 2)
    assert compute.health()["busy"] == 2
    with pytest.raises(Overloaded):
        await compute.run(abs, -5, timeout=30)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    assert compute.health()["waiting"] == compute.health()["busy"] == 0
    assert await compute.run(abs, -5, timeout=30) == 5


async def test_idle_processes_end() -> None:
    compute = Compute(processes=2, idle=0.1)
    await asyncio.gather(*(compute.run(time.sleep, 0.05, timeout=30) for _ in range(2)))
    await until(lambda: not children())
    assert compute.health()["idle"] == 0
    assert await compute.run(abs, -6, timeout=30) == 6
    await compute.close()


async def test_a_function_without_a_name_is_refused(compute: Compute) -> None:
    with pytest.raises(ValueError, match="lambda"):
        await compute.run(lambda: datetime.now(), timeout=30)


async def test_it_is_told_no_secrets(compute: Compute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHINECLOUD_DATABASE_URL", "postgresql://secret@nowhere/x")
    assert await compute.run(os.getenv, "RHINECLOUD_DATABASE_URL", timeout=30) is None
    assert await compute.run(os.getenv, "PATH", timeout=30) == os.environ["PATH"]


async def test_a_killed_worker_leaves_no_process_behind() -> None:
    program = (
        "import asyncio, os, time\n"
        "from rhinecloud.jobs.compute import Compute\n"
        "async def main():\n"
        "    compute = Compute(processes=2)\n"
        "    print(await compute.run(os.getpid, timeout=60), flush=True)\n"
        "    await compute.run(time.sleep, 1, timeout=60)\n"
        "asyncio.run(main())\n"
    )
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert worker.stdout is not None
    async with asyncio.timeout(PATIENCE):
        child = int(await worker.stdout.readline())
    worker.kill()
    await worker.wait()
    await until(lambda: not psutil.pid_exists(child))
