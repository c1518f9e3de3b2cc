"""Registry and credentials with a real database; NATS carries the wake-ups."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from rhinecloud.broker import Broker
from rhinecloud.bus import Bus
from rhinecloud.gateways.devices.credentials import Credentials, new_secret
from rhinecloud.gateways.devices.push import matches
from rhinecloud.gateways.devices.registry import Changes, NewDevice, Registry
from rhinecloud.gateways.profiles import Profiles
from rhinecloud.model import AlreadyExists, BadRequestData, ResourceNotFound
from rhinecloud.store import Database

from ...conftest import EXTERNAL_NATS


class House:
    """A registry and its credentials, in one worker."""

    def __init__(self, database: Database, bus: Bus, profiles: Profiles) -> None:
        self.cut_off: list[str] = []
        self.let_in: list[str] = []
        self.registry = Registry(database, bus, profiles, cut=self._cut)
        self.credentials = Credentials(database, bus, self.registry, signed_in=self.let_in.append)

    async def _cut(self, device: str) -> None:
        self.cut_off.append(device)


@pytest_asyncio.fixture
async def house(database: Database, bus: Bus) -> AsyncIterator[House]:
    broker = Broker(database, bus)
    house = House(database, bus, Profiles(broker, bus))
    await house.registry.open()
    await house.credentials.open()
    yield house
    await house.credentials.close()
    await house.registry.close()
    await broker.close()


def lamp(number: int = 1, **members: object) -> NewDevice:
    return NewDevice(**{"id": f"lamp-{number}", "type": "Lamp", **members})  # type: ignore[arg-type]


async def audit_of(database: Database) -> list[tuple[str, str, str]]:
    return [
        tuple(row)
        for row in await database.pool.fetch("SELECT actor, action, subject FROM audit ORDER BY id")
    ]


async def test_a_device_is_added_found_changed_and_removed(house: House, database: Database) -> None:
    registry = house.registry
    added = await registry.add(lamp(name="Königstraße 1"), "me")
    assert (added.entity_id, added.enabled, added.seen_at) == ("urn:ngsi-ld:Lamp:lamp-1", True, None)
    assert await registry.get("lamp-1") == added
    with pytest.raises(AlreadyExists):
        await registry.add(lamp(), "me")
    changed = await registry.change("lamp-1", Changes(name="König", publish=("lights/1/#",)), "me")
    assert (changed.name, changed.type) == ("König", "Lamp")
    topics = registry.topics(changed)
    assert topics.publish == ("json/Lamp/lamp-1", "json/Lamp/lamp-1/confirm", "lights/1/#")
    assert topics.command == "json/Lamp/lamp-1/command"
    moved = await registry.change("lamp-1", Changes(type="Streetlight"), "me")
    assert moved.entity_id == "urn:ngsi-ld:Streetlight:lamp-1"
    assert house.cut_off == ["lamp-1", "lamp-1"], "rights changed twice"
    await registry.change("lamp-1", Changes(name="Karl"), "me")
    assert len(house.cut_off) == 2, "a name is no right"
    await registry.remove("lamp-1", "me")
    assert house.cut_off[-1] == "lamp-1"
    with pytest.raises(ResourceNotFound):
        await registry.get("lamp-1")
    with pytest.raises(ResourceNotFound):
        await registry.remove("lamp-1", "me")
    assert [line[1:] for line in await audit_of(database)] == [
        ("device.add", "lamp-1"),
        *[("device.change", "lamp-1")] * 3,
        ("device.remove", "lamp-1"),
    ]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"id": "a/b"}, "/id"),
        ({"id": ""}, "/id"),
        ({"id": ".."}, "/id"),
        ({"id": "x" * 129}, "/id"),
        ({"id": "dü"}, "/id"),
        ({"type": "a b"}, "/type"),
        ({"type": "a/b"}, "/type"),
        ({"type": ">"}, "/type"),
        ({"type": "a*"}, "/type"),
        ({"type": "a\x7f"}, "/type"),
        ({"detail": {"levels": {"application": ">"}}}, "/detail/levels/application"),
        ({"detail": {"levels": {"application": "a/#"}}}, "/detail/levels/application"),
        ({"profile": "none"}, "/profile"),
        ({"publish": ("$SYS/#",)}, "/publish/0"),
        ({"publish": ("ok", "a/#/b")}, "/publish/1"),
        ({"subscribe": ("a b",)}, "/subscribe/0"),
        ({"subscribe": ("a/b+",)}, "/subscribe/0"),
        ({"publish": ("x",) * 33}, "/publish"),
        ({"name": "a\x00"}, "/name"),
    ],
)
async def test_what_cannot_be_a_device_is_refused_with_its_field(
    house: House, database: Database, members: dict[str, object], field: str
) -> None:
    with pytest.raises(BadRequestData) as raised:
        await house.registry.add(lamp(**members), "me")
    assert raised.value.field == field
    assert await audit_of(database) == []


async def test_many_are_added_at_once_and_found_again(house: House) -> None:
    registry = house.registry
    await registry.add(lamp(7), "me")
    many = [lamp(n, name=f"Mast {n:04}") for n in range(5_000)] + [lamp(3), lamp(9_999, profile="none")]
    outcome = await registry.add_many(many, "me")
    assert (len(outcome.added), outcome.existing) == (4_999, ["lamp-7"])
    assert set(outcome.problems) == {5_000, 5_001}
    again = await registry.add_many(many[:5_000], "me")
    assert (again.added, len(again.existing)) == ([], 5_000)
    page = await registry.list(limit=1_000, count=True)
    assert (len(page.devices), page.count, page.next) == (1_000, 5_000, page.devices[-1].id)
    seen = {device.id for device in page.devices}
    while page.next is not None:
        page = await registry.list(limit=1_000, after=page.next)
        assert not seen & {device.id for device in page.devices}
        seen |= {device.id for device in page.devices}
    assert len(seen) == 5_000
    assert [d.id for d in (await registry.list(search="mast 0042")).devices] == ["lamp-42"]
    assert (await registry.list(search="100%")).devices == []
    assert (await registry.list(search="lamp_1")).devices == [], "no wildcard of SQL"
    assert (await registry.list(type="Mast")).devices == []
    async with asyncio.timeout(20):
        while registry.registered("lamp-4999") is None:
            await asyncio.sleep(0.05)
    assert registry.registered("lamp-4999") == ("urn:ngsi-ld:Lamp:lamp-4999", "Lamp")
    assert registry.registered("nobody") is None


async def test_when_a_device_was_seen_never_goes_back(house: House) -> None:
    registry = house.registry
    await registry.add(lamp(), "me")
    now = datetime(2026, 3, 1, tzinfo=UTC)
    await registry.seen({"lamp-1": now, "nobody": now})
    await registry.seen({"lamp-1": now - timedelta(hours=1)})
    assert (await registry.get("lamp-1")).seen_at == now


# Credentials


def test_secrets_are_long_and_different() -> None:
    secrets = {new_secret() for _ in range(1_000)}
    assert len(secrets) == 1_000
    assert all(len(secret) == 32 and secret.isalnum() and secret.isascii() for secret in secrets)


async def test_a_secret_lets_in_with_the_topics_of_the_device_alone(house: House, database: Database) -> None:
    await house.registry.add(lamp(1), "me")
    await house.registry.add(lamp(2), "me")
    issued = await house.credentials.issue("lamp-1", "me", note="first")
    other = await house.credentials.issue("lamp-2", "me")
    grant = await house.credentials.verify("lamp-1", issued.secret)
    assert grant is not None
    assert (grant.device, grant.publish) == ("lamp-1", ("json/Lamp/lamp-1", "json/Lamp/lamp-1/confirm"))
    assert grant.subscribe == ("json/Lamp/lamp-1/command",)
    for name, password in (
        ("lamp-1", other.secret),
        ("lamp-2", issued.secret),
        ("lamp-1", issued.secret + "x"),
        ("lamp-1", issued.secret.swapcase()),
        ("lamp-1", ""),
        ("", issued.secret),
        ("nobody", issued.secret),
        ("lamp-1\x00", issued.secret),
        ("lamp-1" * 200, issued.secret),
        ("lamp-1", "\udcff"),
    ):
        assert await house.credentials.verify(name, password) is None
    assert house.let_in == ["lamp-1"]
    rows = await database.pool.fetch("SELECT * FROM device_secret")
    assert {row["hash"] for row in rows} == {
        hashlib.sha256(one.secret.encode()).digest() for one in (issued, other)
    }
    assert issued.secret not in str([dict(row) for row in rows])
    assert issued.secret not in str(await database.pool.fetch("SELECT * FROM audit"))


async def test_one_secret_is_replaced_by_another_without_a_gap(house: House) -> None:
    await house.registry.add(lamp(), "me")
    old = await house.credentials.issue("lamp-1", "me")
    new = await house.credentials.issue("lamp-1", "me")
    assert await house.credentials.check("lamp-1", old.secret)
    assert await house.credentials.check("lamp-1", new.secret)
    assert await house.credentials.revoke("lamp-1", "me", old.id) == 1
    await gone(house, old.secret)
    assert await house.credentials.check("lamp-1", new.secret)
    assert house.cut_off == ["lamp-1"]
    assert [one.id for one in await house.credentials.list("lamp-1")] == [new.id]
    with pytest.raises(ResourceNotFound):
        await house.credentials.revoke("lamp-1", "me", old.id)
    with pytest.raises(ResourceNotFound):
        await house.credentials.revoke("nobody", "me")
    with pytest.raises(ResourceNotFound):
        await house.credentials.issue("nobody", "me")
    assert await house.credentials.revoke("lamp-1", "me") == 1


async def gone(house: House, secret: str) -> None:
    """As soon as the wake-up is there; long before what was read would be read again by itself."""
    async with asyncio.timeout(5):
        while await house.credentials.check("lamp-1", secret) is not None:
            await asyncio.sleep(0.01)


async def test_a_secret_ends_when_it_was_said(house: House, database: Database) -> None:
    await house.registry.add(lamp(), "me")
    with pytest.raises(BadRequestData):
        await house.credentials.issue("lamp-1", "me", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    one = await house.credentials.issue("lamp-1", "me", expires_at=datetime.now(UTC) + timedelta(seconds=1.5))
    assert await house.credentials.check("lamp-1", one.secret)
    await gone(house, one.secret)


async def test_who_is_switched_off_or_removed_stays_out(house: House) -> None:
    await house.registry.add(lamp(), "me")
    one = await house.credentials.issue("lamp-1", "me")
    assert await house.credentials.verify("lamp-1", one.secret)
    await house.registry.change("lamp-1", Changes(enabled=False), "me")
    await gone(house, one.secret)
    await house.registry.change("lamp-1", Changes(enabled=True), "me")
    async with asyncio.timeout(5):
        while await house.credentials.check("lamp-1", one.secret) is None:
            await asyncio.sleep(0.01)
    await house.registry.remove("lamp-1", "me")
    await gone(house, one.secret)
    await house.registry.add(lamp(), "me")
    await asyncio.sleep(0.1)
    assert await house.credentials.check("lamp-1", one.secret) is None, "another device of the same name"


async def test_a_device_has_so_many_secrets_and_no_more(house: House) -> None:
    await house.registry.add(lamp(), "me")
    for _ in range(16):
        await house.credentials.issue("lamp-1", "me")
    with pytest.raises(BadRequestData):
        await house.credentials.issue("lamp-1", "me")


async def test_use_is_noted(house: House) -> None:
    await house.registry.add(lamp(), "me")
    one = await house.credentials.issue("lamp-1", "me")
    await house.credentials.check("lamp-1", one.secret)
    await house.credentials.close()
    (listed,) = await house.credentials.list("lamp-1")
    assert listed.last_used_at is not None
    assert listed.created_at <= listed.last_used_at


@pytest.mark.skipif(EXTERNAL_NATS is not None, reason="the database goes away")
async def test_while_the_database_is_away_who_is_known_gets_in(house: House, database: Database) -> None:
    await house.registry.add(lamp(), "me")
    one = await house.credentials.issue("lamp-1", "me")
    await asyncio.sleep(0.1)
    assert await house.credentials.verify("lamp-1", one.secret)
    house.credentials.forget()
    working, database.pool = database.pool, Away()  # type: ignore[assignment]
    try:
        assert await house.credentials.verify("lamp-1", one.secret)
        assert await house.credentials.verify("lamp-1", "wrong") is None
        with pytest.raises(OSError, match="away"):
            await house.credentials.verify("lamp-2", one.secret)
    finally:
        database.pool = working


class Away:
    """A pool whose server does not answer."""

    def acquire(self) -> Away:
        return self

    async def __aenter__(self) -> None:
        raise OSError("away")

    async def __aexit__(self, *_: object) -> None:
        return None


@pytest.mark.parametrize(
    ("filter_", "topic", "met"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b", True),
        ("+/b", "a/b", True),
        ("+", "a/b", False),
        ("a/+/c", "a/b/d", False),
    ],
)
def test_filters_meet_topics_as_mqtt_says(filter_: str, topic: str, met: bool) -> None:
    assert matches(filter_, topic) is met
