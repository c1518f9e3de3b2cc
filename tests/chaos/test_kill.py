"""`kill -9` of anything at random moments under load: what was acknowledged is there, once, and was told.

Writers keep a ledger of what was acknowledged to them: HTTP by the status, MQTT (QoS 1) by the PUBACK. Afterwards the
ledger is compared with the history, the current state, and with what a durable watch saw.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import asyncpg
import httpx
import msgspec
import psutil
import pytest

from rhinecloud.broker import Change
from rhinecloud.broker.feed import Feed
from rhinecloud.bus import Bus
from rhinecloud.store import Database
from rhinecloud.tasks import stop

from ..conftest import EXTERNAL_DATABASE, EXTERNAL_NATS, Serve, Server

pytestmark = pytest.mark.skipif(
    bool(EXTERNAL_DATABASE or EXTERNAL_NATS), reason="kills engines; external ones are not ours"
)

SECONDS = 6.0  # of load before the supervisor is killed, and again after it is back
VICTIMS = [
    *(["worker"], ["worker"], ["postgres"], ["nats-server"]),
    *(["postgres", "nats-server"], ["worker", "nats-server"], ["worker", "postgres"]),
]
N = "https://uri.etsi.org/ngsi-ld/default-context/n"


@dataclass
class Ledger:
    """What was tried and what was acknowledged: (entity id, number), each number once."""

    tried: set[tuple[str, int]] = field(default_factory=set)
    acknowledged: set[tuple[str, int]] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**9)))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class City:
    """The server as its clients know it; after a restart it answers at the same addresses."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.server = serve("--workers=2")

    def restart(self) -> None:
        """kill -9 of the supervisor, and start again."""
        self.server.kill()
        port = self.server.base_url.rstrip("/").rpartition(":")[2]
        deadline = time.monotonic() + 15
        while self._anyone_left():
            assert time.monotonic() < deadline, "the children outlive their supervisor"
            time.sleep(0.02)
        self.server = self._serve(
            "--workers=2", f"--port={port}", f"--mqtt-port={self.server.mqtt_port}", data=self.server.data
        )

    def _anyone_left(self) -> bool:
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self.server.data) in word for word in process.info["cmdline"] or ()):
                return True
        return False

    def pids(self, name: str) -> list[int]:
        """Those of the supervisor's children that are called so."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.server.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    words = process.cmdline()
                    if any(Path(word).name == name or word == f"rhinecloud.{name}" for word in words):
                        found.append(process.pid)
        return found

    async def connect_bus(self) -> Bus:
        """A client of the embedded NATS, with the address and password that stand in its configuration."""
        (pid,) = self.pids("nats-server")
        words = psutil.Process(pid).cmdline()
        configuration = json.loads(await asyncio.to_thread(Path(words[words.index("-c") + 1]).read_text))
        user = configuration["authorization"]["users"][0]
        sign_in = {"user": user["user"], "password": user["password"]}
        return await Bus.connect(f"nats://127.0.0.1:{configuration['port']}", patience=20, **sign_in)


async def write_http(city: City, ledger: Ledger, over: asyncio.Event, name: str) -> None:
    """Single and batch writes; an entity whose write failed is left alone, for that write may still happen."""
    generation = 0
    async with httpx.AsyncClient(timeout=5) as client:
        while not over.is_set():
            ids = [f"urn:ngsi-ld:Chaos:{name}.{generation}.{n}" for n in range(1 if generation % 2 else 4)]
            while not over.is_set():
                batch = [(entity_id, next(ledger.numbers)) for entity_id in ids]
                ledger.tried.update(batch)
                body = [
                    {"id": i, "type": "Chaos", "n": {"value": number, "observedAt": now()}}
                    for i, number in batch
                ]
                url = f"{city.server.base_url.rstrip('/')}/ngsi-ld/v1/entityOperations/upsert?options=update"
                try:
                    answer = await client.post(url, json=body)
                except httpx.HTTPError:
                    break
                if answer.status_code not in (201, 204):
                    assert answer.status_code == 503, answer.text
                    assert "retry-after" in answer.headers
                    break
                ledger.acknowledged.update(batch)
                await asyncio.sleep(0.002)
            generation += 1
            await asyncio.sleep(0.1)


async def publish_mqtt(city: City, ledger: Ledger, over: asyncio.Event, name: str) -> None:
    while not over.is_set():
        with contextlib.suppress(aiomqtt.MqttError, OSError, TimeoutError):
            async with aiomqtt.Client(
                city.server.mqtt_host,
                city.server.mqtt_port,
                identifier=f"{name}-{next(ledger.numbers)}",
                timeout=3,
            ) as client:
                while not over.is_set():
                    number = next(ledger.numbers)
                    entry = (f"urn:ngsi-ld:Chaos:{name}.{number % 3}", number)
                    ledger.tried.add(entry)
                    payload = json.dumps({"n": number, "observedAt": now()})
                    await client.publish(f"json/Chaos/{name}.{number % 3}", payload, qos=1, timeout=3)
                    ledger.acknowledged.add(entry)
                    await asyncio.sleep(0.002)
        await asyncio.sleep(0.1)


class Consumer:
    """A durable watch, as an app has it, in a process that is not killed but must reconnect."""

    def __init__(self) -> None:
        self.sessions: list[list[Change]] = []

    async def run(self, city: City) -> None:
        """Watch until cancelled."""
        bus = await city.connect_bus()
        database = await Database.open(city.server.database_url, size=3, migrate=False)
        feed = Feed(database, bus)
        await feed.open()
        seen: list[Change] = []
        self.sessions.append(seen)
        try:
            async for changes in feed.watch("ledger"):
                seen += changes
        finally:
            await bus.close()
            database.pool.terminate()

    @property
    def last(self) -> int:
        return max((change.id for session in self.sessions for change in session), default=0)


async def kill_at_random(city: City, chance: random.Random, seconds: float, deaths: Counter[str]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(chance.uniform(0.4, 1.6))
        for name in chance.choice(
            [
                ["worker"],
                ["worker"],
                ["postgres"],
                ["nats-server"],
                ["postgres", "nats-server"],
                ["worker", "nats-server"],
            ]
        ):
            pids = city.pids(name)
            if pids:
                with contextlib.suppress(psutil.NoSuchProcess):
                    psutil.Process(chance.choice(pids)).kill()
                    deaths[name] += 1


async def query(city: City, statement: str) -> list[Any]:
    connection = await asyncpg.connect(
        city.server.database_url,
        server_settings={"search_path": "tenant_city", "timezone": "UTC"},
        timeout=10,
    )
    try:
        return [tuple(record) for record in await connection.fetch(statement)]
    finally:
        await connection.close()


_HISTORY = """
SELECT s.entity_id, h.value::bigint FROM history h JOIN series s ON s.id = h.series
UNION ALL SELECT s.entity_id, v::bigint FROM chunk c JOIN series s ON s.id = c.series, unnest(c.values) AS v
"""


async def test_whatever_is_killed_what_was_acknowledged_is_there_once(serve: Serve) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    city, ledger, consumer, deaths = City(serve), Ledger(), Consumer(), Counter[str]()
    over = asyncio.Event()
    watching = asyncio.create_task(consumer.run(city))
    await asyncio.sleep(0.5)
    load = [
        *(asyncio.create_task(write_http(city, ledger, over, f"h{n}")) for n in range(3)),
        *(asyncio.create_task(publish_mqtt(city, ledger, over, f"m{n}")) for n in range(2)),
    ]
    await kill_at_random(city, chance, SECONDS, deaths)
    await stop(watching)
    await asyncio.to_thread(city.restart)
    watching = asyncio.create_task(consumer.run(city))
    await kill_at_random(city, chance, SECONDS, deaths)
    await asyncio.sleep(1)
    over.set()
    await ended(load)
    print(f"killed {dict(deaths)}; tried {len(ledger.tried)}, acknowledged {len(ledger.acknowledged)}")
    assert len(ledger.acknowledged) > 200
    assert sum(deaths.values()) >= 5

    # What was delivered to a worker that died comes again after half a minute.
    missing: set[tuple[str, int]] = set()
    outbox: list[tuple[int]] = []
    end = time.monotonic() + 75
    while time.monotonic() < end:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            missing = ledger.acknowledged - set(await query(city, _HISTORY))
            outbox = await query(city, "SELECT id FROM outbox ORDER BY id")
            if not missing and outbox and consumer.last >= outbox[-1][0]:
                break
        assert not watching.done() or watching.exception() is None, watching
        await asyncio.sleep(0.25)
    await asyncio.sleep(0.5)
    assert not missing, f"{len(missing)} acknowledged values are lost: {sorted(missing)[:5]}"

    kept = Counter(await query(city, _HISTORY))
    assert {entry: n for entry, n in kept.items() if n > 1} == {}, "counted twice"
    assert kept.keys() <= ledger.tried

    current = {
        entity_id: msgspec.json.decode(text)[N][0]["value"]
        for entity_id, text in await query(city, "SELECT id, attributes::text FROM entity")
    }
    newest: dict[str, int] = {}
    for entity_id, number in kept:
        newest[entity_id] = max(number, newest.get(entity_id, 0))
    assert current == newest
    assert await query(city, "SELECT reason FROM unmapped") == []

    outbox = await query(city, "SELECT id FROM outbox ORDER BY id")
    told: dict[int, Change] = {}
    for session in consumer.sessions:
        ids = [change.id for change in session]
        assert ids == sorted(set(ids)), "a watch repeats or goes back"
        told.update({change.id: change for change in session})
    assert sorted(told) == [record[0] for record in outbox], "not every committed change was told"
    last_told: dict[str, Any] = {}
    for number in sorted(told):
        change = told[number]
        assert change.entity is not None
        last_told[change.entity_id] = change.entity.attributes[N][0]["value"]
    assert last_told == current
    await stop(watching)
    assert stop_quietly(city.server) == 0


async def ended(load: list[asyncio.Task[None]], seconds: float = 20) -> None:
    """Wait until writers that were told to stop have; whoever has not by then is stopped, and an error."""
    done, left = await asyncio.wait(load, timeout=seconds)
    await stop(*left)
    assert not left, f"{len(left)} writers did not end"
    for task in done:
        task.result()


def stop_quietly(server: Server) -> int:
    return server.stop()
