"""What becomes of orders that were closed long ago."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from rhinecloud.app import Attempt
from rhinecloud.city import City

YEARS: Final = 3  # the usual limitation of claims (§ 195 BGB)


async def expire(city: City, payload: None, attempt: Attempt) -> None:
    """Delete orders that were closed more than three years ago, with their notes and photographs."""
    before = city.clock.now() - timedelta(days=365 * YEARS)
    while True:
        async with city.transaction() as transaction:
            rows = await transaction.connection.fetch(
                "SELECT number FROM work_order WHERE closed_at < $1 ORDER BY number LIMIT 200 FOR UPDATE",
                before,
            )
            for row in rows:
                for file in await city.files.of(f"work-order:{row['number']}"):
                    await city.files.remove(transaction, file.id, at_once=True)
            await transaction.connection.execute(
                "DELETE FROM work_order WHERE number = ANY($1)", [row["number"] for row in rows]
            )
        if not rows:
            return
