"""A device as any other: MQTT 3.1.1, publishing with QoS 1, connecting again whenever the city goes away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

import aiomqtt

from rhinecloud.tasks import stop

_WINDOW = 200  # publications that wait for their PUBACK at once
_PAUSES = (0.5, 1.0, 2.0, 5.0)  # seconds between attempts to connect
_KEEPALIVE = 30  # seconds
# Small packets leave at once: without this each waits 40 ms for the acknowledgement of the one before.
_NO_DELAY = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
_quiet = logging.getLogger("rhinecloud.demo.mqtt")
_quiet.setLevel(logging.CRITICAL)


def address(text: str) -> tuple[str, int]:
    """HOST:PORT, HOST, or mqtt://HOST:PORT; the port is 1883 unless said. Raises ValueError."""
    bare = text.removeprefix("mqtt://").rstrip("/")
    host, separator, port = bare.rpartition(":")
    if not separator or bare.endswith("]"):
        host, port = bare, "1883"
    if not host or not port.isdigit():
        raise ValueError(f"{text!r} is no HOST:PORT")
    return host.strip("[]"), int(port)


class Publisher:
    """Publishes in order, with a bounded number under way. Use as `async with Publisher(...)`.

    `publish` returns the future of the acknowledgement. What was not acknowledged when the connection broke is
    published again: at least once, never lost while this process lives. What comes on the topics that it `hears` is
    given to `heard`, a call that does not wait: topic and payload.
    """

    def __init__(
        self,
        host: str,
        port: int,
        identifier: str,
        *,
        login: tuple[str, str] | None = None,
        window: int = _WINDOW,
        hears: Sequence[str] = (),
        heard: Callable[[str, bytes], None] | None = None,
    ) -> None:
        """`login` is the name and the secret of the device."""
        self._where = (host, port)
        self._login = login or (None, None)
        self._identifier = identifier
        self._hears = tuple(hears)
        self._heard = heard
        self._room = asyncio.Semaphore(window)
        self._window = window
        self._waiting: deque[tuple[str, bytes, asyncio.Future[None]]] = deque()
        self._something = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connected = False
        self.acknowledged = 0
        self.connections = 0
        self.problem = ""

    async def __aenter__(self) -> Publisher:
        self._task = asyncio.create_task(self._run(), name="publisher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop(self._task)
        for _, _, acknowledged in self._waiting:
            acknowledged.cancel()

    async def publish(self, topic: str, payload: bytes) -> asyncio.Future[None]:
        """Hand over one message; waits while too many are not acknowledged yet."""
        await self._room.acquire()
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledged.add_done_callback(lambda _: self._room.release())
        self._waiting.append((topic, payload, acknowledged))
        self._something.set()
        return acknowledged

    async def settled(self) -> None:
        """Wait until everything is acknowledged."""
        for _ in range(self._window):
            await self._room.acquire()
        for _ in range(self._window):
            self._room.release()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                host, port = self._where
                async with aiomqtt.Client(
                    host,
                    port,
                    identifier=self._identifier,
                    username=self._login[0],
                    password=self._login[1],
                    keepalive=_KEEPALIVE,
                    max_inflight_messages=self._window,
                    socket_options=_NO_DELAY,
                    logger=_quiet,
                ) as client:
                    if self._hears:
                        await client.subscribe([(topic, 0) for topic in self._hears])
                    self.connected = True
                    self.connections += 1
                    self.problem = ""
                    failures = 0
                    await self._serve(client)
            except (aiomqtt.MqttError, OSError) as error:
                self.problem = str(error) or type(error).__name__
            finally:
                self.connected = False
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    async def _serve(self, client: aiomqtt.Client) -> None:
        """Publish what waits, several at once; what fails goes back to the front in its order."""
        sending: deque[tuple[tuple[str, bytes, asyncio.Future[None]], asyncio.Task[None]]] = deque()
        # A publication does not notice that its connection is gone; the stream of incoming messages does.
        broken = asyncio.create_task(self._listen(client))
        try:
            while True:
                while self._waiting and not broken.done():
                    item = self._waiting.popleft()
                    task = asyncio.create_task(client.publish(item[0], item[1], qos=1, timeout=30))
                    sending.append((item, task))
                    await asyncio.sleep(0)
                    self._settle(sending)
                self._something.clear()
                waker = asyncio.create_task(self._something.wait())
                about = {waker, broken} | ({sending[0][1]} if sending else set())
                await asyncio.wait(about, return_when=asyncio.FIRST_COMPLETED)
                waker.cancel()
                self._settle(sending)
                if broken.done():
                    broken.result()
                    return
        finally:
            broken.cancel()
            for _, task in sending:
                task.cancel()
            await asyncio.gather(broken, return_exceptions=True)
            results = await asyncio.gather(*(task for _, task in sending), return_exceptions=True)
            for (item, _), result in zip(reversed(sending), reversed(results), strict=True):
                if result is None:
                    self._done(item[2])
                else:
                    self._waiting.appendleft(item)

    def _settle(
        self, sending: deque[tuple[tuple[str, bytes, asyncio.Future[None]], asyncio.Task[None]]]
    ) -> None:
        while sending and sending[0][1].done():
            item, task = sending[0]
            task.result()
            sending.popleft()
            self._done(item[2])

    def _done(self, acknowledged: asyncio.Future[None]) -> None:
        self.acknowledged += 1
        with contextlib.suppress(asyncio.InvalidStateError):
            acknowledged.set_result(None)

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Raises MqttError when the connection breaks."""
        async for message in client.messages:
            if self._heard is not None and isinstance(message.payload, bytes):
                self._heard(str(message.topic), message.payload)
