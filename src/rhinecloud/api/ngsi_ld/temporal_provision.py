"""Provision of the temporal evolution of entities (CIM 009 §5.6.11 to §5.6.16, §6.18 to §6.22)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from rhinecloud.broker import Broker, Operation
from rhinecloud.model import BadRequestData, Context, Evolution, parse_evolution

from .exchange import Answer, Exchange

_NO_CONTENT = Answer(204)


async def create_or_update(broker: Broker, exchange: Exchange) -> Answer:
    """POST /temporal/entities (§5.6.11): 201 with the Location if the evolution was made, 204 if it was known."""
    evolution, _ = await _evolution(exchange)
    if evolution.id is None:
        raise BadRequestData("the entity has no id", field="/id")
    applied = await broker.do(
        Operation(
            "evolve", evolution.id, evolution.types, attributes=evolution.attributes, create_missing=True
        )
    )
    if not applied.created:
        return _NO_CONTENT
    location = f"/ngsi-ld/v1/temporal/entities/{quote(evolution.id, safe=':')}"
    return Answer(201, None, ((b"location", location.encode()),))


async def add_attributes(broker: Broker, exchange: Exchange, entity_id: str) -> Answer:
    """POST /temporal/entities/{id}/attrs (§5.6.12)."""
    evolution, _ = await _evolution(exchange)
    if evolution.id not in (None, entity_id):
        raise BadRequestData("the id in the body is not the one in the path", field="/id")
    await broker.do(Operation("evolve", entity_id, evolution.types, attributes=evolution.attributes))
    return _NO_CONTENT


async def _evolution(exchange: Exchange) -> tuple[Evolution, Context]:
    document: Any = exchange.document()
    context = await exchange.context_of(document)
    return parse_evolution(document, context), context
