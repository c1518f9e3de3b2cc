"""Saying that there are new votes: at once, and then at most four times a second, however many come.

Live figures of secret polls are released here too (`counting.release`), once a second, whoever's vote it was.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final
from weakref import WeakKeyDictionary

import asyncpg

from rhinecloud.city import City, Unavailable

from ..events.model import Event, Poll
from . import releasing

_EVERY: Final = 0.25  # seconds between two of an event
_RELEASED_EVERY: Final = 1.0  # seconds between two of a secret poll
_log = logging.getLogger(__name__)


class _Teller:
    """What is to be told of one event."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.polls: dict[int, Poll] = {}  # of which there is something new
        self.telling: asyncio.Task[None] | None = None


_tellers: WeakKeyDictionary[City, dict[int, _Teller]] = WeakKeyDictionary()


def tell(city: City, event: Event, poll: Poll) -> None:
    """Let everybody who looks at a poll's votes, words or questions see, soon, that there are new ones."""
    tellers = _tellers.setdefault(city, {})
    teller = tellers.setdefault(event.number, _Teller(event))
    teller.polls[poll.number] = poll
    if teller.telling is None:
        teller.telling = asyncio.create_task(_go_on(city, teller), name="votes-told")


def views(event: Event, poll: Poll) -> list[str]:
    """The views that show what a poll received."""
    found = [f"/stage/{event.code}", f"/remote/{event.number}"]
    if poll.kind == "questions":
        found.append(f"/phone/{event.code}")
    if poll.kind in ("questions", "words"):
        found.append(f"/moderation/{poll.number}")
    return found


async def _go_on(city: City, teller: _Teller) -> None:
    """Until nothing is new. A message that is lost is made up for by the next, or when the view is rendered again."""
    last_release = -_RELEASED_EVERY
    loop = asyncio.get_running_loop()
    while teller.polls:
        polls = teller.polls
        teller.polls = {}
        try:
            secret = [poll for poll in polls.values() if poll.secret]
            if secret and loop.time() - last_release < _RELEASED_EVERY:
                teller.polls.update((poll.number, poll) for poll in secret)
            elif secret:
                last_release = loop.time()
                for poll in secret:
                    await releasing.release(city, poll)
            for view in dict.fromkeys(view for poll in polls.values() for view in views(teller.event, poll)):
                await city.refresh(view)
        except (*Unavailable, asyncpg.PostgresError) as error:
            _log.warning("new votes could not be told: %s", error)
        except Exception:
            _log.exception("new votes could not be told")
        await asyncio.sleep(_EVERY)
    # Nothing is awaited between the look at `polls` and here: no vote falls in between.
    _tellers.get(city, {}).pop(teller.event.number, None)
