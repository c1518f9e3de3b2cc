"""Aggregates over history: stored sums wherever a period covers a whole chunk, the numbers themselves at the edges
(CIM 009 §4.5.19)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg
import msgspec
import numpy as np

from rhinecloud.model import InvalidRequest, TooManyResults
from rhinecloud.model.temporal_aggregates import Aggregation, Figures, Part, Sums, aggregate, chosen
from rhinecloud.model.temporal_periods import Duration, Periods, Times
from rhinecloud.model.temporal_query import FOREVER, FOREVER_AGO
from rhinecloud.model.temporal_representation import Aggregated
from rhinecloud.store import temporal_numbers
from rhinecloud.store.history import micros
from rhinecloud.store.temporal import Floats, Series, Window

MOST_PERIODS = 200_000
_MONTH = 28  # days: a chunk, which is of a month, lies whole in no shorter period unless it is short itself

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_LINKS = ("Relationship", "ListRelationship")

Result = dict[str, dict[str, list[Aggregated]]]


class _Read(msgspec.Struct):
    """What was read of some series: numbers, instances that are more, and sums by periods."""

    numbers: list[tuple[int, Times, Floats]]
    instances: list[tuple[int, int, dict[str, Any]]]
    sums: temporal_numbers.Sums | None = None


async def aggregates(
    connection: asyncpg.Connection,
    series: Sequence[Series],
    window: Window,
    aggregation: Aggregation,
    named: frozenset[str],
) -> Result:
    """Entity → attribute → aggregates. Entities without instances in the window are not in it.

    Raises InvalidRequest for a `named` attribute that is eligible for none of the methods (§5.7.4.4), TooManyResults
    for too many periods.
    """
    found: Result = {}
    known = window.since != FOREVER_AGO
    long = aggregation.duration.whole or (known and aggregation.duration.days >= _MONTH)
    if window.at and long and aggregation.by_sums:
        read = await _read_sums(connection, series, window, aggregation.duration)
        _add(found, series, read, window, aggregation, named)
        return found
    async for portion in temporal_numbers.portions(connection, series, window):
        read = _Read(
            await temporal_numbers.numbers(connection, portion, window),
            await _instances(connection, portion, window),
        )
        _add(found, portion, read, window, aggregation, named)
        await asyncio.sleep(0)
    return found


async def _read_sums(
    connection: asyncpg.Connection, series: Sequence[Series], window: Window, duration: Duration
) -> _Read:
    ids = [one.id for one in series]
    starts = None
    if not duration.whole:
        origin = micros(window.since)
        last = await temporal_numbers.last(connection, ids, window)
        starts = [origin] if last is None else Periods(duration, origin, last).starts(last)
    sums, beside = await summed(connection, ids, window, starts)
    return _Read(beside, await _instances(connection, series, window), sums)


async def summed(
    connection: asyncpg.Connection, ids: Sequence[int], window: Window, starts: Sequence[int] | None
) -> tuple[temporal_numbers.Sums | None, list[tuple[int, Times, Floats]]]:
    """Sums by periods, and the numbers that are in none of them. The window is by the order of history."""
    sums = await temporal_numbers.sums(connection, ids, window, starts)
    if starts is None and window.since == FOREVER_AGO and window.until == FOREVER:
        return sums, []  # without edges of any kind there is nothing beside them
    return sums, await temporal_numbers.numbers_beside(connection, ids, window, starts)


async def _instances(
    connection: asyncpg.Connection, series: Sequence[Series], window: Window
) -> list[tuple[int, int, dict[str, Any]]]:
    found = await temporal_numbers.instances(connection, [one.id for one in series], window)
    return [(number, at, _decode(text)) for number, at, text in found]


class _Groups:
    """Numbers for what is aggregated together: instances of an attribute with one dataset in one unit."""

    def __init__(self, series: Sequence[Series]) -> None:
        numbers: dict[tuple[str, str, str, str], int] = {}
        self.of_series: dict[int, int] = {}
        self.heads: list[Series] = []
        units: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for one in series:
            key = (one.entity_id, one.attribute, one.dataset, one.unit)
            number = numbers.setdefault(key, len(numbers))
            self.of_series[one.id] = number
            units[key[:3]].add(one.unit)
            if number == len(self.heads):
                self.heads.append(one)
        self.several = {key for key, found in units.items() if len(found) > 1}

    def sums(self, sums: temporal_numbers.Sums) -> Sums:
        """By groups instead of series."""
        groups = np.fromiter(
            (self.of_series[one] for one in sums.series.tolist()), np.int64, len(sums.series)
        )
        order = np.lexsort((sums.numbers, groups))
        return chosen(
            Sums(groups, sums.numbers, sums.counts, sums.totals, sums.smallest, sums.largest), order
        )


def _add(
    found: Result,
    series: Sequence[Series],
    read: _Read,
    window: Window,
    aggregation: Aggregation,
    named: frozenset[str],
) -> None:
    groups = _Groups(series)
    periods = _periods(series, read, window, aggregation.duration)
    entity_of = {one.id: one.entity_id for one in series}
    parts = [
        Part(groups.of_series[one], periods[entity_of[one]].index(times), values)
        for one, times, values in read.numbers
        if len(times)
    ]
    others: dict[int, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    kinds: dict[int, str] = {}
    for one, at, instance in read.instances:
        group = groups.of_series[one]
        period = int(periods[entity_of[one]].index(np.asarray([at], dtype=np.int64))[0])
        others[group].append((period, instance))
        kinds[group] = "Relationship" if instance.get("type") in _LINKS else "Property"
    sums = None if read.sums is None else groups.sums(read.sums)
    figures = aggregate(aggregation.methods, parts, others, sums)
    _check(figures, groups, named)
    several = groups.several
    for group, own in figures.items():
        head = groups.heads[group]
        attributes = found.setdefault(head.entity_id, {})
        if own.methods:
            unit = head.unit if several and (head.entity_id, head.attribute, head.dataset) in several else ""
            attributes.setdefault(head.attribute, []).append(
                Aggregated(kinds.get(group, "Property"), head.dataset, unit, own, periods[head.entity_id])
            )


def _check(figures: dict[int, Figures], groups: _Groups, named: frozenset[str]) -> None:
    if sum(len(own.periods) for own in figures.values()) > MOST_PERIODS:
        raise TooManyResults(
            f"the answer would have more than {MOST_PERIODS} periods: ask for longer ones, or for fewer entities",
            field="aggrPeriodDuration",
        )
    if named:
        eligible = {groups.heads[group].attribute for group, own in figures.items() if own.methods}
        for group, own in figures.items():
            name = groups.heads[group].attribute
            if name in named and name not in eligible and len(own.periods):
                raise InvalidRequest(
                    "an attribute that is asked for is eligible for none of the methods", field="aggrMethods"
                )


def _periods(series: Sequence[Series], read: _Read, window: Window, duration: Duration) -> dict[str, Periods]:
    """Entity → the periods of its attributes: from the beginning of the window or, if it has none, from the first
    instance of the entity on."""
    since = None if window.since == FOREVER_AGO else micros(window.since)
    until = None if window.until == FOREVER else micros(window.until)
    if since is not None and (until is not None if duration.whole else not duration.months):
        shared = Periods(duration, since, since, until)
        return {one.entity_id: shared for one in series}
    entity_of = {one.id: one.entity_id for one in series}
    extents: dict[str, tuple[int, int]] = {}
    for one, first, last in _extents(read):
        low, high = extents.get(entity_of[one], (first, last))
        extents[entity_of[one]] = (min(low, first), max(high, last))
    return {
        entity_id: Periods(duration, first if since is None else since, last, until)
        for entity_id, (first, last) in extents.items()
    }


def _extents(read: _Read) -> Iterator[tuple[int, int, int]]:
    """Series with the first and the last time that were read."""
    for one, times, _ in read.numbers:
        if len(times):
            yield one, int(times.min()), int(times.max())
    for one, at, _ in read.instances:
        yield one, at, at
    if read.sums is not None:
        yield from zip(
            read.sums.series.tolist(), read.sums.first.tolist(), read.sums.last.tolist(), strict=True
        )
