"""Whose data these are: found by their address, given to them, erased, with what follows from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from rhinecloud.apps.participation import app
from rhinecloud.apps.participation.joining.manifest import HOLDINGS
from rhinecloud.people import holdings
from rhinecloud.people.register import Person, Table

from .conftest import Hall
from .test_coming_in import Phone

ADA = Person(mails=("Ada@example.org",))


@pytest_asyncio.fixture
async def reach(office: Hall) -> AsyncIterator[Any]:
    pool = await asyncpg.create_pool(
        office.server.database_url,
        min_size=1,
        max_size=1,
        server_settings={"search_path": "app_participation"},
    )
    nothing: Any = None
    yield holdings.Reach({"app_participation": pool}, nothing, nothing, nothing)
    await pool.close()


async def test_somebody_is_found_and_erased_and_their_code_ends(office: Hall, reach: Any) -> None:
    event = await office.event("seat", invited=2)
    await office.rows.execute(
        "UPDATE invitation SET name = 'Ada', mail = 'ADA@example.org', organisation = 'Verein'"
        " WHERE event = $1 AND number = 1",
        event.number,
    )
    async with Phone(office) as phone:
        await phone.get(event.join(1))
        assert (await phone.vote(event)).json()["received"] is True
        found = [await holdings.rows(reach, "app_participation", table, ADA) for table in HOLDINGS]
        assert [len(rows) for rows in found] == [1, 1]
        assert found[1][0]["name"] == "Ada" and found[0][0]["invitation"] == 1
        for again in (1, 0):  # a second time there is nothing left to do
            done = [await holdings.erase(reach, "app_participation", table, ADA) for table in HOLDINGS]
            assert done == [again, again]
        row = await office.rows.fetchrow(
            "SELECT * FROM invitation WHERE event = $1 AND number = 1", event.number
        )
        assert (row["name"], row["mail"], row["organisation"], row["revoked"]) == (None, None, None, True)
        assert (await phone.vote(event, 2)).status_code in (403, 409, 410)
    assert (
        await office.rows.fetchval("SELECT invitation FROM participant WHERE event = $1", event.number)
        is None
    )


def test_what_is_found_by_an_invitation_is_erased_before_it() -> None:
    names = [table.name for table in app.personal_data.tables]
    by_invitation = [
        table.name
        for table in app.personal_data.tables
        if isinstance(table, Table) and "invitation" in table.found.get("mail", "")
    ]
    assert by_invitation and all(names.index(name) < names.index("invitation") for name in by_invitation)
    # Who takes part stands between their votes and their invitation.
    others = [name for name in by_invitation if name != "participant"]
    assert all(names.index(name) < names.index("participant") for name in others)
