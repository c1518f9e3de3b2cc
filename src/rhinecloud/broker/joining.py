"""Reading the entities that Relationships lead to (CIM 009 §4.5.23)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from rhinecloud.model import Entity
from rhinecloud.model.linked import Join, missing
from rhinecloud.model.projection import Projection
from rhinecloud.model.sight import Sight
from rhinecloud.store import Database, entities
from rhinecloud.store.entities import to_entity

_PORTION = 500


async def linked(
    database: Database, linking: Iterable[Entity], projection: Projection, join: Join, sight: Sight
) -> dict[str, Entity | None]:
    """All entities that the join leads to from these, and these themselves; None for those that are not there
    or not seen.

    One statement a level. Raises TooManyResults for more than an answer can hold.
    """
    start = list(linking)
    known: dict[str, Entity | None] = {entity.id: entity for entity in start}
    while ids := sorted(missing(start, projection, join, known)):
        for begin in range(0, len(ids), _PORTION):
            portion = ids[begin : begin + _PORTION]
            found = await entities.read(database.queries, portion)
            known |= {one: sight.of(to_entity(found[one])) if one in found else None for one in portion}
            await asyncio.sleep(0)
    return known
