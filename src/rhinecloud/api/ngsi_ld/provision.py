"""Provision of entities and attributes (CIM 009 §5.6.1 to §5.6.6, §5.6.17 to §5.6.21, §6.4 to §6.7)."""

from __future__ import annotations

from copy import copy
from typing import Any
from urllib.parse import quote

from rhinecloud.broker import Applied, Broker, Kind, Merging, Operation
from rhinecloud.model import (
    BadRequestData,
    Context,
    Fragment,
    TypeSelection,
    parse_attribute,
    parse_entity,
    parse_fragment,
    parse_type_selection,
)
from rhinecloud.model.core_context import TERMS
from rhinecloud.model.projection import ENTITY_PARTS
from rhinecloud.model.simplified import parse_simplified
from rhinecloud.model.values import check_language, check_time, check_uri

from .asking import Showing, parse_query
from .exchange import JSON, Answer, Exchange

_NO_CONTENT = Answer(204)


async def create_entity(broker: Broker, exchange: Exchange) -> Answer:
    """POST /entities (§5.6.1)."""
    document = _object(exchange)
    context = await exchange.context_of(document)
    entity = parse_entity(document, context)
    await broker.do(Operation.of("create", entity))
    return Answer(201, None, ((b"location", f"/ngsi-ld/v1/entities/{quote(entity.id, safe=':')}".encode()),))


async def replace_entity(broker: Broker, exchange: Exchange, entity_id: str) -> Answer:
    """PUT /entities/{id} (§5.6.18)."""
    document, context = await _fragment(exchange, entity_id)
    fragment = parse_fragment(document, context, nulls=False)
    await broker.do(_operation("replace", entity_id, fragment, only=_only(exchange, context)))
    return _NO_CONTENT


async def merge_entity(broker: Broker, exchange: Exchange, entity_id: str) -> Answer:
    """PATCH /entities/{id} (§5.6.17)."""
    document, context = await _fragment(exchange, entity_id)
    given = exchange.parameters
    merging = Merging(
        simplified=bool(given.get("format")) or bool(exchange.list_of("options")),
        lang=check_language(given["lang"], ("lang",)) if "lang" in given else None,
        observed_at=check_time(given["observedAt"], ("observedAt",)) if "observedAt" in given else None,
    )
    if merging.simplified:
        fragment = parse_simplified(document, context)
    else:
        fragment = parse_fragment(document, context, nulls=True, partial=True)
    only = _only(exchange, context)
    await broker.do(_operation("merge", entity_id, fragment, only=only, merging=merging))
    return _NO_CONTENT


async def delete_entity(broker: Broker, exchange: Exchange, entity_id: str) -> Answer:
    """DELETE /entities/{id} (§5.6.6)."""
    context = await exchange.context()
    await broker.do(Operation("delete", entity_id, only=_only(exchange, context)))
    return _NO_CONTENT


async def no_entity_id(broker: Broker, exchange: Exchange) -> Answer:
    """PATCH and PUT /entities/: the id is missing (§5.6.17.4, §5.6.18.4)."""
    raise BadRequestData("the path names no entity: /entities/{id}", field="/id")


async def purge_entities(broker: Broker, exchange: Exchange) -> Answer:
    """DELETE /entities (§5.6.21): all entities that match, or with `drop` these attributes of theirs, or with `keep`
    all but these. Entities that have none of the attributes named are left as they are."""
    context = await exchange.context()
    named = [name for name in ("keep", "drop") if name in exchange.parameters]
    if len(named) > 1:
        raise BadRequestData("keep and drop do not go together", field="keep")
    asked = copy(exchange)
    if named:
        parts = ENTITY_PARTS.intersection(exchange.list_of(named[0]))
        if parts or not exchange.list_of(named[0]):
            raise BadRequestData(f"{named[0]} is a list of names of attributes", field=named[0])
        asked.parameters = {**exchange.parameters, "attrs": exchange.parameters[named[0]]}
    query = parse_query(asked, context, Showing(asked, context, JSON))
    attributes = frozenset(query.attrs) if named else None
    await broker.purge(query, attributes, keep="keep" in named, sight=exchange.sight)
    return _NO_CONTENT


async def append_attributes(broker: Broker, exchange: Exchange, entity_id: str) -> Answer:
    """POST /entities/{id}/attrs (§5.6.3)."""
    document, context = await _fragment(exchange, entity_id)
    fragment = parse_fragment(document, context, nulls=False)
    applied = await broker.do(
        _operation(
            "append",
            entity_id,
            fragment,
            only=_only(exchange, context),
            overwrite=not exchange.flag("noOverwrite"),
        )
    )
    return _update_result(applied)


async def update_attributes(broker: Broker, exchange: Exchange, entity_id: str) -> Answer:
    """PATCH /entities/{id}/attrs (§5.6.2)."""
    document, context = await _fragment(exchange, entity_id)
    fragment = parse_fragment(document, context, nulls=True)
    applied = await broker.do(_operation("update", entity_id, fragment, only=_only(exchange, context)))
    return _update_result(applied)


async def update_attribute(broker: Broker, exchange: Exchange, entity_id: str, name: str) -> Answer:
    """PATCH /entities/{id}/attrs/{attrId} (§5.6.4)."""
    document = _object(exchange)
    context = await exchange.context_of(document)
    _not_scope(context.expand_name(name))
    iri, instances = parse_attribute(name, document, context, nulls=True, partial=True)
    await broker.do(
        Operation(
            "partial_update",
            entity_id,
            attributes={iri: instances},
            attribute=iri,
            dataset=instances[0].get("datasetId"),
            only=_only(exchange, context),
        )
    )
    return _NO_CONTENT


async def replace_attribute(broker: Broker, exchange: Exchange, entity_id: str, name: str) -> Answer:
    """PUT /entities/{id}/attrs/{attrId} (§5.6.19)."""
    document = _object(exchange)
    context = await exchange.context_of(document)
    _not_scope(context.expand_name(name))
    iri, instances = parse_attribute(name, document, context)
    if len(instances) != 1:
        raise BadRequestData("one instance replaces one instance of an attribute")
    only = _only(exchange, context)
    await broker.do(
        Operation("replace_attribute", entity_id, attributes={iri: instances}, attribute=iri, only=only)
    )
    return _NO_CONTENT


async def delete_attribute(broker: Broker, exchange: Exchange, entity_id: str, name: str) -> Answer:
    """DELETE /entities/{id}/attrs/{attrId} (§5.6.5)."""
    context = await exchange.context()
    dataset = exchange.parameters.get("datasetId", "@none")
    await broker.do(
        Operation(
            "delete_attribute",
            entity_id,
            attribute=context.expand_name(name),
            dataset=None if dataset == "@none" else check_uri(dataset, ("datasetId",)),
            all_instances=exchange.flag("deleteAll"),
            only=_only(exchange, context),
        )
    )
    return _NO_CONTENT


def _operation(kind: Kind, entity_id: str, fragment: Fragment, **options: Any) -> Operation:
    return Operation(kind, entity_id, fragment.types, fragment.scopes, fragment.attributes, **options)


def _only(exchange: Exchange, context: Context) -> TypeSelection | None:
    """The types of which an entity must be to count as there (§4.17)."""
    text = exchange.parameters.get("type")
    return parse_type_selection(text, context) if text is not None else None


def _not_scope(iri: str) -> None:
    if iri == TERMS["scope"]:
        raise BadRequestData("scope is no attribute; it changes with its entity", field="/scope")


def _object(exchange: Exchange) -> dict[str, Any]:
    document = exchange.document()
    if not isinstance(document, dict):
        raise BadRequestData("the body is a JSON object")
    return document


async def _fragment(exchange: Exchange, entity_id: str) -> tuple[dict[str, Any], Context]:
    document = _object(exchange)
    context = await exchange.context_of(document)
    named = document.get("id", document.get("@id", entity_id))
    if named != entity_id:
        raise BadRequestData("the id in the body is not the one in the path", field="/id")
    return document, context


def _update_result(applied: Applied) -> Answer:
    """204, or 207 with what was left as it was (§5.2.18); its names are IRIs, for there is no @context (§6.3.6)."""
    if not applied.not_updated:
        return _NO_CONTENT
    return Answer(
        207,
        {
            "updated": list(applied.updated),
            "notUpdated": [
                {"attributeName": left.attribute, "reason": left.reason} for left in applied.not_updated
            ],
        },
    )
