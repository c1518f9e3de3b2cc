"""Receiving votes: those that wait in a worker are written together, and answered after the commit.

While one transaction runs the next votes gather; nobody waits for a timer. What cannot be taken any more is refused at
once, so that phones come again, instead of waiting without end.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

import asyncpg
import msgspec

from rhinecloud.city import City, Unavailable

from ..events.model import Poll
from . import telling
from .receiving import NEWEST, Receipt, Refused, Verdict, Vote, write

__all__ = ["NEWEST", "Receipt", "Refused", "Vote", "cast", "has_voted"]

_MOST_AT_ONCE: Final = 500  # votes in a transaction
_MOST_WAITING: Final = 5_000  # votes in a worker: what is beyond them would wait for longer than phones do
_MOST_OF_ONE: Final = 20  # votes of one participant that wait
_TRIES: Final = 4
_BUSY: Final = 2  # seconds
_log = logging.getLogger(__name__)

_Key = tuple[int, UUID]  # poll, participant


class _Gathering:
    """The votes that wait in this worker, and the task that writes them while there are any."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Vote, asyncio.Future[Verdict]]] = []
        self.of_one: Counter[_Key] = Counter()
        self.writing: asyncio.Task[None] | None = None

    def submit(self, city: City, vote: Vote) -> asyncio.Future[Verdict]:
        key = _key(vote)
        if len(self.waiting) >= _MOST_WAITING or self.of_one[key] >= _MOST_OF_ONE:
            raise Refused("busy", _BUSY)
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self.waiting.append((vote, future))
        self.of_one[key] += 1
        if self.writing is None or self.writing.done():
            self.writing = asyncio.create_task(self._write_all(city), name="votes")
        return future

    async def _write_all(self, city: City) -> None:
        while self.waiting:
            taken = self._take()
            votes = [vote for vote, _ in taken]
            try:
                verdicts = await _written(city, votes)
            except Unavailable:
                verdicts = [Refused("busy", _BUSY)] * len(votes)
            except Exception:
                _log.exception("votes could not be written")
                verdicts = [Refused("busy", _BUSY)] * len(votes)
            for (_, future), verdict in zip(taken, verdicts, strict=True):
                if not future.done():
                    future.set_result(verdict)
            for vote, verdict in zip(votes, verdicts, strict=True):
                if _counts(verdict):
                    telling.tell(city, vote.event, vote.poll)

    def _take(self) -> list[tuple[Vote, asyncio.Future[Verdict]]]:
        """Those that wait longest, one of each participant in a poll: two of them are written one after the other."""
        taken: dict[_Key, tuple[Vote, asyncio.Future[Verdict]]] = {}
        left = []
        for entry in self.waiting:
            key = _key(entry[0])
            if key in taken or len(taken) >= _MOST_AT_ONCE:
                left.append(entry)
            else:
                taken[key] = entry
                self.of_one[key] -= 1
        self.of_one += Counter()  # forgets who has none left
        self.waiting = left
        return list(taken.values())


_gathered: WeakKeyDictionary[City, _Gathering] = WeakKeyDictionary()


async def cast(city: City, vote: Vote) -> Receipt:
    """Take a vote, whose choice was judged (`choices`); what counts now, once it is kept. A vote that comes again is
    received again. Raises Refused; "busy" says nothing of whether it was taken: it is to be sent again."""
    vote = msgspec.structs.replace(vote, revision=max(0, min(vote.revision, NEWEST)))
    if vote.poll.secret and vote.ballot_key is None and not vote.on_paper:
        raise ValueError("a secret vote needs the key of a phone")
    if vote.on_paper:
        verdict = await _on_paper(city, vote)
    else:
        verdict = await _gathered.setdefault(city, _Gathering()).submit(city, vote)
    if isinstance(verdict, Refused):
        raise verdict
    return verdict


async def has_voted(city: City, poll: Poll, participant: UUID) -> bool:
    """Whether somebody has voted; false for everybody once a secret poll is closed, for nobody knows it then."""
    table = "voted" if poll.secret else "vote"
    found: bool = await city.db.pool.fetchval(
        f"SELECT EXISTS (SELECT FROM {table} WHERE poll = $1 AND participant = $2)", poll.number, participant
    )
    return found


async def _on_paper(city: City, vote: Vote) -> Verdict:
    try:
        async with city.transaction() as transaction:
            (verdict,) = await write(transaction.connection, [vote])
            if isinstance(verdict, Receipt):
                detail = {"event": vote.event.number, "poll": vote.poll.number, "invitation": vote.invitation}
                subject = f"invitation:{vote.event.number}.{vote.invitation}"
                await transaction.audit(vote.actor or "participation", "participation.paper", subject, detail)
    except Unavailable as error:
        raise Refused("busy", _BUSY) from error
    if _counts(verdict):
        telling.tell(city, vote.event, vote.poll)
    return verdict


async def _written(city: City, votes: list[Vote]) -> list[Verdict]:
    """Verdicts after the commit. What fails for all is tried for each, so that one vote disturbs no other."""
    for _ in range(_TRIES):
        try:
            async with city.db.transaction() as connection:
                return await write(connection, votes)
        except asyncpg.DeadlockDetectedError:
            continue  # the same phones at two workers: one of the two goes first
        except Unavailable:
            raise
        except asyncpg.PostgresError:
            if len(votes) == 1:
                raise
            return await _one_by_one(city, votes)
    raise TimeoutError("votes waited for each other")


async def _one_by_one(city: City, votes: list[Vote]) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for vote in votes:
        try:
            verdicts += await _written(city, [vote])
        except asyncpg.PostgresError:
            _log.exception("a vote could not be written")
            verdicts.append(Refused("unknown"))
    return verdicts


def _key(vote: Vote) -> _Key:
    return vote.poll.number, vote.participant


def _counts(verdict: Verdict) -> bool:
    return isinstance(verdict, Receipt) and verdict.changed
