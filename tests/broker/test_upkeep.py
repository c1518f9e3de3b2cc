"""Upkeep: partitions ahead, past days compacted, what was told long ago forgotten, and never what was not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rhinecloud.broker import Operation
from rhinecloud.broker.planning import Plan
from rhinecloud.broker.relay import READER
from rhinecloud.broker.upkeep import once
from rhinecloud.store import Database, commit, history, outbox, partitions

NOW = datetime(2031, 5, 17, 3, 0, tzinfo=UTC)


@pytest.fixture
async def database(database_url: str):  # type: ignore[no-untyped-def]
    """A database of its own."""
    made = await Database.open(database_url)
    yield made
    await made.close()


async def some_values(database: Database, count: int) -> int:
    """Write a number `count` times and let it have arrived two days before NOW; returns the series."""
    plan = Plan({}, NOW - timedelta(days=2))
    for n in range(count):
        at = (NOW - timedelta(days=2, seconds=-n)).isoformat().replace("+00:00", "Z")
        value = {"type": "Property", "value": n, "observedAt": at}
        plan.apply(Operation("measure", "urn:x:1", ("urn:Lamp",), attributes={"urn:power": [value]}))
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_current_xact_id()")
        await partitions.ensure(connection, "history", (NOW - timedelta(days=2)).date(), ahead=0)
        numbers = await history.series_ids(connection, [row.key for row in plan.history])
        values = [(numbers[row.key], row.at, row.value, row.instance) for row in plan.history]
        await commit.write(connection, history=values, changes=plan.changes)
        await connection.execute("UPDATE history SET arrived = $1", NOW - timedelta(days=2))
    return next(iter(numbers.values()))


async def test_a_past_day_becomes_a_chunk(database: Database) -> None:
    number = await some_values(database, 100)
    async with database.pool.acquire() as connection:
        before = await history.read(connection, [number], datetime.min.replace(tzinfo=UTC), NOW, 1_000)
        assert len(before) == 100
        assert await once(connection, NOW, outbox_days=7) == 100
        assert await connection.fetchval("SELECT sum(n) FROM chunk") == 100
        assert await connection.fetchval("SELECT count(*) FROM history") == 0
        after = await history.read(connection, [number], datetime.min.replace(tzinfo=UTC), NOW, 1_000)
        assert after == before
        assert NOW.date() in await partitions.days(connection, "history")
        assert NOW.date() + timedelta(days=1) in await partitions.days(connection, "outbox")


async def test_only_what_was_told_is_forgotten(database: Database) -> None:
    await some_values(database, 3)
    long_after = NOW + timedelta(days=3650)
    async with database.pool.acquire() as connection:
        await once(connection, long_after, outbox_days=7)
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 3  # nobody was told yet
        newest = await connection.fetchval("SELECT max(id) FROM outbox")
        await outbox.advance(connection, READER, newest)
        await once(connection, long_after, outbox_days=7)
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
