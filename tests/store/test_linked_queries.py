"""Queries into linked entities (CIM 009 §4.9) and by several selectors (§5.2.33): SQL answers as the plain reading."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.model import (
    CORE,
    And,
    AttributePath,
    Entity,
    LinkedPath,
    Or,
    Q,
    matches,
    parse_entity,
    parse_order_by,
    parse_q,
)
from rhinecloud.model.sight import EVERYTHING
from rhinecloud.model.subscription import parse_selectors
from rhinecloud.store import Database, queries
from rhinecloud.store.queries import Query

from ..model import strategies as some
from .test_queries import RELAXED, everything, hold, ids, terms_about


def thing(name: str, kind: str = "T", **members: Any) -> Entity:
    return parse_entity({"id": f"urn:x:{name}", "type": kind, **members}, CORE)


def link(*names: str, **members: Any) -> dict[str, Any]:
    ids = [f"urn:x:{name}" for name in names]
    return {"type": "Relationship", "object": ids if len(ids) > 1 else ids[0], **members}


GRAPH = [
    thing("a", r=link("b"), n=1),
    thing("b", "U", r=link("c", "gone"), n=2, words={"languageMap": {"de": "Licht"}}),
    thing("c", r=link("c"), n=3, at={"value": 4, "observedAt": "2026-01-01T00:00:00Z"}),
    thing("d", r=[link("a"), link("b", datasetId="urn:d")], n=4),
    thing("e", r={"type": "ListRelationship", "objectList": ["urn:x:c", "urn:x:b"]}, n=5),
    thing("f", r="urn:x:b", n=6),
    thing("g", r=link("gone")),
]
ASKED = [
    "r{n}", "r{n}==2", "r{U:n}==2", "r{T:n}==2", "r{T,U:n}>=2", "r{n}!=2", "r{n}!=2,3", "r{n}==2..3",
    'r{words[de]}=="Licht"', 'r{words}~="^L"', "r{at.observedAt}>=2026-01-01T00:00:00Z", "r{at.observedAt}",
    "r{r{n}}==3", "r{r{n}}!=3", "r{r{r{n}}}==3", "r{r{U:r{n}}}==3", "r{n}==2;n>3", "r{n}==2|r{r{n}}==2", "r{createdAt}",
    "r{createdAt}>2020-01-01T00:00:00Z", "n{n}", "r{r}==urn:x:b", "r{missing}", "(r{n}==3|n==6);n>1",
]  # fmt: skip


async def test_queries_that_follow_relationships(shared: Database) -> None:
    await hold(shared, GRAPH)
    stored = await everything(shared)
    known = {entity.id: entity for entity in stored}
    wrong, answers = {}, set()
    for text in ASKED:
        q = parse_q(text, CORE)
        expected = [entity.id for entity in stored if matches(q, entity, known.get)]
        found = await ids(shared, Query(q=q, limit=100))
        answers.add(tuple(found))
        if found != expected:
            wrong[text] = (found, expected)
        page, count = await queries.run(
            shared.pool, Query(q=q, limit=1, offset=1, count=True), sight=EVERYTHING
        )
        assert ([row.id for row in page], count) == (expected[1:2], len(expected)), text
    assert wrong == {} and len(answers) >= 8
    q, keys = parse_q("r{n}!=1", CORE), parse_order_by("n;desc", CORE)
    assert await ids(shared, Query(q=q, order_by=keys)) == [
        "urn:x:e",
        "urn:x:d",
        "urn:x:c",
        "urn:x:b",
        "urn:x:a",
    ]


async def test_the_plain_meaning_of_a_linked_query() -> None:
    known = {entity.id: entity for entity in GRAPH}
    for text, expected in (
        ("r{n}==2", "ade"),
        ("r{U:n}", "ade"),
        ("r{r{n}}==3", "abcde"),
        ("r{n}!=2", "bcde"),
    ):
        found = "".join(one.id[-1] for one in GRAPH if matches(parse_q(text, CORE), one, known.get))
        assert found == expected, text
    assert not any(matches(parse_q("r{n}", CORE), one) for one in GRAPH)


async def test_several_selectors(shared: Database) -> None:
    await hold(shared, GRAPH)
    for selectors, expected in (
        ([{"type": "U"}, {"type": "T", "id": "urn:x:a"}], "ab"),
        ([{"type": "*", "id": ["urn:x:a", "urn:x:g"]}], "ag"),
        ([{"type": "T", "idPattern": "[c-d]$"}, {"type": "U", "idPattern": "c$"}], "cd"),
        ([{"type": "T", "id": "urn:x:a", "idPattern": "c$"}], "a"),
    ):
        query = Query(selectors=parse_selectors(selectors, ("entities",), CORE))
        assert "".join(one[-1] for one in await ids(shared, query)) == expected


LINK = CORE.expand_name("leadsTo")


@st.composite
def linked_questions(draw: st.DrawFn) -> tuple[list[Entity], list[Q]]:
    """Entities that lead to each other, and queries along these links that are likely to meet them."""
    entities = draw(st.lists(some.entities, min_size=2, max_size=5, unique_by=lambda e: e.id))
    everybody = st.sampled_from([*(entity.id for entity in entities), "urn:x:nobody"])
    targets = st.one_of(everybody, st.lists(everybody, min_size=1, max_size=3))
    relationships = st.builds(lambda to: {"type": "Relationship", "object": to}, targets)
    lists = st.builds(
        lambda to: {"type": "ListRelationship", "objectList": to}, st.lists(everybody, min_size=1)
    )
    times = st.sampled_from([{}, {"observedAt": "2026-01-01T00:00:00Z"}])
    linking = [
        msgspec.structs.replace(
            entity,
            attributes={**entity.attributes, LINK: [draw(st.one_of(relationships, lists)) | draw(times)]},
        )
        for entity in entities
    ]
    types = sorted({one for entity in entities for one in entity.types})

    def behind(path: AttributePath) -> AttributePath:
        hint = draw(st.sampled_from([(), (), (types[0],), tuple(types[:2])]))
        return AttributePath(LINK, linked=LinkedPath(path, hint))

    asked: list[Q] = []
    for _ in range(6):
        term: Any = draw(terms_about(entities))
        term = msgspec.structs.replace(term, path=behind(term.path))
        if draw(st.booleans()):
            term = msgspec.structs.replace(term, path=behind(term.path))
        other = draw(st.none() | terms_about(entities))
        asked.append(term if other is None else draw(st.sampled_from([And, Or]))((term, other)))
    return linking, asked


@RELAXED
@given(linked_questions())
async def test_sql_follows_relationships_as_the_plain_reading_does(
    shared: Database, asked: tuple[list[Entity], list[Q]]
) -> None:
    entities, terms = asked
    await hold(shared, entities)
    stored = await everything(shared)
    known = {entity.id: entity for entity in stored}
    for q in terms:
        expected = [entity.id for entity in stored if matches(q, entity, known.get)]
        assert await ids(shared, Query(q=q, limit=1_000)) == expected, q
