"""Class by volume in the served city: rows of counters, and one worker that follows what they count."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, NamedTuple

import asyncpg

from rhinecloud.city import EVERYTHING, City, Query, Unavailable
from rhinecloud.people import Actor

from ..control.programs import Program
from ..control.volume import Count, Needed, Standing, needed, stepped
from . import store
from .counting import INTENSITY, TYPE, Counter, added, count_of, typical
from .overrides import WAKE

_COUNTERS: Final = "traffic"  # told when counters are others
_LOOK: Final = 60.0  # seconds until counts are looked at without a change: they grow old
_PORTION: Final = 500  # entities at once
_WEEK: Final = timedelta(days=7)
_SHOWN: Final = 500  # counters of the graph that are offered
_log = logging.getLogger(__name__)


class Row(NamedTuple):
    """What counts ask of a place by a program."""

    standing: Standing
    needed: Needed | None


Rows = Mapping[tuple[str, str], Row]


async def counters(connection: store.Connection) -> list[Counter]:
    """All, by their places."""
    records = await connection.fetch(
        "SELECT number, what, subject, entity, minutes FROM traffic_counter ORDER BY what DESC, subject, number"
    )
    return [Counter(**dict(record)) for record in records]


async def put(city: City, actor: Actor, counter: Counter) -> None:
    """Let an entity count for a place, in place of the line that says the same."""
    async with city.transaction() as transaction:
        await transaction.connection.execute(
            "INSERT INTO traffic_counter (what, subject, entity, minutes, changed_at, changed_by) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (what, subject, entity) DO UPDATE "
            "SET minutes = excluded.minutes, changed_at = excluded.changed_at, changed_by = excluded.changed_by",
            *(counter.what, counter.subject, counter.entity, counter.minutes, city.clock.now(), actor.id),
        )
        await _changed(transaction.connection)
        detail = {"entity": counter.entity, "minutes": counter.minutes}
        await transaction.audit(actor.id, "lighting.traffic.counter", counter.subject, detail)
    await _tell(city)


async def remove(city: City, actor: Actor, number: int) -> bool:
    """Take a line away; false if there is none."""
    async with city.transaction() as transaction:
        subject = await transaction.connection.fetchval(
            "DELETE FROM traffic_counter WHERE number = $1 RETURNING subject", number
        )
        if subject is not None:
            await _changed(transaction.connection)
            await transaction.audit(actor.id, "lighting.traffic.counter.remove", subject)
    await _tell(city)
    return subject is not None


async def _changed(connection: asyncpg.Connection) -> None:
    await store.touch(connection)
    await connection.execute("UPDATE traffic_mark SET revision = revision + 1")


async def _tell(city: City) -> None:
    await city.bus.tell(_COUNTERS)
    await city.bus.tell(WAKE)


async def mark(connection: store.Connection) -> int:
    """Another one: counts ask for something else."""
    found: int = await connection.fetchval("SELECT revision FROM traffic_mark")
    return found


async def standing(connection: store.Connection) -> Rows:
    """(place, program) → what counts ask for."""
    records = await connection.fetch("SELECT * FROM traffic_standing")
    return {(one["place"], one["program"]): _row(one) for one in records}


async def asked(connection: store.Connection) -> dict[tuple[str, str], tuple[Needed, ...]]:
    """The same as targets are computed from."""
    return {key: (row.needed,) for key, row in (await standing(connection)).items() if row.needed is not None}


def _row(record: Any) -> Row:
    found = None
    if record["begins"] is not None:
        found = Needed(
            record["begins"], record["until"], record["down"], record["vehicles"], record["threshold"]
        )
    return Row(Standing(record["down"], record["since"]), found)


async def known(city: City) -> list[tuple[str, str]]:
    """Entities of the graph that count: id and name."""
    found = [one async for some in city.values(TYPE, "name") for one in some]
    return [(entity, str(values[0] or "")) for entity, values in found[:_SHOWN]]


async def counts(city: City, those: Sequence[Counter]) -> dict[str, Count | None]:
    """Place → the newest count of all its counters together."""
    ids = sorted({one.entity for one in those})
    attributes: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(ids), _PORTION):
        asked = Query(ids=tuple(ids[start : start + _PORTION]), limit=_PORTION)
        page = await city.broker.query(asked, sight=EVERYTHING)
        attributes |= {entity.id: entity.attributes for entity in page.entities}
    by_place: dict[str, list[Count | None]] = {}
    for one in those:
        by_place.setdefault(one.place, []).append(count_of(attributes.get(one.entity, {}), one.minutes))
    return {place: added(some) for place, some in by_place.items()}


async def typical_day(city: City, those: Sequence[Counter], zone: tzinfo) -> list[float]:
    """Vehicles in each hour of the clock in the mean of the last seven days, of the counters of one place together; NaN
    where one of them did not count."""
    now = city.clock.now()
    found = []
    for one in those:
        count = (await counts(city, [one]))[one.place]
        length = 60.0 * (one.minutes or 0) if count is None else count.ends - count.begins
        series = await city.broker.history(one.entity, INTENSITY, now - _WEEK, now, 5_000, sight=EVERYTHING)
        found.append(typical(_rates(series.values, series.times, length, zone)))
    return [math.fsum(hours) for hours in zip(*found, strict=True)]


def _rates(
    values: Sequence[Any], times: Sequence[str], length: float, zone: tzinfo
) -> list[tuple[int, float]]:
    """(hour of the clock, vehicles an hour). A count is told at its end."""
    return [
        ((datetime.fromisoformat(at) - timedelta(seconds=1)).astimezone(zone).hour, value * 3600 / length)
        for value, at in zip(values, times, strict=True)
        if length and isinstance(value, int | float) and not isinstance(value, bool)
    ]


async def follow(city: City) -> None:
    """Look whenever somebody counted, and once a minute (a `Task`)."""
    changed = asyncio.Event()

    async def listen() -> None:
        async for _ in city.watch("planning-traffic", TYPE):
            changed.set()

    async def hear(payload: bytes) -> None:
        changed.set()

    await city.bus.hear(_COUNTERS, hear)
    async with asyncio.TaskGroup() as group:
        group.create_task(listen())
        while True:
            changed.clear()
            try:
                await look(city)
            except Unavailable as error:
                _log.warning("class by volume: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await changed.wait()


async def look(city: City) -> None:
    """Step on what every place needs, and tell if anything is another."""
    pool = city.db.pool
    those, before = await counters(pool), await standing(pool)
    if not those and not before:
        return
    applied = await store.applied(pool)
    programs = [] if applied is None else [one for one in applied.plan.programs if one.volume is not None]
    after = step(before, await counts(city, those), programs, city.clock.now().timestamp())
    if after == before:
        return
    async with city.db.transaction() as connection:
        await connection.execute("LOCK TABLE traffic_standing IN SHARE ROW EXCLUSIVE MODE")
        await connection.execute("DELETE FROM traffic_standing")
        await connection.executemany(
            "INSERT INTO traffic_standing (place, program, down, since, begins, until, vehicles, threshold) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            [_values(key, row) for key, row in sorted(after.items())],
        )
        await connection.execute("UPDATE traffic_mark SET revision = revision + 1")
    await city.bus.tell(WAKE)


def step(
    before: Rows, counted: Mapping[str, Count | None], programs: Sequence[Program], now: float
) -> dict[tuple[str, str], Row]:
    """What every place needs by each program now."""
    found = {}
    for place, count in counted.items():
        for program in programs:
            if program.volume is None:
                continue
            old = before.get((place, program.id), Row(Standing(), None))
            new = stepped(old.standing, count, program.volume, now)
            said = needed(new, count, program.volume, now)
            if old.needed is not None and said is not None and _says(said) == _says(old.needed):
                said = old.needed
            found[place, program.id] = Row(new, said)
    return found


def _says(one: Needed) -> tuple[Any, ...]:
    """All but since when: that is not another because somebody looked again."""
    return one.until, one.down, one.vehicles, one.limit


def _values(key: tuple[str, str], row: Row) -> tuple[Any, ...]:
    said = row.needed
    rest = (None,) * 4 if said is None else (said.begins, said.until, said.vehicles, said.limit)
    return *key, row.standing.down, row.standing.since, *rest
