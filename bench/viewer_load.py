"""Viewers of the live map, thousands at a time, and as many subscribers of core NATS as the raw limit."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

from .counting import PATIENCE
from .documents import encode
from .jobs import GatherJob, Load, RawGatherJob, StirJob
from .lines import open_lines, patch
from .message_load import NatsClient

_AT_ONCE = 100  # connections that are opened side by side
_SUBJECT = "bench.view"
_EVENT = b"event: changes"


def changes(seed: int, entities: int) -> Iterator[bytes]:
    """Updates without end that the map shows: a lamp fails, the same lamp is repaired, another fails …"""
    draw = random.Random(seed)
    while True:
        number = draw.randrange(entities)
        yield patch(number, "status", "defectiveLamp")
        yield patch(number, "status", "ok")


async def map_mark(port: int) -> str:
    """The mark of the map's snapshot, with which a page begins to follow."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /map/points HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    if " 200 " not in head.splitlines()[0]:
        raise ConnectionError(f"the map answers: {head.splitlines()[0]}")
    length = int.from_bytes(await reader.readexactly(4), "little")
    told = json.loads(await reader.readexactly(length))
    writer.close()
    return f"{told['epoch']}.{told['version']}"


class _Crowd:
    """What all views of a job hear; `changed` is when the change was made that they wait for."""

    def __init__(self) -> None:
        self.changed = 0.0
        self.latencies: list[float] = []
        self.lost = 0
        self.ending = False

    def hear(self, times: int) -> None:
        """One view was told."""
        late = max(0.0, time.perf_counter() - self.changed)
        self.latencies += [late] * times


class _Viewing(Protocol):
    def close(self) -> None: ...


class View(asyncio.Protocol):
    """One event stream."""

    def __init__(self, crowd: _Crowd | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._crowd = crowd
        self._tail = b""
        self._next: asyncio.Future[float] | None = None
        self._opened: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    async def open(self, mark: str) -> None:
        """Ask for the live map since a mark. Raises ConnectionError."""
        path = f"/live/map?since={mark}"
        self._transport.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
        )
        await self._opened

    def next_event(self) -> asyncio.Future[float]:
        """When the next event comes (perf_counter)."""
        self._next = asyncio.get_running_loop().create_future()
        return self._next

    def data_received(self, data: bytes) -> None:
        if not self._opened.done():
            self._tail += data
            if b"\r\n\r\n" in self._tail:
                if self._tail.startswith(b"HTTP/1.1 200"):
                    self._opened.set_result(None)
                else:
                    self._opened.set_exception(ConnectionError(self._tail[:60].decode(errors="replace")))
                self._tail = b""
            return
        data = self._tail + data
        times = data.count(_EVENT)
        place = data.rfind(_EVENT)
        seen = place + len(_EVENT) if times else 0
        self._tail = data[max(seen, len(data) - len(_EVENT) + 1) :]
        if times and self._crowd is not None:
            self._crowd.hear(times)
        if times and self._next is not None and not self._next.done():
            self._next.set_result(time.perf_counter())

    def connection_lost(self, error: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(ConnectionError("the view was closed"))
        elif self._crowd is not None and not self._crowd.ending:
            self._crowd.lost += 1

    def close(self) -> None:
        """Leave."""
        self._transport.close()


class _Subscriber(NatsClient):
    """A subscription of core NATS."""

    crowd: _Crowd

    def _sign_in(self) -> None:
        super()._sign_in()
        self._transport.write(f"SUB {_SUBJECT} 2\r\n".encode())

    def data_received(self, data: bytes) -> None:
        if self.ready.done():
            times = data.count(b"MSG " + _SUBJECT.encode())
            if times:
                self.crowd.hear(times)
            if b"PING\r\n" in data:
                self._transport.write(b"PONG\r\n")
            return
        super().data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.crowd.ending:
            self.crowd.lost += 1
        super().connection_lost(error)


class Crowds:
    """The views that are kept from one job to the next."""

    def __init__(self) -> None:
        self._crowd = _Crowd()
        self._views: list[_Viewing] = []
        self._publisher: NatsClient | None = None

    async def gather(self, job: GatherJob) -> Load:
        """Views of the live map."""
        self.scatter()
        try:
            mark = await map_mark(job.port)
        except OSError as error:
            return Load(errors=job.viewers, complaint=repr(error))

        async def come() -> None:
            view = View(self._crowd)
            await asyncio.get_running_loop().create_connection(lambda: view, "127.0.0.1", job.port)
            await view.open(mark)
            self._views.append(view)

        return await self._gather(job.viewers, come)

    async def raw_gather(self, job: RawGatherJob) -> Load:
        """Subscribers of core NATS, and one that publishes."""
        self.scatter()
        loop = asyncio.get_running_loop()

        async def come() -> None:
            subscriber = _Subscriber(job.user, job.password)
            subscriber.crowd = self._crowd
            await loop.create_connection(lambda: subscriber, "127.0.0.1", job.port)
            await subscriber.ready
            self._views.append(subscriber)

        load = await self._gather(job.viewers, come)
        publisher = NatsClient(job.user, job.password)
        await loop.create_connection(lambda: publisher, "127.0.0.1", job.port)
        await publisher.ready
        self._publisher = publisher
        return load

    async def _gather(self, viewers: int, come: Callable[[], Any]) -> Load:
        begun, cpu, load = time.time(), time.process_time(), Load()

        async def enter() -> None:
            try:
                async with asyncio.timeout(PATIENCE):
                    await come()
            except (OSError, RuntimeError, TimeoutError) as error:
                load.errors += 1
                load.complaint = load.complaint or f"a viewer was not let in: {error!r}"

        waiting = [enter() for _ in range(viewers)]
        for start in range(0, viewers, _AT_ONCE):
            await asyncio.gather(*waiting[start : start + _AT_ONCE])
        load.done = len(self._views)
        load.begun, load.ended = begun, time.time()
        load.seconds = load.ended - begun
        load.generator_cpu = time.process_time() - cpu
        return load

    async def stir(self, job: StirJob) -> Load:
        """Make changes and count what the views hear; who does not hear of a change has skipped it."""
        crowd, cpu, begun = self._crowd, time.process_time(), time.time()
        crowd.latencies = []
        lost, updates = crowd.lost, changes(job.seed, job.entities)
        lines = await open_lines(job.port, 1) if job.port is not None else []
        start, complaint, made = time.perf_counter(), "", 0
        for place in itertools.count():
            at = start + place / job.rate
            if at >= start + job.seconds:
                break
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            crowd.changed = time.perf_counter()
            if lines:
                status, crowd.changed = await lines[0].ask(next(updates))
                if status != 204:
                    complaint = f"an update was answered with {status}"
            else:
                assert self._publisher is not None
                body = b"event: changes\ndata: " + encode({"version": place, "states": [place, 1]}) + b"\n\n"
                self._publisher._transport.write(f"PUB {_SUBJECT} {len(body)}\r\n".encode() + body + b"\r\n")
            made += 1
        await asyncio.sleep(max(0.0, start + job.seconds - time.perf_counter()))
        for line in lines:
            line.close()
        ordered = sorted(crowd.latencies)
        gone = crowd.lost - lost
        return Load(
            done=len(ordered),
            errors=gone + bool(complaint),
            seconds=time.perf_counter() - start,
            p50=ordered[len(ordered) // 2] if ordered else 0.0,
            p99=ordered[int(len(ordered) * 0.99)] if ordered else 0.0,
            begun=begun,
            ended=time.time(),
            generator_cpu=time.process_time() - cpu,
            complaint=complaint or (f"{gone} viewers were cut off" if gone else ""),
            extra={"changes": made, "viewers": len(self._views)},
        )

    def scatter(self) -> Load:
        """Close all views."""
        self._crowd.ending = True
        for view in (*self._views, *([self._publisher] if self._publisher is not None else [])):
            view.close()
        self._crowd, self._views, self._publisher = _Crowd(), [], None
        return Load()
