"""Own profiles in the database, and what could not be mapped: kept, grouped, replayed exactly once, forgotten."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from rhinecloud.broker import Broker, UnmappedMessage
from rhinecloud.broker.upkeep import once
from rhinecloud.bus import Bus
from rhinecloud.gateways.profiles import ProfileError, Profiles, Unmappable
from rhinecloud.gateways.taking import MOST_KEPT, Counters, Incoming, Taking
from rhinecloud.gateways.unmapped import Unmapped
from rhinecloud.model.sight import EVERYTHING
from rhinecloud.store import intake

DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
OWN: dict[str, Any] = {
    "name": "own",
    "topics": ["own/{device}"],
    "entity": {"type": "Thing"},
    "attributes": [{"name": "a", "path": "$.a"}],
}


@pytest_asyncio.fixture
async def profiles(broker: Broker, bus: Bus) -> AsyncIterator[Profiles]:
    profiles = Profiles(broker, bus)
    await profiles.open()
    yield profiles
    await profiles.close()


class Kit:
    """What a worker has of it."""

    def __init__(self, broker: Broker, profiles: Profiles) -> None:
        self.broker, self.profiles = broker, profiles
        self.counters = Counters()
        self.flags: list[tuple[str | None, str, dict[str, Any]]] = []
        self.taking = Taking(broker, profiles, self.counters, flag=self._flag)
        self.unmapped = Unmapped(broker, profiles)
        self._sent = 0

    async def _flag(self, device: str | None, kind: str, detail: dict[str, Any]) -> None:
        self.flags.append((device, kind, detail))

    async def send(self, topic: str, *payloads: Any, source: str = "mqtt") -> list[Unmappable | None]:
        messages = []
        for payload in payloads:
            self._sent += 1
            raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
            messages.append(Incoming(topic, raw, time.time_ns(), f"{source}:17.{self._sent}", source))
        return await self.taking.take(messages)

    async def values(self, entity_id: str, name: str = "a") -> list[Any]:
        return (await self.broker.history(entity_id, DEFAULT + name, sight=EVERYTHING)).values

    async def audit(self) -> list[tuple[str, str, str]]:
        records = await self.broker.database.pool.fetch(
            "SELECT actor, action, subject FROM audit ORDER BY id"
        )
        return [tuple(record) for record in records]


@pytest.fixture
def kit(broker: Broker, profiles: Profiles) -> Kit:
    return Kit(broker, profiles)


# Own profiles


async def test_own_profiles_are_saved_with_an_audit_line_and_known_to_every_worker(
    broker: Broker, bus: Bus, profiles: Profiles, kit: Kit
) -> None:
    other = Profiles(broker, bus)
    await other.open()
    changed = asyncio.Event()
    other.on_change(changed.set)
    assert other.find("own/7") is None
    saved = await profiles.save(OWN, "operator")
    assert not saved.built_in
    assert profiles.find("own/7") is not None
    async with asyncio.timeout(10):
        await changed.wait()
    found = other.get("own")
    assert found is not None
    assert found.document == OWN
    await profiles.save({**OWN, "topics": ["mine/{device}"]}, "operator")
    assert profiles.find("own/7") is None
    assert await profiles.delete("own", "operator")
    assert not await profiles.delete("own", "operator")
    assert profiles.find("mine/7") is None
    assert await kit.audit() == [
        ("operator", action, "own") for action in ("profile.add", "profile.change", "profile.delete")
    ]
    await other.close()


async def test_what_cannot_be_saved_or_deleted(profiles: Profiles) -> None:
    async def refused(attempt: Any) -> list[tuple[str, str]]:
        with pytest.raises(ProfileError) as caught:
            await attempt
        return caught.value.problems

    await profiles.save(OWN, "operator")
    await profiles.save({"name": "child", "extends": "own", "topics": ["child/{device}"]}, "operator")
    assert (await refused(profiles.save({**OWN, "name": "tts-v3"}, "x")))[0][0] == "/name"
    assert (await refused(profiles.save({**OWN, "name": "copy"}, "x")))[0][0] == "/topics/0"
    assert (await refused(profiles.save({**OWN, "colour": 1}, "x")))[0][0] == "/colour"
    assert "extends it" in (await refused(profiles.delete("own", "x")))[0][1]
    assert (await refused(profiles.delete("tts-v3", "x")))[0][0] == "/name"
    broken = {**OWN, "topics": ["own/{site}"], "entity": {"id": "urn:x:{site}", "type": "A"}}
    (problem,) = await refused(profiles.save(broken, "x"))
    assert "child" in problem[1]
    assert {"own", "child"} <= {profile.name for profile in profiles.all()}


async def test_two_workers_that_save_at_once_do_not_share_topics(
    broker: Broker, bus: Bus, profiles: Profiles
) -> None:
    other = Profiles(broker, bus)
    await other.open()
    results = await asyncio.gather(
        *(who.save({**OWN, "name": f"p{n}"}, "x") for n in range(4) for who in (profiles, other)),
        return_exceptions=True,
    )
    names = {one.name for one in results if not isinstance(one, BaseException)}
    assert len(names) == 1
    assert all(isinstance(one, ProfileError) for one in results if isinstance(one, BaseException))
    await other.close()


async def test_a_profile_that_no_longer_compiles_is_left_aside(broker: Broker, profiles: Profiles) -> None:
    await broker.database.pool.execute(
        """INSERT INTO profile (name, document) VALUES ('old', '{"name": "old", "gone": 1}')"""
    )
    await profiles.save(OWN, "operator")
    assert profiles.get("old") is None
    assert profiles.get("own") is not None


# Kept and grouped


async def test_messages_are_kept_with_kind_device_and_reason_and_grouped(kit: Kit) -> None:
    outcome = await kit.send("json/Lamp/7", {"a": 1}, b"nonsense 1", b"nonsense 23")
    assert outcome[0] is None
    assert all(isinstance(one, Unmappable) for one in outcome[1:])
    await kit.send("json/Lamp/8", {"a b": 1})
    await kit.send("nobody/knows/this", {"a": 1})
    await kit.send("nobody/knows/that", {"a": 1}, source="bridge")
    groups = await kit.unmapped.groups()
    assert [(g.kind, g.profile, g.topic, g.count) for g in groups] == [
        ("topic", "", "nobody/#", 2),
        ("payload", "plain-json", "json/+/+", 1),
        ("payload", "plain-json", "json/+/+", 2),
    ]
    assert (kit.counters.applied, kit.counters.unmapped) == (1, 5)
    page = await kit.unmapped.page(kind="payload", limit=2)
    assert [(one.device, one.topic) for one in page] == [("8", "json/Lamp/8"), ("7", "json/Lamp/7")]
    (last,) = await kit.unmapped.page(kind="payload", before=page[-1].id)
    assert (last.payload, last.device) == (b"nonsense 1", "7")
    assert [one.source for one in await kit.unmapped.page(topic="nobody/+/that")] == ["bridge"]
    assert len(await kit.unmapped.page(topic="nobody/#")) == 2
    assert await kit.unmapped.page(topic="nobody/+") == []
    assert [one.id for one in await kit.unmapped.page(device="8")] == [page[0].id]
    found = await kit.unmapped.get(last.id)
    assert found == last
    assert await kit.unmapped.get(10**9) is None


async def test_a_fault_of_our_own_keeps_one_message_and_no_other(
    kit: Kit, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that is raised about comes again for ever, and with it those of its batch."""
    read = profiles.read_at

    def faulty(topic: str, payload: bytes, arrival: Any) -> Any:
        if topic == "json/T/bad":
            raise KeyError("a fault")
        return read(topic, payload, arrival)

    monkeypatch.setattr(profiles, "read_at", faulty)
    for topic in ("json/T/bad", "json/T/good"):
        await kit.send(topic, {"a": 1})
    assert await kit.values("urn:ngsi-ld:T:good") == [1]
    (kept,) = await kit.unmapped.page()
    assert (kept.topic, kept.device) == ("json/T/bad", "bad")
    assert "KeyError" in kept.reason
    replayed = await kit.unmapped.replay(actor="operator")
    assert (replayed.mapped, replayed.still) == (0, 1)
    monkeypatch.undo()
    assert (await kit.unmapped.replay(actor="operator")).mapped == 1


async def test_what_postgresql_cannot_hold_in_a_text_is_written_out(kit: Kit) -> None:
    await kit.send("json/Lamp/7", b'{"a\\u0000b":1}')
    (kept,) = await kit.unmapped.page()
    assert "\\x00" in kept.reason
    assert kept.payload == b'{"a\\u0000b":1}'


async def test_of_a_payload_that_is_too_large_the_beginning_is_kept(kit: Kit) -> None:
    """Whoever may publish could fill the disk for three months."""
    own = {**OWN, "format": "text", "attributes": [{"name": "a", "path": "$"}]}
    await kit.send("own/7", b"x" * 3_000_000)
    (kept,) = await kit.unmapped.page()
    assert len(kept.payload) == MOST_KEPT
    assert "3000000" in kept.reason
    await kit.profiles.save(own, "operator")
    replayed = await kit.unmapped.replay(actor="operator")
    assert (replayed.mapped, replayed.still) == (0, 1), "half a message is no message"


# The key of a series cannot be that long, which only PostgreSQL knows.
TOO_LONG = {"a": {"value": 7, "unitCode": random.Random(7).randbytes(4_000).hex()}}


async def test_what_the_graph_refuses_is_kept_and_the_rest_of_the_message_is_not_lost(kit: Kit) -> None:
    await kit.send("json/Lamp/7", [{"a": 1}, TOO_LONG, {"a": 2}], {"a": 3})
    (kept,) = await kit.unmapped.page()
    assert (kept.kind, kept.device, kept.profile) == ("refused", "7", "plain-json")
    assert "cannot be stored" in kept.reason
    assert sorted(await kit.values("urn:ngsi-ld:Lamp:7")) == [1, 2, 3]
    replayed = await kit.unmapped.replay(actor="operator")
    assert (replayed.mapped, replayed.still) == (0, 1)
    assert sorted(await kit.values("urn:ngsi-ld:Lamp:7")) == [1, 2, 3]


# Replayed


async def test_a_replay_writes_exactly_once(kit: Kit) -> None:
    await kit.send("own/7", *({"a": n} for n in range(450)))
    assert kit.counters.unmapped == 450
    await kit.profiles.save(OWN, "operator")
    replays = await asyncio.gather(
        *(kit.unmapped.replay(kind="topic", topic="own/+", actor="operator") for _ in range(3))
    )
    assert sum(one.mapped for one in replays) == 450
    assert sum(one.still for one in replays) == 0
    assert sorted(await kit.values("urn:ngsi-ld:Thing:7")) == list(range(450))
    assert await kit.unmapped.groups() == []
    assert {line[:2] for line in await kit.audit()} == {
        ("operator", "profile.add"),
        ("operator", "unmapped.replay"),
    }
    # The bus delivers one of them again: it is known.
    kit._sent = 0
    await kit.send("own/7", {"a": 0})
    assert kit.counters.duplicates == 1


async def test_values_are_observed_when_they_arrived_not_when_they_were_replayed(kit: Kit) -> None:
    before = datetime.now(UTC)
    await kit.send("own/7", {"a": 1})
    after = datetime.now(UTC)
    await kit.profiles.save(OWN, "operator")
    await kit.unmapped.replay(actor="operator")
    (at,) = (await kit.broker.history("urn:ngsi-ld:Thing:7", DEFAULT + "a", sight=EVERYTHING)).times
    assert before - timedelta(milliseconds=1) <= datetime.fromisoformat(at) <= after


async def test_what_still_cannot_be_mapped_says_why(kit: Kit) -> None:
    await kit.send("own/7", {"a": 1}, {"b": 1})
    await kit.profiles.save(OWN, "operator")
    replayed = await kit.unmapped.replay(actor="operator")
    assert (replayed.mapped, replayed.still) == (1, 1)
    (kept,) = await kit.unmapped.page()
    assert (kept.kind, kept.profile, kept.device, kept.tries) == ("payload", "own", "7", 1)
    assert kept.tried_at is not None
    assert "no rule finds anything" in kept.reason


async def test_one_value_that_cannot_be_stored_does_not_hold_up_the_others(kit: Kit) -> None:
    numbers = [{"a": n} for n in range(5)]
    own = {**OWN, "topics": ["own/{type}/{device}"], "format": "attributes", "attributes": [], "entity": {}}
    await kit.send("own/Thing/7", *numbers[:2], TOO_LONG, *numbers[2:])
    await kit.profiles.save(own, "operator")
    replayed = await kit.unmapped.replay(actor="operator")
    assert (replayed.mapped, replayed.still) == (5, 1)
    assert sorted(await kit.values("urn:ngsi-ld:Thing:7")) == list(range(5))
    (kept,) = await kit.unmapped.page()
    assert (kept.kind, kept.tries) == ("refused", 1)


async def test_some_messages_by_id_and_discarding(kit: Kit) -> None:
    await kit.send("own/7", *({"a": n} for n in range(4)))
    ids = [one.id for one in await kit.unmapped.page()][::-1]
    await kit.profiles.save(OWN, "operator")
    assert (await kit.unmapped.replay([ids[1]], actor="operator")).mapped == 1
    assert await kit.unmapped.discard([ids[0], ids[1], 10**9], "operator") == 1
    assert [one.id for one in await kit.unmapped.page()] == ids[:1:-1]
    assert await kit.values("urn:ngsi-ld:Thing:7") == [1]
    assert ("operator", "unmapped.discard", "unmapped") in await kit.audit()


async def test_operations_that_were_applied_are_not_repeated_by_a_late_replay(kit: Kit) -> None:
    """Deliveries are forgotten after some days, but not those of messages that are still kept."""
    pool = kit.broker.database.pool
    await kit.send("json/Lamp/7", [{"a": 1}, {"a": 2}], {"a": 3})
    await kit.broker.keep(
        [UnmappedMessage("mqtt", "json/Lamp/7", b'[{"a":1},{"a":2}]', "half", delivery="mqtt:17.1")]
    )
    await pool.execute("UPDATE delivery SET at = now() - interval '30 days'")
    await intake.forget(pool, days=8)
    assert {record[0] for record in await pool.fetch("SELECT id FROM delivery")} == {
        "mqtt:17.1.0",
        "mqtt:17.1.1",
    }
    assert (await kit.unmapped.replay(actor="operator")).mapped == 1
    assert sorted(await kit.values("urn:ngsi-ld:Lamp:7")) == [1, 2, 3]


# Clocks


async def test_a_clock_that_lies_is_flagged_and_does_not_move_the_state(kit: Kit) -> None:
    await kit.send("json/Lamp/7", {"a": 1})
    future = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    await kit.send(
        "json/Lamp/7", {"a": 2, "observedAt": "1970-01-01T00:01:00Z"}, {"a": 3, "observedAt": future}
    )
    state = await kit.broker.retrieve("urn:ngsi-ld:Lamp:7", sight=EVERYTHING)
    assert state.attributes[DEFAULT + "a"][0]["value"] == 1
    assert await kit.values("urn:ngsi-ld:Lamp:7") == [1]
    assert [(device, kind) for device, kind, _ in kit.flags] == [("7", "clock")]  # once, though twice
    assert {group.kind for group in await kit.unmapped.groups()} == {"clock"}
    assert (await kit.unmapped.replay(actor="x")).still == 2
    replayed = await kit.unmapped.replay(kind="clock", clock="arrival", actor="x")
    assert (replayed.mapped, replayed.still) == (2, 0)
    assert sorted(await kit.values("urn:ngsi-ld:Lamp:7")) == [1, 2, 3]
    now = datetime.now(UTC)
    for at in (await kit.broker.history("urn:ngsi-ld:Lamp:7", DEFAULT + "a", sight=EVERYTHING)).times:
        assert abs(datetime.fromisoformat(at) - now) < timedelta(minutes=5)


# Forgotten


async def test_old_messages_are_forgotten_by_upkeep(kit: Kit) -> None:
    await kit.send("own/7", {"a": 1}, {"a": 2})
    pool = kit.broker.database.pool
    await pool.execute(
        "UPDATE unmapped SET at = now() - interval '91 days' WHERE id = (SELECT min(id) FROM unmapped)"
    )
    async with pool.acquire() as connection:
        await once(connection, datetime.now(UTC), outbox_days=7, unmapped_days=90)
    assert [one.payload for one in await kit.unmapped.page()] == [b'{"a": 2}']
