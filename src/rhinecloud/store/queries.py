"""Queries over the current state: CIM 009 §5.7.2 as one SQL statement.

Conditions are ANDed. Identifiers, types and attribute names are parameters; what the query language `q` says becomes
SQL by `store.q_sql`; a geo query is a search by boxes in the index, refined exactly with shapely.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import msgspec

from rhinecloud.model import (
    LOCATION,
    BadRequestData,
    Entity,
    GeoQuery,
    OrderKey,
    Q,
    ScopeQuery,
    TypeSelection,
    matches,
    ordered,
)
from rhinecloud.model.query_matching import unknown_links
from rhinecloud.model.sight import Sight
from rhinecloud.model.subscription import Selector

from . import entities, following, geo, narrowing, q_sql, sorting
from .entities import StoredEntity, to_entity
from .parameters import Parameters
from .rankings import Rankings
from .seeing import Seen

_PORTION = 500
_MOST_AT_ONCE = 4_000
_VALUES_AT_ONCE = 5_000

__all__ = ["LOCATION", "Query", "every", "points", "run"]


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


async def run(
    pool: asyncpg.Pool, query: Query, rankings: Rankings | None = None, *, sight: Sight
) -> tuple[list[StoredEntity], int | None]:
    """The entities of one page in the order of the query, and the number of all if asked for, as they stand there: what
    `sight` leaves out of them is for the caller to take away, but has no part in which they are.

    `rankings` are the tenant's. Raises BadRequestData for a pattern that PostgreSQL cannot read.
    """
    parameters = Parameters()
    seen = Seen(sight, parameters)
    conditions, exact = _conditions(query, parameters, seen)
    if query.q is not None and rankings is not None:
        conditions += await narrowing.by_rankings(query.q, parameters, rankings, seen)
    if query.q is not None:
        conditions += await following.by_links(pool, query.q, parameters, rankings, sight)
    try:
        if query.geo is not None:
            ids = await geo.matching(pool, query.geo, conditions, parameters)
            if exact and not query.order_by:
                return await _page_of_ids(pool, ids, query)
            return await _sift(pool, _these(pool, ids), query, exact, sight)
        where, given = " AND ".join(conditions) or "true", list(parameters.values)
        order = await sorting.order(query.order_by, rankings, seen) if exact else None
        if order is None:
            few = _PORTION if query.count or query.order_by else 4 * (query.offset + query.limit)
            return await _sift(pool, _all(pool, where, given, min(few, _PORTION)), query, exact, sight)
        count = None
        if query.count:
            count = await pool.fetchval(f"SELECT count(*) FROM entity e WHERE {where}", *given)
        limit, offset = parameters.add(query.limit), parameters.add(query.offset)
        records = await pool.fetch(
            f"SELECT {entities.COLUMNS} FROM entity e {order.join} WHERE {where} ORDER BY {order.by} "
            f"LIMIT {limit} OFFSET {offset}",
            *parameters.values,
        )
        if order.partial and len(records) < query.limit:  # what has no place in the ranking comes after
            return await _sift(pool, _all(pool, where, given), query, exact, sight)
    except asyncpg.InvalidRegularExpressionError as error:
        raise BadRequestData(f"not a regular expression: {error}") from None
    return [entities.row(record) for record in records], count


async def every(
    pool: asyncpg.Pool, query: Query, rankings: Rankings | None = None, *, sight: Sight
) -> AsyncIterator[list[str]]:
    """The ids of all entities that match, in their order and in portions, whatever the page and the order of the query.

    Each once, also if what was given out is deleted meanwhile. Raises BadRequestData for a pattern that PostgreSQL
    cannot read.
    """
    parameters = Parameters()
    seen = Seen(sight, parameters)
    conditions, exact = _conditions(query, parameters, seen)
    if query.q is not None and rankings is not None:
        conditions += await narrowing.by_rankings(query.q, parameters, rankings, seen)
    try:
        if query.geo is not None:
            portions = _these(pool, await geo.matching(pool, query.geo, conditions, parameters))
        else:
            portions = _all(pool, " AND ".join(conditions) or "true", list(parameters.values))
        async for portion in portions:
            if exact or query.q is None:
                yield [stored.id for stored in portion]
                continue
            candidates = [entity for stored in portion if (entity := sight.of(to_entity(stored)))]
            meets = await _meets(pool, query.q, candidates, sight)
            yield [entity.id for entity, meet in zip(candidates, meets, strict=True) if meet]
    except asyncpg.InvalidRegularExpressionError as error:
        raise BadRequestData(f"not a regular expression: {error}") from None


async def _page_of_ids(
    pool: asyncpg.Pool, ids: list[str], query: Query
) -> tuple[list[StoredEntity], int | None]:
    page = ids[query.offset : query.offset + query.limit]
    found = await entities.read(pool, page) if page else {}
    return [found[i] for i in page if i in found], len(ids) if query.count else None


_Portions = AsyncIterator[list[StoredEntity]]


async def _these(pool: asyncpg.Pool, ids: list[str]) -> _Portions:
    """The entities with these ids in their order, in portions."""
    for start in range(0, len(ids), _PORTION):
        portion = ids[start : start + _PORTION]
        found = await entities.read(pool, portion)
        yield [found[i] for i in portion if i in found]


async def _all(pool: asyncpg.Pool, where: str, given: Sequence[Any], limit: int = _PORTION) -> _Portions:
    """The entities that meet the conditions, in the order of their ids, in portions that grow from `limit`: who
    needs a few reads a few."""
    last, limit = "", max(1, limit)
    while True:
        records = await pool.fetch(
            f"SELECT {entities.COLUMNS} FROM entity e WHERE {where} AND e.id > ${len(given) + 1} "
            f"ORDER BY e.id LIMIT ${len(given) + 2}",
            *given,
            last,
            limit,
        )
        yield [entities.row(record) for record in records]
        if len(records) < limit:
            return
        last, limit = records[-1][0], min(2 * limit, _MOST_AT_ONCE)


async def _sift(
    pool: asyncpg.Pool, portions: _Portions, query: Query, exact: bool, sight: Sight
) -> tuple[list[StoredEntity], int | None]:
    """Where SQL was wider than the query, or cannot order: hold each candidate against the plain reading of q, and
    keep the best of them. In the order of ids it stops when the page is full, unless all must be counted."""
    end = query.offset + query.limit
    number = 0
    best: list[tuple[Entity, StoredEntity]] = []
    async for portion in portions:
        candidates = [(entity, stored) for stored in portion if (entity := sight.of(to_entity(stored)))]
        if not exact:
            assert query.q is not None
            meets = await _meets(pool, query.q, [entity for entity, _ in candidates], sight)
            candidates = [one for one, meet in zip(candidates, meets, strict=True) if meet]
        number += len(candidates)
        best += candidates
        if query.order_by:
            rows = {entity.id: stored for entity, stored in best}
            first = ordered([entity for entity, _ in best], query.order_by)[:end]
            best = [(entity, rows[entity.id]) for entity in first]
        elif len(best) >= end:
            del best[end:]
            if not query.count:
                break
        await asyncio.sleep(0)
    return [stored for _, stored in best[query.offset : end]], number if query.count else None


async def _meets(pool: asyncpg.Pool, q: Q, candidates: list[Entity], sight: Sight) -> list[bool]:
    """Whether entities meet q by its plain reading. Linked entities that it looks at are read, a level at a time."""
    known: dict[str, Entity | None] = {}
    while missing := unknown_links(q, candidates, known, known.get):
        found = await entities.read(pool, missing)
        known |= {one: sight.of(to_entity(found[one])) if one in found else None for one in missing}
    return [matches(q, entity, known.get) for entity in candidates]


def _conditions(query: Query, parameters: Parameters, seen: Seen) -> tuple[list[str], bool]:
    """SQL conditions, and whether they say exactly what the query says. Those about facts are what the index knows:
    they only narrow, and each has its exact condition beside it. Exact ones are functions, not operators, for the
    planner takes an operator on jsonb to leave next to nothing, on top of what it rightly expects of the facts."""
    conditions = narrowing.by_facts(query.attrs, query.scope_q, query.q, parameters)
    conditions += head_conditions(query, parameters)
    conditions += seen.entity()
    exact = True
    if query.attrs:
        conditions.append(_has_any(query.attrs, parameters, seen))
    if query.scope_q is not None:
        conditions.append(q_sql.scope_condition(query.scope_q, parameters))
    if query.q is not None:
        sql, exact = q_sql.condition(query.q, parameters, seen)
        conditions.append(sql)
    if query.geo is not None and (visible := seen.attribute(query.geo.property)) is not None:
        conditions.append(visible)
    return conditions, exact


def _has_any(attributes: Sequence[str], parameters: Parameters, seen: Seen) -> str:
    """That the entity has one of the attributes, which are seen of some entities only, or of none."""
    by_visible: dict[str | None, list[str]] = {}
    for name in attributes:
        by_visible.setdefault(seen.attribute(name), []).append(name)
    parts = []
    for visible, names in by_visible.items():
        has = f"jsonb_exists_any(e.attributes, {parameters.add(names)}::text[])"
        parts.append(has if visible is None else f"({has} AND {visible})")
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


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
    pool: asyncpg.Pool, types: Sequence[str], attributes: Sequence[str], geometry: str, *, sight: Sight
) -> list[tuple[str, tuple[str, ...], float, float, list[Any]]]:
    """(id, types, lon, lat, values) of entities with a geometry, in the order of their ids."""
    parameters = Parameters()
    where = [f"p.attribute = {parameters.add(geometry)}"]
    if types:
        where.append(f"e.types && {parameters.add(list(types))}::text[]")
    seen = Seen(sight, parameters)
    where += seen.entity()
    if (visible := seen.attribute(geometry)) is not None:
        where.append(visible)
    columns = _values(attributes, parameters, seen)
    records = await pool.fetch(
        f"SELECT e.id, e.types, (@@ p.area)[0], (@@ p.area)[1]{columns} FROM place p "
        f"JOIN entity e ON e.id = p.entity_id WHERE p.dataset = '' AND {' AND '.join(where)} ORDER BY e.id",
        *parameters.values,
    )
    return [(r[0], tuple(r[1]), r[2], r[3], _decoded(tuple(r)[4:])) for r in records]


async def values(
    pool: asyncpg.Pool, types: Sequence[str], attributes: Sequence[str], *, sight: Sight
) -> AsyncIterator[list[tuple[str, list[Any]]]]:
    """(id, values) of entities of these types, in the order of their ids and in portions."""
    parameters = Parameters()
    where = [f"e.types && {parameters.add(list(types))}::text[]"]
    seen = Seen(sight, parameters)
    where += seen.entity()
    columns = _values(attributes, parameters, seen)
    last = len(parameters.values) + 1
    statement = (
        f"SELECT e.id{columns} FROM entity e WHERE {' AND '.join(where)} AND e.id > ${last} "
        f"ORDER BY e.id LIMIT {_VALUES_AT_ONCE}"
    )
    after = ""
    while True:
        records = await pool.fetch(statement, *parameters.values, after)
        if records:
            yield [(r[0], _decoded(tuple(r)[1:])) for r in records]
        if len(records) < _VALUES_AT_ONCE:
            return
        after = records[-1][0]


def _values(attributes: Sequence[str], parameters: Parameters, seen: Seen) -> str:
    """Columns, each with a comma before it: the values of the default instances of an entity `e`, as JSON."""
    return "".join(
        ", (SELECT coalesce(i->'value', i->'object', i->'vocab', i->'json', i->'languageMap') "
        f"FROM jsonb_array_elements(e.attributes->{parameters.add(name)}::text) AS i "
        f"WHERE NOT i ? 'datasetId'{_and(seen.attribute(name))} LIMIT 1)::text"
        for name in attributes
    )


def _decoded(values: Sequence[str | None]) -> list[Any]:
    return [None if value is None else msgspec.json.decode(value) for value in values]


def _and(condition: str | None) -> str:
    return "" if condition is None else f" AND {condition}"
