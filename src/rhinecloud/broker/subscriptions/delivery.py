"""Handing a notification to its endpoint, by HTTP (CIM 009 §6.3.8) or by MQTT (§7.2)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
import uuid
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt
import httpcore
import httpx
import msgspec
from paho.mqtt import packettypes, properties

from ..outbound import Allowed, Connections, Forbidden
from .matching import Watched
from .rendering import headers, http_body, mqtt_body

TIMEOUT = 10.0  # seconds, unless the endpoint asks for another
_KEEP_ALIVE = 60.0  # seconds that an idle connection is kept
_LARGEST_ANSWER = 65_536  # bytes of an answer that are read so that the connection can be used again
_REFUSING = frozenset({400, 405, 406, 411, 413, 414, 415, 416, 417, 422, 431})
_log = logging.getLogger(__name__)


class NotTaken(Exception):
    """The notification was not taken. `refused`: the receiver is there, and it is this notification that it does not
    want; otherwise a later attempt may succeed."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused


class Delivery:
    """Connections to the endpoints, kept for a while."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._http = Connections(allowed, keep_alive=_KEEP_ALIVE)
        self._mqtt: dict[_MqttAddress, _MqttConnection] = {}

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()
        for connection in self._mqtt.values():
            await connection.close()

    async def send(self, watched: Watched, document: dict[str, Any]) -> None:
        """Return once the endpoint has taken it. Raises NotTaken."""
        endpoint = watched.subscription.notification.endpoint
        timeout = endpoint.timeout or TIMEOUT
        try:
            async with asyncio.timeout(timeout):
                if endpoint.is_mqtt:
                    await self._publish(watched, document)
                else:
                    await self._post(watched, document, timeout)
        except TimeoutError:
            raise NotTaken(f"no answer within {timeout:g} s") from None
        except Forbidden as error:
            raise NotTaken(str(error)) from None

    async def _post(self, watched: Watched, document: dict[str, Any], timeout: float) -> None:
        body = http_body(document)
        url = httpx.URL(watched.subscription.notification.endpoint.uri)
        sent = [
            (b"Host", url.netloc),
            (b"User-Agent", b"rhinecloud"),
            (b"Accept", b"*/*"),
            (b"Content-Length", str(len(body)).encode()),
            *((key.encode("latin-1"), value.encode("latin-1")) for key, value in headers(watched).items()),
        ]
        if url.userinfo and not any(key.lower() == b"authorization" for key, _ in sent):
            login = httpx.BasicAuth(unquote(url.username), unquote(url.password))
            sent.append((b"Authorization", login._auth_header.encode()))
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout)}
        for attempt in (1, 2):
            try:
                async with (
                    self._http.line(f"{url.scheme}://{url.netloc!r}") as line,
                    line.stream("POST", target, headers=sent, content=body, extensions=extensions) as answer,
                ):
                    await _drain(answer)
                    status = answer.status
                break
            except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError) as error:
                # The receiver has closed a connection that was kept; a new one tells whether it is there.
                if attempt == 2:
                    raise NotTaken(f"the connection broke: {error or type(error).__name__}") from None
            except httpcore.TimeoutException as error:
                raise NotTaken(f"no answer in time ({type(error).__name__})") from None
            except (
                httpcore.NetworkError,
                httpcore.ProtocolError,
                ssl.SSLError,
                OSError,
                ValueError,
            ) as error:
                raise NotTaken(f"cannot be reached: {error or type(error).__name__}") from None
        if not 200 <= status < 300:
            raise NotTaken(f"answered {status}", refused=status in _REFUSING)

    async def _publish(self, watched: Watched, document: dict[str, Any]) -> None:
        endpoint = watched.subscription.notification.endpoint
        parts = urlsplit(endpoint.uri)
        settings = dict(endpoint.notifier_info)
        secure = parts.scheme.lower() == "mqtts"
        address = _MqttAddress(
            parts.hostname or "",
            parts.port or (8883 if secure else 1883),
            secure,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            settings.get("MQTT-Version"),
        )
        for idle in [one for one, connection in self._mqtt.items() if connection.idle and one != address]:
            left = self._mqtt.pop(idle, None)  # another may have seen to it meanwhile
            if left is not None:
                await left.close()
        connection = self._mqtt.setdefault(address, _MqttConnection(address, self._allowed))
        accept = endpoint.accept
        try:
            await connection.publish(
                unquote(parts.path.removeprefix("/")),
                mqtt_body(document, headers(watched)),
                int(settings.get("MQTT-QoS", "0")),
                accept,
            )
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise NotTaken(f"MQTT: {error or type(error).__name__}") from None


async def _drain(answer: httpcore.Response) -> None:
    size = 0
    async for part in answer.aiter_stream():
        size += len(part)
        if size > _LARGEST_ANSWER:
            return


class _MqttAddress(msgspec.Struct, frozen=True):
    host: str
    port: int
    secure: bool
    username: str | None
    password: str | None
    version: str | None  # None: 5.0, and 3.1.1 with a server that knows no other


class _MqttConnection:
    """One connection to one MQTT server for one account; publications wait for their acknowledgement."""

    def __init__(self, address: _MqttAddress, allowed: Allowed) -> None:
        self._address = address
        self._allowed = allowed
        self._client: aiomqtt.Client | None = None
        self._five = False
        self._connecting = asyncio.Lock()
        self._users = 0
        self._used = time.monotonic()

    @property
    def idle(self) -> bool:
        """Whether nobody used it for a while."""
        return not self._users and time.monotonic() - self._used > _KEEP_ALIVE

    async def publish(self, topic: str, payload: bytes, qos: int, media_type: str) -> None:
        """Return once the server has taken it, as far as the quality of service tells."""
        self._users += 1
        try:
            for attempt in (1, 2):
                client = await self._connected()
                marks = None
                if self._five:
                    marks = properties.Properties(packettypes.PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                    marks.ContentType = media_type
                    marks.PayloadFormatIndicator = 1
                try:
                    await client.publish(topic, payload, qos=qos, properties=marks)
                    return
                except aiomqtt.MqttError:
                    await self._forget(client)
                    if attempt == 2:
                        raise
                except BaseException:
                    await self._forget(client)  # what is under way there has no reader any more
                    raise
        finally:
            self._users -= 1
            self._used = time.monotonic()

    async def close(self) -> None:
        """Leave."""
        if self._client is not None:
            await self._forget(self._client)

    async def _connected(self) -> aiomqtt.Client:
        async with self._connecting:
            if self._client is not None and not self._client._disconnected.done():
                return self._client
            self._client = None
            version = self._address.version
            if version != "mqtt3.1.1":
                try:
                    self._client = await self._connect(aiomqtt.ProtocolVersion.V5)
                    self._five = True
                    return self._client
                except aiomqtt.MqttError:
                    if version is not None:
                        raise
            self._client = await self._connect(aiomqtt.ProtocolVersion.V311)
            self._five = False
            return self._client

    async def _connect(self, version: aiomqtt.ProtocolVersion) -> aiomqtt.Client:
        where = self._address
        addresses = await self._allowed.resolve(where.host, where.port)
        client = aiomqtt.Client(
            where.host,
            where.port,
            username=where.username,
            password=where.password,
            identifier=f"rhinecloud-{uuid.uuid4().hex[:12]}",
            protocol=version,
            tls_context=ssl.create_default_context() if where.secure else None,
            timeout=TIMEOUT,
            keepalive=30,
            logger=_log,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        # The very address that was judged is connected to; certificates are still those of the name.
        client._client._create_socket_connection = lambda: socket.create_connection(  # type: ignore[method-assign]
            (addresses[0], where.port), timeout=TIMEOUT
        )
        await client.__aenter__()
        return client

    async def _forget(self, client: aiomqtt.Client) -> None:
        if self._client is client:
            self._client = None
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError, ValueError):
            async with asyncio.timeout(1):
                await client.__aexit__(None, None, None)
