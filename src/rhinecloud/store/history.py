"""History: one row for each attribute instance ever written, plain numbers compacted into chunks of a month.

Hot rows stand in daily partitions by arrival; `compact` turns a past day into chunks (plain numbers) and rows that
stay, and drops the partition, all in one transaction: a crash leaves the old form or the new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import numpy as np
import numpy.typing as npt

from . import partitions

_MICROSECOND = timedelta(microseconds=1)


class SeriesKey(msgspec.Struct, frozen=True, order=True):
    """What makes a series: one attribute instance (dataset '' is the default instance) in one unit ('' for none);
    `observed` tells observation times from times of arrival."""

    entity_id: str
    attribute: str
    dataset: str
    unit: str
    observed: bool


class HistoryRow(msgspec.Struct, frozen=True):
    """One value of a series. A plain number has `value` alone; anything else is JSON in `instance`."""

    key: SeriesKey
    at: datetime
    value: float | None
    instance: str | None


_INSERT_SERIES = """
INSERT INTO series (entity_id, attribute, dataset, unit, observed)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[])
ON CONFLICT DO NOTHING
RETURNING id, entity_id, attribute, dataset, unit, observed
"""

_FIND_SERIES = """
SELECT s.id, s.entity_id, s.attribute, s.dataset, s.unit, s.observed
FROM series s JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[])
     AS k (entity_id, attribute, dataset, unit, observed) USING (entity_id, attribute, dataset, unit, observed)
"""

_READ_ROWS = """
SELECT at, value, instance, arrived FROM (
    SELECT at, value, instance, arrived FROM history WHERE series = ANY($1::bigint[]) AND at >= $2 AND at < $3
    UNION ALL
    SELECT at, value, instance, arrived FROM history_rows WHERE series = ANY($1::bigint[]) AND at >= $2 AND at < $3
) AS rows ORDER BY at DESC, arrived DESC LIMIT $4
"""

_READ_CHUNKS = """
SELECT series, at0, at1, n, tick, offsets, wide, values FROM chunk
WHERE series = ANY($1::bigint[]) AND month >= date_trunc('month', $2::timestamptz)::date AND at0 < $3 AND at1 >= $2
ORDER BY at0 DESC
"""

_SUMS = """
SELECT sum(n)::bigint AS n, min(vmin) AS vmin, max(vmax) AS vmax, sum(vsum) AS vsum FROM (
    SELECT n, vmin, vmax, vsum FROM chunk WHERE series = ANY($1::bigint[])
    UNION ALL
    SELECT count(value)::integer, min(value), max(value), sum(value) FROM history
    WHERE series = ANY($1::bigint[]) AND value IS NOT NULL
) AS parts
"""


def _key_columns(keys: Sequence[SeriesKey]) -> tuple[list[Any], ...]:
    return (
        [k.entity_id for k in keys],
        [k.attribute for k in keys],
        [k.dataset for k in keys],
        [k.unit for k in keys],
        [k.observed for k in keys],
    )


async def series_ids(connection: asyncpg.Connection, keys: Iterable[SeriesKey]) -> dict[SeriesKey, int]:
    """The numbers of these series, made where they are missing (in sorted order, against deadlocks)."""
    wanted = sorted(set(keys))
    found: dict[SeriesKey, int] = {}
    # Known ones are found, others made; the third round finds what another worker made between the two.
    for statement in (_FIND_SERIES, _INSERT_SERIES, _FIND_SERIES):
        missing = [key for key in wanted if key not in found]
        if not missing:
            break
        records = await connection.fetch(statement, *_key_columns(missing))
        found.update({SeriesKey(*record[1:]): record[0] for record in records})
    return found


async def find_series(
    connection: asyncpg.Connection | asyncpg.Pool, entity_id: str, attribute: str
) -> dict[int, SeriesKey]:
    """All series of an attribute of an entity."""
    records = await connection.fetch(
        "SELECT id, entity_id, attribute, dataset, unit, observed FROM series WHERE entity_id = $1 AND attribute = $2",
        entity_id,
        attribute,
    )
    return {record[0]: SeriesKey(*record[1:]) for record in records}


class Value(msgspec.Struct, frozen=True):
    """A value as read: when, and either a number or the JSON of an instance."""

    at: datetime
    value: float | None
    instance: str | None


async def read(
    connection: asyncpg.Connection,
    series: Sequence[int],
    since: datetime,
    until: datetime,
    limit: int,
) -> list[Value]:
    """The newest `limit` values with since <= at < until, oldest first, from hot rows, cold rows and chunks."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        found = [
            Value(record[0], record[1], record[2])
            for record in await connection.fetch(_READ_ROWS, list(series), since, until, limit)
        ]
        if len(found) == limit:
            since = max(since, found[-1].at)
        # A month's chunk is decoded only as long as it can still hold one of the newest values.
        cold: list[Value] = []
        for record in await connection.fetch(_READ_CHUNKS, list(series), since, until):
            if len(cold) >= limit and record["at1"] < min(value.at for value in cold):
                break
            times, values = decode_chunk(record)
            low, high = micros(since), micros(until)
            keep = (times >= low) & (times < high)
            cold.extend(
                Value(datetime.fromtimestamp(0, UTC) + int(t) * _MICROSECOND, float(v), None)
                for t, v in zip(times[keep][-limit:], values[keep][-limit:], strict=True)
            )
    found.reverse()
    merged = sorted([*cold, *found], key=lambda value: value.at)
    return merged[-limit:]


async def totals(connection: asyncpg.Connection | asyncpg.Pool, series: Sequence[int]) -> asyncpg.Record:
    """n, vmin, vmax, vsum over everything ever recorded of these series, from the stored sums and the hot rows."""
    return await connection.fetchrow(_SUMS, list(series))


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - datetime.fromtimestamp(0, UTC)) // _MICROSECOND


def encode_offsets(times: npt.NDArray[np.int64]) -> tuple[int, list[int] | None, list[int] | None]:
    """(tick in µs, offsets, wide) of ascending times in µs: the coarsest tick of a second, 10 ms, 1 ms or 1 µs that
    loses nothing, and four bytes an offset wherever they suffice."""
    relative = times - times[0]
    tick = next(t for t in (1_000_000, 10_000, 1_000, 1) if not (relative % t).any())
    ticks = relative // tick
    if ticks[-1] <= np.iinfo(np.int32).max:
        return tick, ticks.tolist(), None
    return tick, None, ticks.tolist()


def decode_chunk(record: asyncpg.Record) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Times in µs since 1970 and values of a chunk, ascending."""
    offsets = record["offsets"] if record["offsets"] is not None else record["wide"]
    start = micros(record["at0"])
    return np.asarray(offsets, dtype=np.int64) * record["tick"] + start, np.asarray(
        record["values"], dtype=np.float64
    )


def arrival(hot: bool, arrived: Any, value: float | None, instance: str | None) -> tuple[Any, ...]:
    """The order of the rows of one series at one instant, which makes their instanceIds. Those that arrived together
    are in the order of what they say; `ARRIVAL` is the same in SQL. Those in chunks come before."""
    return hot, arrived, value is None, value or 0.0, instance or ""


ARRIVAL = 'hot, arrived, value, instance::text COLLATE "C"'

_WRITE_CHUNK = """
INSERT INTO chunk (series, month, at0, at1, n, vmin, vmax, vsum, tick, offsets, wide, values)
VALUES ($1, $2::text::date, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (series, month) DO UPDATE SET
    at0 = excluded.at0, at1 = excluded.at1, n = excluded.n, vmin = excluded.vmin, vmax = excluded.vmax,
    vsum = excluded.vsum, tick = excluded.tick, offsets = excluded.offsets, wide = excluded.wide,
    values = excluded.values
"""

_PLAIN = """
SELECT series, date_trunc('month', at)::date AS month,
       array_agg((extract(epoch FROM at) * 1000000)::bigint ORDER BY at, arrived, value) AS times,
       array_agg(value ORDER BY at, arrived, value) AS values
FROM {partition} WHERE instance IS NULL AND arrived < $1 AND series > $2 AND series <= $3
GROUP BY series, month ORDER BY series, month
"""

_SERIES_AT_ONCE = 2_000


async def compact(connection: asyncpg.Connection, day: date) -> int:
    """Turn what arrived on `day` (UTC, over) into chunks and lasting rows; returns how many values were moved.

    One transaction: readers see either form. Values that were late for their month merge into its chunk.
    """
    name = partitions.name_of("history", day)
    async with connection.transaction():
        if await connection.fetchval("SELECT to_regclass($1)", name) is None:
            return 0
        await connection.execute(f"LOCK TABLE {name} IN SHARE MODE")
        moved = await _compact_table(connection, name, datetime.max.replace(tzinfo=UTC))
        # Writers and readers of all history queue behind this lock while it waits.
        await connection.execute("SET LOCAL lock_timeout = '1s'")
        await connection.execute(f"DROP TABLE {name}")
    return moved


async def compact_default(connection: asyncpg.Connection, before: datetime) -> int:
    """The same for what arrived before `before` while no partition of its day was there.

    One snapshot for all statements: what commits meanwhile is neither moved nor deleted.
    """
    async with connection.transaction(isolation="repeatable_read"):
        moved = await _compact_table(connection, "history_default", before)
        await connection.execute("DELETE FROM history_default WHERE arrived < $1", before)
    return moved


async def _compact_table(connection: asyncpg.Connection, table: str, before: datetime) -> int:
    status = await connection.execute(
        f"INSERT INTO history_rows SELECT series, at, arrived, value, instance FROM {table} "
        "WHERE instance IS NOT NULL AND arrived < $1",
        before,
    )
    moved = int(status.rpartition(" ")[2])
    bounds = [
        record[0]
        for record in await connection.fetch(
            f"SELECT DISTINCT series FROM {table} WHERE instance IS NULL AND arrived < $1 ORDER BY series",
            before,
        )
    ]
    for start in range(0, len(bounds), _SERIES_AT_ONCE):
        part = bounds[start : start + _SERIES_AT_ONCE]
        records = await connection.fetch(_PLAIN.format(partition=table), before, part[0] - 1, part[-1])
        moved += sum([len(record["times"]) for record in records])
        await _merge(connection, records)
    return moved


async def _merge(connection: asyncpg.Connection, records: Sequence[asyncpg.Record]) -> None:
    present = {
        (record["series"], record["month"]): record
        for record in await connection.fetch(
            """
            SELECT c.* FROM chunk c
            JOIN unnest($1::bigint[], $2::text[]::date[]) AS k (series, month) USING (series, month)
            ORDER BY c.series, c.month FOR UPDATE OF c
            """,
            [r["series"] for r in records],
            [r["month"].isoformat() for r in records],
        )
    }
    rows = []
    for record in records:
        times = np.asarray(record["times"], dtype=np.int64)
        values = np.asarray(record["values"], dtype=np.float64)
        old = present.get((record["series"], record["month"]))
        if old is not None:
            old_times, old_values = decode_chunk(old)
            times, values = np.concatenate([old_times, times]), np.concatenate([old_values, values])
            order = np.argsort(times, kind="stable")
            times, values = times[order], values[order]
        rows.append((record["series"], record["month"], times, values))
    await write_chunks(connection, rows)


async def write_chunks(
    connection: asyncpg.Connection,
    chunks: Sequence[tuple[int, date, npt.NDArray[np.int64], npt.NDArray[np.float64]]],
) -> None:
    """Write chunks whole: (series, first of the month, times in µs since 1970 ascending, values). One without values
    is deleted. Those that are there must be locked."""
    rows = []
    for series, month, times, values in chunks:
        if not len(times):
            await connection.execute(
                "DELETE FROM chunk WHERE series = $1 AND month = $2::text::date", series, month.isoformat()
            )
            continue
        tick, offsets, wide = encode_offsets(times)
        with np.errstate(over="ignore"):  # a sum may be infinite
            total = float(values.sum())
        zero = datetime.fromtimestamp(0, UTC)
        rows.append(
            (
                series,
                month.isoformat(),  # as text: the driver writes the first date of all as -infinity
                zero + int(times[0]) * _MICROSECOND,
                zero + int(times[-1]) * _MICROSECOND,
                len(times),
                float(values.min()),
                float(values.max()),
                total,
                tick,
                offsets,
                wide,
                values.tolist(),
            )
        )
    await connection.executemany(_WRITE_CHUNK, rows)
