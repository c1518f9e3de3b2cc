"""Who wrote what is forgotten two years after a proposal is closed; the texts stay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from rhinecloud.app import Attempt
from rhinecloud.city import City

_AFTER: Final = timedelta(days=730)
_CLOSED: Final = """
SELECT p.number FROM proposal p WHERE p.state IN ('declined', 'merged', 'done')
AND (SELECT max(s.at) FROM proposal_step s WHERE s.proposal = p.number) < $1
"""


async def forget(city: City, payload: None, attempt: Attempt) -> None:
    """The daily job."""
    async with city.db.transaction() as connection:
        for statement, values in statements(city.clock.now()):
            await connection.execute(statement, *values)


def statements(now: datetime) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """What it does."""
    before = now - _AFTER
    yield (
        "UPDATE proposal_author SET actor = NULL, name = '', named = false, mail = NULL "
        f"WHERE proposal IN ({_CLOSED}) AND (actor IS NOT NULL OR mail IS NOT NULL OR name <> '')",
        (before,),
    )
    for table in ("comment", "amendment"):
        yield (
            f"UPDATE {table} SET actor = NULL, name = '' "
            f"WHERE proposal IN ({_CLOSED}) AND (actor IS NOT NULL OR name <> '')",
            (before,),
        )
