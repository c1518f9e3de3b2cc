"""Migrations, tenants' names, numbered parameters."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from rhinecloud.store import Database, Registry
from rhinecloud.store.parameters import Parameters
from rhinecloud.store.tenants import schema_of


async def test_migrations_run_once_however_often_they_are_asked_for(empty_database_url: str) -> None:
    names = "SELECT name, applied_at FROM {}.migration ORDER BY name"
    first = await Database.open(empty_database_url)
    before = await first.pool.fetch(names.format("tenant_city"))
    await first.close()
    registry = Registry(empty_database_url)
    await registry.prepare("city")
    await registry.prepare("other")
    connection = await asyncpg.connect(empty_database_url)
    try:
        assert await connection.fetch(names.format("tenant_city")) == before
        others = await connection.fetch(names.format("tenant_other"))
        assert [record["name"] for record in others] == [record["name"] for record in before]
        platform = [record["name"] for record in await connection.fetch(names.format("rhinecloud"))]
        assert platform
        assert all(name.startswith("platform_") for name in platform)
        assert await connection.fetchval("SELECT count(*) FROM tenant_other.entity") == 0
        assert [tenant.name for tenant in await registry.every()] == ["city", "other"]
        assert await connection.fetchval("SELECT count(*) FROM rhinecloud.bus_epoch") == 1
    finally:
        await connection.close()


async def test_workers_that_start_together_migrate_once(empty_database_url: str) -> None:
    databases = await asyncio.gather(*(Database.open(empty_database_url) for _ in range(5)))
    counted = await databases[0].pool.fetch(
        "SELECT c.relname, 1, count(*) FROM pg_class c WHERE relnamespace = 'tenant_city'::regnamespace GROUP BY 1"
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
            await Registry(empty_database_url).prepare("city")
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
