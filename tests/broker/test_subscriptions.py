"""Subscriptions from the change to the receiver: triggers, forms, conditions, pauses, and what must not be lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio

from rhinecloud.broker import Applied, Broker, Operation
from rhinecloud.broker.contexts import Contexts
from rhinecloud.broker.outbound import Allowed
from rhinecloud.broker.subscriptions import Notifier
from rhinecloud.broker.subscriptions.notifier import keep
from rhinecloud.model import CORE, ResourceNotFound

from ..conftest import NatsServer
from ..receivers import HttpReceiver, eventually, http_receiver, mqtt_receiver
from .conftest import MakeBroker
from .graph import LAMP, attribute, one, part, whole

MakeNotifier = Callable[..., Awaitable[Notifier]]


@pytest_asyncio.fixture
async def make_notifier() -> AsyncIterator[MakeNotifier]:
    """What tells, for a broker."""
    made: list[Notifier] = []

    async def make(broker: Broker, allow: str = "127.0.0.0/8") -> Notifier:
        allowed = Allowed(allow)
        notifier = Notifier(broker.database, broker.feed, Contexts(broker.database, allowed=allowed), allowed)
        made.append(notifier)
        notifier.open()
        await broker._bus.on_wake("subscriptions", notifier.wake)  # type: ignore[attr-defined]
        return notifier

    yield make
    for notifier in made:
        await notifier.close()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[HttpReceiver]:
    async with http_receiver() as running:
        yield running


@pytest_asyncio.fixture
async def told(make_broker: MakeBroker, make_notifier: MakeNotifier) -> Broker:
    """A broker whose subscribers are told."""
    broker = await make_broker()
    notifier = await make_notifier(broker)
    await eventually(lambda: notifier.health()["elected_here"])
    return broker


async def subscribe(
    broker: Broker, receiver: HttpReceiver | str, *, notification: Any = None, **members: Any
) -> str:
    """Make a subscription to lamps, unless told otherwise."""
    uri = receiver if isinstance(receiver, str) else receiver.url
    document = {
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": uri}, **(notification or {})},
        **members,
    }
    document = {name: value for name, value in document.items() if value is not None}
    return await broker.subscriptions.create(document, CORE, owner="open")


async def test_a_change_is_told(told: Broker, receiver: HttpReceiver) -> None:
    """§5.8.6, §6.3.8"""
    identifier = await subscribe(told, receiver)
    await one(told, whole("create", power=5))
    (first,) = await receiver.told(1)
    assert first.body["subscriptionId"] == identifier
    assert first.body["type"] == "Notification"
    assert first.headers["content-type"] == "application/json"
    assert 'rel="http://www.w3.org/ns/json-ld#context"' in first.headers["link"]
    assert first.entities == [
        {"id": LAMP, "type": "Lamp", "power": {"type": "Property", "value": 5}},
    ]
    await one(told, part("update", power=6))
    await receiver.told(2)
    assert receiver.values("power") == [5, 6]
    assert receiver.connections == 1
    await one(told, Operation("delete", LAMP))
    await one(told, whole("create", "urn:ngsi-ld:Post:1", type="Post", power=7))
    await one(told, whole("create", power=8))
    await receiver.told(3)
    assert receiver.values("power") == [5, 6, 8]


# Which changes trigger (Table 5.2.12-1) ------------------------------------------------------------------------

CREATE = whole("create", power=1, height=2)
CHANGES: dict[str, Operation] = {
    "create": CREATE,
    "update": part("update", power=2),
    "same": part("update", power=2),
    "add": part("append", colour="red"),
    "drop": attribute("delete_attribute", "colour"),
    "other": part("update", height=3),
    "delete": Operation("delete", LAMP),
}
TRIGGERS = {
    ("attributeCreated",): ["create", "add"],
    ("attributeUpdated",): ["update", "other"],
    ("attributeDeleted",): ["drop", "delete"],
    ("entityCreated",): ["create"],
    ("entityUpdated",): ["create", "update", "add", "drop", "other", "delete"],
    ("entityDeleted",): ["delete"],
    ("entityCreated", "entityDeleted"): ["create", "delete"],
    None: ["create", "update", "add", "other"],
}


async def test_each_trigger_and_only_it(told: Broker) -> None:
    async with contextlib.AsyncExitStack() as stack:
        receivers = {}
        for triggers in TRIGGERS:
            receivers[triggers] = await stack.enter_async_context(http_receiver())
            await subscribe(
                told, receivers[triggers], notificationTrigger=list(triggers) if triggers else None
            )
        watching = await stack.enter_async_context(http_receiver())
        await subscribe(told, watching, watchedAttributes=["height", "colour"])
        nothing = await stack.enter_async_context(http_receiver())
        await subscribe(told, nothing, notificationTrigger=["entityDeleted"], watchedAttributes=["x"])
        for operation in CHANGES.values():
            assert isinstance(await one(told, operation), Applied)
        for triggers, names in TRIGGERS.items():
            found = await receivers[triggers].told(len(names))
            assert len(found) == len(names), (triggers, [r.entities for r in found])
        await watching.told(3)
        assert [sorted(e) for e in watching.entities] == [
            ["height", "id", "power", "type"],
            ["colour", "height", "id", "power", "type"],
            ["height", "id", "power", "type"],
        ]
        assert not nothing.received


async def test_without_entities_whoever_has_the_attribute(told: Broker, receiver: HttpReceiver) -> None:
    """§5.8.1.4"""
    await subscribe(told, receiver, entities=None, watchedAttributes=["power"])
    await one(told, whole("create", "urn:x:1", type="Any", power=1))
    await one(told, whole("create", "urn:x:2", type="Any", height=1))
    await one(told, whole("create", "urn:x:3", type="Other", power=3))
    await receiver.told(2)
    assert receiver.values("power") == [1, 3]


@pytest.mark.parametrize(
    ("selectors", "wanted"),
    [
        ([{"type": "Lamp", "id": "urn:x:2"}], {2}),
        ([{"type": "Lamp", "id": ["urn:x:2", "urn:x:3"]}], {2, 3}),
        ([{"type": "Lamp", "idPattern": "^urn:x:[34]$"}], {3, 4}),
        ([{"type": "Lamp", "id": "urn:x:1", "idPattern": "[34]$"}], {1}),
        ([{"type": "Post,Lamp"}], {1, 2, 3, 4, 5, 6}),
        ([{"type": "(Post;Lamp)"}], {5}),
        ([{"type": "*"}], {1, 2, 3, 4, 5, 6, 7}),
        ([{"type": "Post"}, {"type": "Lamp", "id": "urn:x:1"}], {1, 5, 6}),
    ],
)
async def test_selectors(told: Broker, receiver: HttpReceiver, selectors: Any, wanted: set[int]) -> None:
    """§5.2.33, §4.17"""
    await subscribe(
        told, receiver, entities=selectors, **({"localOnly": True} if selectors == [{"type": "*"}] else {})
    )
    kinds: dict[int, Any] = {5: ["Lamp", "Post"], 6: "Post", 7: "Car"}
    await told.apply([whole("create", f"urn:x:{n}", type=kinds.get(n, "Lamp"), n=n) for n in range(1, 8)])
    await eventually(lambda: len(receiver.entities) >= len(wanted))
    await one(told, whole("create", "urn:x:9", type="Nobody", n=9))
    assert {n for n in receiver.values("n") if n != 9} == wanted


async def test_conditions(told: Broker) -> None:
    """q (§4.9), scopeQ (§4.19), geoQ (§4.10) on the state after the change; on the last state of what is deleted"""
    conditions: dict[str, dict[str, Any]] = {
        "q": {"q": "power>5"},
        "scope": {"scopeQ": "/A/#"},
        "geo": {
            "geoQ": {"georel": "near;maxDistance==500", "geometry": "Point", "coordinates": [6.76, 51.43]}
        },
        "all": {
            "q": 'power>5;colour=="red"',
            "scopeQ": "/A/B",
            "geoQ": {
                "georel": "within",
                "geometry": "Polygon",
                "coordinates": "[[[6,51],[7,51],[7,52],[6,52],[6,51]]]",
                "geoproperty": "location",
            },
        },
    }
    every = ["entityCreated", "entityUpdated", "entityDeleted"]
    near = {"type": "Point", "coordinates": [6.761, 51.43]}
    far = {"type": "Point", "coordinates": [6.9, 51.43]}
    async with contextlib.AsyncExitStack() as stack:
        receivers = {name: await stack.enter_async_context(http_receiver()) for name in conditions}
        for name, condition in conditions.items():
            await subscribe(told, receivers[name], notificationTrigger=every, **condition)
        last = await stack.enter_async_context(http_receiver())
        await subscribe(told, last, q="n==6", notificationTrigger=every)
        for operation in (
            whole("create", n=1, power=3, location=far, scope="/A/B"),
            part("update", n=2, power=7),
            part("append", n=3, colour="red"),
            part("update", n=4, location=near),
            Operation("delete", LAMP),
            whole("create", n=5, power=1),
            part("update", n=6),
        ):
            assert isinstance(await one(told, operation), Applied)
        await last.told(1)
        expected: dict[str, list[Any]] = {
            "q": [2, 3, 4, "gone"],
            "scope": [1, 2, 3, 4, "gone"],
            "geo": [4, "gone"],
            "all": [3, 4, "gone"],
        }
        for name, numbers in expected.items():
            await receivers[name].told(len(numbers))
            found = [e.get("n", {}).get("value", "gone") for e in receivers[name].entities]
            assert found == numbers, name


# In which form ------------------------------------------------------------------------------------------------

NOTE = {"type": "LanguageProperty", "languageMap": {"de": "Licht", "en": "light"}}


async def shown_as(told: Broker, **notification: Any) -> list[dict[str, Any]]:
    """What a subscriber is told of a lamp that is made, altered, has an attribute dropped, and is deleted."""
    members = {name: notification.pop(name) for name in ("datasetId", "lang") if name in notification}
    every = ["entityCreated", "entityUpdated", "entityDeleted"]
    async with http_receiver() as receiver:
        notification = {"endpoint": {"uri": receiver.url, **notification.pop("endpoint", {})}, **notification}
        await subscribe(told, receiver, notification=notification, notificationTrigger=every, **members)
        await one(told, whole("create", power=1, note=NOTE, scope="/A"))
        await one(told, part("update", power={"value": 2, "unitCode": "WTT"}))
        await one(told, attribute("delete_attribute", "note"))
        await one(told, Operation("delete", LAMP))
        await receiver.told(4)
        return receiver.entities


async def test_normalized(told: Broker) -> None:
    power = {"type": "Property", "value": 2, "unitCode": "WTT"}
    head = {"id": LAMP, "type": "Lamp", "scope": "/A"}
    first, second, third, fourth = await shown_as(told)
    assert first == {**head, "power": {"type": "Property", "value": 1}, "note": NOTE}
    assert second == {**head, "power": power, "note": NOTE}
    null = {"type": "LanguageProperty", "languageMap": {"@none": "urn:ngsi-ld:null"}}
    assert third == {**head, "power": power, "note": null}
    assert fourth.keys() == {"id", "type", "deletedAt"}


@pytest.mark.parametrize("form", ["concise", "simplified", "keyValues"])
async def test_simplified(told: Broker, form: str) -> None:
    first, second, third, fourth = await shown_as(told, format=form)
    assert first["power"] == 1 and first["note"] == {"languageMap": NOTE["languageMap"]}
    assert second["power"] == ({"value": 2, "unitCode": "WTT"} if form == "concise" else 2)
    assert third["note"] == "urn:ngsi-ld:null"
    assert fourth.keys() == {"id", "type", "deletedAt"}


async def test_concise_with_changes_and_times(told: Broker) -> None:
    first, second, third, fourth = await shown_as(told, format="concise", showChanges=True, sysAttrs=True)
    assert "previousValue" not in first["power"] and "createdAt" in first and "createdAt" in first["power"]
    assert second["power"]["value"] == 2 and second["power"]["previousValue"] == 1
    assert third["note"]["languageMap"] == {"@none": "urn:ngsi-ld:null"}
    assert third["note"]["previousLanguageMap"] == NOTE["languageMap"]
    assert "previousValue" not in third["power"]
    assert third["note"].keys() >= {"createdAt", "modifiedAt", "deletedAt"}
    assert fourth["power"]["value"] == "urn:ngsi-ld:null" and fourth["power"]["previousValue"] == 2
    assert {"createdAt", "modifiedAt", "deletedAt"} <= fourth.keys()
    assert fourth["createdAt"] == first["createdAt"]


async def test_every_type_of_attribute_has_its_previous_and_its_null(
    told: Broker, receiver: HttpReceiver
) -> None:
    """§4.5.0"""
    before: dict[str, Any] = {
        "p": {"type": "Property", "value": 1},
        "r": {"type": "Relationship", "object": "urn:x:1"},
        "g": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}},
        "l": {"type": "LanguageProperty", "languageMap": {"de": "a"}},
        "v": {"type": "VocabProperty", "vocab": "red"},
        "j": {"type": "JsonProperty", "json": {"a": 1}},
        "pl": {"type": "ListProperty", "valueList": [1, 2]},
        "rl": {"type": "ListRelationship", "objectList": ["urn:x:1"]},
        "d": {"type": "Property", "value": 1, "datasetId": "urn:d:1"},
    }
    after = {
        "p": {"type": "Property", "value": 2},
        "r": {"type": "Relationship", "object": "urn:x:2"},
        "g": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [3, 4]}},
        "l": {"type": "LanguageProperty", "languageMap": {"de": "b"}},
        "v": {"type": "VocabProperty", "vocab": "blue"},
        "j": {"type": "JsonProperty", "json": {"a": 2}},
        "pl": {"type": "ListProperty", "valueList": [3]},
        "rl": {"type": "ListRelationship", "objectList": ["urn:x:2"]},
        "d": {"type": "Property", "value": 2, "datasetId": "urn:d:1"},
    }
    await one(told, whole("create", **before))
    await subscribe(told, receiver, notification={"showChanges": True}, notificationTrigger=["entityUpdated"])
    await one(told, part("update", **after))
    await one(told, whole("replace"))
    changed, ended = [r.entities[0] for r in await receiver.told(2)]
    member = {"p": "value", "r": "object", "g": "value", "l": "languageMap", "v": "vocab", "j": "json"}
    member |= {"pl": "valueList", "rl": "objectList", "d": "value"}
    null: Any = "urn:ngsi-ld:null"
    for name, value in member.items():
        previous = "previous" + value[0].upper() + value[1:]
        old = before[name][value]
        if name == "rl":
            old = [{"object": "urn:x:1"}]
        assert changed[name][previous] == old, (name, changed[name])
        assert ended[name][value] == {"l": {"@none": null}, "pl": [null], "rl": [null]}.get(name, null), (
            ended[name]
        )
        assert ended[name]["type"] == before[name]["type"]
    assert ended["d"]["datasetId"] == "urn:d:1"


async def test_the_end_of_an_entity_is_the_end_of_its_attributes(told: Broker) -> None:
    """Who subscribed to the end of attributes and not of the entity is told which (Table 5.2.12-1, §5.8.6)."""
    null: Any = "urn:ngsi-ld:null"
    ends = {
        "normalized": {"type": "Property", "value": null},
        "concise": null,
        "simplified": null,
    }
    asked: list[dict[str, Any]] = [
        {"watchedAttributes": ["power"], "notification": {"format": form}} for form in ends
    ]
    asked.append({"notification": {"format": "simplified"}})  # any attribute
    asked.append({"notification": {"format": "normalized", "sysAttrs": True}, "watchedAttributes": ["a"]})
    asked.append({"notification": {}, "notificationTrigger": ["entityDeleted", "attributeDeleted"]})
    async with contextlib.AsyncExitStack() as stack:
        receivers = [await stack.enter_async_context(http_receiver()) for _ in asked]
        for receiver, members in zip(receivers, asked, strict=True):
            await subscribe(told, receiver, **{"notificationTrigger": ["attributeDeleted"], **members})
        none = await stack.enter_async_context(http_receiver())
        await subscribe(told, none, watchedAttributes=["b"], notificationTrigger=["attributeDeleted"])
        await one(told, whole("create", power=1, a=2))
        await one(told, Operation("delete", LAMP))
        await one(told, whole("create", b=1))
        await one(told, Operation("delete", LAMP))
        found = [(await receiver.told(1))[0].entities[0] for receiver in receivers]
        assert [entity.pop("deletedAt") for entity in found]
        for entity, form in zip(found, ends, strict=False):
            assert entity == {"id": LAMP, "type": "Lamp", "power": ends[form]}
        assert found[3] == {"id": LAMP, "type": "Lamp", "power": null, "a": null}
        assert found[4]["a"]["value"] == null
        assert {"createdAt", "modifiedAt", "deletedAt"} <= found[4]["a"].keys()
        assert found[5] == {"id": LAMP, "type": "Lamp"}
        assert [entity["b"]["value"] for entity in (await none.told(1))[0].entities] == [null]


async def test_an_attribute_with_all_its_instances_ends_at_once(told: Broker, receiver: HttpReceiver) -> None:
    """§5.8.6, §4.5.5"""
    await subscribe(told, receiver, notificationTrigger=["attributeDeleted"])
    two = [{"value": n, "datasetId": f"urn:d:{n}"} for n in (1, 2)]
    await one(told, whole("create", power=[{"value": 0}, *two], height=two))
    for name in ("power", "height"):
        await one(told, attribute("delete_attribute", name, options={"all_instances": True}))
    first, second = [r.entities[0] for r in await receiver.told(2)]
    null = {"type": "Property", "value": "urn:ngsi-ld:null"}
    assert first["power"] == null
    assert second["height"] == [{**null, "datasetId": one["datasetId"]} for one in two]


async def test_parts_of_an_entity(told: Broker) -> None:
    """pick, omit, attributes (§4.21)"""
    first, _, third, fourth = await shown_as(told, pick=["id", "power"])
    assert first.keys() == {"id", "power"} and third.keys() == {"id", "power"}
    assert fourth.keys() == {"id", "deletedAt"}
    first, _, third, _ = await shown_as(told, omit=["power", "type"])
    assert first.keys() == {"id", "scope", "note"} and third.keys() == {"id", "scope", "note"}
    first, _, third, fourth = await shown_as(told, attributes=["power"])
    assert first.keys() == {"id", "type", "scope", "power"} == third.keys()
    assert fourth.keys() == {"id", "type", "deletedAt"}
    first, *_ = await shown_as(told, lang="en")
    assert first["note"]["value"] == "light"


async def test_linked_entities_are_told_along(told: Broker, receiver: HttpReceiver) -> None:
    """join, joinLevel, and what is picked of linked entities (§4.5.23, §5.8.6)"""
    street, city = "urn:x:street", "urn:x:city"
    await one(told, whole("create", city, name="Duisburg"))
    await one(told, whole("create", street, within={"object": city}, name="Kai"))
    inline: list[dict[str, Any]] = [{"joinLevel": 2}, {"pick": ["id", "at{name}"]}]
    for parameters in ({"join": "flat"}, *({"join": "inline", **more} for more in inline)):
        await subscribe(told, receiver, notification={"format": "concise", **parameters})
    await one(told, whole("create", at={"object": street}))
    found = [r.entities for r in await receiver.told(3)]
    flat = next(entities for entities in found if len(entities) == 2)
    assert [entity["id"] for entity in flat] == [LAMP, street] and flat[0]["at"] == {"object": street}
    picked, deep = sorted((entities[0] for entities in found if len(entities) == 1), key=len)
    assert picked == {"id": LAMP, "at": {"object": street, "entity": {"name": "Kai"}}}
    assert deep["at"]["entity"]["within"]["entity"]["name"] == "Duisburg"


async def test_instances_by_dataset(told: Broker, receiver: HttpReceiver) -> None:
    """§4.5.5"""
    await subscribe(told, receiver, datasetId=["urn:d:2"], notificationTrigger=["entityUpdated"])
    two = [{"value": n, "datasetId": f"urn:d:{n}"} for n in (1, 2)]
    await one(told, whole("create", power=two, height=1))
    await one(told, part("update", power={"value": 3, "datasetId": "urn:d:2"}))
    await one(told, attribute("delete_attribute", "power", options={"dataset": "urn:d:2"}))
    first, second, third = [r.entities[0] for r in await receiver.told(3)]
    assert first.keys() == {"id", "type", "power"} and first["power"]["value"] == 2
    assert second["power"]["value"] == 3
    assert third["power"] == {"type": "Property", "value": "urn:ngsi-ld:null", "datasetId": "urn:d:2"}


async def test_json_ld_and_geojson(told: Broker, receiver: HttpReceiver) -> None:
    """§5.3.1, §6.3.8"""
    for accept, prefer in (
        ("application/ld+json", None),
        ("application/geo+json", None),
        ("application/geo+json", "body=json"),
    ):
        info = [{"key": "Prefer", "value": prefer}] if prefer else []
        info.append({"key": "X-Mark", "value": f"{accept} {prefer}"})
        endpoint = {"uri": receiver.url, "accept": accept, "receiverInfo": info}
        await subscribe(told, receiver, notification={"endpoint": endpoint})
    point = {"type": "Point", "coordinates": [6.7, 51.4]}
    await one(told, whole("create", power=1, location=point))
    found = {r.headers["x-mark"]: r for r in await receiver.told(3)}
    ld = found["application/ld+json None"]
    assert ld.headers["content-type"] == "application/ld+json" and "link" not in ld.headers
    assert "@context" in ld.entities[0]
    geo = found["application/geo+json None"]
    assert geo.headers["content-type"] == "application/geo+json" and "link" not in geo.headers
    assert geo.body["data"]["type"] == "FeatureCollection" and "@context" in geo.body["data"]
    (feature,) = geo.entities
    assert feature["geometry"] == point and feature["properties"]["power"]["value"] == 1
    bare = found["application/geo+json body=json"]
    assert "@context" not in bare.body["data"] and "link" in bare.headers


# When ----------------------------------------------------------------------------------------------------------


async def test_what_was_before_is_not_told(told: Broker, receiver: HttpReceiver) -> None:
    for n in range(20):
        await one(told, whole("upsert", f"urn:x:{n}", n=-1))
        await subscribe(told, receiver, entities=[{"type": "Lamp", "id": f"urn:x:{n}"}])
        await one(told, whole("upsert", f"urn:x:{n}", n=n))
    await receiver.told(20)
    assert sorted(receiver.values("n")) == list(range(20))


async def test_throttling_tells_the_newest_state_of_each_entity(told: Broker, receiver: HttpReceiver) -> None:
    await subscribe(told, receiver, throttling=0.8, notification={"showChanges": True})
    await one(told, whole("create", "urn:x:0", n=0))
    await receiver.told(1)
    for n in range(1, 30):
        await told.apply([whole("upsert", f"urn:x:{k}", n=n) for k in range(3)])
    await receiver.told(2)
    latest = {e["id"]: e for e in receiver.received[-1].entities}
    await eventually(lambda: receiver.values("n").count(29) == 3)
    assert len(receiver.received) <= 3
    assert receiver.received[1].at - receiver.received[0].at >= 0.75
    assert latest["urn:x:0"]["n"]["previousValue"] == 0
    assert "previousValue" not in latest["urn:x:1"]["n"]


async def test_a_throttled_subscriber_is_never_left_behind(told: Broker, receiver: HttpReceiver) -> None:
    """More changes in one period than go into one notification: still the newest at its end."""
    await subscribe(told, receiver, throttling=1.5, notification={"showChanges": True})
    await one(told, whole("create", n=0))
    await receiver.told(1)
    for start in range(1, 3_001, 500):
        await told.apply([part("update", n=n) for n in range(start, start + 500)])
    await receiver.told(2)
    await eventually(lambda: receiver.values("n")[-1] == 3_000)
    assert len(receiver.received) <= 4
    assert receiver.entities[1]["n"]["previousValue"] == 0


async def test_time_interval_tells_the_state_whatever_changes(told: Broker, receiver: HttpReceiver) -> None:
    identifier = await subscribe(told, receiver, timeInterval=0.4, q="n>0", scopeQ="/A")
    await asyncio.sleep(0.6)
    assert not receiver.received  # nothing matches: nothing is told
    await told.apply([whole("create", f"urn:x:{n}", n=n, scope="/A" if n < 3 else "/B") for n in range(5)])
    (first, second, *_) = await receiver.told(2)
    assert [e["id"] for e in first.entities] == ["urn:x:1", "urn:x:2"] == [e["id"] for e in second.entities]
    assert 0.2 < second.at - first.at < 1.5
    assert first.body["id"] != second.body["id"]
    await told.subscriptions.update(identifier, {"isActive": False}, CORE)
    await asyncio.sleep(0.3)
    number = len(receiver.received)
    await asyncio.sleep(1)
    assert len(receiver.received) == number


async def test_paused_and_expired_are_not_told(told: Broker, receiver: HttpReceiver) -> None:
    paused = await subscribe(told, receiver, isActive=False)
    soon = (datetime.now(UTC) + timedelta(seconds=1.0)).isoformat().replace("+00:00", "Z")
    expiring = await subscribe(told, receiver, expiresAt=soon)
    await one(told, whole("create", n=1))
    (first,) = await receiver.told(1)
    assert first.body["subscriptionId"] == expiring
    assert (await told.subscriptions.retrieve(paused, CORE))["status"] == "paused"
    assert (await told.subscriptions.retrieve(expiring, CORE))["status"] == "active"
    await asyncio.sleep(1.1)
    assert (await told.subscriptions.retrieve(expiring, CORE))["status"] == "expired"
    await one(told, part("update", n=2))
    await told.subscriptions.update(paused, {"isActive": True}, CORE)
    await one(told, part("update", n=3))
    await receiver.told(2)
    await told.subscriptions.update(paused, {"isActive": False}, CORE)
    await told.subscriptions.update(expiring, {"expiresAt": "2099-01-01T00:00:00Z"}, CORE)
    await one(told, part("update", n=4))
    await receiver.told(3)
    assert [(r.body["subscriptionId"], r.entities[0]["n"]["value"]) for r in receiver.received] == [
        (expiring, 1),
        (paused, 3),
        (expiring, 4),
    ]


async def test_deleted_is_not_told(told: Broker, receiver: HttpReceiver) -> None:
    first, second = await subscribe(told, receiver), await subscribe(told, receiver)
    await told.subscriptions.delete(first)
    await one(told, whole("create", n=1))
    (found,) = await receiver.told(1)
    assert found.body["subscriptionId"] == second
    with pytest.raises(ResourceNotFound):
        await told.subscriptions.retrieve(first, CORE)


# What must not be lost ------------------------------------------------------------------------------------------


async def notification_of(broker: Broker, identifier: str) -> dict[str, Any]:
    found: dict[str, Any] = (await broker.subscriptions.retrieve(identifier, CORE))["notification"]
    return found


async def until(broker: Broker, identifier: str, **members: Any) -> dict[str, Any]:
    """Wait until the notification member says so."""
    async with asyncio.timeout(15):
        while True:
            found = await notification_of(broker, identifier)
            if members.items() <= found.items():
                return found
            await asyncio.sleep(0.01)


async def test_counters(told: Broker, receiver: HttpReceiver) -> None:
    """§5.2.14.2"""
    identifier = await subscribe(told, receiver)
    assert (await notification_of(told, identifier)).keys() == {"endpoint"}
    await one(told, whole("create", n=1))
    found = await until(told, identifier, status="ok", timesSent=1)
    assert found.keys() == {"endpoint", "status", "timesSent", "lastNotification", "lastSuccess"}
    receiver.status = 503
    await one(told, part("update", n=2))
    found = await until(told, identifier, status="failed", timesFailed=1)
    assert found["lastFailure"] >= found["lastSuccess"]
    assert (await told.subscriptions.delivery(identifier)).reason == "answered 503"
    receiver.status = 204
    found = await until(told, identifier, status="ok")
    assert found["timesSent"] - found["timesFailed"] == 2
    assert receiver.values("n") == [1, 2]


async def test_a_dead_endpoint_returns_and_hears_everything_in_order(told: Broker) -> None:
    async with http_receiver() as alive:
        port = alive.port
        identifier = await subscribe(told, alive)
        other = await subscribe(told, alive, entities=[{"type": "Post"}])
        await one(told, whole("create", n=0))
        await alive.told(1)
    for n in range(1, 300):
        await told.apply([whole("upsert", f"urn:x:{n % 7}", n=n), whole("upsert", n=n)])
    await until(told, identifier, status="failed")
    async with asyncio.timeout(10):  # the last changes may still be on their way into the queue
        while (delivery := await told.subscriptions.delivery(identifier)).waiting < 2 * 299:
            await asyncio.sleep(0.02)
    assert delivery.waiting == 2 * 299 and delivery.reason and not delivery.gaps
    async with http_receiver(port) as back:
        await eventually(lambda: len(back.entities) >= 2 * 299, 30)
        of_lamp = [e["n"]["value"] for e in back.entities if e["id"] == LAMP]
        assert of_lamp == list(range(1, 300))
        for k in range(7):
            assert [e["n"]["value"] for e in back.entities if e["id"] == f"urn:x:{k}"] == [
                n for n in range(1, 300) if n % 7 == k
            ]
        await until(told, identifier, status="ok")
        await one(told, whole("create", "urn:x:post", type="Post", n=1))
        await eventually(lambda: back.received[-1].body["subscriptionId"] == other)
    assert (await told.subscriptions.delivery(identifier)).waiting == 0


async def test_a_new_endpoint_is_tried_at_once(told: Broker, receiver: HttpReceiver) -> None:
    endpoint = {"uri": "http://127.0.0.1:9/", "cooldown": 3_600_000}
    identifier = await subscribe(told, receiver, notification={"endpoint": endpoint})
    await one(told, whole("create", n=1))
    await until(told, identifier, status="failed")
    await told.subscriptions.update(identifier, {"notification": {"endpoint": {"uri": receiver.url}}}, CORE)
    await receiver.told(1, 2)


async def test_a_notification_that_is_refused_leaves_a_gap(told: Broker, receiver: HttpReceiver) -> None:
    receiver.status = 422
    identifier = await subscribe(told, receiver)
    await one(told, whole("create", n=1))
    async with asyncio.timeout(15):
        while not (gaps := (await told.subscriptions.delivery(identifier)).gaps):
            await asyncio.sleep(0.05)
    assert gaps[0].changes == 1 and "422" in gaps[0].reason
    receiver.status = 200
    await one(told, part("update", n=2))
    await receiver.told(1)
    assert receiver.values("n") == [2]


async def test_a_hanging_endpoint_times_out_and_keeps_nobody_waiting(
    told: Broker, receiver: HttpReceiver
) -> None:
    async with http_receiver() as hanging:
        hanging.delay = 60
        slow = await subscribe(told, hanging, notification={"endpoint": {"uri": hanging.url, "timeout": 300}})
        await subscribe(told, receiver)
        for n in range(20):
            await one(told, whole("upsert", n=n))
        await receiver.told(20)
        found = await until(told, slow, status="failed")
        assert found["timesFailed"] >= 1


async def test_what_outlives_the_retention_leaves_a_gap_and_the_newest_state(told: Broker) -> None:
    async with http_receiver() as alive:
        port = alive.port
    identifier = await subscribe(told, f"http://127.0.0.1:{port}/told")
    await one(told, whole("create", "urn:x:gone", n=1))
    for n in range(10):
        await told.apply([whole("upsert", f"urn:x:{k}", n=n) for k in range(3)])
    await one(told, Operation("delete", "urn:x:gone"))
    await until(told, identifier, status="failed")
    pool = told.database.pool
    boundary = await pool.fetchval("SELECT max(id) - 1 FROM outbox")
    await pool.execute("DELETE FROM outbox WHERE id < $1", boundary)
    await keep(told.database)
    (gap,) = (await told.subscriptions.delivery(identifier)).gaps
    assert gap.changes == 30 and gap.reason == "kept no longer"
    assert (await told.subscriptions.delivery(identifier)).waiting == 4
    async with http_receiver(port) as back:
        await eventually(lambda: len(back.entities) >= 3)
        last = {e["id"]: e["n"]["value"] for e in back.entities}
        assert last == {"urn:x:0": 9, "urn:x:1": 9, "urn:x:2": 9} or "urn:x:gone" in last
        await until(told, identifier, status="ok")
        async with asyncio.timeout(5):
            while (await told.subscriptions.delivery(identifier)).waiting:
                await asyncio.sleep(0.05)


async def test_too_much_waiting_is_replaced_by_newest_states(told: Broker) -> None:
    identifier = await subscribe(told, "http://127.0.0.1:9/")
    for n in range(20):
        await told.apply([whole("upsert", f"urn:x:{k}", n=n) for k in range(2)])
    await until(told, identifier, status="failed")
    async with asyncio.timeout(5):
        while (await told.subscriptions.delivery(identifier)).waiting < 40:
            await asyncio.sleep(0.01)
    await keep(told.database, most=10)
    delivery = await told.subscriptions.delivery(identifier)
    assert delivery.waiting == 11 and sum(gap.changes for gap in delivery.gaps) == 29
    assert delivery.gaps[0].reason == "too much was waiting"


async def test_another_worker_takes_over(
    make_broker: MakeBroker, make_notifier: MakeNotifier, receiver: HttpReceiver
) -> None:
    brokers = [await make_broker() for _ in range(2)]
    notifiers = [await make_notifier(broker) for broker in brokers]
    await eventually(lambda: any(n.health()["elected_here"] for n in notifiers))
    await subscribe(brokers[0], receiver)
    sent = 0
    for _ in range(3):
        for _ in range(50):
            sent += 1
            await one(brokers[sent % 2], whole("upsert", n=sent))
        elected = next(n for n in notifiers if n.health()["elected_here"])
        await elected.close()
        await eventually(lambda: any(n.health()["elected_here"] for n in notifiers if n is not elected))  # noqa: B023
        elected.open()
    await eventually(lambda: sent in receiver.values("n"))
    first_seen = list(dict.fromkeys(receiver.values("n")))
    assert first_seen == list(range(1, sent + 1))


async def test_private_addresses_are_not_called(
    make_broker: MakeBroker, make_notifier: MakeNotifier, receiver: HttpReceiver
) -> None:
    broker = await make_broker()
    await make_notifier(broker, allow="10.0.0.0/8")
    identifier = await subscribe(broker, receiver)
    await one(broker, whole("create", n=1))
    await until(broker, identifier, status="failed")
    assert "may not be called" in str((await broker.subscriptions.delivery(identifier)).reason)
    assert not receiver.connections


# MQTT (§7) --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("info", "versions", "version", "qos"),
    [
        ({}, {4, 5}, 5, 0),
        ({}, {4}, 4, 0),
        ({"MQTT-QoS": "1", "MQTT-Version": "mqtt3.1.1"}, {4, 5}, 4, 1),
        ({"MQTT-QoS": "2", "MQTT-Version": "mqtt5.0"}, {4, 5}, 5, 2),
    ],
)
async def test_mqtt(told: Broker, info: dict[str, str], versions: set[int], version: int, qos: int) -> None:
    async with mqtt_receiver(frozenset(versions)) as receiver:
        endpoint = {
            "uri": f"mqtt://me:s%20ecret@127.0.0.1:{receiver.port}/city/lamps",
            "notifierInfo": [{"key": key, "value": value} for key, value in info.items()],
            "receiverInfo": [{"key": "mark", "value": "x"}],
        }
        identifier = await subscribe(told, "", notification={"endpoint": endpoint})
        for n in range(3):
            await one(told, whole("upsert", n=n))
        await eventually(lambda: len(receiver.published) >= 3)
        first = receiver.published[0]
        assert (first.topic, first.qos, first.version) == ("city/lamps", qos, version)
        assert first.login == ("me", "s ecret")
        assert first.payload["metadata"].keys() == {"Content-Type", "Link", "mark"}
        assert first.payload["body"]["subscriptionId"] == identifier
        assert [p.payload["body"]["data"][0]["n"]["value"] for p in receiver.published] == [0, 1, 2]
        assert receiver.connections == (2 if versions == {4} else 1)


async def test_mqtt_through_our_own_server(told: Broker, nats: NatsServer) -> None:
    """The city's apps may be told where its devices are."""
    if nats.mqtt_port is None:
        pytest.skip("needs the MQTT side of the embedded NATS")
    async with aiomqtt.Client("127.0.0.1", nats.mqtt_port, timeout=5) as listener:
        await listener.subscribe("told/#", qos=1)
        uri = f"mqtt://127.0.0.1:{nats.mqtt_port}/told/lamps"
        info = [{"key": "MQTT-QoS", "value": "1"}]
        await subscribe(told, "", notification={"endpoint": {"uri": uri, "notifierInfo": info}})
        await one(told, whole("create", n=1))
        async with asyncio.timeout(10):
            message = await anext(aiter(listener.messages))
        assert json.loads(message.payload)["body"]["data"][0]["n"]["value"] == 1
