"""Personal data of places: declared, found, erased; and nobody waits for a place that an erasure left free."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from rhinecloud.apps.participation import app
from rhinecloud.apps.participation.choosing import manifest
from rhinecloud.people.declared import columns_of
from rhinecloud.people.holdings import condition
from rhinecloud.people.register import Person, undeclared

from ..conftest import Organiser, filled
from .conftest import Vote, Voting

(PLACEMENT,) = manifest.HOLDINGS
SCHEMA = "app_participation"


@pytest_asyncio.fixture
async def connection(organiser: Organiser) -> AsyncIterator[asyncpg.Connection]:
    found = await asyncpg.connect(
        organiser.server.database_url, server_settings={"search_path": f"{SCHEMA},public"}
    )
    yield found
    await found.close()


async def test_every_column_is_declared(connection: asyncpg.Connection) -> None:
    own = {PLACEMENT.name, *manifest.IMPERSONAL}
    there = [one for one in await columns_of(connection, SCHEMA) if one[0] in own]
    assert {table for table, _ in there} == own
    found = undeclared(there, [app.personal_data])
    assert not [one for one in found if one.split(".")[0] in own]


async def test_an_erasure_leaves_no_place_empty(voting: Voting, connection: asyncpg.Connection) -> None:
    vote = voting(people=20, capacity=1)
    mail = f"guest-{vote.event}@example.org"
    publish(vote)
    placed = next(one for one in vote.wishes if vote.own(one.participant).get("rank") == 1)
    await connection.execute(
        "INSERT INTO invitation (event, number, mail) VALUES ($1, 7, $2)", vote.event, mail
    )
    await connection.execute(
        "UPDATE participant SET invitation = 7 WHERE event = $1 AND id = $2", vote.event, placed.participant
    )
    where, values = condition(PLACEMENT, Person(mails=(mail.upper(),)))
    rows = await connection.fetch(f"SELECT ticket FROM placement WHERE {where}", *values)
    assert [row["ticket"] for row in rows] == [placed.ticket]
    since = f"SELECT {PLACEMENT.retention.since} FROM placement WHERE poll = $1 LIMIT 1"
    assert await connection.fetchval(since, vote.poll) is None  # the event goes on

    await connection.execute(f"DELETE FROM placement WHERE {where}", *values)
    form = filled(vote.organiser.client.get(f"/participation/polls/{vote.poll}").text)
    vote.organiser.post(f"/polls/{vote.poll}", **form)  # the hourly job does the same
    option = placed.wishes[0]
    inside = "SELECT count(*) FROM placement WHERE poll = $1 AND wishes[rank] = $2"
    assert await connection.fetchval(inside, vote.poll, option) == 1

    vote.organiser.end(vote.event)
    assert await connection.fetchval(since, vote.poll) is not None


def publish(vote: Vote) -> None:
    vote.organiser.close(vote.event, vote.poll)
    assert vote.act("word", word="Rhein").status_code == 303
    assert vote.act("publish", way="lot").status_code == 303
