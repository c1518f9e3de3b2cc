"""Provision of the temporal evolution of entities (CIM 009 §5.6.11 to §5.6.16, §6.18 to §6.22)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from rhinecloud.broker import Broker, Operation
from rhinecloud.model import (
    VALUE_MEMBER,
    BadRequestData,
    Context,
    Evolution,
    parse_evolution,
    parse_evolution_attribute,
)
from rhinecloud.model.values import check_uri

from .exchange import Answer, Exchange

_NO_CONTENT = Answer(204)
_VALUE_MEMBERS = frozenset(VALUE_MEMBER.values())


async def create_or_update(broker: Broker, exchange: Exchange) -> Answer:
    """POST /temporal/entities (§5.6.11): 201 with the Location if the evolution was made, 204 if it was known."""
    evolution = await _evolution(exchange)
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


async def delete(broker: Broker, exchange: Exchange, entity_id: str) -> Answer:
    """DELETE /temporal/entities/{id} (§5.6.16)."""
    await broker.do(Operation("delete_evolution", entity_id))
    return _NO_CONTENT


async def add_attributes(broker: Broker, exchange: Exchange, entity_id: str) -> Answer:
    """POST /temporal/entities/{id}/attrs (§5.6.12)."""
    evolution = await _evolution(exchange)
    if evolution.id not in (None, entity_id):
        raise BadRequestData("the id in the body is not the one in the path", field="/id")
    await broker.do(Operation("evolve", entity_id, evolution.types, attributes=evolution.attributes))
    return _NO_CONTENT


async def delete_attribute(broker: Broker, exchange: Exchange, entity_id: str, name: str) -> Answer:
    """DELETE /temporal/entities/{id}/attrs/{attrId} (§5.6.13)."""
    context = await exchange.context()
    dataset = exchange.parameters.get("datasetId") or None
    if dataset is not None and dataset != "@none":
        check_uri(dataset, ("datasetId",))
    await broker.do(
        Operation(
            "delete_evolution_attribute",
            entity_id,
            attribute=context.expand_name(name),
            dataset=None if dataset == "@none" else dataset,
            all_instances=exchange.flag("deleteAll"),
        )
    )
    return _NO_CONTENT


async def modify_instance(
    broker: Broker, exchange: Exchange, entity_id: str, name: str, instance_id: str
) -> Answer:
    """PATCH /temporal/entities/{id}/attrs/{attrId}/{instanceId} (§5.6.14)."""
    document: Any = exchange.document()
    context = await exchange.context_of(document)
    iri, instances = parse_evolution_attribute(name, _of_attribute(name, document, context), context)
    if len(instances) != 1:
        raise BadRequestData("one instance replaces one instance of an attribute")
    await broker.do(
        Operation(
            "modify_instance", entity_id, attributes={iri: instances}, attribute=iri, instance=instance_id
        )
    )
    return _NO_CONTENT


async def delete_instance(
    broker: Broker, exchange: Exchange, entity_id: str, name: str, instance_id: str
) -> Answer:
    """DELETE /temporal/entities/{id}/attrs/{attrId}/{instanceId} (§5.6.15)."""
    context = await exchange.context()
    await broker.do(
        Operation("delete_instance", entity_id, attribute=context.expand_name(name), instance=instance_id)
    )
    return _NO_CONTENT


async def _evolution(exchange: Exchange) -> Evolution:
    document: Any = exchange.document()
    context = await exchange.context_of(document)
    return parse_evolution(document, context)


def _of_attribute(name: str, document: Any, context: Context) -> Any:
    """What a fragment of an entity says of one attribute (§5.6.14.3); an instance may be told by itself as well."""
    if not isinstance(document, dict) or not _VALUE_MEMBERS.isdisjoint(document):
        return document
    iri = context.expand_name(name)
    told = [key for key in document if context.expand_term(key) == iri]
    return document[told[0]] if told else document
