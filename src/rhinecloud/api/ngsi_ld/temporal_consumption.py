"""Consumption of the temporal evolution of entities (CIM 009 §5.7.3, §5.7.4, §6.18.3.2, §6.19.3.1, §6.24)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import msgspec

from rhinecloud.broker import Broker, TemporalPage, Wanted
from rhinecloud.model import ENTITY_MEMBERS, BadRequestData, Context, ResourceNotFound
from rhinecloud.model.evolution import SCOPE
from rhinecloud.model.projection import ENTITY_PARTS
from rhinecloud.model.subscription import Selector
from rhinecloud.model.temporal_aggregates import parse_aggregation
from rhinecloud.model.temporal_query import parse_temporal_query
from rhinecloud.model.temporal_representation import EntityTemporal, TemporalFormat, render_temporal

from .asking import Showing, parse_query, read_query_document
from .exchange import Answer, Exchange, page_links, respond

# Formats and what they are called besides (§6.3.7, §6.3.12).
_FORMATS: dict[str, TemporalFormat] = {
    "normalized": "normalized",
    "concise": "concise",
    "simplified": "temporalValues",
    "temporalValues": "temporalValues",
    "aggregatedValues": "aggregatedValues",
}
_UNIT = "date-time"  # of ranges
_QUERIES = ("timerel", "timeAt", "endTimeAt", "timeproperty", "lastN")
_AGGREGATION = ("aggrMethods", "aggrPeriodDuration")


async def retrieve_evolution(broker: Broker, exchange: Exchange, entity_id: str) -> Answer:
    """GET /temporal/entities/{id} (§5.7.3)."""
    media_type = exchange.accepted()
    context = await exchange.context()
    asked = _Asked(exchange, context, exchange.parameters)
    page = await broker.evolution(entity_id, asked.wanted, sight=exchange.sight)
    document = asked.render(page.evolutions[0])
    if not document:
        raise ResourceNotFound(f"{entity_id} has none of the members asked for")
    return _ranged(respond(exchange, document, context, media_type), page)


async def query_evolutions(broker: Broker, exchange: Exchange) -> Answer:
    """GET /temporal/entities (§5.7.4)."""
    context = await exchange.context()
    return await _query(broker, exchange, exchange, context, exchange.parameters)


async def query_evolutions_by_document(broker: Broker, exchange: Exchange) -> Answer:
    """POST /temporal/entityOperations/query (§5.7.4, §6.24): the query stands in the body, the page and the form of
    the answer in parameters."""
    document = exchange.document()
    context = await exchange.context_of(document)
    times = _members(document, "temporalQ", (*_QUERIES, *_AGGREGATION))
    times |= _members(document, "aggrParams", _AGGREGATION)
    given, selectors = read_query_document(document, context)
    asked = copy(exchange)
    asked.parameters = {**given, **exchange.parameters}
    return await _query(broker, exchange, asked, context, times, selectors)


def _members(document: Any, name: str, known: Sequence[str]) -> dict[str, Any]:
    """The members of an object within the Query, which is taken out of it."""
    if not isinstance(document, dict) or name not in document:
        return {}
    given = document.pop(name)
    if not isinstance(given, dict):
        raise BadRequestData(f"{name} is an object", field=f"/{name}")
    for member in given:
        if member not in (*known, "type", "@type"):
            raise BadRequestData(f"{member!r:.80} is no member of {name}", field=f"/{name}/{member:.80}")
    return {member: given[member] for member in known if member in given}


async def _query(
    broker: Broker,
    exchange: Exchange,
    asked: Exchange,
    context: Context,
    times: dict[str, Any],
    selectors: Sequence[Selector] = (),
) -> Answer:
    media_type = exchange.accepted()
    shown = _Asked(asked, context, times, required=True)
    query = parse_query(asked, context, shown.showing, selectors)
    page = await broker.evolutions(
        msgspec.structs.replace(query, limit=query.limit - 1), shown.wanted, sight=exchange.sight
    )
    documents = [shown.render(evolution) for evolution in page.evolutions]
    headers = page_links(exchange, query.limit - 1, query.offset, more=page.more, media_type=media_type)
    if page.count is not None:
        headers.append((b"ngsild-results-count", str(page.count).encode()))
    answer = respond(exchange, [one for one in documents if one], context, media_type, *headers)
    return _ranged(answer, page)


class _Asked:
    """What is asked for: times, attributes, datasets, aggregates, and the form of the answer."""

    def __init__(
        self, exchange: Exchange, context: Context, times: dict[str, Any], *, required: bool = False
    ) -> None:
        """`times` has the parameters of time and aggregation. Raises BadRequestData."""
        given = exchange.parameters
        self.showing = Showing(exchange, context, "")
        self._context = context
        self._format = _format(exchange)
        self._lang = given.get("lang") or None
        self._sys_attrs = exchange.flag("sysAttrs")
        temporal = parse_temporal_query(times, required=required)
        self._timeproperty = temporal.timeproperty
        projection = self.showing.projection
        attributes = None
        if projection.pick is not None:
            attributes = projection.pick - ENTITY_PARTS - ENTITY_MEMBERS - projection.omit
            if not self.showing.attrs and "scope" in projection.pick:
                attributes |= {SCOPE}
        datasets = exchange.list_of("datasetId")
        aggregation = None
        if self._format == "aggregatedValues":
            aggregation = parse_aggregation(times.get("aggrMethods"), times.get("aggrPeriodDuration"))
        self.wanted = Wanted(
            temporal,
            None if attributes is None else tuple(sorted(attributes)),
            frozenset(SCOPE if name == "scope" else name for name in projection.omit),
            tuple("" if one == "@none" else one for one in datasets) or None,
            aggregation,
            attributes or frozenset(),
        )

    def render(self, evolution: EntityTemporal) -> dict[str, Any]:
        """The document of an evolution, empty if nothing of it is to be seen."""
        return render_temporal(
            evolution,
            self._context,
            format=self._format,
            timeproperty=self._timeproperty,
            sys_attrs=self._sys_attrs,
            lang=self._lang,
            projection=self.showing.projection,
        )


def _format(exchange: Exchange) -> TemporalFormat:
    """`format` takes precedence over `options` (§6.3.12)."""
    given = exchange.parameters.get("format")
    if given:
        return _FORMATS[given]
    said = {_FORMATS[word] for word in exchange.list_of("options") if word in _FORMATS}
    if len(said) > 1:
        raise BadRequestData("options name more than one format", field="options")
    return said.pop() if said else "normalized"


def _ranged(answer: Answer, page: TemporalPage) -> Answer:
    """206 with the range of what is there, where it is not all (§6.3.10)."""
    if page.range is None:
        return answer
    value = f"{_UNIT} {page.range.start}-{page.range.end}/{page.range.size}"
    return msgspec.structs.replace(
        answer, status=206, headers=(*answer.headers, (b"content-range", value.encode()))
    )
