"""Reading history for aggregates: plain numbers as arrays, their sums where stored sums will do (CIM 009 §4.5.19)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import asyncpg
import msgspec
import numpy as np

from rhinecloud.model import TooManyResults

from .history import micros
from .temporal import KEPT, TIME, Floats, Series, Times, Window, instant, received, within


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
        SELECT c.series, {{chunk_period}} AS period, sum(c.n) AS n, sum(c.vsum) AS total, min(c.vmin) AS smallest,
               max(c.vmax) AS largest, min(c.at0) AS first, max(c.at1) AS last
        FROM chunk c WHERE {_FOUND} AND {_INSIDE} AND {{one_period}} GROUP BY 1{{by_period}}
        UNION ALL
        SELECT h.series, {{row_period}}, count(*), sum(h.value), min(h.value), max(h.value), min(h.at), max(h.at)
        FROM history h WHERE h.series = ANY($1::bigint[]) AND h.value IS NOT NULL AND h.at >= $2 AND h.at < $3
        GROUP BY 1{{by_period}}
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
            by_period="" if starts is None else ", 2",
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
    found = await connection.fetch(_NUMBERS_OF_ROWS.format(time=TIME[window.by]), ids, *span)
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
    return [(record[0], *within(record, low, high)) for record in records]


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
            time=TIME[window.by], kept=KEPT[window.by], span="AND at >= $2 AND at < $3" if window.at else ""
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


AT_ONCE: Final = 1_000_000
"""Numbers that are read in one portion, unless one entity alone has more."""
MOST_OF_ONE: Final = 20_000_000
"""Numbers that are read of one entity."""


async def portions(
    connection: asyncpg.Connection, series: Sequence[Series], window: Window
) -> AsyncIterator[list[Series]]:
    """The series in portions of which not too many numbers are to be read; those of an entity stay together.

    Raises TooManyResults for an entity with more than can be read at all.
    """
    records = await connection.fetch(_SIZES, [one.id for one in series], window.since, window.until)
    sizes: dict[int, int] = {record[0]: record[1] for record in records}
    entities: dict[str, list[Series]] = {}
    for one in series:
        entities.setdefault(one.entity_id, []).append(one)
    portion: list[Series] = []
    size = 0
    for entity_id, own in entities.items():
        more = sum([sizes.get(one.id, 0) for one in own])
        if more > MOST_OF_ONE:
            raise TooManyResults(
                f"{entity_id} has {more} values in this time, more than can be read at once: ask for less time or "
                "fewer attributes"
            )
        if portion and size + more > AT_ONCE:
            yield portion
            portion, size = [], 0
        portion += own
        size += more
    if portion:
        yield portion
