"""HTTP load: keep-alive connections, requests encoded beforehand, every answer checked."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from typing import NamedTuple, cast

from .counting import PATIENCE, Counter, Supply
from .documents import GROUP, PAGE, RADIUS, TYPE, Parts, encode, parts
from .jobs import HttpJob, Load, Workload

# Requests that are encoded before the clock starts, for each measured second: more than any server here answers.
# Reads begin again when they run out; creations end the measurement, since an id can be created once.
_AHEAD: dict[Workload, int] = {
    "create": 7_000, "update": 9_000, "upsert": 7_000, "get": 9_000,
    "page": 1_500, "q": 3_000, "geo": 1_500, "batch": 12,
}  # fmt: skip
_ROOT = "/ngsi-ld/v1"


class Request(NamedTuple):
    """Bytes to send, and what the answer must be: its status, how often `mark` stands in the body (None: not
    looked at)."""

    data: bytes
    status: bytes
    mark: bytes
    times: int | None


def request(workload: Workload, about: Parts) -> Request:
    """One request as HTTP/1.1."""
    match workload:
        case "create":
            return _with_body("POST", "/entities", encode(about.documents[0]), b"201")
        case "update":
            return _with_body("PATCH", f"/entities/{about.id}/attrs", encode(about.documents[0]), b"204")
        case "upsert" | "batch":
            return _with_body("POST", "/entityOperations/upsert", encode(about.documents), b"204")
        case "get":
            return _get(f"/entities/{about.id}", f'"id":"{about.id}"'.encode(), 1)
        case "page":
            return _get(f"/entities?type={TYPE}&limit={PAGE}&offset={about.offset}", b'"id":"urn:', PAGE)
        case "q":
            return _get(
                f"/entities?type={TYPE}&q=controlGroup=={about.group}&limit={PAGE}", b'"id":"urn:', GROUP
            )
        case "geo":
            lon, lat = about.centre
            return _get(
                f"/entities?type={TYPE}&georel=near;maxDistance=={RADIUS}&geometry=Point"
                f"&coordinates=%5B{lon},{lat}%5D&limit={PAGE}",
                b'"id":"urn:',
                None,
            )


def _get(path: str, mark: bytes, times: int | None) -> Request:
    return Request(
        f"GET {_ROOT}{path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n".encode(),
        b"200",
        mark,
        times,
    )


def _with_body(method: str, path: str, body: bytes, status: bytes) -> Request:
    head = (
        f"{method} {_ROOT}{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Request(head.encode() + body, status, b"", None)


def _supply(job: HttpJob) -> Supply[Request]:
    number = max(4, int(_AHEAD[job.workload] * (job.seconds + job.warm_up)))
    made = islice(parts(job.workload, job.seed, job.entities), number)
    return Supply([request(job.workload, about) for about in made], again=job.workload != "create")


class _Connection(asyncio.Protocol):
    """One keep-alive connection: a request, its answer, the next."""

    _source: Supply[Request]
    _counter: Counter
    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._buffer = b""
        self._closing = False
        self._expected: Request | None = None
        self._sent = 0.0
        self.idle = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, source: Supply[Request], counter: Counter) -> None:
        """Send the first request."""
        self._source = source
        self._counter = counter
        self._send()

    def _send(self) -> None:
        self._sent = now = time.perf_counter()
        self._expected = self._source.next() if now < self._counter.end else None
        if self._expected is None:
            if not self.idle.done():
                self.idle.set_result(None)
            return
        self._transport.write(self._expected.data)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            self._buffer = buffer
            return
        head = buffer[:end].lower()
        place = head.find(b"content-length:")
        length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(buffer) < end + 4 + length:
            self._buffer = buffer
            return
        self._buffer = b""
        now = time.perf_counter()
        expected = self._expected
        if expected is None:
            self._counter.fail("an answer to no request")
        elif buffer[9:12] != expected.status or (
            expected.times is not None and buffer.count(expected.mark, end) != expected.times
        ):
            self._counter.fail(buffer.decode(errors="replace"))
        else:
            self._counter.count(self._sent, now)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.idle.done() and not self._closing:
            self._counter.fail(f"the connection was closed: {error}")
            self.idle.set_result(None)

    def close(self) -> None:
        """Hang up."""
        self._closing = True
        self._transport.close()


async def run_http(job: HttpJob) -> Load:
    """Make the load and wait for the last answers."""
    source = _supply(job)
    loop = asyncio.get_running_loop()
    connections: list[_Connection] = []
    for _ in range(job.connections):
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", job.port)
        connections.append(connection)
    counter = Counter(job.warm_up, job.seconds)
    for connection in connections:
        connection.begin(source, counter)
    _, waiting = await asyncio.wait(
        [connection.idle for connection in connections], timeout=job.warm_up + job.seconds + PATIENCE
    )
    for _ in waiting:
        counter.fail(f"no answer within {PATIENCE:.0f} s")
    for connection in connections:
        connection.close()
    return counter.load(exhausted=source.exhausted)
