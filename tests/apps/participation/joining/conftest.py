"""A server with sign-in, as a city has it, and events that stand in its tables: nobody has signed in."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from rhinecloud.apps.participation.joining.codes import code_of, short_code
from tests.conftest import Serve, Server


class Prepared:
    """An event: its number, its short code, and its invitations' codes."""

    def __init__(self, number: int, code: str, key: bytes, polls: list[int]) -> None:
        self.number, self.code, self.key, self.polls = number, code, key, polls
        self.path = f"/participation/e/{code}"

    def invitation(self, number: int) -> str:
        """The code of an invitation."""
        return code_of(self.key, number)

    def join(self, number: int) -> str:
        """Where it lets somebody in."""
        return f"{self.path}/join?code={self.invitation(number)}"


class Hall:
    """A served city with events."""

    def __init__(self, server: Server, rows: asyncpg.Connection) -> None:
        self.server, self.rows = server, rows
        self.url = server.base_url

    async def event(
        self, admission: str = "invitation", *, expected: int = 150, invited: int = 5, state: str = "open"
    ) -> Prepared:
        """An event with one open, named poll of two answers, shown on the phones."""
        code, key = short_code(), secrets.token_bytes(32)
        number = await self.rows.fetchval(
            "INSERT INTO event (code, title, admission, expected, state, key, created_by)"
            " VALUES ($1, 'Auftakt', $2, $3, $4, $5, 'test') RETURNING number",
            code,
            admission,
            expected,
            state,
            key,
        )
        poll = await self.rows.fetchval(
            "INSERT INTO poll (event, place, kind, title, secret, results, state, rule)"
            " VALUES ($1, 1, 'single', 'Kommen Sie wieder?', false, 'live', 'open', $2::jsonb) RETURNING number",
            number,
            json.dumps({}),
        )
        await self.rows.execute(
            "INSERT INTO option (poll, place, title) VALUES ($1, 1, 'ja'), ($1, 2, 'nein')", poll
        )
        await self.rows.execute("UPDATE event SET current_poll = $2 WHERE number = $1", number, poll)
        await self.rows.execute(
            "INSERT INTO invitation (event, number) SELECT $1, n FROM generate_series(1, $2::integer) AS n",
            number,
            invited,
        )
        return Prepared(number, code, key, [poll])

    async def change(self, event: Prepared, **values: Any) -> None:
        """Change an event behind the server's back, and wait until it has forgotten how it was."""
        for name, value in values.items():
            await self.rows.execute(f"UPDATE event SET {name} = $2 WHERE number = $1", event.number, value)
        await asyncio.sleep(1.1)


async def _hall(server: Server) -> AsyncIterator[Hall]:
    rows = await asyncpg.connect(
        server.database_url, server_settings={"search_path": "app_participation,public"}
    )
    yield Hall(server, rows)
    await rows.close()


@pytest_asyncio.fixture(scope="module")
async def office(server: Server) -> AsyncIterator[Hall]:
    """A city where everybody may do everything."""
    async for one in _hall(server):
        yield one


@pytest_asyncio.fixture(scope="module")
async def hall(module_serve: Serve) -> AsyncIterator[Hall]:
    """A city that people sign in to: whoever has not is counted by their address."""
    async for one in _hall(module_serve("--no-open")):
        yield one
