"""Connections to one tenant's schema."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from .connections import Connections
from .roles import session
from .tenants import DEFAULT, Registry, Tenant

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


# Queries whose best plan depends on their values are planned anew each time, and never by reading a table through
# where an index can be read: what statistics lag behind (a graph that grows) shall cost little.
_PLANNED = {"plan_cache_mode": "force_custom_plan", "enable_seqscan": "off"}


class Database:
    """A pool of connections that signed in as one tenant and whose search path is its schema.

    A tenant called `city` lives in the schema `tenant_city`. Connections are asyncpg's own; a broken one is replaced
    when it is next asked for, so that a restart of PostgreSQL needs no action here.
    Queries whose best plan depends on their values have a pool of their own (`queries`), where each is planned anew:
    a plan for any value reads the whole graph for the sake of the rare type that is nearly everything.
    """

    def __init__(self, pool: asyncpg.Pool, queries: asyncpg.Pool, tenant: str, *, born: int = 0) -> None:
        """`born`: the second since 1970 in which the tenant was made, if one of its name may have been before it."""
        self.pool = pool
        self.queries = queries
        self.tenant = tenant
        self._born = born

    @classmethod
    async def open(
        cls,
        url: str,
        tenant: str = DEFAULT,
        *,
        size: int = 8,
        queries: int | None = None,
        migrate: bool = True,
    ) -> Database:
        """Connect with up to `size` connections and `queries` (half of `size`) for queries.

        `url` is the application's. Unless `migrate` is false the tenant is made where it is not, and brought up to
        date. Raises ValueError for a tenant's name that cannot name a schema, LookupError if there is none,
        store.NotPossible, asyncpg's errors if the server is away.
        """
        registry = Registry(url)
        found = await registry.prepare(tenant) if migrate else await registry.find(tenant)
        if found is None:
            raise LookupError(f"there is no tenant {tenant}")
        pool = await _pool(url, found, size=size)
        planned = await _pool(url, found, size=queries or max(2, size // 2), **_PLANNED)
        return cls(pool, planned, found.name)

    @classmethod
    def sharing(cls, connections: Connections, tenant: Tenant, *, size: int = 4) -> Database:
        """A tenant that has no connections to itself: never more than `size`, none while it is idle."""
        return cls(
            connections.of(tenant.login, most=size),
            connections.of(tenant.login, most=size, **_PLANNED),
            tenant.name,
            born=int(tenant.created_at.timestamp()),
        )

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

    async def epoch(self, connection: asyncpg.Connection | None = None) -> int:
        """The current epoch of the bus: it rises with each restore, and for a tenant that is made again."""
        asked = connection or self.pool
        return max(int(await asked.fetchval("SELECT epoch FROM rhinecloud.bus_epoch")), self._born)


async def _pool(url: str, tenant: Tenant, *, size: int, **server_settings: str) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        url,
        user=tenant.role,
        password=tenant.password,
        min_size=1,
        max_size=size,
        # Session settings are never changed here (only SET LOCAL), so giving a connection back costs nothing.
        reset=_keep,
        server_settings=session(tenant.login) | server_settings,
    )


async def _keep(connection: asyncpg.Connection) -> None:
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")
