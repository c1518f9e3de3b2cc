"""Short ways to say operations and to look at what became of them."""

from __future__ import annotations

from typing import Any

import msgspec

from rhinecloud.broker import Broker, Operation, Verdict
from rhinecloud.model import CORE, parse_attribute, parse_entity, parse_fragment, render
from rhinecloud.model.sight import EVERYTHING

LAMP = "urn:ngsi-ld:Lamp:1"
SCOPE = "https://uri.etsi.org/ngsi-ld/scope"


def iri(name: str) -> str:
    return CORE.expand_name(name)


def whole(
    kind: Any, entity_id: str = LAMP, *, delivery: str | None = None, options: Any = None, **members: Any
) -> Operation:
    """An operation that carries an entity; its type is Lamp unless told."""
    document = {"id": entity_id, "type": "Lamp", **members}
    return Operation.of(kind, parse_entity(document, CORE), delivery=delivery, **(options or {}))


def part(kind: Any, entity_id: str = LAMP, *, options: Any = None, **members: Any) -> Operation:
    """An operation that carries a fragment."""
    fragment = parse_fragment(members, CORE, nulls=True, partial=kind == "merge")
    return Operation(kind, entity_id, fragment.types, fragment.scopes, fragment.attributes, **(options or {}))


def attribute(kind: Any, name: str, document: Any = None, *, options: Any = None) -> Operation:
    """An operation on one attribute of the lamp."""
    if document is None:
        return Operation(kind, LAMP, attribute=iri(name), **(options or {}))
    full, instances = parse_attribute(name, document, CORE, nulls=True, partial=True)
    return Operation(
        kind, LAMP, attributes={full: instances}, attribute=full, dataset=instances[0].get("datasetId")
    )


def measured(
    value: Any, at: str, *, name: str = "power", entity_id: str = LAMP, delivery: str | None = None
) -> Operation:
    return whole("measure", entity_id, delivery=delivery, **{name: {"value": value, "observedAt": at}})


async def one(broker: Broker, operation: Operation) -> Verdict:
    (verdict,) = await broker.apply([operation])
    return verdict


async def shown(broker: Broker, entity_id: str = LAMP, *, format: Any = "concise") -> dict[str, Any]:
    """The entity as a document, without id."""
    document = render(await broker.retrieve(entity_id, sight=EVERYTHING), CORE, format=format)
    document.pop("id")
    return document


async def values(broker: Broker, name: str = "power", entity_id: str = LAMP, **options: Any) -> list[Any]:
    return (await broker.history(entity_id, iri(name), **options, sight=EVERYTHING)).values


async def told(broker: Broker) -> list[dict[str, Any]]:
    """Everything in the outbox, oldest first."""
    return [
        msgspec.json.decode(record[0])
        for record in await broker.database.pool.fetch("SELECT change FROM outbox ORDER BY id")
    ]


async def counts(broker: Broker) -> tuple[int, ...]:
    """Rows of state, places, history, outbox, deliveries."""
    tables = ("entity", "place", "history", "outbox", "delivery")
    return tuple([await broker.database.pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables])
