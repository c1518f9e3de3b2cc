"""What a sight has of changes: held against what it has of the states before and after."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from rhinecloud.broker import Broker, Change, Operation, seen_change
from rhinecloud.broker.contexts import Contexts
from rhinecloud.broker.outbound import Allowed
from rhinecloud.broker.subscriptions import Notifier
from rhinecloud.model import CORE, Entity
from rhinecloud.model.sight import EVERYTHING, NOTHING, Grant, Sight
from rhinecloud.store import attention

from ..receivers import HttpReceiver, eventually, http_receiver
from .conftest import MakeBroker
from .graph import LAMP, attribute, iri, one, part, whole

POWER, WEAR = iri("power"), iri("wear")
ONLY_POWER = Sight((Grant(types=frozenset({iri("Lamp")}), attributes=frozenset({POWER})),))
NORTH = Sight((Grant(scopes=frozenset({"/North"})),))
MIXED = Sight((Grant(scopes=frozenset({"/North"})), Grant(attributes=frozenset({POWER}))))
SIGHTS = {"all": EVERYTHING, "none": NOTHING, "power": ONLY_POWER, "north": NORTH, "mixed": MIXED}

STEPS: list[Operation] = [
    whole("create", power=1, wear=5, scope=["/North"]),
    part("update", power=2),
    part("update", wear=6),
    part("append", scope=["/South"]),
    part("update", power=3, wear=7),
    part("append", scope=["/North/Harbour"], colour="red"),
    attribute("delete_attribute", "wear"),
    whole("replace", power=4, type="Post", scope=["/South"]),
    whole("replace", wear=1, type="Lamp", scope=["/North"]),
    Operation("delete", LAMP),
]


def without_times(entity: Entity | None) -> Any:
    if entity is None:
        return None
    return sorted(entity.types), sorted(entity.scopes), {n: _plain(i) for n, i in entity.attributes.items()}


def _plain(instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in one.items() if k not in ("createdAt", "modifiedAt")} for one in instances]


@pytest.mark.parametrize("sight", SIGHTS.values(), ids=SIGHTS)
async def test_changes_lead_from_what_was_seen_to_what_is_seen(broker: Broker, sight: Sight) -> None:
    changes: list[Change] = []
    begun = asyncio.Event()

    async def follow() -> None:
        async for found in broker.watch(None, sight=EVERYTHING, begun=begun):
            changes.extend(found)
            if len(changes) >= len(STEPS):
                return

    following = asyncio.create_task(follow())
    async with asyncio.timeout(20):
        await begun.wait()
        for step in STEPS:
            verdict = await one(broker, step)
            assert not isinstance(verdict, Exception), verdict
        await following
    before: Entity | None = None
    for change in changes:
        after = sight.of(change.entity) if change.entity is not None else None
        found = seen_change(change, sight)
        if without_times(before) == without_times(after):
            assert found is None
        else:
            assert found is not None
            kind = "create" if before is None else "delete" if after is None else "update"
            assert found.operation == kind
            assert without_times(found.entity) == without_times(after)
            old = before.attributes if before is not None else {}
            now = after.attributes if after is not None else {}
            assert {n: _plain(i) for n, i in found.old.items() if i} == {
                name: _plain(old[name]) for name in found.attributes if name in old
            }
            changed = {n for n in {**old, **now} if _plain(old.get(n, [])) != _plain(now.get(n, []))}
            assert changed <= set(found.attributes) <= {*old, *now}
            hidden = {WEAR} if sight is ONLY_POWER else set()
            assert not hidden & set(found.attributes)
        before = after


# Subscriptions ------------------------------------------------------------------------------------------------


class Granted:
    """Owners whose sights a test sets."""

    def __init__(self, **sights: Sight | None) -> None:
        self.sights = sights
        self.generation = 0

    async def sight_of(self, owner: str) -> Sight | None:
        return self.sights.get(owner)

    def change(self, **sights: Sight | None) -> None:
        self.sights |= sights
        self.generation += 1


@pytest_asyncio.fixture
async def telling(make_broker: MakeBroker) -> Any:
    """A broker whose subscribers are told as much as their owners may read."""
    broker = await make_broker()
    allowed, owners = Allowed("127.0.0.0/8"), Granted(member=ONLY_POWER, witness=EVERYTHING)
    notifier = Notifier(
        broker.database, broker.feed, Contexts(broker.database, allowed=allowed), allowed, owners
    )
    notifier.open()
    await broker._bus.on_wake("subscriptions", notifier.wake)  # type: ignore[attr-defined]
    await eventually(lambda: notifier.health()["elected_here"])
    async with http_receiver() as receiver:
        yield broker, owners, notifier, receiver
    await notifier.close()


async def subscribe(broker: Broker, receiver: HttpReceiver, owner: str, **members: Any) -> str:
    document = {
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": receiver.url}, "showChanges": True},
        **members,
    }
    return await broker.subscriptions.create(document, CORE, owner=owner)


async def test_a_subscriber_is_told_what_the_owner_may_read(telling: Any) -> None:
    broker, owners, notifier, receiver = telling
    await subscribe(broker, receiver, "member")
    await subscribe(broker, receiver, "member", watchedAttributes=["wear"])
    await subscribe(broker, receiver, "member", q="wear>0")
    await subscribe(broker, receiver, "nobody")
    await one(broker, whole("create", power=1, wear=5))
    await one(broker, part("update", wear=6))  # of this nothing is seen
    await one(broker, part("update", power=2))
    await receiver.told(2)
    assert [entity.get("power", {}).get("value") for entity in receiver.entities] == [1, 2]
    assert all("wear" not in entity for entity in receiver.entities)
    # What is taken away is told no more, what is given is.
    owners.change(member=NOTHING)
    notifier.wake()
    await eventually(lambda: notifier._reign._owners_asked[0] == owners.generation)
    async with http_receiver() as witness:
        identifier = await subscribe(broker, witness, "witness")
        await one(broker, part("update", power=3))
        await witness.told(1)  # it was matched
        await broker.subscriptions.delete(identifier)
    owners.change(member=EVERYTHING)
    notifier.wake()
    await eventually(lambda: notifier._reign._owners_asked[0] == owners.generation)
    await one(broker, part("update", power=4))
    await eventually(lambda: len(receiver.entities) >= 4)
    told = [entity["power"]["value"] for entity in receiver.entities]
    assert told[:2] == [1, 2] and set(told[2:]) == {4}
    assert all(entity["wear"]["value"] == 6 for entity in receiver.entities[2:])


async def test_a_subscription_whose_owner_is_gone_says_so_until_the_owner_is_back(telling: Any) -> None:
    broker, owners, notifier, receiver = telling
    identifier = await subscribe(broker, receiver, "member")
    paused = await subscribe(broker, receiver, "member", isActive=False)
    other = await subscribe(broker, receiver, "witness")
    await one(broker, whole("create", power=1))
    await receiver.told(2)

    async def becomes(status: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                shown = await broker.subscriptions.retrieve(identifier, CORE)
                if shown["status"] == status:
                    return shown
                notifier.wake()
                await asyncio.sleep(0.05)

    pool = broker.database.pool
    assert (await attention.silenced_subscriptions(pool)).count == 0
    owners.change(member=None)
    shown = await becomes("paused")
    assert shown.get("isActive", True) and shown["notification"]["status"] == "ok"
    since = (await broker.subscriptions.delivery(identifier)).silenced_at
    standings = {s.document["id"]: s for s in await broker.subscriptions.standings(10, 0, CORE)}
    assert since is not None and standings[identifier].silenced_at == since
    assert standings[other].silenced_at is None and standings[other].document["status"] == "active"
    # One that somebody paused is no alarm: that it is told nothing is what was wanted.
    alarm = await attention.silenced_subscriptions(pool)
    assert alarm.count == 1 and alarm.since == since
    assert standings[paused].silenced_at is not None and notifier.health()["silenced"] == 2
    assert (await broker.subscriptions.delivery(other)).silenced_at is None

    owners.change(member=ONLY_POWER)
    await becomes("active")
    assert (await broker.subscriptions.delivery(identifier)).silenced_at is None
    assert (await attention.silenced_subscriptions(pool)).count == 0
    await one(broker, part("update", power=2))
    await eventually(lambda: sum(e["power"]["value"] == 2 for e in receiver.entities) == 2)


async def test_who_watches_an_attribute_is_told_what_comes_into_sight_with_it(telling: Any) -> None:
    broker, owners, notifier, receiver = telling
    owners.change(north=NORTH)
    begun = {"watchedAttributes": ["power"], "notificationTrigger": ["entityCreated", "entityDeleted"]}
    await subscribe(broker, receiver, "north", **begun)
    async with http_receiver() as plain, http_receiver() as other, http_receiver() as witness:
        await subscribe(broker, plain, "north", watchedAttributes=["power"])
        await subscribe(broker, other, "north", watchedAttributes=["colour"])
        await subscribe(broker, witness, "witness", watchedAttributes=["power"])
        await one(broker, whole("create", power=1, scope=["/South"]))
        await one(broker, part("append", scope=["/North"]))  # of no attribute is anything changed
        await receiver.told(1)
        await plain.told(1)
        await one(broker, whole("replace", power=1, colour="red", scope=["/South"]))
        await receiver.told(2)
        await one(broker, part("update", power=2))
        await witness.told(2)  # everything was matched
    assert [entity.get("power", {}).get("value") for entity in plain.entities] == [1]
    assert not other.entities
    assert [entity.get("power", {}).get("value") for entity in witness.entities][-1] == 2
    assert receiver.entities[0]["power"]["value"] == 1 and "deletedAt" in receiver.entities[1]


async def test_everybody_has_their_own_subscriptions(broker: Broker) -> None:
    documents = [
        {
            "type": "Subscription",
            "entities": [{"type": "Lamp"}],
            "notification": {"endpoint": {"uri": "http://127.0.0.1:9/x"}},
        }
        for _ in range(2)
    ]
    mine = await broker.subscriptions.create(documents[0], CORE, owner="person:1")
    theirs = await broker.subscriptions.create(documents[1], CORE, owner="person:2")
    found = await broker.subscriptions.query(10, 0, CORE, of="person:1")
    assert [document["id"] for document in found] == [mine]
    assert (await broker.subscriptions.count(of="person:1"), await broker.subscriptions.count()) == (1, 2)
    for act in (
        broker.subscriptions.retrieve(theirs, CORE, of="person:1"),
        broker.subscriptions.update(theirs, {"isActive": False}, CORE, of="person:1"),
        broker.subscriptions.delete(theirs, of="person:1"),
    ):
        with pytest.raises(Exception, match="there is no subscription"):
            await act
    for number in (mine, theirs):
        await broker.subscriptions.delete(number)


def test_a_change_says_where_the_entity_was_filed_only_if_it_moved() -> None:
    change = Change("urn:x:1", ("T",), "update")
    assert b"was" not in msgspec.json.encode(change)
