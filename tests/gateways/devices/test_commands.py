"""Commands with a real database, a real NATS and real MQTT clients as devices."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiomqtt
import msgspec
import pytest
import pytest_asyncio

from rhinecloud.bus import Bus
from rhinecloud.gateways.devices.commands import Commands
from rhinecloud.gateways.devices.registry import NewDevice, Registry
from rhinecloud.gateways.devices.wanted import Wanted
from rhinecloud.model import BadRequestData, ResourceNotFound
from rhinecloud.store import Database

from ...conftest import EXTERNAL_NATS, NatsServer

pytestmark = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")
NOTHING: Mapping[str, str] = {}
AT_ONCE = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]


class Told(msgspec.Struct, frozen=True):
    """What a device says of a wanted state."""

    device: str
    version: int | None
    result: str = "done"
    detail: str = ""
    reported: dict[str, Any] = {}


class OneProfile:
    """The plain words for commands, without a file of profiles."""

    def get(self, name: str) -> OneProfile | None:
        return self if name in ("plain-json", "mute") else None

    def topics_of(
        self, device: str, type: str, captured: Mapping[str, str] = NOTHING
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return (f"json/{type}/{device}",), (f"json/{type}/{device}/command",)

    def command_topic(self, device: str, type: str, captured: Mapping[str, str] = NOTHING) -> str:
        return f"json/{type}/{device}/command"

    def entity_of(self, device: str, type: str, captured: Mapping[str, str] = NOTHING) -> tuple[str, str]:
        return f"urn:ngsi-ld:{type}:{device}", type

    def told(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Its devices call it brightness, from 0 to 255."""
        return {
            "brightness" if name == "level" else name: round(255 * value) if name == "level" else value
            for name, value in values.items()
        }

    def commands(
        self,
        device: str,
        type: str,
        version: int,
        values: Mapping[str, Any],
        captured: Mapping[str, str] = NOTHING,
    ) -> list[tuple[str, bytes]]:
        if type == "Mute":
            return []
        said = {"version": version, "set": self.told(values)}
        return [(self.command_topic(device, type), json.dumps(said).encode())]


class Alarms(list[tuple[str | None, str, dict[str, Any]]]):
    async def raise_(self, device: str | None, kind: str, detail: dict[str, Any]) -> None:
        self.append((device, kind, detail))


@asynccontextmanager
async def running(database: Database, bus: Bus, alarms: Alarms | None = None) -> AsyncIterator[Commands]:
    commands = Commands(
        database, bus, OneProfile(), alarm=(alarms if alarms is not None else Alarms()).raise_
    )
    await commands.open()
    try:
        yield commands
    finally:
        await commands.close()


@pytest_asyncio.fixture
async def lamp(database: Database, bus: Bus) -> str:
    registry = Registry(database, bus, OneProfile())
    await registry.add(NewDevice(id="lamp-1", type="Lamp"), "test")
    await registry.add(NewDevice(id="mute.1", type="Mute", profile="mute"), "test")
    return "lamp-1"


@asynccontextmanager
async def device(nats: NatsServer, name: str = "lamp-1") -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """A device that hears its commands and says nothing."""
    assert nats.mqtt_host is not None
    assert nats.mqtt_port is not None
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    async with aiomqtt.Client(
        nats.mqtt_host, nats.mqtt_port, identifier=name, socket_options=AT_ONCE
    ) as client:
        await client.subscribe(f"json/Lamp/{name}/command", qos=1)

        async def listen() -> None:
            async for message in client.messages:
                heard.put_nowait(json.loads(bytes(message.payload)))

        listening = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def next_of(heard: asyncio.Queue[dict[str, Any]], seconds: float = 20) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        return await heard.get()


async def state_of(commands: Commands, version: int, until: Callable[[Wanted], bool]) -> Wanted:
    async with asyncio.timeout(20):
        while not until(one := await commands.get("lamp-1", version)):
            await asyncio.sleep(0.02)
        return one


async def test_a_device_is_told_and_confirms(
    nats: NatsServer, bus: Bus, database: Database, lamp: str
) -> None:
    async with running(database, bus) as commands, device(nats) as heard:
        one = await commands.want(lamp, {"dim": 40}, actor="test")
        assert await next_of(heard) == {"version": one.version, "set": {"dim": 40}}
        sent = await state_of(commands, one.version, lambda w: w.state == "sent")
        assert (sent.sends, sent.listening) == (1, True)
        await commands.confirm(Told(lamp, one.version, detail="warm", reported={"dim": 40}))
        done = await commands.get(lamp, one.version)
        assert (done.state, done.detail) == ("confirmed", {"said": "warm", "reported": {"dim": 40}})
        assert one.created_at <= (done.sent_at or one.created_at) <= (done.ended_at or one.created_at)
        await asyncio.sleep(3)  # longer than the first pause: nothing is said again
        assert heard.empty()
    audit = await database.pool.fetchrow("SELECT actor, action, subject FROM audit ORDER BY id DESC LIMIT 1")
    assert tuple(audit) == ("test", "device.want", lamp)


async def test_what_cannot_be_wanted_is_refused(bus: Bus, database: Database, lamp: str) -> None:
    async with running(database, bus) as commands:
        with pytest.raises(ResourceNotFound):
            await commands.want("nobody", {"dim": 1}, actor="test")
        for device_, values, seconds in (
            (lamp, {}, 60),
            (lamp, {"dim": 1}, 0.5),
            ("mute.1", {"dim": 1}, 60),
            (lamp, {"dim": "x" * 70_000}, 60),
        ):
            with pytest.raises(BadRequestData):
                await commands.want(device_, values, timeout_seconds=seconds, actor="test")
        assert await commands.history(lamp) == []


async def test_a_confirmation_that_postgresql_cannot_hold_counts(
    database: Database, bus: Bus, lamp: str
) -> None:
    async with running(database, bus) as commands:
        one = await commands.want(lamp, {"dim": 40}, actor="me")
        reported = {"dim": 40, "a\0": 1, "b": ["\0"]}
        await commands.confirm(Told(lamp, one.version, detail="warm\0", reported=reported))
        ended = await commands.get(lamp, one.version)
        assert ended.state == "confirmed"
        assert ended.detail == {"said": "warm\\x00", "reported": {"dim": 40}}


async def test_a_lost_confirmation_is_asked_for_again(
    nats: NatsServer, bus: Bus, database: Database, lamp: str
) -> None:
    async with running(database, bus) as commands, device(nats) as heard:
        one = await commands.want(lamp, {"dim": 40}, actor="test")
        first, second = await next_of(heard), await next_of(heard)
        assert first == second == {"version": one.version, "set": {"dim": 40}}
        await commands.confirm(Told(lamp, one.version, "failed", "no lamp"))
        failed = await state_of(commands, one.version, lambda w: not w.open)
        assert (failed.state, failed.detail["said"]) == ("failed", "no lamp")
        await commands.confirm(Told(lamp, one.version, "done"))  # what has ended stays
        assert (await commands.get(lamp, one.version)).state == "failed"


async def test_who_was_away_gets_the_newest_only(
    nats: NatsServer, bus: Bus, database: Database, lamp: str
) -> None:
    async with running(database, bus) as commands:
        versions = [(await commands.want(lamp, {"dim": dim}, actor="test")).version for dim in range(5)]
        assert versions == sorted(set(versions))
        await state_of(commands, versions[-1], lambda w: w.attempts >= 1)
        newest = await commands.get(lamp, versions[-1])
        assert (newest.state, newest.sends, newest.listening) == ("wanted", 0, False), "nobody was there"
        async with device(nats) as heard:
            commands.connected(lamp)
            assert await next_of(heard) == {"version": versions[-1], "set": {"dim": 4}}
            await commands.confirm(Told(lamp, versions[-1]))
            await asyncio.sleep(2.5)
            assert heard.empty(), "once"
        history = await commands.history(lamp)
        assert [one.state for one in history] == ["confirmed", *["superseded"] * 4]
        assert history[1].detail == {"superseded_by": versions[-1]}
        page = await commands.history(lamp, before=versions[2], limit=1)
        assert [one.version for one in page] == [versions[1]]


async def test_any_word_of_a_device_that_was_away_brings_it_the_newest(
    nats: NatsServer, bus: Bus, database: Database, lamp: str
) -> None:
    async with running(database, bus) as commands:
        one = await commands.want(lamp, {"dim": 7}, actor="test")
        # As if it had been away for a long time: the next attempt is far.
        await state_of(commands, one.version, lambda w: w.attempts >= 1)
        await database.pool.execute("UPDATE wanted SET attempts = 20, next_at = now() + interval '1 hour'")
        async with device(nats) as heard:
            commands.heard("somebody else")
            commands.heard(lamp)
            assert (await next_of(heard))["version"] == one.version


async def test_reports_confirm_where_no_version_is_named(bus: Bus, database: Database, lamp: str) -> None:
    async with running(database, bus) as commands:
        one = await commands.want(lamp, {"POWER": "ON", "Dimmer": 50}, actor="test")
        await commands.confirm(Told(lamp, None, reported={"POWER": "ON", "Dimmer": 20}))
        await commands.confirm(Told(lamp, None, reported={"POWER": "ON"}))
        assert (await commands.get(lamp, one.version)).open
        await commands.confirm(Told(lamp, None, reported={"POWER": "ON", "Dimmer": 50, "Wifi": 1}))
        assert (await commands.get(lamp, one.version)).state == "confirmed"


async def test_reports_are_compared_with_what_was_told(bus: Bus, database: Database, lamp: str) -> None:
    async with running(database, bus) as commands:
        one = await commands.want(lamp, {"level": 0.3333}, actor="test")
        assert (one.wanted, one.detail) == ({"level": 0.3333}, {"told": {"brightness": 85}})
        await commands.confirm(Told(lamp, None, reported={"brightness": 84}))
        await commands.confirm(Told(lamp, None, reported={"level": 0.3333}))
        assert (await commands.get(lamp, one.version)).open
        await commands.confirm(Told(lamp, None, reported={"brightness": 85}))
        assert (await commands.get(lamp, one.version)).state == "confirmed"


async def test_what_is_not_confirmed_in_time_is_over_and_raises_an_alarm(
    bus: Bus, database: Database, lamp: str
) -> None:
    alarms = Alarms()
    async with running(database, bus, alarms) as commands:
        one = await commands.want(lamp, {"dim": 1}, timeout_seconds=1, actor="test")
        over = await state_of(commands, one.version, lambda w: not w.open)
        assert (over.state, over.ended_at and over.ended_at >= over.due_at) == ("timed_out", True)
        async with asyncio.timeout(5):
            while not alarms:
                await asyncio.sleep(0.02)
    assert alarms == [
        ("lamp-1", "command", {"version": one.version, "set": {"dim": 1}, "state": "timed_out"})
    ]


async def test_of_many_workers_one_sends_and_another_takes_over(
    nats: NatsServer, bus: Bus, database: Database, lamp: str, database_url: str
) -> None:
    other = await Database.open(database_url, migrate=False)
    try:
        async with device(nats) as heard, running(other, bus) as second:
            async with running(database, bus) as first:
                one = await first.want(lamp, {"dim": 1}, actor="test")
                assert (await next_of(heard))["version"] == one.version
                assert first.sending + second.sending == 1
            two = await second.want(lamp, {"dim": 2}, actor="test")
            seen = {(await next_of(heard))["version"]}
            while two.version not in seen:
                seen.add((await next_of(heard))["version"])
            assert second.sending
            after = [heard.get_nowait()["version"] for _ in range(heard.qsize())]
            assert one.version not in after
    finally:
        await other.close()


async def test_an_older_version_never_follows_a_newer_one(
    nats: NatsServer, bus: Bus, database: Database, lamp: str
) -> None:
    """New versions are wanted while older ones are being published, and the sender is pushed all the time."""
    async with running(database, bus) as commands, device(nats) as heard:
        for dim in range(150):
            await commands.want(lamp, {"dim": dim}, actor="test")
            commands.connected(lamp)
            if dim % 10 == 0:
                await database.pool.execute("UPDATE wanted SET next_at = now() WHERE ended_at IS NULL")
                await bus.wake("commands")
        newest = (await commands.history(lamp, limit=1))[0].version
        got = [(await next_of(heard))["version"]]
        while got[-1] != newest:
            got.append((await next_of(heard))["version"])
        # It is heard before it is written down that it was sent.
        await state_of(commands, newest, lambda one: one.state == "sent")
    assert got == sorted(got)
    states = await database.pool.fetch("SELECT state, count(*) FROM wanted GROUP BY state ORDER BY state")
    assert [tuple(row) for row in states] == [("sent", 1), ("superseded", 149)]


async def test_nats_away_for_a_while(nats: NatsServer, bus: Bus, database: Database, lamp: str) -> None:
    async with running(database, bus) as commands:
        await asyncio.to_thread(nats.restart)
        one = await commands.want(lamp, {"dim": 3}, actor="test")
        async with asyncio.timeout(30):
            while not bus.connected:
                await asyncio.sleep(0.05)
        async with device(nats) as heard:
            commands.connected(lamp)
            assert (await next_of(heard))["version"] == one.version


async def test_what_is_long_over_is_forgotten(bus: Bus, database: Database, lamp: str) -> None:
    async with running(database, bus) as commands:
        one = await commands.want(lamp, {"dim": 1}, actor="test")
        await commands.confirm(Told(lamp, one.version))
    long_ago = datetime.now(UTC) - timedelta(days=91)
    await database.pool.execute("UPDATE wanted SET ended_at = $1", long_ago)
    async with running(database, bus) as commands, asyncio.timeout(20):
        while await commands.history(lamp):
            await asyncio.sleep(0.05)
