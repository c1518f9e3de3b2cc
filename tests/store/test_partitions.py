"""Daily partitions: made ahead, served by the default one where nobody made them, dropped whole."""

from __future__ import annotations

from datetime import date, timedelta

from rhinecloud.store import Database, partitions

TODAY = date(2020, 3, 31)


async def test_made_ahead_once_and_dropped_by_day(database: Database) -> None:
    async with database.pool.acquire() as connection:
        made = await partitions.ensure(connection, "history", TODAY)
        assert made == ["history_20200331", "history_20200401", "history_20200402"]
        assert await partitions.ensure(connection, "history", TODAY) == []
        assert await partitions.ensure(connection, "history", TODAY + timedelta(days=1)) == [
            "history_20200403"
        ]
        days = (await partitions.days(connection, "history"))[:4]  # those of the present come behind
        assert days == [TODAY + timedelta(days=n) for n in range(4)]
        assert await partitions.drop_before(connection, "history", TODAY + timedelta(days=2)) == made[:2]
        assert (await partitions.days(connection, "history"))[:2] == days[2:]


async def test_rows_are_found_in_the_partition_of_their_day_or_in_the_default_one(database: Database) -> None:
    async with database.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO history (series, at, arrived, value) VALUES (1, now(), '2020-04-01 23:59:59.999999Z', 1)"
        )
        assert await partitions.ensure(connection, "history", TODAY) == [
            "history_20200331",
            "history_20200402",
        ]
        for moment in ("2020-03-31 00:00:00Z", "2020-04-01 00:00:00Z", "2020-04-02 00:00:00Z", "2019-01-01Z"):
            await connection.execute(
                "INSERT INTO history (series, at, arrived, value) SELECT 1, now(), $1::text::timestamptz, 1",
                moment,
            )
        counted = await connection.fetch("SELECT tableoid::regclass::text, count(*) FROM history GROUP BY 1")
        assert dict(counted) == {"history_default": 3, "history_20200331": 1, "history_20200402": 1}


async def test_a_partition_that_is_in_use_is_left_for_the_next_round(database: Database) -> None:
    async with database.pool.acquire() as connection, database.pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("LOCK TABLE history_default IN ACCESS EXCLUSIVE MODE")
        assert await partitions.ensure(connection, "history", TODAY, ahead=0) == []
        await transaction.rollback()
        assert await partitions.ensure(connection, "history", TODAY, ahead=0) == ["history_20200331"]
