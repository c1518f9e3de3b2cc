"""Which entities a temporal query is about: what the current state and the deleted entities say, and whether history
holds anything of theirs in the window (CIM 009 §5.7.4.4)."""

from __future__ import annotations

from datetime import datetime

import asyncpg
import msgspec

from rhinecloud.model import BadRequestData, Entity, ordered
from rhinecloud.model.evolution import SCOPE
from rhinecloud.model.sight import Sight

from . import queries
from .entities import StoredEntity, rfc3339, to_entity
from .parameters import Parameters
from .queries import Query
from .seeing import Seen
from .temporal import KEPT, TIME, Window


class Candidate(msgspec.Struct, frozen=True):
    """An entity, without its attributes; `deleted_at` if it is no more."""

    entity: Entity
    deleted_at: str | None = None

    def shows(self, attribute: str, sight: Sight) -> bool:
        """Whether a sight that includes the entity includes this attribute of it. Its scopes are none."""
        seen = sight.attributes_of(self.entity.types, self.entity.scopes)
        return seen is None or attribute == SCOPE or attribute in seen


_EVERY = """(
    SELECT id, types, scopes, created_at, modified_at, NULL::timestamptz AS deleted_at, attributes FROM entity
    UNION ALL
    SELECT id, types, scopes, created_at, deleted_at, deleted_at, '{}'::jsonb FROM deleted_entity
) AS e"""
_COLUMNS = "e.id, e.types, e.scopes, e.created_at, e.modified_at, e.deleted_at"


def _candidate(
    id: str,
    types: list[str],
    scopes: list[str],
    created: datetime,
    modified: datetime,
    deleted: datetime | None,
) -> Candidate:
    entity = Entity(
        id=id,
        types=tuple(types),
        scopes=tuple(scopes),
        created_at=rfc3339(created),
        modified_at=rfc3339(modified),
    )
    return Candidate(entity, None if deleted is None else rfc3339(deleted))


async def find(connection: asyncpg.Connection, entity_id: str, sight: Sight) -> Candidate | None:
    """One entity that is or was, if it is seen: by the types and scopes that it has now, or had last."""
    record = await connection.fetchrow(f"SELECT {_COLUMNS} FROM {_EVERY} WHERE e.id = $1", entity_id)
    if record is None:
        return None
    candidate = _candidate(*record)
    return candidate if sight.of(candidate.entity) is not None else None


class Selection(msgspec.Struct, frozen=True):
    """Entities that are seen, by id, id pattern, types and selectors of `query`, that have in the window an instance of
    one of these attributes and datasets (None for any, '' for the default one); without a `window` whatever history
    holds."""

    query: Query
    sight: Sight
    window: Window | None
    attributes: tuple[str, ...] | None = None
    datasets: tuple[str, ...] | None = None


async def select(
    connection: asyncpg.Connection, selection: Selection, limit: int | None, offset: int = 0
) -> list[Candidate]:
    """In the order of the query, by id if it says none."""
    query = selection.query
    parameters = Parameters()
    where = _where(selection, parameters)
    keys = query.order_by
    try:
        if keys and (len(keys) > 1 or keys[0].path.attribute != "id"):
            return (await _ordered(connection, selection, where, parameters))[offset:][:limit]
        direction = "DESC" if keys and keys[0].descending else "ASC"
        paging = f"LIMIT {parameters.add(limit)} OFFSET {parameters.add(offset)}"
        records = await connection.fetch(
            f"SELECT {_COLUMNS} FROM {_EVERY} WHERE {where} ORDER BY e.id {direction} {paging}",
            *parameters.values,
        )
    except asyncpg.InvalidRegularExpressionError as error:
        raise BadRequestData(f"not a regular expression: {error}", field="idPattern") from None
    return [_candidate(*record) for record in records]


async def _ordered(
    connection: asyncpg.Connection, selection: Selection, where: str, parameters: Parameters
) -> list[Candidate]:
    """By what the entities are now (§4.23)."""
    records = await connection.fetch(
        f"SELECT {_COLUMNS}, e.attributes FROM {_EVERY} WHERE {where}", *parameters.values
    )
    candidates = {record[0]: _candidate(*tuple(record)[:6]) for record in records}
    whole = [to_entity(StoredEntity(r[0], tuple(r[1]), tuple(r[2]), r[6], r[3], r[4])) for r in records]
    seen = [entity for one in whole if (entity := selection.sight.of(one))]
    return [candidates[entity.id] for entity in ordered(seen, selection.query.order_by)]


async def count(connection: asyncpg.Connection, selection: Selection) -> int:
    """How many there are."""
    parameters = Parameters()
    where = _where(selection, parameters)
    return int(await connection.fetchval(f"SELECT count(*) FROM {_EVERY} WHERE {where}", *parameters.values))


def _where(selection: Selection, parameters: Parameters) -> str:
    seen = Seen(selection.sight, parameters, indexed=False)
    conditions = queries.head_conditions(selection.query, parameters) + seen.entity()
    if selection.window is not None:
        conditions.append(_has_instance(selection, selection.window, parameters, seen))
    return " AND ".join(conditions) or "true"


def _has_instance(selection: Selection, window: Window, parameters: Parameters, seen: Seen) -> str:
    since, until = (f"{parameters.add(at)}::timestamptz" for at in (window.since, window.until))
    series = ["s.entity_id = e.id"]
    for column, names in (("attribute", selection.attributes), ("dataset", selection.datasets)):
        if names is not None:
            series.append(f"s.{column} = ANY({parameters.add(list(names))}::text[])")
    series += seen.attribute_in("s.attribute", (SCOPE,))
    if window.by == "observedAt":
        series.append("s.observed")
    time = TIME[window.by]
    in_span = f"{time} >= {since} AND {time} < {until} AND {KEPT[window.by]}"
    places = [
        f"EXISTS (SELECT FROM {table} h WHERE h.series = s.id AND {in_span})"
        for table in ("history", "history_rows")
    ]
    if window.by != "deletedAt":
        known = "true" if window.at else "NOT s.observed"
        # The window may lie in a gap of a chunk that reaches over both of its ends.
        places.insert(
            0,
            f"({known} AND EXISTS (SELECT FROM chunk c WHERE c.series = s.id "
            f"AND c.month >= date_trunc('month', {since})::date AND c.at0 < {until} AND c.at1 >= {since} "
            f"AND (c.at0 >= {since} OR c.at1 < {until} OR EXISTS ("
            "SELECT FROM unnest(coalesce(c.offsets::bigint[], c.wide)) AS o (tick) "
            f"WHERE c.at0 + o.tick * c.tick * interval '1 microsecond' >= {since} "
            f"AND c.at0 + o.tick * c.tick * interval '1 microsecond' < {until}))))",
        )
    return f"EXISTS (SELECT FROM series s WHERE {' AND '.join(series)} AND ({' OR '.join(places)}))"


# The ids first, then their series by the index: joined, PostgreSQL would read the series of everybody else too.
_OF_ENTITIES = """
SELECT s.id, s.entity_id, s.attribute, s.dataset, s.unit FROM series s
WHERE s.entity_id = ANY(ARRAY(SELECT e.id FROM entity e WHERE {entity})) AND {series} ORDER BY s.id
"""


async def series_of(
    connection: asyncpg.Connection, selection: Selection
) -> list[tuple[int, str, str, str, str]]:
    """(id, entity, attribute, dataset, unit) of the series of all entities that are selected now, in the order of
    their ids; whatever history holds of them."""
    parameters = Parameters()
    seen = Seen(selection.sight, parameters)
    entity = queries.head_conditions(selection.query, parameters) + seen.entity()
    series = ["s.observed"] if selection.window is not None and selection.window.by == "observedAt" else []
    for column, names in (("attribute", selection.attributes), ("dataset", selection.datasets)):
        if names is not None:
            series.append(f"s.{column} = ANY({parameters.add(list(names))}::text[])")
    if shown := seen.attribute_in("s.attribute", (SCOPE,)):
        series.append(f"EXISTS (SELECT FROM entity e WHERE e.id = s.entity_id AND {shown[0]})")
    found: list[tuple[int, str, str, str, str]] = await connection.fetch(
        _OF_ENTITIES.format(entity=" AND ".join(entity) or "true", series=" AND ".join(series) or "true"),
        *parameters.values,
    )
    return found
