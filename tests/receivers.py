"""Who is told: an HTTP server and an MQTT server on loopback that write down what they get."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


async def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float

    @property
    def entities(self) -> list[dict[str, Any]]:
        data = self.body["data"]
        return list(data["features"] if isinstance(data, dict) else data)


@dataclass
class HttpReceiver:
    """Answers every POST with `status` after `delay` seconds."""

    port: int = 0
    status: int = 200
    delay: float = 0.0
    location: str = ""
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/told"

    @property
    def entities(self) -> list[dict[str, Any]]:
        return [entity for one in self.received for entity in one.entities]

    def values(self, name: str) -> list[Any]:
        """What an attribute was, in the order in which it was told; normalized or plain."""
        found = [entity[name] for entity in self.entities if name in entity]
        return [one.get("value", one) if isinstance(one, dict) else one for one in found]

    async def told(self, number: int, seconds: float = 20.0) -> list[Received]:
        """Wait for so many notifications."""
        try:
            await eventually(lambda: len(self.received) >= number, seconds)
        except TimeoutError:
            raise AssertionError(f"{len(self.received)} of {number} notifications came") from None
        return self.received

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                at = time.time()
                if self.status < 300:
                    self.received.append(Received(head[0].split()[1], headers, json.loads(body), at))
                if self.delay:
                    await asyncio.sleep(self.delay)
                more = f"Location: {self.location}\r\n" if self.location else ""
                writer.write(f"HTTP/1.1 {self.status} Told\r\n{more}Content-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()


@asynccontextmanager
async def http_receiver(port: int = 0) -> AsyncIterator[HttpReceiver]:
    """A running receiver; it hangs up when it is left."""
    receiver = HttpReceiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for writer in list(receiver.writers):
            writer.close()
        await asyncio.sleep(0)


@dataclass
class Published:
    """One MQTT publication."""

    topic: str
    payload: dict[str, Any]
    qos: int
    version: int
    login: tuple[str, str] | None


@dataclass
class MqttReceiver:
    """Just enough of an MQTT server, 3.1.1 and 5.0, to be published to. `versions` are those it speaks."""

    port: int = 0
    versions: frozenset[int] = frozenset({4, 5})
    published: list[Published] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        version, login = 4, None
        try:
            while True:
                kind, flags, body = await _packet(reader)
                if kind == 1:
                    version, login = _connect(body)
                    if version not in self.versions:
                        writer.write(b"\x20\x02\x00\x01")
                        return
                    writer.write(b"\x20\x03\x00\x00\x00" if version == 5 else b"\x20\x02\x00\x00")
                elif kind == 3:
                    qos = flags >> 1 & 3
                    topic, rest = _text(body)
                    number, rest = (rest[:2], rest[2:]) if qos else (b"", rest)
                    if version == 5:
                        length, rest = _variable(rest)
                        rest = rest[length:]
                    self.published.append(Published(topic, json.loads(rest), qos, version, login))
                    if qos:
                        writer.write((b"\x40\x02" if qos == 1 else b"\x50\x02") + number)
                elif kind == 6:
                    writer.write(b"\x70\x02" + body[:2])
                elif kind == 12:
                    writer.write(b"\xd0\x00")
                elif kind == 14:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    first = (await reader.readexactly(1))[0]
    length, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return first >> 4, first & 15, await reader.readexactly(length)


def _variable(data: bytes) -> tuple[int, bytes]:
    length = 0
    for index, byte in enumerate(data):
        length |= (byte & 127) << 7 * index
        if not byte & 128:
            return length, data[index + 1 :]
    raise ValueError


def _text(data: bytes) -> tuple[str, bytes]:
    (length,) = struct.unpack(">H", data[:2])
    return data[2 : 2 + length].decode(), data[2 + length :]


def _connect(body: bytes) -> tuple[int, tuple[str, str] | None]:
    _, rest = _text(body)
    version, flags, rest = rest[0], rest[1], rest[4:]
    if version == 5:
        length, rest = _variable(rest)
        rest = rest[length:]
    _, rest = _text(rest)
    if not flags & 128:
        return version, None
    user, rest = _text(rest)
    return version, (user, _text(rest)[0] if flags & 64 else "")


@asynccontextmanager
async def mqtt_receiver(versions: frozenset[int] = frozenset({4, 5})) -> AsyncIterator[MqttReceiver]:
    """A running receiver."""
    receiver = MqttReceiver(versions=versions)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
