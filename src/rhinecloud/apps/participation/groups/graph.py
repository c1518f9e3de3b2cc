"""Groups as entities of the graph: how many belong to them, and nobody's name."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from rhinecloud.city import City, Transaction

from .model import entity_of

_NOW: Final = """
SELECT g.name, g.title, g.lead, g.state, g.told,
       (SELECT count(*) FROM member m WHERE m.theme_group = g.number AND m.state = 'member') AS members,
       (SELECT min(starts_at) FROM meeting t WHERE t.theme_group = g.number AND NOT t.cancelled AND t.starts_at > $2)
           AS meets
FROM theme_group g WHERE g.number = $1 FOR NO KEY UPDATE OF g
"""


async def settle(transaction: Transaction, number: int, now: datetime) -> None:
    """Make the graph tell of a group what is so in this transaction, where that differs from what it told last."""
    row = await transaction.connection.fetchrow(_NOW, number, now)
    if row is None:
        return
    made = document(row)
    told = msgspec.json.encode(made).decode()
    if told == row["told"]:
        return
    await transaction.upsert(made)
    await transaction.connection.execute("UPDATE theme_group SET told = $2 WHERE number = $1", number, told)


async def settle_all(city: City) -> None:
    """All groups: meetings pass, and members are forgotten, without anybody doing anything."""
    for row in await city.db.pool.fetch("SELECT number FROM theme_group ORDER BY number"):
        async with city.transaction() as transaction:
            await settle(transaction, row["number"], city.clock.now())


def document(row: Any) -> dict[str, Any]:
    """A group as an entity. Pure."""
    made = {
        "id": entity_of(row["name"]),
        "type": "ThemeGroup",
        "title": {"type": "Property", "value": row["title"]},
        "state": {"type": "Property", "value": row["state"]},
        "memberCount": {"type": "Property", "value": row["members"]},
    }
    if row["lead"]:
        made["lead"] = {"type": "Property", "value": row["lead"]}
    if row["meets"] is not None:
        at = row["meets"].strftime("%Y-%m-%dT%H:%M:%SZ")
        made["nextMeeting"] = {"type": "Property", "value": {"@type": "DateTime", "@value": at}}
    return made
