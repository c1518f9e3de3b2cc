"""Temporal provision over HTTP: CIM 009 §5.6.11 to §5.6.16 with §6.18 to §6.22."""

from __future__ import annotations

from typing import Any

import httpx


def values(*pairs: tuple[Any, str], **more: Any) -> list[dict[str, Any]]:
    return [{"type": "Property", "value": value, "observedAt": at, **more} for value, at in pairs]


def test_creating_and_updating(api: httpx.Client, new_id: str) -> None:
    document = {
        "id": new_id,
        "type": "Vehicle",
        "speed": values((80, "2020-09-01T12:05:00Z"), (120, "2020-09-01T12:03:00Z")),
    }
    made = api.post("temporal/entities", json=document)
    assert (made.status_code, made.content) == (201, b"")
    assert made.headers["location"] == f"/ngsi-ld/v1/temporal/entities/{new_id}"
    shown = api.get(f"entities/{new_id}").json()
    assert (shown["speed"]["value"], shown["speed"]["observedAt"]) == (80, "2020-09-01T12:05:00Z")

    again = api.post(
        "temporal/entities/", json={**document, "type": ["Car"], "speed": values((7, "2020-09-01T12:06:00Z"))}
    )
    assert (again.status_code, again.content) == (204, b"")
    shown = api.get(f"entities/{new_id}").json()
    assert (shown["speed"]["value"], shown["type"]) == (7, ["Vehicle", "Car"])
