"""The tenants of an installation: each a schema, and a role that owns it and can sign in (CIM 009 §4.14).

Everything of a tenant is asked for over connections that signed in as its role: what such a connection can be brought
to do, by a mistake here or by SQL that somebody smuggles in, reaches that schema and no other. (A `SET ROLE` on a
connection of the application would be taken back by whoever can run an expression: docs/decisions/0016-tenants.md.)

Here alone the application's own role is used, to make tenants, to find them and to remove them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import msgspec

from . import partitions
from .migrations import LOCK, migrate_platform, migrate_tenant

DEFAULT = "city"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_ITERATIONS = 4096
_TERMINATION = 10.0  # seconds that the connections of a tenant that is removed may take to end

# PostgreSQL does not let a role in: it is gone, it may not sign in, or pg_hba.conf has no line for it.
NotLetIn = (asyncpg.InvalidAuthorizationSpecificationError,)


class Tenant(msgspec.Struct, frozen=True):
    """A tenant and how its connections sign in."""

    name: str
    role: str
    password: str
    created_at: datetime

    @property
    def schema(self) -> str:
        return schema_of(self.name)


class NotPossible(Exception):
    """PostgreSQL does not let the application do what a tenant needs; the message says what to change."""


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
                own = await _sign_in(self.url, tenant)
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
            if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(f"ALTER ROLE {role} NOLOGIN")
                await _end_connections(connection, role)
            async with connection.transaction():
                await connection.execute(f"DROP SCHEMA IF EXISTS {schema_of(name)} CASCADE")
                if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                    await connection.execute(f"DROP OWNED BY {role}")
                await connection.execute("DELETE FROM rhinecloud.tenant WHERE name = $1", name)
            # A copy of this installation in another database of the same server uses it too.
            with contextlib.suppress(asyncpg.DependentObjectsStillExistError):
                await connection.execute(f"DROP ROLE IF EXISTS {role}")
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
    record = await connection.fetchrow(
        """
        INSERT INTO rhinecloud.tenant AS t (name, role, password) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE
            SET role = coalesce(t.role, excluded.role), password = coalesce(t.password, excluded.password)
        RETURNING name, role, password, created_at, leaving_since
        """,
        name,
        _new_role(name),
        secrets.token_urlsafe(24),
    )
    if record["leaving_since"] is not None:
        raise BeingRemoved(f"the tenant {name} is being removed")
    return _tenant(record)


def _new_role(name: str) -> str:
    # Roles belong to the whole server, where other databases have tenants of the same names.
    return f"rhinecloud_{name}_{secrets.token_hex(4)}"


_ADMINISTERS = "pg_has_role(current_user, oid, 'MEMBER WITH ADMIN OPTION')"
_CREATES_ROLES = (
    "(SELECT own.rolcreaterole OR own.rolsuper FROM pg_roles own WHERE own.rolname = current_user)"
)


async def _give_role(connection: asyncpg.Connection, tenant: Tenant) -> Tenant:
    # Before PostgreSQL 16 CREATEROLE was a right over all roles, and a membership was all of it.
    old = connection.get_server_version().major < 16
    found = await connection.fetchrow(
        f"""
        SELECT rolcanlogin AS enters, {_CREATES_ROLES if old else _ADMINISTERS} AS ours,
               pg_has_role(current_user, oid, 'USAGE') AND pg_has_role(current_user, oid, $2) AS granted
        FROM pg_roles WHERE rolname = $1
        """,
        tenant.role,
        "USAGE" if old else "SET",
    )
    if found is not None and found["enters"] and found["granted"]:
        return tenant
    if found is not None and not found["ours"]:  # restored beside an installation that has it already
        tenant = msgspec.structs.replace(
            tenant, role=_new_role(tenant.name), password=secrets.token_urlsafe(24)
        )
        await connection.execute(
            "UPDATE rhinecloud.tenant SET role = $2, password = $3 WHERE name = $1",
            tenant.name,
            tenant.role,
            tenant.password,
        )
        found = None
    verb = "CREATE" if found is None else "ALTER"
    name = await connection.fetchval("SELECT current_user")
    try:
        await connection.execute(
            f"{verb} ROLE {tenant.role} LOGIN NOINHERIT PASSWORD '{_verifier(tenant.password)}'"
        )
        if found is None or not found["granted"]:
            # To make its schema and to back it up; CREATEROLE alone gives no more than the right to grant this.
            whole = "" if old else "WITH INHERIT TRUE, SET TRUE"
            await connection.execute(f"GRANT {tenant.role} TO CURRENT_USER {whole}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise NotPossible(
            f"each tenant needs a role of its own in PostgreSQL, and {name} may not create roles: "
            f"ALTER ROLE {name} CREATEROLE ({error})"
        ) from None
    return tenant


def _verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803), so that the password itself is in no log of statements."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{text[0]}${text[1]}:{text[2]}"


async def _give_schema(connection: asyncpg.Connection, tenant: Tenant) -> None:
    """The role owns the schema and all that is in it. Nothing is done where that is so."""
    owner = await connection.fetchval(
        "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = $1", tenant.schema
    )
    if owner == tenant.role:
        return
    if owner is None:
        await connection.execute(f"CREATE SCHEMA {tenant.schema} AUTHORIZATION {tenant.role}")
    else:
        await connection.execute(f"ALTER SCHEMA {tenant.schema} OWNER TO {tenant.role}")
        await _take_over_migrations(connection, tenant)
        for command in await connection.fetch(_GIVE_AWAY, tenant.schema, tenant.role):
            await connection.execute(command[0])
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
        await connection.executemany(
            f"INSERT INTO {tenant.schema}.migration VALUES ($1, $2)",
            [(record["name"], record["applied_at"]) for record in old],
        )


# Sequences of columns, indexes and types of rows go with their tables.
_GIVE_AWAY = """
SELECT format('ALTER %s %s OWNER TO %I',
              CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                           ELSE 'TABLE' END, format('%I.%I', $1::text, relname), $2::text)
FROM pg_class c WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND c.relkind = 'S' AND d.deptype IN ('a', 'i'))
UNION ALL
SELECT format('ALTER TYPE %I.%I OWNER TO %I', $1::text, typname, $2::text)
FROM pg_type WHERE typnamespace = $1::text::regnamespace AND typtype IN ('e', 'd', 'r')
UNION ALL
SELECT format('ALTER ROUTINE %s OWNER TO %I', oid::regprocedure, $2::text)
FROM pg_proc WHERE pronamespace = $1::text::regnamespace
"""


def session(tenant: Tenant) -> dict[str, str]:
    """Settings of every connection of a tenant."""
    return {
        "search_path": f"{tenant.schema},public",
        "application_name": "rhinecloud",
        "timezone": "UTC",
        "jit": "off",
    }


async def _sign_in(url: str, tenant: Tenant) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(
            url, user=tenant.role, password=tenant.password, server_settings=session(tenant)
        )
    except NotLetIn as error:
        raise NotPossible(
            f"PostgreSQL does not let the role {tenant.role} of the tenant {tenant.name} in: pg_hba.conf must let the "
            f"roles of tenants (their names begin with rhinecloud_) sign in with a password ({error})"
        ) from None


async def _end_connections(connection: asyncpg.Connection, role: str) -> None:
    async with asyncio.timeout(_TERMINATION):
        while await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1", role
        ):
            await asyncio.sleep(0.02)
