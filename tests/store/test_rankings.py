"""Rankings: with them queries and orders answer what the plain reading answers, whatever is written when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.broker import Operation
from rhinecloud.broker.writer import SeriesNumbers, write
from rhinecloud.model import (
    CORE,
    And,
    Entity,
    Or,
    OrderKey,
    Q,
    matches,
    ordered,
    parse_entity,
    parse_order_by,
    parse_q,
    parse_scope_q,
)
from rhinecloud.model.query_tree import AttributePath
from rhinecloud.model.sight import EVERYTHING
from rhinecloud.store import Database, queries, rankings
from rhinecloud.store.entities import to_entity
from rhinecloud.store.queries import Query
from rhinecloud.store.rankings import MODIFIED_AT, Rankings

from ..model import strategies as some
from .test_queries import RELAXED, TRICKY, everything, hold, lamp, terms_about

ASKED = [
    "a==2", 'a=="2"', "a==1,2", "a==1..2", "a>1", "a>=2", "a<2", "a<=1", "a.b==2", "a.b>1", "a[b]==2", "a[b]>1",
    'a>"A"', 'a<"C"', 'a~="^B"', 'a~="^Bx?"', 'a~="^l"', 'a=="light"', 'a[en]=="light"', 'a[en]>"l"',
    "a==2026-01-01T00:00:00Z", "a>=2025-01-01T00:00:00Z", "a.observedAt>2025-01-01T00:00:00Z",
    "a.observedAt==2026-01-01T00:00:00Z", 'a.unitCode=="CEL"', "a==urn:ngsi-ld:Lamp:1", "a[coordinates]==2",
    "a==2;a.b==2", "a>1|c==2", "a>1|c", "(a==1|c>1);a.b", "modifiedAt>2020-01-01T00:00:00Z|a>4",
    "modifiedAt<2020-01-01T00:00:00Z", "modifiedAt==2020-01-01T00:00:00Z..2021-01-01T00:00:00Z",
]  # fmt: skip


async def forget_all(database: Database) -> None:
    """As if nobody had asked for any for long."""
    async with database.pool.acquire() as connection:
        for _ in range(2):
            await rankings.forget(connection, unasked="-1 day")
        assert await rankings.listed(connection) == []


async def rank(database: Database, paths: Sequence[AttributePath]) -> Rankings:
    """Rankings of these paths, as far as they can be ranked and there is room."""
    async with database.pool.acquire() as connection:
        for path in dict.fromkeys(paths):
            if rankings.is_rankable(path):
                await rankings.make(connection, path, worth=0)
    return Rankings(database.pool)


def paths_of(q: Q) -> list[AttributePath]:
    return [path for term in q.terms for path in paths_of(term)] if isinstance(q, And | Or) else [q.path]


async def ids(database: Database, query: Query, known: Rankings) -> list[str]:
    return [stored.id for stored in (await queries.run(database.queries, query, known, sight=EVERYTHING))[0]]


async def test_every_kind_of_term_before_and_after_a_change(shared: Database) -> None:
    asked = {text: parse_q(text, CORE) for text in ASKED}
    await hold(shared, [lamp(n, **members) for n, members in enumerate(TRICKY)])
    known = await rank(shared, [path for q in asked.values() for path in paths_of(q)])
    for shift in (0, 5):  # what is ranked as it was found, and what is ranked as it was written
        if shift:
            changed = [lamp(n, **TRICKY[(n + shift) % len(TRICKY)]) for n in range(len(TRICKY) - 3)]
            async with shared.transaction() as connection:
                await connection.execute("SELECT pg_current_xact_id()")
                operations = [Operation.of("upsert", entity) for entity in changed]
                await write(connection, [*operations, Operation("delete", lamp(24).id)], SeriesNumbers())
        stored = await everything(shared)
        wrong = {}
        for text, q in asked.items():
            found = await ids(shared, Query(q=q, limit=100), known)
            if found != [entity.id for entity in stored if matches(q, entity)]:
                wrong[text] = found
        assert wrong == {}, shift
    await forget_all(shared)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Entity], list[Entity], list[Q], list[tuple[OrderKey, ...]]]:
    """Entities, what they are later, queries, orders."""
    entities = draw(st.lists(some.entities, min_size=1, max_size=4, unique_by=lambda e: e.id))
    later = draw(st.lists(some.entities, min_size=1, max_size=4, unique_by=lambda e: e.id))
    terms = [draw(terms_about([*entities, *later])) for _ in range(6)]
    terms += [Or((terms[0], terms[1])), And((terms[2], Or((terms[3], terms[4]))))]
    directions = st.sampled_from(["asc", "desc"])
    paths = st.one_of(
        st.sampled_from(
            [AttributePath("id"), AttributePath("createdAt"), MODIFIED_AT, AttributePath("type")]
        ),
        st.sampled_from(terms[:6]).map(lambda term: paths_of(term)[0]),
    )
    keys = st.lists(st.builds(OrderKey, paths, directions), min_size=1, max_size=2).map(tuple)
    return entities, later, terms, [draw(keys) for _ in range(4)]


@RELAXED
@given(graphs())
async def test_with_rankings_sql_answers_what_the_plain_reading_answers(
    shared: Database, graph: tuple[list[Entity], list[Entity], list[Q], list[tuple[OrderKey, ...]]]
) -> None:
    before, later, terms, orders = graph
    await hold(shared, before)
    paths = [path for q in terms for path in paths_of(q)]
    known = await rank(shared, [*paths, *(key.path for keys in orders for key in keys)])
    await hold(shared, later)
    stored = await everything(shared)
    for q in terms:
        expected = [entity.id for entity in stored if matches(q, entity)]
        assert await ids(shared, Query(q=q, limit=100), known) == expected, q
    for keys in orders:
        expected = [entity.id for entity in ordered(stored, keys)]
        assert await ids(shared, Query(order_by=keys, limit=100), known) == expected, keys
        page, count = await queries.run(
            shared.queries, Query(order_by=keys, limit=1, offset=1, count=True), known, sight=EVERYTHING
        )
        assert ([one.id for one in page], count) == (expected[1:2], len(expected))
    await forget_all(shared)


async def test_orders_by_a_ranking(shared: Database) -> None:
    values: list[Any] = [3, 1, 2.5, 1, "b", "Ä", True, [1], {"x": 1}, {"@value": 2}, -1e300, None]
    entities = [
        lamp(n, **({} if value is None else {"a": {"type": "Property", "value": value}}))
        for n, value in enumerate(values)
    ]
    # Of several instances the default one counts, and without it the first.
    several = [{"value": 9, "datasetId": "urn:x:1"}, {"value": 2}], [{"value": 0, "datasetId": "urn:x:1"}]
    entities += [lamp(50 + n, a=instances) for n, instances in enumerate(several)]
    await hold(shared, entities)
    known = await rank(shared, [parse_order_by("a", CORE)[0].path])
    for text in ("a", "a;desc"):
        keys = parse_order_by(text, CORE)
        expected = [entity.id for entity in ordered(await everything(shared), keys)]
        for limit in (1, 4, 7, 100):
            for offset in (0, 3, 6, 12):
                found = await ids(shared, Query(order_by=keys, limit=limit, offset=offset), known)
                assert found == expected[offset : offset + limit], (text, limit, offset)
    await forget_all(shared)


async def test_what_is_asked_for_often_is_ranked_and_what_is_not_makes_room(shared: Database) -> None:
    await hold(shared, [lamp(n, a={"value": n, "observedAt": "2026-01-01T00:00:00Z"}) for n in range(1_100)])
    await shared.pool.execute("ANALYZE entity")
    known = Rankings(shared.pool)
    ask = Query(q=parse_q("a>1095", CORE))
    for _ in range(3):
        assert len(await ids(shared, ask, known)) == 4
    await known.settle()
    (ranking,) = await rankings.listed(shared.pool)
    assert ranking.ready
    assert await known.number(ask.q.path) == ranking.number  # type: ignore[union-attr]
    assert len(await ids(shared, ask, known)) == 4
    for _ in range(6):  # too few entities have that, and these are facts
        await ids(shared, Query(q=parse_q("b>1", CORE)), known)
        await ids(shared, Query(q=parse_q("name==1", CORE)), known)
    await known.settle()
    assert len(await rankings.listed(shared.pool)) == 1
    await forget_all(shared)
    left = await shared.pool.fetchval("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'entity'::regclass")
    assert left == 0  # a measurement pays for no ranking that is not there
    await known.close()


async def test_a_name_is_no_statement(shared: Database) -> None:
    name = "urn:x:a'$keep$;--"
    things = [
        Entity(id=f"urn:x:{n}", types=("urn:x:T",), attributes={name: [{"type": "Property", "value": n}]})
        for n in range(9)
    ]
    await hold(shared, things)
    known = await rank(shared, [AttributePath(name)])
    await hold(shared, things[:5])
    keys = (OrderKey(AttributePath(name), "desc"),)
    assert await ids(shared, Query(order_by=keys), known) == [f"urn:x:{n}" for n in (4, 3, 2, 1, 0)]
    await forget_all(shared)


async def test_nothing_that_is_written_meanwhile_is_missed(shared: Database) -> None:
    """Writers go on while a ranking is made."""
    await hold(shared, [lamp(n, a=n) for n in range(3_000)])
    stop = asyncio.Event()

    async def keep_writing(worker: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            async with shared.transaction() as connection:
                await connection.execute("SELECT pg_current_xact_id()")
                changed = [lamp(n, a=-n - number) for n in range(worker, 3_000, 97)]
                await write(connection, [Operation.of("upsert", e) for e in changed], SeriesNumbers())

    path = parse_order_by("a", CORE)[0].path
    writers = [asyncio.create_task(keep_writing(n)) for n in range(2)]
    known = await rank(shared, [path])
    stop.set()
    await asyncio.gather(*writers)
    (ranking,) = await rankings.listed(shared.pool)
    held = await shared.pool.fetch(
        "SELECT entity_id, number FROM ranked WHERE ranking = $1 ORDER BY entity_id", ranking.number
    )
    expected = [(e.id, e.attributes[path.attribute][0]["value"]) for e in await whole(shared)]
    assert [(one[0], int(one[1])) for one in held] == expected
    await known.close()
    await forget_all(shared)


async def whole(database: Database) -> list[Entity]:
    return [
        to_entity(one) for one in (await queries.run(database.pool, Query(limit=5_000), sight=EVERYTHING))[0]
    ]


async def test_measurements_are_heap_only_and_facts_follow_what_is_not_measured(shared: Database) -> None:
    measured = {"value": 1, "observedAt": "2026-01-01T00:00:00Z"}
    await hold(shared, [lamp(n, a=measured, b=1) for n in range(50)])

    async def update(count: int, **members: Any) -> tuple[int, int]:
        async with shared.pool.acquire() as connection:
            await connection.execute("SELECT pg_stat_force_next_flush()")
            before = await _updates(connection)
            for n in range(count):
                fragment = lamp(n, **members)
                async with connection.transaction():
                    await connection.execute("SELECT pg_current_xact_id()")
                    await write(
                        connection,
                        [Operation("merge", fragment.id, attributes=fragment.attributes)],
                        SeriesNumbers(),
                    )
            await connection.execute("SELECT pg_stat_force_next_flush()")
            after = await _updates(connection)
        return after[0] - before[0], after[1] - before[1]

    assert await update(10, a={"value": 2, "observedAt": "2026-01-02T00:00:00Z"}) == (10, 10)
    updated, heap_only = await update(10, b=2)
    assert (updated, heap_only) == (10, 0)
    found = await queries.run(shared.queries, Query(q=parse_q("b==2", CORE)), sight=EVERYTHING)
    assert len(found[0]) == 10


async def _updates(connection: asyncpg.Connection) -> tuple[int, int]:
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    record = await connection.fetchrow(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'entity'::regclass"
    )
    return record[0], record[1]


SCOPES = ["/A", "/A/B", "/A/B/C", "/A/C", "/B", "/B/C/D", "/D/B/C"]
SCOPE_QUERIES = [
    "/A", "A", "/A/#", "/#", "/+", "/+/#", "/+/B", "/+/B/#", "/A/+", "/A/+/C", "/+/+/C", "/A/B/#", "/X", "/A,/B",
    "/A|/D/#", "(/A;/B)", "(/A/#;/B/#)", "(/A;/B)|/D/#", "(/+/B;/A/C),/B", "/+/+/+/+", "/+/C/#|/X",
]  # fmt: skip


@RELAXED
@given(st.lists(st.sets(st.sampled_from(SCOPES), max_size=3), min_size=1, max_size=6), st.booleans())
async def test_scope_queries_answer_as_the_plain_reading(
    shared: Database, scopes: list[set[str]], slashed: bool
) -> None:
    told = [[scope if slashed else scope[1:] for scope in sorted(some_of)] for some_of in scopes]
    entities = [
        parse_entity({**({"scope": list_} if list_ else {}), "id": f"urn:ngsi-ld:T:{n}", "type": "T"}, CORE)
        for n, list_ in enumerate(told)
    ]
    await hold(shared, entities)
    for text in SCOPE_QUERIES:
        query = parse_scope_q(text)
        found, _ = await queries.run(shared.queries, Query(scope_q=query, limit=100), sight=EVERYTHING)
        assert [one.id for one in found] == [e.id for e in entities if query.matches(e.scopes)], text


async def test_the_migration_brings_what_is_there_along(database: Database, database_url: str) -> None:
    entities = [
        parse_entity({"id": f"urn:ngsi-ld:Lamp:{n}", "type": "Lamp", "scope": "/A/B", **members}, CORE)
        for n, members in enumerate(TRICKY)
    ]
    await hold(database, entities)
    before = await database.pool.fetch("SELECT id, facts FROM entity ORDER BY id")
    await database.pool.execute(
        """
        ALTER TABLE entity DROP COLUMN facts;
        DROP INDEX entity_created;
        DROP TABLE ranking, ranked CASCADE;
        DELETE FROM migration WHERE name = 'tenant_0013_indexes.sql';
        """
    )
    again = await Database.open(database_url, size=2)
    try:
        after = await again.pool.fetch("SELECT id, facts FROM entity ORDER BY id")
        assert [tuple(one) for one in after] == [tuple(one) for one in before]
        found, _ = await queries.run(
            again.queries, Query(scope_q=parse_scope_q("/A/#"), limit=100), sight=EVERYTHING
        )
        assert len(found) == len(TRICKY)
    finally:
        await again.close()
