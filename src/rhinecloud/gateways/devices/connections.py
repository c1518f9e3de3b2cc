"""The connections of devices, as the servers know them: looked at and ended over the system account."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Any

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from rhinecloud.bus import Bus, BusUnavailable

_PATIENCE = 3.0  # seconds for the first server that answers
_QUIET = 0.3  # seconds without another answer, after which all servers of a cluster have spoken
_PAGE = 1024  # connections in one answer
_AT_ONCE = 64  # that are ended at once
_ALL = 2  # open and lately closed ones
_log = logging.getLogger(__name__)


class Connection(msgspec.Struct, frozen=True):
    """One connection to one server. `user` is the device, `client` its MQTT client identifier."""

    server: str
    cid: int
    start: datetime
    user: str = ""
    client: str = ""
    ip: str = ""


class Connections:
    """Asks the servers, over a connection of its own that is made when it is first needed."""

    def __init__(self, url: str, credentials: dict[str, Any]) -> None:
        """`url` and `credentials` (of nats.connect) are those of a user of the system account."""
        self._url = url
        self._credentials = credentials
        self._bus: Bus | None = None
        self._opening = asyncio.Lock()

    async def of(self, device: str) -> list[Connection]:
        """Open connections of a device; of very many some, so ask again. Raises BusUnavailable."""
        return await self._ask({"user": device, "auth": True, "limit": _PAGE})

    async def which(self, cid: int) -> list[Connection]:
        """The connections with this number (each server counts for itself), also lately closed ones."""
        return await self._ask({"cid": cid, "auth": True, "state": _ALL})

    async def end(self, connections: list[Connection]) -> None:
        """Cut them off. One that is gone already is no error. Raises BusUnavailable."""
        bus = await self._open()
        for start in range(0, len(connections), _AT_ONCE):
            await asyncio.gather(*(self._kick(bus, one) for one in connections[start : start + _AT_ONCE]))

    async def _kick(self, bus: Bus, connection: Connection) -> None:
        subject = f"$SYS.REQ.SERVER.{connection.server}.KICK"
        try:
            # The server does nothing for who wants no answer.
            await bus.client.request(subject, msgspec.json.encode({"cid": connection.cid}), timeout=_PATIENCE)
        except NoRespondersError:
            return  # that server is gone, and the connection with it
        except (NatsError, OSError, TimeoutError) as error:
            raise BusUnavailable(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Leave."""
        if self._bus is not None:
            await self._bus.close()

    async def _open(self) -> Bus:
        async with self._opening:
            if self._bus is None:
                self._bus = await Bus.connect(
                    self._url, name="connections", patience=_PATIENCE, **self._credentials
                )
            return self._bus

    async def _ask(self, options: dict[str, Any]) -> list[Connection]:
        bus = await self._open()
        answers: asyncio.Queue[bytes] = asyncio.Queue()

        async def take(message: Msg) -> None:
            answers.put_nowait(message.data)

        client = bus.client
        inbox = client.new_inbox()
        found: list[Connection] = []
        try:
            subscription = await client.subscribe(inbox, cb=take)
            try:
                await client.publish("$SYS.REQ.SERVER.PING.CONNZ", msgspec.json.encode(options), reply=inbox)
                patience = _PATIENCE
                while True:
                    async with asyncio.timeout(patience):
                        found += _connections(await answers.get())
                    if bus.replicas == 1:  # no cluster: there is no other server
                        return found
                    patience = _QUIET
            except TimeoutError:
                if patience == _PATIENCE:
                    raise BusUnavailable(
                        "no server tells of its connections: is this the system account?"
                    ) from None
                return found
            finally:
                await subscription.unsubscribe()
        except (NatsError, OSError) as error:
            if isinstance(error, BusUnavailable):
                raise
            raise BusUnavailable(str(error) or type(error).__name__) from error


class _Row(msgspec.Struct):
    cid: int
    start: datetime
    authorized_user: str = ""
    mqtt_client: str = ""
    ip: str = ""


class _Data(msgspec.Struct):
    server_id: str
    connections: list[_Row] | None = None


class _Answer(msgspec.Struct):
    data: _Data | None = None


def _connections(answer: bytes) -> list[Connection]:
    try:
        told = msgspec.json.decode(answer, type=_Answer).data
    except msgspec.ValidationError as error:
        _log.warning("a server's list of connections is not understood: %s", error)
        return []
    if told is None:
        return []
    return [
        Connection(told.server_id, row.cid, row.start, row.authorized_user, row.mqtt_client, row.ip)
        for row in told.connections or []
    ]
