"""Queries over the current state: CIM 009 §5.7.2 as one SQL statement.

Conditions are ANDed. Identifiers, types and attribute names are parameters; what the query language `q` says becomes
SQL by `store.q_sql`; a geo query is a search by boxes in the index, refined exactly with shapely.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from rhinecloud.model import (
    LOCATION,
    BadRequestData,
    GeoQuery,
    OrderKey,
    Q,
    ScopeQuery,
    TypeSelection,
    matches,
    ordered,
)
from rhinecloud.model.subscription import Selector

from . import entities, facts, geo, q_sql
from .entities import StoredEntity, to_entity
from .parameters import Parameters

_PORTION = 500

__all__ = ["LOCATION", "Query", "points", "run"]


class Query(msgspec.Struct, frozen=True):
    """What to look for. `attrs`: entities that have at least one of these attributes (§5.7.2.4); `order_by`: first
    by its first key, what is equal in all by id (§4.23)."""

    types: TypeSelection | None = None
    ids: tuple[str, ...] = ()
    id_pattern: str | None = None
    selectors: tuple[Selector, ...] = ()
    attrs: tuple[str, ...] = ()
    q: Q | None = None
    scope_q: ScopeQuery | None = None
    geo: GeoQuery | None = None
    order_by: tuple[OrderKey, ...] = ()
    limit: int = 20
    offset: int = 0
    count: bool = False


async def run(pool: asyncpg.Pool, query: Query) -> tuple[list[StoredEntity], int | None]:
    """The entities of one page in the order of their ids, and the number of all if asked for.

    Raises BadRequestData for a pattern that PostgreSQL cannot read, OperationNotSupported for linked entities in q.
    """
    parameters = Parameters()
    conditions, exact = _conditions(query, parameters)
    try:
        if query.geo is not None:
            ids = await geo.matching(pool, query.geo, conditions, parameters)
            if query.order_by:
                return await _ordered(pool, ids, query, exact)
            return await (_page_of_ids(pool, ids, query) if exact else _sift(pool, ids, query))
        where = " AND ".join(conditions) or "true"
        if not exact or query.order_by:
            records = await pool.fetch(
                f"SELECT e.id FROM entity e WHERE {where} ORDER BY e.id", *parameters.values
            )
            ids = [record[0] for record in records]
            return await (_ordered(pool, ids, query, exact) if query.order_by else _sift(pool, ids, query))
        count = None
        if query.count:
            count = await pool.fetchval(f"SELECT count(*) FROM entity e WHERE {where}", *parameters.values)
        limit, offset = parameters.add(query.limit), parameters.add(query.offset)
        records = await pool.fetch(
            f"SELECT e.id, e.types, e.scopes, e.attributes, e.created_at, e.modified_at FROM entity e "
            f"WHERE {where} ORDER BY e.id LIMIT {limit} OFFSET {offset}",
            *parameters.values,
        )
    except asyncpg.InvalidRegularExpressionError as error:
        raise BadRequestData(f"not a regular expression: {error}") from None
    return [entities.row(record) for record in records], count


async def _page_of_ids(
    pool: asyncpg.Pool, ids: list[str], query: Query
) -> tuple[list[StoredEntity], int | None]:
    page = ids[query.offset : query.offset + query.limit]
    found = await entities.read(pool, page) if page else {}
    return [found[i] for i in page if i in found], len(ids) if query.count else None


async def _ordered(
    pool: asyncpg.Pool, ids: list[str], query: Query, exact: bool
) -> tuple[list[StoredEntity], int | None]:
    """The page of all these entities in the query's order, which is that of the plain reading in the model."""
    found = await entities.read(pool, ids)
    candidates = [to_entity(stored) for stored in found.values()]
    if not exact:
        assert query.q is not None
        candidates = [entity for entity in candidates if matches(query.q, entity)]
    page = ordered(candidates, query.order_by)[query.offset : query.offset + query.limit]
    return [found[entity.id] for entity in page], len(candidates) if query.count else None


async def _sift(pool: asyncpg.Pool, ids: list[str], query: Query) -> tuple[list[StoredEntity], int | None]:
    """Where SQL was wider than the query: hold each candidate against the plain reading of q, in portions, and
    stop when the page is full, unless all must be counted."""
    assert query.q is not None
    end = query.offset + query.limit
    page: list[StoredEntity] = []
    number = 0
    for start in range(0, len(ids), _PORTION):
        portion = ids[start : start + _PORTION]
        found = await entities.read(pool, portion)
        for entity_id in portion:
            stored = found.get(entity_id)
            if stored is None or not matches(query.q, to_entity(stored)):
                continue
            if query.offset <= number < end:
                page.append(stored)
            number += 1
        if number >= end and not query.count:
            break
        await asyncio.sleep(0)
    return page, number if query.count else None


def _conditions(query: Query, parameters: Parameters) -> tuple[list[str], bool]:
    """SQL conditions, and whether they say exactly what the query says. Those about facts are what the index knows:
    they only narrow, and each has its exact condition beside it."""
    conditions = _needs(query, parameters) + head_conditions(query, parameters)
    exact = True
    if query.attrs:
        conditions.append(f"e.attributes ?| {parameters.add(list(query.attrs))}::text[]")
    if query.scope_q is not None:
        conditions.append(q_sql.scope_condition(query.scope_q, parameters))
    if query.q is not None:
        sql, exact = q_sql.condition(query.q, parameters)
        conditions.append(sql)
    return conditions, exact


def head_conditions(query: Query, parameters: Parameters) -> list[str]:
    """What the query says of ids and types, about a row e with `id` and `types`."""
    conditions: list[str] = []
    if query.types is not None:
        conditions.append(q_sql.type_condition(query.types, parameters))
    if query.ids:
        conditions.append(f"e.id = ANY({parameters.add(list(query.ids))}::text[])")
    if query.id_pattern is not None:
        conditions.append(f"e.id ~ {parameters.add(query.id_pattern)}")
    if query.selectors:
        conditions.append(_selected(query.selectors, parameters))
    return conditions


def _needs(query: Query, parameters: Parameters) -> list[str]:
    """What the facts of an entity must be: of each set one."""
    needs: list[facts.Facts] = []
    if query.attrs:
        needs.append(facts.of_attributes(query.attrs))
    if query.scope_q is not None:
        needs += facts.of_scope_query(query.scope_q)
    if query.q is not None:
        needs += facts.of_query(query.q)
    all_of = {fact for need in needs if len(need) == 1 for fact in need}
    conditions = [f"e.facts @> {parameters.add(sorted(all_of))}::integer[]"] if all_of else []
    any_of = {need for need in needs if len(need) > 1 and need.isdisjoint(all_of)}
    return conditions + [
        f"e.facts && {parameters.add(sorted(need))}::integer[]" for need in sorted(any_of, key=sorted)
    ]


def _selected(selectors: Sequence[Selector], parameters: Parameters) -> str:
    """Entities that one of the selectors selects; ids take precedence over the pattern (§5.2.33)."""
    alternatives = []
    for selector in selectors:
        parts = [q_sql.type_condition(selector.types, parameters)]
        if selector.ids:
            parts.append(f"e.id = ANY({parameters.add(sorted(selector.ids))}::text[])")
        elif selector.pattern_text is not None:
            parts.append(f"e.id ~ {parameters.add(selector.pattern_text)}")
        alternatives.append(" AND ".join(parts))
    return f"({' OR '.join(alternatives)})"


async def points(
    pool: asyncpg.Pool, types: Sequence[str], attributes: Sequence[str], geometry: str
) -> list[tuple[str, tuple[str, ...], float, float, list[Any]]]:
    """(id, types, lon, lat, values) of entities with a geometry, in the order of their ids."""
    parameters = Parameters()
    where = [f"p.attribute = {parameters.add(geometry)}"]
    if types:
        where.append(f"e.types && {parameters.add(list(types))}::text[]")
    values = "".join(
        ", (SELECT coalesce(i->'value', i->'object', i->'vocab', i->'json', i->'languageMap') "
        f"FROM jsonb_array_elements(e.attributes->{parameters.add(name)}::text) AS i "
        "WHERE NOT i ? 'datasetId' LIMIT 1)::text"
        for name in attributes
    )
    records = await pool.fetch(
        f"SELECT e.id, e.types, (@@ p.area)[0], (@@ p.area)[1]{values} FROM place p "
        f"JOIN entity e ON e.id = p.entity_id WHERE p.dataset = '' AND {' AND '.join(where)} ORDER BY e.id",
        *parameters.values,
    )
    decode = msgspec.json.decode
    return [
        (r[0], tuple(r[1]), r[2], r[3], [None if v is None else decode(v) for v in tuple(r)[4:]])
        for r in records
    ]
