"""One watch of the graph for all pages of this process, and what each sight has of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

from rhinecloud.broker import Broker, Change, seen_change
from rhinecloud.model.sight import EVERYTHING, Sight

_log = logging.getLogger(__name__)
WINDOW = 60  # seconds of change counts that are kept
_MOST_PAUSE = 30.0
_BEGIN = 5.0  # seconds to wait for the watch
_RELOAD = (
    5.0  # seconds; what is made while the counts are taken may be counted twice until they are taken anew
)
_SIGHTS = 64  # of which the counts are kept at a time

Sink = Callable[[Sequence[Change]], None]


class Tally:
    """How many objects one sight has, and how many changes in each second."""

    def __init__(self, broker: Broker, sight: Sight, begun: asyncio.Event) -> None:
        self._broker = broker
        self._sight = sight
        self._begun = begun
        self._loading: asyncio.Task[None] | None = None
        self._counts: Counter[str] = Counter()
        self._missed: list[Change] | None = None
        self._seconds: Counter[int] = Counter()  # changes by second of the monotonic clock
        self._loaded = 0.0
        self._moved = False

    async def ready(self) -> None:
        """Wait until the counts are there; raises what the broker raises."""
        if self._loading is None or (self._loading.done() and self._stale(self._loading)):
            self._loading = asyncio.create_task(self._load())
        await asyncio.shield(self._loading)

    def forget(self) -> None:
        """Count anew when somebody asks: the watch began again."""
        self._loading = None

    def close(self) -> None:
        """Stop counting."""
        if self._loading is not None:
            self._loading.cancel()

    def counts(self) -> list[tuple[str, int]]:
        """(type IRI, number of objects), most first."""
        return [(iri, count) for iri, count in self._counts.most_common() if count > 0]

    def per_second(self) -> list[int]:
        """Changes in each of the last `WINDOW` whole seconds, oldest first."""
        now = int(time.monotonic())
        return [self._seconds[second] for second in range(now - WINDOW, now)]

    def take(self, changes: Sequence[Change]) -> None:
        """Count what is seen of these."""
        if not self._sight.everything:
            changes = [seen for change in changes if (seen := seen_change(change, self._sight))]
        second = int(time.monotonic())
        self._seconds[second] += len(changes)
        if len(self._seconds) > 2 * WINDOW:
            self._seconds = Counter({at: n for at, n in self._seconds.items() if at >= second - WINDOW})
        if self._missed is None:
            self._count(changes)
        else:
            self._missed.extend(c for c in changes if c.operation != "update")

    def _stale(self, loading: asyncio.Task[None]) -> bool:
        age = time.monotonic() - self._loaded
        return loading.cancelled() or loading.exception() is not None or (self._moved and age > _RELOAD)

    async def _load(self) -> None:
        # The watch begins first: rather a change twice than a gap. Without PostgreSQL it cannot, and `types` says so.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BEGIN):
                await self._begun.wait()
        self._missed = []
        self._moved = False
        counts = Counter(dict(await self._broker.types(sight=self._sight)))
        missed, self._missed = self._missed, None
        self._counts = counts
        self._count(missed or [])
        self._loaded = time.monotonic()

    def _count(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.operation != "update":
                self._moved = True
                step = 1 if change.operation == "create" else -1
                for iri in change.types:
                    self._counts[iri] += step


class Follower:
    """Hands every committed change to the sinks, and to the tallies of all sights that are asked for."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._sinks: list[Sink] = []
        self._task: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self._tallies: OrderedDict[str, Tally] = OrderedDict()

    def add(self, sink: Sink) -> None:
        """Tell this sink too. It is told of everything: what it shows of it is limited by the sight of who looks."""
        self._sinks.append(sink)

    async def ready(self, sight: Sight) -> Tally:
        """The counts of a sight, once the watch runs and they are there; raises what the broker raises."""
        if self._task is None or self._task.done():
            self._begun.clear()
            self._task = asyncio.create_task(self._follow())
            for counted in self._tallies.values():
                counted.forget()
        if sight.key not in self._tallies:
            self._tallies[sight.key] = Tally(self._broker, sight, self._begun)
            if len(self._tallies) > _SIGHTS:
                self._tallies.popitem(last=False)[1].close()
        tally = self._tallies[sight.key]
        self._tallies.move_to_end(sight.key)
        await tally.ready()
        return tally

    def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
        for tally in self._tallies.values():
            tally.close()

    async def _follow(self) -> None:
        pause = 1.0
        while True:
            try:
                async for changes in self._broker.watch(None, sight=EVERYTHING, begun=self._begun):
                    pause = 1.0
                    self._take(changes)
            except Exception:
                _log.exception("the pages cannot follow the graph; next try in %.0f s", pause)
            await asyncio.sleep(pause)
            pause = min(_MOST_PAUSE, pause * 2)

    def _take(self, changes: Sequence[Change]) -> None:
        for sink in [tally.take for tally in self._tallies.values()] + self._sinks:
            try:
                sink(changes)
            except Exception:
                _log.exception("a page's part cannot take a change")
