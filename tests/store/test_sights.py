"""What is answered under a sight is what the plain reading answers over the entities as the sight has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.broker import Operation, temporal
from rhinecloud.broker.temporal import Wanted
from rhinecloud.broker.writer import SeriesNumbers, write
from rhinecloud.model import (
    CORE,
    LOCATION,
    And,
    AttributePath,
    Entity,
    Exists,
    GeoQuery,
    Or,
    OrderKey,
    Q,
    matches,
    matches_geometry,
    ordered,
    parse_entity,
    parse_geo_query,
    parse_order_by,
    parse_q,
    parse_scope_q,
)
from rhinecloud.model.evolution import SCOPE
from rhinecloud.model.query_tree import LinkedPath
from rhinecloud.model.sight import EVERYTHING, NOTHING, Grant, Sight
from rhinecloud.store import Database, discovery, queries, rankings
from rhinecloud.store.entities import to_entity
from rhinecloud.store.queries import Query
from rhinecloud.store.rankings import Rankings

from ..model import strategies as some
from .test_queries import RELAXED, everything, hold, terms_about

LINK, POWER = CORE.expand_name("leadsTo"), CORE.expand_name("power")
SCOPES = ("/A", "/A/B", "/A/B/C", "/A.B", "/D", "/AB")
SCOPE_QUERIES = ("/A/#", "/A", "/+/B", "/D,/AB", "/#")
GEO = parse_geo_query("near;maxDistance==2000000", "Point", "[6.7,51.4]", None, CORE)


def some_of(names: Sequence[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(names), max_size=3) if names else st.just(frozenset())


@st.composite
def graphs(draw: st.DrawFn) -> list[Entity]:
    """Entities with scopes, numbers, places and links to each other."""
    made = draw(st.lists(some.entities, min_size=1, max_size=5, unique_by=lambda entity: entity.id))
    ids = [entity.id for entity in made]
    graph = []
    for entity in made:
        attributes = dict(entity.attributes)
        if draw(st.booleans()):
            attributes[POWER] = [{"type": "Property", "value": draw(st.integers(0, 3))}]
        if draw(st.booleans()):
            attributes[LINK] = [{"type": "Relationship", "object": draw(st.sampled_from(ids))}]
        if draw(st.booleans()):
            point = {"type": "Point", "coordinates": [draw(st.sampled_from([6.7, 90.0])), 51.4]}
            attributes[LOCATION] = [{"type": "GeoProperty", "value": point}]
        scopes = tuple(sorted(draw(st.frozensets(st.sampled_from(SCOPES), max_size=2))))
        graph.append(msgspec.structs.replace(entity, scopes=scopes, attributes=attributes))
    return graph


@st.composite
def sights(draw: st.DrawFn, graph: list[Entity]) -> Sight:
    types = sorted({one for entity in graph for one in entity.types})
    names = sorted({name for entity in graph for name in entity.attributes})
    above = draw(st.sampled_from([SCOPES, ("A", "D", "/A/B")]))
    grants = st.builds(Grant, some_of(types), st.one_of(st.just(frozenset()), some_of(above)), some_of(names))
    return Sight(tuple(draw(st.lists(grants, max_size=3))))


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Entity], Sight, list[Query]]:
    graph = draw(graphs())
    names = sorted({name for entity in graph for name in entity.attributes})
    asked = []
    for _ in range(6):
        terms: list[Any] = draw(st.lists(terms_about(graph), max_size=2))
        if draw(st.booleans()):
            term = draw(st.one_of(terms_about(graph), st.just(Exists(AttributePath(POWER)))))
            terms.append(
                msgspec.structs.replace(term, path=AttributePath(LINK, linked=LinkedPath(term.path, ())))
            )
        q: Q | None = None
        if terms:
            q = terms[0] if len(terms) == 1 else draw(st.sampled_from([And, Or]))(tuple(terms))
        order: tuple[OrderKey, ...] = ()
        if draw(st.booleans()):
            path = AttributePath(draw(st.sampled_from([POWER, *names])))
            order = (
                msgspec.structs.replace(_KEY, path=path, direction=draw(st.sampled_from(["asc", "desc"]))),
            )
        asked.append(
            Query(
                q=q,
                attrs=tuple(sorted(draw(st.one_of(st.just(frozenset()), some_of(names))))),
                scope_q=draw(st.none() | st.sampled_from(SCOPE_QUERIES).map(parse_scope_q)),
                geo=draw(st.sampled_from([None, None, GEO])),
                order_by=order,
                limit=1_000,
                count=True,
            )
        )
    return graph, draw(sights(graph)), asked


(_KEY,) = parse_order_by("power", CORE)


def plainly(query: Query, seen: list[Entity]) -> list[str]:
    """The ids of the answer, by the plain reading over what is seen."""
    known = {entity.id: entity for entity in seen}
    found = [
        entity
        for entity in seen
        if (query.q is None or matches(query.q, entity, known.get))
        and (not query.attrs or not entity.attributes.keys().isdisjoint(query.attrs))
        and (query.scope_q is None or query.scope_q.matches(entity.scopes))
        and (query.geo is None or near(query.geo, entity))
    ]
    return [entity.id for entity in (ordered(found, query.order_by) if query.order_by else found)]


@st.composite
def pasts(
    draw: st.DrawFn,
) -> tuple[list[Entity], list[str], Sight, list[tuple[Query, tuple[str, ...] | None]]]:
    """A graph, which of its entities are deleted afterwards, and questions about its past."""
    graph = draw(graphs())
    names = sorted({name for entity in graph for name in entity.attributes})
    gone = sorted(draw(some_of([entity.id for entity in graph])))
    asked = []
    for _ in range(4):
        about = tuple(sorted(draw(some_of(names)))) or None
        q = draw(st.sampled_from([None, None, Exists(AttributePath(POWER))]))
        scope_q = draw(st.none() | st.sampled_from(SCOPE_QUERIES).map(parse_scope_q))
        asked.append((Query(q=q, scope_q=scope_q, limit=1_000, count=True), about))
    return graph, gone, draw(sights(graph)), asked


@RELAXED
@given(pasts())
async def test_the_past_is_answered_as_if_there_were_only_what_is_seen(
    shared: Database, case: tuple[list[Entity], list[str], Sight, list[tuple[Query, tuple[str, ...] | None]]]
) -> None:
    graph, gone, sight, asked = case
    async with shared.transaction() as connection:
        await connection.execute("SELECT pg_current_xact_id()")
        await connection.execute("DELETE FROM entity; DELETE FROM place; DELETE FROM deleted_entity")
        steps = [Operation.of("upsert", entity) for entity in graph]
        for some_steps in filter(None, (steps, [Operation("delete", entity_id) for entity_id in gone])):
            for verdict in (await write(connection, some_steps, SeriesNumbers()))[0]:
                assert not isinstance(verdict, Exception), verdict
    filed = {entity.id: entity for entity in graph}
    for query, about in asked:
        page = await temporal.query(shared.pool, query, Wanted(attributes=about), 10_000, sight)
        whole = await temporal.query(shared.pool, query, Wanted(attributes=about), 10_000, EVERYTHING)
        found = {one.entity.id: {name for name in one.events if name != SCOPE} for one in page.evolutions}
        seen: dict[str, set[str]] = {}
        for one in whole.evolutions:
            entity = filed[one.entity.id]
            try:
                shown = sight.attributes_of(entity.types, entity.scopes)
            except LookupError:
                continue
            kept = {name for name in one.events if name != SCOPE and (shown is None or name in shown)}
            if query.q is None or shown is None or POWER in shown:
                seen[one.entity.id] = kept
        assert {i: names for i, names in found.items() if names} == {i: n for i, n in seen.items() if n}
        assert page.count == len(page.evolutions)


def near(geo: GeoQuery, entity: Entity) -> bool:
    return any(matches_geometry(geo, one.get("value")) for one in entity.attributes.get(geo.property, ()))


@RELAXED
@given(cases())
async def test_queries_answer_as_if_there_were_only_what_is_seen(
    shared: Database, case: tuple[list[Entity], Sight, list[Query]]
) -> None:
    graph, sight, asked = case
    await hold(shared, graph)
    seen = [entity for one in await everything(shared) if (entity := sight.of(one))]
    for query in asked:
        expected = plainly(query, seen)
        page, count = await queries.run(shared.pool, query, sight=sight)
        assert ([one.id for one in page], count) == (expected, len(expected)), (sight, query)
        unordered = msgspec.structs.replace(query, order_by=())
        portions = [ids async for ids in queries.every(shared.pool, unordered, sight=sight)]
        assert sum(portions, []) == sorted(expected)


@RELAXED
@given(cases())
async def test_what_there_is_is_what_is_seen(
    shared: Database, case: tuple[list[Entity], Sight, list[Query]]
) -> None:
    graph, sight, _ = case
    await hold(shared, graph)
    seen = [entity for one in await everything(shared) if (entity := sight.of(one))]
    counts = Counter(one for entity in seen for one in entity.types)
    assert dict(await discovery.types(shared.pool, sight)) == counts
    pairs = {(one, name) for entity in seen for one in entity.types for name in entity.attributes}
    found = await discovery.attributes_of_types(shared.pool, sight)
    assert {(one, name) for one, names in found for name in names} == pairs
    by_attribute = await discovery.types_of_attributes(shared.pool, sight)
    assert {(one, name) for name, types in by_attribute for one in types} == pairs
    for one in {one for entity in graph for one in entity.types}:
        info = await discovery.type_info(shared.pool, one, sight)
        assert (
            (info.count, set(info.kinds)) == (counts[one], {n for t, n in pairs if t == one})
            if info
            else (one not in counts)
        )
    for name in {name for entity in graph for name in entity.attributes}:
        about = await discovery.attribute_info(shared.pool, name, sight)
        instances = sum(len(entity.attributes.get(name, ())) for entity in seen)
        assert (about.count if about else 0) == instances
    places = await queries.points(shared.pool, (), (POWER,), LOCATION, sight=sight)
    power = {
        e.id: e.attributes[POWER][0]["value"] if POWER in e.attributes else None
        for e in seen
        if LOCATION in e.attributes
    }
    assert {place[0]: place[4][0] for place in places if place[0] in power} == power
    assert {place[0] for place in places} <= {entity.id for entity in seen if LOCATION in entity.attributes}


def thing(name: str, **members: Any) -> Entity:
    return parse_entity({"id": f"urn:x:{name}", "type": "T", **members}, CORE)


async def test_a_ranking_orders_by_what_is_seen_only(shared: Database) -> None:
    """Of some entities the number is hidden: they come last, in the order of their ids, as those without one."""
    await hold(shared, [thing(f"{n:02}", power=100 - n, scope=["/A" if n % 2 else "/B"]) for n in range(20)])
    known = Rankings(shared.pool)
    path = AttributePath(POWER)
    async with shared.pool.acquire() as connection:
        assert await rankings.make(connection, path, worth=1)
    await known.settle()
    in_a, nowhere = frozenset({"/A"}), frozenset({"urn:x:other"})
    half = Sight((Grant(scopes=in_a), Grant(attributes=nowhere)))
    none = Sight((Grant(attributes=nowhere),))
    stored = await everything(shared)
    for sight in (EVERYTHING, half, none, NOTHING):
        seen = [entity for one in stored if (entity := sight.of(one))]
        for text in ("power", "power;desc"):
            query = Query(order_by=parse_order_by(text, CORE), limit=15, offset=3, count=True)
            page, count = await queries.run(shared.pool, query, known, sight=sight)
            assert [one.id for one in page] == plainly(query, seen)[3:18], (sight, text)
            assert count == len(seen)
        for text in ("power>90", "power==99", "power<95|power==81"):
            query = Query(q=parse_q(text, CORE), limit=100)
            page, _ = await queries.run(shared.pool, query, known, sight=sight)
            assert [one.id for one in page] == plainly(query, seen), (sight, text)
    await known.close()


async def test_nobody_has_a_ranking_made_of_what_they_do_not_see(shared: Database) -> None:
    await hold(shared, [thing(f"{n:04}", wear=n) for n in range(1_100)])
    known = Rankings(shared.pool)
    blind = Sight((Grant(attributes=frozenset({POWER})),))
    order, q = parse_order_by("wear", CORE), parse_q("wear>3", CORE)
    for query in (Query(order_by=order), Query(q=q)):
        for _ in range(10):
            await queries.run(shared.pool, query, known, sight=blind)
        await known.settle()
    async with shared.pool.acquire() as connection:
        assert not any("wear" in one.path for one in await rankings.listed(connection))
    await known.close()


@pytest.mark.parametrize("text", ["wear>0", "wear", "wear!=3", 'wear~="x"', "leadsTo{wear}>0", "wear{power}"])
async def test_a_hidden_attribute_says_nothing(shared: Database, text: str) -> None:
    await hold(shared, [thing("a", wear=5, power=1, leadsTo={"type": "Relationship", "object": "urn:x:a"})])
    sight = Sight((Grant(attributes=frozenset({POWER, LINK})),))
    found, count = await queries.run(shared.pool, Query(q=parse_q(text, CORE), count=True), sight=sight)
    assert (found, count) == ([], 0)
    (whole,), _ = await queries.run(shared.pool, Query(), sight=sight)
    seen = sight.of(to_entity(whole))
    assert seen is not None and seen.attributes.keys() == {POWER, LINK}
