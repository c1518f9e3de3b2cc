"""Ten thousand malformed payloads over real MQTT: each of them is in the graph or among the unmapped, none is lost and
none counts twice."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest

from rhinecloud.broker import Broker
from rhinecloud.bus import Bus
from rhinecloud.bus.intake import look
from rhinecloud.gateways import MqttGateway
from rhinecloud.gateways.profiles import Profiles, Unmappable
from rhinecloud.gateways.unmapped import Unmapped

from ..conftest import EXTERNAL_NATS, NatsServer
from .test_built_in_profiles import CHIRPSTACK_UP, TASMOTA_SENSOR, TASMOTA_STATE, TTS_UP
from .test_mqtt import device

MESSAGES = 10_000
CONNECTIONS = 4
AT_ONCE = 50
SEED = 20_260_301
pytestmark = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")

PLAIN: dict[str, Any] = {
    "temperature": 21.5,
    "location": {"type": "Point", "coordinates": [6.76, 51.43]},
    "level": {"value": 3, "unitCode": "MTR", "observedAt": "2026-01-31T12:00:00Z"},
    "refDevice": {"object": "urn:ngsi-ld:Device:1"},
}
SENML: list[dict[str, Any]] = [
    {"bn": "urn:dev:ow:1:", "bt": 1.76e9, "n": "t", "u": "Cel", "v": 21.5},
    {"n": "h", "u": "%RH", "v": 60},
]
GOOD: list[tuple[str, Any]] = [
    ("json/Fuzz/{n}", PLAIN),
    ("json/Fuzz/{n}/confirm", {"version": 7, "result": "done"}),
    ("senml/Fuzz/{n}", SENML),
    ("v3/app@ttn/devices/{n}/up", TTS_UP),
    ("v3/app@ttn/devices/{n}/down/ack", {"downlink_ack": {"correlation_ids": ["rhinecloud:7"]}}),
    ("application/a/device/{n}/event/up", CHIRPSTACK_UP),
    ("application/a/device/{n}/event/ack", {"queueItemId": "x", "acknowledged": True}),
    ("tele/{n}/SENSOR", TASMOTA_SENSOR),
    ("tele/{n}/STATE", TASMOTA_STATE),
    ("tele/{n}/LWT", "Online"),
    ("zigbee2mqtt/{n}", {"state": "ON", "temperature": 20}),
    ("homeassistant/sensor/{n}/state", "21.5"),
    ("nobody/{n}", {"a": 1}),
]
ODD = [
    None,
    True,
    -1,
    10**30,
    1e308,
    "",
    "\x00",
    "urn:ngsi-ld:null",
    "🌊" * 40,
    "\ud800",
    [],
    {},
    [None],
    {"type": "Property"},
    {"type": "Point", "coordinates": [400, "x"]},
    {"value": {"@value": 1}},
    {"a": {"b": {"c": [1, {"d": None}]}}},
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2026-13-45T99:99:99Z",
]
NAMES = [
    "",
    " ",
    "@id",
    "type",
    "id",
    "observedAt",
    "a.b",
    "x" * 400,
    "ü",
    "\x00",
    "$ref",
    "value",
    "__proto__",
    "1",
]


def spoiled(draw: random.Random, value: Any, depth: int = 0) -> Any:
    """The value with something wrong in it."""
    if depth < 5 and isinstance(value, dict) and value and draw.random() < 0.8:
        changed = dict(value)
        key = draw.choice(list(changed))
        action = draw.random()
        if action < 0.25:
            del changed[key]
        elif action < 0.45:
            changed[draw.choice(NAMES)] = changed.pop(key)
        else:
            changed[key] = spoiled(draw, changed[key], depth + 1)
        return changed
    if depth < 5 and isinstance(value, list) and value and draw.random() < 0.8:
        at = draw.randrange(len(value))
        return [*value[:at], spoiled(draw, value[at], depth + 1), *value[at + 1 :]]
    return draw.choice(ODD)


def malformed(draw: random.Random, value: Any) -> bytes:
    """A payload that is broken as JSON, as UTF-8, or in what it says."""
    whole = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    kind = draw.random()
    if kind < 0.45:
        changed = value
        for _ in range(draw.randrange(1, 4)):
            changed = spoiled(draw, changed)
        return json.dumps(changed).encode()
    if kind < 0.55:
        return whole[: draw.randrange(len(whole))]
    if kind < 0.7:
        raw = bytearray(whole)
        for _ in range(draw.randrange(1, 6)):
            raw[draw.randrange(len(raw))] = draw.randrange(256)
        return bytes(raw)
    if kind < 0.75:
        return cbor2.dumps(json.loads(json.dumps(spoiled(draw, value)).replace("\\ud800", "?")))
    if kind < 0.8:
        return draw.randbytes(draw.randrange(200))
    if kind < 0.85:
        return draw.choice([b"[", b'{"a":', b'[{"n":']) * draw.choice([1, 500, 20_000])
    if kind < 0.9:
        return whole + draw.choice([b"}", b"\x00", whole])
    return draw.choice([b"", b"null", b"7", b'"x"', b"[]", b"{}", b"NaN", b"\xff\xfe", b"-", b'{"a":1e999}'])


def messages() -> list[tuple[str, bytes]]:
    draw = random.Random(SEED)
    made = []
    for number in range(MESSAGES):
        topic, value = draw.choice(GOOD)
        made.append((topic.format(n=f"d{number}"), malformed(draw, value)))
    return made


async def test_ten_thousand_malformed_payloads_are_accounted_for(
    nats: NatsServer, bus: Bus, broker: Broker
) -> None:
    profiles = Profiles(broker, bus)
    await profiles.open()
    confirmed: list[str] = []

    async def confirm(confirmation: Any) -> None:
        confirmed.append(confirmation.device)

    gateway = MqttGateway(bus, broker, profiles, confirm=confirm)
    await gateway.open()
    sent = messages()
    async with asyncio.timeout(180):
        await asyncio.gather(*(publish(nats, f"fuzz-{n}", sent[n::CONNECTIONS]) for n in range(CONNECTIONS)))
        while gateway.counters.received < MESSAGES or (await look(bus)).messages:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    counters = gateway.counters
    await gateway.close()
    assert counters.received - counters.redelivered == MESSAGES

    # What becomes of each, by reading it again without gateway, bus and database.
    now = datetime.now(UTC)
    unreadable: dict[str, str] = {}
    measured: dict[str, list[str]] = {}
    confirming = 0
    silent = 0
    for topic, payload in sent:
        try:
            mapped = profiles.read(topic, payload, now)
        except Unmappable as error:
            unreadable[topic] = error.kind
            continue
        if mapped.measurements:
            measured[topic] = [one.entity_id for one in mapped.measurements]
        confirming += len(mapped.confirmations)
        silent += not mapped.measurements and not mapped.confirmations
    kept = {one.topic: one for one in await everything(Unmapped(broker, profiles))}
    assert len(kept) == counters.unmapped
    payloads = dict(sent)
    assert all(payloads[topic] == one.payload for topic, one in kept.items())
    refused = {
        topic for topic, one in kept.items() if one.kind == "refused"
    }  # readable; the graph did not take it
    assert {topic: one.kind for topic, one in kept.items() if topic not in refused} == unreadable
    assert refused <= measured.keys()
    written = {topic: entities for topic, entities in measured.items() if topic not in refused}
    deliveries = await broker.database.pool.fetchval("SELECT count(*) FROM delivery")
    assert deliveries == counters.applied == sum(map(len, written.values()))
    entities = {record[0] for record in await broker.database.pool.fetch("SELECT id FROM entity")}
    assert entities == {entity for many in written.values() for entity in many}
    assert (counters.ignored, len(confirmed), counters.duplicates) == (silent, confirming, 0)
    # Every message is in one of these, and the fuzz was one: much was broken, and some was not.
    confirmed_only = len(sent) - len(kept) - len(written) - silent
    assert 0 <= confirmed_only <= confirming
    assert len(kept) > MESSAGES // 3
    assert len(written) > MESSAGES // 20
    await profiles.close()


async def publish(nats: NatsServer, name: str, messages: list[tuple[str, bytes]]) -> None:
    async with device(nats, name) as client:
        client.pending_calls_threshold = 10 * AT_ONCE
        for start in range(0, len(messages), AT_ONCE):
            await asyncio.gather(
                *(
                    client.publish(topic, payload, qos=1)
                    for topic, payload in messages[start : start + AT_ONCE]
                )
            )


async def everything(unmapped: Unmapped) -> list[Any]:
    found: list[Any] = []
    before = None
    while True:
        page = await unmapped.page(before=before, limit=500)
        found += page
        if len(page) < 500:
            return found
        before = page[-1].id
