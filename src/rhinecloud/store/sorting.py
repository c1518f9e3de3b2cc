"""The order of an answer as SQL, where an index or a ranking has it (CIM 009 §4.23)."""

from __future__ import annotations

import msgspec

from rhinecloud.model import OrderKey

from .rankings import MODIFIED_AT, Rankings
from .seeing import Seen


class Order(msgspec.Struct, frozen=True):
    """What `entity e` is joined with, and ordered by. `partial`: only numbers have a place in it, all else, which
    comes after them whatever the direction, is not there."""

    by: str
    join: str = ""
    partial: bool = False


async def order(keys: tuple[OrderKey, ...], rankings: Rankings | None, seen: Seen) -> Order | None:
    """The order by these keys, or None where only the plain reading of the model has it. By what is not seen nothing is
    ordered."""
    if not keys:
        return Order("e.id")
    if len(keys) > 1 or keys[0].origin is not None:
        return None
    (key,) = keys
    way = "DESC" if key.descending else "ASC"
    path = key.path
    if path.attribute == "id":
        return Order(f"e.id {way}")
    if path.attribute == "createdAt":
        return Order(f"e.created_at {way}, e.id")
    if ":" in path.attribute and not seen.gives(path.attribute):
        return Order("e.id")
    if path.sub_path or path.json_path or (":" not in path.attribute and path != MODIFIED_AT):
        return None
    number = None if rankings is None else await rankings.number(path)
    if number is not None:
        visible = seen.attribute(path.attribute)
        return Order(
            f"r.number {way}, r.entity_id",
            f"JOIN ranked r ON r.entity_id = e.id AND r.ranking = {number} AND r.standing AND r.number IS NOT NULL"
            + (f" AND {visible}" if visible is not None else ""),
            partial=path != MODIFIED_AT,
        )
    return Order(f"e.modified_at {way}, e.id") if path == MODIFIED_AT else None
