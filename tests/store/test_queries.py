"""Queries in SQL give the answers of the plain reading of the standard, for random entities and random queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from rhinecloud.broker import Operation
from rhinecloud.broker.writer import SeriesNumbers, write
from rhinecloud.model import (
    CORE,
    LOCATION,
    And,
    AttributePath,
    BadRequestData,
    Comparison,
    Entity,
    Exists,
    GeoQuery,
    Or,
    Q,
    Range,
    Temporal,
    Uri,
    ValueList,
    matches,
    matches_geometry,
    normal_time,
    parse_entity,
    parse_geo_query,
    parse_q,
    parse_type_selection,
)
from rhinecloud.model.query_tree import PATH_MEMBERS
from rhinecloud.model.sight import EVERYTHING
from rhinecloud.store import Database, geo, queries
from rhinecloud.store.entities import to_entity
from rhinecloud.store.queries import Query

from ..model import strategies as some

RELAXED = settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a database is too slow to shrink with
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


async def hold(database: Database, entities: Sequence[Entity]) -> None:
    """Make these the only entities."""
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_current_xact_id()")
        await connection.execute("DELETE FROM entity; DELETE FROM place")
        for verdict in (
            await write(connection, [Operation.of("upsert", e) for e in entities], SeriesNumbers())
        )[0]:
            assert not isinstance(verdict, Exception), verdict


async def ids(database: Database, query: Query) -> list[str]:
    return [stored.id for stored in (await queries.run(database.pool, query, sight=EVERYTHING))[0]]


async def everything(database: Database) -> list[Entity]:
    return [
        to_entity(stored)
        for stored in (await queries.run(database.pool, Query(limit=1_000), sight=EVERYTHING))[0]
    ]


# ---- q: queries that are likely to meet the entities, for they are made of what stands in them


def paths_in(entity: Entity) -> Iterator[tuple[AttributePath, Any]]:
    """Paths that lead somewhere in the entity, with what stands there."""
    for name, instances in entity.attributes.items():
        for instance in instances:
            yield from _paths((name,), instance)


def _paths(names: tuple[str, ...], instance: dict[str, Any]) -> Iterator[tuple[AttributePath, Any]]:
    for member, value in instance.items():
        if isinstance(value, list) and value and isinstance(value[0], dict) and ":" in member:
            for inner in value:
                yield from _paths((*names, member), inner)
        elif member in PATH_MEMBERS:
            yield AttributePath(names[0], (*names[1:], member)), value
        elif member != "type":
            yield AttributePath(names[0], names[1:]), value
            yield from _inside(AttributePath(names[0], names[1:]), (), value)


def _inside(path: AttributePath, trail: tuple[str, ...], value: Any) -> Iterator[tuple[AttributePath, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key:
                yield AttributePath(path.attribute, path.sub_path, (*trail, key)), inner
                yield from _inside(path, (*trail, key), inner)


def scalars_in(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from scalars_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from scalars_in(inner)
    elif value is not None:
        yield value


def exact(value: Any) -> bool:
    """Whether a number is the same one as a float and as a decimal."""
    return not isinstance(value, float) or abs(value) < 2**53


@st.composite
def terms_about(draw: st.DrawFn, entities: Sequence[Entity]) -> Q:
    known = [found for entity in entities for found in paths_in(entity)]
    if not known or draw(st.integers(0, 9)) == 0:
        return draw(some.comparisons.filter(lambda term: term.path.linked is None and exact(term.value)))
    path, there = draw(st.sampled_from(known))
    candidates = [value for value in scalars_in(there) if isinstance(value, str | int | float)]
    choices: list[st.SearchStrategy[Any]] = [some.scalars, some.temporals]
    if candidates:
        same = st.sampled_from(candidates)
        choices += [same, same, same.map(lambda v: Uri(v) if isinstance(v, str) else v)]
        times = [text for v in candidates if isinstance(v, str) and (text := normal_time(v))]
        if times:
            choices.append(st.sampled_from(times).map(lambda text: Temporal("dateTime", text)))
    value = st.one_of(choices).filter(exact)
    kind = draw(
        st.sampled_from(["exists", "equal", "equal", "unequal", "order", "order", "list", "range", "pattern"])
    )
    if kind == "exists":
        return Exists(path)
    if kind == "list":
        return Comparison(path, draw(st.sampled_from(["==", "!="])), ValueList((draw(value), draw(value))))
    if kind == "range":
        low, high = draw(st.one_of(some.ranges.map(lambda r: (r.low, r.high)), st.tuples(value, value)))
        low, high = (bound if exact(bound) else 1 for bound in (low, high))
        if type(low) is not type(high) or isinstance(low, bool):
            low, high = 0, 10
        return Comparison(path, draw(st.sampled_from(["==", "!="])), Range(low, high))
    if kind == "pattern":
        return Comparison(path, draw(st.sampled_from(["~=", "!~="])), draw(some.patterns))
    if kind == "order":
        return Comparison(
            path,
            draw(st.sampled_from([">", ">=", "<", "<="])),
            draw(value.filter(lambda v: not isinstance(v, bool | Uri))),
        )
    return Comparison(path, "==" if kind == "equal" else "!=", draw(value))


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[Entity], list[Q]]:
    entities = draw(st.lists(some.entities, min_size=1, max_size=4, unique_by=lambda e: e.id))
    asked: list[Q] = []
    for _ in range(6):
        terms = draw(st.lists(terms_about(entities), min_size=1, max_size=3))
        asked.append(terms[0] if len(terms) == 1 else draw(st.sampled_from([And, Or]))(tuple(terms)))
    return entities, asked


@RELAXED
@given(questions())
async def test_sql_answers_what_the_plain_reading_answers(
    shared: Database, asked: tuple[list[Entity], list[Q]]
) -> None:
    entities, terms = asked
    await hold(shared, entities)
    stored = await everything(shared)
    assert [entity.id for entity in stored] == sorted(entity.id for entity in entities)
    for q in terms:
        expected = [entity.id for entity in stored if matches(q, entity)]
        assert await ids(shared, Query(q=q, limit=1_000)) == expected, q
        page, count = await queries.run(
            shared.pool, Query(q=q, limit=1, offset=1, count=True), sight=EVERYTHING
        )
        assert [row.id for row in page] == expected[1:2]
        assert count == len(expected)


def lamp(number: int, **members: Any) -> Entity:
    return parse_entity({"id": f"urn:ngsi-ld:Lamp:{number}", "type": "Lamp", **members}, CORE)


TRICKY: list[dict[str, Any]] = [
    {"a": {"value": 1, "b": {"value": 2}}},
    {"a": [{"value": 1, "datasetId": "urn:x:1"}, {"value": 5, "b": {"value": 2}}]},
    {"a": {"value": [1, [2, 3]]}},
    {"a": {"value": {"@value": 2, "@type": "Thing"}}},
    {"a": {"value": {"@value": [2, 3]}}},
    {"a": {"value": [{"@value": 2}]}},
    {"a": {"type": "JsonProperty", "json": {"@value": 2}}},
    {"a": {"value": {"b": {"@value": 2}}}},
    {"a": {"value": {"b": [2, 7]}}},
    {"a": {"value": 2.0}},
    {"a": {"value": "2"}},
    {"a": {"value": True}},
    {"a": {"value": "B", "observedAt": "2026-01-01T00:00:00Z"}},
    {"a": {"value": "2026-01-01T01:00:00+01:00"}},
    {"a": {"type": "Relationship", "object": "urn:ngsi-ld:Lamp:1"}},
    {"a": {"type": "Relationship", "object": ["urn:ngsi-ld:Lamp:1", "urn:ngsi-ld:Lamp:2"]}},
    {"a": {"type": "LanguageProperty", "languageMap": {"de": "Lampe", "en": ["lamp", "light"]}}},
    {"a": {"type": "VocabProperty", "vocab": "good"}},
    {"a": {"type": "ListProperty", "valueList": [1, [2]]}},
    {"a": {"type": "ListRelationship", "objectList": [{"object": "urn:ngsi-ld:Lamp:1"}]}},
    {"a": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [2, 3]}}},
    {"a": {"type": "JsonProperty", "json": None}},
    {"a": {"value": 'quo"te\\ \u2028 größe'}},
    {"a": {"value": 1, "unitCode": "CEL", "b": {"value": 1, "c": {"value": 2}}}},
    {"c": {"value": 2}},
]
ASKED = [
    "a", "a.b", "a.b.c", "a[b]", "a[*]", "a[de]", "a[en]", "a.observedAt", "a.unitCode",
    "a==2", "a==2.0", 'a=="2"', "a==1,2", "a==1..2", "a==2..3", "a>1", "a>=2", "a<2", "a<=1", "a!=2", "a!=1..2",
    "a.b==2", "a.b>1", "a.b!=2", "a.b.c==2", "a[b]==2", "a[b]>1", "a[b]!=2", "a[b]==7",
    "a==true", "a!=true", "a==false", 'a>"A"', 'a<"C"', 'a~="^B"', 'a!~="^B"', 'a~="amp"',
    "a==2026-01-01T00:00:00Z", "a>=2025-01-01T00:00:00Z", "a.observedAt>2025-01-01T00:00:00Z",
    "a.observedAt==2026-01-01T00:00:00Z", 'a.unitCode=="CEL"', 'a.unitCode!="CEL"',
    "a==urn:ngsi-ld:Lamp:1", "a!=urn:ngsi-ld:Lamp:1", 'a>"urn:a"',
    'a[de]=="Lampe"', 'a[en]=="light"', 'a[*]=="light"', 'a=="light"', 'a[en]>"l"', 'a[fr]=="x"',
    'a=="https://uri.etsi.org/ngsi-ld/default-context/good"', "a[coordinates]==2",
    "a==2;a.b==2", "a==2|c==2", "(a==1|c==2);a.b", "createdAt>2020-01-01T00:00:00Z", "createdAt<2020-01-01T00:00:00Z",
    "modifiedAt", "c;a", "c|a.b", "missing", "missing==1", "missing!=1",
]  # fmt: skip


async def test_tricky_values_and_every_kind_of_term(shared: Database) -> None:
    await hold(shared, [lamp(n, **members) for n, members in enumerate(TRICKY)])
    stored = await everything(shared)
    wrong = {}
    for text in ASKED:
        q = parse_q(text, CORE)
        expected = [entity.id for entity in stored if matches(q, entity)]
        found = await ids(shared, Query(q=q, limit=1_000))
        if found != expected:
            only_sql, only_plain = set(found) - set(expected), set(expected) - set(found)
            wrong[text] = (
                [TRICKY[int(i.rpartition(":")[2])] for i in only_sql],
                "not found:",
                [TRICKY[int(i.rpartition(":")[2])] for i in only_plain],
            )
    assert wrong == {}


# ---- the other conditions


async def test_types_ids_patterns_attributes_paging(shared: Database) -> None:
    entities = [
        parse_entity(
            {"id": f"urn:ngsi-ld:T:{n:02}", "type": types, "n": n, "even" if n % 2 == 0 else "odd": 1}, CORE
        )
        for n, types in enumerate([["A"], ["B"], ["A", "B"], ["C"], ["A", "C"], ["Ä"], ["A"], ["B"]])
    ]
    await hold(shared, entities)
    for text in ["A", "A,B", "(A;B)", "(A;B)|C", "A|C", "D", "Ä"]:
        selection = parse_type_selection(text, CORE)
        expected = [e.id for e in entities if selection.matches(e.types)]
        assert await ids(shared, Query(types=selection)) == expected, text
    assert await ids(shared, Query(ids=("urn:ngsi-ld:T:03", "urn:ngsi-ld:T:99"))) == ["urn:ngsi-ld:T:03"]
    assert len(await ids(shared, Query(id_pattern=r"^urn:ngsi-ld:T:0[0-2]$"))) == 3
    assert await ids(shared, Query(id_pattern="T:07")) == ["urn:ngsi-ld:T:07"]
    for pattern in ("(", "*", "[a", "a{2,1}"):
        with pytest.raises(BadRequestData):
            await ids(shared, Query(id_pattern=pattern))
    even = CORE.expand_name("even")
    assert len(await ids(shared, Query(attrs=(even,)))) == 4
    assert len(await ids(shared, Query(attrs=(even, CORE.expand_name("odd"))))) == 8
    selection = parse_type_selection("A", CORE)
    seen = []
    for offset in range(0, 6, 2):
        page, count = await queries.run(
            shared.pool, Query(types=selection, limit=2, offset=offset, count=True), sight=EVERYTHING
        )
        assert count == 4
        seen += [row.id for row in page]
    assert seen == [e.id for e in entities if selection.matches(e.types)]
    both = Query(types=selection, q=parse_q("n>1", CORE), attrs=(even,), id_pattern="T")
    assert await ids(shared, both) == [f"urn:ngsi-ld:T:0{n}" for n in (2, 4, 6)]


# ---- geo

relations = st.sampled_from(["within", "contains", "intersects", "equals", "disjoint", "overlaps"])


@st.composite
def geo_queries(draw: st.DrawFn, shapes: st.SearchStrategy[Any], around: list[Any]) -> GeoQuery:
    geometry = draw(st.one_of(shapes, st.sampled_from(around)) if around else shapes)
    if draw(st.booleans()):
        high = draw(st.none() | st.floats(1, 3e7))
        low = draw(st.none() | st.floats(1, 3e7)) if high is not None else draw(st.floats(1, 3e7))
        return GeoQuery("near", geometry, LOCATION, high, low)
    return GeoQuery(draw(relations), geometry, LOCATION)


lon = st.one_of(some.longitudes, st.floats(6.7, 6.8), st.sampled_from([-180.0, 180.0, 179.9, -179.9, 6.75]))
lat = st.one_of(st.floats(-89, 89), st.floats(51.4, 51.5), st.sampled_from([-89.9, 0.0, 89.9, 51.45]))
position = st.tuples(lon, lat).map(lambda at: [round(at[0], 9), round(at[1], 9)])
boxes = st.tuples(lon, lat, st.floats(0.001, 20), st.floats(0.001, 20)).map(
    lambda b: {
        "type": "Polygon",
        "coordinates": [
            [
                [max(b[0] - b[2], -180), max(b[1] - b[3], -90)],
                [min(b[0] + b[2], 180), max(b[1] - b[3], -90)],
                [min(b[0] + b[2], 180), min(b[1] + b[3], 90)],
                [max(b[0] - b[2], -180), min(b[1] + b[3], 90)],
                [max(b[0] - b[2], -180), max(b[1] - b[3], -90)],
            ]
        ],
    }
)
shapes = st.one_of(
    position.map(lambda at: {"type": "Point", "coordinates": at}),
    position.map(lambda at: {"type": "Point", "coordinates": at}),
    st.lists(position, min_size=2, max_size=4).map(lambda line: {"type": "LineString", "coordinates": line}),
    st.lists(position, min_size=1, max_size=3).map(lambda many: {"type": "MultiPoint", "coordinates": many}),
    boxes,
)


@RELAXED
@given(st.data())
async def test_geo_queries_answer_as_the_plain_reading(shared: Database, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.lists(shapes, min_size=1, max_size=2), min_size=1, max_size=5))
    entities = [
        Entity(
            id=f"urn:ngsi-ld:Place:{n}",
            types=("urn:x:Place",),
            attributes={
                LOCATION: [
                    {"type": "GeoProperty", "value": one, **({"datasetId": f"urn:x:{i}"} if i else {})}
                    for i, one in enumerate(many)
                ]
            },
        )
        for n, many in enumerate(places)
    ]
    await hold(shared, entities)
    for _ in range(4):
        query = data.draw(geo_queries(shapes, [one for many in places for one in many]))
        expected = [
            entity.id
            for entity, many in zip(entities, places, strict=True)
            if any(matches_geometry(query, one) for one in many)
        ]
        assert await ids(shared, Query(geo=query, limit=100)) == expected, query


async def test_a_geo_query_goes_with_the_other_conditions_and_pages(shared: Database) -> None:
    def post(number: int, **members: Any) -> Entity:
        at = {"type": "Point", "coordinates": [6.76 + number / 1_000, 51.43]}
        return lamp(number, location={"type": "GeoProperty", "value": at}, n=number, **members)

    await hold(shared, [*(post(n) for n in range(9)), lamp(10, n=3)])
    near = GeoQuery("near", {"type": "Point", "coordinates": [6.76, 51.43]}, LOCATION, 350.0)
    page, count = await queries.run(
        shared.pool, Query(geo=near, limit=2, offset=1, count=True), sight=EVERYTHING
    )
    assert ([row.id for row in page], count) == ([f"urn:ngsi-ld:Lamp:{n}" for n in (1, 2)], 6)
    for text in ("n>3", "n!=4;n>3"):  # the second needs the plain reading
        q = parse_q(text, CORE)
        expected = [f"urn:ngsi-ld:Lamp:{n}" for n in (4, 5) if n != 4 or text == "n>3"]
        assert await ids(shared, Query(geo=near, q=q)) == expected
    assert await ids(shared, Query(geo=near, types=parse_type_selection("Other", CORE))) == []


async def test_points_for_maps(shared: Database) -> None:
    line = {"type": "LineString", "coordinates": [[6, 51], [8, 53]]}
    await hold(
        shared,
        [
            lamp(
                1,
                location={"type": "GeoProperty", "value": {"type": "Point", "coordinates": [6.5, 51.5]}},
                power="on",
            ),
            lamp(
                2,
                location={"type": "GeoProperty", "value": line},
                power=[{"value": 1, "datasetId": "urn:x:1"}],
            ),
            lamp(3, power="on"),
        ],
    )
    lamps, power = CORE.expand_name("Lamp"), CORE.expand_name("power")
    found = await queries.points(shared.pool, [lamps], [power, "urn:x:none"], LOCATION, sight=EVERYTHING)
    assert found == [
        ("urn:ngsi-ld:Lamp:1", (lamps,), 6.5, 51.5, ["on", None]),
        ("urn:ngsi-ld:Lamp:2", (lamps,), 7.0, 52.0, [None, None]),
    ]
    assert await queries.points(shared.pool, ["urn:x:Other"], [], LOCATION, sight=EVERYTHING) == []
    assert len(await queries.points(shared.pool, [], [], LOCATION, sight=EVERYTHING)) == 2


async def test_positions_next_to_zero_do_not_keep_others_from_being_stored(shared: Database) -> None:
    tiny = [0.0, 5e-324, -5e-324, 1e-200, -1e-200, 1e-160, -1e-160, 1e-13, -1e-13, 1e-12, -1e-12]
    corners = [[x, y] for x in tiny for y in tiny]
    lines = [[a, b] for a, b in pairwise(corners)] + [[corners[n], [7.0 + n, 52.0]] for n in range(9)]
    shapes: list[dict[str, Any]] = [{"type": "Point", "coordinates": at} for at in corners]
    shapes += [{"type": "LineString", "coordinates": line} for line in lines]
    for _ in range(3):  # 250 leave no page of the index undivided
        await hold(
            shared, [lamp(n, location={"type": "GeoProperty", "value": s}) for n, s in enumerate(shapes)]
        )
    around = parse_geo_query("intersects", "Polygon", "[[[-1,-1],[1,-1],[1,1],[-1,1],[-1,-1]]]", None, CORE)
    assert len(await ids(shared, Query(geo=around, limit=1_000))) == len(shapes)


@pytest.mark.parametrize("relation", ["within", "intersects", "disjoint", "overlaps", "contains", "equals"])
def test_rings_that_cross_themselves_are_read_as_the_model_reads_them(relation: str) -> None:
    crossed = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    around = "[[[-1,-1],[3,-1],[3,3],[-1,3],[-1,-1]]]"
    query = parse_geo_query(relation, "Polygon", around, None, CORE)
    (found,) = geo.refine(query, [shape(crossed).wkb])
    assert found == matches_geometry(query, crossed)
