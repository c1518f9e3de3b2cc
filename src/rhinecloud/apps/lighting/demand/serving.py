"""The platform reacts itself for lamps that nobody in the field runs light on demand for: one worker hears the
detectors and tells the lamps, on topics of which nothing is kept."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from rhinecloud.city import City, Said, Unavailable

from . import store
from .computing import VIEW, WAKE
from .counting import Counting
from .lighting_up import Demand, Finished, LightingUp
from .neighbours import Table, decode
from .passing import Placed
from .telling import of_count, of_level

PROFILE: Final = "road-detector"
ALARM: Final = "detector_refused"
_TURN: Final = 1.0  # seconds between two looks at what is raised
_LOOK: Final = 60.0  # seconds between two looks at the programs, and at the table without a wake-up
_WAITING: Final = 10_000  # messages of detectors that may wait
_log = logging.getLogger(__name__)


async def serve(city: City) -> None:
    """React for as long as the city is served (a `Task`)."""
    await Serving(city).run()


class Serving:
    """One worker's part."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._counting = Counting()
        self._waiting: deque[Said] = deque()
        self._some = asyncio.Event()
        self._stale = asyncio.Event()
        self._detectors: dict[str, Placed] = {}
        self.lost = 0

    async def run(self) -> None:
        """Until cancelled."""
        await self._city.bus.hear(WAKE, self._woken)
        # Whoever passes does not wait for rows: these are read and written beside.
        async with self._city.devices.hearing(PROFILE, self._heard), asyncio.TaskGroup() as beside:
            while True:
                self._stale.clear()
                up = await self._load()
                looking = beside.create_task(self._look(up))
                try:
                    await self._work(up, beside)
                finally:
                    looking.cancel()

    async def _woken(self, payload: bytes) -> None:
        self._stale.set()
        self._some.set()

    def _heard(self, said: Said) -> None:
        if len(self._waiting) >= _WAITING:
            self.lost += 1
            return
        self._waiting.append(said)
        self._some.set()

    async def _load(self) -> LightingUp:
        pool = self._city.db.pool
        found = await store.part(pool, store.PLATFORM)
        table = Table() if found is None else decode(found.body)
        self._version = 0 if found is None else found.version
        self._detectors = await store.detectors(pool)
        lamps = await store.lamps_of_platform(pool)
        return LightingUp(table, lamps, self._detectors, self._counting, await store.base(pool))

    async def _work(self, up: LightingUp, beside: asyncio.TaskGroup) -> None:
        """With one table, until there is another."""
        clock = self._city.clock
        while not self._stale.is_set():
            now = clock.now().timestamp()
            if (finished := up.close(now)) is not None:
                beside.create_task(self._tell(finished))
            demands = up.advance(now)
            while self._waiting:
                said = self._waiting.popleft()
                demands |= up.passed(said.device, said.payload, max(now, said.at))
            await self._demand(demands)
            await self._rest(min(_TURN, max(0.0, up.due - clock.now().timestamp())))

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._some.wait()
        except TimeoutError:
            pass
        self._some.clear()

    async def _look(self, up: LightingUp) -> None:
        """Learn the levels of the programs, and whether there is another table."""
        pool = self._city.db.pool
        while True:
            await asyncio.sleep(_LOOK)
            try:
                up.rebase(await store.base(pool))
                if await store.version_of(pool, store.PLATFORM) != self._version:
                    self._stale.set()
                    self._some.set()
            except Unavailable:
                continue

    async def _demand(self, demands: Mapping[str, Demand]) -> None:
        if not demands:
            return
        try:
            missed = await self._city.devices.tell(
                {d: msgspec.to_builtins(one) for d, one in demands.items()}
            )
        except Unavailable as error:
            _log.warning("light on demand: lamps were not told (%s)", error or type(error).__name__)
            return
        if missed:
            _log.warning("light on demand: %d lamps have no topic for it, %s is one", len(missed), missed[0])

    async def _tell(self, finished: Finished) -> None:
        """Write what may be told. A quarter that cannot be written is lost: it is kept nowhere else."""
        detectors = self._detectors
        documents: list[dict[str, Any]] = [
            of_count(one, detectors[one.detector]) for one in finished.counts if one.detector in detectors
        ]
        documents += [of_level(one) for one in finished.levels]
        try:
            if documents:
                async with self._city.transaction() as transaction:
                    await transaction.upsert(*documents)
                await self._city.refresh(VIEW)
            for detector, reason in finished.refused.items():
                await self._city.devices.raise_alarm(detector, ALARM, {"rule": reason})
        except Unavailable as error:
            _log.warning("light on demand: counts are lost (%s)", error or type(error).__name__)
