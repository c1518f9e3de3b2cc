"""The tenants of an installation: each a schema, and a role that owns it and can sign in (CIM 009 §4.14).

Everything of a tenant is asked for over connections that signed in as its role: what such a connection can be brought
to do, by a mistake here or by SQL that somebody smuggles in, reaches that schema and no other. (A `SET ROLE` on a
connection of the application would be taken back by whoever can run an expression: docs/decisions/0016-tenants.md.)

Here alone the application's own role is used, to make tenants, to find them and to remove them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import msgspec

from . import partitions
from .migrations import LOCK, migrate_platform, migrate_tenant
from .roles import (
    Login,
    disown,
    drop_role,
    lock_out,
    new_login,
    settle_role,
    settle_schema,
    sign_in,
)

DEFAULT = "city"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


class Tenant(msgspec.Struct, frozen=True):
    """A tenant and how its connections sign in."""

    name: str
    role: str
    password: str
    created_at: datetime

    @property
    def schema(self) -> str:
        return schema_of(self.name)

    @property
    def login(self) -> Login:
        """How its connections sign in."""
        return Login(self.role, self.password, self.schema)


class BeingRemoved(Exception):
    """The tenant of this name is being removed, and its removal was cut off."""


def schema_of(name: str) -> str:
    """The schema of a tenant. Raises ValueError unless the name is lower-case letters, digits and underscores."""
    if not is_name(name):
        raise ValueError(f"not a tenant's name: {name!r}")
    return f"tenant_{name}"


def is_name(text: str) -> bool:
    """Whether this can be a tenant's name: a lower-case letter, then at most 30 of these, digits and underscores."""
    return _NAME.fullmatch(text) is not None


class Registry:
    """Which tenants there are, asked over connections of the application's role that last for one question."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._one_at_a_time = asyncio.Semaphore()

    async def find(self, name: str) -> Tenant | None:
        """The tenant of this name, if there is one."""
        if not is_name(name):
            return None
        async with self._connection() as connection:
            records = await connection.fetch(f"{_TENANTS} AND name = $1", name)
        return _tenant(records[0]) if records else None

    async def every(self) -> list[Tenant]:
        """All tenants, in the order of their names."""
        async with self._connection() as connection:
            return [_tenant(record) for record in await connection.fetch(f"{_TENANTS} ORDER BY name")]

    async def sizes(self) -> dict[str, int]:
        """The room that each tenant takes, in bytes."""
        async with self._connection() as connection:
            records = await connection.fetch(
                """
                SELECT t.name, coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS bytes
                FROM rhinecloud.tenant t LEFT JOIN pg_namespace n ON n.nspname = 'tenant_' || t.name
                LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'm') GROUP BY t.name
                """
            )
        return {record["name"]: record["bytes"] for record in records}

    async def prepare(self, name: str) -> Tenant:
        """The tenant of this name, made if there is none, with its role and its schema as they have to be now.

        Whatever a restore, an upgrade or an older version left otherwise is put right here. Raises ValueError for
        what can be no name, NotPossible, BeingRemoved.
        """
        schema = schema_of(name)
        async with self._connection() as connection:
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
            try:
                await migrate_platform(connection)
                async with connection.transaction():
                    tenant = await _give_role(connection, await _enter(connection, name))
                    await _give_schema(connection, tenant)
                own = await sign_in(self.url, tenant.login)
                try:
                    await migrate_tenant(own, schema)
                    # The first value of a day shall find its partition.
                    for table in ("history", "outbox"):
                        await partitions.ensure(own, table, datetime.now(UTC).date())
                finally:
                    await own.close()
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
        return tenant

    async def prepare_all(self) -> list[Tenant]:
        """Prepare every tenant there is, as after a restore."""
        async with self._connection() as connection:
            await migrate_platform(connection)
            names = await connection.fetch("SELECT name FROM rhinecloud.tenant WHERE leaving_since IS NULL")
        return [await self.prepare(record["name"]) for record in names]

    async def remove(self, name: str) -> bool:
        """Delete a tenant with all that is its own, for good; false if there is none.

        Its role is locked out first; a removal that is cut off is finished by calling this again.
        """
        async with self._connection() as connection:
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
            record = await connection.fetchrow(
                "UPDATE rhinecloud.tenant SET leaving_since = now() WHERE name = $1 RETURNING role", name
            )
            if record is None:
                return False
            role = record["role"]
            await lock_out(connection, role)
            async with connection.transaction():
                await connection.execute(f"DROP SCHEMA IF EXISTS {schema_of(name)} CASCADE")
                await disown(connection, role)
                await connection.execute("DELETE FROM rhinecloud.tenant WHERE name = $1", name)
            await drop_role(connection, role)
        return True

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._one_at_a_time:
            connection = await asyncpg.connect(
                self.url, server_settings={"application_name": "rhinecloud tenants", "timezone": "UTC"}
            )
            try:
                yield connection
            finally:
                await connection.close()


_TENANTS = "SELECT name, role, password, created_at FROM rhinecloud.tenant WHERE leaving_since IS NULL"


def _tenant(record: asyncpg.Record) -> Tenant:
    return Tenant(record["name"], record["role"], record["password"], record["created_at"])


async def _enter(connection: asyncpg.Connection, name: str) -> Tenant:
    """The tenant's row; older ones have no role yet."""
    fresh = new_login(name, schema_of(name))
    record = await connection.fetchrow(
        """
        INSERT INTO rhinecloud.tenant AS t (name, role, password) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE
            SET role = coalesce(t.role, excluded.role), password = coalesce(t.password, excluded.password)
        RETURNING name, role, password, created_at, leaving_since
        """,
        name,
        fresh.role,
        fresh.password,
    )
    if record["leaving_since"] is not None:
        raise BeingRemoved(f"the tenant {name} is being removed")
    return _tenant(record)


async def _give_role(connection: asyncpg.Connection, tenant: Tenant) -> Tenant:
    login = await settle_role(connection, tenant.login, tenant.name)
    if login != tenant.login:
        tenant = msgspec.structs.replace(tenant, role=login.role, password=login.password)
        await connection.execute(
            "UPDATE rhinecloud.tenant SET role = $2, password = $3 WHERE name = $1",
            tenant.name,
            tenant.role,
            tenant.password,
        )
    return tenant


async def _give_schema(connection: asyncpg.Connection, tenant: Tenant) -> None:
    """The role owns the schema, and reads of the platform which epoch of the bus is current."""
    if await settle_schema(connection, tenant.login):
        await _take_over_migrations(connection, tenant)
    may_read = "SELECT has_table_privilege($1, 'rhinecloud.bus_epoch', 'SELECT')"
    if not await connection.fetchval(may_read, tenant.role):
        await connection.execute(f"GRANT USAGE ON SCHEMA rhinecloud TO {tenant.role}")
        await connection.execute(f"GRANT SELECT ON rhinecloud.bus_epoch TO {tenant.role}")


async def _take_over_migrations(connection: asyncpg.Connection, tenant: Tenant) -> None:
    """Which migrations ran stood with the platform once."""
    old = await connection.fetch("DELETE FROM rhinecloud.migration WHERE scope = $1 RETURNING *", tenant.name)
    if old:
        await connection.execute(
            f"CREATE TABLE {tenant.schema}.migration "
            "(name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        await connection.execute(f"ALTER TABLE {tenant.schema}.migration OWNER TO {tenant.role}")
        await connection.executemany(
            f"INSERT INTO {tenant.schema}.migration VALUES ($1, $2)",
            [(record["name"], record["applied_at"]) for record in old],
        )
