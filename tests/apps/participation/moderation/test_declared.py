"""Whose data moderation keeps: every column declared, found by account and address, erased; what others need stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from rhinecloud.apps.participation import app
from rhinecloud.apps.participation.moderation import manifest
from rhinecloud.people import holdings
from rhinecloud.people.declared import columns_of
from rhinecloud.people.register import Person, undeclared
from tests.conftest import Server

SCHEMA = "app_participation"
TABLES = {table.name: table for table in (*manifest.HOLDINGS, *manifest.CONSENTED)}


@pytest_asyncio.fixture(scope="module")
async def pool(server: Server) -> AsyncIterator[asyncpg.Pool]:
    found = await asyncpg.create_pool(
        server.database_url, min_size=1, max_size=1, server_settings={"search_path": f"{SCHEMA},public"}
    )
    yield found
    await found.close()


async def test_every_column_is_declared(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        there = [one for one in await columns_of(connection, SCHEMA) if one[0] in TABLES]
    assert {table for table, _ in there} == set(TABLES)
    found = undeclared(there, [app.personal_data])
    assert not [one for one in found if one.split(".")[0] in TABLES]


async def test_somebody_is_found_and_erased_and_what_others_need_stays(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO report (subject, reason, text, reported_by, mail, reported_at) VALUES "
        "('proposal:1', 'other', 'mine', 'person:7', NULL, now()), "
        "('proposal:1', 'other', 'mine too', NULL, 'Me@example.org', now()), "
        "('proposal:1', 'other', 'of others', 'person:77', 'you@example.org', now())"
    )
    number = await pool.fetchval(
        "INSERT INTO hiding (subject, reason, text, hidden_at, author, appeal_key, appeal, appealed_at) "
        "VALUES ('proposal:1', 'insult', 'So nicht', now(), 'person:7', $1, 'But I', now()) RETURNING number",
        b"k" * 32,
    )
    await pool.execute("INSERT INTO hider (hiding, actor) VALUES ($1, 'person:7')", number)
    await pool.execute(
        "INSERT INTO digest (account, mail, language, every, theme_groups, address, key, asked_at, consented_at, "
        "told_until) VALUES ('person:7', NULL, 'de', 'day', '{1}', '', $1, now(), now(), now()), "
        "(NULL, 'ME@example.org', 'de', 'day', '{1}', '', $1, now(), NULL, now()), "
        "(NULL, 'you@example.org', 'de', 'day', '{1}', '', $1, now(), now(), now())",
        b"k" * 16,
    )
    nothing: Any = None
    reach = holdings.Reach({SCHEMA: pool}, nothing, nothing, nothing)
    me = Person(account=7, mails=("me@example.org",))
    found = {name: len(await holdings.rows(reach, SCHEMA, table, me)) for name, table in TABLES.items()}
    assert found == {"report": 2, "hiding": 1, "hider": 1, "digest": 2}
    shown = await holdings.rows(reach, SCHEMA, TABLES["digest"], me)
    assert not any("key" in row for row in shown)

    for again in (False, True):  # a second time there is nothing left to do
        done = {name: await holdings.erase(reach, SCHEMA, table, me) for name, table in TABLES.items()}
        expected = {"report": 2, "hiding": 1, "digest": 2} if not again else dict.fromkeys(done, 0)
        assert {name: count for name, count in done.items() if name != "hider"} == {
            name: expected[name] for name in done if name != "hider"
        }
    assert [row["text"] for row in await pool.fetch("SELECT text FROM report ORDER BY number")] == [
        "", "", "of others",
    ]  # fmt: skip
    hiding = await pool.fetchrow("SELECT text, author, appeal FROM hiding WHERE number = $1", number)
    assert tuple(hiding) == ("So nicht", None, None)
    assert [row["mail"] for row in await pool.fetch("SELECT mail FROM digest")] == ["you@example.org"]
    assert await pool.fetchval("SELECT actor FROM hider WHERE hiding = $1", number) == "person:7"


async def test_what_is_over_goes(pool: asyncpg.Pool) -> None:
    for name, since in (("report", "decided_at"), ("hiding", "restored_at")):
        assert TABLES[name].retention.since == since and TABLES[name].retention.days > 0
    statement = (
        f"SELECT {TABLES['digest'].retention.since} IS NULL FROM digest WHERE consented_at IS NOT NULL"
    )
    assert await pool.fetchval(statement) is True  # who agreed is kept until they end it
