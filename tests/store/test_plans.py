"""Every documented kind of query is planned: on 50,000 entities an index is used, and the graph is not read through."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from rhinecloud.broker.instances import place
from rhinecloud.model import (
    CORE,
    LOCATION,
    parse_entity,
    parse_geo_query,
    parse_order_by,
    parse_q,
    parse_scope_q,
    parse_type_selection,
)
from rhinecloud.model.sight import EVERYTHING, Grant, Sight
from rhinecloud.store import Database, entities, facts, queries, rankings
from rhinecloud.store.entities import StoredEntity
from rhinecloud.store.queries import Query
from rhinecloud.store.rankings import Rankings

MANY = 50_000
BORN = datetime(2026, 1, 1, tzinfo=UTC)


def lamp(n: int) -> dict[str, Any]:
    measured = {"observedAt": "2026-01-31T17:00:00Z"}
    document = {
        "id": f"urn:ngsi-ld:Streetlight:{n:06d}",
        "type": ["Streetlight", "Rare"] if n % 5_000 == 0 else "Streetlight",
        "scope": [f"/Duisburg/District{n % 46}/Street{n % 920}"],
        "controlGroup": {"type": "Property", "value": n % 2_500},
        "address": {"type": "Property", "value": {"city": "Duisburg", "street": f"Street {n % 5_000}"}},
        "height": {
            "type": "Property",
            "value": 6.5,
            "accuracy": {"type": "Property", "value": n % 1_000},
            "wear": {"type": "Property", "value": n % 1_000},
        },
        "label": {"type": "LanguageProperty", "languageMap": {"de": f"Leuchte {n}", "en": f"lamp {n}"}},
        "refGroup": {"type": "Relationship", "object": f"urn:ngsi-ld:Group:{n % 2_500}"},
        "level": {"type": "Property", "value": n * 7 % MANY, **measured},
        "state": {"type": "Property", "value": "failed" if n % 1_000 == 0 else "on", **measured},
        "location": {
            "type": "GeoProperty",
            "value": {
                "type": "Point",
                "coordinates": [6.65 + (n % 250) * 0.0007, 51.33 + (n // 250) * 0.001],
            },
        },
    }
    if n % 1_000 == 0:
        document["maintenance"] = {"type": "Property", "value": "due"}
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(module_database_url: str) -> AsyncIterator[Database]:
    """The lamps, as the planner knows them after a while."""
    database = await Database.open(module_database_url, size=4)
    try:
        await _fill(database)
        yield database
    finally:
        await database.close()


async def _fill(database: Database) -> None:
    made = [parse_entity(lamp(n), CORE) for n in range(MANY)]
    async with database.transaction() as connection:
        for start in range(0, MANY, 5_000):
            part = made[start : start + 5_000]
            await entities.insert(
                connection,
                [
                    StoredEntity(
                        e.id,
                        e.types,
                        e.scopes,
                        msgspec.json.encode(e.attributes).decode(),
                        BORN + timedelta(seconds=start + n),
                        BORN + timedelta(seconds=MANY - start - n),
                        facts.as_array(facts.of_entity(e.scopes, e.attributes)),
                    )
                    for n, e in enumerate(part)
                ],
            )
            await entities.replace_places(
                connection, [], [place(e.id, LOCATION, "", e.attributes[LOCATION][0]["value"]) for e in part]
            )
    async with database.pool.acquire() as connection:
        await connection.execute("VACUUM ANALYZE entity")
        await connection.execute("VACUUM ANALYZE place")
        for text in ("level", "state", "modifiedAt", "height.wear", "state.observedAt"):
            assert await rankings.make(connection, parse_order_by(text, CORE)[0].path)


class Explaining:
    """A pool that keeps the plan of each statement before it runs it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.plans: list[dict[str, Any]] = []

    async def _explain(self, statement: str, *given: Any) -> None:
        text = await self._pool.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *given)
        self.plans.append(json.loads(text)[0]["Plan"])

    async def fetch(self, statement: str, *given: Any) -> list[asyncpg.Record]:
        await self._explain(statement, *given)
        return await self._pool.fetch(statement, *given)  # type: ignore[no-any-return]

    async def fetchval(self, statement: str, *given: Any) -> Any:
        await self._explain(statement, *given)
        return await self._pool.fetchval(statement, *given)


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for inner in plan.get("Plans", ()) for node in nodes(inner))]


def about(**given: str) -> Query:
    """A query from the texts of its parameters."""
    read: dict[str, Any] = {}
    for name, text in given.items():
        match name:
            case "type":
                read["types"] = parse_type_selection(text, CORE)
            case "id":
                read["ids"] = tuple(text.split(","))
            case "idPattern":
                read["id_pattern"] = text
            case "attrs":
                read["attrs"] = tuple(CORE.expand_name(one) for one in text.split(","))
            case "q":
                read["q"] = parse_q(text, CORE)
            case "scopeQ":
                read["scope_q"] = parse_scope_q(text)
            case "geo":
                relation, geometry, coordinates = text.split("|")
                read["geo"] = parse_geo_query(relation, geometry, coordinates, None, CORE)
            case "orderBy":
                read["order_by"] = parse_order_by(text, CORE)
            case "offset":
                read["offset"] = int(text)
            case "count":
                read["count"] = True
    return Query(**read)


FACTS, TYPES, IDS, PLACES = "entity_facts", "entity_types", "entity_pkey", "place_area"
BOX = "[[[6.70,51.40],[6.71,51.40],[6.71,51.41],[6.70,51.41],[6.70,51.40]]]"
LAMP = "urn:ngsi-ld:Streetlight:"

# What is asked, which indexes one of the plans must use (any of them), how many are found on the page.
KINDS: list[tuple[dict[str, str], str, int]] = [
    ({}, IDS, 20),
    ({"type": "Streetlight"}, IDS, 20),
    ({"type": "Rare"}, TYPES, 10),
    ({"type": "Rare,Missing"}, TYPES, 10),
    ({"type": "(Rare;Streetlight)|Missing"}, TYPES, 10),
    ({"id": f"{LAMP}000007,{LAMP}000009"}, IDS, 2),
    ({"idPattern": f"^{LAMP}00010[0-4]$"}, IDS, 5),
    ({"idPattern": "00010[0-4]$"}, IDS, 5),
    ({"attrs": "maintenance"}, FACTS, 20),
    ({"attrs": "level"}, IDS, 20),
    ({"attrs": "maintenance,missing"}, FACTS, 20),
    ({"q": "controlGroup==7"}, FACTS, 20),
    ({"q": "controlGroup==7,8"}, FACTS, 20),
    ({"q": 'address[street]=="Street 7"'}, FACTS, 10),
    ({"q": "height.accuracy==7"}, FACTS, 20),
    ({"q": 'label[de]=="Leuchte 7"'}, FACTS, 1),
    ({"q": 'label[*]=="lamp 7"'}, FACTS, 1),
    ({"q": "refGroup==urn:ngsi-ld:Group:7"}, FACTS, 20),
    ({"q": "refGroup{controlGroup}==7"}, IDS, 0),
    ({"q": "maintenance"}, FACTS, 20),
    ({"q": "missing"}, FACTS, 0),
    ({"q": "height.accuracy"}, IDS, 20),
    ({"q": 'maintenance!="done"'}, FACTS, 20),
    ({"q": 'maintenance~="^d"'}, FACTS, 20),
    ({"q": "level==7..35"}, "ranked_", 20),
    ({"q": "level<100"}, "ranked_", 20),
    ({"q": "level>=49900"}, "ranked_", 20),
    ({"q": "height.wear>998"}, "ranked_", 20),
    ({"q": 'state=="failed"'}, "ranked_", 20),
    ({"q": 'state~="^fail"'}, "ranked_", 20),
    ({"q": 'state<"g"'}, "ranked_", 20),
    ({"q": "state.observedAt>2026-02-01T00:00:00Z"}, "ranked_", 0),
    ({"q": "level<100|maintenance"}, "ranked_", 20),
    ({"q": "controlGroup==7|level==8"}, "ranked_", 20),
    ({"q": "controlGroup==7;level>25000"}, FACTS, 10),
    ({"q": 'controlGroup==7|address[street]=="Street 9"'}, FACTS, 20),
    ({"q": "createdAt<2026-01-01T00:00:10Z"}, "entity_created", 10),
    ({"q": "modifiedAt<2026-01-01T00:00:10Z"}, "ranked_", 9),
    ({"scopeQ": "/Duisburg/District7/Street7"}, FACTS, 20),
    ({"scopeQ": "/Duisburg/District7/#"}, "entity_", 20),
    ({"scopeQ": "/Duisburg/+/Street7"}, FACTS, 20),
    ({"scopeQ": "/#"}, IDS, 20),
    ({"scopeQ": "/Duisburg/District7/Street7|/Essen"}, FACTS, 20),
    ({"scopeQ": "(/Duisburg/District7/#;/Duisburg/District7/Street7)"}, FACTS, 20),
    ({"geo": f"within|Polygon|{BOX}"}, PLACES, 20),
    ({"geo": f"intersects|Polygon|{BOX}"}, PLACES, 20),
    ({"geo": f"overlaps|Polygon|{BOX}"}, PLACES, 0),
    ({"geo": "near;maxDistance==500|Point|[6.7,51.4]"}, PLACES, 20),
    ({"geo": "near;maxDistance==5000;minDistance==4900|Point|[6.7,51.4]"}, PLACES, 20),
    ({"geo": "contains|Point|[6.65,51.33]"}, PLACES, 1),
    ({"geo": "equals|Point|[6.65,51.33]"}, PLACES, 1),
    ({"geo": "disjoint|Point|[6.65,51.33]"}, "place_", 20),
    ({"type": "Streetlight", "q": "controlGroup==7", "scopeQ": "/Duisburg/#", "idPattern": LAMP}, FACTS, 20),
    ({"type": "Streetlight", "geo": f"within|Polygon|{BOX}", "q": "controlGroup<2000"}, PLACES, 20),
    ({"orderBy": "id;desc"}, IDS, 20),
    ({"orderBy": "createdAt;desc"}, "entity_created", 20),
    ({"orderBy": "modifiedAt"}, "ranked_", 20),
    ({"orderBy": "level;desc"}, "ranked_", 20),
    ({"orderBy": "level", "q": "controlGroup==7"}, FACTS, 20),
    ({"type": "Rare", "orderBy": "label[de]"}, TYPES, 10),
    ({"type": "Rare", "count": ""}, TYPES, 10),
    ({"q": "controlGroup==7", "count": ""}, FACTS, 20),
    ({"type": "Streetlight", "count": ""}, TYPES, 20),
    ({"type": "Streetlight", "offset": "40000"}, IDS, 20),
]  # fmt: skip


# What anybody may read: all of one type, of another, the lamps, three attributes. The same must be found by an index,
# except for what is then the same as having no condition that an index could answer.
PUBLISHED = Sight(
    (
        Grant(frozenset({CORE.expand_name("Rare")})),
        Grant(
            frozenset({CORE.expand_name("Streetlight")}),
            attributes=frozenset(CORE.expand_name(name) for name in ("location", "level", "controlGroup")),
        ),
    )
)
# A term about what is seen of the few only leaves the few.
OF_THE_FEW = {
    "attrs": {"maintenance": 10, "maintenance,missing": 10},
    "q": {
        'address[street]=="Street 7"': 0, "height.accuracy==7": 0, 'label[de]=="Leuchte 7"': 0, 'label[*]=="lamp 7"': 0,
        "refGroup==urn:ngsi-ld:Group:7": 0, "maintenance": 10, "height.accuracy": 10, 'maintenance!="done"': 10,
        'maintenance~="^d"': 10, "height.wear>998": 0, 'state=="failed"': 10, 'state~="^fail"': 10, 'state<"g"': 10,
        "state.observedAt>2026-02-01T00:00:00Z": 0,
    },
}  # fmt: skip


@pytest.mark.parametrize("sight", [EVERYTHING, PUBLISHED], ids=["everything", "published"])
async def test_each_kind_of_query_uses_an_index_and_reads_no_graph_through(
    city: Database, sight: Sight
) -> None:
    known = Rankings(city.pool)
    wrong = {}
    for asked, index, number in KINDS:
        if sight is PUBLISHED and len(asked) == 1:
            ((name, text),) = asked.items()
            number = OF_THE_FEW.get(name, {}).get(text, number)
        pool = Explaining(city.queries)
        found, _ = await queries.run(pool, about(**asked), known, sight=sight)  # type: ignore[arg-type]
        used = [node for plan in pool.plans for node in nodes(plan)]
        indexes = {node["Index Name"] for node in used if "Index Name" in node}
        through = [n["Relation Name"] for n in used if n["Node Type"] == "Seq Scan"]
        by_index = any(name.startswith(index) for name in indexes) or (sight is PUBLISHED and bool(indexes))
        if "entity" in through or not by_index:
            wrong[str(asked)] = f"reads through {through}, uses {sorted(indexes)}"
        if len(found) != number:
            wrong[f"{asked} #"] = f"{len(found)} found"
    await known.close()
    assert wrong == {}
