"""The temporal evolution of entities: instances page by page, or aggregates (CIM 009 §5.7.3, §5.7.4)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import msgspec
import numpy as np

from rhinecloud.model import ResourceNotFound, instance_id
from rhinecloud.model.sight import Sight
from rhinecloud.model.temporal_aggregates import Aggregation, Part, Sums, total
from rhinecloud.model.temporal_query import TemporalQuery
from rhinecloud.model.temporal_representation import EntityTemporal, Event, texts
from rhinecloud.store import temporal, temporal_selection
from rhinecloud.store.history import micros
from rhinecloud.store.queries import Query
from rhinecloud.store.temporal import Row, Series, Window
from rhinecloud.store.temporal_selection import Candidate, Selection

from .temporal_aggregating import aggregates, summed
from .temporal_sifting import sift

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_EXACT = 2**53


class Wanted(msgspec.Struct, frozen=True):
    """What of an evolution: instances of these attributes and datasets (None for all, '' is the default dataset) but
    the `omitted`, as they are or as aggregates. `named` are attributes that must be eligible for the aggregation
    (§5.7.4.4)."""

    temporal: TemporalQuery = TemporalQuery()
    attributes: tuple[str, ...] | None = None
    omitted: frozenset[str] = frozenset()
    datasets: tuple[str, ...] | None = None
    aggregation: Aggregation | None = None
    named: frozenset[str] = frozenset()

    @property
    def window(self) -> Window:
        """Which instances."""
        asked = self.temporal
        return Window(asked.timeproperty or "own", asked.since, asked.until)


class Range(msgspec.Struct, frozen=True):
    """The times that an answer which is not whole is about, and `lastN` or * (§6.3.10)."""

    start: str
    end: str
    size: str


class TemporalPage(msgspec.Struct, frozen=True):
    """Evolutions; `more` entities follow; `count` of all if asked for. With a `range` not all instances are there."""

    evolutions: list[EntityTemporal]
    more: bool = False
    count: int | None = None
    range: Range | None = None


async def retrieve(
    pool: asyncpg.Pool, entity_id: str, wanted: Wanted, most: int, sight: Sight
) -> TemporalPage:
    """The evolution of one entity (§5.7.3), with about `most` instances. Raises ResourceNotFound if it is unknown or
    has none that is asked for."""
    async with temporal.snapshot(pool) as connection:
        candidate = await temporal_selection.find(connection, entity_id, sight)
        if candidate is None:
            raise ResourceNotFound(f"there is no temporal evolution of {entity_id}")
        page = await _page(connection, [candidate], wanted, most, sight)
        if not page.evolutions:
            raise ResourceNotFound(f"{entity_id} has no instances such as are asked for")
        return page


async def query(pool: asyncpg.Pool, asked: Query, wanted: Wanted, most: int, sight: Sight) -> TemporalPage:
    """The evolutions of a page of entities (§5.7.4), in the query's order, with about `most` instances in all."""
    selection = Selection(asked, sight, wanted.window, wanted.attributes or None, wanted.datasets)
    async with temporal.snapshot(pool) as connection:
        if asked.q is not None or asked.geo is not None or asked.scope_q is not None:
            end = None if asked.count else asked.offset + asked.limit + 1
            found = await sift(connection, selection, wanted.temporal, end)
            count = len(found) if asked.count else None
            found = found[asked.offset : asked.offset + asked.limit + 1]
        else:
            count = await temporal_selection.count(connection, selection) if asked.count else None
            found = await temporal_selection.select(connection, selection, asked.limit + 1, asked.offset)
        page = await _page(connection, found[: asked.limit], wanted, most, sight)
    return msgspec.structs.replace(page, more=len(found) > asked.limit, count=count)


class Statistics(msgspec.Struct, frozen=True):
    """Columns: of the plain numbers of each series that has any, how many there are, their sum, the smallest and the
    largest. `datasets` and `units` are '' for none."""

    entities: list[str]
    attributes: list[str]
    datasets: list[str]
    units: list[str]
    counts: list[int]
    totals: list[float]
    smallest: list[float]
    largest: list[float]


async def statistics(pool: asyncpg.Pool, asked: Query, wanted: Wanted, sight: Sight) -> Statistics:
    """Of all entities that ids and types of a query select, whatever their number: from the stored sums, but for the
    chunks over the edges of the window, which is one of observation."""
    window = Window("observedAt", wanted.temporal.since, wanted.temporal.until)
    selection = Selection(asked, sight, window, wanted.attributes, wanted.datasets)
    async with temporal.snapshot(pool) as connection:
        series = await temporal_selection.series_of(connection, selection)
        ids = [one[0] for one in series]
        sums, beside = await summed(connection, ids, window, None)
    parts = [Part(one, np.zeros(len(times), dtype=np.int64), values) for one, times, values in beside]
    known = None
    if sums is not None:
        known = Sums(sums.series, sums.numbers, sums.counts, sums.totals, sums.smallest, sums.largest)
    found = total(parts, known)
    heads = [series[row] for row in np.searchsorted(ids, found.groups).tolist()]
    return Statistics(
        [head[1] for head in heads],
        [head[2] for head in heads],
        [head[3] for head in heads],
        [head[4] for head in heads],
        found.counts.tolist(),
        found.totals.tolist(),
        found.smallest.tolist(),
        found.largest.tolist(),
    )


async def _page(
    connection: asyncpg.Connection, candidates: Sequence[Candidate], wanted: Wanted, most: int, sight: Sight
) -> TemporalPage:
    if wanted.attributes == ():
        return TemporalPage([EntityTemporal(one.entity, one.deleted_at) for one in candidates])
    by_id = {one.entity.id: one for one in candidates}
    series = await temporal.find_series(
        connection, list(by_id), wanted.window, wanted.attributes, wanted.datasets
    )
    if not sight.everything:
        series = [one for one in series if by_id[one.entity_id].shows(one.attribute, sight)]
    if wanted.omitted:
        series = [one for one in series if one.attribute not in wanted.omitted]
    if wanted.aggregation is not None:
        aggregated = await aggregates(connection, series, wanted.window, wanted.aggregation, wanted.named)
        return TemporalPage(
            [
                EntityTemporal(one.entity, one.deleted_at, {}, aggregated.get(one.entity.id, {}))
                for one in candidates
                if wanted.omitted or one.entity.id in aggregated
            ]
        )
    numbered = {one.id: one for one in series}
    rows = await _rows(connection, numbered, wanted, most)
    page = _events(by_id, numbered, rows, wanted.temporal, most)
    if wanted.omitted:  # an entity of which something else is there is shown without it
        known = {one.entity.id: one for one in page.evolutions}
        shown = [known.get(one.entity.id, EntityTemporal(one.entity, one.deleted_at)) for one in candidates]
        page = msgspec.structs.replace(page, evolutions=shown)
    return page


async def _rows(
    connection: asyncpg.Connection, series: dict[int, Series], wanted: Wanted, most: int
) -> list[Row]:
    """In the order of reading the instances that are asked for, all up to the end of the page and some of those
    beyond it. Of each series only some are read at first, for together they may be as many as the page holds."""
    asked = wanted.temporal
    backward = asked.last_n is not None
    limit = max(2, min(most + 1, 4 * most // max(1, len(series))))
    while True:
        limit = limit if asked.last_n is None else min(limit, asked.last_n)
        found = await temporal.rows(
            connection, list(series.values()), wanted.window, limit, backward=backward
        )
        rows = found if asked.last_n is None else _last_of_each(found, series, asked.last_n)
        # One row beyond the page must be known, for it tells that there is more.
        if limit == asked.last_n or _reach(found, rows, limit, backward) > len(_fitting(rows, most)):
            return rows
        limit *= 4


def _reach(found: list[Row], rows: list[Row], limit: int, backward: bool) -> float:
    """How many of the rows there are up to the time to which every series was read."""
    counts: dict[int, int] = defaultdict(int)
    for row in found:
        counts[row.series] += 1
        if counts[row.series] == limit:
            end = row.time
            return sum(one.time >= end if backward else one.time <= end for one in rows)
    return math.inf


def _events(
    by_id: dict[str, Candidate], series: dict[int, Series], rows: list[Row], asked: TemporalQuery, most: int
) -> TemporalPage:
    """Of rows in the order of reading those that fit into an answer; each attribute that has any is named."""
    shown = _fitting(rows, most)
    times = texts(np.asarray([row.time for row in shown], dtype=np.int64))
    events: dict[str, dict[str, list[Event]]] = defaultdict(dict)
    for row in rows:
        one = series[row.series]
        events[one.entity_id].setdefault(one.attribute, [])
    for row, time in zip(shown, times, strict=True):
        one = series[row.series]
        events[one.entity_id][one.attribute].append(Event(time, _instance(one, row)))
    if asked.last_n is not None:
        for attributes in events.values():
            for listed in attributes.values():
                listed.reverse()
    return TemporalPage(
        [
            EntityTemporal(one.entity, one.deleted_at, events[entity_id])
            for entity_id, one in by_id.items()
            if entity_id in events
        ],
        range=_range(asked, times[0], times[-1]) if len(shown) < len(rows) else None,
    )


def _last_of_each(rows: Iterable[Row], series: dict[int, Series], last_n: int) -> list[Row]:
    """Of rows from the newest on, so many of each attribute of each entity."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    kept = []
    for row in rows:
        one = series[row.series]
        counts[one.entity_id, one.attribute] += 1
        if counts[one.entity_id, one.attribute] <= last_n:
            kept.append(row)
    return kept


def _fitting(rows: list[Row], most: int) -> list[Row]:
    """No more than `most`, unless the first instant alone has more: an instant is never torn, so that who goes on from
    the end of the range misses nothing."""
    if len(rows) <= most:
        return rows
    end = most
    while end > 0 and rows[end - 1].time == rows[most].time:
        end -= 1
    if end == 0:
        while end < len(rows) and rows[end].time == rows[0].time:
            end += 1
    return rows[:end]


def _range(asked: TemporalQuery, first: str, last: str) -> Range:
    """`first` and `last` in the direction of reading."""
    bound = {
        (True, "before"): asked.time_at,
        (True, "between"): asked.end_time_at,
        (False, "after"): asked.time_at,
        (False, "between"): asked.time_at,
    }.get((asked.last_n is not None, asked.timerel or ""))
    start = first if bound is None else texts(np.asarray([micros(bound)]))[0]
    return Range(start, last, "*" if asked.last_n is None else str(asked.last_n))


def _instance(series: Series, row: Row) -> dict[str, Any]:
    """An instance in full, with its identity and the system times that are known."""
    instance: dict[str, Any]
    if row.instance is not None:
        instance = _decode(row.instance)
    else:
        assert row.value is not None
        whole = row.value.is_integer() and abs(row.value) < _EXACT
        instance = {"type": "Property", "value": int(row.value) if whole else row.value}
        if series.unit:
            instance["unitCode"] = series.unit
        if series.dataset:
            instance["datasetId"] = series.dataset
        if series.observed:
            instance["observedAt"] = texts(np.asarray([row.at]))[0]
    arrived = row.arrived if series.observed else row.at
    if arrived is not None and "deletedAt" not in instance:
        time = texts(np.asarray([arrived]))[0]
        instance.setdefault("createdAt", time)
        instance.setdefault("modifiedAt", time)
    instance["instanceId"] = instance_id(row.series, row.at, row.number)
    return instance


__all__ = ["Range", "TemporalPage", "Wanted", "Statistics", "query", "retrieve", "statistics"]
