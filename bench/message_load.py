"""Messages: MQTT 3.1.1 with QoS 1 as devices speak it, and NATS JetStream as the raw limit.

On every connection one message is under way: the next leaves when the last has been acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import cast

import asyncpg

from .counting import PATIENCE, Counter
from .documents import TYPE, identity, message
from .jobs import Load, MqttJob, NatsJob, OneByOneJob

# Messages that are encoded before the clock starts, for each second.
_MQTT_AHEAD, _NATS_AHEAD = 20_000, 60_000


class _Publisher(asyncio.Protocol):
    """A connection that has signed in when `ready` is done."""

    _counter: Counter | None = None
    _transport: asyncio.Transport

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.idle: asyncio.Future[None] = loop.create_future()
        self._next: Callable[[], bytes | None] = lambda: None
        self._sent = 0.0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, following: Callable[[], bytes | None], counter: Counter) -> None:
        """Send the first message; `following` gives each one, None for no more."""
        self._counter = counter
        self._next = following
        if self.idle.done():
            self.idle = asyncio.get_running_loop().create_future()
        self._send()

    def _send(self) -> None:
        data = self._next()
        self._sent = time.perf_counter()
        if data is not None:
            self._transport.write(data)
        elif not self.idle.done():
            self.idle.set_result(None)

    def _acknowledged(self) -> None:
        if self._counter is not None:
            self._counter.count(self._sent, time.perf_counter())
        self._send()

    def _refused(self, text: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(RuntimeError(text))
        elif not self.idle.done():
            if self._counter is not None:
                self._counter.fail(text)
            self.idle.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._refused(f"the connection was closed: {error}")

    def close(self) -> None:
        """Hang up."""
        if not self.idle.done():
            self.idle.set_result(None)
        self._transport.close()


class MqttDevice(_Publisher):
    """MQTT 3.1.1, clean session, one QoS 1 message under way."""

    _numbers = count(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        name = f"bench-{id(self):x}-{next(self._numbers)}".encode()
        body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2, "big") + name
        self._transport.write(b"\x10" + length(len(body)) + body)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 4:  # CONNACK and PUBACK both have four bytes
            packet, self._buffer = self._buffer[:4], self._buffer[4:]
            if packet[0] == 0x20 and packet[3] == 0:
                self.ready.set_result(None)
            elif packet[0] == 0x40:
                self._acknowledged()
            else:
                self._refused(f"not an acknowledgement: {packet!r}")


class NatsClient(_Publisher):
    """The NATS protocol, as far as publishing with an acknowledgement needs it."""

    _numbers = count(1)

    def __init__(self, user: str, password: str) -> None:
        super().__init__()
        self._user = user
        self._password = password
        self.inbox = ""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            line, separator, rest = self._buffer.partition(b"\r\n")
            if not separator:
                return
            if line.startswith(b"MSG "):
                length = int(line.rsplit(b" ", 1)[1])
                if len(rest) < length + 2:
                    return
                self._buffer = rest[length + 2 :]
                if b'"seq"' in rest[:length]:
                    self._acknowledged()
                else:
                    self._refused(rest[:length].decode(errors="replace"))
                continue
            self._buffer = rest
            if line.startswith(b"INFO "):
                self._sign_in()
            elif line == b"PING":
                self._transport.write(b"PONG\r\n")
            elif line == b"PONG":
                self.ready.set_result(None)
            elif line.startswith(b"-ERR"):
                self._refused(line.decode(errors="replace"))

    def _sign_in(self) -> None:
        self.inbox = f"_INBOX.bench{next(self._numbers)}"
        given = {
            "user": self._user,
            "pass": self._password,
            "verbose": False,
            "lang": "bench",
            "version": "0",
        }
        self._transport.write(f"CONNECT {json.dumps(given)}\r\nSUB {self.inbox} 1\r\nPING\r\n".encode())


async def run_mqtt(job: MqttJob) -> Load:
    """Publish for so many seconds; `done` is what was acknowledged, all of it counts as sent."""
    draw = random.Random(job.seed)
    packets = [
        _publication(draw.randrange(job.entities), message(draw, job.attributes))
        for _ in range(int(_MQTT_AHEAD * job.seconds))
    ]
    devices: list[_Publisher] = []
    for _ in range(job.connections):
        _, device = await asyncio.get_running_loop().create_connection(MqttDevice, "127.0.0.1", job.port)
        devices.append(device)
    shares = [packets[index :: job.connections] for index in range(job.connections)]
    return await _run(devices, shares, job.seconds)


async def run_nats(job: NatsJob) -> Load:
    """The same with JetStream."""
    draw = random.Random(job.seed)
    clients: list[NatsClient] = []
    loop = asyncio.get_running_loop()
    for _ in range(job.connections):
        _, client = await loop.create_connection(
            lambda: NatsClient(job.user, job.password), "127.0.0.1", job.port
        )
        clients.append(client)
    await asyncio.gather(*(client.ready for client in clients))
    bodies = [
        (f"{job.stream}.{draw.randrange(job.entities)}", message(draw, job.attributes))
        for _ in range(int(_NATS_AHEAD * job.seconds))
    ]
    packets = [
        [
            f"PUB {subject} {client.inbox} {len(body)}\r\n".encode() + body + b"\r\n"
            for subject, body in bodies[index :: job.connections]
        ]
        for index, client in enumerate(clients)
    ]
    return await _run(clients, packets, job.seconds)


async def _run(publishers: Sequence[_Publisher], packets: list[list[bytes]], seconds: float) -> Load:
    await asyncio.wait_for(asyncio.gather(*(one.ready for one in publishers)), PATIENCE)
    counter = Counter(0.0, seconds + PATIENCE)
    end = counter.start + seconds
    for one, some in zip(publishers, packets, strict=True):
        one.begin(partial(_until, end, iter(some)), counter)
    _, waiting = await asyncio.wait([one.idle for one in publishers], timeout=seconds + PATIENCE)
    for _ in waiting:
        counter.fail(f"no acknowledgement within {PATIENCE:.0f} s")
    load = counter.load(exhausted=True)
    for one in publishers:
        one.close()
    return load


def _until(end: float, packets: Iterator[bytes]) -> bytes | None:
    return next(packets, None) if time.perf_counter() < end else None


async def run_one_by_one(job: OneByOneJob) -> Load:
    """Publish, then read the row until its new value is there: latencies from the publication to the commit, as far
    as a reader who asks every half millisecond can tell."""
    draw = random.Random(job.seed)
    connection = await asyncpg.connect(job.url)
    look = await connection.prepare("SELECT modified_at FROM tenant_city.entity WHERE id = $1")
    _, device = await asyncio.get_running_loop().create_connection(MqttDevice, "127.0.0.1", job.port)
    await device.ready
    counter = Counter(0.0, 3_600)
    silent = Counter(0.0, 0.0)
    for _ in range(job.number):
        number = draw.randrange(job.entities)
        before = await look.fetchval(identity(number))
        packets = iter([_publication(number, message(draw))])
        sent = time.perf_counter()
        device.begin(partial(next, packets, None), silent)
        while await look.fetchval(identity(number)) == before:
            if time.perf_counter() - sent > PATIENCE:
                counter.fail(f"not committed within {PATIENCE:.0f} s")
                break
            await asyncio.sleep(0.0005)
        else:
            counter.count(sent, time.perf_counter())
        await device.idle
    device.close()
    await connection.close()
    return counter.load(exhausted=True)


def _publication(number: int, payload: bytes) -> bytes:
    """A PUBLISH packet of QoS 1. One message is under way on a connection, so that one packet id is enough."""
    topic = f"json/{TYPE}/{number:06d}".encode()
    body = len(topic).to_bytes(2, "big") + topic + b"\x00\x01" + payload
    return b"\x32" + length(len(body)) + body


def length(number: int) -> bytes:
    """MQTT's variable length."""
    made = bytearray()
    while True:
        number, low = divmod(number, 128)
        made.append(low | (0x80 if number else 0))
        if not number:
            return bytes(made)
