"""Rooms: a schema each for the tables of people and of every app, and a role that owns it and can sign in.

What tenants are to each other, rooms are too: a connection of a room reaches that room, not the graph and no other room
(docs/decisions/0016-tenants.md, 0026-apps.md). Rows of a room and writes to the graph of the default tenant commit
together over a third role, which has no rights and may become either, one after the other: `RoomDatabase.joint`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from importlib import resources

import asyncpg
import msgspec

from .connections import Connections
from .migrations import LOCK, migrate_platform, migrate_room
from .roles import (
    Login,
    disown,
    drop_role,
    let_become,
    lock_out,
    new_login,
    settle_role,
    settle_schema,
    sign_in,
)
from .tenants import DEFAULT, BeingRemoved, schema_of
from .versions import Migration

_NAME = re.compile(r"(room|app)_[a-z][a-z0-9_]{0,30}")
_SHARE = 6  # connections of a room at a time


class Room(msgspec.Struct, frozen=True):
    """A room, named as its schema (`room_people`, `app_noticeboard`), and how its connections sign in. `joint` may
    become the room's role and `city`, the default tenant's."""

    name: str
    login: Login
    joint: Login
    city: str
    created_at: datetime


class Joint:
    """One transaction over a room and the city's graph: statements run as the room, except within `of_city`.

    One statement at a time: what runs beside `of_city` would run as the city too.
    """

    def __init__(self, connection: asyncpg.Connection, room: Room) -> None:
        self.connection = connection
        self._as_room = _become(room.login.role, room.login.schema)
        self._as_city = _become(room.city, schema_of(DEFAULT))
        self._inside = 0

    async def begin(self) -> None:
        """Become the room."""
        await self.connection.execute(self._as_room)

    @asynccontextmanager
    async def of_city(self) -> AsyncIterator[asyncpg.Connection]:
        """The connection as the default tenant's, for the graph, the audit log, jobs, mail and files."""
        self._inside += 1
        try:
            if self._inside == 1:
                await self.connection.execute(self._as_city)
            yield self.connection
        finally:
            self._inside -= 1
            # After a failed statement PostgreSQL takes none until the rollback, which takes the role back as well.
            if not self._inside and not self.connection.is_closed():
                with contextlib.suppress(asyncpg.InFailedSQLTransactionError):
                    await self.connection.execute(self._as_room)


def _become(role: str, schema: str) -> str:
    # Temporary tables come last: nobody's shall stand for one of the schema's.
    return f"SET LOCAL ROLE {role}; SET LOCAL search_path TO {schema}, public, pg_temp"


class RoomDatabase:
    """The database of a room: `pool`, whose connections signed in as the room's role and look into its schema."""

    def __init__(self, connections: Connections, room: Room) -> None:
        self.room = room
        self.pool = connections.of(room.login, most=_SHARE)
        self._joints = connections.of(room.joint, most=_SHARE)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """One transaction of the room's own rows alone, which can reach nothing else."""
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def joint(self) -> AsyncIterator[Joint]:
        """One transaction of the room's rows and the city's graph (Broker.transaction composes it)."""
        async with self._joints.acquire() as connection, connection.transaction():
            joint = Joint(connection, self.room)
            await joint.begin()
            yield joint

    async def close(self) -> None:
        """Close what is idle."""
        await self.pool.close()
        await self._joints.close()


class Rooms:
    """Which rooms there are: asked, made and removed over connections of the application's role, one at a time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._one_at_a_time = asyncio.Semaphore()

    async def every(self) -> list[Room]:
        """All rooms, in the order of their names; none before the first start made the platform's tables."""
        async with self._connection() as connection:
            if await connection.fetchval("SELECT to_regclass('rhinecloud.room') IS NULL"):
                return []
            records = await connection.fetch(
                f"{_ROOMS} WHERE r.leaving_since IS NULL ORDER BY r.name", DEFAULT
            )
        return [_room(record) for record in records]

    async def prepare(self, name: str, migrations: Sequence[Migration] = ()) -> Room:
        """The room of this name, made if there is none, with its roles and its schema as they have to be now, and with
        these migrations applied, in this order.

        Whatever a restore left otherwise is put right. Raises ValueError for what can be no name, LookupError where the
        default tenant was never made, NotPossible, BeingRemoved, NotMigrated.
        """
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"not a room's name: {name!r}")
        async with self._connection() as connection:
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
            try:
                await migrate_platform(connection)
                async with connection.transaction():
                    room = await _settle(connection, await _enter(connection, name))
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
        await self.migrate(room, migrations)
        return room

    async def prepare_all(self) -> list[Room]:
        """Prepare the roles and schemas of every room there is, as after a restore."""
        return [await self.prepare(room.name) for room in await self.every()]

    async def migrate(
        self,
        room: Room,
        migrations: Sequence[Migration],
        *,
        statement_seconds: float = 60.0,
        later: Sequence[Migration] = (),
    ) -> list[str]:
        """Apply the migrations that were not yet, as the room's role. Returns their names. `later`: those that are
        known and not to be applied now. Raises NotMigrated, TooNew."""
        own = await sign_in(self.url, room.login)
        try:
            return await migrate_room(
                own, room.name, migrations, statement_seconds=statement_seconds, later=later
            )
        finally:
            await own.close()

    async def remove(self, name: str) -> bool:
        """Delete a room with all that is its own, for good; false if there is none.

        Its roles are locked out first; a removal that is cut off is finished by calling this again.
        """
        async with self._connection() as connection:
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
            record = await connection.fetchrow(
                "UPDATE rhinecloud.room SET leaving_since = now() WHERE name = $1 RETURNING role, joint_role",
                name,
            )
            if record is None:
                return False
            for role in record:
                await lock_out(connection, role)
            async with connection.transaction():
                await connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
                for role in record:
                    await disown(connection, role)
                await connection.execute("DELETE FROM rhinecloud.room WHERE name = $1", name)
            for role in record:
                await drop_role(connection, role)
        return True

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._one_at_a_time:
            connection = await asyncpg.connect(
                self.url, server_settings={"application_name": "rhinecloud rooms", "timezone": "UTC"}
            )
            try:
                yield connection
            finally:
                await connection.close()


def migrations_in(package: str, folder: str = "sql") -> list[Migration]:
    """The files of a package's folder that end in .sql, in the order of their names; none where there is no folder."""
    found = resources.files(package).joinpath(folder)
    if not found.is_dir():
        return []
    return sorted(
        (entry.name, entry.read_text("utf-8")) for entry in found.iterdir() if entry.name.endswith(".sql")
    )


_ROOMS = """
SELECT r.name, r.role, r.password, r.joint_role, r.joint_password, r.created_at, r.leaving_since, t.role AS city
FROM rhinecloud.room r JOIN rhinecloud.tenant t ON t.name = $1
"""


def _room(record: asyncpg.Record) -> Room:
    name = record["name"]
    return Room(
        name,
        Login(record["role"], record["password"], name),
        Login(record["joint_role"], record["joint_password"], name),
        record["city"],
        record["created_at"],
    )


async def _enter(connection: asyncpg.Connection, name: str) -> Room:
    own, joint = new_login(name, name), new_login(f"{name}_joint", name)
    await connection.execute(
        """
        INSERT INTO rhinecloud.room (name, role, password, joint_role, joint_password) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING
        """,
        name,
        own.role,
        own.password,
        joint.role,
        joint.password,
    )
    record = await connection.fetchrow(f"{_ROOMS} WHERE r.name = $2", DEFAULT, name)
    if record is None:
        raise LookupError(f"there is no tenant {DEFAULT} yet, whose graph the room {name} could write")
    if record["leaving_since"] is not None:
        raise BeingRemoved(f"{name} is being removed")
    return _room(record)


async def _settle(connection: asyncpg.Connection, room: Room) -> Room:
    login = await settle_role(connection, room.login, room.name)
    joint = await settle_role(connection, room.joint, f"{room.name}_joint")
    if (login, joint) != (room.login, room.joint):
        room = msgspec.structs.replace(room, login=login, joint=joint)
        await connection.execute(
            "UPDATE rhinecloud.room SET role = $2, password = $3, joint_role = $4, joint_password = $5 WHERE name = $1",
            room.name,
            login.role,
            login.password,
            joint.role,
            joint.password,
        )
    await settle_schema(connection, login)
    for role in (login.role, room.city):
        await let_become(connection, joint.role, role)
    return room
