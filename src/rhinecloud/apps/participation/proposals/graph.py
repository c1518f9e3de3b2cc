"""Proposals as entities of the graph: what everybody may read of them, and no persons."""

from __future__ import annotations

from typing import Any, Final

from rhinecloud.city import City, Transaction

from ..groups.model import entity_of as group_entity
from .life import State

TYPE: Final = "Proposal"

_NOW: Final = """
SELECT p.*, g.name AS group_name, g.title AS group_title,
       (SELECT count(*) FROM proposal_support s WHERE s.proposal = p.number) AS supporters,
       EXISTS (SELECT FROM hiding h WHERE h.subject = 'proposal:' || p.number AND h.restored_at IS NULL) AS hidden
FROM proposal p LEFT JOIN theme_group g ON g.number = p.theme_group WHERE p.number = $1
"""


def entity_of(number: int) -> str:
    """The id of the entity of a proposal."""
    return f"urn:ngsi-ld:Proposal:{number}"


async def settle(city: City, transaction: Transaction, number: int) -> None:
    """Make the graph tell of a proposal, as it is in this transaction, what everybody may read: nothing while it is
    hidden."""
    row = await transaction.connection.fetchrow(_NOW, number)
    if row is None or row["hidden"]:
        await transaction.delete(entity_of(number))
    else:
        await transaction.upsert(document(row))


async def changed(city: City, transaction: Transaction, number: int, hidden: bool) -> None:
    """Moderation hid a proposal, or shows it again."""
    await settle(city, transaction, number)


def document(row: Any) -> dict[str, Any]:
    """A proposal as an entity. Pure."""
    found: dict[str, Any] = {
        "id": entity_of(row["number"]),
        "type": TYPE,
        "title": _property(row["title"]),
        "text": _property(row["text"]),
        "state": _property(State(row["state"]).value),
        "supporters": _property(row["supporters"]),
        "promised": _property({"@type": "DateTime", "@value": _instant(row["promised_at"])}),
    }
    if row["group_name"] is not None:
        found["group"] = {"type": "Relationship", "object": group_entity(row["group_name"])}
        found["groupTitle"] = _property(row["group_title"])
    if row["lon"] is not None:
        point = {"type": "Point", "coordinates": [row["lon"], row["lat"]]}
        found["location"] = {"type": "GeoProperty", "value": point}
    if row["links"]:
        found["about"] = {"type": "Relationship", "object": list(row["links"])}
    if row["merged_into"] is not None:
        found["mergedInto"] = {"type": "Relationship", "object": entity_of(row["merged_into"])}
    return found


def _property(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _instant(at: Any) -> str:
    return str(at.isoformat().replace("+00:00", "Z"))
