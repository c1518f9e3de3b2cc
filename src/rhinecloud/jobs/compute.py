"""CPU work off the event loop: a function runs in another process, which is killed when it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rhinecloud.broker import Overloaded
from rhinecloud.tasks import stop

R = TypeVar("R")
_CHILD = Path(__file__).with_name("computing.py")
_LENGTH = struct.Struct("<Q")
_IDLE = 60.0  # seconds after which a process that nobody asks ends
_END = 5.0  # seconds that a process has to end after its output ended
_LARGEST = 256 * 1024 * 1024  # bytes of a result
# What a child must not inherit: it needs no password.
_SECRET = "RHINECLOUD_"


class ComputeFailed(Exception):
    """The process could not do it or died of it; the message says how. What the function raises is raised as it is."""


class ComputeTimeout(ComputeFailed, TimeoutError):
    """It took longer than it was given, and was killed."""


class Compute:
    """Up to `processes` processes, started when they are first needed and ended when idle.

    More than `waiting` calls in the queue are refused.
    """

    def __init__(self, processes: int | None = None, waiting: int = 100, idle: float = _IDLE) -> None:
        self._most = processes or max(1, min(4, (os.cpu_count() or 1) - 1))
        self._most_waiting = waiting
        self._idle_seconds = idle
        self._slots = asyncio.Semaphore(self._most)
        self._idle: list[_Child] = []
        self._busy = 0
        self._waiting = 0
        self._done = 0
        self._killed = 0
        self._reaper: asyncio.Task[None] | None = None
        self._closed = False

    async def run(self, function: Callable[..., R], *args: Any, timeout: float) -> R:
        """`function(*args)`, in another process. The function is one of a module, by name; arguments and result are
        pickled.

        `timeout` is in seconds and counts from the start of the function, not from the wait for a free process. What
        the function raises is raised here. Raises Overloaded when too many wait, ComputeTimeout when it took too long
        (it is killed), ComputeFailed when the process died. A call that is cancelled is killed as well.
        """
        if function.__module__ == "__main__" or "<" in function.__qualname__:
            raise ValueError(f"{function.__qualname__} cannot be found by its name in another process")
        if self._closed:
            raise ComputeFailed("the worker ends")
        if self._waiting >= self._most_waiting:
            raise Overloaded("too much is being computed")
        request = pickle.dumps((function.__module__, function.__qualname__, args))
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        self._busy += 1
        try:
            return await self._call(request, timeout)  # type: ignore[no-any-return]
        finally:
            self._busy -= 1
            self._slots.release()

    async def _call(self, request: bytes, timeout: float) -> Any:
        child = self._ready() or await _Child.start()
        try:
            async with asyncio.timeout(timeout):
                failed, result = await child.ask(request)
        except TimeoutError:
            await self._kill(child)
            raise ComputeTimeout(f"not computed within {timeout:g} s") from None
        except (EOFError, OSError, asyncio.IncompleteReadError):
            # Its output has ended: it ends by itself, and a kill that finds it ended would take its exit code along.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END):
                    await asyncio.shield(child.process.wait())
            await self._kill(child)
            raise ComputeFailed(f"the process ended with {child.process.returncode}") from None
        except BaseException:
            await self._kill(child)
            raise
        if self._closed:
            await child.kill()
        else:
            child.idle_since = asyncio.get_running_loop().time()
            self._idle.append(child)
            if self._reaper is None or self._reaper.done():
                self._reaper = asyncio.create_task(self._reap(), name="compute-reaper")
        self._done += 1
        if failed:
            raise result
        return result

    def _ready(self) -> _Child | None:
        while self._idle:
            child = self._idle.pop()
            if child.lives:
                return child
        return None

    async def _kill(self, child: _Child) -> None:
        self._killed += 1
        await child.kill()

    async def _reap(self) -> None:
        """End what was idle for long; the one that was used last is taken first, so the others grow old."""
        while self._idle:
            await asyncio.sleep(self._idle_seconds / 4)
            old = asyncio.get_running_loop().time() - self._idle_seconds
            gone = [child for child in self._idle if child.idle_since < old]
            self._idle = [child for child in self._idle if child.idle_since >= old]
            for child in gone:
                await child.kill()

    def health(self) -> dict[str, int]:
        """Figures: processes that work and that stand ready, calls that wait, that were answered, that were killed."""
        return {
            "busy": self._busy,
            "idle": sum(child.lives for child in self._idle),
            "most": self._most,
            "waiting": self._waiting,
            "done": self._done,
            "killed": self._killed,
        }

    async def close(self) -> None:
        """End all processes that stand ready; those that work end with their calls."""
        self._closed = True
        await stop(self._reaper)
        while self._idle:
            await self._idle.pop().kill()


class _Child:
    """One process. It ends by itself when this one is gone, for then its input ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.idle_since = 0.0

    @property
    def lives(self) -> bool:
        """Whether nothing is known of its end."""
        output = self.process.stdout
        return self.process.returncode is None and output is not None and not output.at_eof()

    @classmethod
    async def start(cls) -> _Child:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRET)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(_CHILD),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            # Ctrl-C reaches the whole group of the terminal; this process ends its children itself.
            start_new_session=True,
        )
        return cls(process)

    async def ask(self, request: bytes) -> tuple[bool, Any]:
        """Returns whether it failed, and the result or the exception."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(_LENGTH.pack(len(request)))
        self.process.stdin.write(request)
        await self.process.stdin.drain()
        (length,) = _LENGTH.unpack(await self.process.stdout.readexactly(_LENGTH.size))
        if length > _LARGEST:
            raise ComputeFailed(f"a result of {length} bytes is too large")
        failed, result = pickle.loads(await self.process.stdout.readexactly(length))
        return failed, result

    async def kill(self) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        # Killed for certain, but reaped by another: shielded, so that a second cancellation leaves no zombie.
        await asyncio.shield(self.process.wait())
