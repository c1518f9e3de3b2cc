"""Queries into linked entities, from behind: first who is looked for, then who leads there (CIM 009 §4.9)."""

from __future__ import annotations

import asyncpg
import msgspec

from rhinecloud.model import Q
from rhinecloud.model.query_tree import And, AttributePath, Comparison, Exists, Uri, ValueList
from rhinecloud.model.sight import Sight

from . import narrowing, q_sql
from .parameters import Parameters
from .rankings import Rankings
from .seeing import Seen

_MOST = 1_000
"""Linked entities up to which it pays to look for who leads to them."""


async def by_links(
    pool: asyncpg.Pool, q: Q, parameters: Parameters, rankings: Rankings | None, sight: Sight
) -> list[str]:
    """Conditions on `entity e` that hold for every match, and perhaps for more: it leads to one of the entities that
    are looked for, where these are few."""
    conditions: list[str] = []
    for term in q.terms if isinstance(q, And) else (q,):
        if isinstance(term, Comparison | Exists) and term.path.linked is not None:
            ids = await _looked_for(pool, term, rankings, sight)
            if ids is not None:
                targets = ValueList(tuple(map(Uri, ids)))
                leads = Comparison(AttributePath(term.path.attribute), "==", targets)
                conditions += narrowing.by_facts((), None, leads, parameters) if ids else ["false"]
    return conditions


async def _looked_for(
    pool: asyncpg.Pool, term: Comparison | Exists, rankings: Rankings | None, sight: Sight
) -> list[str] | None:
    """The ids of the entities that the term is about, perhaps with others; None if they are many."""
    linked = term.path.linked
    assert linked is not None
    inner = msgspec.structs.replace(term, path=linked.path)
    parameters = Parameters()
    seen = Seen(sight, parameters)
    conditions = [q_sql.condition(inner, parameters, seen).sql, *seen.entity()]
    conditions += narrowing.by_facts((), None, inner, parameters)
    if linked.types:
        conditions.append(f"e.types && {parameters.add(list(linked.types))}::text[]")
    conditions += await by_links(pool, inner, parameters, rankings, sight)
    if rankings is not None:
        conditions += await narrowing.by_rankings(inner, parameters, rankings, seen)
    records = await pool.fetch(
        f"SELECT e.id FROM entity e WHERE {' AND '.join(conditions)} LIMIT {_MOST + 1}", *parameters.values
    )
    return [record[0] for record in records] if len(records) <= _MOST else None
