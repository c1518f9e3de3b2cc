"""Messages that nobody acknowledges: MQTT with QoS 0 at a given rate, and core NATS as the raw limit."""

from __future__ import annotations

import asyncio
import random
import time
from typing import cast

from .counting import PATIENCE, Counter
from .documents import TYPE, message
from .jobs import CoreJob, FloodJob, Load
from .message_load import MqttDevice, NatsClient, length

_TICK = 0.005  # seconds between two looks at the clock
_PREPARED = 20_000  # messages; again from the beginning when they run out
_AT_ONCE = 64 * 1024  # bytes that may wait on a connection of core NATS


class _Pressing:
    """Writes as long as its connection takes it: `paused` says whether it does."""

    paused = False
    _transport: asyncio.WriteTransport

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False

    def write(self, data: bytes) -> None:
        """Hand over to the connection."""
        self._transport.write(data)


class _Flooder(_Pressing, MqttDevice):
    """A device that publishes without waiting, as long as its connection takes what it writes."""


async def run_flood(job: FloodJob) -> Load:
    """Publish at the rate; `done` is what the connections took. A device that is cut off is an error."""
    draw = random.Random(job.seed)
    packets = [
        _publication(draw.randrange(job.entities), message(draw, job.attributes))
        for _ in range(min(_PREPARED, int(job.rate * job.seconds) + 1))
    ]
    loop = asyncio.get_running_loop()
    devices: list[_Flooder] = []
    for _ in range(job.connections):
        _, device = await loop.create_connection(_Flooder, "127.0.0.1", job.port)
        devices.append(device)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(device.ready for device in devices))
    counter = Counter(0.0, job.seconds)
    sent = 0
    while (now := time.perf_counter()) < counter.end:
        due = int((now - counter.start) * job.rate) - sent
        willing = [device for device in devices if not device.paused and not device.idle.done()]
        for place, device in enumerate(willing):
            share = due // len(willing) + (place < due % len(willing))
            if share:
                device.write(b"".join(packets[(sent + n) % len(packets)] for n in range(share)))
                sent += share
        await asyncio.sleep(_TICK)
    load = counter.load()
    load.done, load.seconds = sent, job.seconds
    for device in devices:
        if device.idle.done():
            load.errors += 1
            load.complaint = load.complaint or "a device was cut off"
    await _drained(devices)
    for device in devices:
        device.close()
    return load


async def _drained(devices: list[_Flooder]) -> None:
    """Wait until what was written has left."""
    end = time.perf_counter() + PATIENCE
    while any(device._transport.get_write_buffer_size() for device in devices):
        if time.perf_counter() > end:
            return
        await asyncio.sleep(_TICK)


def _publication(number: int, payload: bytes) -> bytes:
    """A PUBLISH packet of QoS 0."""
    topic = f"json/{TYPE}/{number:06d}".encode()
    body = len(topic).to_bytes(2, "big") + topic + payload
    return b"\x30" + length(len(body)) + body


class _Listener(asyncio.Protocol):
    """Counts the messages of one subscription."""

    def __init__(self, job: CoreJob) -> None:
        self._job = job
        self._buffer = b""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = 0
        self.last = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self.ready.done():
            self._buffer += data
            if self._buffer.startswith(b"INFO ") and b"\r\n" in self._buffer:
                self._buffer = b""
                login = f'{{"user":"{self._job.user}","pass":"{self._job.password}","verbose":false}}'
                self._transport.write(f"CONNECT {login}\r\nSUB bench.core.> 1\r\nPING\r\n".encode())
            elif b"PONG" in self._buffer:
                self._buffer = b""
                self.ready.set_result(None)
            return
        # A message's head may be cut in two, so the end of one piece is looked at with the next.
        data = self._buffer + data
        self.received += data.count(b"MSG bench.core.")
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        self._buffer = b"" if b"MSG bench.core." in rest else rest[-64:]
        self.last = time.perf_counter()
        if b"PING\r\n" in data:
            self._transport.write(b"PONG\r\n")

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


class _Writer(_Pressing, NatsClient):
    """Publishes as long as the connection takes it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._transport.set_write_buffer_limits(_AT_ONCE)


async def run_core(job: CoreJob) -> Load:
    """Publish for so many seconds; `done` is what the subscriber had, which NATS may cut off if it is slow."""
    draw = random.Random(job.seed)
    loop = asyncio.get_running_loop()
    _, listener = await loop.create_connection(lambda: _Listener(job), "127.0.0.1", job.port)
    writers: list[_Writer] = []
    for _ in range(job.connections):
        _, writer = await loop.create_connection(
            lambda: _Writer(job.user, job.password), "127.0.0.1", job.port
        )
        writers.append(writer)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(listener.ready, *(writer.ready for writer in writers))
    bodies = [message(draw, job.attributes) for _ in range(_PREPARED // 20)]
    packets = [
        f"PUB bench.core.{draw.randrange(job.entities)} {len(body)}\r\n".encode() + body + b"\r\n"
        for body in bodies
    ]
    piece = b"".join(packets[:50])
    counter = Counter(0.0, job.seconds)
    sent = 0
    while time.perf_counter() < counter.end:
        # The subscriber shares this loop: who writes further ahead measures only what waits.
        for writer in writers:
            if not writer.paused and sent - listener.received < 20_000:
                writer.write(piece)
                sent += 50
        await asyncio.sleep(0)
    load = counter.load()
    deadline = time.perf_counter() + PATIENCE
    while listener.received < sent and time.perf_counter() < deadline:
        await asyncio.sleep(_TICK)
    load.done = listener.received
    load.seconds = listener.last - counter.start
    if listener.received < sent:
        load.errors, load.complaint = sent - listener.received, "messages did not come through core NATS"
    for one in (listener, *writers):
        one.close()
    return load
