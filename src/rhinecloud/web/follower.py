"""One watch of the graph for all pages of this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

from rhinecloud.broker import Broker, Change

_log = logging.getLogger(__name__)
WINDOW = 60  # seconds of change counts that are kept
_MOST_PAUSE = 30.0
_BEGIN = 5.0  # seconds to wait for the watch
_RELOAD = (
    5.0  # seconds; what is made while the counts are taken may be counted twice until they are taken anew
)

Sink = Callable[[Sequence[Change]], None]


class Follower:
    """Hands every committed change to the sinks, counts them by second, and knows how many objects there are."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._sinks: list[Sink] = []
        self._task: asyncio.Task[None] | None = None
        self._loading: asyncio.Task[None] | None = None
        self._counts: Counter[str] = Counter()
        self._missed: list[Change] | None = None
        self._seconds: Counter[int] = Counter()  # changes by second of the monotonic clock
        self._loaded = 0.0
        self._moved = False
        self._begun = asyncio.Event()
        self.total = 0

    def add(self, sink: Sink) -> None:
        """Tell this sink too."""
        self._sinks.append(sink)

    async def ready(self) -> None:
        """Wait until the watch runs and the counts are there; raises what the broker raises."""
        if self._task is None or self._task.done():
            self._begun.clear()
            self._task = asyncio.create_task(self._follow())
            self._loading = None
        if self._loading is None or (self._loading.done() and self._stale(self._loading)):
            self._loading = asyncio.create_task(self._load())
        await asyncio.shield(self._loading)

    def _stale(self, loading: asyncio.Task[None]) -> bool:
        age = time.monotonic() - self._loaded
        return loading.cancelled() or loading.exception() is not None or (self._moved and age > _RELOAD)

    def close(self) -> None:
        """Stop watching."""
        for task in (self._task, self._loading):
            if task is not None:
                task.cancel()

    def counts(self) -> list[tuple[str, int]]:
        """(type IRI, number of objects), most first."""
        return [(iri, count) for iri, count in self._counts.most_common() if count > 0]

    def per_second(self) -> list[int]:
        """Changes in each of the last `WINDOW` whole seconds, oldest first."""
        now = int(time.monotonic())
        return [self._seconds[second] for second in range(now - WINDOW, now)]

    async def _load(self) -> None:
        # The watch begins first: rather a change twice than a gap. Without PostgreSQL it cannot, and `types` says so.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BEGIN):
                await self._begun.wait()
        self._missed = []
        self._moved = False
        counts = Counter(dict(await self._broker.types()))
        missed, self._missed = self._missed, None
        self._counts = counts
        self._count(missed or [])
        self._loaded = time.monotonic()

    async def _follow(self) -> None:
        pause = 1.0
        while True:
            try:
                async for changes in self._broker.watch(None, begun=self._begun):
                    pause = 1.0
                    self._take(changes)
            except Exception:
                _log.exception("the pages cannot follow the graph; next try in %.0f s", pause)
            await asyncio.sleep(pause)
            pause = min(_MOST_PAUSE, pause * 2)

    def _take(self, changes: Sequence[Change]) -> None:
        second = int(time.monotonic())
        self._seconds[second] += len(changes)
        if len(self._seconds) > 2 * WINDOW:
            self._seconds = Counter({at: n for at, n in self._seconds.items() if at >= second - WINDOW})
        self.total += len(changes)
        if self._missed is None:
            self._count(changes)
        else:
            self._missed.extend(c for c in changes if c.operation != "update")
        for sink in self._sinks:
            try:
                sink(changes)
            except Exception:
                _log.exception("a page's part cannot take a change")

    def _count(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.operation != "update":
                self._moved = True
                step = 1 if change.operation == "create" else -1
                for iri in change.types:
                    self._counts[iri] += step
