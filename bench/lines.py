"""Small HTTP lines for what has to be timed one by one: a client that waits for its answer, a server that is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

from .documents import encode, identity


class Line(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, float]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    async def ask(self, data: bytes) -> tuple[int, float]:
        """The status, and when the answer was there whole (perf_counter). Raises ConnectionError."""
        if self._transport.is_closing():
            raise ConnectionError("the connection was closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < content_length(head):
            return
        self._buffer = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((int(head[9:12]), time.perf_counter()))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the connection was closed: {error}"))

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


async def open_lines(port: int, number: int) -> list[Line]:
    """So many connections to this machine."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Line, "127.0.0.1", port))[1] for _ in range(number)]


def content_length(head: bytes) -> int:
    """As the head says; 0 if it says nothing."""
    place = head.lower().find(b"content-length:")
    return int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0


def post(path: str, body: bytes) -> bytes:
    """A request with JSON in it."""
    return _request("POST", path, body)


def patch(number: int, name: str, value: object) -> bytes:
    """An update of one attribute of a lamp post."""
    body = encode({name: {"type": "Property", "value": value}})
    return _request("PATCH", f"/ngsi-ld/v1/entities/{identity(number)}/attrs", body)


def _request(method: str, path: str, body: bytes) -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Receiver(asyncio.Protocol):
    """A subscriber: hands each request's body and the moment of its last byte on, and answers 204."""

    def __init__(self, told: Callable[[bytes, float], None]) -> None:
        self._told = told
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            length = content_length(head) if found else 0
            if not found or len(rest) < length:
                return
            self._buffer = rest[length:]
            now = time.perf_counter()
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            self._told(rest[:length], now)
