"""One connection to a foreign MQTT broker: a persistent session whose messages are acknowledged when we say so.

MQTT 3.1.1, which every broker speaks: what version 5 offers a bridge (how long a session lives, how many messages may
be under way) the operator of the foreign broker sets there, and a bound of our own is kept by not reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections import deque
from typing import Any

import aiomqtt
import msgspec
from paho.mqtt import client as paho

from rhinecloud.bridge_address import BridgeAddress

from .identity import content_of

TIMEOUT = 10.0  # seconds for an answer of the broker
KEEPALIVE = 30  # seconds
MOST_WAITING = 5_000  # messages in memory; then the connection is not read, and QoS 0 is dropped
MOST_BYTES = 32 * 1024**2
_REFUSED = 0x80  # MQTT 3.1.1 §3.9.3
_log = logging.getLogger(__name__)


class LineLost(ConnectionError):  # noqa: N818  # a state
    """The connection cannot be had, or is no more; the text says why."""


class Received(msgspec.Struct, frozen=True):
    """A message of the foreign broker. `arrived` is in nanoseconds since 1970; QoS 0 has packet 0."""

    topic: str
    payload: bytes
    qos: int
    packet: int
    content: str
    repeated: bool
    retained: bool
    arrived: int


class Line:
    """Make it with `await Line.open(address, client)`; `session_present` says whether the broker kept our session."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._paho: paho.Client = client._client
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Received] = deque()
        self._bytes = 0
        self._something = asyncio.Event()
        self._unacknowledged: dict[int, str] = {}
        self._reading = True
        self._closed = False
        self._gone = False
        self.session_present = False
        self.dropped_qos0 = 0

    @classmethod
    async def open(cls, address: BridgeAddress, client: str) -> Line:
        """Connect under this client identifier, to the session of before if the broker has it. Raises LineLost."""
        try:
            context = await asyncio.to_thread(_tls, address) if address.tls else None
        except (OSError, ssl.SSLError) as error:
            raise LineLost(f"the certificates cannot be used: {error}") from None
        line = cls(
            aiomqtt.Client(
                address.host,
                address.port,
                identifier=client,
                username=address.username,
                password=address.password,
                protocol=aiomqtt.ProtocolVersion.V311,
                clean_session=False,
                tls_context=context,
                timeout=TIMEOUT,
                keepalive=KEEPALIVE,
                logger=_log,
                socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            )
        )
        line._take_over(context, address.host)
        try:
            await line._client.__aenter__()
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            line._give_up()
            raise LineLost(_reason(error)) from None
        except BaseException:
            line._give_up()
            raise
        return line

    def _give_up(self) -> None:
        """Leave no socket behind of a connection that was never had; one that a thread still opens is shut at once."""
        self._closed = True
        self._paho._sock_close()

    def _take_over(self, context: ssl.SSLContext | None, host: str) -> None:
        """Before the connection: the broker may send as soon as it has greeted us."""
        greeted, parted = self._paho.on_connect, self._paho.on_disconnect
        assert greeted is not None
        assert parted is not None

        def on_connect(client: Any, userdata: Any, flags: Any, *rest: Any) -> None:
            if self._closed:
                self._paho._sock_close()
                return
            self.session_present = bool(flags.session_present)
            greeted(client, userdata, flags, *rest)

        def on_disconnect(*arguments: Any) -> None:
            # The library forgets an end that comes between the greeting and its next breath.
            self._gone = True
            self._loop.call_soon_threadsafe(self._something.set)
            parted(*arguments)

        if context is not None:

            def shaken(tcp_sock: socket.socket) -> ssl.SSLSocket:
                return _shaken(context, tcp_sock, host)

            self._paho._ssl_wrap_socket = shaken  # type: ignore[method-assign]
        self._paho.manual_ack_set(True)
        self._paho.on_connect = on_connect
        self._paho.on_disconnect = on_disconnect
        self._paho.on_message = self._on_message

    async def close(self) -> None:
        """Leave; the broker keeps the session, and what was not acknowledged in it."""
        self._closed = True
        lost = self._client._disconnected
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError, ValueError, OSError):
            await self._client.__aexit__(None, None, None)
        if lost.done() and not lost.cancelled():
            lost.exception()  # known, or of no interest any more
        self._paho._sock_close()

    async def subscribe(self, topics: list[str]) -> dict[str, int | None]:
        """The quality of service that is granted to each topic filter, None if it is refused. Raises LineLost."""
        if not topics:
            return {}
        try:
            answers = await self._client.subscribe([(topic, 1) for topic in topics])
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise LineLost(f"the subscription failed: {_reason(error)}") from None
        granted = [answer if isinstance(answer, int) else int(answer.value) for answer in answers]
        return {
            topic: None if code >= _REFUSED else code for topic, code in zip(topics, granted, strict=True)
        }

    async def unsubscribe(self, topics: list[str]) -> None:
        """Raises LineLost."""
        if not topics:
            return
        try:
            await self._client.unsubscribe(topics)
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise LineLost(f"a subscription could not be ended: {_reason(error)}") from None

    # Messages

    async def batch(self, most: int, patience: float) -> list[Received]:
        """What has arrived, in its order, at most so many; none after `patience` seconds. Raises LineLost."""
        if not self._waiting and not self._lost:
            self._something.clear()
            self._read_again()
            waiting = asyncio.ensure_future(self._something.wait())
            try:
                await asyncio.wait(
                    (waiting, self._client._disconnected),
                    timeout=patience,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                waiting.cancel()
        if not self._waiting and self._lost:
            # The library has a code for it that says no more.
            raise LineLost("the connection to the broker was lost")
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._bytes -= sum(len(message.payload) for message in taken)
        self._read_again()
        return taken

    @property
    def _lost(self) -> bool:
        return self._gone or self._client._disconnected.done()

    @property
    def waiting(self) -> int:
        """Messages in memory."""
        return len(self._waiting)

    def acknowledge(self, messages: list[Received]) -> None:
        """The broker need not deliver these again. What is lost of this with the connection comes again."""
        for message in messages:
            if message.qos and not self._lost:
                self._unacknowledged.pop(message.packet, None)
                self._paho.ack(message.packet, message.qos)

    def _on_message(self, client: Any, userdata: Any, message: paho.MQTTMessage) -> None:
        full = len(self._waiting) >= MOST_WAITING or self._bytes >= MOST_BYTES
        if full and message.qos == 0:
            self.dropped_qos0 += 1
            return
        payload = bytes(message.payload)
        topic = message._topic.decode("utf-8", "replace")
        content = content_of(topic, payload) if message.qos else ""
        if message.qos:
            # Some brokers repeat within a connection what we are still at. It must not be acknowledged twice: by
            # then the packet identifier may be another message's.
            if message.dup and self._unacknowledged.get(message.mid) == content:
                return
            self._unacknowledged[message.mid] = content
        self._waiting.append(
            Received(
                topic,
                payload,
                message.qos,
                message.mid,
                content,
                message.dup,
                message.retain,
                time.time_ns(),
            )
        )
        self._bytes += len(payload)
        self._something.set()
        if full and self._reading:
            connected = self._paho.socket()
            if connected is not None:
                self._loop.remove_reader(connected.fileno())
                self._reading = False

    def _read_again(self) -> None:
        """Where reading was stopped: once there is room, begin with what the TLS layer may hold already."""
        connected = self._paho.socket()
        if self._reading or self._closed or connected is None:
            return
        if len(self._waiting) < MOST_WAITING // 2 and self._bytes < MOST_BYTES // 2:
            self._reading = True
            self._loop.add_reader(connected.fileno(), self._read)
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        try:
            while self._reading and not self._closed:
                self._paho.loop_read()
                connected = self._paho.socket()
                if not isinstance(connected, ssl.SSLSocket) or not connected.pending():
                    return
        except Exception as error:
            if not self._client._disconnected.done():
                self._client._disconnected.set_exception(error)


def _tls(address: BridgeAddress) -> ssl.SSLContext:
    """The system's authorities, or the operator's own in their place."""
    context = ssl.create_default_context(cafile=str(address.ca) if address.ca else None)
    if address.cert is not None:
        context.load_cert_chain(address.cert, address.key)
    return context


def _shaken(context: ssl.SSLContext, bare: socket.socket, host: str) -> ssl.SSLSocket:
    """After the handshake; the library leaves the socket open when that fails."""
    secure = context.wrap_socket(bare, server_hostname=host, do_handshake_on_connect=False)
    try:
        secure.settimeout(TIMEOUT)
        secure.do_handshake()
    except BaseException:
        secure.close()
        raise
    return secure


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


__all__ = ["Line", "LineLost", "Received"]
