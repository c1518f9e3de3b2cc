"""A child process that is kept alive: started, watched, started again with a growing pause, stopped."""

from __future__ import annotations

import abc
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from rhinecloud.engines.account import EngineError, describe_exit

Say = Callable[[str], None]

FIRST_PAUSE = 0.1  # seconds before a child is started again
LONGEST_PAUSE = 10.0
STABLE_AFTER = 30.0  # seconds of running after which the pause begins anew
_PROGRESS_AT = (2.0, 5.0, 10.0, 20.0, 30.0)


class Child(abc.ABC):
    """One supervised process. Nothing here blocks but `wait_stopped`; call `poll` a few times a second."""

    name: str
    stop_signal = signal.SIGTERM

    def __init__(self, say: Say) -> None:
        self.say = say
        self.process: subprocess.Popen[bytes] | None = None
        self.is_ready = False
        self.restarts = 0
        self._ever_ready = False
        self._stopping = False
        self._started = 0.0
        self._progress = 0
        self._pause = FIRST_PAUSE
        self._start_at: float | None = None

    @abc.abstractmethod
    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process; may raise EngineError."""

    @abc.abstractmethod
    def answers(self) -> bool:
        """Whether the running process does its work already; must not block."""

    def explanation(self) -> str:
        """More words about an end that was not asked for."""
        return ""

    def may_try_again(self) -> bool:
        """Whether an end before the first readiness was bad luck, of which nobody needs to hear."""
        return False

    def doing(self) -> str:
        """What a slow start is about, for progress lines."""
        return "is starting"

    def start(self) -> None:
        """Start now; readiness is seen by `poll`. Raises EngineError when it cannot even be launched."""
        self.is_ready = False
        self._stopping = False
        self._start_at = None
        self._started = time.monotonic()
        self._progress = 0
        self.process = self.launch()

    def poll(self) -> None:
        """Notice readiness and ends; start again when the pause is over.

        Raises EngineError only when the process ended before it was ready for the first time: then the
        set-up is wrong, and trying again would not help.
        """
        now = time.monotonic()
        if self.process is None:
            if self._start_at is not None and now >= self._start_at and not self._stopping:
                self._start_again()
            return
        code = self.process.poll()
        if code is not None:
            self._ended(code, now)
        elif not self.is_ready:
            if self.answers():
                self._became_ready(now)
            else:
                self._tell_progress(now)

    def _start_again(self) -> None:
        self.restarts += 1
        try:
            self.start()
        except (EngineError, OSError) as error:
            self._schedule(time.monotonic())
            self.say(f"{self.name} cannot be started again: {error}")

    def _ended(self, code: int, now: float) -> None:
        self.process = None
        self.is_ready = False
        if self._stopping:
            return
        if not self._ever_ready and self.may_try_again():
            self._schedule(now)
            return
        if not self._ever_ready:
            raise EngineError(f"{self.name} did not start ({describe_exit(code)}).{self.explanation()}")
        if now - self._started > STABLE_AFTER:
            self._pause = FIRST_PAUSE
        self._schedule(now)
        self.say(f"{self.name} stopped ({describe_exit(code)}); it is started again.{self.explanation()}")

    def _schedule(self, now: float) -> None:
        self._start_at = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _became_ready(self, now: float) -> None:
        self.is_ready = True
        if self._ever_ready:
            self.say(f"{self.name} is back after {now - self._started:.1f} s.")
        self._ever_ready = True

    def _tell_progress(self, now: float) -> None:
        waited = now - self._started
        due = (
            _PROGRESS_AT[self._progress]
            if self._progress < len(_PROGRESS_AT)
            else 30.0 * (self._progress - 3)
        )
        if waited >= due:
            self._progress += 1
            self.say(f"{self.name} {self.doing()} ({waited:.0f} s) …")

    def request_stop(self) -> None:
        """Ask the process to end; it will not be started again."""
        self._stopping = True
        self._start_at = None
        self.is_ready = False
        self.send(self.stop_signal)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if there is a process."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def wait_stopped(self, seconds: float) -> bool:
        """Wait for the end that was asked for; kill the whole group when the time is over (False)."""
        if self.process is None:
            return True
        try:
            self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            self.say(f"{self.name} did not stop in time and is ended.")
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return False
        finally:
            self.process = None


def last_lines(log: Path, count: int = 8) -> str:
    """The end of a log, to be shown with an error; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    text = "\n".join("    " + line for line in lines[-count:])
    return f"\n  The end of {log}:\n{text}" if text else ""


class Log:
    """A log file that a child appends to, kept below `limit` bytes plus one older part."""

    limit = 16 * 1024 * 1024

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> int:
        """A descriptor in append mode for the child; the caller closes its own copy."""
        self.rotate()
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def rotate(self) -> None:
        """Move the text to `.1` when there is too much; the child keeps its descriptor."""
        try:
            if self.path.stat().st_size < self.limit:
                return
        except FileNotFoundError:
            return
        with self.path.open("r+b") as file, self.path.with_suffix(".log.1").open("wb") as older:
            while block := file.read(1 << 20):
                older.write(block)
            file.truncate(0)
