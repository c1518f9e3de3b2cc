"""Telling one subscriber after the other what is due, each in order."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rhinecloud.model import TooManyResults
from rhinecloud.store import Database, Unavailable, entities, subscriptions
from rhinecloud.store.subscriptions import Due, Outcome
from rhinecloud.tasks import stop

from ..feed import read_change
from ..gathering import Gathering, Overloaded
from ..joining import linked
from ..operations import Change
from ..seeing import seen_change
from .delivery import Delivery, NotTaken
from .matching import Watched
from .rendering import Told, notification

_AT_ONCE = 128  # notifications under way
_FAILING_AT_ONCE = 16  # of these to endpoints that did not take the last one: nobody shall wait for them
_IN_MEMORY = 512  # changes of one subscription that need not be read again
_TOGETHER = 50  # changes in one notification
_THROTTLED_TOGETHER = 1_000
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0  # seconds between attempts
_REFUSALS = 3  # attempts after which a notification that is refused is left out
_AWAY = 1.0  # seconds before PostgreSQL is asked again
_log = logging.getLogger(__name__)


class Post:
    """What all couriers share: connections, how many may be under way, and the counting of what became of it."""

    def __init__(self, database: Database, delivery: Delivery) -> None:
        self.database = database
        self.delivery = delivery
        self.lanes = asyncio.Semaphore(_AT_ONCE)
        self.failing_lanes = asyncio.Semaphore(_FAILING_AT_ONCE)
        self.told = 0
        self.failed = 0
        self._settling: Gathering[Outcome, None] = Gathering(
            self._settle, lanes=1, most_at_once=1_000, most_waiting=1_000_000
        )

    async def close(self) -> None:
        """Stop counting; what was not counted is told again."""
        await self._settling.close()

    def settle(self, outcome: Outcome) -> asyncio.Future[None]:
        """Count an attempt, and take what it told from the queue, soon."""
        return self._settling.submit(outcome)

    async def _settle(self, outcomes: list[Outcome]) -> list[None | Exception]:
        while True:
            try:
                async with self.database.transaction() as connection:
                    # What is lost with a crash of PostgreSQL is told again: not worth waiting for the disk.
                    await connection.execute("SET LOCAL synchronous_commit = off")
                    await subscriptions.settle(connection, outcomes)
                return [None] * len(outcomes)
            except Unavailable:
                await asyncio.sleep(_AWAY)


class Courier:
    """Tells one subscriber. It works while something is due and ends by itself.

    What has just been matched is handed over in memory; what is more, or was there before, is read from the queue.
    """

    def __init__(self, watched: Watched, post: Post, last_at: datetime | None, failing: bool) -> None:
        self.watched = watched
        self._post = post
        self._fresh: deque[Change] = deque()
        self._more = False  # the queue holds what is not in memory
        self._after = 0  # what was settled or is being settled, by the last change
        self._settled: asyncio.Future[None] | None = None
        self._last_at = last_at
        self._failures = 1 if failing else 0
        self._retry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether it is at work."""
        return self._task is not None and not self._task.done()

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def hand(self, change: Change) -> None:
        """A change that was queued now."""
        if self._more or len(self._fresh) >= _IN_MEMORY:
            self._more = True
        else:
            self._fresh.append(change)
        self._start()

    def look(self) -> None:
        """The queue may hold something that nobody handed over."""
        self._let_go()
        self._start()

    def change_to(self, watched: Watched) -> None:
        """The subscription was changed: a new endpoint deserves an attempt at once."""
        self.watched = watched
        self._failures = 0
        self._retry.set()
        if self._more:
            self._start()

    def until(self, interval: float) -> float:
        """Seconds until an interval has passed since the last notification, the whole interval if there was none."""
        if self._last_at is None:
            return interval
        # A clock that was put back must not make anybody wait for longer than the interval.
        return min(max(0.0, interval - (datetime.now(UTC) - self._last_at).total_seconds()), interval)

    async def stop(self) -> None:
        """Leave; the rest stays in the queue."""
        await stop(self._task)

    async def tell_state(self, told: Sequence[Told]) -> bool:
        """Tell states that no change stands behind (timeInterval); whether they were taken."""
        now = datetime.now(UTC)
        cooldown = self.watched.subscription.notification.endpoint.cooldown or 0.0
        if self._failures and self._last_at and 0 <= (now - self._last_at).total_seconds() < cooldown:
            return False
        failure = await self._attempt(told, [now.isoformat()], now)
        self._last_at = now
        self._post.settle(Outcome(self.watched.number, now, (), failure.reason if failure else None))
        self._failures = self._failures + 1 if failure else 0
        return failure is None

    def _start(self) -> None:
        if not self.busy:
            self._task = asyncio.create_task(self._run(), name=f"courier-{self.watched.number}")

    async def _run(self) -> None:
        while (self._fresh or self._more) and self.is_active():
            try:
                await self._throttle()
                portion = await self._next()
                if portion:
                    await self._tell(portion)
            except (*Unavailable, Overloaded) as error:
                _log.warning("subscription %s: the store is away (%s)", self.watched.subscription.id, error)
                self._let_go()
                await asyncio.sleep(_AWAY)
            except Exception:
                _log.exception("subscription %s: tried again", self.watched.subscription.id)
                self._let_go()
                await self._sleep(self._pause())

    def is_active(self) -> bool:
        """Whether the subscription is neither paused nor expired."""
        return self.watched.subscription.status(datetime.now(UTC)) == "active"

    def _let_go(self) -> None:
        """Keep nothing in memory: what is not settled is read from the queue again."""
        self._fresh.clear()
        self._more = True

    # What is next ----------------------------------------------------------------------------------------------

    async def _throttle(self) -> None:
        """Wait until the subscriber wants to hear again (Table 5.2.12-1)."""
        while True:
            throttling = self.watched.subscription.throttling
            if throttling is None or self._last_at is None:
                return
            left = self.until(throttling)
            if left <= 0:
                return
            last_at = self._last_at
            await self._sleep(left)
            if last_at > datetime.now(UTC):  # the clock was put back; waited for once is enough
                self._last_at = None

    async def _next(self) -> list[Due | Change]:
        """The oldest of what is due that goes into one notification."""
        throttled = self.watched.subscription.throttling is not None
        if self._fresh and not self._more:
            if throttled:
                taken: list[Due | Change] = list(self._fresh)
                self._fresh.clear()
                return taken
            entities_seen: set[str] = set()
            portion: list[Due | Change] = []
            while self._fresh and len(portion) < _TOGETHER and self._fresh[0].entity_id not in entities_seen:
                entities_seen.add(self._fresh[0].entity_id)
                portion.append(self._fresh.popleft())
            return portion
        if self._settled is not None:
            await self._settled
        self._fresh.clear()
        self._more = False  # what is handed over from here on is behind what is read now
        limit = _THROTTLED_TOGETHER if throttled else _TOGETHER
        try:
            if throttled:
                await subscriptions.thin(self._post.database.pool, self.watched.number)
            found = await subscriptions.due(
                self._post.database.pool, self.watched.number, self._after, limit + 1
            )
        except BaseException:
            self._more = True
            raise
        rows: list[Due | Change] = []
        seen: set[str] = set()
        for row in found[:limit]:
            if row.entity_id in seen and not throttled:
                break
            seen.add(row.entity_id)
            rows.append(row)
        if len(rows) < len(found):
            self._more = True
        if self._more:
            self._fresh.clear()
        else:
            read = {row.change_id for row in found}
            self._fresh = deque(change for change in self._fresh if change.id not in read)
        return rows

    async def _told(self, portion: Sequence[Due | Change]) -> list[Told]:
        """What to tell of each entity, as its owner sees it now. What the outbox has forgotten is told by its newest
        state."""
        changes: dict[str, list[Change]] = {}
        newest: set[str] = set()
        for one in portion:
            if isinstance(one, Change):
                changes.setdefault(one.entity_id, []).append(one)
            elif one.change is None:
                newest.add(one.entity_id)
                changes.setdefault(one.entity_id, [])
            else:
                change = read_change(one.change_id, one.at or "", one.change)
                changes.setdefault(one.entity_id, []).append(change)
        missing = {entity_id for entity_id in newest if not changes[entity_id]}
        stored = await entities.read(self._post.database.pool, missing) if missing else {}
        sight = self.watched.sight
        told = []
        for entity_id, of_one in changes.items():
            if seen := [shown for change in of_one if (shown := seen_change(change, sight))]:
                told.append(Told.of(seen))
            elif entity_id in stored and (entity := sight.of(entities.to_entity(stored[entity_id]))):
                told.append(Told(entity_id, entity.types, entity))
        return told

    # Telling it ------------------------------------------------------------------------------------------------

    async def _tell(self, portion: Sequence[Due | Change]) -> None:
        """Until it is taken, however long that takes: what comes after must wait, for the order."""
        ids = tuple(one.id if isinstance(one, Change) else one.change_id for one in portion)
        refusals = 0
        while self.is_active():
            told = await self._told(portion)
            now = datetime.now(UTC)
            if not told:
                self._done(ids, now, attempted=False)
                return
            failure = await self._attempt(told, ids, now)
            self._last_at = now
            if failure is None:
                self._failures = 0
                self._done(ids, now)
                return
            self._failures += 1
            refusals = refusals + 1 if failure.refused else 0
            pause = 0.0 if refusals >= _REFUSALS else self._pause()
            again_at = datetime.now(UTC) + timedelta(seconds=pause)
            await self._post.settle(Outcome(self.watched.number, now, (), failure.reason, again_at=again_at))
            if refusals >= _REFUSALS:
                await self._skip(ids, f"refused: {failure.reason}")
                return
            self._let_go()
            await self._sleep(pause)
        self._let_go()  # paused or expired meanwhile

    def _done(self, ids: Sequence[int], now: datetime, *, attempted: bool = True) -> None:
        self._after = ids[-1]
        self._settled = self._post.settle(Outcome(self.watched.number, now, tuple(ids), attempted=attempted))

    async def _skip(self, ids: Sequence[int], reason: str) -> None:
        _log.warning("subscription %s: %s", self.watched.subscription.id, reason)
        await subscriptions.skip(self._post.database.pool, self.watched.number, ids, reason)
        self._after = ids[-1]

    async def _attempt(self, told: Sequence[Told], key: Sequence[Any], now: datetime) -> NotTaken | None:
        lanes = self._post.failing_lanes if self._failures else self._post.lanes
        async with lanes:
            try:
                document = await self._document(told, key, now)
                await self._post.delivery.send(self.watched, document)
            except NotTaken as error:
                self._post.failed += 1
                if not self._failures:
                    _log.warning("subscription %s: %s", self.watched.subscription.id, error.reason)
                return error
        self._post.told += 1
        return None

    async def _document(self, told: Sequence[Told], key: Sequence[Any], now: datetime) -> dict[str, Any]:
        """The notification, with the entities that the told ones lead to as they are now, if it joins them. Too many
        of them are left out: what happened must be told."""
        parameters = self.watched.subscription.notification
        if parameters.join is not None:
            linking = [one.entity for one in told if one.entity is not None]
            try:
                known = await linked(
                    self._post.database, linking, parameters.projection, parameters.join, self.watched.sight
                )
                return notification(self.watched, told, key, now, known)
            except TooManyResults as error:
                _log.warning("subscription %s: told without them: %s", self.watched.subscription.id, error)
        return notification(self.watched, told, key, now)

    def _pause(self) -> float:
        """Growing pauses in seconds, a little uneven so that not all come back at once."""
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._failures - 1, 16))
        pause *= random.uniform(0.8, 1.0)
        return max(pause, self.watched.subscription.notification.endpoint.cooldown or 0.0)

    async def _sleep(self, seconds: float) -> None:
        """Or until the subscription is changed."""
        self._retry.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._retry.wait()
        except TimeoutError:
            return
