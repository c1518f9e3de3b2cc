"""What there is: discovery of types and attributes (CIM 009 §5.7.5 to §5.7.10, §6.25 to §6.28)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from rhinecloud.broker import Broker
from rhinecloud.model import BadRequestData, Context, ResourceNotFound

from .exchange import Answer, Exchange, respond


async def entity_types(broker: Broker, exchange: Exchange) -> Answer:
    """GET /types: an EntityTypeList; with details=true a list of EntityType, with the names of their attributes."""
    media_type = exchange.accepted()
    context = await exchange.context()
    if not exchange.flag("details"):
        found = await broker.types(sight=exchange.sight)
        body = _list("EntityTypeList", "typeList", (iri for iri, _ in found), context)
        return respond(exchange, body, context, media_type)
    details = [
        {
            "id": iri,
            "type": "EntityType",
            "typeName": context.compact_iri(iri),
            "attributeNames": _names(attributes, context),
        }
        for iri, attributes in await broker.attributes_of_types(sight=exchange.sight)
    ]
    return respond(exchange, details, context, media_type)


async def entity_type(broker: Broker, exchange: Exchange, name: str) -> Answer:
    """GET /types/{type}: an EntityTypeInfo (§5.2.26). Raises ResourceNotFound."""
    media_type = exchange.accepted()
    context = await exchange.context()
    iri = _expanded(name, context)
    found = await broker.type_info(iri, sight=exchange.sight)
    if found is None:
        raise ResourceNotFound(f"there is no entity of the type {name}")
    details = [
        {
            "id": attribute,
            "type": "Attribute",
            "attributeName": context.compact_iri(attribute),
            "attributeTypes": kinds,
        }
        for attribute, kinds in found.kinds.items()
    ]
    body = {
        "id": iri,
        "type": "EntityTypeInfo",
        "typeName": context.compact_iri(iri),
        "entityCount": found.count,
        "attributeDetails": details,
    }
    return respond(exchange, body, context, media_type)


async def attributes(broker: Broker, exchange: Exchange) -> Answer:
    """GET /attributes: an AttributeList; with details=true a list of Attribute, with the types that have them."""
    media_type = exchange.accepted()
    context = await exchange.context()
    found = await broker.types_of_attributes(sight=exchange.sight)
    if not exchange.flag("details"):
        body = _list("AttributeList", "attributeList", (iri for iri, _ in found), context)
        return respond(exchange, body, context, media_type)
    details = [
        {
            "id": iri,
            "type": "Attribute",
            "attributeName": context.compact_iri(iri),
            "typeNames": _names(types, context),
        }
        for iri, types in found
    ]
    return respond(exchange, details, context, media_type)


async def attribute(broker: Broker, exchange: Exchange, name: str) -> Answer:
    """GET /attributes/{attrId}: an Attribute (§5.2.28). Raises ResourceNotFound."""
    media_type = exchange.accepted()
    context = await exchange.context()
    iri = _expanded(name, context)
    found = await broker.attribute_info(iri, sight=exchange.sight)
    if found is None:
        raise ResourceNotFound(f"no entity has the attribute {name}")
    body = {
        "id": iri,
        "type": "Attribute",
        "attributeName": context.compact_iri(iri),
        "attributeCount": found.count,
        "attributeTypes": found.kinds,
        "typeNames": _names(found.types, context),
    }
    return respond(exchange, body, context, media_type)


def _expanded(name: str, context: Context) -> str:
    iri = context.expand_name(name)
    if iri[0] == "@":
        raise BadRequestData(f"{name!r} is neither a type nor an attribute")
    return iri


def _names(iris: Iterable[str], context: Context) -> list[str]:
    return sorted(map(context.compact_iri, iris))


def _list(kind: str, member: str, iris: Iterable[str], context: Context) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:{kind}:{uuid.uuid4()}", "type": kind, member: _names(iris, context)}
