"""What `rhinecloud check` finds out about the door for devices at a city's own NATS."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from rhinecloud import tasks
from rhinecloud.bus import Bus, BusUnavailable
from rhinecloud.engines.checks import Finding, good, note, wrong
from rhinecloud.gateways.devices.door import SUBJECT
from rhinecloud.nkeys import KeyPair, claims_of
from rhinecloud.settings import Settings

_PATIENCE = 3.0  # seconds
_WHERE = "docs/reference/mqtt.md says how."


async def check_door(settings: Settings) -> AsyncIterator[Finding]:
    """Whether the server asks about devices, and whom; whether connections can be ended. Changes nothing."""
    if settings.nats_url is None:
        return
    if settings.nats_auth_issuer is None:
        yield note(
            "Devices cannot have credentials of their own: the city's NATS needs an auth call-out, and "
            f"nats-auth-issuer names the file with its key. {_WHERE}"
        )
        return
    try:
        issuer = KeyPair.from_seed(settings.nats_auth_issuer.read_text())
    except (OSError, ValueError) as error:
        yield wrong(f"nats-auth-issuer {settings.nats_auth_issuer}: {error}")
        return
    credentials: dict[str, Any] = {}
    if settings.nats_credentials is not None:
        credentials["user_credentials"] = str(settings.nats_credentials)
    try:
        bus = await Bus.connect(settings.nats_url, name="check", patience=_PATIENCE, **credentials)
    except (BusUnavailable, NatsError, OSError) as error:
        yield wrong(f"NATS lets nobody in with these settings: {error or type(error).__name__}")
        return
    try:
        yield await _call_out(bus, settings.nats_url, issuer)
    finally:
        await bus.close()
    async for finding in _system(settings.nats_system_url):
        yield finding


async def _call_out(bus: Bus, url: str, issuer: KeyPair) -> Finding:
    """Sign in as nobody and see what the server asks; whoever serves refuses."""
    asked: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def hear(message: Msg) -> None:
        if not asked.done():
            asked.set_result(message.data)

    await bus.client.subscribe(SUBJECT, cb=hear)
    for _ in range(2):  # nats-py: the first may overtake the subscription
        await bus.client.flush(timeout=3)
    trying = asyncio.create_task(_sign_in_as_nobody(url))
    try:
        async with asyncio.timeout(_PATIENCE):
            claims = claims_of(await asked, _Question)
    except TimeoutError:
        return wrong(f"NATS asks nobody about devices: its configuration needs auth_callout. {_WHERE}")
    except ValueError as error:
        return wrong(f"NATS asks about devices in a way that is not understood (encrypted?): {error}")
    finally:
        await tasks.stop(trying)
    if claims.sub != issuer.public:
        return wrong(
            f"NATS believes the key {claims.sub} about devices, but nats-auth-issuer is that of {issuer.public}."
        )
    return good("NATS asks about devices, and will believe the answers")


async def _sign_in_as_nobody(url: str) -> None:
    servers = []
    for server in url.split(","):
        parts = urlsplit(server if "://" in server else f"nats://{server}")
        servers.append(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
    client = Client()
    try:
        await client.connect(
            servers,
            user="~check",
            password=secrets.token_urlsafe(),
            allow_reconnect=False,
            max_reconnect_attempts=1,
            error_cb=_ignore,
        )
    except (NatsError, OSError, TimeoutError):
        pass  # as it should be
    finally:
        with contextlib.suppress(NatsError, OSError):
            await client.close()


async def _ignore(error: Exception) -> None:
    return None


async def _system(url: str | None) -> AsyncIterator[Finding]:
    """What the system account tells of the MQTT side."""
    if url is None:
        yield note(
            "Without nats-system-url the connections of a device are not ended when it loses its rights or floods."
        )
        return
    try:
        bus = await Bus.connect(url, name="check", patience=_PATIENCE)
    except (BusUnavailable, NatsError, OSError) as error:
        yield wrong(f"nats-system-url: nobody is let in: {error or type(error).__name__}")
        return
    try:
        answer = await bus.client.request("$SYS.REQ.SERVER.PING.VARZ", b"{}", timeout=_PATIENCE)
        mqtt = msgspec.json.decode(answer.data, type=_Server).data.mqtt
    except (NatsError, OSError, TimeoutError, msgspec.DecodeError):
        yield wrong("nats-system-url: the server tells this user nothing; is it one of the system account?")
        return
    finally:
        await bus.close()
    if not mqtt.port:
        yield wrong("MQTT is off: add  mqtt { port: 8883, tls { … } }  to the server's configuration.")
    elif mqtt.tls_cert_not_after is None:
        yield note(
            f"MQTT listens on port {mqtt.port} without TLS: passwords of devices can be read on the way."
        )
    else:
        yield good(f"MQTT listens on port {mqtt.port} with TLS")


class _Question(msgspec.Struct):
    sub: str


class _Mqtt(msgspec.Struct, frozen=True):
    port: int = 0
    tls_cert_not_after: str | None = None


class _Varz(msgspec.Struct, frozen=True):
    mqtt: _Mqtt = _Mqtt()


class _Server(msgspec.Struct):
    data: _Varz
