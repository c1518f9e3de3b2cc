"""Reading history by time: instances for temporal representations, numbers and sums for aggregates (CIM 009 §5.7.3).

Each statement reads many series at once. Arrays of chunks come in PostgreSQL's binary form and become numpy arrays
without an object for each number. Whoever reads with several statements does so in one snapshot (`snapshot`):
compaction moves values from one table to another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import asyncpg
import msgspec
import numpy as np
import numpy.typing as npt

from rhinecloud.model.temporal_query import FOREVER, FOREVER_AGO

from .history import ARRIVAL, arrival, micros

Times = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
By = Literal["own", "observedAt", "createdAt", "modifiedAt", "deletedAt"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Series(msgspec.Struct, frozen=True):
    """A row of `series`."""

    id: int
    entity_id: str
    attribute: str
    dataset: str
    unit: str
    observed: bool


class Window(msgspec.Struct, frozen=True):
    """since <= time < until, by which time of the instances: that of the observation, of the arrival, of the
    correction, of the deletion; or each by its `own`, that of its observation, else of its arrival.

    When a compacted observation arrived is not known: by that it is not found.
    """

    by: By = "own"
    since: datetime = FOREVER_AGO
    until: datetime = FOREVER

    @property
    def at(self) -> bool:
        """Whether it is the time that history is in the order of."""
        return self.by in ("own", "observedAt")


class Row(msgspec.Struct, frozen=True):
    """An instance as read. `time` is that of the window, `at` its place in history, `number` its place among those of
    its series at the same `at`, by arrival; times in µs since 1970. A number, or the JSON of an instance."""

    time: int
    series: int
    at: int
    number: int
    value: float | None
    instance: str | None
    arrived: int | None


# Of a row h of a series s.
TIME: Final[dict[By, str]] = {
    "own": "h.at",
    "observedAt": "h.at",
    "createdAt": "CASE WHEN s.observed THEN h.arrived ELSE h.at END",
    "modifiedAt": "coalesce((h.instance->>'modifiedAt')::timestamptz, "
    "CASE WHEN s.observed THEN h.arrived ELSE h.at END)",
    "deletedAt": "(h.instance->>'deletedAt')::timestamptz",
}
_GONE = "coalesce(h.instance ? 'deletedAt', false)"
KEPT: Final[dict[By, str]] = {
    "own": "true",
    "observedAt": "true",  # for only series of observations are looked at
    "createdAt": f"NOT {_GONE}",
    "modifiedAt": f"NOT {_GONE}",
    "deletedAt": _GONE,
}


def instant(time: int) -> datetime:
    """The instant so many microseconds after 1970 began."""
    return _EPOCH + time * _MICROSECOND


@asynccontextmanager
async def snapshot(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees one state of the tables."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


_SERIES = """
SELECT id, entity_id, attribute, dataset, unit, observed FROM series
WHERE entity_id = ANY($1::text[]) AND ($2::text[] IS NULL OR attribute = ANY($2::text[]))
AND ($3::text[] IS NULL OR dataset = ANY($3::text[])) AND (observed OR NOT $4::boolean)
ORDER BY entity_id, id
"""


async def find_series(
    connection: asyncpg.Connection,
    ids: Sequence[str],
    window: Window,
    attributes: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
) -> list[Series]:
    """The series of these entities that a window can show something of; '' among `datasets` is the default one."""
    records = await connection.fetch(
        _SERIES, list(ids), _or_none(attributes), _or_none(datasets), window.by == "observedAt"
    )
    return [Series(*record) for record in records]


def _or_none(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)


# Instances -------------------------------------------------------------------------------------------------------

_ROWS = """
SELECT (extract(epoch FROM r.at) * 1000000)::bigint AS at, s.id, r.hot,
       (extract(epoch FROM r.arrived) * 1000000)::bigint AS arrived, r.value, r.instance
FROM unnest($1::bigint[]) AS s (id) CROSS JOIN LATERAL (
    (SELECT at, true AS hot, arrived, value, instance FROM history
     WHERE series = s.id AND at >= $2 AND at < $3 ORDER BY at {order} FETCH FIRST $4 ROWS WITH TIES)
    UNION ALL
    (SELECT at, false, arrived, value, instance FROM history_rows
     WHERE series = s.id AND at >= $2 AND at < $3 ORDER BY at {order} FETCH FIRST $4 ROWS WITH TIES)
) AS r
"""

# By other times than that of the order of history: all rows of the series are looked at, and numbered among those at
# the same place before any is left out.
_ROWS_BY_TIME = """
SELECT (extract(epoch FROM r.time) * 1000000)::bigint AS time, s.id, (extract(epoch FROM r.at) * 1000000)::bigint AS at,
       (r.number + coalesce((
           SELECT cardinality(array_positions(coalesce(c.offsets::bigint[], c.wide),
                  (extract(epoch FROM r.at - c.at0) * 1000000)::bigint / c.tick))
           FROM chunk c WHERE c.series = s.id AND c.month = date_trunc('month', r.at)::date
           AND r.at BETWEEN c.at0 AND c.at1 AND (extract(epoch FROM r.at - c.at0) * 1000000)::bigint % c.tick = 0
       ), 0))::bigint AS number, r.value, r.instance, (extract(epoch FROM r.arrived) * 1000000)::bigint AS arrived
FROM unnest($1::bigint[], $5::boolean[]) AS s (id, observed) CROSS JOIN LATERAL (
    SELECT {time} AS time, h.at, h.arrived, h.value, h.instance, h.number FROM (
        SELECT *, row_number() OVER (PARTITION BY at ORDER BY {arrival}) - 1 AS number FROM (
            SELECT at, true AS hot, arrived, value, instance FROM history WHERE series = s.id
            UNION ALL
            SELECT at, false, arrived, value, instance FROM history_rows WHERE series = s.id
        ) AS every
    ) AS h
    WHERE {kept} AND {time} >= $2 AND {time} < $3 ORDER BY 1 {order} FETCH FIRST $4 ROWS WITH TIES
) AS r
"""

# Only the chunks that the first (or last) values can be in: those before which not yet enough lie whole in the window.
_FIRST_CHUNKS = """
WITH found AS (
    SELECT series, month, coalesce(sum(CASE WHEN at0 >= $2 AND at1 < $3 THEN n ELSE 0 END) OVER (
        PARTITION BY series ORDER BY month {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
    FROM chunk WHERE series = ANY($1::bigint[]) AND month >= date_trunc('month', $2::timestamptz)::date
    AND at0 < $3 AND at1 >= $2
)
SELECT c.series, c.at0, c.tick, array_send(c.offsets), array_send(c.wide), array_send(c.values)
FROM found f JOIN chunk c USING (series, month) WHERE f.before < $4
"""


async def rows(
    connection: asyncpg.Connection,
    series: Sequence[Series],
    window: Window,
    most: int,
    *,
    backward: bool = False,
) -> list[Row]:
    """Of each series the first `most` instances of the window (`backward`: the last ones), and whatever has the same
    time as the last of them; all in the order of time (`backward`: from the last on)."""
    order = "DESC" if backward else "ASC"
    span = window.since, window.until, most
    if not window.at:
        records = await connection.fetch(
            _ROWS_BY_TIME.format(arrival=ARRIVAL, order=order, time=TIME[window.by], kept=KEPT[window.by]),
            [one.id for one in series],
            *span,
            [one.observed for one in series],
        )
        found = [Row(*record) for record in records]
        if window.by == "deletedAt":
            return _first_of_each(found, most, backward)
        series = [one for one in series if not one.observed]
        chunks = await _first_chunks(connection, series, window, most, backward)
        return _first_of_each([*found, *_of_chunks(chunks, {})], most, backward)
    ids = [one.id for one in series]
    stored = await connection.fetch(_ROWS.format(order=order), ids, *span)
    chunks = await _first_chunks(connection, series, window, most, backward)
    numbers: dict[tuple[int, int], int] = {}
    found = _of_chunks(chunks, numbers)
    for at, one, _, arrived, value, instance in sorted(stored, key=_by_arrival):
        number = numbers.get((one, at), 0)
        numbers[one, at] = number + 1
        found.append(Row(at, one, at, number, value, instance, arrived))
    return _first_of_each(found, most, backward)


def _first_of_each(found: list[Row], most: int, backward: bool) -> list[Row]:
    """Hot rows, cold rows and chunks were each read as far as needed: together they are without gaps so far only."""
    found.sort(key=_place, reverse=backward)
    counts: dict[int, int] = {}
    ends: dict[int, int] = {}
    kept = []
    for row in found:
        count = counts.get(row.series, 0) + 1
        if count == most:
            ends[row.series] = row.time
        if count <= most or row.time == ends[row.series]:
            counts[row.series] = count
            kept.append(row)
    return kept


def _place(row: Row) -> tuple[int, int, int, int]:
    return row.time, row.series, row.at, row.number


def _by_arrival(record: asyncpg.Record) -> tuple[Any, ...]:
    at, series, hot, arrived, value, instance = record
    return at, series, *arrival(hot, arrived, value, instance)


async def _first_chunks(
    connection: asyncpg.Connection, series: Sequence[Series], window: Window, most: int, backward: bool
) -> list[tuple[int, Times, Floats]]:
    if not series:
        return []
    order = "DESC" if backward else "ASC"
    records = await connection.fetch(
        _FIRST_CHUNKS.format(order=order), [one.id for one in series], window.since, window.until, most
    )
    low, high = micros(window.since), micros(window.until)
    return [(record[0], *_enough(*within(record, low, high), most, backward)) for record in records]


def _enough(times: Times, values: Floats, most: int, backward: bool) -> tuple[Times, Floats]:
    """The first (or last) so many, and what has the same time as the last of them."""
    if len(times) <= most:
        return times, values
    if backward:
        start = int(np.searchsorted(times, times[-most], side="left"))
        return times[start:], values[start:]
    stop = int(np.searchsorted(times, times[most - 1], side="right"))
    return times[:stop], values[:stop]


def _of_chunks(chunks: Sequence[tuple[int, Times, Floats]], numbers: dict[tuple[int, int], int]) -> list[Row]:
    found = []
    for one, times, values in chunks:
        for at, value in zip(times.tolist(), values.tolist(), strict=True):
            number = numbers.get((one, at), 0)
            numbers[one, at] = number + 1
            found.append(Row(at, one, at, number, value, None, None))
    return found


def within(record: asyncpg.Record, low: int, high: int) -> tuple[Times, Floats]:
    """Times and values of a record that ends with at0, tick, offsets, wide, values, from `low` to before `high`."""
    at0, tick, offsets, wide, sent = tuple(record)[-5:]
    ticks = received(offsets, ">i4") if offsets is not None else received(wide, ">i8")
    times = ticks.astype(np.int64) * tick + micros(at0)
    values = received(sent, ">f8").astype(np.float64)
    if times[0] >= low and times[-1] < high:
        return times, values
    start, stop = np.searchsorted(times, [low, high])
    return times[start:stop], values[start:stop]


_HEAD: Final = 20  # bytes: dimensions, flags, type, length, lower bound


def received(sent: bytes, kind: str) -> npt.NDArray[Any]:
    """A PostgreSQL array of one dimension without nulls, as `array_send` writes it."""
    return np.frombuffer(sent, dtype=[("size", ">i4"), ("value", kind)], offset=_HEAD)["value"]
