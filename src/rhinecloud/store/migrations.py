"""Migrations: files of SQL, applied in the order of their names, each in a transaction of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from importlib import resources

import asyncpg

from . import entities, versions
from .versions import Migration

LOCK = 0x5268696E  # "Rhin": one migration at a time over all workers

# What a migration does with the data that SQL alone cannot; in its transaction.
_THEN = {"tenant_0013_indexes.sql": entities.fill_facts}

# A statement that waits for a lock makes all who come after it wait too: it gives up soon, and comes again.
_LOCK_TIMEOUT = 2_000  # milliseconds
_TRIES = 10


class NotMigrated(Exception):
    """A migration of a room failed: nothing of it was done; the message names the file and what PostgreSQL says."""


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
        CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
        """
    )
    await versions.keep_record(connection, "rhinecloud.migration")
    known = _files("platform_")
    await versions.refuse_newer(connection, "rhinecloud.migration", _names(known), "scope = ''")
    done = await connection.fetch("SELECT name FROM rhinecloud.migration WHERE scope = ''")
    applied = await _apply(
        connection,
        known,
        {record["name"] for record in done},
        "rhinecloud",
        "INSERT INTO rhinecloud.migration (scope, name, one_way, rhinecloud) VALUES ('', $1, $2, $3)",
    )
    await versions.note_served(connection)
    return applied


async def migrate_tenant(connection: asyncpg.Connection, schema: str) -> list[str]:
    """Bring a tenant's schema up to date, as the tenant's own role. Returns the names of what was applied."""
    await connection.execute(
        """
        CREATE TABLE IF NOT EXISTS migration (
            name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    await versions.keep_record(connection, f"{schema}.migration")
    known = _files("tenant_")
    await versions.refuse_newer(connection, f"{schema}.migration", _names(known))
    done = await connection.fetch("SELECT name FROM migration")
    return await _apply(connection, known, {record["name"] for record in done}, schema, _record_in(schema))


async def migrate_room(
    connection: asyncpg.Connection,
    schema: str,
    migrations: Sequence[Migration],
    *,
    statement_seconds: float,
    later: Sequence[Migration] = (),
) -> list[str]:
    """Apply the migrations of a room that were not yet, in this order, as the room's own role; returns their names.

    A migration that does not get a lock within two seconds is rolled back and tried again, ten times; one whose single
    statement takes longer than `statement_seconds` fails. `later`: those that are known and not to be applied now.
    Raises NotMigrated, TooNew.
    """
    await connection.execute(
        "SELECT pg_advisory_lock($1, hashtext($2))", LOCK, schema
    )  # ends with the session
    await connection.execute(
        f"SET lock_timeout = {_LOCK_TIMEOUT}; SET statement_timeout = {int(statement_seconds * 1000)};"
        "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    await versions.keep_record(connection, f"{schema}.migration")
    done = {record["name"] for record in await connection.fetch("SELECT name FROM migration")}
    if migrations:
        await versions.refuse_newer(connection, f"{schema}.migration", _names([*migrations, *later]))
    applied: list[str] = []
    for migration in migrations:
        applied += await _apply_patiently(connection, migration, done, schema)
    return applied


async def _apply_patiently(
    connection: asyncpg.Connection, migration: Migration, done: set[str], schema: str
) -> list[str]:
    for attempt in range(1, _TRIES + 1):
        try:
            return await _apply(connection, [migration], done, schema, _record_in(schema))
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if attempt == _TRIES:
                raise NotMigrated(
                    f"{migration[0]}: others held what it has to lock, {_TRIES} times ({error})"
                ) from None
            await asyncio.sleep(random.uniform(0.1, 0.4) * attempt)
        except asyncpg.QueryCanceledError as error:
            raise NotMigrated(f"{migration[0]}: it takes too long ({error})") from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if isinstance(error, asyncpg.PostgresConnectionError):
                raise
            raise NotMigrated(f"{migration[0]}: {error}") from None
    raise AssertionError("unreachable")


async def is_current(connection: asyncpg.Connection) -> bool:
    """Whether all migrations of the tenant that signed in have been applied, and none that only newer programs know and
    can live with; false as well for a tenant of a time when that was not written down."""
    known = _files("tenant_")
    try:
        await versions.refuse_newer(connection, "migration", _names(known))
        done = {record["name"] for record in await connection.fetch("SELECT name FROM migration")}
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        return False
    return all(name in done for name in _names(known))


async def _apply(
    connection: asyncpg.Connection, migrations: Sequence[Migration], done: set[str], schema: str, record: str
) -> list[str]:
    applied = []
    for name, text in migrations:
        if name in done:
            continue
        async with connection.transaction():
            await connection.execute(f"SET LOCAL search_path TO {schema}, public")
            await connection.execute(text)
            if name in _THEN:
                await _THEN[name](connection)
            await connection.execute(record, name, versions.one_way(text), versions.installed())
        applied.append(name)
    return applied


def _record_in(schema: str) -> str:
    return f"INSERT INTO {schema}.migration (name, one_way, rhinecloud) VALUES ($1, $2, $3)"


def _names(migrations: Sequence[Migration]) -> list[str]:
    return [name for name, _ in migrations]


def graph_migrations() -> dict[str, Sequence[Migration]]:
    """The migrations of the graph by the schemas that they belong to, as `versions.pending_one_way` asks for them."""
    return {"rhinecloud": _files("platform_"), r"tenant\_%": _files("tenant_")}


def _files(prefix: str) -> list[tuple[str, str]]:
    folder = resources.files(__package__).joinpath("sql")
    return sorted(
        (entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.startswith(prefix)
    )
