"""Migrations, tenants' names, numbered parameters."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from rhinecloud.store import Database
from rhinecloud.store.database import migrate_schema, schema_of
from rhinecloud.store.parameters import Parameters


async def test_migrations_run_once_however_often_they_are_asked_for(empty_database_url: str) -> None:
    first = await Database.open(empty_database_url)
    await first.close()
    connection = await asyncpg.connect(empty_database_url)
    try:
        assert await migrate_schema(connection, "city") == []
        names = {r[0] for r in await connection.fetch("SELECT name FROM rhinecloud.migration")}
        assert any(name.startswith("platform_") for name in names)
        assert await migrate_schema(connection, "other") == sorted(
            n for n in names if n.startswith("tenant_")
        )
        assert await connection.fetchval("SELECT count(*) FROM tenant_other.entity") == 0
        assert await connection.fetchval("SELECT count(*) FROM rhinecloud.tenant") == 2
        assert await connection.fetchval("SELECT count(*) FROM rhinecloud.bus_epoch") == 1
    finally:
        await connection.close()


async def test_workers_that_start_together_migrate_once(empty_database_url: str) -> None:
    databases = await asyncio.gather(*(Database.open(empty_database_url) for _ in range(5)))
    counted = await databases[0].pool.fetch(
        "SELECT scope, name, count(*) FROM rhinecloud.migration GROUP BY scope, name"
    )
    assert counted
    assert all(record[2] == 1 for record in counted)
    assert [await database.epoch() for database in databases] == [1] * 5
    await asyncio.gather(*(database.close() for database in databases))


async def test_a_migration_that_fails_leaves_nothing_and_lets_the_next_try(empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute("CREATE SCHEMA tenant_city; CREATE TABLE tenant_city.place (x int)")
        with pytest.raises(asyncpg.DuplicateTableError):
            await migrate_schema(connection, "city")
        assert await connection.fetchval("SELECT to_regclass('tenant_city.entity')") is None
        await connection.execute("DROP TABLE tenant_city.place")
    finally:
        await connection.close()
    database = await asyncio.wait_for(Database.open(empty_database_url), 10)
    assert await database.pool.fetchval("SELECT count(*) FROM entity") == 0
    await database.close()


@pytest.mark.parametrize("name", ["", "City", "a-b", 'x"; DROP SCHEMA public', "1a", "a" * 32, "ä", "a\n"])
def test_names_that_cannot_name_a_schema_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        schema_of(name)


async def test_a_connection_comes_back_clean(database: Database) -> None:
    connection = await database.pool.acquire()
    await connection.execute("BEGIN; SELECT 1")
    await database.pool.release(connection)
    for _ in range(6):
        async with database.pool.acquire() as other:
            assert not other.is_in_transaction()


def test_parameters_are_numbered_in_order() -> None:
    parameters = Parameters()
    assert [parameters.add(value) for value in ("a", None, 3)] == ["$1", "$2", "$3"]
    assert parameters.values == ["a", None, 3]
