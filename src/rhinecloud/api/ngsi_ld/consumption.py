"""Consumption of entities (CIM 009 §5.7.1, §5.7.2, §6.4.3.2, §6.5.3.1, §6.23)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

from rhinecloud.broker import Broker
from rhinecloud.model import Context, Entity, ResourceNotFound, feature_collection, parse_type_selection
from rhinecloud.model.linked import flattened
from rhinecloud.model.subscription import Selector

from .asking import Showing, parse_query, read_query_document
from .exchange import GEO_JSON, Answer, Exchange, page_links, respond


async def retrieve_entity(broker: Broker, exchange: Exchange, entity_id: str) -> Answer:
    """GET /entities/{id} (§5.7.1)."""
    media_type = exchange.accepted(geo=True)
    context = await exchange.context()
    showing = Showing(exchange, context, media_type)
    given_type = exchange.parameters.get("type")
    types = parse_type_selection(given_type, context) if given_type else None
    entity = await broker.retrieve(entity_id, sight=exchange.sight)
    if types is not None and not types.matches(entity.types):
        raise ResourceNotFound(f"{entity_id} is of another type")
    if showing.attrs and entity.attributes.keys().isdisjoint(showing.attrs):
        raise ResourceNotFound(f"{entity_id} has none of the attributes asked for")
    documents = await _documents(broker, [entity], showing)
    if not documents:
        raise ResourceNotFound(f"{entity_id} has none of the members asked for")
    if not showing.flat:
        return respond(exchange, documents[0], context, media_type)
    body = feature_collection(documents) if media_type == GEO_JSON else documents
    return respond(exchange, body, context, media_type)


async def query_entities(broker: Broker, exchange: Exchange) -> Answer:
    """GET /entities (§5.7.2)."""
    return await _query(broker, exchange, exchange, await exchange.context())


async def query_by_document(broker: Broker, exchange: Exchange) -> Answer:
    """POST /entityOperations/query (§5.7.2, §6.23): what is asked for stands in the body, the page and the form of
    the answer in parameters."""
    document = exchange.document()
    context = await exchange.context_of(document)
    given, selectors = read_query_document(document, context)
    asked = copy(exchange)
    asked.parameters = {**given, **exchange.parameters}
    return await _query(broker, exchange, asked, context, selectors)


async def _query(
    broker: Broker,
    exchange: Exchange,
    asked: Exchange,
    context: Context,
    selectors: Sequence[Selector] = (),
) -> Answer:
    media_type = exchange.accepted(geo=True)
    showing = Showing(asked, context, media_type)
    query = parse_query(asked, context, showing, selectors)
    page = await broker.query(query, sight=exchange.sight)
    # One more than the page was asked for, to know whether there is a next.
    documents = await _documents(broker, page.entities[: query.limit - 1], showing)
    limit = query.limit - 1
    headers = page_links(
        exchange, limit, query.offset, more=len(page.entities) > limit, media_type=media_type
    )
    if page.count is not None:
        headers.append((b"ngsild-results-count", str(page.count).encode()))
    body = feature_collection(documents) if media_type == GEO_JSON else documents
    return respond(exchange, body, context, media_type, *headers)


async def _documents(broker: Broker, entities: list[Entity], showing: Showing) -> list[dict[str, Any]]:
    """What is to be seen of the entities, with the linked ones; those of which nothing is are left out."""
    join, projection = showing.join, showing.projection
    if join is None:
        shown = [showing.render(entity, projection, {}) for entity in entities]
    else:
        known = await broker.linked(entities, projection, join, sight=showing.sight)
        all_of_them = (
            flattened(entities, projection, join, known)
            if showing.flat
            else [(entity, projection) for entity in entities]
        )
        shown = [showing.render(entity, inner, known) for entity, inner in all_of_them]
    return [document for document in shown if document]
