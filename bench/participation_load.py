"""The phones of a hall: each loads the page, follows it, and votes; a process of its own.

`python -m bench.participation_load` reads a Job from its standard input and writes what happened. Each phone has two
connections, as a browser has: one for the page and the vote, one for the event stream. What it loads once for ever
(style sheets, scripts, fonts) is loaded by as many phones as the job says.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import random
import re
import resource
import sys
import time
from typing import Final

import msgspec
import uvloop

_PATIENCE: Final = 60.0  # seconds for an answer
_TRIES: Final = 8  # of a vote, with growing pauses, as phone.js does
_ASSET: Final = re.compile(r'(?:src|href)="(/(?:static|participation/static)/[^"]+)"')
_COUNT: Final = re.compile(rb"([\d,]+) votes?[. <]")


class Job(msgspec.Struct, frozen=True):
    """`participants` come to the event `code` within `seconds`, think for up to `thinking` seconds, and vote in `poll`
    for `wishes` of the `options`. `assets`: the share of phones that have nothing of the page yet. With `idle` they
    only look, for so many seconds."""

    port: int
    code: str
    poll: int
    options: tuple[int, ...]
    wishes: int
    participants: int
    seconds: float
    thinking: float = 2.0
    assets: float = 1.0
    idle: float = 0.0
    seed: int = 1


class Happened(msgspec.Struct):
    """`received`: votes that were acknowledged; `ledger`: first wishes of these, by option. Times in milliseconds:
    `page` from the first byte sent to the whole page, `acknowledged` from sending a vote to its answer (with all
    repetitions), `stage` from the n-th acknowledgement to the stage that shows n votes. `repeated`: votes that were
    sent again, by why; `lost`: event streams that ended. `bytes`: of the page and all that it loads, as sent over the
    network."""

    received: int = 0
    errors: int = 0
    repeated: dict[str, int] = {}
    lost: int = 0
    bytes: int = 0
    complaint: str = ""
    ledger: dict[int, int] = {}
    page: list[float] = []
    acknowledged: list[float] = []
    stage: list[float] = []
    following: int = 0
    cpu: float = 0.0
    seconds: float = 0.0


class _Connection:
    """One connection with keep-alive: a request, its answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.cookie = ""
        self.taken = 0  # bytes

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**18)

    async def ask(self, method: str, path: str, body: bytes = b"", *headers: str) -> tuple[int, str, bytes]:
        """Status, head in lower case, body. Raises OSError, EOFError (IncompleteReadError)."""
        if self._writer is None:
            await self.open()
        assert self._reader is not None and self._writer is not None
        own = [*headers, "Accept-Encoding: gzip", "Accept-Language: en"]
        if self.cookie:
            own.append(f"Cookie: {self.cookie}")
        if method == "POST":
            own += ["Sec-Fetch-Site: same-origin", f"Content-Length: {len(body)}"]
            own.append("Content-Type: application/x-www-form-urlencoded")
        lines = "".join(f"{line}\r\n" for line in own)
        self._writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, low = int(head[9:12]), head.lower()
        _, found, length = low.partition("content-length:")
        whole = await self._reader.readexactly(int(length.split("\r\n", 1)[0])) if found else b""
        self.taken += len(head) + len(whole)
        if "content-encoding: gzip" in low:
            whole = gzip.decompress(whole)
        for line in head.split("\r\n"):
            if line.lower().startswith("set-cookie: vote-"):
                self.cookie = line.split(": ", 1)[1].split(";", 1)[0]
        return status, low, whole

    async def follow(self, path: str) -> asyncio.StreamReader:
        """An event stream; raises ConnectionError where it is refused."""
        await self.open()
        assert self._reader is not None and self._writer is not None
        self._writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
            "Accept-Language: en\r\n\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"the stream was refused: {head[9:12].decode()}")
        return self._reader

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _Hall:
    """All phones of a job, and the stage that is looked at."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._draw = random.Random(job.seed)
        self._times: list[float] = []  # of acknowledgements, in their order
        self._shown: list[tuple[float, int]] = []  # when the stage showed how many votes
        self._connections: list[_Connection] = []
        self._ending = False
        self.happened = Happened()

    async def run(self) -> Happened:
        """All of it."""
        job, begun, cpu = self._job, time.perf_counter(), time.process_time()
        self._stage = asyncio.create_task(self._watch_stage())
        phones = [asyncio.create_task(self._phone(number)) for number in range(job.participants)]
        await asyncio.gather(*phones)
        self.happened.seconds = time.perf_counter() - begun
        if job.idle:
            await asyncio.sleep(job.idle)
        else:
            until = time.perf_counter() + _PATIENCE
            while (
                not self._shown or self._shown[-1][1] < self.happened.received
            ) and time.perf_counter() < until:
                await asyncio.sleep(0.01)
        self.happened.cpu = time.process_time() - cpu
        self._judge_stage()
        return self.happened

    def leave(self) -> None:
        """Hang up, all of them."""
        self._ending = True
        for one in self._connections:
            one.close()

    async def _phone(self, number: int) -> None:
        job = self._job
        await asyncio.sleep(self._draw.random() * max(0.0, job.seconds - job.thinking))
        connection = _Connection(job.port)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._arrive(connection)
            self.happened.following += 1
            if not job.idle:
                await asyncio.sleep(self._draw.random() * job.thinking)
                await self._vote(connection)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.happened.errors += 1
            self.happened.complaint = self.happened.complaint or f"phone {number}: {error!r}"
        finally:
            self.happened.bytes = max(self.happened.bytes, connection.taken)
            connection.close()

    async def _arrive(self, connection: _Connection) -> None:
        job, begun = self._job, time.perf_counter()
        status, _, page = await connection.ask("GET", f"/participation/e/{job.code}")
        if status != 200:
            raise ConnectionError(f"the page answers {status}")
        self.happened.page.append(1_000 * (time.perf_counter() - begun))
        if self._draw.random() < job.assets:
            for path in dict.fromkeys(_ASSET.findall(page.decode(errors="replace"))):
                status, _, _ = await connection.ask("GET", path.replace("&amp;", "&"))
                if status != 200:
                    raise ConnectionError(f"{path} answers {status}")
        following = _Connection(job.port)
        self._connections.append(following)
        reader = await following.follow(f"/live/participation/phone/{job.code}")
        asyncio.create_task(self._hear(reader))  # noqa: RUF006  # ends with its connection

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        try:
            while await reader.read(2**16):
                pass
        except OSError:
            pass
        if not self._ending:
            self.happened.lost += 1

    async def _vote(self, connection: _Connection) -> None:
        job = self._job
        wishes = self._draw.sample(job.options, job.wishes)
        body = "&".join(
            [f"poll={job.poll}", "revision=1", *(f"wish-{n}={option}" for n, option in enumerate(wishes, 1))]
        ).encode()
        path, begun, pause = f"/participation/e/{job.code}/vote", time.perf_counter(), 1.0
        for attempt in range(_TRIES):
            try:
                async with asyncio.timeout(15):
                    status, _, said = await connection.ask("POST", path, body, "Accept: application/json")
            except (OSError, EOFError, TimeoutError):
                status, said = 0, b""
                connection.close()
            if status == 200 and b'"received":true' in said.replace(b" ", b""):
                now = time.perf_counter()
                self._times.append(now)
                self.happened.received += 1
                self.happened.acknowledged.append(1_000 * (now - begun))
                first = wishes[0]
                self.happened.ledger[first] = self.happened.ledger.get(first, 0) + 1
                return
            if status not in (0, 429, 503):
                raise ConnectionError(f"a vote was answered with {status}: {said[:200]!r}")
            if attempt + 1 < _TRIES:
                why = str(status or "no answer")
                self.happened.repeated[why] = self.happened.repeated.get(why, 0) + 1
                await asyncio.sleep(pause * (0.5 + self._draw.random()))
                pause *= 2
        raise ConnectionError("a vote was not received")

    async def _watch_stage(self) -> None:
        connection = _Connection(self._job.port)
        self._connections.append(connection)
        reader = await connection.follow(f"/live/participation/stage/{self._job.code}")
        while True:
            try:
                event = await reader.readuntil(b"\n\n")
            except (OSError, EOFError):
                self.happened.lost += not self._ending
                return
            counts = [int(count.replace(b",", b"")) for count in _COUNT.findall(event)]
            if counts:
                self._shown.append((time.perf_counter(), max(counts)))

    def _judge_stage(self) -> None:
        shown = iter(self._shown)
        at, count = next(shown, (0.0, -1))
        for number, acknowledged in enumerate(self._times, 1):
            while 0 <= count < number:
                at, count = next(shown, (0.0, -1))
            if count < 0:
                self.happened.errors += 1
                self.happened.complaint = self.happened.complaint or f"the stage never showed vote {number}"
                return
            self.happened.stage.append(max(0.0, 1_000 * (at - acknowledged)))


def main() -> None:
    """Run the job; the phones stay until the input ends."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()  # a pause of the collector would look like a slow answer
    uvloop.run(_run(job))


async def _run(job: Job) -> None:
    hall = _Hall(job)
    happened = await hall.run()
    sys.stdout.buffer.write(msgspec.json.encode(happened) + b"\n")
    sys.stdout.buffer.flush()
    await asyncio.to_thread(sys.stdin.buffer.read)
    hall.leave()


if __name__ == "__main__":
    main()
