"""From the commit to who is told: subscribers by webhook, viewers of the live map; and the same ways made by hand of
PostgreSQL and NATS."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Any

import asyncpg
import msgspec
import nats
from nats.aio.msg import Msg

from . import sql_rows
from .counting import PATIENCE
from .documents import Parts, encode, identity
from .jobs import BrowserJob, Load, RawBrowserJob, RawWebhookJob, WebhookJob
from .lines import Line, Receiver, open_lines, patch, post
from .viewer_load import View, changes, map_mark

Key = tuple[str, float]
_SUBJECT = "bench.told"
_BACKLOG = 60.0  # seconds


class _Ledger:
    """When each update was sent, when it was answered (hence committed), when the subscriber heard of it."""

    def __init__(self) -> None:
        self.sent: dict[Key, float] = {}
        self.committed: dict[Key, float] = {}
        self.told: dict[Key, float] = {}
        self.errors = 0
        self.complaint = ""

    def hear(self, body: bytes, now: float) -> None:
        """A notification in the simplified format; a repetition counts as nothing."""
        for entity in msgspec.json.decode(body)["data"]:
            self.told.setdefault((entity["id"], entity["illuminanceLevel"]), now)

    def forget(self, key: Key) -> None:
        """Count this one nowhere."""
        for known in (self.sent, self.committed, self.told):
            known.pop(key, None)

    def fail(self, complaint: str) -> None:
        self.errors += 1
        self.complaint = self.complaint or complaint[:300]

    def load(self, begun: float, seconds: float, cpu: float) -> Load:
        known = [key for key in self.committed if key in self.told]
        after = sorted(max(0.0, self.told[key] - self.committed[key]) for key in known)
        whole = sorted(self.told[key] - self.sent[key] for key in known)
        missing = len(self.committed) - len(known)
        if missing:
            self.errors += missing
            self.complaint = self.complaint or f"the subscriber never heard of {missing} changes"
        return Load(
            done=len(known),
            errors=self.errors,
            seconds=seconds,
            p50=_share(after, 0.5),
            p99=_share(after, 0.99),
            begun=begun,
            ended=time.time(),
            generator_cpu=time.process_time() - cpu,
            complaint=self.complaint,
            extra={"sent_p50_ms": _share(whole, 0.5) * 1e3, "sent_p99_ms": _share(whole, 0.99) * 1e3},
        )


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _keys(seed: int, entities: int, number: int) -> list[tuple[int, Key]]:
    """Lamp posts with values that no other update has."""
    draw = random.Random(seed)
    numbers = [draw.randrange(entities) for _ in range(number)]
    return [(n, (identity(n), round(seed + place / 1e6, 6))) for place, n in enumerate(numbers)]


async def _paced(
    ledger: _Ledger,
    keys: Sequence[tuple[int, Key]],
    rate: float,
    ways: Sequence[Callable[[int, Key], Awaitable[None]]],
) -> tuple[float, float]:
    """Send each key at its time over the first way that is free, and wait until all were told: (begun, seconds)."""
    free: asyncio.Queue[Callable[[int, Key], Awaitable[None]]] = asyncio.Queue()
    for way in ways:
        free.put_nowait(way)
    tasks: set[asyncio.Task[None]] = set()

    async def send(way: Callable[[int, Key], Awaitable[None]], number: int, key: Key) -> None:
        ledger.sent[key] = time.perf_counter()
        try:
            await way(number, key)
        except (ConnectionError, asyncpg.PostgresError, TimeoutError) as error:
            ledger.fail(repr(error))
        free.put_nowait(way)

    begun, start = time.time(), time.perf_counter()
    for place, (number, key) in enumerate(keys):
        await asyncio.sleep(max(0.0, start + place / rate - time.perf_counter()))
        task = asyncio.create_task(send(await free.get(), number, key))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    seconds = time.perf_counter() - start
    deadline = time.perf_counter() + PATIENCE
    while (tasks or len(ledger.told) < len(ledger.committed)) and time.perf_counter() < deadline:
        await asyncio.sleep(0.005)
    return begun, seconds


async def run_webhook(job: WebhookJob) -> Load:
    """Updates at the rate; a subscription to them must be there."""
    cpu = time.process_time()
    ledger = _Ledger()
    server = await asyncio.get_running_loop().create_server(
        lambda: Receiver(ledger.hear), "127.0.0.1", job.receiver
    )
    (early,) = await open_lines(job.port, 1)

    def way(line: Line) -> Callable[[int, Key], Awaitable[None]]:
        async def update(number: int, key: Key) -> None:
            status, at = await line.ask(patch(number, "illuminanceLevel", key[1]))
            if status == 204:
                ledger.committed[key] = at
            else:
                ledger.fail(f"an update was answered with {status}")

        return update

    # What the jobs before have left to match comes first: begin when a first change has come through.
    first, *keys = _keys(job.seed, job.entities, 1 + int(job.rate * job.seconds))
    await way(early)(*first)
    early.close()
    deadline = time.perf_counter() + _BACKLOG
    while first[1] not in ledger.told and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    ledger.forget(first[1])
    lines = await open_lines(job.port, job.connections)  # not before: idle ones would be closed meanwhile
    begun, seconds = await _paced(ledger, keys, job.rate, [way(line) for line in lines])
    for line in lines:
        line.close()
    server.close()
    return ledger.load(begun, seconds, cpu)


def _update_of(number: int, value: float, entities: int) -> tuple[Any, ...]:
    """The parameters of an update with all its rows."""
    about = Parts()
    about.id, about.number = identity(number), number
    about.documents = [
        {"illuminanceLevel": {"type": "Property", "value": value, "observedAt": "2024-02-01T00:00:00Z"}}
    ]
    return sql_rows.parameters("update", about, entities)


async def run_raw_webhook(job: RawWebhookJob) -> Load:
    """UPDATE, publish to a stream once it is committed, and from a subscription to the same receiver over HTTP."""
    cpu = time.process_time()
    ledger = _Ledger()
    server = await asyncio.get_running_loop().create_server(
        lambda: Receiver(ledger.hear), "127.0.0.1", job.receiver
    )
    lines = await open_lines(job.receiver, 4)
    free: asyncio.Queue[Line] = asyncio.Queue()
    for line in lines:
        free.put_nowait(line)
    posting: set[asyncio.Task[None]] = set()
    client = await nats.connect(f"nats://127.0.0.1:{job.nats}", user=job.user, password=job.password)
    stream = client.jetstream()

    async def deliver(data: bytes) -> None:
        line = await free.get()
        try:
            await line.ask(post("/told", data))
        finally:
            free.put_nowait(line)

    async def hear(message: Msg) -> None:
        task = asyncio.create_task(deliver(message.data))
        posting.add(task)
        task.add_done_callback(posting.discard)

    await client.subscribe(f"{job.stream}.told", cb=hear)
    await client.flush()
    connections = [await asyncpg.connect(job.url) for _ in range(job.connections)]
    prepared = [await one.prepare(sql_rows.STATEMENTS["update"]) for one in connections]
    publishing: set[asyncio.Task[Any]] = set()

    def way(statement: Any) -> Callable[[int, Key], Awaitable[None]]:
        async def update(number: int, key: Key) -> None:
            await statement.fetch(*_update_of(number, key[1], job.entities))
            ledger.committed[key] = time.perf_counter()
            body = encode({"data": [{"id": key[0], "type": "Streetlight", "illuminanceLevel": key[1]}]})
            task = asyncio.create_task(stream.publish(f"{job.stream}.told", body))
            publishing.add(task)
            task.add_done_callback(publishing.discard)

        return update

    keys = _keys(job.seed, job.entities, int(job.rate * job.seconds))
    begun, seconds = await _paced(ledger, keys, job.rate, [way(one) for one in prepared])
    for line in lines:
        line.close()
    server.close()
    for connection in connections:
        await connection.close()
    await client.close()
    return ledger.load(begun, seconds, cpu)


async def run_browser(job: BrowserJob) -> Load:
    """One lamp after the other, until the viewer's event; the loop ends early where one never comes."""
    cpu = time.process_time()
    draw = random.Random(job.seed)
    (line,) = await open_lines(job.port, 1)
    view = View()
    await asyncio.get_running_loop().create_connection(lambda: view, "127.0.0.1", job.port)
    latencies: list[float] = []
    begun = time.time()
    complaint = ""
    try:
        async with asyncio.timeout(PATIENCE):
            await view.open(await map_mark(job.port))
        for update in islice(changes(job.seed, job.entities), job.number):
            await asyncio.sleep(job.pause * draw.uniform(1.0, 1.5))
            heard = view.next_event()
            status, at = await line.ask(update)
            if status != 204:
                raise ConnectionError(f"an update was answered with {status}")
            async with asyncio.timeout(PATIENCE):
                latencies.append(max(0.0, await heard - at))
    except (ConnectionError, TimeoutError) as error:
        complaint = f"no event of the live map: {error!r}"
    view.close()
    line.close()
    return _one_by_one(latencies, job.number, begun, cpu, complaint)


async def run_raw_browser(job: RawBrowserJob) -> Load:
    """UPDATE, then core NATS."""
    cpu = time.process_time()
    draw = random.Random(job.seed)
    connection = await asyncpg.connect(job.url)
    statement = await connection.prepare(sql_rows.STATEMENTS["update"])
    client = await nats.connect(f"nats://127.0.0.1:{job.nats}", user=job.user, password=job.password)
    heard: asyncio.Queue[float] = asyncio.Queue()

    async def hear(message: Msg) -> None:
        heard.put_nowait(time.perf_counter())

    await client.subscribe(_SUBJECT, cb=hear)
    await client.flush()
    latencies: list[float] = []
    begun, complaint = time.time(), ""
    try:
        for _ in range(job.number):
            number = draw.randrange(job.entities)
            await statement.fetch(*_update_of(number, round(draw.random(), 6), job.entities))
            at = time.perf_counter()
            await client.publish(_SUBJECT, encode({"id": identity(number)}))
            async with asyncio.timeout(PATIENCE):
                latencies.append(await heard.get() - at)
    except (OSError, asyncpg.PostgresError) as error:
        complaint = repr(error)
    await client.close()
    await connection.close()
    return _one_by_one(latencies, job.number, begun, cpu, complaint)


def _one_by_one(latencies: list[float], number: int, begun: float, cpu: float, complaint: str) -> Load:
    ordered = sorted(latencies)
    return Load(
        done=len(ordered),
        errors=number - len(ordered),
        seconds=time.time() - begun,
        p50=_share(ordered, 0.5),
        p99=_share(ordered, 0.99),
        begun=begun,
        ended=time.time(),
        generator_cpu=time.process_time() - cpu,
        complaint=complaint,
    )
