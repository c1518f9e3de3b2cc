"""Devices at the door: a real server asks, doors of two workers answer, real MQTT clients try what they may not."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio
import trustme
from nats.aio.client import Client
from nats.errors import Error as NatsError

from rhinecloud import tasks
from rhinecloud.broker import upkeep
from rhinecloud.bus import Bus, Message, ensure_intake
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.folder import DataFolder
from rhinecloud.engines.nats import DEVICE_USER, SYSTEM_USER, USER, Nats
from rhinecloud.gateways.devices.alarms import Alarm, Alarms
from rhinecloud.gateways.devices.connections import Connections
from rhinecloud.gateways.devices.door import Door
from rhinecloud.gateways.devices.grants import Grant
from rhinecloud.gateways.devices.refusals import Refusals, read_line
from rhinecloud.nkeys import KeyPair
from rhinecloud.settings import Settings
from rhinecloud.store import Database

from ...conftest import EXTERNAL_NATS, NatsServer, new_folder, quiet, wait_for

pytestmark = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")
PATIENCE = 15.0


class Known:
    """Devices whose password is their id, backwards. Those in `away` meet a database that is away."""

    def __init__(self, *devices: str) -> None:
        self.devices = {*devices}
        self.away: set[str] = set()
        self.asked = 0

    async def verify(self, username: str, password: str) -> Grant | None:
        self.asked += 1
        if username in self.away:
            raise OSError("the database is away")
        if username not in self.devices or password != username[::-1]:
            return None
        return Grant(
            username,
            (f"json/Lamp/{username}", f"free/{username}/#"),
            (f"json/Lamp/{username}/command", f"cmnd/{username}/#"),
        )


class House:
    """A server, its database, and what workers have at the door of it."""

    def __init__(self, nats: NatsServer, database: Database) -> None:
        assert nats.child is not None
        self.server = nats.child
        self.database = database
        self.known = Known("lamp-1", "lamp-2", "de.rhine.lamp")
        self._ends: list[Callable[[], Awaitable[None]]] = []

    async def worker(self) -> tuple[Door, Alarms, Connections]:
        """The door of one more worker, with connections of its own."""
        keys = self.server.door_keys
        bus = await Bus.connect(self.server.url, patience=10, **self.server.credentials.options())
        alarms = Alarms(self.database)
        connections = Connections(str(keys.system_url), keys.system.options())
        door = Door(bus, self.known, KeyPair.from_seed(keys.issuer), alarms, connections)
        await door.open()
        await bus.client.flush()
        self._ends += [bus.close, connections.close, door.close]
        return door, alarms, connections

    async def inside(self) -> tuple[Bus, list[tuple[str, bytes]]]:
        """Someone inside who hears everything that devices say."""
        bus = await Bus.connect(self.server.url, patience=10, **self.server.credentials.options())
        heard: list[tuple[str, bytes]] = []

        def hear(message: Message) -> None:
            heard.append((message.subject, message.payload))

        for subject in ("json.>", "free.>", "cmnd.>", "changes.>", "wake.relay"):
            await bus.listen(subject, hear)
        await bus.client.flush()
        self._ends.append(bus.close)
        return bus, heard

    def device(self, name: str, **options: Any) -> aiomqtt.Client:
        options = {"identifier": name.replace(".", "/"), "password": name[::-1], "timeout": 10, **options}
        return aiomqtt.Client("127.0.0.1", self.server.mqtt_port, username=name, **options)

    async def is_refused(self, name: str, **options: Any) -> bool:
        try:
            async with self.device(name, **options):
                return False
        except aiomqtt.MqttError:
            return True

    async def close(self) -> None:
        for end in reversed(self._ends):
            await end()


@pytest_asyncio.fixture
async def house(nats: NatsServer, database_url: str) -> AsyncIterator[House]:
    database = await Database.open(database_url, migrate=False)
    await database.pool.execute(
        "INSERT INTO device (id, profile, type, entity_id) VALUES "
        "('lamp-1', 'plain-json', 'Lamp', 'urn:ngsi-ld:Lamp:lamp-1')"
    )
    house = House(nats, database)
    yield house
    await house.close()
    await database.close()


async def alarm(alarms: Alarms, kind: str, times: int = 1) -> Alarm:
    """The one open alarm of a kind, when it was raised so often."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await alarms.list(kind=kind)
            if found and found[0].times >= times:
                (only,) = found
                return only
            await asyncio.sleep(0.05)


# Who comes in


async def test_a_device_signs_in_and_speaks_and_hears(house: House) -> None:
    await house.worker()
    inside, heard = await house.inside()
    async with house.device("lamp-1") as device:
        await device.subscribe("cmnd/lamp-1/#", qos=1)
        await device.publish("json/Lamp/lamp-1", b"1", qos=1)
        await device.publish("free/lamp-1", b"2", qos=1)
        await device.publish("free/lamp-1/a/b", b"3", qos=2)
        await inside.client.publish("cmnd.lamp-1", b"on")
        await inside.client.publish("cmnd.lamp-1.POWER", b"off")
        async with asyncio.timeout(PATIENCE):
            got = [str((await anext(aiter(device.messages))).topic) for _ in range(2)]
    assert sorted(got) == ["cmnd/lamp-1", "cmnd/lamp-1/POWER"]
    async with asyncio.timeout(PATIENCE):
        while len(heard) < 5:
            await asyncio.sleep(0.01)
    assert {("json.Lamp.lamp-1", b"1"), ("free.lamp-1", b"2"), ("free.lamp-1.a.b", b"3")} < set(heard)


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_a_device_is_sent_what_others_publish_with_every_quality(house: House, qos: int) -> None:
    await house.worker()
    async with house.device("lamp-1", clean_session=False) as device:
        await device.subscribe("cmnd/lamp-1/#", qos=qos)
        async with aiomqtt.Client("127.0.0.1", house.server.mqtt_port) as anybody:  # --open
            await anybody.publish("cmnd/lamp-1/POWER", b"on", qos=qos)
        async with asyncio.timeout(PATIENCE):
            message = await anext(aiter(device.messages))
        assert (str(message.topic), message.payload, message.qos) == ("cmnd/lamp-1/POWER", b"on", qos)
    if qos:
        async with aiomqtt.Client("127.0.0.1", house.server.mqtt_port) as anybody:
            await anybody.publish("cmnd/lamp-1/POWER", b"while it was away", qos=qos)
        async with house.device("lamp-1", clean_session=False) as device, asyncio.timeout(PATIENCE):
            assert (await anext(aiter(device.messages))).payload == b"while it was away"


async def test_an_id_with_dots(house: House) -> None:
    await house.worker()
    _, heard = await house.inside()
    async with house.device("de.rhine.lamp") as device:
        await device.publish("json/Lamp/de.rhine.lamp", b"1", qos=1)
    async with asyncio.timeout(PATIENCE):
        while not heard:
            await asyncio.sleep(0.01)
    assert heard == [("json.Lamp.de//rhine//lamp", b"1")]


@pytest.mark.parametrize(
    "name, options",
    [
        ("lamp-1", {"password": "wrong"}),
        ("lamp-1", {"password": ""}),
        ("lamp-1", {"password": None}),
        ("stranger", {}),
        ("lamp-1\n", {"password": "lamp-1"[::-1]}),
        (USER, {"password": "guessed"}),
        (DEVICE_USER, {"password": ""}),
        (SYSTEM_USER, {"password": ""}),
    ],
)
async def test_who_is_not_who_he_says_is_refused(house: House, name: str, options: dict[str, Any]) -> None:
    await house.worker()
    assert await house.is_refused(name, identifier="", **options)
    assert not await house.is_refused("lamp-1")


async def test_the_passwords_of_the_house_are_none_for_mqtt(house: House) -> None:
    await house.worker()
    for name, secret in ((USER, "nats"), (SYSTEM_USER, "nats-system")):
        assert await house.is_refused(name, identifier="", password=house.server.folder.secret(secret))


async def test_a_devices_credentials_are_for_mqtt_only(house: House) -> None:
    door, _, _ = await house.worker()
    client = Client()
    with pytest.raises(NatsError):
        await client.connect(
            house.server.url, user="lamp-1", password="1-pmal", allow_reconnect=False, error_cb=_nothing
        )
    await client.close()
    assert house.known.asked == 0
    assert door.counters.granted == 0


async def _nothing(error: Exception) -> None:
    return None


async def test_who_gives_no_name_is_not_asked_about(house: House) -> None:
    door, _, _ = await house.worker()
    async with aiomqtt.Client("127.0.0.1", house.server.mqtt_port, timeout=5) as device:
        await device.publish("json/Lamp/lamp-1", b"{}", qos=1)
    assert door.counters.asked == 0


async def test_failed_sign_ins_are_counted_by_name_only_for_devices_there_are(house: House) -> None:
    _, alarms, _ = await house.worker()
    for _ in range(3):
        assert await house.is_refused("lamp-1", password="wrong")
    told = await alarm(alarms, "sign_in", 3)
    assert (told.device, told.times) == ("lamp-1", 3)
    assert told.detail == {"address": "127.0.0.1", "client": "lamp-1", "name": "lamp-1"}
    await alarms.acknowledge(told.id, "test")
    for name in ("nobody-1", "nobody-2"):
        assert await house.is_refused(name)
    told = await alarm(alarms, "sign_in", 2)
    assert (told.device, told.times) == (None, 2)


async def test_another_devices_client_identifier_is_refused_and_told(house: House) -> None:
    _, alarms, _ = await house.worker()
    async with house.device("lamp-2", clean_session=False) as victim:
        await victim.subscribe("cmnd/lamp-2/#", qos=1)
        assert await house.is_refused("lamp-1", identifier="lamp-2", clean_session=False)
        await victim.publish("json/Lamp/lamp-2", b"{}", qos=1)  # not thrown out
    told = await alarm(alarms, "client_id")
    assert (told.device, told.detail["client"]) == ("lamp-1", "lamp-2")
    for own in ("lamp-1", "lamp-1~second", ""):
        assert not await house.is_refused("lamp-1", identifier=own)


async def test_while_nobody_knows_nobody_is_let_in_or_blamed(house: House) -> None:
    door, alarms, _ = await house.worker()
    house.known.away.add("lamp-1")
    assert await house.is_refused("lamp-1")
    assert (door.counters.unavailable, door.counters.wrong) == (1, 0)
    assert await alarms.list() == []
    house.known.away.clear()
    assert not await house.is_refused("lamp-1")


# Topics crossed


async def test_nothing_that_a_device_says_in_another_ones_name_arrives(house: House) -> None:
    await house.worker()
    inside, heard = await house.inside()
    await ensure_intake(inside)
    crossed = (
        "json/Lamp/lamp-2",
        "json/Lamp/lamp-1/command",
        "free/lamp-2/x",
        "cmnd/lamp-1/POWER",
        "wake/relay",
    )
    async with house.device("lamp-1") as device:
        for topic in crossed:
            for qos in (0, 1, 2):
                # NATS acknowledges and drops; $-topics and the like may also end the connection.
                await device.publish(topic, b"crossed", qos=qos, timeout=5)
        await device.publish("json/Lamp/lamp-1", b"own", qos=1)
    async with asyncio.timeout(PATIENCE):
        while not heard:
            await asyncio.sleep(0.01)
    assert heard == [("json.Lamp.lamp-1", b"own")]
    assert (await ensure_intake(inside)).messages == 1


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_nothing_that_is_said_to_another_device_is_heard(house: House, qos: int) -> None:
    await house.worker()
    inside, _ = await house.inside()
    wishes = (
        *("json/Lamp/lamp-2/command", "json/Lamp/+/command", "json/+/lamp-2/command", "#", "+/#", "json/#"),
        *("cmnd/lamp-2/#", "cmnd/+/POWER", "json/*/lamp-2/command", "json/>", ">", "$MQTT/msgs/#", "cmnd/*"),
        *("$SYS/#", "changes/#", "_INBOX/#", "json/Lamp/lamp-2"),
    )
    async with house.device("lamp-1") as device:
        for wish in wishes:
            (code,) = await device.subscribe(wish, qos=qos)
            assert code.is_failure, f"{wish} was granted"
        await device.subscribe("cmnd/lamp-1/#", qos=qos)
        async with house.device("lamp-2") as other:
            await other.publish("json/Lamp/lamp-2", b"not yours", qos=qos)
        for subject in ("json.Lamp.lamp-2.command", "cmnd.lamp-2.POWER", "changes.city"):
            await inside.client.publish(subject, b"not yours")
        await inside.client.publish("cmnd.lamp-1.last", b"yours")
        async with asyncio.timeout(PATIENCE):
            message = await anext(aiter(device.messages))
        assert (str(message.topic), message.payload) == ("cmnd/lamp-1/last", b"yours")


async def test_a_session_gives_nothing_that_is_not_granted_any_more(house: House) -> None:
    await house.worker()
    inside, _ = await house.inside()
    async with house.device("lamp-1", clean_session=False) as device:
        await device.subscribe("cmnd/lamp-1/#", qos=1)

    async def less(username: str, password: str) -> Grant | None:
        return Grant("lamp-1", (), ("json/Lamp/lamp-1/command",))

    house.known.verify = less  # type: ignore[method-assign]
    try:
        async with house.device("lamp-1", clean_session=False) as device:
            await inside.client.publish("cmnd.lamp-1.POWER", b"not any more")
            (code,) = await device.subscribe("json/Lamp/lamp-1/command", qos=1)
            assert not code.is_failure
            await inside.client.publish("json.Lamp.lamp-1.command", b"yours")
            async with asyncio.timeout(PATIENCE):
                assert (await anext(aiter(device.messages))).payload == b"yours"
    except aiomqtt.MqttError:
        pass  # the server ends a session with a subscription that is forbidden by now: nothing was heard either


async def test_a_forbidden_topic_raises_an_alarm_that_names_device_and_topic(house: House) -> None:
    door, alarms, connections = await house.worker()
    refusals = Refusals(house.server.log.path, alarms, connections, door)
    keeping = asyncio.create_task(refusals.keep(house.database))
    try:
        async with house.device("lamp-1", identifier="") as device:
            for _ in range(3):
                await device.publish("json/Lamp/lamp-2", b"crossed", qos=1)
        told = await alarm(alarms, "forbidden_topic", 3)
        assert (told.device, told.times) == ("lamp-1", 3)
        assert (told.detail["action"], told.detail["topic"]) == ("publish", "json/Lamp/lamp-2")
        await alarms.acknowledge(told.id, "test")
        async with house.device("de.rhine.lamp") as device:
            await device.subscribe("json/+/de.rhine.lamp/command", qos=0)
            told = await alarm(alarms, "forbidden_topic")
        assert told.device == "de.rhine.lamp"
        assert told.detail["action"] == "subscribe"
        assert told.detail["topic"] == "json/+/de.rhine.lamp/command"
    finally:
        await tasks.stop(keeping)


async def test_what_was_written_while_nobody_read_is_told_once(house: House) -> None:
    door, alarms, connections = await house.worker()
    async with house.device("lamp-1") as device:
        await device.publish("json/Lamp/lamp-2", b"crossed", qos=1)
    for topic in ("json/Lamp/lamp-3", "json/Lamp/lamp-4"):
        # Each time another worker is elected and reads from the beginning.
        keeping = asyncio.create_task(
            Refusals(house.server.log.path, alarms, connections, door).keep(house.database)
        )
        await alarm(alarms, "forbidden_topic")
        async with house.device("lamp-1") as device:
            await device.publish(topic, b"crossed", qos=1)
        async with asyncio.timeout(PATIENCE):
            while (await alarms.list(kind="forbidden_topic"))[0].detail["topic"] != topic:
                await asyncio.sleep(0.05)
        await tasks.stop(keeping)
    assert (await alarm(alarms, "forbidden_topic")).times == 3


async def test_a_device_that_insists_is_sent_away(house: House) -> None:
    door, alarms, connections = await house.worker()
    keeping = asyncio.create_task(
        Refusals(house.server.log.path, alarms, connections, door).keep(house.database)
    )
    try:
        with pytest.raises(aiomqtt.MqttError):
            async with house.device("lamp-1") as device, asyncio.timeout(PATIENCE):
                while True:
                    await device.publish("json/Lamp/lamp-2", b"crossed", qos=1)
        assert await house.is_refused("lamp-1")
        assert not await house.is_refused("lamp-2")
    finally:
        await tasks.stop(keeping)


def test_lines_of_the_log() -> None:
    line = (
        b'[11619] 2026/11/23 05:33:18.413504 [ERR] [::1]:33897 - mid:7 - "l\\"1\\x07\\u00e4" - '
        b'Publish Violation - Subject "json.Lamp.de//rhine"'
    )
    read = read_line(line)
    assert read is not None
    assert (read.cid, read.client, read.action, read.topic) == (
        7,
        'l"1\x07ä',
        "publish",
        "json/Lamp/de.rhine",
    )
    assert (read.address, read.at.microsecond) == ("[::1]", 413504)
    forged = b'[1] 2026/11/23 05:33:18.413504 [ERR] 127.0.0.1:1 - mid:9 - "a\\" - Publish Violation - Subject \\"b" - x'
    assert read_line(forged) is None
    for other in (b"", b"[11619] 2026/11/23 05:33:18.941080 [INF] Server Exiting..", b"\xff\xfe"):
        assert read_line(other) is None


# Sent away


async def test_a_device_is_cut_off_and_refused_by_every_worker(house: House) -> None:
    first, _, _ = await house.worker()
    second, _, _ = await house.worker()
    async with house.device("lamp-2") as bystander:
        with pytest.raises(aiomqtt.MqttError):
            async with house.device("lamp-1") as device, house.device("lamp-1", identifier="lamp-1~2"):
                assert await first.disconnect("lamp-1", refuse_seconds=3600) == 2
                async with asyncio.timeout(PATIENCE):
                    async for _ in device.messages:
                        pass
        for _ in range(8):
            assert await house.is_refused("lamp-1")
        assert first.counters.refused + second.counters.refused == 8
        assert first.counters.wrong == second.counters.wrong == 0
        await bystander.publish("json/Lamp/lamp-2", b"{}", qos=1)


async def test_a_worker_that_comes_later_hears_who_is_refused(house: House) -> None:
    first, _, _ = await house.worker()
    await first.disconnect("lamp-1", refuse_seconds=3600)
    second, _, _ = await house.worker()
    async with asyncio.timeout(PATIENCE):
        while not second._is_refused("lamp-1"):
            await asyncio.sleep(0.01)
    await first.close()
    assert await house.is_refused("lamp-1")


async def test_a_refusal_ends(house: House) -> None:
    door, _, _ = await house.worker()
    await door.disconnect("lamp-1", refuse_seconds=0.5)
    assert await house.is_refused("lamp-1")
    async with asyncio.timeout(PATIENCE):
        while await house.is_refused("lamp-1"):
            await asyncio.sleep(0.1)


async def test_without_a_refusal_a_device_comes_back_at_once(house: House) -> None:
    door, _, _ = await house.worker()
    async with house.device("lamp-1"):
        assert await door.disconnect("lamp-1") == 1
    assert not await house.is_refused("lamp-1")
    assert await door.disconnect("nobody") == 0


async def test_one_door_closes_and_the_other_answers(house: House) -> None:
    first, _, _ = await house.worker()
    second, _, _ = await house.worker()
    for _ in range(20):
        assert not await house.is_refused("lamp-1")
    assert first.counters.granted and second.counters.granted
    await first.close()
    answered = second.counters.granted
    for _ in range(5):
        assert not await house.is_refused("lamp-1")
    assert second.counters.granted == answered + 5


async def test_many_at_once_are_all_answered(house: House) -> None:
    door, _, _ = await house.worker()
    house.known.devices |= {f"many-{number}" for number in range(150)}
    refused = await asyncio.gather(*(house.is_refused(f"many-{number}") for number in range(150)))
    assert not any(refused)
    assert door.counters.granted == 150


async def test_the_server_was_killed_and_asks_again(house: House, nats: NatsServer) -> None:
    door, _, _ = await house.worker()
    assert not await house.is_refused("lamp-1")
    await asyncio.to_thread(nats.restart)
    async with asyncio.timeout(60):
        while await house.is_refused("lamp-1"):
            await asyncio.sleep(0.1)
    assert door.counters.granted >= 2
    async with house.device("lamp-1"):
        assert await door.disconnect("lamp-1") >= 1


# Alarms


async def test_alarms_count_and_open_anew_after_somebody_saw_them(house: House) -> None:
    alarms, other = Alarms(house.database), Alarms(house.database)
    await asyncio.gather(
        *(one.raise_("lamp-1", "clock", {"n": n}) for n, one in enumerate([alarms, other] * 50))
    )
    await alarms.raise_(None, "clock", {})
    await alarms.raise_("lamp-1", "clock", {"n": "last"}, times=5)
    found = {one.device: one for one in await alarms.list()}
    assert (found["lamp-1"].times, found["lamp-1"].detail) == (105, {"n": "last"})
    assert found[None].times == 1
    assert await alarms.counts() == {"clock": 2}
    await alarms.acknowledge(found["lamp-1"].id, "test")
    await alarms.raise_("lamp-1", "clock", {})
    assert sorted(one.times for one in await alarms.list(device="lamp-1", acknowledged=True)) == [1, 105]
    assert [one.times for one in await alarms.list(device="lamp-1")] == [1]
    assert await house.database.pool.fetchval("SELECT count(*) FROM audit WHERE actor = 'test'") == 1


async def test_alarms_that_were_seen_are_forgotten_and_open_ones_are_not(house: House) -> None:
    alarms = Alarms(house.database)
    for kind in ("clock", "flood", "sign_in"):
        await alarms.raise_("lamp-1", kind, {})
    for one in await alarms.list():
        if one.kind != "clock":
            await alarms.acknowledge(one.id, "test")
    await house.database.pool.execute(
        "UPDATE device_alarm SET acknowledged_at = acknowledged_at - interval '91 days' WHERE kind <> 'sign_in'"
    )
    async with house.database.pool.acquire() as connection:
        await upkeep.once(connection, datetime.now(UTC), outbox_days=7)
    assert {one.kind for one in await alarms.list(acknowledged=True)} == {"clock", "sign_in"}


# TLS


def _certificate(authority: trustme.CA, folder: Path) -> tuple[Path, Path]:
    issued = authority.issue_cert("127.0.0.1")
    chain, key = folder / "chain.pem", folder / "key.pem"
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    return chain, key


def _trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def encrypted(programs: Path) -> Iterator[tuple[Nats, trustme.CA, Path]]:
    """A server with a certificate, for devices that have a name only."""
    parent = new_folder()
    authority = trustme.CA()
    chain, key = _certificate(authority, parent)
    folder = DataFolder(parent / "data", programs)
    folder.open()
    server = Nats(folder, Settings(mqtt_port=0, tls_cert=chain, tls_key=key), quiet)
    server.start()
    wait_for(server)
    yield server, authority, parent
    server.request_stop()
    server.wait_stopped(10)
    folder.close()
    shutil.rmtree(parent, ignore_errors=True)


async def test_mqtt_over_tls_with_a_renewed_certificate(encrypted: tuple[Nats, trustme.CA, Path]) -> None:
    server, authority, folder = encrypted
    assert server.mqtt_url == f"mqtts://127.0.0.1:{server.mqtt_port}"
    bus = await Bus.connect(server.url, patience=10, **server.credentials.options())
    door = Door(bus, Known("lamp-1"), KeyPair.from_seed(server.door_keys.issuer))
    await door.open()

    def device(trusting: ssl.SSLContext | None, **options: Any) -> aiomqtt.Client:
        options = {"username": "lamp-1", "password": "1-pmal", "identifier": "lamp-1", **options}
        return aiomqtt.Client("127.0.0.1", server.mqtt_port, tls_context=trusting, timeout=5, **options)

    async def comes_in(client: aiomqtt.Client) -> bool:
        try:
            async with client:
                return True
        except (aiomqtt.MqttError, OSError):
            return False

    def believes(authority: trustme.CA) -> bool:
        """Whether someone who trusts this authority believes the server."""
        with socket.create_connection(("127.0.0.1", server.mqtt_port), timeout=5) as plain:
            try:
                with _trust(authority).wrap_socket(plain, server_hostname="127.0.0.1"):
                    return True
            except ssl.SSLCertVerificationError:
                return False

    assert await comes_in(device(_trust(authority)))
    assert not believes(trustme.CA())
    assert not await comes_in(device(None))  # plain text
    assert not await comes_in(device(_trust(authority), username=None, password=None))  # nobody, not --open

    renewed = trustme.CA()
    _certificate(renewed, folder)
    async with asyncio.timeout(30):
        while not believes(renewed):
            server.poll()
            await asyncio.sleep(0.1)
    assert not believes(authority)
    async with device(_trust(renewed)) as connected:
        await connected.publish("json/Lamp/lamp-1", b"{}", qos=1)
    await door.close()
    await bus.close()


def test_files_that_are_no_certificate_are_told_in_words(data_folder: Path, programs: Path) -> None:
    folder = DataFolder(data_folder, programs)
    folder.open()
    chain, key = _certificate(trustme.CA(), data_folder)
    _, other_key = chain.rename(data_folder / "other.pem"), _certificate(trustme.CA(), data_folder)[1]
    assert key == other_key
    server = Nats(folder, Settings(mqtt_port=0, tls_cert=data_folder / "other.pem", tls_key=other_key), quiet)
    with pytest.raises(EngineError, match="cannot be used"):
        server.start()
    folder.close()
