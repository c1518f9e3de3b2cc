"""The raw limit of what the product keeps: state, history, places and the change to be told, in one statement.

The same rows as the product's in tables like the product's, but no rules, no gathering, no planning: the number of
each series is known beforehand, and the change is not told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .documents import TYPE, Parts, encode, lamp
from .jobs import Workload

_VALUES = """
     value AS (INSERT INTO history (series, at, value, instance)
               SELECT * FROM unnest($4::bigint[], $5::timestamptz[], $6::float8[], $7::jsonb[])),
     change AS (INSERT INTO outbox (change) SELECT * FROM unnest($8::bytea[]))
"""
_NEW = "SELECT id, ARRAY[$2], document FROM unnest($1::text[], $3::jsonb[]) AS new (id, document) ORDER BY id"

_CREATE = f"""
WITH state AS (INSERT INTO entity (id, types, document) {_NEW} RETURNING 1),
     place AS (INSERT INTO place (entity_id, area)
               SELECT id, box(point(x, y), point(x, y)) FROM unnest($1::text[], $9::float8[], $10::float8[])
               AS new (id, x, y)),
     numbers AS (INSERT INTO series (entity_id, attribute) SELECT * FROM unnest($11::text[], $12::text[])),
{_VALUES} SELECT * FROM state
"""
_UPSERT = f"""
WITH state AS (INSERT INTO entity (id, types, document) {_NEW} ON CONFLICT (id)
               DO UPDATE SET types = excluded.types, document = excluded.document, modified_at = now() RETURNING 1),
{_VALUES} SELECT * FROM state
"""
_UPDATE = f"""
WITH state AS (UPDATE entity e SET document = e.document || new.document, modified_at = now()
               FROM unnest($1::text[], $3::jsonb[]) AS new (id, document) WHERE e.id = new.id AND $2 <> ''
               RETURNING 1),
{_VALUES} SELECT * FROM state
"""
STATEMENTS: dict[Workload, str] = {
    "create": _CREATE,
    "update": _UPDATE,
    "upsert": _UPSERT,
    "batch": _UPSERT,
    "measured": _UPDATE,
}

_MEMBERS = {"id", "type"}


def parameters(workload: Workload, about: Parts, entities: int) -> tuple[Any, ...]:
    """The parameters of the workload's statement."""
    ids = [document.get("id", about.id) for document in about.documents]
    series: list[int] = []
    times: list[datetime] = []
    values: list[float | None] = []
    instances: list[str | None] = []
    names: list[tuple[str, str]] = []
    for entity_id, document in zip(ids, about.documents, strict=True):
        for name, instance in document.items():
            if name in _MEMBERS:
                continue
            names.append((entity_id, name))
            series.append(about.number * 10 + len(series))
            times.append(datetime.fromisoformat(instance.get("observedAt", "2024-01-31T17:00:00Z")))
            plain = isinstance(instance.get("value"), int | float)
            values.append(float(instance["value"]) if plain else None)
            instances.append(None if plain else encode(instance).decode())
    given: tuple[Any, ...] = (
        ids,
        TYPE,
        [encode(document).decode() for document in about.documents],
        series,
        times,
        values,
        instances,
        [
            _change(workload, about, entity_id, document, entities)
            for entity_id, document in zip(ids, about.documents, strict=True)
        ],
    )
    if workload != "create":
        return given
    places = [document["location"]["value"]["coordinates"] for document in about.documents]
    return (
        *given,
        [place[0] for place in places],
        [place[1] for place in places],
        [entity_id for entity_id, _ in names],
        [name for _, name in names],
    )


def _change(
    workload: Workload, about: Parts, entity_id: str, document: dict[str, Any], entities: int
) -> bytes:
    """A change carries the entity after it and the attributes before it."""
    change: dict[str, Any] = {"entityId": entity_id, "operation": workload, "attributes": list(document)}
    change["entity"] = {**lamp(about.number, entities), **document}
    if workload != "create":
        change["old"] = document
    return encode(change)
