"""Tenants: what their connections cannot reach, how they are made, put right, removed; how few connections do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from rhinecloud.store import (
    BeingRemoved,
    Connections,
    Database,
    NotLetIn,
    NotPossible,
    Registry,
    Tenant,
    Unavailable,
    connections,
)

from ..conftest import EXTERNAL_DATABASE

ENTITY = """
INSERT INTO {} (id, types, attributes, created_at, modified_at) VALUES ('urn:x', '{{t}}', '{{}}', now(), now())
"""


@pytest.fixture(scope="module")
def registry(module_database_url: str) -> Registry:
    return Registry(module_database_url)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(registry: Registry) -> tuple[Tenant, Tenant]:
    """The default tenant and another."""
    return await registry.prepare("city"), await registry.prepare("port")


@pytest_asyncio.fixture
async def few(registry: Registry) -> AsyncIterator[Connections]:
    """Three connections."""
    few = Connections(registry.url, 3)
    yield few
    await few.close()
    assert few.open == 0


async def connect(registry: Registry, tenant: Tenant) -> asyncpg.Connection:
    return await asyncpg.connect(registry.url, user=tenant.role, password=tenant.password)


async def test_a_tenants_connections_reach_its_schema_only(
    registry: Registry, two: tuple[Tenant, Tenant], few: Connections
) -> None:
    """Whatever SQL a tenant's connection is brought to run, PostgreSQL refuses what is another's."""
    application = await asyncpg.connect(registry.url)
    owner = await application.fetchval("SELECT current_user")
    for mine, other in (two, two[::-1]):
        opened = [
            Database.sharing(few, mine),
            await Database.open(registry.url, mine.name, size=1, migrate=False),
        ]
        for database in opened:
            assert await database.pool.fetchval("SELECT session_user") == mine.role
            await database.pool.execute(ENTITY.format("entity"))
            for statement in (
                f"SELECT * FROM {other.schema}.entity",
                f"SELECT * FROM {other.schema}.history",
                f"SELECT nextval('{other.schema}.change_id')",
                ENTITY.format(f"{other.schema}.entity"),
                f"UPDATE {other.schema}.entity SET types = '{{}}'",
                f"DELETE FROM {other.schema}.subscription",
                f"TRUNCATE {other.schema}.outbox",
                f"DROP TABLE {other.schema}.entity CASCADE",
                f"DROP SCHEMA {other.schema} CASCADE",
                f"CREATE TABLE {other.schema}.mine (n int)",
                f"SET ROLE {other.role}",
                f"SET ROLE {owner}",
                f"SELECT set_config('role', '{other.role}', false)",
                f"SELECT set_config('role', '{owner}', false)",
                f"SET SESSION AUTHORIZATION {owner}",
                f"GRANT {other.role} TO {mine.role}",
                f"ALTER ROLE {other.role} PASSWORD 'x'",
                "SELECT password FROM rhinecloud.tenant",
                "DELETE FROM rhinecloud.tenant",
                "UPDATE rhinecloud.bus_epoch SET epoch = 0",
                "CREATE TABLE rhinecloud.mine (n int)",
                "CREATE TABLE public.mine (n int)",
                "CREATE SCHEMA mine",
                "CREATE ROLE mine",
                "CREATE EXTENSION hstore",
                "COPY (SELECT 1) TO PROGRAM 'true'",
                "SELECT pg_read_file('postgresql.conf')",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await database.pool.execute(statement)
            # The name without a schema is its own, and what takes a role back takes it back to its own.
            await database.pool.execute("SELECT set_config('role', 'none', false)")
            assert await database.pool.fetchval("SELECT current_user") == mine.role
            assert await database.pool.fetchval("SELECT count(*) FROM entity") == 1
            await database.pool.execute("DELETE FROM entity")
            await database.close()
    await application.close()


async def test_who_has_no_right_to_make_roles_is_told_so(empty_database_url: str) -> None:
    application = await asyncpg.connect(empty_database_url)
    name = urlsplit(empty_database_url).path[1:]
    poor = f"poor_{name}"
    await application.execute(f"CREATE ROLE {poor} LOGIN PASSWORD 'secret'")
    await application.execute(f"GRANT CREATE ON DATABASE {name} TO {poor}")
    for extension in ("btree_gist", "pg_trgm"):
        await application.execute(f"CREATE EXTENSION IF NOT EXISTS {extension} WITH SCHEMA public")
    try:
        url = empty_database_url.replace("//rhinecloud@", f"//{poor}:secret@")
        if EXTERNAL_DATABASE:
            parts = urlsplit(empty_database_url)
            url = f"postgresql://{poor}:secret@{parts.hostname}:{parts.port or 5432}{parts.path}"
        with pytest.raises(NotPossible, match=f"ALTER ROLE {poor} CREATEROLE"):
            await Registry(url).prepare("city")
    finally:
        await application.execute(f"GRANT {poor} TO CURRENT_USER")
        await application.execute(f"DROP OWNED BY {poor}; DROP ROLE {poor}")
        await application.close()


async def test_what_an_older_version_or_a_restore_left_is_put_right(empty_database_url: str) -> None:
    """Everything of the schema belongs to the application, and the role is not there: as after a restore elsewhere."""
    registry = Registry(empty_database_url)
    tenant = await registry.prepare("city")
    owners = """
        SELECT array_agg(DISTINCT pg_get_userbyid(owner)) FROM (
            SELECT relowner FROM pg_class WHERE relnamespace = 'tenant_city'::regnamespace
            UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace = 'tenant_city'::regnamespace
            UNION ALL SELECT typowner FROM pg_type WHERE typnamespace = 'tenant_city'::regnamespace
            UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = 'tenant_city') AS everything (owner)
    """
    application = await asyncpg.connect(empty_database_url)
    assert await application.fetchval(owners) == [tenant.role]
    await application.execute(f"REASSIGN OWNED BY {tenant.role} TO CURRENT_USER; DROP OWNED BY {tenant.role}")
    await application.execute(f"DROP ROLE {tenant.role}")
    assert await registry.prepare("city") == tenant
    assert await application.fetchval(owners) == [tenant.role]

    # Before there were roles, which migrations ran stood with the platform.
    await application.execute(f"REASSIGN OWNED BY {tenant.role} TO CURRENT_USER; DROP OWNED BY {tenant.role}")
    await application.execute(f"DROP ROLE {tenant.role}")
    await application.execute(
        """
        INSERT INTO rhinecloud.migration SELECT 'city', name, applied_at FROM tenant_city.migration;
        DROP TABLE tenant_city.migration;
        ALTER TABLE rhinecloud.tenant DROP COLUMN role, DROP COLUMN password, DROP COLUMN leaving_since;
        DELETE FROM rhinecloud.migration WHERE name = 'platform_0002_tenants.sql';
        INSERT INTO tenant_city.entity (id, types, attributes, created_at, modified_at)
        VALUES ('urn:x', '{t}', '{}', now(), now());
        """
    )
    (tenant,) = await registry.prepare_all()
    assert await application.fetchval(owners) == [tenant.role]
    database = await Database.open(empty_database_url, migrate=False, size=2)
    assert await database.pool.fetchval("SELECT id FROM entity") == "urn:x"
    await database.close()

    # A role that may not sign in, as a restore makes it, gets its password back.
    await application.execute(f"ALTER ROLE {tenant.role} NOLOGIN PASSWORD NULL")
    with pytest.raises(NotLetIn):
        await connect(registry, tenant)
    await registry.prepare("city")
    await (await connect(registry, tenant)).close()
    await application.close()


async def test_a_removal_takes_everything_and_can_be_finished(registry: Registry) -> None:
    tenant = await registry.prepare("leaving")
    own = await connect(registry, tenant)
    application = await asyncpg.connect(registry.url)
    await application.execute("UPDATE rhinecloud.tenant SET leaving_since = now() WHERE name = 'leaving'")
    assert await registry.find("leaving") is None
    with pytest.raises(BeingRemoved):
        await registry.prepare("leaving")
    assert await registry.remove("leaving")
    assert not await registry.remove("leaving")
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
        await own.fetchval("SELECT 1")
    with pytest.raises(NotLetIn):
        await connect(registry, tenant)
    assert (
        await application.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'tenant_leaving'") == 0
    )
    again = await registry.prepare("leaving")
    assert again.role != tenant.role
    assert Database.sharing(Connections(registry.url, 1), again)._born >= int(tenant.created_at.timestamp())
    await registry.remove("leaving")
    await application.close()


async def test_few_connections_serve_many_tenants(registry: Registry, few: Connections) -> None:
    tenants = [await registry.prepare(f"t{number}") for number in range(5)]
    databases = [Database.sharing(few, tenant) for tenant in tenants]
    application = await asyncpg.connect(registry.url)
    most = 0

    async def ask(number: int) -> None:
        nonlocal most
        async with databases[number % 5].pool.acquire() as connection:
            assert (
                await connection.fetchval("SELECT session_user, pg_sleep(0.002)") == tenants[number % 5].role
            )
            most = max(most, few.open)

    await asyncio.gather(*(ask(number) for number in range(60)))
    assert most == few.open == 3
    roles = [tenant.role for tenant in tenants]
    count = "SELECT count(*) FROM pg_stat_activity WHERE usename = any($1)"
    assert await application.fetchval(count, roles) <= 3

    # What broke, or was left in a transaction, is not handed on.
    async with databases[0].pool.acquire() as connection:
        await connection.execute("BEGIN")
    async with databases[0].pool.acquire() as connection:
        assert not connection.is_in_transaction()
        pid = connection.get_server_pid()
    await application.execute("SELECT pg_terminate_backend($1)", pid)
    for _ in range(3):
        try:
            assert await databases[0].pool.fetchval("SELECT 1") == 1
            break
        except Unavailable:
            await asyncio.sleep(0.01)
    else:
        raise AssertionError("a broken connection stays")
    await asyncio.gather(*(ask(number) for number in range(30)))
    assert few.open == 3

    # Who gives up while waiting takes nothing with it.
    held = [databases[number].pool.acquire() for number in range(3)]
    for one in held:
        await one.__aenter__()
    waiting = [asyncio.create_task(ask(number)) for number in range(10)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    for one in held:
        await one.__aexit__(None, None, None)
    await asyncio.gather(*waiting, return_exceptions=True)
    assert [task.cancelled() for task in waiting] == [True, False] * 5
    await asyncio.gather(*(ask(number) for number in range(10)))
    assert few.open == 3
    await application.close()


async def test_an_idle_tenant_holds_no_connection(
    registry: Registry, few: Connections, two: tuple[Tenant, Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_IDLE", 0.02)
    database = Database.sharing(few, two[1])
    await asyncio.gather(*(database.pool.fetchval("SELECT pg_sleep(0.01)") for _ in range(2)))
    async with asyncio.timeout(10):
        while few.open:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_one_tenant_cannot_take_all_connections_for_long(
    registry: Registry, few: Connections, two: tuple[Tenant, Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_PATIENCE", 0.05)
    greedy, other = Database.sharing(few, two[0], size=3), Database.sharing(few, two[1])
    async with greedy.pool.acquire(), greedy.pool.acquire(), greedy.pool.acquire():
        with pytest.raises(TimeoutError):
            await other.pool.fetchval("SELECT 1")
    assert await other.pool.fetchval("SELECT 1") == 1
