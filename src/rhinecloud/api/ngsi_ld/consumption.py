"""Consumption of entities (CIM 009 §5.7, §6.4.3.2, §6.5.3.1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from rhinecloud.broker import Broker, Query
from rhinecloud.model import (
    LOCATION,
    BadRequestData,
    Context,
    Entity,
    Format,
    ResourceNotFound,
    feature_collection,
    parse_geo_query,
    parse_q,
    parse_type_selection,
    render,
)
from rhinecloud.model.values import check_uri

from .exchange import GEO_JSON, Answer, Exchange, respond

_FORMATS: dict[str, Format] = {
    "normalized": "normalized",
    "concise": "concise",
    "simplified": "simplified",
    "keyValues": "simplified",
}


async def retrieve_entity(broker: Broker, exchange: Exchange, entity_id: str) -> Answer:
    """GET /entities/{id} (§5.7.1)."""
    media_type = exchange.accepted(geo=True)
    context = await exchange.context()
    entity = await broker.retrieve(entity_id)
    shown = _Shown(exchange, context, media_type)
    if shown.attrs is not None and shown.attrs.isdisjoint(entity.attributes):
        raise ResourceNotFound(f"{entity_id} has none of the attributes asked for")
    return respond(exchange, shown.render(entity), context, media_type)


async def query_entities(broker: Broker, exchange: Exchange) -> Answer:
    """GET /entities (§5.7.2)."""
    media_type = exchange.accepted(geo=True)
    context = await exchange.context()
    query = parse_query(exchange, context)
    page = await broker.query(query)
    shown = _Shown(exchange, context, media_type)
    # One more than the page was asked for, to know whether there is a next.
    found = [shown.render(entity) for entity in page.entities[: query.limit - 1]]
    headers = _paging(exchange, query, more=len(page.entities) >= query.limit)
    if page.count is not None:
        headers.append((b"ngsild-results-count", str(page.count).encode()))
    body = feature_collection(found) if media_type == GEO_JSON else found
    return respond(exchange, body, context, media_type, *headers)


def parse_query(exchange: Exchange, context: Context) -> Query:
    """The query that the parameters say; its limit is one more than the page's. Raises BadRequestData."""
    given = exchange.parameters
    q = given.get("q")
    georel = given.get("georel")
    attrs = tuple(context.expand_name(name) for name in exchange.list_of("attrs"))
    pick = tuple(
        context.expand_name(name) for name in exchange.list_of("pick") if name not in ("id", "type", "scope")
    )
    if not (given.get("type") or attrs or pick or q or georel or given.get("local") == "true"):
        raise BadRequestData("a query needs at least one of type, attrs, pick, q, georel, or local=true")
    geo = None
    if georel is not None:
        for name in ("geometry", "coordinates"):
            if name not in given:
                raise BadRequestData(f"georel needs {name}", field=name)
        geo = parse_geo_query(
            georel, given["geometry"], given["coordinates"], given.get("geoproperty"), context
        )
    limit = exchange.limit()
    if limit == 0 and not exchange.flag("count"):
        raise BadRequestData("limit=0 goes with count=true only", field="limit")
    return Query(
        types=parse_type_selection(given["type"], context) if given.get("type") else None,
        ids=tuple(check_uri(entity_id, ("id",)) for entity_id in exchange.list_of("id")),
        id_pattern=given.get("idPattern"),
        attrs=attrs or pick,
        q=parse_q(q, context) if q else None,
        geo=geo,
        limit=limit + 1,
        offset=exchange.number("offset", 0, 2**31 - 1),
        count=exchange.flag("count"),
    )


class _Shown:
    """How entities are shown: format, attributes, language, geometry."""

    def __init__(self, exchange: Exchange, context: Context, media_type: str) -> None:
        given = exchange.parameters
        options = exchange.list_of("options")
        name = given.get("format") or next((o for o in options if o in _FORMATS), "normalized")
        if name not in _FORMATS:
            raise BadRequestData(f"format is one of {', '.join(_FORMATS)}", field="format")
        names = exchange.list_of("attrs") or exchange.list_of("pick")
        self.attrs = (
            frozenset(context.expand_name(n) for n in names if n not in ("id", "type", "scope")) or None
        )
        self._settings: dict[str, Any] = {
            "format": _FORMATS[name],
            "geojson": media_type == GEO_JSON,
            "geometry_property": context.expand_name(given["geometryProperty"])
            if "geometryProperty" in given
            else LOCATION,
            "sys_attrs": exchange.flag("sysAttrs"),
            "attrs": self.attrs,
            "omit": tuple(context.expand_name(n) for n in exchange.list_of("omit")),
            "lang": given.get("lang"),
        }
        self._context = context

    def render(self, entity: Entity) -> dict[str, Any]:
        return render(entity, self._context, **self._settings)


def _paging(exchange: Exchange, query: Query, *, more: bool) -> list[tuple[bytes, bytes]]:
    """Links to the next and the previous page (§6.3.10)."""
    limit = query.limit - 1
    links = []
    for relation, offset, there in (
        ("next", query.offset + limit, more and limit > 0),
        ("prev", max(0, query.offset - limit), query.offset > 0),
    ):
        if there:
            parameters = {**exchange.parameters, "limit": str(limit), "offset": str(offset)}
            links.append(f'</ngsi-ld/v1/entities?{urlencode(parameters)}>; rel="{relation}"')
    return [(b"link", link.encode()) for link in links]
