"""One connection of a process to NATS, that never gives up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import UnexpectedEOF
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import APIError, NotFoundError

CHANGES = "CHANGES"
_CHANGES_MAX_AGE = 7 * 86_400  # seconds
_CHANGES_MAX_BYTES = 512 * 1024**2
_LEAST_BYTES = 16 * 1024**2
_NO_ROOM = (10023, 10047)  # insufficient resources, insufficient storage
_DUPLICATE_WINDOW = 120  # seconds in which the stream knows a message id again
_ACK_TIMEOUT = 5.0  # seconds
_WINDOW = 512  # publications that may wait for their acknowledgement at once
_PENDING_BYTES = 16 * 1024**2  # what may wait in memory while the connection is away
_RETRY = 0.5  # seconds between attempts to connect
_LEAVING = 5.0  # seconds
_SUBSCRIBING = 2  # seconds
_WORTH_TELLING = 2.0  # seconds without NATS that are worth a warning; its first start takes less

_log = logging.getLogger(__name__)


class BusUnavailable(ConnectionError):  # noqa: N818  # a state, not somebody's error
    """NATS did not answer or did not store: it is not known whether the message arrived. Try again."""


class Message(msgspec.Struct, frozen=True):
    """A core NATS message."""

    subject: str
    payload: bytes
    headers: Mapping[str, str]


class Bus:
    """Publishing, subscribing and waking over NATS. Make it with `await Bus.connect(url)`.

    Subscriptions survive reconnections. While NATS is away, publishing raises BusUnavailable within seconds;
    nothing waits in memory to be published later, for PostgreSQL is where things wait.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.streams: JetStreamContext = client.jetstream(timeout=_ACK_TIMEOUT)
        self._window = asyncio.Semaphore(_WINDOW)
        self._asked: set[asyncio.Timeout] = set()
        self._on_reconnect: list[Callable[[], None]] = []
        self._missing: asyncio.TimerHandle | None = None
        self._told_away = False
        self.reconnections = 0
        self.published = 0

    @classmethod
    async def connect(
        cls, url: str, *, name: str = "rhinecloud", patience: float | None = None, **credentials: Any
    ) -> Bus:
        """Connect, and try again for `patience` seconds (for ever if None) while there is no server.

        `credentials` are those of nats.connect: user and password, or user_credentials.
        Raises BusUnavailable.
        """
        client = Client()
        bus = cls(client)
        try:
            async with asyncio.timeout(patience):
                await client.connect(
                    servers=url.split(","),
                    name=name,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=_RETRY,  # type: ignore[arg-type]  # seconds, fractions work
                    connect_timeout=3,
                    ping_interval=10,
                    max_outstanding_pings=2,
                    pending_size=_PENDING_BYTES,
                    error_cb=bus._error,
                    disconnected_cb=bus._disconnected,
                    reconnected_cb=bus._reconnected,
                    **credentials,
                )
        except TimeoutError:
            raise BusUnavailable(f"no NATS server answers at {url}") from None
        return bus

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self.client.is_connected

    @property
    def replicas(self) -> int:
        """How many copies a new stream shall have: three in a cluster, else one."""
        return 3 if self.client._server_info.get("cluster") else 1

    def health(self) -> dict[str, Any]:
        """Figures for the health page."""
        return {
            "connected": self.connected,
            "server": self.client._server_info.get("version") if self.connected else None,
            "reconnections": self.reconnections,
            "published": self.published,
        }

    async def close(self) -> None:
        """Send what is written and leave."""
        if self._missing is not None:
            self._missing.cancel()
        if self.connected:
            try:
                await self.client.flush(timeout=1)
            except (NatsError, TimeoutError):
                _log.info("NATS went away while leaving")
        # It may go away this very moment, or have stopped reading what is still to be written.
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_LEAVING):
                await self.client.close()

    # Streams

    async def ensure_stream(self, config: StreamConfig) -> StreamInfo:
        """Make a stream, or bring the one of that name to this configuration. Raises BusUnavailable."""
        assert config.name is not None
        async with self.asking():
            try:
                await self.streams.stream_info(config.name)
                change = self.streams.update_stream
            except NotFoundError:
                change = self.streams.add_stream
            while True:
                try:
                    return await change(config)
                except APIError as error:
                    # A small disk: NATS reserves the limits of all streams, so ask for less.
                    if error.err_code not in _NO_ROOM or (config.max_bytes or 0) < 2 * _LEAST_BYTES:
                        raise
                    config = config.evolve(max_bytes=(config.max_bytes or 0) // 2)

    async def ensure_consumer(self, stream: str, config: ConsumerConfig) -> None:
        """Make a durable consumer, or bring it to this configuration. Raises BusUnavailable."""
        async with self.asking():
            await self.streams.add_consumer(stream, config)

    async def ensure_changes(self, tenant: str, epoch: int) -> None:
        """Make the stream of changes; forget a tenant's changes in it that belong to another epoch.

        The epoch of each tenant stands in the stream's metadata. Raises BusUnavailable.
        """
        key = f"epoch.{tenant}"
        async with self.asking():
            try:
                metadata = dict((await self.streams.stream_info(CHANGES)).config.metadata or {})
            except NotFoundError:
                metadata = {}
            else:
                if metadata.get(key) not in (None, str(epoch)):
                    await self.streams.purge_stream(CHANGES, subject=f"changes.{tenant}")
        metadata[key] = str(epoch)
        await self.ensure_stream(
            StreamConfig(
                name=CHANGES,
                description="Committed changes, in order; complete in PostgreSQL",
                subjects=["changes.*"],
                retention=RetentionPolicy.LIMITS,
                storage=StorageType.FILE,
                discard=DiscardPolicy.OLD,
                max_age=_CHANGES_MAX_AGE,
                max_bytes=_CHANGES_MAX_BYTES,
                duplicate_window=_DUPLICATE_WINDOW,
                num_replicas=self.replicas,
                metadata={k: v for k, v in metadata.items() if not k.startswith("_nats.")},
            )
        )

    async def publish(self, subject: str, payload: bytes, msg_id: str) -> None:
        """Return once a stream has stored it; a second message of the same id within two minutes is dropped.

        Any number may be under way at once; beyond 512 they wait their turn. Raises BusUnavailable.
        """
        async with self._window, self.asking():
            await self.streams.publish(subject, payload, headers={"Nats-Msg-Id": msg_id})
            self.published += 1

    # Core NATS

    async def subscribe(self, subject: str, callback: Callable[[bytes], Awaitable[None]]) -> Subscription:
        """Call back with each payload from now on, one after the other; survives reconnections."""

        async def on_message(message: Msg) -> None:
            await callback(message.data)

        return await self._subscribed(await self.client.subscribe(subject, cb=on_message))

    async def listen(
        self, subject: str, callback: Callable[[Message], None], *, queue: str = ""
    ) -> Subscription:
        """Call back with each message; of all listeners with the same `queue` one gets it."""

        async def on_message(message: Msg) -> None:
            callback(Message(message.subject, message.data, message.headers or {}))

        return await self._subscribed(await self.client.subscribe(subject, queue=queue, cb=on_message))

    async def _subscribed(self, subscription: Subscription) -> Subscription:
        """When the server knows of it: who reads something after that misses no word of a change. While the server is
        away it is told when it is back."""
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            await self.client.flush(_SUBSCRIBING)
        return subscription

    async def tell(self, subject: str, payload: bytes) -> None:
        """Say it to whoever listens now; it may be lost."""
        with contextlib.suppress(NatsError, OSError):
            await self.client.publish(subject, payload)

    async def wake(self, name: str) -> None:
        """Wake whoever waits under this name, in any worker. May be lost: sleepers also look now and then."""
        try:
            await self.client.publish(f"wake.{name}", b"")
        except (NatsError, OSError):
            _log.debug("a wake-up of %s was lost", name)

    async def on_wake(self, name: str, callback: Callable[[], None]) -> Subscription:
        """Call back at each wake-up, and after each reconnection, when some may have been lost."""

        async def on_message(message: Msg) -> None:
            callback()

        self._on_reconnect.append(callback)
        return await self.client.subscribe(f"wake.{name}", cb=on_message)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Call back after each reconnection."""
        self._on_reconnect.append(callback)

    async def _error(self, error: Exception) -> None:
        if isinstance(error, OSError | TimeoutError | UnexpectedEOF):
            _log.debug("NATS: %s", error)
        else:
            _log.warning("NATS: %s", error or type(error).__name__)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Around every question to the server: what NATS raises becomes BusUnavailable, and an answer that was under
        way when the connection broke is not waited for, for it will not come."""
        try:
            async with asyncio.timeout(None) as patience:
                self._asked.add(patience)
                try:
                    yield
                finally:
                    self._asked.discard(patience)
        except BusUnavailable:
            raise
        except (NatsError, OSError, TimeoutError) as error:
            raise BusUnavailable(str(error) or type(error).__name__) from error

    async def _disconnected(self) -> None:
        asked, self._asked = self._asked, set()
        for patience in asked:
            patience.reschedule(asyncio.get_running_loop().time())
        if not self.client.is_closed and self._missing is None:
            self._missing = asyncio.get_running_loop().call_later(_WORTH_TELLING, self._tell_away)

    def _tell_away(self) -> None:
        if not self.connected and not self.client.is_closed:
            self._told_away = True
            _log.warning("NATS is away")

    async def _reconnected(self) -> None:
        self.reconnections += 1
        if self._missing is not None:
            self._missing.cancel()
            self._missing = None
        _log.log(logging.WARNING if self._told_away else logging.INFO, "NATS is back")
        self._told_away = False
        for callback in self._on_reconnect:
            callback()


__all__ = ["CHANGES", "Bus", "BusUnavailable", "Message"]
