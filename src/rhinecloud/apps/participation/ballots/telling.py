"""Saying that there are new votes: at once, and then at most four times a second, however many come.

Live figures of secret polls are released here too (`counting.release`), once a second, whoever's vote it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final
from weakref import WeakKeyDictionary

import asyncpg

from rhinecloud.city import City, Unavailable

from ..events.model import Event, Poll
from . import releasing
from .receiving import Vote

_EVERY: Final = 0.25  # seconds between two of an event
_RELEASED_EVERY: Final = 1.0  # seconds between two of a secret poll
_log = logging.getLogger(__name__)


class _Teller:
    """What is to be told of one event."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.polls: dict[int, Poll] = {}  # that have new votes
        self.telling: asyncio.Task[None] | None = None


_tellers: WeakKeyDictionary[City, dict[int, _Teller]] = WeakKeyDictionary()


def tell(city: City, votes: Iterable[Vote]) -> None:
    """Let stages and remotes show these votes, soon."""
    tellers = _tellers.setdefault(city, {})
    for vote in votes:
        teller = tellers.setdefault(vote.event.number, _Teller(vote.event))
        teller.polls[vote.poll.number] = vote.poll
        if teller.telling is None:
            teller.telling = asyncio.create_task(_go_on(city, teller), name="votes-told")


async def _go_on(city: City, teller: _Teller) -> None:
    """Until nothing is new. A message that is lost is made up for by the next, or when the view is rendered again."""
    last_release = 0.0
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
            await city.refresh(f"/stage/{teller.event.code}")
            await city.refresh(f"/remote/{teller.event.number}")
        except (*Unavailable, asyncpg.PostgresError) as error:
            _log.warning("new votes could not be told: %s", error)
        except Exception:
            _log.exception("new votes could not be told")
        await asyncio.sleep(_EVERY)
    # Nothing is awaited between the look at `polls` and here: no vote falls in between.
    _tellers.get(city, {}).pop(teller.event.number, None)
