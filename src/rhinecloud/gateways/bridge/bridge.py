"""The bridge from the city's existing MQTT brokers: what they are asked for comes in as if devices had sent it here.

One elected worker holds the connections. A message of QoS 1 is acknowledged to the foreign broker after it was
committed here, or kept among the unmapped messages; until then the foreign broker keeps it in our session.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import asyncpg
import msgspec

from rhinecloud.bridge_address import BridgeAddress
from rhinecloud.broker import Unavailable
from rhinecloud.broker.office import hold
from rhinecloud.store import Database
from rhinecloud.store import bridge as store
from rhinecloud.tasks import stop

from ..taking import Flag, Incoming
from .identity import SOURCE, delivery_of, prefix_of, repeated
from .line import Line, LineLost, Received

OFFICE = "mqtt-bridge"
ALARM = "bridge"
BATCH = 500  # messages in one transaction
_PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)  # seconds between attempts to connect
_HEARTBEAT = 2.0  # seconds between reports
_SILENT = 10.0  # seconds without a report after which nobody serves the bridges
_LAST_WORD = 1.0  # seconds
_AGAIN = 2.0  # seconds until a worker stands for the office again
_PATIENCE = 60.0  # seconds without a message after which refused topics are asked for again
# An acknowledgement that was sent this long before a connection ended has arrived: the keep-alive tells.
_UNSURE = timedelta(minutes=5)
_log = logging.getLogger(__name__)


class Gateway(Protocol):
    """What takes messages in."""

    async def take(self, messages: Sequence[Incoming]) -> Any:
        """Return when each is committed, or kept among the unmapped."""
        ...


class Figures(msgspec.Struct):
    """How a bridge is, since this worker serves it."""

    address: str
    connected: bool = False
    problem: str | None = None
    refused_topics: list[str] = []
    unacknowledged_topics: list[
        str
    ] = []  # the broker grants them QoS 0 only: what is lost on the way is lost
    received: int = 0
    received_qos0: int = 0
    taken: int = 0
    redelivered: int = 0
    known: int = 0
    retained_left: int = 0
    dropped_qos0: int = 0
    waiting: int = 0
    reconnections: int = 0
    sessions_lost: int = 0


class Bridge:
    """One foreign broker, served by the elected worker."""

    def __init__(
        self, database: Database, gateway: Gateway, address: BridgeAddress, flag: Flag | None
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._address = address
        self._flag = flag
        self._generation = 0
        self._topics: set[str] = set()
        self._connected_at = datetime.now(UTC)
        self._connections = 0
        self.number = 0
        self.figures = Figures(address.shown)

    async def serve(self, session: store.Session) -> None:
        """Stay connected until cancelled."""
        address = self._address
        self.number = session.number
        self._generation = session.generation
        self._topics = set(session.topics)
        self._connected_at = session.connected_at
        failures = 0
        while True:
            connections = self._connections
            try:
                await self._connect_and_follow(address.client or session.client)
            except LineLost as error:
                self.figures.problem = str(error)
            except Unavailable as error:
                self.figures.problem = f"PostgreSQL: {error or type(error).__name__}"
            except Exception as error:
                self.figures.problem = f"{type(error).__name__}: {error}"
                _log.exception("bridge %s", address.name)
            if self._connections > connections:
                failures = 0  # it was there: it will be back soon
            pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
            if failures in (0, len(_PAUSES)):
                _log.warning(
                    "bridge %s: %s; tries again in %.0f s", address.name, self.figures.problem, pause
                )
            if failures == len(_PAUSES):
                await self._raise(str(self.figures.problem))
            failures += 1
            # Spread: after a broker's restart not everyone shall come in the same moment.
            await asyncio.sleep(pause * random.uniform(0.7, 1.0))

    async def report(self, connection: asyncpg.Connection) -> None:
        """Say how this bridge is."""
        await store.report(
            connection,
            self.number,
            msgspec.structs.asdict(self.figures),
            connected=self.figures.connected,
        )

    async def _connect_and_follow(self, client: str) -> None:
        line = await Line.open(self._address, client)
        try:
            await self._settle(line)
            self.figures.connected = True
            self.figures.problem = None
            self.figures.reconnections = self._connections
            self._connections += 1
            await self._follow(line)
        finally:
            if self.figures.connected:
                self._connected_at = datetime.now(UTC)
            self.figures.connected = False
            await line.close()

    async def _raise(self, problem: str) -> None:
        """Somebody should look."""
        if self._flag is None:
            return
        try:
            await self._flag(None, ALARM, {"bridge": self._address.name, "problem": problem})
        except Unavailable as error:
            _log.warning("the alarm of a bridge was not written: %s", error or type(error).__name__)

    async def _settle(self, line: Line) -> None:
        """Bring the session's subscriptions to those that are wanted. A session that is kept is not subscribed anew,
        for that makes the broker send every retained message again."""
        pool = self._database.pool
        if not line.session_present:
            if self._generation:
                self.figures.sessions_lost += 1
                problem = "the broker has forgotten our session, and what came in between with it"
                _log.warning("bridge %s: %s", self._address.name, problem)
                await self._raise(problem)
            self._generation = await store.begin_generation(pool, self.number)
            self._topics = set()
        await line.unsubscribe(sorted(self._topics.difference(self._address.topics)))
        self._topics.intersection_update(self._address.topics)
        await self._subscribe(line)

    async def _subscribe(self, line: Line) -> None:
        missing = [topic for topic in self._address.topics if topic not in self._topics]
        granted = await line.subscribe(missing)
        self.figures.refused_topics = [topic for topic in missing if granted[topic] is None]
        self.figures.unacknowledged_topics = [topic for topic in missing if granted[topic] == 0]
        for topic in self.figures.refused_topics:
            _log.warning("bridge %s: the broker refuses the topic %s", self._address.name, topic)
        # One that was granted without acknowledgement is asked for again at the next connection.
        self._topics.update(topic for topic in missing if granted[topic])
        await store.subscribed(self._database.pool, self.number, sorted(self._topics))

    async def _follow(self, line: Line) -> None:
        asked = time.monotonic()
        while True:
            received = await line.batch(BATCH, _PATIENCE)
            if received:
                await self._take(received)
                line.acknowledge(received)
            self.figures.waiting = line.waiting
            self.figures.dropped_qos0 += line.dropped_qos0
            line.dropped_qos0 = 0
            if self.figures.refused_topics and time.monotonic() - asked > _PATIENCE:
                asked = time.monotonic()
                await self._subscribe(line)

    async def _take(self, received: list[Received]) -> None:
        """Return when each is committed, kept among the unmapped, or known to be."""
        figures = self.figures
        figures.received += len(received)
        figures.received_qos0 += sum(message.qos == 0 for message in received)
        wanted = [message for message in received if self._address.retained or not message.retained]
        figures.retained_left += len(received) - len(wanted)
        known = await self._known([message for message in wanted if message.repeated])
        incoming = []
        for message in wanted:
            before = known.get(message.packet) if message.repeated else None
            figures.known += before is not None
            incoming.append(
                Incoming(
                    f"{self._address.prefix}/{message.topic}" if self._address.prefix else message.topic,
                    message.payload,
                    message.arrived,
                    before or self._delivery(message),
                    SOURCE,
                )
            )
        if incoming:
            await self._gateway.take(incoming)
        figures.taken += len(incoming)

    def _prefix(self, message: Received) -> str:
        return prefix_of(self.number, self._generation, message.packet)

    def _delivery(self, message: Received) -> str | None:
        if message.qos == 0:
            return None
        return delivery_of(self._prefix(message), message.arrived, message.content)

    async def _known(self, messages: list[Received]) -> dict[int, str]:
        """Of repeated messages those that were taken in already: packet identifier to delivery."""
        if not messages:
            return {}
        self.figures.redelivered += len(messages)
        prefixes = {message.packet: self._prefix(message) for message in messages}
        found = await store.known(self._database.pool, list(prefixes.values()), self._connected_at - _UNSURE)
        pairs = (
            (message.packet, repeated(prefix, message.content, found.get(prefix, ())))
            for message in messages
            for prefix in (prefixes[message.packet],)
        )
        return {packet: delivery for packet, delivery in pairs if delivery is not None}


class Bridges:
    """All bridges of a city. Every worker has one; the elected one serves."""

    def __init__(
        self,
        database: Database,
        gateway: Gateway,
        addresses: Sequence[BridgeAddress],
        flag: Flag | None = None,
    ) -> None:
        """`flag` raises an alarm."""
        self._database = database
        self._flag = flag
        self._gateway = gateway
        self._addresses = tuple(addresses)
        self._holding: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Stand for the office, if there is anything to bridge."""
        if self._addresses:
            self._holding = asyncio.create_task(self._hold(), name="mqtt-bridge")

    async def close(self) -> None:
        """Leave the foreign brokers; they keep what comes."""
        await stop(self._holding)

    async def health(self) -> dict[str, Any] | None:
        """How each bridge is, told by whichever worker serves it; None if there are none."""
        if not self._addresses:
            return None
        found = await store.reports(self._database.pool, [address.name for address in self._addresses])
        figures: dict[str, Any] = {}
        for address in self._addresses:
            status, seconds = found.get(address.name, ({}, 0.0))
            if seconds > _SILENT or not status:
                status = msgspec.structs.asdict(Figures(address.shown, problem="no worker serves it"))
            figures[address.name] = status
        # A foreign broker that is away is no disturbance of ours: the house stands, and somebody should look.
        return {"away": sum(not status["connected"] for status in figures.values()), **figures}

    async def _hold(self) -> None:
        await hold(self._database, OFFICE, self._serve, again=_AGAIN)

    async def _serve(self, connection: asyncpg.Connection) -> None:
        """Serve as long as the election holds: with its connection the right to speak for the city is gone."""
        bridges = [Bridge(self._database, self._gateway, address, self._flag) for address in self._addresses]
        tasks: list[asyncio.Task[None]] = []
        try:
            for bridge, address in zip(bridges, self._addresses, strict=True):
                client = f"rhinecloud-{secrets.token_hex(6)}"  # 23 characters: every broker takes them
                session = await store.open_session(connection, address.name, client)
                bridge.number = session.number
                tasks.append(asyncio.create_task(bridge.serve(session), name=f"bridge-{address.name}"))
            while True:
                for bridge in bridges:
                    async with asyncio.timeout(_SILENT):
                        await bridge.report(connection)
                await asyncio.sleep(_HEARTBEAT)
        finally:
            await stop(*tasks)
            with contextlib.suppress(
                Exception
            ):  # mostly because PostgreSQL is away: then nobody is told anything
                async with asyncio.timeout(_LAST_WORD):
                    for bridge in bridges:
                        await bridge.report(connection)


__all__ = ["BATCH", "Bridge", "Bridges", "Figures", "Gateway"]
