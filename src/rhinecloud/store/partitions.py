"""Daily partitions by arrival, made ahead and dropped whole."""

from __future__ import annotations

from datetime import date, timedelta

import asyncpg


def name_of(table: str, day: date) -> str:
    """The partition of `table` that holds a day (UTC)."""
    return f"{table}_{day:%Y%m%d}"


async def ensure(connection: asyncpg.Connection, table: str, today: date, *, ahead: int = 2) -> list[str]:
    """Make the partitions of today and the days ahead; returns those made.

    What already lies in the default partition for a day (nobody made its partition in time) stays there: that day
    is then served by the default partition, and nothing is moved under load.
    """
    made = []
    for day in (today + timedelta(days=n) for n in range(ahead + 1)):
        name = name_of(table, day)
        if await connection.fetchval("SELECT to_regclass($1)", name) is not None:
            continue
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '1s'")
                await connection.execute(
                    f"CREATE TABLE {name} PARTITION OF {table} "
                    f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}') "
                    # What is written once, read once and dropped is not worth compressing.
                    "WITH (toast_tuple_target = 8160)"
                )
        except (
            asyncpg.CheckViolationError,
            asyncpg.LockNotAvailableError,
            asyncpg.InvalidObjectDefinitionError,
        ):
            continue
        made.append(name)
    return made


async def days(connection: asyncpg.Connection, table: str) -> list[date]:
    """The days that have a partition, oldest first."""
    records = await connection.fetch(
        """
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = $1::regclass ORDER BY c.relname
        """,
        table,
    )
    suffixes = (str(record[0]).rpartition("_")[2] for record in records)
    return [date(int(s[:4]), int(s[4:6]), int(s[6:])) for s in suffixes if s.isdigit() and len(s) == 8]


async def drop_before(connection: asyncpg.Connection, table: str, day: date) -> list[str]:
    """Drop the partitions of all days before `day`; returns their names."""
    dropped = []
    for old in await days(connection, table):
        if old < day:
            name = name_of(table, old)
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '1s'")
                await connection.execute(f"DROP TABLE {name}")
            dropped.append(name)
    return dropped
