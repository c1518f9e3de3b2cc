"""Notifications by the clock: subscriptions with a timeInterval (CIM 009 §5.8.6)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping

import msgspec

from rhinecloud.model import Entity
from rhinecloud.model.subscription import Selector
from rhinecloud.store import Database, Unavailable, queries
from rhinecloud.store.entities import to_entity
from rhinecloud.tasks import stop

from .courier import Courier
from .matching import Watched
from .rendering import Told

_LONGEST_SLEEP = 60.0  # seconds
_PORTION = 500  # entities in one notification
_MOST_AT_ONCE = 8  # subscriptions that are asked for at the same time
_AGAIN = 1.0  # seconds after PostgreSQL was away
_log = logging.getLogger(__name__)


class Periodic:
    """Asks the graph at each interval, and tells what it finds. What could not be told is not told later: the next
    interval brings the state of that time."""

    def __init__(
        self, database: Database, watched: Mapping[int, Watched], couriers: Mapping[int, Courier]
    ) -> None:
        self._database = database
        self._watched = watched
        self._couriers = couriers
        self._wake = asyncio.Event()
        self._due: dict[int, float] = {}  # number → when, on the monotonic clock
        self._running: dict[int, asyncio.Task[None]] = {}
        self._lanes = asyncio.Semaphore(_MOST_AT_ONCE)

    def wake(self) -> None:
        """Subscriptions were changed."""
        self._wake.set()

    async def run(self) -> None:
        """For ever."""
        try:
            while True:
                self._wake.clear()
                pause = self._begin_what_is_due()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
        finally:
            await stop(*self._running.values())

    def _begin_what_is_due(self) -> float:
        """Start what is due; seconds until something is."""
        now = time.monotonic()
        periodic = {
            number: one for number, one in self._watched.items() if one.subscription.time_interval is not None
        }
        for number in self._due.keys() - periodic.keys():
            del self._due[number]
        self._running = {number: task for number, task in self._running.items() if not task.done()}
        pause = _LONGEST_SLEEP
        for number, one in periodic.items():
            interval = one.subscription.time_interval or 0.0
            due = min(self._due.get(number, now + self._couriers[number].until(interval)), now + interval)
            if due <= now:
                # The next one counts from when this one was due, unless that too has gone by.
                due = max(due + interval, now)
                if number not in self._running:
                    self._running[number] = asyncio.create_task(self._tell(number), name=f"interval-{number}")
                else:
                    due = now + interval
            self._due[number] = due
            pause = min(pause, max(due - now, 0.01))
        return pause

    async def _tell(self, number: int) -> None:
        watched = self._watched.get(number)
        courier = self._couriers.get(number)
        if watched is None or courier is None or not courier.is_active():
            return
        async with self._lanes:
            try:
                told: list[Told] = []
                async for entity in self._matching(watched):
                    told.append(Told(entity.id, entity.types, entity))
                    if len(told) == _PORTION:
                        await courier.tell_state(told)
                        told = []
                if told:
                    await courier.tell_state(told)
            except Unavailable as error:
                _log.warning("subscription %s: the store is away (%s)", watched.subscription.id, error)
                await asyncio.sleep(_AGAIN)
            except Exception:
                _log.exception("subscription %s: tried again at the next interval", watched.subscription.id)

    async def _matching(self, watched: Watched) -> AsyncIterator[Entity]:
        """All subscribed entities that meet the conditions, each once."""
        seen: set[str] = set()
        selectors: tuple[Selector | None, ...] = watched.subscription.entities or (None,)
        for selector in selectors:
            query = queries.Query(
                types=selector.types if selector else None,
                ids=tuple(sorted(selector.ids)) if selector else (),
                id_pattern=selector.pattern_text if selector and not selector.ids else None,
                q=watched.subscription.q,
                geo=watched.subscription.geo,
                limit=_PORTION,
            )
            offset = 0
            while True:
                found, _ = await queries.run(
                    self._database.pool, msgspec.structs.replace(query, offset=offset), sight=watched.sight
                )
                for stored in found:
                    if stored.id not in seen:
                        seen.add(stored.id)
                        entity = watched.sight.of(to_entity(stored))
                        if entity is None:
                            continue
                        if watched.subscription.scope_q is None or watched.subscription.scope_q.matches(
                            entity.scopes
                        ):
                            yield entity
                if len(found) < _PORTION:
                    break
                offset += _PORTION
