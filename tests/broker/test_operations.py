"""Each kind of operation does what its clause says, and answers what it did."""

from __future__ import annotations

from typing import Any

import pytest

from rhinecloud.broker import Applied, Broker, Operation, Query
from rhinecloud.model import AlreadyExists, BadRequestData, NgsiLdError, ResourceNotFound
from rhinecloud.model.sight import EVERYTHING

from .graph import LAMP, SCOPE, attribute, iri, one, part, shown, told, values, whole

NULL = "urn:ngsi-ld:null"


async def created(broker: Broker, **members: Any) -> None:
    assert isinstance(await one(broker, whole("create", **members)), Applied)


def fails(verdict: Any, kind: type[NgsiLdError]) -> bool:
    return isinstance(verdict, kind)


async def test_create(broker: Broker) -> None:
    """§5.6.1"""
    verdict = await one(broker, whole("create", power=5, scope=["/A/B"]))
    assert verdict == Applied(created=True, updated=(iri("power"),))
    assert await shown(broker) == {"type": "Lamp", "scope": "/A/B", "power": 5}
    assert fails(await one(broker, whole("create", power=6)), AlreadyExists)
    assert (await shown(broker))["power"] == 5
    assert fails(await one(broker, Operation("create", "urn:x:1")), BadRequestData)
    stored = await broker.retrieve(LAMP, sight=EVERYTHING)
    assert stored.created_at == stored.modified_at
    (instance,) = stored.attributes[iri("power")]
    assert instance["createdAt"] == instance["modifiedAt"] == stored.created_at


async def test_replace_and_upsert_replace_the_whole_but_keep_created_at(broker: Broker) -> None:
    """§5.6.18, §5.6.8"""
    assert fails(await one(broker, whole("replace", power=1)), ResourceNotFound)
    assert (await one(broker, whole("upsert", power=1, scope="/A", height=3))).created  # type: ignore[union-attr]
    before = await broker.retrieve(LAMP, sight=EVERYTHING)
    for kind, power in (("upsert", 2), ("replace", 3)):
        verdict = await one(broker, whole(kind, type="Post", power=power))
        assert verdict == Applied(updated=(iri("power"),))
        assert await shown(broker) == {"type": "Post", "power": power}
    after = await broker.retrieve(LAMP, sight=EVERYTHING)
    assert after.created_at == before.created_at
    assert after.modified_at > before.modified_at  # type: ignore[operator]
    changes = await told(broker)
    assert [change["operation"] for change in changes] == ["create", "update", "update"]
    assert sorted(changes[1]["attributes"]) == sorted([iri("power"), iri("height")])
    assert changes[1]["old"][iri("height")][0]["value"] == 3


async def test_append_overwrites_or_not_by_dataset(broker: Broker) -> None:
    """§5.6.3"""
    assert fails(await one(broker, part("append", power=1)), ResourceNotFound)
    await created(broker, power=1, scope="/A")
    before = await broker.retrieve(LAMP, sight=EVERYTHING)
    verdict = await one(broker, part("append", type="Post", power=2, height=7, scope="/B"))
    assert verdict == Applied(updated=(iri("power"), iri("height")))
    assert await shown(broker) == {"type": ["Lamp", "Post"], "scope": "/B", "power": 2, "height": 7}
    after = await broker.retrieve(LAMP, sight=EVERYTHING)
    assert after.attributes[iri("power")][0]["createdAt"] == before.attributes[iri("power")][0]["createdAt"]
    other = {"value": 9, "datasetId": "urn:x:1"}
    verdict = await one(
        broker, part("append", power=[{"value": 3}, other], scope=["/B", "/C"], options={"overwrite": False})
    )
    assert isinstance(verdict, Applied)
    assert verdict.updated == (iri("power"),)
    assert [left.attribute for left in verdict.not_updated] == [iri("power")]
    assert await shown(broker) == {
        "type": ["Lamp", "Post"],
        "scope": ["/B", "/C"],
        "power": [2, other],
        "height": 7,
    } or (await shown(broker))["power"] == [{"value": 2}, other]
    verdict = await one(broker, part("append", height=8, options={"overwrite": False}))
    assert isinstance(verdict, Applied)
    assert (verdict.updated, len(verdict.not_updated)) == ((), 1)


async def test_append_can_make_what_is_missing(broker: Broker) -> None:
    """§5.6.8 in update mode"""
    operation = whole("update", power=1, options={"create_missing": True})
    assert (await one(broker, operation)).created  # type: ignore[union-attr]
    assert not (await one(broker, operation)).created  # type: ignore[union-attr]


async def test_update_attributes_appends_replaces_and_deletes(broker: Broker) -> None:
    """§5.6.2 with §5.5.8"""
    assert fails(await one(broker, part("update", power=1)), ResourceNotFound)
    await created(
        broker,
        power=[{"value": 1, "unitCode": "WTT"}, {"value": 2, "datasetId": "urn:x:1"}],
        height=7,
    )
    verdict = await one(broker, part("update", power={"value": 3}, color="red", scope="/A", type="Post"))
    assert isinstance(verdict, Applied)
    assert verdict.updated == (iri("power"), iri("color"))
    assert [left.attribute for left in verdict.not_updated] == ["https://uri.etsi.org/ngsi-ld/scope"]
    assert await shown(broker) == {  # no scope: only one that is there is replaced
        "type": ["Lamp", "Post"],
        "power": [{"value": 3}, {"value": 2, "datasetId": "urn:x:1"}],
        "height": 7,
        "color": "red",
    }
    await one(
        broker, part("update", power={"type": "Property", "value": NULL, "datasetId": "urn:x:1"}, height=NULL)
    )
    assert await shown(broker) == {"type": ["Lamp", "Post"], "power": 3, "color": "red"}
    before = len(await told(broker))
    assert await one(broker, part("update", height=NULL)) == Applied()
    assert len(await told(broker)) == before


async def test_partial_update_of_one_attribute(broker: Broker) -> None:
    """§5.6.4 with §5.5.8, example 1"""
    assert fails(await one(broker, attribute("partial_update", "power", {"value": 1})), ResourceNotFound)
    await created(broker, power={"value": 25, "unitCode": "CEL", "observedAt": "2022-03-14T01:59:26.535Z"})
    patch = {"type": "Property", "value": 100, "observedAt": "2022-03-14T13:00:00.000Z"}
    assert isinstance(await one(broker, attribute("partial_update", "power", patch)), Applied)
    expected = {"value": 100, "unitCode": "CEL", "observedAt": "2022-03-14T13:00:00Z"}
    assert (await shown(broker))["power"] == expected
    refused = await one(
        broker, attribute("partial_update", "power", {"type": "Relationship", "object": "urn:x:1"})
    )
    assert fails(refused, BadRequestData)
    missing = await one(broker, attribute("partial_update", "power", {"value": 1, "datasetId": "urn:x:9"}))
    assert fails(missing, ResourceNotFound)
    assert fails(await one(broker, attribute("partial_update", "height", {"value": 1})), ResourceNotFound)
    await one(broker, attribute("partial_update", "power", {"unitCode": NULL}))
    assert "unitCode" not in (await shown(broker))["power"]
    await one(broker, attribute("partial_update", "power", {"value": NULL}))
    assert "power" not in await shown(broker)


async def test_replace_attribute(broker: Broker) -> None:
    """§5.6.19"""
    await created(broker, power={"value": 1, "unitCode": "WTT"})
    before = (await broker.retrieve(LAMP, sight=EVERYTHING)).attributes[iri("power")][0]
    assert isinstance(await one(broker, attribute("replace_attribute", "power", {"value": 2})), Applied)
    assert (await shown(broker))["power"] == 2
    after = (await broker.retrieve(LAMP, sight=EVERYTHING)).attributes[iri("power")][0]
    assert after["createdAt"] == before["createdAt"]
    other = {"value": 2, "datasetId": "urn:x:1"}
    assert fails(await one(broker, attribute("replace_attribute", "power", other)), ResourceNotFound)
    assert fails(await one(broker, attribute("replace_attribute", "height", {"value": 2})), ResourceNotFound)


async def test_merge(broker: Broker) -> None:
    """§5.6.17 with §5.5.12, both examples"""
    assert fails(await one(broker, part("merge", power=1)), ResourceNotFound)
    await created(
        broker,
        temperature={"value": 25, "unitCode": "CEL", "observedAt": "2022-03-14T01:59:26.535Z"},
        address={"value": {"street": "Straße des 17. Juni", "city": "Berlin", "country": "Germany"}},
        list={"value": [1, 2]},
    )
    await one(broker, part("merge", temperature={"value": 100, "observedAt": "2022-03-14T13:00:00.000Z"}))
    await one(
        broker,
        part("merge", address={"value": {"street": "Pariser Platz", "country": NULL}}, list={"value": [3]}),
    )
    await one(broker, part("merge", color="red", type="Post", scope="/A"))
    assert await shown(broker) == {
        "type": ["Lamp", "Post"],
        "scope": "/A",
        "temperature": {"value": 100, "unitCode": "CEL", "observedAt": "2022-03-14T13:00:00Z"},
        "address": {"value": {"street": "Pariser Platz", "city": "Berlin"}},
        "list": {"value": [3]},
        "color": "red",
    } or (await shown(broker))["list"] == [3]
    await one(broker, part("merge", address=NULL, list={"type": "Property", "value": NULL}))
    assert {"address", "list"}.isdisjoint(await shown(broker))
    before = len(await told(broker))
    await one(broker, part("merge", unknown=NULL))
    assert len(await told(broker)) == before
    await one(broker, part("merge", color={"value": "blue", "datasetId": "urn:x:1"}))
    assert len((await broker.retrieve(LAMP, sight=EVERYTHING)).attributes[iri("color")]) == 2


async def test_delete_attribute(broker: Broker) -> None:
    """§5.6.5"""
    assert fails(await one(broker, attribute("delete_attribute", "power")), ResourceNotFound)
    two = [{"value": 1}, {"value": 2, "datasetId": "urn:x:1"}]
    await created(broker, power=two, color=two, height=1, scope="/A")
    assert fails(await one(broker, attribute("delete_attribute", "unknown")), ResourceNotFound)
    missing = attribute("delete_attribute", "power", options={"dataset": "urn:x:9"})
    assert fails(await one(broker, missing), ResourceNotFound)
    await one(broker, attribute("delete_attribute", "power", options={"dataset": "urn:x:1"}))
    await one(broker, attribute("delete_attribute", "color", options={"all_instances": True}))
    await one(broker, attribute("delete_attribute", "height"))
    assert await shown(broker) == {"type": "Lamp", "scope": "/A", "power": 1}
    assert isinstance(await one(broker, Operation("delete_attribute", LAMP, attribute=SCOPE)), Applied)
    assert "scope" not in await shown(broker)
    assert fails(await one(broker, Operation("delete_attribute", LAMP, attribute=SCOPE)), ResourceNotFound)


async def test_delete(broker: Broker) -> None:
    """§5.6.6"""
    assert fails(await one(broker, Operation("delete", LAMP)), ResourceNotFound)
    await created(broker, power=1, location={"type": "Point", "coordinates": [6.7, 51.4]})
    assert await broker.database.pool.fetchval("SELECT count(*) FROM place") == 1
    assert isinstance(await one(broker, Operation("delete", LAMP)), Applied)
    with pytest.raises(ResourceNotFound):
        await broker.retrieve(LAMP, sight=EVERYTHING)
    assert await broker.database.pool.fetchval("SELECT count(*) FROM place") == 0
    change = (await told(broker))[-1]
    assert (change["operation"], change["types"], "entity" in change) == ("delete", [iri("Lamp")], False)
    assert change["old"][iri("power")][0]["value"] == 1
    assert await values(broker) == [1]  # what was, was


@pytest.mark.parametrize("kind", ["update", "append", "merge"])
async def test_a_geometry_is_found_where_it_is_now(broker: Broker, kind: Any) -> None:
    await created(broker, location={"type": "Point", "coordinates": [1, 1]})
    await one(
        broker,
        part(kind, location={"type": "GeoProperty", "value": {"type": "Point", "coordinates": [2, 2]}}),
    )
    points = await broker.points([], [], sight=EVERYTHING)
    assert [point[2:4] for point in points] == [(2.0, 2.0)]
    await one(broker, part("update", location={"type": "Property", "value": "nowhere"}))
    assert await broker.points([], [], sight=EVERYTHING) == []


async def test_every_kind_of_attribute_is_stored_as_it_came(broker: Broker) -> None:
    members = {
        "text": "größe \u2028",
        "flag": True,
        "nested": {"value": {"a": [1, {"b": None}]}},
        "quality": {"value": 1, "accuracy": {"value": 0.5, "unitCode": "P1", "by": {"object": "urn:x:1"}}},
        "to": {"object": ["urn:x:1", "urn:x:2"]},
        "area": {"value": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}},
        "named": {"languageMap": {"de": "Lampe", "en": ["lamp", "light"]}},
        "state": {"vocab": "good"},
        "raw": {"json": {"@value": 1, "x": None}},
        "many": {"valueList": [1, "a", [True]]},
        "all": {"objectList": ["urn:x:1", "urn:x:2"]},
    }
    await created(broker, **members)
    normalized = await shown(broker, format="normalized")
    kinds = [normalized[name]["type"] for name in members]
    assert kinds == [
        "Property", "Property", "Property", "Property", "Relationship", "GeoProperty", "LanguageProperty",
        "VocabProperty", "JsonProperty", "ListProperty", "ListRelationship",
    ]  # fmt: skip
    assert normalized["quality"]["accuracy"]["by"]["object"] == "urn:x:1"
    assert await one(broker, whole("upsert", **{name: normalized[name] for name in members})) == Applied(
        updated=tuple(iri(name) for name in members)
    )
    assert await shown(broker, format="normalized") == normalized


async def test_a_purge_of_everything(broker: Broker) -> None:
    """§5.6.21: with nothing said, all entities; each portion in a transaction of its own."""
    many = [whole("create", f"urn:x:{n}", power=n, height=1) for n in range(1_201)]
    assert all(isinstance(verdict, Applied) for verdict in await broker.apply(many))
    height = frozenset({iri("height")})
    assert await broker.purge(Query(attrs=tuple(height)), height, sight=EVERYTHING) == 1_201
    assert await broker.purge(Query(), height, sight=EVERYTHING) == 0
    assert await broker.purge(Query(), frozenset({iri("power")}), keep=True, sight=EVERYTHING) == 0
    page = await broker.query(Query(limit=2_000, count=True), sight=EVERYTHING)
    assert {tuple(entity.attributes) for entity in page.entities} == {(iri("power"),)}
    assert await broker.purge(Query(), sight=EVERYTHING) == 1_201
    assert (await broker.query(Query(count=True), sight=EVERYTHING)).count == 0
