"""The MQTT gateway: what devices publish, through a profile, to the broker.

Every worker follows the same durable consumer. A message is acknowledged to the bus after it was committed,
or kept among the unmapped messages with the reason. Order: within a worker as received; between workers by
time, for every value has an `observedAt` (the moment of arrival if the device says none), and what is older
than the current value goes to history only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from rhinecloud.broker import Applied, Operation, Overloaded, Unavailable, Verdict
from rhinecloud.bus import Bus, BusUnavailable, Delivery, Message, Pull, ensure_intake
from rhinecloud.bus.intake import CONSUMER, PREFIX, QOS_HEADER, STREAM, look, topic_of
from rhinecloud.gateways.profiles import Confirmation, Unmappable, plain_json
from rhinecloud.tasks import stop

SOURCE = "mqtt"
BATCH = 500  # messages in one transaction
QUEUE = 10_000  # QoS 0 messages that may wait in memory
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between attempts while the broker cannot write
_KEEPING = 8  # unmapped messages that are kept at once
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_log = logging.getLogger(__name__)


class Door(Protocol):
    """The broker, as far as a gateway needs it."""

    async def apply(self, operations: Sequence[Operation]) -> list[Verdict]:
        """A verdict for each operation, after the commit."""
        ...

    async def unmapped(
        self, source: str, topic: str, payload: bytes, reason: str, delivery: str | None = None
    ) -> None:
        """Keep a message that could not be mapped."""
        ...


class Seen(Protocol):
    """Counts what a device sends. Answers False for a device that sends more than it may: its messages of QoS 0 are
    dropped then, its others wait behind everybody else's."""

    def __call__(self, device: str | None, topic: str, n: int, size: int) -> bool | None:
        """`n` messages of `size` bytes together."""
        ...


class Flag(Protocol):
    """Raises an alarm (Alarms.raise_)."""

    async def __call__(self, device: str | None, kind: str, detail: dict[str, Any]) -> None:
        """Say what is wrong with a device, or with nobody in particular."""
        ...


Confirm = Callable[[Confirmation], Awaitable[None]]
"""Is told what devices say of their wanted states (Commands.confirm), after the measurements of the same messages are
committed."""


class Incoming(msgspec.Struct, frozen=True):
    """A message on its way in. `arrived` is in nanoseconds since 1970; QoS 0 has no `delivery`."""

    topic: str
    payload: bytes
    arrived: int
    delivery: str | None = None


class Counters(msgspec.Struct):
    """What happened in this process since it started."""

    received: int = 0
    received_qos0: int = 0
    dropped_qos0: int = 0
    redelivered: int = 0
    applied: int = 0
    duplicates: int = 0
    history_only: int = 0
    unmapped: int = 0
    retries: int = 0


class MqttGateway:
    """Reads the intake of a worker's bus and writes to its broker."""

    def __init__(self, bus: Bus, broker: Door, *, queue: int = QUEUE) -> None:
        self._bus = bus
        self._broker = broker
        self._queue: deque[Incoming] = deque()
        self._most_queued = queue
        self._queued = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.counters = Counters()

    async def open(self) -> None:
        """Make the intake, then begin. Until this returns, no device may be let in. Raises BusUnavailable."""
        await ensure_intake(self._bus)
        await self._bus.listen(f"{plain_json.ROOT}.>", self._on_core_message, queue="gateways")
        self._tasks = [
            asyncio.create_task(self._follow(), name="mqtt-gateway"),
            asyncio.create_task(self._drain(), name="mqtt-gateway-qos0"),
        ]

    async def close(self) -> None:
        """Stop; what was not committed is delivered again."""
        await stop(*self._tasks)

    async def health(self) -> dict[str, Any]:
        """Counters of this process and the state of the intake that all workers share."""
        figures: dict[str, Any] = msgspec.structs.asdict(self.counters)
        figures["queued_qos0"] = len(self._queue)
        try:
            figures["intake"] = msgspec.structs.asdict(await look(self._bus))
        except BusUnavailable as error:
            figures["intake"] = None
            figures["problem"] = str(error)
        return figures

    # QoS 1 and 2: from the stream

    async def _follow(self) -> None:
        while True:
            pull = Pull(self._bus, STREAM, CONSUMER, ahead=2 * BATCH)
            try:
                await pull.open()
                while True:
                    deliveries = await pull.batch(BATCH)
                    self.counters.received += len(deliveries)
                    self.counters.redelivered += sum(delivery.times > 1 for delivery in deliveries)
                    # What waited here for too long was delivered again meanwhile, and may stand in one batch twice.
                    messages = {message.delivery: message for message in map(_incoming, deliveries)}
                    await self._take(list(messages.values()), lambda: pull.working(deliveries))  # noqa: B023
                    await pull.acknowledge(deliveries)
            except BusUnavailable as error:
                _log.warning("MQTT gateway: %s; begins again", error)
            except Exception:
                _log.exception("MQTT gateway: begins again")
            finally:
                await pull.close()
            await asyncio.sleep(1)
            try:
                await ensure_intake(self._bus)
            except BusUnavailable as error:
                _log.warning("MQTT gateway: no intake (%s)", error)

    # QoS 0: from memory

    def _on_core_message(self, message: Message) -> None:
        """Core NATS carries every publication; those of QoS 1 and 2 come through the stream."""
        if message.headers.get(QOS_HEADER, "0") != "0":
            return
        self.counters.received_qos0 += 1
        if len(self._queue) >= self._most_queued:
            self.counters.dropped_qos0 += 1
            return
        self._queue.append(Incoming(topic_of(message.subject), message.payload, time.time_ns()))
        self._queued.set()

    async def _drain(self) -> None:
        while True:
            if not self._queue:
                self._queued.clear()
                await self._queued.wait()
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            try:
                await self._take(batch, _nothing)
            except Exception:
                _log.exception("MQTT gateway: %d messages of QoS 0 are lost", len(batch))
                self.counters.dropped_qos0 += len(batch)

    # Both

    async def take(
        self, messages: Sequence[Incoming], working: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Return when each message is committed or kept among the unmapped; insists while the broker cannot write.

        `working` is awaited now and then meanwhile. For whoever brings messages from elsewhere: each `delivery` names
        one for good, so that a repetition changes nothing.
        """
        await self._take(list(messages), working or _nothing)

    async def _take(self, messages: list[Incoming], working: Callable[[], Awaitable[None]]) -> None:
        """Return when each message is committed or kept among the unmapped."""
        refused: list[tuple[Incoming, str]] = []
        operations: list[Operation] = []
        origins: list[Incoming] = []
        for message in messages:
            try:
                mapped = operations_of(message)
            except Unmappable as error:
                refused.append((message, str(error)))
                continue
            operations += mapped
            origins += [message] * len(mapped)
        reasons: dict[int, str] = {}
        for index, verdict in enumerate(await self._apply(operations, working)):
            if isinstance(verdict, Applied):
                self.counters.duplicates += verdict.duplicate
                self.counters.applied += not verdict.duplicate
                self.counters.history_only += bool(verdict.history_only)
            elif id(origins[index]) not in reasons:
                reasons[id(origins[index])] = reason = str(verdict)
                refused.append((origins[index], reason))
        for start in range(0, len(refused), _KEEPING):
            some = refused[start : start + _KEEPING]
            await asyncio.gather(*(self._keep(message, reason, working) for message, reason in some))

    async def _apply(
        self, operations: list[Operation], working: Callable[[], Awaitable[None]]
    ) -> list[Verdict | Exception]:
        if not operations:
            return []
        try:
            return list(await self._insist(lambda: self._broker.apply(operations), working))
        except Exception as error:
            # Something in them breaks the whole statement: halve until it stands alone, and keep that one.
            if len(operations) == 1:
                _log.exception("MQTT gateway: an operation on %s fails", operations[0].entity_id)
                return [error]
            half = len(operations) // 2
            return [
                *await self._apply(operations[:half], working),
                *await self._apply(operations[half:], working),
            ]

    async def _keep(self, message: Incoming, reason: str, working: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._insist(
                lambda: self._broker.unmapped(
                    SOURCE, message.topic, message.payload, reason, message.delivery
                ),
                working,
            )
        except Exception:
            _log.exception("MQTT gateway: lost an unmapped message of %s: %s", message.topic, reason)
        self.counters.unmapped += 1

    async def _insist(
        self, attempt: Callable[[], Awaitable[Any]], working: Callable[[], Awaitable[None]]
    ) -> Any:
        """Try until the broker can write. What is wrong with the request itself is raised."""
        failures = 0
        while True:
            try:
                return await attempt()
            except (*Unavailable, Overloaded) as error:
                if failures in (0, 100):
                    _log.warning(
                        "MQTT gateway: the broker cannot write (%s); waits", error or type(error).__name__
                    )
                self.counters.retries += 1
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1
                await working()


def operations_of(message: Incoming) -> list[Operation]:
    """The operations that a message asks for. Raises Unmappable.

    Each has a delivery of its own, so that one that is refused does not make the others come twice.
    """
    arrived = _EPOCH + timedelta(microseconds=message.arrived // 1000)
    measurements = plain_json.read(message.topic, message.payload, arrived)
    delivery = message.delivery
    alone = len(measurements) == 1
    return [
        Operation(
            "measure",
            measurement.entity_id,
            measurement.types,
            attributes=measurement.attributes,
            delivery=delivery if delivery is None or alone else f"{delivery}.{index}",
        )
        for index, measurement in enumerate(measurements)
    ]


def _incoming(delivery: Delivery) -> Incoming:
    return Incoming(
        topic_of(delivery.subject.removeprefix(PREFIX)),
        delivery.payload,
        delivery.at,
        f"{SOURCE}:{delivery.at}.{delivery.sequence}",
    )


async def _nothing() -> None:
    return None
