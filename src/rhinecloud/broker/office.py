"""Offices: what one worker does for all. Held by an advisory lock of PostgreSQL, which ends with its connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, Protocol

import asyncpg

from rhinecloud.store import Unavailable

_log = logging.getLogger(__name__)
_TRY = "SELECT pg_try_advisory_lock(hashtext($1), hashtext($2))"
_LEAVE = "SELECT pg_advisory_unlock(hashtext($1), hashtext($2))"


class Electorate(Protocol):
    """Whose office it is: a tenant's database, or an app's."""

    @property
    def pool(self) -> Any:
        """Connections, one of which holds the election."""
        ...

    @property
    def tenant(self) -> str:
        """The name of the tenant, or of the app's schema."""
        ...


async def hold(
    database: Electorate, office: str, serve: Callable[[asyncpg.Connection], Awaitable[None]], *, again: float
) -> NoReturn:
    """Stand for the office of a tenant for ever, and `serve` when elected.

    `serve` gets the connection that holds the election; it may set synchronous_commit for its session. When it ends
    or fails (which is logged), and when another worker holds the office, this stands again after `again` seconds.
    """
    while True:
        try:
            async with database.pool.acquire() as connection:
                if await connection.fetchval(_TRY, office, database.tenant):
                    try:
                        await serve(connection)
                    finally:
                        if not connection.is_closed():
                            await asyncio.shield(_leave(connection, office, database.tenant))
        except* Unavailable as group:
            _log.warning("%s: %s; begins again", office, group.exceptions[0])
        except* Exception:
            _log.exception("%s: begins again", office)
        await asyncio.sleep(again)


async def _leave(connection: asyncpg.Connection, office: str, tenant: str) -> None:
    with contextlib.suppress(Exception):
        await connection.execute("RESET synchronous_commit")
        await connection.execute(_LEAVE, office, tenant)
