"""History: what was written is read back, before, during and after compaction."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhinecloud.store import Database, commit, history, partitions
from rhinecloud.store.history import SeriesKey, Value, encode_offsets

BEGIN = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)
_numbers = itertools.count()


def new_key() -> SeriesKey:
    return SeriesKey(f"urn:ngsi-ld:Lamp:{next(_numbers)}", "urn:x:power", "", "WTT", True)


async def write(database: Database, key: SeriesKey, rows: Sequence[tuple[datetime, Any]]) -> int:
    """Append values (numbers, or anything else as an instance); returns the number of the series."""
    async with database.transaction() as connection:
        numbers = await history.series_ids(connection, [key])
        kept = [
            (numbers[key], at, float(value), None)
            if isinstance(value, int | float)
            else (numbers[key], at, None, msgspec.json.encode(value).decode())
            for at, value in rows
        ]
        await commit.write(connection, history=kept)
    return numbers[key]


async def compact(database: Database) -> int:
    """Compact all that has arrived so far."""
    async with database.pool.acquire() as connection:
        days = await partitions.days(connection, "history")
        moved = sum([await history.compact(connection, day) for day in days])
        return moved + await history.compact_default(connection, END)


async def make_partitions(database: Database) -> None:
    async with database.pool.acquire() as connection:
        await partitions.ensure(connection, "history", datetime.now(UTC).date(), ahead=1)


async def read(
    database: Database, series: int, since: datetime = BEGIN, until: datetime = END, limit: int = 10_000
) -> list[Value]:
    async with database.pool.acquire() as connection:
        return await history.read(connection, [series], since, until, limit)


def by_time(values: Sequence[Value]) -> dict[datetime, list[str]]:
    """Values of each moment, without the order in which equal moments arrived."""
    grouped: dict[datetime, list[str]] = defaultdict(list)
    for value in values:
        plain = value.value if value.instance is None else msgspec.json.decode(value.instance)
        grouped[value.at].append(repr(plain))
    return {at: sorted(many) for at, many in grouped.items()}


grids = st.sampled_from([1, 1_000, 10_000, 1_000_000, 60_000_000])
anywhere = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)).map(lambda at: at.replace(tzinfo=UTC))
near = st.builds(
    lambda grid, ticks: datetime(2026, 3, 31, 23, 59, 50, tzinfo=UTC) + timedelta(microseconds=grid * ticks),
    grids,
    st.integers(-1_000, 1_000),
)
moments = st.one_of(near, near, st.just(datetime(2026, 3, 5, 12, tzinfo=UTC)), anywhere)
values = st.one_of(
    st.integers(-1_000, 1_000),
    st.floats(-1e100, 1e100, allow_subnormal=True),
    st.sampled_from(
        ["on", {"type": "Property", "value": 3, "urn:x:accuracy": [{"type": "Property", "value": 1}]}]
    ),
)
rows = st.lists(st.tuples(moments, values), max_size=25)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    portions=st.lists(rows, min_size=1, max_size=3),
    windows=st.lists(st.tuples(moments, moments, st.integers(1, 30)), max_size=5),
)
async def test_compaction_changes_nothing_that_is_read(
    shared: Database,
    portions: list[list[tuple[datetime, Any]]],
    windows: list[tuple[datetime, datetime, int]],
) -> None:
    key = new_key()
    written: list[tuple[datetime, Any]] = []
    series = await write(shared, key, [])
    for portion in portions:
        await make_partitions(shared)
        await write(shared, key, portion)
        written += portion
        expected: dict[datetime, list[str]] = defaultdict(list)
        for at, value in written:
            expected[at].append(repr(float(value) if isinstance(value, int | float) else value))
        expected = {at: sorted(many) for at, many in expected.items()}
        before = await read(shared, series)
        assert [value.at for value in before] == sorted(at for at, _ in written)
        assert by_time(before) == expected
        windowed = [await read(shared, series, since, until, limit) for since, until, limit in windows]
        await compact(shared)
        after = await read(shared, series)
        assert [value.at for value in after] == [value.at for value in before]
        assert by_time(after) == expected
        for (since, until, limit), wanted in zip(windows, windowed, strict=True):
            within = sorted(at for at, _ in written if since <= at < until)[-limit:]
            found = await read(shared, series, since, until, limit)
            assert [value.at for value in found] == [value.at for value in wanted] == within
            for many in (found, wanted):  # where the limit cuts through a moment, any of its values will do
                grouped = by_time(many)
                assert all(grouped[at] == expected[at] for at in grouped if at != within[0])
    rest = await shared.pool.fetch("SELECT instance FROM history_rows WHERE series = $1", series)
    assert len(rest) == sum(not isinstance(value, int | float) for _, value in written)
    assert await shared.pool.fetchval("SELECT count(*) FROM history WHERE series = $1", series) == 0
    plain = [float(value) for _, value in written if isinstance(value, int | float)]
    record = await history.totals(shared.pool, [series])
    assert (record["n"] or 0) == len(plain)
    if plain:
        assert (record["vmin"], record["vmax"]) == (min(plain), max(plain))
        assert record["vsum"] == pytest.approx(sum(plain), rel=1e-9, abs=1e-9 * max(map(abs, plain)))


@settings(max_examples=300)
@given(st.lists(st.tuples(grids, st.integers(-(10**9), 10**9)), min_size=1, max_size=30))
def test_offsets_lose_nothing_and_are_as_small_as_they_can_be(steps: list[tuple[int, int]]) -> None:
    times = np.sort(np.asarray([grid * ticks for grid, ticks in steps], dtype=np.int64))
    tick, offsets, wide = encode_offsets(times)
    stored = offsets if offsets is not None else wide
    assert stored is not None
    assert (np.asarray(stored, dtype=np.int64) * tick + times[0]).tolist() == times.tolist()
    assert (wide is None) == (max(stored) < 2**31)
    coarser = [t for t in (1_000_000, 10_000, 1_000, 1) if t > tick]
    assert all(((times - times[0]) % t).any() for t in coarser)


async def chunk_of(database: Database, series: int) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = await database.pool.fetch(
        "SELECT * FROM chunk WHERE series = $1 ORDER BY month", series
    )
    return found


async def test_a_fine_clock_takes_wide_offsets_and_a_coarse_one_none(shared: Database) -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    seconds = await write(shared, new_key(), [(start + timedelta(seconds=n), n) for n in range(100)])
    fine = await write(shared, new_key(), [(start + timedelta(days=n, microseconds=n), n) for n in range(30)])
    await compact(shared)
    (coarse,) = await chunk_of(shared, seconds)
    assert (coarse["tick"], coarse["wide"], coarse["n"]) == (1_000_000, None, 100)
    assert (coarse["vmin"], coarse["vmax"], coarse["vsum"]) == (0, 99, 4950)
    (chunk,) = await chunk_of(shared, fine)
    assert (chunk["tick"], chunk["offsets"]) == (1, None)
    assert [v.value for v in await read(shared, fine)] == list(range(30))


async def test_several_events_of_one_second_are_all_kept(shared: Database) -> None:
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    series = await write(shared, new_key(), [(moment, n) for n in (30, 50, 30)])
    await write(shared, (key := new_key()), [])
    assert key.entity_id  # another series beside it
    await compact(shared)
    await write(
        shared, SeriesKey(f"urn:ngsi-ld:Lamp:{next(_numbers)}", "urn:x:power", "", "", True), [(moment, 1)]
    )
    async with shared.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO history (series, at, value) VALUES ($1, $2, 50)", series, moment
        )
    await compact(shared)
    (chunk,) = await chunk_of(shared, series)
    assert chunk["n"] == 4
    assert sorted(v.value or 0 for v in await read(shared, series)) == [30, 30, 50, 50]


async def test_late_values_merge_into_the_chunk_of_their_month(shared: Database) -> None:
    key = new_key()
    april = datetime(2026, 4, 10, tzinfo=UTC)
    series = await write(shared, key, [(april, 1), (april + timedelta(days=30), 3)])
    await compact(shared)
    await write(shared, key, [(april + timedelta(hours=1), 2), (april - timedelta(microseconds=1), 0)])
    await compact(shared)
    chunks = await chunk_of(shared, series)
    assert [(chunk["month"], chunk["n"]) for chunk in chunks] == [
        (date(2026, 4, 1), 3),
        (date(2026, 5, 1), 1),
    ]
    assert [v.value for v in await read(shared, series)] == [0, 1, 2, 3]


async def test_compacting_twice_counts_once(shared: Database) -> None:
    series = await write(
        shared, new_key(), [(datetime(2026, 4, 1, tzinfo=UTC), 1), (datetime(2026, 4, 2, tzinfo=UTC), "x")]
    )
    await compact(shared)
    assert await compact(shared) == 0
    assert len(await read(shared, series)) == 2


async def waiting(database: Database, what: str) -> int:
    """The backend that waits for a lock with such a statement."""
    async with asyncio.timeout(10):
        while True:
            pid: int | None = await database.pool.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1",
                f"%{what}%",
            )
            if pid is not None:
                return pid
            await asyncio.sleep(0.005)


async def test_a_crash_in_the_middle_of_compaction_leaves_the_old_form(database: Database) -> None:
    await make_partitions(database)
    start = datetime(2026, 4, 1, tzinfo=UTC)
    key = new_key()
    series = await write(database, key, [(start + timedelta(hours=n), n) for n in range(50)])
    await write(database, key, [(start, {"type": "Property", "value": "text"})])
    before = await read(database, series)
    async with database.pool.acquire() as reader, reader.transaction():
        assert await reader.fetchval("SELECT count(*) FROM history") == 51  # holds the partition open
        compaction = asyncio.create_task(compact(database))
        pid = await waiting(database, "DROP TABLE")
        await database.pool.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
            await compaction
    assert await read(database, series) == before
    assert await database.pool.fetchval("SELECT count(*) FROM chunk") == 0
    assert await compact(database) == 51
    assert by_time(await read(database, series)) == by_time(before)
    assert await database.pool.fetchval("SELECT count(*) FROM history") == 0


async def test_a_value_that_arrives_while_the_default_partition_is_compacted_stays(
    database: Database,
) -> None:
    """A transaction that began before midnight may write a value of yesterday after midnight."""
    key = new_key()
    start = datetime(2026, 4, 1, tzinfo=UTC)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    series = await write(database, key, [(start, 1)])
    await compact(database)
    put = "INSERT INTO history (series, at, arrived, value) VALUES ($1, $2, $3, $4)"
    await database.pool.execute(put, series, start, yesterday, 2.0)
    async with database.pool.acquire() as holder, holder.transaction():
        await holder.fetch("SELECT 1 FROM chunk FOR UPDATE")

        async def run() -> int:
            async with database.pool.acquire() as connection:
                return await history.compact_default(connection, datetime.now(UTC))

        compaction = asyncio.create_task(run())
        await waiting(database, "FOR UPDATE OF c")
        await database.pool.execute(put, series, start, yesterday, 3.0)
    assert await compaction == 1
    assert sorted(v.value or 0 for v in await read(database, series)) == [1, 2, 3]
    await compact(database)
    assert sorted(v.value or 0 for v in await read(database, series)) == [1, 2, 3]


async def test_the_first_and_the_last_years_are_times_like_any_other(shared: Database) -> None:
    tick = timedelta(microseconds=1)
    times = [BEGIN + tick, datetime(1, 6, 1, microsecond=1, tzinfo=UTC), END - tick]
    series = await write(shared, new_key(), [(at, n) for n, at in enumerate(times)])
    await compact(shared)
    assert [(v.at, v.value) for v in await read(shared, series)] == list(zip(times, (0, 1, 2), strict=True))


@pytest.mark.parametrize("size", [1.7e308, 5e-324])
async def test_sums_of_extreme_numbers_do_not_break_compaction(shared: Database, size: float) -> None:
    start = datetime(2026, 4, 1, tzinfo=UTC)
    series = await write(shared, new_key(), [(start, size), (start, size), (start, -size)])
    await compact(shared)
    assert sorted(v.value or 0 for v in await read(shared, series)) == [-size, size, size]


async def test_series_are_numbered_once_by_all_who_ask_at_once(database: Database) -> None:
    keys = [new_key() for _ in range(50)]

    async def ask(order: list[SeriesKey]) -> dict[SeriesKey, int]:
        async with database.transaction() as connection:
            return await history.series_ids(connection, order)

    answers = await asyncio.gather(ask(keys), ask(keys[::-1]), ask(keys[25:] + keys[:25]), ask(keys))
    assert all(answer == answers[0] for answer in answers)
    assert len(set(answers[0].values())) == 50
    found = await history.find_series(database.pool, keys[3].entity_id, keys[3].attribute)
    assert found == {answers[0][keys[3]]: keys[3]}
