"""Which entities meet a temporal query by what their instances were: values, places, scopes (CIM 009 §5.7.4.4)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg
import msgspec
import numpy as np

from rhinecloud.model import BadRequestData, Entity, GeoQuery, Q, ScopeQuery, geometry_matcher, matches
from rhinecloud.model.evolution import SCOPE
from rhinecloud.model.query_tree import ENTITY_MEMBERS, TIME_MEMBERS, And, AttributePath, Or
from rhinecloud.model.temporal_query import TemporalQuery
from rhinecloud.model.temporal_representation import texts
from rhinecloud.store import temporal, temporal_numbers, temporal_selection
from rhinecloud.store.history import micros
from rhinecloud.store.temporal import Series, Window
from rhinecloud.store.temporal_selection import Candidate, Selection

_PORTION = 100
_decode = msgspec.json.Decoder(dict[str, Any]).decode

Evolution = dict[str, list[dict[str, Any]]]


async def sift(
    connection: asyncpg.Connection, selection: Selection, asked: TemporalQuery, end: int | None
) -> list[Candidate]:
    """Those of the selected entities whose instances in the window meet `q`, geo query and scope query, in order, and
    no more than the first `end`. Raises BadRequestData for a query into linked entities."""
    query = selection.query
    paths = [] if query.q is None else list(_paths(query.q))
    if any(path.linked is not None for path in paths):
        raise BadRequestData("a temporal query does not follow Relationships (§5.7.4.4)", field="q")
    names = {path.attribute for path in paths if path.attribute not in ENTITY_MEMBERS}
    if query.geo is not None:
        names.add(query.geo.property)
    timed = any(member in TIME_MEMBERS for path in paths for member in path.sub_path)
    assert selection.window is not None
    candidates = await temporal_selection.select(connection, selection, None)
    kept: list[Candidate] = []
    for start in range(0, len(candidates), _PORTION):
        portion = candidates[start : start + _PORTION]
        instances = await _instances(connection, portion, selection, names, timed)
        if query.scope_q is not None:
            portion = await _in_scope(connection, portion, query.scope_q, asked)
        kept += [one for one in portion if _meets(one.entity, instances[one.entity.id], query.q, query.geo)]
        if end is not None and len(kept) >= end:
            return kept[:end]
        await asyncio.sleep(0)
    return kept


def _paths(q: Q) -> Iterator[AttributePath]:
    if isinstance(q, And | Or):
        for term in q.terms:
            yield from _paths(term)
    else:
        yield q.path


def _meets(entity: Entity, instances: Evolution, q: Q | None, geo: GeoQuery | None) -> bool:
    """Every instance counts like one of the many that an attribute may have: one that matches is enough."""
    if geo is not None:
        near = geometry_matcher(geo)
        if not any(near(instance.get("value")) for instance in instances.get(geo.property, ())):
            return False
    return q is None or matches(q, msgspec.structs.replace(entity, attributes=instances))


async def _instances(
    connection: asyncpg.Connection,
    candidates: Sequence[Candidate],
    selection: Selection,
    names: set[str],
    timed: bool,
) -> dict[str, Evolution]:
    """Entity → the instances of these attributes that are seen; of plain numbers each once, unless their times
    matter."""
    found: dict[str, Evolution] = defaultdict(lambda: defaultdict(list))
    by_id = {one.entity.id: one for one in candidates}
    assert selection.window is not None
    window = selection.window
    series = {
        one.id: one
        for one in await temporal.find_series(connection, list(by_id), window, sorted(names))
        if selection.sight.everything or by_id[one.entity_id].shows(one.attribute, selection.sight)
    }
    if not series:
        return found
    async for portion in temporal_numbers.portions(connection, list(series.values()), window):
        for number, times, values in await temporal_numbers.numbers(connection, portion, window):
            one = series[number]
            found[one.entity_id][one.attribute] += _plain(one, times, values, timed)
    for number, _, text in await temporal_numbers.instances(connection, list(series), window):
        one = series[number]
        instance = _decode(text)
        if "deletedAt" not in instance or window.by == "deletedAt":
            found[one.entity_id][one.attribute].append(instance)
    return found


def _plain(one: Series, times: Any, values: Any, timed: bool) -> list[dict[str, Any]]:
    common: dict[str, Any] = {"type": "Property"}
    if one.unit:
        common["unitCode"] = one.unit
    if one.dataset:
        common["datasetId"] = one.dataset
    if not timed:
        return [{**common, "value": value} for value in np.unique(values).tolist()]
    member = "observedAt" if one.observed else "createdAt"
    return [
        {**common, "value": value, member: text}
        for value, text in zip(values.tolist(), texts(times), strict=True)
    ]


async def _in_scope(
    connection: asyncpg.Connection, candidates: Sequence[Candidate], scope_q: ScopeQuery, asked: TemporalQuery
) -> list[Candidate]:
    """Those that were in scope at some time of the window: a scope holds until the next (§4.5.6, annex C.5.16)."""
    until = Window("own", until=asked.until)
    series = {
        one.id: one.entity_id
        for one in await temporal.find_series(
            connection, [one.entity.id for one in candidates], until, [SCOPE]
        )
    }
    holding: dict[str, list[tuple[str, ...]]] = {}
    begin = micros(asked.since)
    for number, at, text in (
        await temporal_numbers.instances(connection, list(series), until) if series else ()
    ):
        instance = _decode(text)
        scopes = () if "deletedAt" in instance else tuple(instance["value"])
        if at <= begin:
            holding[series[number]] = [scopes]
        else:
            holding.setdefault(series[number], []).append(scopes)
    return [
        one
        for one in candidates
        if any(scope_q.matches(scopes) for scopes in holding.get(one.entity.id, [one.entity.scopes]))
    ]
