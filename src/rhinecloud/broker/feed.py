"""Watching: the changes of a tenant for whoever runs in this process, without a gap.

The bus carries them live. A watcher that missed something (it was slow, it was not running, the bus was away or
thrown away) reads on from PostgreSQL, where the same changes stand under the same ids, and joins the bus again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec

from rhinecloud.store import Database, Unavailable, missing, outbox
from rhinecloud.store.entities import fill_times
from rhinecloud.store.missing import Missing

from .operations import Change, Head
from .relay import READER, Batch, subject_of

_log = logging.getLogger(__name__)
_decode_batch = msgspec.json.Decoder(Batch).decode
_decode_change = msgspec.json.Decoder(Change).decode
_decode_head = msgspec.json.Decoder(Head).decode
_CATCH_UP = 1_000
_WAITING = 64  # batches a watcher may be behind before it is sent to PostgreSQL
_LOOK = 2.0  # seconds

OnGap = Callable[[Missing], Awaitable[None]]


class Subscriber(Protocol):
    """The bus, as far as the feed needs it."""

    async def subscribe(self, subject: str, callback: Callable[[bytes], Awaitable[None]]) -> Any:
        """Call back with each payload from now on; survives reconnections."""
        ...


def read_change(number: int, at: str, raw: Any) -> Change:
    """A change from its JSON in the outbox, with all times filled in."""
    change = _decode_change(raw)
    created_at = change.created_at if change.entity is None else change.entity.created_at
    if created_at is not None:
        fill_times(change.old, created_at)
        if change.entity is not None:
            fill_times(change.entity.attributes, created_at)
    return msgspec.structs.replace(change, id=number, at=at)


class News:
    """A change as it came, read as far as somebody asks: `head` at once, the whole (`change`) once for all watchers."""

    __slots__ = ("_change", "_raw", "at", "head", "id")

    def __init__(self, number: int, at: str, raw: Any) -> None:
        self.id = number
        self.at = at
        self.head = _decode_head(raw)
        self._raw = raw
        self._change: Change | None = None

    @property
    def change(self) -> Change:
        """The whole change."""
        if self._change is None:
            self._change = read_change(self.id, self.at, self._raw)
        return self._change


class _Watcher:
    def __init__(self) -> None:
        self.waiting: deque[Batch] = deque(
            maxlen=_WAITING
        )  # a full one forgets its oldest: a gap like any other
        self.wake = asyncio.Event()
        self.reading = True  # from PostgreSQL, which may have forgotten something
        self.patience = 0.0  # seconds; what was told before it listened is looked for at once


class Feed:
    """One subscription to the bus, shared by all watchers of this process."""

    def __init__(self, database: Database, subscriber: Subscriber, *, look: float = _LOOK) -> None:
        """`look`: seconds of silence after which a watcher compares itself with the relay's position."""
        self._database = database
        self._subscriber = subscriber
        self._look = look
        self._subscription: Any = None
        self._watchers: set[_Watcher] = set()
        self._opened: tuple[Batch | None, list[News]] = (None, [])

    async def open(self) -> None:
        """Begin to listen."""
        self._subscription = await self._subscriber.subscribe(
            subject_of(self._database.tenant), self._receive
        )

    async def close(self) -> None:
        """Listen no more."""
        if self._subscription is not None:
            with contextlib.suppress(Exception):  # what the bus has forgotten need not be ended
                await self._subscription.unsubscribe()

    async def _receive(self, payload: bytes) -> None:
        if not self._watchers:
            return
        batch = _decode_batch(payload)
        for watcher in self._watchers:
            watcher.waiting.append(batch)
            watcher.wake.set()

    async def watch(
        self,
        name: str | None,
        types: Sequence[str] = (),
        *,
        begun: asyncio.Event | None = None,
        gap: OnGap | None = None,
    ) -> AsyncGenerator[list[Change], None]:
        """Lists of changes in the order of their ids, each change once, of entities of these types (all if none).

        Without a name it begins now; once `begun` is set, what is read from the graph and the changes together leave
        no gap. A name makes it durable: it goes on after the last list that was handled, that is, whose successor
        was asked for; a list may come again after a crash. A new name begins now. Names are unique over all workers:
        one of them watches under a name at a time.

        What the outbox forgot before a durable watch came that far is missing: `await gap(missing)` says so, before
        what was kept comes, and again after a crash until it has returned once.
        """
        async with contextlib.aclosing(self.follow(name, types, begun=begun, gap=gap)) as stretches:
            async for news in stretches:
                yield [one.change for one in news]

    async def follow(
        self,
        name: str | None,
        types: Sequence[str] = (),
        *,
        save: bool = True,
        begun: asyncio.Event | None = None,
        gap: OnGap | None = None,
    ) -> AsyncGenerator[list[News], None]:
        """As `watch`, for who wants to see what a change is about before reading it.

        Without `save` whoever follows records the position, in a transaction with what came of the changes
        (store.outbox.advance).
        """
        watcher = _Watcher()
        self._watchers.add(watcher)
        wanted = frozenset(types)
        try:
            last = await self._begin(name)
            if begun is not None:
                begun.set()
            saved = last
            while True:
                try:
                    news, last = await self._next(watcher, last)
                    # After reading: what was forgotten meanwhile had been recorded before.
                    lost = await self._missing(watcher, name) if name is not None else None
                except Unavailable as error:
                    _log.warning("watch %s: PostgreSQL is away (%s)", name or "(live)", error)
                    await asyncio.sleep(1)
                    continue
                if name is not None and lost is not None:
                    await self._tell(name, lost, gap)
                if wanted:
                    news = [one for one in news if not wanted.isdisjoint(one.head.types)]
                if news:
                    yield news
                if name is not None and save and last > saved:
                    await self._save(name, last)
                    saved = last
        finally:
            self._watchers.discard(watcher)

    async def _begin(self, name: str | None) -> int:
        while True:
            try:
                position = await outbox.position(self._database.pool, name) if name is not None else None
                if position is None:
                    position = await outbox.position(self._database.pool, READER) or 0
                    if name is not None:
                        await outbox.advance(self._database.pool, name, position)
                return position
            except Unavailable:
                await asyncio.sleep(1)

    async def _missing(self, watcher: _Watcher, name: str) -> Missing | None:
        if not watcher.reading:
            return None
        lost = await missing.of(self._database.pool, name)
        watcher.reading = False
        return lost

    async def _tell(self, name: str, lost: Missing, gap: OnGap | None) -> None:
        _log.warning("watch %s: changes %s to %s were kept no longer", name, lost.first, lost.last)
        if gap is not None:
            await gap(lost)
        while True:
            try:
                return await missing.told(self._database.pool, name, lost)
            except Unavailable:
                await asyncio.sleep(1)

    async def _save(self, name: str, last: int) -> None:
        while True:
            try:
                return await outbox.advance(self._database.pool, name, last)
            except Unavailable:
                await asyncio.sleep(1)

    async def _next(self, watcher: _Watcher, last: int) -> tuple[list[News], int]:
        """Changes after `last`, and the id up to which they reach."""
        while True:
            while watcher.waiting:
                batch = watcher.waiting[0]
                if batch.until <= last:
                    watcher.waiting.popleft()
                elif batch.prev <= last:
                    watcher.waiting.popleft()
                    return [one for one in self._open(batch) if one.id > last], batch.ids[-1]
                else:
                    return await self._catch_up(watcher, last, batch.prev)
            watcher.wake.clear()
            try:
                async with asyncio.timeout(watcher.patience):
                    await watcher.wake.wait()
            except TimeoutError:
                watcher.patience = self._look
                told = await outbox.position(self._database.pool, READER) or 0
                if told > last and not watcher.waiting:
                    return await self._catch_up(watcher, last, told)

    async def _catch_up(self, watcher: _Watcher, last: int, until: int) -> tuple[list[News], int]:
        watcher.reading = True
        rows = await outbox.read_told(self._database.pool, last, until, _CATCH_UP)
        news = [News(row.id, row.at, row.change) for row in rows]
        return news, rows[-1].id if len(rows) == _CATCH_UP else until

    def _open(self, batch: Batch) -> list[News]:
        """A batch is opened once for all watchers."""
        if self._opened[0] is not batch:
            parts = zip(batch.ids, batch.at, batch.changes, strict=True)
            self._opened = (batch, [News(number, at, raw) for number, at, raw in parts])
        return self._opened[1]
