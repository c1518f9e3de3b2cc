"""The targets of all lamps of the city at an instant, from the rows of the plan that is applied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from rhinecloud.city import City

from ..cadastre.lamps import Lamp
from ..control.calendars import holidays_of
from ..control.citywide import CityTargets, Lamps, Plans, city_targets
from ..control.rules import floors
from ..talq import lowering
from . import overrides, store, traffic
from .counting import placing

T = TypeVar("T")
_AHEAD: Final = timedelta(hours=26)  # overrides that begin until then are known beforehand


class Row(NamedTuple):
    """A lamp's row as it was read: what is to be told, and what was told last."""

    lamp: str
    device: str | None
    planned: bool
    level: float | None
    why: str | None


class Mark(NamedTuple):
    """What targets follow from; another one: read anew. `sensed`: how many lamps follow sensors of their gateway."""

    plan: int
    revision: int
    sensed: int


class CityNight(msgspec.Struct, frozen=True, kw_only=True):
    """The rows, and what targets are computed from. `traffic`: the mark of what counts ask for; `behind`: which lamps
    are behind TALQ gateways."""

    mark: Mark
    traffic: int
    rows: list[Row]
    behind: NDArray[np.bool_]
    lamps: Lamps
    plans: Plans
    read_at: datetime

    def old(self, now: datetime) -> bool:
        """Whether overrides may begin that it does not know of."""
        return now - self.read_at > _AHEAD - timedelta(hours=1)

    def at(self, city: City, instant: datetime) -> CityTargets:
        """What every lamp should be doing."""
        return city_targets(self.lamps, self.plans, instant.timestamp(), city.clock.zone)


async def mark(connection: store.Connection) -> Mark:
    """Whether anything is another than it was."""
    record = await connection.fetchrow(
        "SELECT (SELECT coalesce(max(version), 0) FROM plan), (SELECT revision FROM planning_mark), "
        "(SELECT count(*) FROM talq_quiet)"
    )
    return Mark(*record)


async def renewed(city: City, night: CityNight | None) -> CityNight | None:
    """The same if nothing is another; only what counts ask for, where no more than that is; else read anew."""
    pool = city.db.pool
    if night is None or night.old(city.clock.now()) or night.mark != await mark(pool):
        return await read(city)
    counted = await traffic.mark(pool)
    if counted == night.traffic:
        return night
    plans = msgspec.structs.replace(night.plans, needed=await traffic.asked(pool))
    return msgspec.structs.replace(night, plans=plans, traffic=counted)


async def read(city: City) -> CityNight | None:
    """All lamps of the plan; None before one was applied."""
    pool = city.db.pool
    seen, counted = await mark(pool), await traffic.mark(pool)
    applied = await store.applied(pool)
    if applied is None:
        return None
    now = city.clock.now()
    records = await pool.fetch("SELECT lamp, device, calendar, level, why, facts FROM target ORDER BY lamp")
    over = await overrides.by_lamp(pool, now, now + _AHEAD)
    plan = applied.plan
    known = {calendar.id: index for index, calendar in enumerate(plan.calendars)}
    facts = [msgspec.json.decode(record[5], type=Lamp) for record in records]
    calendar = [known.get(record[2], -1) for record in records]
    sets = [
        floors(lamp, plan.rules) if index >= 0 else () for lamp, index in zip(facts, calendar, strict=True)
    ]
    floor_sets, floor_of = _numbered(sets, ())
    override_sets, override_of = _numbered([over.get(record[0], ()) for record in records], ())
    place_of = placing(await traffic.counters(pool), plan.groups, await lowering.sensed(pool))
    places, volume = _numbered([place_of(lamp) for lamp in facts], None)
    year = now.year
    return CityNight(
        mark=seen,
        traffic=counted,
        rows=[Row(record[0], record[1], record[2] is not None, record[3], record[4]) for record in records],
        behind=np.array([lamp.gateway is not None for lamp in facts], np.bool_),
        lamps=Lamps(
            longitude=np.array([lamp.lon for lamp in facts], np.float64),
            latitude=np.array([lamp.lat for lamp in facts], np.float64),
            calendar=np.array(calendar, np.int64),
            floors=floor_of,
            overrides=override_of,
            volume=volume,
        ),
        plans=Plans(
            calendars=plan.calendars,
            programs={program.id: program for program in plan.programs},
            floors=floor_sets,
            overrides=override_sets,
            places=places,
            needed=await traffic.asked(pool),
            holidays=holidays_of((year - 1, year, year + 1)),
        ),
        read_at=now,
    )


def _numbered(sets: Sequence[T], empty: T) -> tuple[list[T], NDArray[np.int64]]:
    """The sets that there are, the empty one first, and which each lamp has."""
    numbers: dict[T, int] = {empty: 0}
    of = [numbers.setdefault(one, len(numbers)) for one in sets]
    return list(numbers), np.array(of, np.int64)


def next_change(found: CityTargets, now: datetime) -> datetime:
    """When the first lamp's target changes."""
    if not len(found.until):
        return now + timedelta(hours=1)
    return datetime.fromtimestamp(float(np.min(found.until)), UTC)
