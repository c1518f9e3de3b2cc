"""Matching changes with subscriptions and telling the subscribers. Of all workers one is elected."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from rhinecloud.model import CORE, Context, NgsiLdError
from rhinecloud.model.sight import NOTHING, Sight
from rhinecloud.model.subscription import read_subscription
from rhinecloud.store import Database, subscriptions
from rhinecloud.store.subscriptions import READER, StoredSubscription, Telling
from rhinecloud.tasks import stop

from ..contexts import Contexts
from ..feed import Feed, News
from ..office import hold
from ..operations import Change
from ..outbound import Allowed
from .courier import Courier, Post
from .delivery import Delivery
from .matching import Index, Watched
from .owners import Nobody, Owners
from .periodic import Periodic

_AGAIN = 1.0  # seconds between attempts to be elected
_LOOK = 5.0  # seconds
_SAVE = 1.0  # seconds for which the position of changes that met nobody may lag behind
_SLICE = 0.005  # seconds of matching after which others have their turn
_OWNERS = 30.0  # seconds after which owners are asked about although nobody said that anything changed
_KEEPING = 300.0  # seconds between rounds of upkeep
MOST_WAITING = 200_000  # changes due to one subscription; beyond it newest states stand for the oldest
_log = logging.getLogger(__name__)


class Deposed(Exception):
    """Somebody else is elected."""


class Notifier:
    """Takes part in the election; the elected one matches and tells."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        contexts: Contexts,
        allowed: Allowed,
        owners: Owners | None = None,
    ) -> None:
        """Without `owners` only what was subscribed where nobody signs in is told."""
        self._owners = owners or Nobody()
        self._database = database
        self._feed = feed
        self._contexts = contexts
        self._allowed = allowed
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reign: Reign | None = None

    def open(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(
            hold(self._database, "notifier", self._serve, again=_AGAIN), name="notifier"
        )

    async def close(self) -> None:
        """Stop; another worker is elected as soon as the connection has gone."""
        await stop(self._task)

    def wake(self) -> None:
        """Subscriptions were changed, here or in another worker."""
        self._wake.set()

    def health(self) -> dict[str, Any]:
        """Figures of this process."""
        reign = self._reign
        if reign is None:
            return {"elected_here": False}
        return {"elected_here": True, **reign.health()}

    async def _serve(self, connection: asyncpg.Connection) -> None:
        # Queue and position are written together; what a crash of PostgreSQL loses of both is matched again.
        await connection.execute("SET synchronous_commit = off")
        using = asyncio.Lock()  # one statement at a time on the connection that holds the election

        @asynccontextmanager
        async def borrow() -> AsyncIterator[asyncpg.Connection]:
            async with using:
                yield connection

        reign = Reign(
            self._database, self._feed, self._contexts, self._allowed, borrow, self._wake, owners=self._owners
        )
        self._reign = reign
        try:
            await reign.serve()
        except* Deposed:
            _log.warning("notifier: somebody else is elected")
        finally:
            self._reign = None
            await asyncio.shield(reign.close())


class Reign:
    """What the elected one holds, from its election to its end.

    `borrow` gives a connection for a moment, to one at a time. `look`: seconds after which subscriptions are compared
    even if nobody said that they changed. `named`: subscribers hear which tenant's notification it is.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        contexts: Contexts,
        allowed: Allowed,
        borrow: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]],
        wake: asyncio.Event,
        *,
        look: float = _LOOK,
        named: bool = False,
        owners: Owners | None = None,
    ) -> None:
        self._owners = owners or Nobody()
        self._owners_asked = (self._owners.generation, time.monotonic())
        self._database = database
        self._feed = feed
        self._contexts = contexts
        self._borrow = borrow
        self._refreshing = asyncio.Lock()
        self._wake = wake
        self._look = look
        self._tenant = database.tenant if named else None
        self._revision = -1
        self._generation = contexts.generation
        self._watched: dict[int, Watched] = {}
        self._gone: set[str] = set()  # owners
        self._silenced: frozenset[int] | None = None  # as it was written down; None before the first time
        self._couriers: dict[int, Courier] = {}
        self._index = Index()
        self._delivery = Delivery(allowed)
        self._post = Post(database, self._delivery)
        self._periodic = Periodic(database, self._watched, self._couriers)
        self._saved_at = 0.0
        self._matched = 0

    def health(self) -> dict[str, Any]:
        return {
            "subscriptions": len(self._watched),
            "failing": sum(courier.failing for courier in self._couriers.values()),
            "silenced": len(self._silenced or ()),
            "matched": self._matched,
            "told": self._post.told,
            "failed": self._post.failed,
        }

    async def serve(self) -> None:
        await self._refresh()
        async with self._borrow() as connection:
            queued = await subscriptions.with_queue(connection)
        for number in queued:
            if number in self._couriers:
                self._couriers[number].look()
        parts = (self._match(), self._follow(), self._keep(), self._periodic.run())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            # None of them ends but by what went wrong, which is for the one who holds the election.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await stop(*tasks)

    async def close(self) -> None:
        await asyncio.gather(*(courier.stop() for courier in self._couriers.values()))
        await self._post.close()
        await self._delivery.close()

    # Subscriptions as they are now -----------------------------------------------------------------------------

    async def _refresh(self) -> None:
        """Read what was written since the last look; all of them if an @context has changed, for any may use it."""
        async with self._refreshing:
            await self._look_at_owners()
            generation = self._contexts.generation
            known = self._revision if generation == self._generation else -1
            async with self._borrow() as connection:
                revision = await subscriptions.revision(connection)
                if revision != known:
                    changed, numbers = await subscriptions.changed_since(connection, known)
            if revision == known:
                await self._silence()
                return
            # Together: an @context that is gone, and whose server is slow, keeps everybody waiting for itself only.
            read = await asyncio.gather(*(self._read(stored) for stored, _ in changed))
            for watched, (_, telling) in zip(read, changed, strict=True):
                if watched is not None:
                    self._put(watched, telling)
            gone = self._watched.keys() - numbers
            for number in gone:
                del self._watched[number]
            self._index = Index(self._watched.values())
            self._revision, self._generation = revision, generation
            await self._silence()
        await asyncio.gather(*(self._couriers.pop(number).stop() for number in gone))
        self._periodic.wake()

    async def _look_at_owners(self) -> None:
        """What their owners may read now; asked anew after a while too, for that they were changed may go unheard."""
        generation, asked_at = self._owners_asked
        now = time.monotonic()
        if self._owners.generation == generation and now - asked_at < _OWNERS:
            return
        self._owners_asked = (self._owners.generation, now)
        names = {watched.owner for watched in self._watched.values()}
        sights = {name: await self._sight_of(name) for name in names}
        changed = [one for one in self._watched.values() if sights[one.owner] != one.sight]
        for one in changed:
            watched = msgspec.structs.replace(one, sight=sights[one.owner])
            self._watched[one.number] = watched
            self._couriers[one.number].change_to(watched)
        if changed:
            self._index = Index(self._watched.values())

    async def _sight_of(self, owner: str) -> Sight:
        sight = await self._owners.sight_of(owner)
        if sight is None:
            self._gone.add(owner)
            return NOTHING
        self._gone.discard(owner)
        return sight

    async def _silence(self) -> None:
        """Write down whose owners are not there (any more): nobody would see it otherwise."""
        silenced = frozenset(one.number for one in self._watched.values() if one.owner in self._gone)
        if silenced == self._silenced:
            return
        async with self._borrow() as connection:
            await subscriptions.silence(connection, silenced)
        for number in silenced - (self._silenced or frozenset()):
            _log.warning("subscription %s: its owner may read nothing any more, nobody is told", number)
        self._silenced = silenced

    def _put(self, watched: Watched, telling: Telling) -> None:
        self._watched[watched.number] = watched
        courier = self._couriers.get(watched.number)
        if courier is None:
            self._couriers[watched.number] = Courier(
                watched, self._post, telling.last_notification, bool(telling.failing)
            )
        else:
            courier.change_to(watched)

    async def _read(self, stored: StoredSubscription) -> Watched | None:
        try:
            subscription = read_subscription(stored.document)
        except NgsiLdError as error:
            _log.error("subscription %s cannot be read: %s", stored.id, error)
            return None
        context = await self._context(stored)
        sight = await self._sight_of(stored.owner)
        return Watched.of(
            stored.number, stored.since, subscription, context, self._tenant, stored.owner, sight
        )

    async def _context(self, stored: StoredSubscription) -> Context:
        # Where what the jsonldContext names is gone, what it was made of still stands with the subscription.
        for source in (stored.document.get("jsonldContext", stored.context), stored.context):
            try:
                return await self._contexts.compiled(source)
            except NgsiLdError as error:
                _log.error("subscription %s: %s", stored.id, error)
        return CORE

    async def _follow(self) -> None:
        while True:
            self._wake.clear()
            await self._refresh()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look):
                    await self._wake.wait()

    # Changes ---------------------------------------------------------------------------------------------------

    async def _match(self) -> None:
        async with contextlib.aclosing(self._feed.follow(READER, save=False)) as lists:
            async for news in lists:
                await self._match_all(news)

    async def _match_all(self, news: list[News]) -> None:
        await self._refresh()
        now = datetime.now(UTC)
        rows: list[tuple[int, int, str]] = []
        due: list[tuple[int, Change]] = []
        yielded = time.monotonic()
        for one in news:
            if time.monotonic() - yielded > _SLICE:
                await asyncio.sleep(0)
                yielded = time.monotonic()
            if self._index.concerns(one.head):  # most changes concern nobody, and are never read whole
                for watched in self._index.matching(one.change, now):
                    rows.append((watched.number, one.id, one.head.entity_id))
                    due.append((watched.number, one.change))
        if not rows and time.monotonic() - self._saved_at < _SAVE:
            return
        async with self._borrow() as connection:
            if not await subscriptions.enqueue(connection, news[0].id, news[-1].id, rows):
                raise Deposed
        self._saved_at = time.monotonic()
        self._matched += len(rows)
        for number, change in due:
            courier = self._couriers.get(number)
            if courier is not None:
                courier.hand(change)

    # Upkeep ----------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            await keep(self._database)
            await asyncio.sleep(_KEEPING)


async def keep(database: Database, most: int = MOST_WAITING) -> None:
    """What outlived the retention, or is too much, is replaced by newest states, and the gap recorded."""
    oldest = await subscriptions.oldest_kept(database.pool)
    for number, before in await subscriptions.behind(database.pool, oldest, most):
        reason = "kept no longer" if before == oldest else "too much was waiting"
        await subscriptions.collapse(database.pool, number, before, reason)
        _log.warning("subscription %s: changes before %s will not be told: %s", number, before, reason)
    await subscriptions.forget_expired(database.pool)
    await subscriptions.forget_orphans(database.pool)
