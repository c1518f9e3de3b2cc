"""What is left of the changes of an entity that is erased, or of which attributes are."""

from __future__ import annotations

from typing import Any

import msgspec

from rhinecloud.broker.feed import read_change
from rhinecloud.broker.forgetting import redacted

NAME, LEVEL = "https://example.org/name", "https://example.org/level"
AT = "2026-01-01T00:00:00.000000Z"


def _change(operation: str, **more: Any) -> bytes:
    entity = {
        "id": "urn:x",
        "types": ["T"],
        "attributes": {
            NAME: [{"type": "Property", "value": "Somebody"}],
            LEVEL: [{"type": "Property", "value": 3}],
        },
        "created_at": AT,
    }
    document: dict[str, Any] = {
        "entityId": "urn:x",
        "types": ["T"],
        "operation": operation,
        "attributes": [NAME, LEVEL],
        "old": {NAME: [{"type": "Property", "value": "Nobody"}], LEVEL: [{"type": "Property", "value": 2}]},
    }
    if operation == "delete":
        document["createdAt"] = AT
    else:
        document["entity"] = entity
    return msgspec.json.encode(document | more)


def test_of_an_entity_that_is_erased_its_end_is_told_without_what_it_was() -> None:
    whole = {"urn:x": None}
    assert redacted(_change("create"), whole) is None
    assert redacted(_change("update"), whole) is None
    left = redacted(_change("delete"), whole)
    assert left is not None and b"body" not in left and b"value" not in left
    change = read_change(7, AT, left)
    assert (change.operation, change.entity_id, change.types) == ("delete", "urn:x", ("T",))
    assert change.entity is None and change.old == {} and change.created_at == AT
    assert redacted(left, whole) == left


def test_where_attributes_are_erased_the_others_are_told_as_before() -> None:
    some = {"urn:x": frozenset({NAME})}
    for operation in ("create", "update", "delete"):
        left = redacted(_change(operation), some)
        assert left is not None and b"body" not in left
        change = read_change(7, AT, left)
        assert change.operation == operation and list(change.old) == [LEVEL]
        if change.entity is not None:
            assert change.entity.attributes[LEVEL][0]["value"] == 3 and NAME not in change.entity.attributes
        assert redacted(left, some) == left
    other = _change("update", entityId="urn:y")
    assert redacted(other, {"urn:y": frozenset({"https://example.org/other"})}) == other
