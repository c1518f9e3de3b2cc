"""What there is: discovery of entity types (CIM 009 §5.7.5, §5.7.6, §6.25)."""

from __future__ import annotations

import uuid

from rhinecloud.broker import Broker

from .exchange import Answer, Exchange, respond


async def entity_types(broker: Broker, exchange: Exchange) -> Answer:
    """GET /types: an EntityTypeList; with details=true a list of EntityType with the names of their attributes."""
    media_type = exchange.accepted()
    context = await exchange.context()
    if exchange.parameters.get("details") == "true":
        details = [
            {
                "id": iri,
                "type": "EntityType",
                "typeName": context.compact_iri(iri),
                "attributeNames": sorted(context.compact_iri(name) for name in attributes),
            }
            for iri, attributes in await broker.attributes_of_types()
        ]
        return respond(exchange, details, context, media_type)
    names = sorted(context.compact_iri(iri) for iri, _ in await broker.types())
    body = {"id": f"urn:ngsi-ld:EntityTypeList:{uuid.uuid4()}", "type": "EntityTypeList", "typeList": names}
    return respond(exchange, body, context, media_type)
