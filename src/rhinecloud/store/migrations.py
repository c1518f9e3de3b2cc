"""Migrations: files of SQL, applied in the order of their names, each in a transaction of its own."""

from __future__ import annotations

from importlib import resources

import asyncpg

from . import entities

LOCK = 0x5268696E  # "Rhin": one migration at a time over all workers

# What a migration does with the data that SQL alone cannot; in its transaction.
_THEN = {"tenant_0013_indexes.sql": entities.fill_facts}


async def migrate_platform(connection: asyncpg.Connection) -> list[str]:
    """Bring what all tenants share up to date, as the application's role. Returns the names of what was applied.

    Extensions are made here: they belong to the database, and no tenant may make one.
    """
    await connection.execute(
        """
        CREATE SCHEMA IF NOT EXISTS rhinecloud;
        CREATE TABLE IF NOT EXISTS rhinecloud.migration (
            scope text, name text, applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (scope, name)
        );
        CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;
        """
    )
    done = await connection.fetch("SELECT name FROM rhinecloud.migration WHERE scope = ''")
    return await _apply(
        connection,
        "platform_",
        {record["name"] for record in done},
        "rhinecloud",
        "INSERT INTO rhinecloud.migration (scope, name) VALUES ('', $1)",
    )


async def migrate_tenant(connection: asyncpg.Connection, schema: str) -> list[str]:
    """Bring a tenant's schema up to date, as the tenant's own role. Returns the names of what was applied."""
    await connection.execute(
        """
        CREATE TABLE IF NOT EXISTS migration (
            name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    done = await connection.fetch("SELECT name FROM migration")
    return await _apply(
        connection,
        "tenant_",
        {record["name"] for record in done},
        schema,
        f"INSERT INTO {schema}.migration (name) VALUES ($1)",
    )


async def is_current(connection: asyncpg.Connection) -> bool:
    """Whether all migrations of the tenant that signed in have been applied."""
    try:
        done = {record["name"] for record in await connection.fetch("SELECT name FROM migration")}
    except asyncpg.UndefinedTableError:
        return False
    return all(name in done for name, _ in _files("tenant_"))


async def _apply(
    connection: asyncpg.Connection, prefix: str, done: set[str], schema: str, record: str
) -> list[str]:
    applied = []
    for name, text in _files(prefix):
        if name in done:
            continue
        async with connection.transaction():
            await connection.execute(f"SET LOCAL search_path TO {schema}, public")
            await connection.execute(text)
            if name in _THEN:
                await _THEN[name](connection)
            await connection.execute(record, name)
        applied.append(name)
    return applied


def _files(prefix: str) -> list[tuple[str, str]]:
    folder = resources.files(__package__).joinpath("sql")
    return sorted(
        (entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.startswith(prefix)
    )
