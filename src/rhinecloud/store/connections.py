"""Connections for many logins out of few: what one tenant or app leaves idle makes room for the next."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from .roles import Login, session

_IDLE = 30.0  # seconds that a connection nobody uses is kept
_PATIENCE = 10.0  # seconds to wait for a connection
_LEAVING = 2.0  # seconds for a goodbye


class _Kind(msgspec.Struct, frozen=True):
    """Connections of one kind stand for each other."""

    login: Login
    settings: tuple[tuple[str, str], ...]


class _Idle(msgspec.Struct, frozen=True):
    connection: asyncpg.Connection
    kind: _Kind
    since: float


_Handed = tuple[asyncpg.Connection, _Kind] | None  # None: room for a connection, and none in it


class Connections:
    """At most `most` connections of this process, each signed in as one role.

    Who asks gets an idle one of its own; else there is a new one, in place of the one that was idle longest if
    there are as many as may be; else it waits its turn.
    """

    def __init__(self, url: str, most: int) -> None:
        self._url = url
        self._most = most
        self._open = 0
        self._idle: list[_Idle] = []  # the one that was idle longest first
        self._waiting: deque[asyncio.Future[_Handed]] = deque()
        self._tidying: asyncio.Task[None] | None = None

    @property
    def open(self) -> int:
        """How many there are."""
        return self._open

    def of(self, login: Login, *, most: int, **settings: str) -> SharedPool:
        """A login's share: never more than `most` at a time."""
        return SharedPool(self, _Kind(login, tuple(settings.items())), most)

    async def close(self) -> None:
        """Close what is idle; what is in use is closed when it is given back."""
        self._most = 0
        if self._tidying is not None:
            self._tidying.cancel()
        while self._idle:
            await self._end(self._idle.pop().connection)

    async def forget(self, login: Login) -> None:
        """Close what is idle of a login."""
        for idle in [one for one in self._idle if one.kind.login == login]:
            if idle in self._idle:
                self._idle.remove(idle)
                await self._end(idle.connection)

    async def take(self, kind: _Kind) -> asyncpg.Connection:
        """A connection, to be given back. Raises TimeoutError, or what PostgreSQL says to who signs in."""
        for idle in reversed(self._idle):
            if idle.kind == kind:
                self._idle.remove(idle)
                if not idle.connection.is_closed():
                    return idle.connection
                self._open -= 1
        if self._open < self._most:
            self._open += 1
            return await self._connect(kind, None)
        if self._idle:
            return await self._connect(kind, self._idle.pop(0).connection)
        handed = await self._turn()
        if handed is not None and handed[1] == kind and not handed[0].is_closed():
            return handed[0]
        return await self._connect(kind, handed[0] if handed is not None else None)

    async def give_back(self, kind: _Kind, connection: asyncpg.Connection) -> None:
        """Who waits longest gets it, or its room."""
        with contextlib.suppress(Exception):
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK")
        if connection.is_closed() or connection.is_in_transaction() or self._open > self._most:
            await self._end(connection)
        elif not self._hand((connection, kind)):
            self._idle.append(_Idle(connection, kind, time.monotonic()))
            if self._tidying is None or self._tidying.done():
                self._tidying = asyncio.create_task(self._tidy(), name="idle-connections")

    async def _turn(self) -> _Handed:
        future: asyncio.Future[_Handed] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await future
        except BaseException:
            if future.done() and not future.cancelled():
                handed = future.result()
                if handed is None:
                    self._leave_room()
                else:
                    await self.give_back(handed[1], handed[0])
            raise

    def _hand(self, handed: _Handed) -> bool:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(handed)
                return True
        return False

    def _leave_room(self) -> None:
        if not self._hand(None):
            self._open -= 1

    async def _connect(self, kind: _Kind, instead_of: asyncpg.Connection | None) -> asyncpg.Connection:
        """A new connection in room that is taken already."""
        try:
            if instead_of is not None:
                await _goodbye(instead_of)
            return await asyncpg.connect(
                self._url,
                user=kind.login.role,
                password=kind.login.password,
                server_settings=session(kind.login) | dict(kind.settings),
            )
        except BaseException:
            self._leave_room()
            raise

    async def _end(self, connection: asyncpg.Connection) -> None:
        try:
            await _goodbye(connection)
        finally:
            self._leave_room()

    async def _tidy(self) -> None:
        while self._idle:
            left = self._idle[0].since + _IDLE - time.monotonic()
            if left > 0:
                await asyncio.sleep(left)
            else:
                await self._end(self._idle.pop(0).connection)


async def _goodbye(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=_LEAVING)
    except Exception:
        connection.terminate()


class SharedPool:
    """One login's share of the connections, with what asyncpg's pools offer."""

    def __init__(self, connections: Connections, kind: _Kind, most: int) -> None:
        self._connections = connections
        self._kind = kind
        self._lanes = asyncio.Semaphore(most)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection for a while."""
        async with self._lanes:
            connection = await self._connections.take(self._kind)
            try:
                yield connection
            finally:
                await asyncio.shield(self._connections.give_back(self._kind, connection))

    async def execute(self, query: str, *arguments: Any) -> str:
        """As asyncpg.Connection.execute."""
        async with self.acquire() as connection:
            told: str = await connection.execute(query, *arguments)
            return told

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        """As asyncpg.Connection.fetch."""
        async with self.acquire() as connection:
            found: list[Any] = await connection.fetch(query, *arguments)
            return found

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        """As asyncpg.Connection.fetchrow."""
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        """As asyncpg.Connection.fetchval."""
        async with self.acquire() as connection:
            return await connection.fetchval(query, *arguments)

    async def close(self) -> None:
        """Close what is idle."""
        await self._connections.forget(self._kind.login)

    def terminate(self) -> None:
        """Nothing: what is in use is another's to end."""
