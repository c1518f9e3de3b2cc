"""When a certificate is due, and the loop that gets it: at two thirds of its life, with pauses that grow on failure."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from .authority import Authority, NotIssued
from .expiry import Expiry
from .folder import Folder, State

_JITTER = 0.02  # of a certificate's life: many installations that began together shall not ask together
_FIRST_PAUSE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=12)
_LOOK = 3600.0  # seconds: clocks jump, so nothing sleeps longer than this without asking what time it is


def due(expiry: Expiry, spread: float) -> datetime:
    """When it is to be renewed; `spread` from 0 to 1 is this installation's place among all others."""
    life = expiry.ends - expiry.begins
    return expiry.begins + life * (2 / 3 + _JITTER * spread)


def pause(failures: int, spread: float) -> timedelta:
    """How long to wait after so many failures: 5 minutes, doubled each time up to 12 hours, and up to a quarter more.
    Authorities allow some five failures an hour (Let's Encrypt)."""
    doubled: int = 2 ** min(failures - 1, 20)
    return min(_FIRST_PAUSE * doubled, _LONGEST_PAUSE) * (1 + spread / 4)


class Renewal:
    """Keeps the certificate in `folder` good. Whatever fails, the former stays in use."""

    def __init__(
        self, folder: Folder, authority: Authority, names: Sequence[str], say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._authority = authority
        self._names = tuple(names)
        self._say = say
        self._spread = random.random()
        self._now = asyncio.Event()

    def hurry(self) -> None:
        """Try again at once what failed."""
        self._now.set()

    async def keep(self) -> None:
        """For ever."""
        while True:
            now = datetime.now(UTC)
            at = self._next(now)
            if at > now:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min((at - now).total_seconds(), _LOOK)):
                        await self._now.wait()
                if self._now.is_set():
                    self._now.clear()
                    self._folder.state = State()
                continue
            await self._issue()

    def _next(self, now: datetime) -> datetime:
        """When to try. After a clock that went back, a pause is never longer than pauses are."""
        state = self._folder.state
        after = min(state.next or now, now + _LONGEST_PAUSE * 1.25)
        try:
            expiry = Expiry.of_file(self._folder.chain)
        except (OSError, ValueError):
            return after
        if self._folder.is_placeholder(expiry) or {*expiry.names} != {*self._names}:
            return after
        return max(due(expiry, self._spread), after) if state.failures else due(expiry, self._spread)

    async def _issue(self) -> None:
        try:
            await asyncio.to_thread(self._authority.issue, self._names)
        except NotIssued as error:
            failures = self._folder.state.failures + 1
            wait = pause(failures, random.random())
            self._folder.state = State(str(error), failures, datetime.now(UTC) + wait)
            self._say(
                f"No certificate was issued, the former one stays; tried again in {_words(wait)}. {error}"
            )
        else:
            self._folder.state = State()
            self._say(Expiry.of_file(self._folder.chain).sentence())


def _words(wait: timedelta) -> str:
    minutes = round(wait.total_seconds() / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
