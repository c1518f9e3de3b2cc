"""What is over is forgotten by the clock; what a command changed a served city knows at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from rhinecloud.bus import Bus
from rhinecloud.model.sight import Grant
from rhinecloud.people import identities, tokens
from rhinecloud.people.identities import Identities
from rhinecloud.people.tokens import Tokens, Wanted
from rhinecloud.people.upkeep import Upkeep

from .conftest import Community


async def _nothing() -> None:
    pass


async def _fill(community: Community, ends: str, seen: str = "0") -> None:
    """A row of each kind that ends so long from now."""
    account, _ = await community.settle(f"Person {ends} {seen}")
    async with community.people.room.transaction() as connection:
        hashed = f"{ends} {seen}".encode()
        await connection.execute(
            "INSERT INTO session (hash, account, device, expires_at, seen_at) "
            "VALUES ($1, $2, 'Firefox', now() + $3::text::interval, now() + $4::text::interval)",
            hashed,
            account,
            ends,
            seen,
        )
        for table, columns, values in (
            ("oidc_session", "session, id_token", "$1, $2"),
            ("link", "hash, purpose, made_by, expires_at", "$1, 'register', 'x', now() + $2::text::interval"),
            ("token", "hash, name, permissions, expires_at", "$1, 'x', '{}', now() + $2::text::interval"),
            ("challenge", "hash, purpose, expires_at", "$1, 'sign-in', now() + $2::text::interval"),
            (
                "oidc_request",
                "hash, nonce, verifier, back, expires_at",
                "$1, '', '', '', now() + $2::text::interval",
            ),
        ):
            await connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", hashed, ends)


_TABLES = ("session", "oidc_session", "link", "token", "challenge", "oidc_request")


async def _left(community: Community) -> dict[str, list[str]]:
    found = {}
    for table in _TABLES:
        column = "session" if table == "oidc_session" else "hash"
        records = await community.people.room.pool.fetch(
            f"SELECT convert_from({column}, 'UTF8') FROM {table} ORDER BY 1"
        )
        found[table] = [record[0] for record in records]
    return found


async def test_what_is_over_is_forgotten_by_a_timed_job(community: Community) -> None:
    Upkeep(community.people, community.jobs, _nothing)
    assert "people.sweep" in [one.name for one in await community.jobs.schedules()]
    await _fill(community, "-1 second")
    await _fill(community, "1 hour")
    await _fill(community, "1 day", seen="-1 year")  # a session that lay unused
    before = await _left(community)
    assert all(len(rows) == 3 for rows in before.values()), before
    await community.jobs.open()
    async with community.database.transaction() as connection:
        await community.jobs.enqueue(connection, "people.sweep")
    while len((await _left(community))["oidc_request"]) == 3:
        await asyncio.sleep(0.02)
    lasting = ["1 day -1 year", "1 hour 0"]
    expected = dict.fromkeys(_TABLES, lasting) | dict.fromkeys(("session", "oidc_session"), ["1 hour 0"])
    assert await _left(community) == expected


async def test_a_token_that_a_command_revokes_is_none_at_once(
    community: Community, bus: Bus, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        identities, "KNOWN_FOR", 10_000.0
    )  # what is known is known until somebody says otherwise
    room = community.people.room
    known = Identities(community.people.sessions, Tokens(room.pool))
    await bus.on_wake("people", known.forget)
    Upkeep(community.people, community.jobs, lambda: bus.wake("people"))
    await community.jobs.open()
    async with room.transaction() as connection:
        number, secret = await tokens.make(
            connection, Wanted("test", frozenset({"graph.internal"}), reads=Grant()), None
        )
    assert await known.of_token(secret) is not None
    words = [sys.executable, "-m", "rhinecloud.cli", "token", "revoke", str(number)]
    done = await asyncio.to_thread(
        subprocess.run,
        [*words, f"--database-url={database_url}"],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    while await known.of_token(secret) is not None:
        await asyncio.sleep(0.02)
