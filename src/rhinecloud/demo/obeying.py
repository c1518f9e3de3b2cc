"""What cabinets do with what the city wants: they set their lamps and say so; a technician breaks or repairs one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from rhinecloud.demo.faults import DEVELOPING, Act, Refused, acts
from rhinecloud.demo.fleet import Fleet, Order, cabinet
from rhinecloud.demo.luminaires import Luminaires, Place


class Obeying:
    """Carries out orders as they come. An order that is older than the last of its lamp is let go; the same one again
    is confirmed again."""

    def __init__(self, lamps: Luminaires, fleet: Fleet) -> None:
        self._lamps = lamps
        self._fleet = fleet
        self._streets = {cabinet(street): number for number, street in enumerate(lamps.streets)}
        self._last: dict[str, int] = {}
        self._waiting: dict[Place, Order] = {}  # for lamps without supply
        self._begun = time.monotonic()
        self._developing = [
            (at, street, one) for at, street, one in DEVELOPING if street < len(lamps.streets)
        ]

    async def run(self) -> None:
        """For as long as the demo runs."""
        while True:
            one = await self._fleet.orders.get()
            name = one.lamp or one.cabinet
            if one.version < self._last.get(name, 0):
                continue
            repeated = one.version == self._last.get(name)
            self._last[name] = one.version
            if one.lamp:
                await self._set(one)
            else:
                await self._technician(one, done=repeated)

    async def _set(self, one: Order) -> None:
        place, level = self._lamps.places.get(one.lamp), _level(one.wanted)
        if place is None or level is None:
            await self._fleet.confirm(one, failed='Known here: {"illuminanceLevel": 0.4}, 0 to 1')
            return
        self._lamps.tell(place, level)
        if self._lamps.powered(place):
            await self._done(place, one)
        else:
            self._waiting[place] = one

    async def _done(self, place: Place, one: Order) -> None:
        await self._fleet.confirm(one)
        await self._fleet.report(("Streetlight", one.lamp, self._lamps.report(place)), now())

    async def _technician(self, one: Order, *, done: bool) -> None:
        number = self._streets.get(one.cabinet)
        if number is None:
            return
        try:
            wanted = acts(self._lamps.streets[number], one.wanted)
        except Refused as error:
            await self._fleet.confirm(one, failed=str(error))
            return
        if not done:
            for act in wanted:
                self._lamps.act(number, act)
        await self._fleet.confirm(one)
        await self._catch_up()

    async def _catch_up(self) -> None:
        """Lamps that have supply again do what was wanted of them meanwhile."""
        for place in [place for place in self._waiting if self._lamps.powered(place)]:
            await self._done(place, self._waiting.pop(place))

    def develop(self) -> list[tuple[str, Act]]:
        """Let happen what happens by itself by now; the names of the streets, and what."""
        due = [one for one in self._developing if time.monotonic() - self._begun >= one[0]]
        self._developing = [one for one in self._developing if one not in due]
        for _, street, act in due:
            self._lamps.act(street, act)
        return [(self._lamps.streets[street].name, act) for _, street, act in due]


def _level(wanted: dict[str, Any]) -> float | None:
    match wanted:
        case {"illuminanceLevel": int() | float() as level, **other} if not other and 0 <= level <= 1:
            return None if isinstance(level, bool) else float(level)
    return None


def now() -> str:
    """As devices date what they say: UTC, whatever the demo's clock says."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
