"""Questions about the past: aggregates over compacted history, through the broker's functions, against straight SQL.

The chunks are written by SQL in the form that compaction gives them, for 50 million values one by one would take
longer than all other measurements together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import numpy as np

from rhinecloud.broker import Broker, Query, Wanted
from rhinecloud.model import TypeSelection
from rhinecloud.model.sight import EVERYTHING
from rhinecloud.model.temporal_aggregates import parse_aggregation
from rhinecloud.model.temporal_query import parse_temporal_query
from rhinecloud.store import Database

from .figures import Comparison, Taken, compared
from .jobs import Load

if TYPE_CHECKING:
    from .broker import Bench

METER, LAMP = "urn:bench:Meter", "urn:bench:Lamp:year"
ATTRIBUTE = "urn:bench:power"
_YEAR = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
_BETWEEN = {"timerel": "between", "timeAt": "2025-01-01T00:00:00Z", "endTimeAt": "2026-01-01T00:00:00Z"}

_ENTITIES = """
INSERT INTO entity (id, types, attributes, created_at, modified_at)
SELECT $1 || ':' || lpad(i::text, 7, '0'), ARRAY[$1], '{}', now(), now() FROM generate_series(1, $2::bigint) AS i
"""
_SERIES = """
INSERT INTO series (entity_id, attribute, dataset, unit, observed)
SELECT id, $2, '', 'WTT', true FROM entity WHERE types && ARRAY[$1]
"""
# A value every `step` seconds from the first of each month on, with two decimals.
_CHUNKS = """
INSERT INTO chunk (series, month, at0, at1, n, vmin, vmax, vsum, tick, offsets, values)
SELECT s.id, m::date, m, m + (k - 1) * step * interval '1 second', k, v.low, v.high, v.total, 1000000,
       v.offsets, v.values
FROM series s JOIN entity e ON e.id = s.entity_id AND e.types && ARRAY[$1],
     generate_series($2::timestamptz, $2::timestamptz + interval '11 months', interval '1 month') AS m,
     LATERAL (SELECT $3::int AS step) AS p,
     LATERAL (SELECT coalesce($4::int, (extract(epoch FROM m + interval '1 month' - m) / step)::int) AS k) AS q,
     LATERAL (
         SELECT min(value) AS low, max(value) AS high, sum(value) AS total, array_agg((i * step)::int) AS offsets,
                array_agg(value) AS values
         FROM (
             SELECT i, floor((20 + 10 * random()) * 100) / 100 AS value FROM generate_series(0, k - 1 + 0 * s.id) AS i
         ) AS x
     ) AS v
"""
_ROWS = """
CREATE TABLE IF NOT EXISTS bench_row (series bigint NOT NULL, at timestamptz NOT NULL, value float8 NOT NULL);
TRUNCATE bench_row;
INSERT INTO bench_row
SELECT c.series, c.at0 + o.tick * interval '1 second', o.value
FROM chunk c JOIN series s ON s.id = c.series, unnest(c.offsets, c.values) AS o (tick, value)
WHERE s.entity_id LIKE 'urn:bench:Lamp:year%' ORDER BY 1, 2;
CREATE INDEX IF NOT EXISTS bench_row_series_at ON bench_row (series, at);
"""

_RAW_HOURS = """
SELECT date_bin('1 hour', at, $2), avg(value) FROM bench_row
WHERE series = $1 AND at >= $2 AND at < $3 GROUP BY 1 ORDER BY 1
"""
_RAW_MEANS = "SELECT series, sum(vsum) / sum(n) FROM chunk GROUP BY series"


async def fill(connection: asyncpg.Connection, meters: int, values: int) -> float:
    """Meters with `values` values each over a year, and a lamp with one every five minutes. Bytes a value."""
    await connection.execute(_ENTITIES, METER, meters)
    await connection.execute(_ENTITIES, LAMP, 1)
    for kind in (METER, LAMP):
        await connection.execute(_SERIES, kind, ATTRIBUTE)
    each = values // 12
    await connection.execute(_CHUNKS, METER, _YEAR[0], 28 * 86_400 // each, each, timeout=600)
    await connection.execute(_CHUNKS, LAMP, _YEAR[0], 300, None)
    await connection.execute(_ROWS)
    await connection.execute("VACUUM ANALYZE entity, series, chunk, bench_row")
    return float(
        await connection.fetchval("SELECT pg_total_relation_size('chunk')::float8 / sum(n) FROM chunk")
    )


async def prepare(url: str, meters: int, values: int) -> float:
    """`fill`, in the product's schema."""
    database = await Database.open(url, size=2)
    async with database.pool.acquire() as connection:
        size = await fill(connection, meters, values)
    await database.close()
    return size


def aggregates(bench: Bench) -> list[Comparison]:
    """Hourly means of a year of a five-minute series, and the mean of each of many series."""
    plan, url = bench.plan, bench.installed.url
    size = asyncio.run(prepare(url, plan.meters, plan.meter_values))
    made = []
    for name, raw_name, product, raw in (
        ("hourly means of a year", "SQL over rows", _hourly_means, _raw_hourly_means),
        (f"means of {plan.meters:,} series", "SQL over stored sums", _means, _raw_means),
    ):
        sides: list[Callable[[], Taken]] = [
            lambda ask=product: _take(bench, ask, size),  # type: ignore[misc]
            lambda ask=raw: _take(bench, ask, size),  # type: ignore[misc]
        ]
        taken, limit = bench.in_turns(plan.few_rounds, sides)
        made.append(compared(name, "answers/s", 1, taken, limit, raw_name, by="p50"))
    return made


Question = Callable[[Database], Awaitable[Callable[[], Coroutine[Any, Any, int]]]]
"""Makes what asks once; it returns how many figures there were."""


async def _hourly_means(database: Database) -> Callable[[], Coroutine[Any, Any, int]]:
    broker = Broker(database, _Silence())
    wanted = Wanted(parse_temporal_query(_BETWEEN), aggregation=parse_aggregation("avg", "PT1H"))

    async def ask() -> int:
        page = await broker.evolution(f"{LAMP}:0000001", wanted, sight=EVERYTHING)
        return len(page.evolutions[0].aggregated[ATTRIBUTE][0].figures.periods)

    return ask


async def _raw_hourly_means(database: Database) -> Callable[[], Coroutine[Any, Any, int]]:
    series = await database.pool.fetchval("SELECT series FROM bench_row LIMIT 1")

    async def ask() -> int:
        return len(await database.pool.fetch(_RAW_HOURS, series, *_YEAR))

    return ask


async def _means(database: Database) -> Callable[[], Coroutine[Any, Any, int]]:
    broker = Broker(database, _Silence())
    query = Query(types=TypeSelection(((METER,),)))

    async def ask() -> int:
        found = await broker.statistics(query, Wanted(), sight=EVERYTHING)
        return len([total / count for total, count in zip(found.totals, found.counts, strict=True)])

    return ask


async def _raw_means(database: Database) -> Callable[[], Coroutine[Any, Any, int]]:
    async def ask() -> int:
        return len(await database.pool.fetch(_RAW_MEANS))

    return ask


class _Silence:
    """A bus for a broker that only reads."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("nothing is to be told here")


def _take(bench: Bench, question: Question, size: float) -> Taken:
    before = bench.installed.costs()
    load = asyncio.run(_load(bench, question))
    return Taken(
        msgspec.structs.replace(load, extra={"bytes a value": size}), before, bench.installed.costs()
    )


async def _load(bench: Bench, question: Question) -> Load:
    """One question after the other on one connection, for the seconds of the plan, once before."""
    database = await Database.open(bench.installed.url, size=1, migrate=False)
    ask = await question(database)
    await ask()
    latencies: list[float] = []
    begun, cpu = time.time(), time.process_time()
    errors = 0
    while time.time() - begun < bench.plan.few_seconds or len(latencies) < 3:
        started = time.perf_counter()
        errors += not await ask()
        latencies.append(time.perf_counter() - started)
    ended, used = time.time(), time.process_time() - cpu
    await database.close()
    return Load(
        done=len(latencies) - errors,
        errors=errors,
        seconds=ended - begun,
        p50=median(latencies),
        p99=float(np.percentile(latencies, 99)),
        begun=begun,
        ended=ended,
        generator_cpu=used,
        complaint="no figures" if errors else "",
    )
