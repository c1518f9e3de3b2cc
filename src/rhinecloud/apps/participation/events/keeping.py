"""Events as each worker remembers them, so that thousands of phones ask the database once a second.

Every worker is told when an event was changed. That may be lost, so nothing is remembered for longer than a second.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Final
from weakref import WeakKeyDictionary

from rhinecloud.city import City

from . import reading
from .model import CODE_LENGTH, CODES, Event

_SUBJECT: Final = "event"
_OLDEST: Final = 1.0  # seconds
_MOST: Final = 1_000


class _Asked:
    """A question that was put to the database, and when."""

    def __init__(self, city: City, code: str) -> None:
        self.at = time.monotonic()
        self.answer: asyncio.Task[Event | None] = asyncio.create_task(reading.by_code(city, code))

    @property
    def is_good(self) -> bool:
        """Whether its answer may still be given."""
        if not self.answer.done():
            return True
        failed = self.answer.cancelled() or self.answer.exception() is not None
        return not failed and time.monotonic() - self.at < _OLDEST


class _Memory:
    """What was asked lately. Codes of no event are apart, so that guesses push no event out."""

    def __init__(self) -> None:
        self.events: OrderedDict[str, _Asked] = OrderedDict()
        self.nothing: OrderedDict[str, _Asked] = OrderedDict()

    def asked(self, city: City, code: str) -> _Asked:
        for known in (self.events, self.nothing):
            found = known.get(code)
            if found is not None and found.is_good:
                known.move_to_end(code)
                return found
        self.forget(code)
        found = _Asked(city, code)
        self._keep(self.nothing, code, found)
        found.answer.add_done_callback(lambda answer: self._answered(code, found))
        return found

    def _answered(self, code: str, asked: _Asked) -> None:
        answer = asked.answer
        if self.nothing.get(code) is not asked or answer.cancelled() or answer.exception() is not None:
            return
        if answer.result() is not None:
            del self.nothing[code]
            self._keep(self.events, code, asked)

    @staticmethod
    def _keep(known: OrderedDict[str, _Asked], code: str, asked: _Asked) -> None:
        known[code] = asked
        while len(known) > _MOST:
            known.popitem(last=False)

    def forget(self, code: str) -> None:
        self.events.pop(code, None)
        self.nothing.pop(code, None)


_memories: WeakKeyDictionary[City, _Memory] = WeakKeyDictionary()


async def kept(city: City, code: str) -> Event | None:
    """The event that a short code names, as it was at most a second ago; None if there is none."""
    code = reading.tidy(code)
    if len(code) != CODE_LENGTH or not CODES.issuperset(code):
        return None
    asked = _memories.setdefault(city, _Memory()).asked(city, code)
    # Who asked first may go away: the others still wait for the answer.
    return await asyncio.shield(asked.answer)


def forget(city: City, code: str) -> None:
    """Ask anew for an event when somebody wants it next, in this worker."""
    _memories.setdefault(city, _Memory()).forget(reading.tidy(code))


async def changed(city: City, event: Event) -> None:
    """Say, after the commit, that an event or one of its polls was changed: every worker asks for it anew, and whoever
    looks at its phone page, its stage or its remote control is shown it."""
    forget(city, event.code)
    await city.bus.tell(_SUBJECT, event.code.encode())
    for view in (f"/phone/{event.code}", f"/stage/{event.code}", f"/remote/{event.number}"):
        await city.refresh(view)


async def hear(city: City) -> None:
    """The task of each worker: forget what others changed."""

    async def heard(payload: bytes) -> None:
        forget(city, payload.decode())

    await city.bus.hear(_SUBJECT, heard)
    await asyncio.Event().wait()
