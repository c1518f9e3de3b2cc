"""Rooms of people and apps: what their connections cannot reach, how they are made, migrated, put right and removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from rhinecloud.store import (
    BeingRemoved,
    Connections,
    NotLetIn,
    NotMigrated,
    Registry,
    Room,
    RoomDatabase,
    Rooms,
    migrations,
    migrations_in,
)
from rhinecloud.store.roles import sign_in

NOTES = ("0001_note.sql", "CREATE TABLE note (id serial PRIMARY KEY, text text NOT NULL)")


@pytest.fixture(scope="module")
def rooms(module_database_url: str) -> Rooms:
    return Rooms(module_database_url)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(rooms: Rooms) -> tuple[Room, Room]:
    return await rooms.prepare("room_people", [NOTES]), await rooms.prepare("app_notices", [NOTES])


@pytest_asyncio.fixture
async def few(rooms: Rooms) -> AsyncIterator[Connections]:
    few = Connections(rooms.url, 3)
    yield few
    await few.close()
    assert few.open == 0


def hostile(mine: Room, other: Room, owner: str) -> list[str]:
    return [
        *(f"SELECT * FROM {schema}.migration" for schema in (other.name, "tenant_city")),
        f"SELECT * FROM {other.name}.note",
        f"INSERT INTO {other.name}.note (text) VALUES ('x')",
        f"DROP SCHEMA {other.name} CASCADE",
        f"CREATE TABLE {other.name}.mine (n int)",
        "SELECT * FROM tenant_city.entity",
        "SELECT * FROM tenant_city.audit",
        "DELETE FROM tenant_city.audit",
        "CREATE TABLE tenant_city.mine (n int)",
        *(f"SET ROLE {role}" for role in (other.login.role, other.joint.role, owner)),
        *(
            f"SELECT set_config('role', '{role}', false)"
            for role in (other.login.role, other.joint.role, owner)
        ),
        f"SET SESSION AUTHORIZATION {owner}",
        f"GRANT {other.login.role} TO {mine.login.role}",
        f"GRANT {mine.city} TO {mine.login.role}",
        "SELECT password FROM rhinecloud.room",
        "SELECT * FROM rhinecloud.tenant",
        "CREATE TABLE public.mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE EXTENSION hstore",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ]


async def test_a_rooms_connections_reach_its_schema_only(
    rooms: Rooms, two: tuple[Room, Room], few: Connections
) -> None:
    application = await asyncpg.connect(rooms.url)
    owner = await application.fetchval("SELECT current_user")
    await application.close()
    for mine, other in (two, two[::-1]):
        database = RoomDatabase(few, mine)
        assert await database.pool.fetchval("SELECT session_user") == mine.login.role
        # The city's role and the joint one are closed to it too: only a joint transaction has them.
        city = [f"SET ROLE {mine.city}", f"SELECT set_config('role', '{mine.city}', true)"]
        joint = [f"SET ROLE {mine.joint.role}", f"SELECT set_config('role', '{mine.joint.role}', true)"]
        for statement in (*hostile(mine, other, owner), *city, *joint):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await database.pool.execute(statement)
        await database.pool.execute("SELECT set_config('role', 'none', false)")
        await database.pool.execute("INSERT INTO note (text) VALUES ($1)", mine.name)
        assert await database.pool.fetchval("SELECT text FROM note") == mine.name
        await database.pool.execute("DELETE FROM note")
        await database.close()


async def test_a_joint_transaction_reaches_this_room_and_the_city_and_nothing_else(
    rooms: Rooms, two: tuple[Room, Room], few: Connections
) -> None:
    application = await asyncpg.connect(rooms.url)
    owner = await application.fetchval("SELECT current_user")
    port = await Registry(rooms.url).prepare("port")
    await application.close()
    mine, other = two
    database = RoomDatabase(few, mine)
    elsewhere = [
        "SELECT * FROM tenant_port.entity",
        f"SET ROLE {port.role}",
        f"SELECT set_config('role', '{port.role}', true)",
    ]
    for statement in (*hostile(mine, other, owner), *elsewhere):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.joint() as joint:
                await joint.connection.execute(statement)
    # What docs/decisions/0026-apps.md admits: an expression in such a transaction may take the city's role.
    async with database.joint() as joint:
        await joint.connection.execute(f"SELECT set_config('role', '{mine.city}', false)")
        await joint.connection.fetch("SELECT * FROM tenant_city.entity")
        await joint.connection.execute("CREATE TEMP TABLE note (text text)")
    # It does not outlive the transaction: the next one begins as the room, and temporary tables stand for nothing.
    async with database.joint() as joint:
        connection = joint.connection
        assert await connection.fetchval("SELECT current_user") == mine.login.role
        await connection.execute("INSERT INTO note (text) VALUES ('mine')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.fetch("SELECT * FROM tenant_city.entity")
        async with joint.of_city(), joint.of_city() as same:
            assert await same.fetchval("SELECT current_user") == mine.city
            assert await same.fetchval("SELECT count(*) FROM entity") == 0
        assert await connection.fetchval("SELECT current_user") == mine.login.role
        # A failure within is taken back with its savepoint, and the room goes on as itself.
        with pytest.raises(asyncpg.UndefinedTableError):
            async with connection.transaction(), joint.of_city():
                await connection.execute("SELECT * FROM nothing")
        with pytest.raises(KeyError):
            async with joint.of_city():
                raise KeyError
        assert await connection.fetchval("SELECT current_user") == mine.login.role
    assert await database.pool.fetchval("SELECT count(*) FROM note") == 1
    await database.pool.execute("DELETE FROM note")
    await database.close()


async def test_migrations_are_applied_once_in_order_and_wait_for_locks_only_shortly(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("0002_more.sql", "ALTER TABLE note ADD COLUMN more int; INSERT INTO note (text) VALUES ('x')")
    room, again = await asyncio.gather(*(rooms.prepare("app_moving", [NOTES]) for _ in range(2)))
    assert room == again
    own = await sign_in(rooms.url, room.login)
    reader = own.transaction()
    await reader.start()
    await own.execute("SELECT * FROM note")  # holds a lock that ALTER TABLE waits for
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT", 50)
    migrating = asyncio.create_task(rooms.prepare("app_moving", [NOTES, more]))
    other = await asyncpg.connect(rooms.url)
    while await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0:
        await asyncio.sleep(0.005)
    await reader.rollback()
    await migrating
    assert await own.fetchval("SELECT count(*) FROM note") == 1
    assert await rooms.migrate(room, [NOTES, more]) == []

    for text, seconds, told in (
        ("INSERT INTO note (text) VALUES ('y'); SELECT 1 / 0", 60, "0003.sql: division by zero"),
        ("SELECT * FROM tenant_city.entity", 60, "0003.sql: permission denied for schema tenant_city"),
        ("SELECT pg_sleep(600)", 1, "0003.sql: it takes too long"),
    ):
        with pytest.raises(NotMigrated, match=told):
            await rooms.migrate(room, [NOTES, more, ("0003.sql", text)], statement_seconds=seconds)
    await reader_holds(own)
    monkeypatch.setattr(migrations, "_TRIES", 2)
    with pytest.raises(NotMigrated, match=r"0003.sql: others held what it has to lock, 2 times"):
        await rooms.migrate(room, [("0003.sql", "DROP TABLE note")])
    await own.execute("ROLLBACK")
    assert await own.fetchval("SELECT count(*) FROM note") == 1
    await own.close()
    await other.close()


async def reader_holds(connection: asyncpg.Connection) -> None:
    await connection.execute("BEGIN; SELECT * FROM note")


async def test_a_restored_room_gets_its_roles_and_its_owner_back(empty_database_url: str) -> None:
    rooms = Rooms(empty_database_url)
    assert await rooms.every() == []
    with pytest.raises(LookupError):
        await rooms.prepare("room_people")
    await Registry(empty_database_url).prepare("city")
    room = await rooms.prepare("room_people", [NOTES])
    with pytest.raises(ValueError, match="not a room's name"):
        await rooms.prepare("tenant_city")
    application = await asyncpg.connect(empty_database_url)
    for login in (room.joint, room.login):
        await application.execute(
            f"REASSIGN OWNED BY {login.role} TO CURRENT_USER; DROP OWNED BY {login.role}"
        )
        await application.execute(f"DROP ROLE {login.role}")
    (again,) = await rooms.prepare_all()
    assert again == room
    connections = Connections(empty_database_url, 2)
    database = RoomDatabase(connections, room)
    await database.pool.execute("INSERT INTO note (text) VALUES ('kept')")
    async with database.joint() as joint, joint.of_city():
        assert await joint.connection.fetchval("SELECT count(*) FROM entity") == 0
    await connections.close()
    await application.close()


async def test_a_removal_takes_everything_and_can_be_finished(rooms: Rooms) -> None:
    room = await rooms.prepare("app_leaving", [NOTES])
    own = await sign_in(rooms.url, room.login)
    application = await asyncpg.connect(rooms.url)
    await application.execute("UPDATE rhinecloud.room SET leaving_since = now() WHERE name = 'app_leaving'")
    with pytest.raises(BeingRemoved):
        await rooms.prepare("app_leaving")
    assert await rooms.remove("app_leaving")
    assert not await rooms.remove("app_leaving")
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
        await own.fetchval("SELECT 1")
    for login in (room.login, room.joint):
        with pytest.raises(NotLetIn):
            await asyncpg.connect(rooms.url, user=login.role, password=login.password)
    left = """
        SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = $1),
               (SELECT count(*) FROM pg_roles WHERE rolname = ANY($2))
    """
    roles = [room.login.role, room.joint.role]
    assert tuple(await application.fetchrow(left, "app_leaving", roles)) == (0, 0)
    await application.close()


def test_a_package_without_a_folder_of_migrations_has_none() -> None:
    assert migrations_in("rhinecloud.model") == []
    assert "tenant_0001.sql" in dict(migrations_in("rhinecloud.store"))
