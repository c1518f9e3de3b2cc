"""The queue of notifications: who takes what from it at the same time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from rhinecloud.store import Database, subscriptions
from rhinecloud.store.subscriptions import Outcome

NAP = "CROSS JOIN (SELECT pg_sleep(0.3)) AS nap"


@pytest.mark.parametrize("who", ["settles", "skips"])
async def test_deleted_while_it_is_told(
    database: Database, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither waits for the other for ever: PostgreSQL would end one of them."""
    async with database.transaction() as connection:
        await subscriptions.insert(connection, {"id": "urn:x:s"}, None, 1, "open")
        number = await connection.fetchval("SELECT number FROM subscription")
        await connection.execute(
            "INSERT INTO notification (subscription, change_id, entity_id) SELECT $1, n, 'urn:x:e' "
            "FROM generate_series(1, 100) AS n",
            number,
        )
    # A moment between taking from the queue and counting, in which the deletion begins.
    monkeypatch.setattr(
        subscriptions, "_COUNT", subscriptions._COUNT.replace("\nWHERE s.", f" {NAP}\nWHERE s.")
    )

    async def tell() -> None:
        if who == "skips":
            await subscriptions.skip(database.pool, number, range(1, 60), "refused")
            return
        async with database.transaction() as connection:
            outcome = Outcome(number, datetime.now(UTC), tuple(range(1, 60)), None)
            await subscriptions.settle(connection, [outcome])

    async def delete() -> bool:
        await asyncio.sleep(0.1)
        async with database.transaction() as connection:
            return await subscriptions.delete(connection, "urn:x:s")

    async with asyncio.timeout(20):
        _, deleted = await asyncio.gather(tell(), delete())
    assert deleted
    assert await subscriptions.waiting(database.pool, number) == 0
    assert await subscriptions.count(database.pool) == 0
