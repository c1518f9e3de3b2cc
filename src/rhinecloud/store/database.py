"""Connections to one tenant's schema, and the migrations that make it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import resources

import asyncpg

from . import entities, partitions

_TENANT = re.compile(r"[a-z][a-z0-9_]{0,30}")
_MIGRATION_LOCK = 0x5268696E  # "Rhin": one migration at a time over all workers

# What a migration does with the data that SQL alone cannot; in its transaction.
_THEN = {"tenant_0013_indexes.sql": entities.fill_facts}

# What PostgreSQL being away looks like to a caller: none of these says anything about the request itself.
Unavailable = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver, when the connection breaks between two of its states
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)


class Database:
    """A pool of connections whose search path is the schema of one tenant.

    A tenant called `city` lives in the schema `tenant_city`. Connections are asyncpg's own; a broken one is replaced
    when it is next asked for, so that a restart of PostgreSQL needs no action here.
    Queries whose best plan depends on their values have a pool of their own (`queries`), where each is planned anew:
    a plan for any value reads the whole graph for the sake of the rare type that is nearly everything.
    """

    def __init__(self, pool: asyncpg.Pool, queries: asyncpg.Pool, tenant: str) -> None:
        self.pool = pool
        self.queries = queries
        self.tenant = tenant

    @classmethod
    async def open(cls, url: str, tenant: str = "city", *, size: int = 8, migrate: bool = True) -> Database:
        """Connect, and bring the schema up to date unless `migrate` is false.

        Raises ValueError for a tenant's name that cannot name a schema, asyncpg's errors if the server is away.
        """
        schema = schema_of(tenant)
        if migrate:
            connection = await asyncpg.connect(url)
            try:
                await migrate_schema(connection, tenant)
            finally:
                await connection.close()
        pool = await _pool(url, schema, size=size)
        queries = await _pool(url, schema, size=max(2, size // 2), plan_cache_mode="force_custom_plan")
        return cls(pool, queries, tenant)

    async def close(self) -> None:
        """Give all connections back; what is still running is cut off after ten seconds."""
        try:
            async with asyncio.timeout(10):
                await asyncio.gather(self.pool.close(), self.queries.close())
        except TimeoutError:
            self.pool.terminate()
            self.queries.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """One connection inside one transaction."""
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection

    async def epoch(self) -> int:
        """The current epoch of the bus: it rises with each restore."""
        return int(await self.pool.fetchval("SELECT epoch FROM rhinecloud.bus_epoch"))


async def _pool(url: str, schema: str, *, size: int, **server_settings: str) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        # Session settings are never changed here (only SET LOCAL), so giving a connection back costs nothing.
        reset=_keep,
        server_settings={
            "search_path": f"{schema},public",
            "application_name": "rhinecloud",
            "timezone": "UTC",
            "jit": "off",
            **server_settings,
        },
    )


async def _keep(connection: asyncpg.Connection) -> None:
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


def schema_of(tenant: str) -> str:
    """The schema of a tenant. Raises ValueError unless the name is lower-case letters, digits and underscores."""
    if not _TENANT.fullmatch(tenant):
        raise ValueError(f"not a tenant's name: {tenant!r}")
    return f"tenant_{tenant}"


async def migrate_schema(connection: asyncpg.Connection, tenant: str) -> list[str]:
    """Apply, in order and each in a transaction of its own, the migrations that are missing. Returns their names."""
    applied: list[str] = []
    await connection.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
    try:
        await connection.execute(
            """
            CREATE SCHEMA IF NOT EXISTS rhinecloud;
            CREATE TABLE IF NOT EXISTS rhinecloud.migration (
                scope text, name text, applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (scope, name)
            );
            CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;
            """
        )
        for scope, prefix, schema in (
            ("", "platform_", "rhinecloud"),
            (tenant, "tenant_", schema_of(tenant)),
        ):
            done = {
                row["name"]
                for row in await connection.fetch(
                    "SELECT name FROM rhinecloud.migration WHERE scope = $1", scope
                )
            }
            for name, text in _migrations(prefix):
                if name in done:
                    continue
                async with connection.transaction():
                    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
                    await connection.execute(f"SET LOCAL search_path TO {schema}, public")
                    await connection.execute(text)
                    if name in _THEN:
                        await _THEN[name](connection)
                    await connection.execute(
                        "INSERT INTO rhinecloud.migration (scope, name) VALUES ($1, $2)", scope, name
                    )
                applied.append(name)
        # The first value of a day shall find its partition.
        await connection.execute(f"SET search_path TO {schema_of(tenant)}, public")
        for table in ("history", "outbox"):
            await partitions.ensure(connection, table, datetime.now(UTC).date())
        await connection.execute(
            "INSERT INTO rhinecloud.tenant (name) VALUES ($1) ON CONFLICT DO NOTHING", tenant
        )
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _MIGRATION_LOCK)
    return applied


def _migrations(prefix: str) -> list[tuple[str, str]]:
    folder = resources.files(__package__).joinpath("sql")
    return sorted(
        (entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.startswith(prefix)
    )
