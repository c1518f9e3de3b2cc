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

from .history import micros

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
_TIME: Final[dict[By, str]] = {
    "own": "h.at",
    "observedAt": "h.at",
    "createdAt": "CASE WHEN s.observed THEN h.arrived ELSE h.at END",
    "modifiedAt": "coalesce((h.instance->>'modifiedAt')::timestamptz, "
    "CASE WHEN s.observed THEN h.arrived ELSE h.at END)",
    "deletedAt": "(h.instance->>'deletedAt')::timestamptz",
}
_GONE = "coalesce(h.instance ? 'deletedAt', false)"
_KEPT: Final[dict[By, str]] = {
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
        SELECT *, row_number() OVER (PARTITION BY at ORDER BY hot, arrived) - 1 AS number FROM (
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
    """Of each series the first `most` instances of the window in the order of time (`backward`: the last ones), and
    whatever has the same time as the last of them. In no order."""
    order = "DESC" if backward else "ASC"
    span = window.since, window.until, most
    if not window.at:
        records = await connection.fetch(
            _ROWS_BY_TIME.format(order=order, time=_TIME[window.by], kept=_KEPT[window.by]),
            [one.id for one in series],
            *span,
            [one.observed for one in series],
        )
        found = [Row(*record) for record in records]
        if window.by == "deletedAt":
            return found
        series = [one for one in series if not one.observed]
        chunks = await _first_chunks(connection, series, window, most, backward)
        return [*found, *_of_chunks(chunks, {})]
    ids = [one.id for one in series]
    stored = await connection.fetch(_ROWS.format(order=order), ids, *span)
    chunks = await _first_chunks(connection, series, window, most, backward)
    numbers: dict[tuple[int, int], int] = {}
    found = _of_chunks(chunks, numbers)
    for at, one, _, arrived, value, instance in sorted(stored, key=_by_arrival):
        number = numbers.get((one, at), 0)
        numbers[one, at] = number + 1
        found.append(Row(at, one, at, number, value, instance, arrived))
    return found


def _by_arrival(record: asyncpg.Record) -> tuple[Any, ...]:
    return tuple(record)[:4]


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
    return [(record[0], *_enough(*_within(record, low, high), most, backward)) for record in records]


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


def _within(record: asyncpg.Record, low: int, high: int) -> tuple[Times, Floats]:
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


# Aggregates ------------------------------------------------------------------------------------------------------


class Sums(msgspec.Struct, frozen=True):
    """Columns of equal length: of numbers of a series that lie in one period, their count, sum, smallest, largest,
    first and last time."""

    series: Times
    numbers: Times
    counts: Times
    totals: Floats
    smallest: Floats
    largest: Floats
    first: Times
    last: Times


_INSIDE = "c.at0 >= $2 AND c.at1 < $3"
_FOUND = """c.series = ANY($1::bigint[]) AND c.month >= date_trunc('month', $2::timestamptz)::date
    AND c.at0 < $3 AND c.at1 >= $2"""

_SUMS = f"""
SELECT array_send(array_agg(series)), array_send(array_agg(period)), array_send(array_agg(n)),
       array_send(array_agg(total)), array_send(array_agg(smallest)), array_send(array_agg(largest)),
       array_send(array_agg((extract(epoch FROM first) * 1000000)::bigint)),
       array_send(array_agg((extract(epoch FROM last) * 1000000)::bigint))
FROM (
    SELECT series, period, sum(n)::bigint AS n, sum(total) AS total, min(smallest) AS smallest,
           max(largest) AS largest, min(first) AS first, max(last) AS last
    FROM (
        SELECT c.series, {{chunk_period}} AS period, c.n, c.vsum AS total, c.vmin AS smallest, c.vmax AS largest,
               c.at0 AS first, c.at1 AS last
        FROM chunk c WHERE {_FOUND} AND {_INSIDE} AND {{one_period}}
        UNION ALL
        SELECT h.series, {{row_period}}, count(*), sum(h.value), min(h.value), max(h.value), min(h.at), max(h.at)
        FROM history h WHERE h.series = ANY($1::bigint[]) AND h.value IS NOT NULL AND h.at >= $2 AND h.at < $3
        GROUP BY 1, 2
    ) AS parts GROUP BY series, period ORDER BY series, period
) AS sums
"""


async def sums(
    connection: asyncpg.Connection, series: Sequence[int], window: Window, starts: Sequence[int] | None
) -> Sums | None:
    """Sums of plain numbers by the periods that begin at `starts` (µs, the first at or before the window; None for one
    period over all of it), from the stored sums of the chunks that lie whole in one period, and from the hot rows.

    What other chunks hold is not in it: see `numbers`. The window must be by the order of history.
    """
    edges = () if starts is None else ([instant(start) for start in starts],)
    record = await connection.fetchrow(
        _SUMS.format(
            chunk_period="0::bigint"
            if starts is None
            else "(width_bucket(c.at0, $4::timestamptz[]) - 1)::bigint",
            one_period=_one_period(starts),
            row_period="0::bigint"
            if starts is None
            else "(width_bucket(h.at, $4::timestamptz[]) - 1)::bigint",
        ),
        list(series),
        window.since,
        window.until,
        *edges,
    )
    if record[0] is None:
        return None
    kinds = (">i8", ">i8", ">i8", ">f8", ">f8", ">f8", ">i8", ">i8")
    return Sums(*(received(sent, kind).astype(kind[1:]) for sent, kind in zip(record, kinds, strict=True)))


def _one_period(starts: Sequence[int] | None) -> str:
    if starts is None:
        return "true"
    return "width_bucket(c.at0, $4::timestamptz[]) = width_bucket(c.at1, $4::timestamptz[])"


_NUMBERS_OF_CHUNKS = f"""
SELECT c.series, c.at0, c.tick, array_send(c.offsets), array_send(c.wide), array_send(c.values) FROM chunk c
WHERE {_FOUND} AND {{left}} ORDER BY c.series, c.month
"""

_NUMBERS_OF_ROWS = """
SELECT h.series, array_send(array_agg((extract(epoch FROM {time}) * 1000000)::bigint ORDER BY h.at)),
       array_send(array_agg(h.value ORDER BY h.at))
FROM history h JOIN series s ON s.id = h.series
WHERE h.series = ANY($1::bigint[]) AND h.value IS NOT NULL AND {time} >= $2 AND {time} < $3 GROUP BY h.series
"""


async def numbers(
    connection: asyncpg.Connection, series: Sequence[Series], window: Window
) -> list[tuple[int, Times, Floats]]:
    """All plain numbers of the window as (series, times, values), several parts of a series."""
    if window.by == "deletedAt":
        return []
    ids = [one.id for one in series]
    span = window.since, window.until
    found = await connection.fetch(_NUMBERS_OF_ROWS.format(time=_TIME[window.by]), ids, *span)
    parts = [
        (
            record[0],
            received(record[1], ">i8").astype(np.int64),
            received(record[2], ">f8").astype(np.float64),
        )
        for record in found
    ]
    if not window.at:
        ids = [one.id for one in series if not one.observed]
    return [*parts, *await _of_whole_chunks(connection, "true", (ids, *span), window)]


async def numbers_beside(
    connection: asyncpg.Connection, series: Sequence[int], window: Window, starts: Sequence[int] | None
) -> list[tuple[int, Times, Floats]]:
    """The plain numbers of the window that `sums` does not count: of chunks over the edge of a period or of it."""
    edges = () if starts is None else ([instant(start) for start in starts],)
    left = f"NOT ({_INSIDE} AND {_one_period(starts)})"
    return await _of_whole_chunks(
        connection, left, (list(series), window.since, window.until, *edges), window
    )


async def _of_whole_chunks(
    connection: asyncpg.Connection, left: str, arguments: tuple[Any, ...], window: Window
) -> list[tuple[int, Times, Floats]]:
    low, high = micros(window.since), micros(window.until)
    records = await connection.fetch(_NUMBERS_OF_CHUNKS.format(left=left), *arguments)
    return [(record[0], *_within(record, low, high)) for record in records]


_INSTANCES = """
SELECT h.series, (extract(epoch FROM {time}) * 1000000)::bigint, h.instance FROM (
    SELECT series, at, arrived, instance FROM history WHERE series = ANY($1::bigint[]) AND instance IS NOT NULL {span}
    UNION ALL
    SELECT series, at, arrived, instance FROM history_rows WHERE series = ANY($1::bigint[]) {span}
) AS h JOIN series s ON s.id = h.series WHERE {kept} AND {time} >= $2 AND {time} < $3 ORDER BY 2
"""


async def instances(
    connection: asyncpg.Connection, series: Sequence[int], window: Window
) -> list[tuple[int, int, str]]:
    """What is more than a plain number: (series, time, JSON), in the order of time."""
    records = await connection.fetch(
        _INSTANCES.format(
            time=_TIME[window.by], kept=_KEPT[window.by], span="AND at >= $2 AND at < $3" if window.at else ""
        ),
        list(series),
        window.since,
        window.until,
    )
    return [(record[0], record[1], record[2]) for record in records]


_LAST = """
SELECT (extract(epoch FROM greatest(
    (SELECT max(c.at1) FROM chunk c WHERE c.series = ANY($1::bigint[]) AND c.at0 < $3 AND c.at1 >= $2),
    (SELECT max(h.at) FROM history h WHERE h.series = ANY($1::bigint[]) AND h.at < $3 AND h.at >= $2)
)) * 1000000)::bigint
"""


async def last(connection: asyncpg.Connection, series: Sequence[int], window: Window) -> int | None:
    """A time (µs) behind which these series have no plain number in the window."""
    found: int | None = await connection.fetchval(_LAST, list(series), window.since, window.until)
    return found


_SIZES = """
SELECT c.series, sum(c.n)::bigint FROM chunk c
WHERE c.series = ANY($1::bigint[]) AND c.at0 < $3 AND c.at1 >= $2 GROUP BY c.series
"""


async def sizes(connection: asyncpg.Connection, series: Sequence[int], window: Window) -> dict[int, int]:
    """How many numbers there are at most to be read from chunks."""
    records = await connection.fetch(_SIZES, list(series), window.since, window.until)
    return {record[0]: record[1] for record in records}
