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
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from rhinecloud.bus import Bus, BusUnavailable, Delivery, Message, Pull, ensure_intake
from rhinecloud.bus.intake import CONSUMER, PREFIX, QOS_HEADER, STREAM, look, topic_of
from rhinecloud.gateways.profiles import FixedProfiles, Unmappable
from rhinecloud.gateways.taking import (
    SOURCE,
    Confirm,
    Counters,
    Door,
    Flag,
    Incoming,
    Taking,
    Working,
    operations_of,
)
from rhinecloud.tasks import stop

BATCH = 500  # messages in one transaction
# Messages of one topic keep their order; those of others are mapped while PostgreSQL writes the ones before.
WAYS = 2
FEW = 50  # messages that are worth no second transaction beside the first
# After few messages let some more come: what a transaction costs beside its messages is most of it. Where several came
# in a breath, thousands of devices report in turn, and a longer one gathers three times as many.
_BREATH, _LONG_BREATH = 0.05, 0.15  # seconds
_SEVERAL = 4
LATE_BATCH = 100  # messages of flooding devices in one transaction
QUEUE = 10_000  # QoS 0 messages that may wait in memory
QUEUE_BYTES = 64 * 1024**2  # of them together, with those under way: one may have 8 MB
MOST_LATE = 5_000  # messages of flooding devices that may wait; the consumer has 20,000 to give
MOST_LATE_BYTES = 64 * 1024**2
_LATE_PATIENCE = 2.0  # seconds for which flooding devices wait behind others that never end
_SIGN_OF_LIFE = 10.0  # seconds: less than half of the intake's patience
_log = logging.getLogger(__name__)


class Seen(Protocol):
    """Counts what a device sends (Meter.seen). Answers False for a device that sends more than it may: its messages
    wait behind everybody else's."""

    def __call__(
        self,
        device: str | None,
        topic: str,
        n: int,
        size: int,
        at: int | None = None,
        until: int | None = None,
    ) -> bool | None:
        """`n` messages of `size` bytes together, that came at `at`, or from `at` to `until` (nanoseconds since 1970;
        now if None)."""
        ...


Admits = Callable[[str, int], bool]
"""Whether a message of QoS 0 on this topic, of so many bytes, is taken in (Meter.admits)."""


class MqttGateway:
    """Reads the intake of a worker's bus and writes to its broker."""

    def __init__(
        self,
        bus: Bus,
        broker: Door,
        profiles: FixedProfiles | None = None,
        *,
        confirm: Confirm | None = None,
        flag: Flag | None = None,
        seen: Seen | None = None,
        admits: Admits | None = None,
        queue: int = QUEUE,
    ) -> None:
        """`profiles` have to be open before this is; without them there are those of the program."""
        self._bus = bus
        self._profiles = profiles = FixedProfiles() if profiles is None else profiles
        self.counters = Counters()
        self._taking = Taking(broker, profiles, self.counters, confirm=confirm, flag=flag)
        self._seen = seen
        self._admits = admits
        self._queues: list[deque[Incoming]] = [deque() for _ in range(WAYS)]
        self._most_queued = queue
        self._queued_bytes = 0
        self._queued = [asyncio.Event() for _ in range(WAYS)]
        self._late: deque[tuple[Pull, Delivery]] = deque()
        self._late_bytes = 0
        self._some_late = asyncio.Event()
        self._prompt = asyncio.Lock()
        self._listening: dict[str, Subscription] = {}
        self._listen_anew = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Make the intake, then begin. Until this returns, no device may be let in. Raises BusUnavailable."""
        await ensure_intake(self._bus)
        await self._listen()
        self._profiles.on_change(self._listen_anew.set)
        self._tasks = [
            asyncio.create_task(self._follow(), name="mqtt-gateway"),
            *(asyncio.create_task(self._drain(way), name=f"mqtt-gateway-qos0-{way}") for way in range(WAYS)),
            asyncio.create_task(self._follow_late(), name="mqtt-gateway-late"),
            asyncio.create_task(self._keep_late(), name="mqtt-gateway-late-life"),
            asyncio.create_task(self._listen_on(), name="mqtt-gateway-topics"),
        ]

    async def close(self) -> None:
        """Stop; what was not committed is delivered again."""
        await stop(*self._tasks)

    async def take(
        self, messages: Sequence[Incoming], working: Working | None = None
    ) -> list[Unmappable | None]:
        """Return when each message is committed or kept among the unmapped: for each, None or why it was kept.

        For whoever brings messages from elsewhere. Insists while the broker cannot write; `working` is awaited now and
        then meanwhile. They are counted as messages of their devices.
        """
        if self._seen is not None:
            for message in messages:
                topic = message.topic
                self._seen(self._profiles.device_of(topic), topic, 1, len(message.payload), message.arrived)
        return await self._taking.take(messages, working)

    async def health(self) -> dict[str, Any]:
        """Counters of this process and the state of the intake that all workers share."""
        figures: dict[str, Any] = msgspec.structs.asdict(self.counters)
        figures["queued_qos0"] = sum(map(len, self._queues))
        figures["queued_late"] = len(self._late)
        try:
            figures["intake"] = msgspec.structs.asdict(await look(self._bus))
        except BusUnavailable as error:
            figures["intake"] = None
            figures["problem"] = str(error)
        return figures

    # QoS 1 and 2: from the stream

    async def _follow(self) -> None:
        in_vain = 0  # once, NATS may have been started again; that is no news
        while True:
            pull = Pull(self._bus, STREAM, CONSUMER, ahead=2 * BATCH)
            try:
                await pull.open()
                while True:
                    deliveries = await pull.batch(BATCH)
                    in_vain = 0
                    self.counters.received += len(deliveries)
                    self.counters.redelivered += sum(delivery.times > 1 for delivery in deliveries)
                    prompt, late = self._sorted(deliveries)
                    self._late.extend((pull, delivery) for delivery in late)
                    self._late_bytes += sum(len(delivery.payload) for delivery in late)
                    self._some_late.set()
                    if prompt:
                        async with self._prompt:
                            await self._take(pull, prompt)
                        if len(deliveries) < FEW:
                            await asyncio.sleep(_BREATH if len(deliveries) < _SEVERAL else _LONG_BREATH)
                    while len(self._late) > MOST_LATE or self._late_bytes > MOST_LATE_BYTES:
                        await self._take_late()
            except BusUnavailable as error:
                in_vain += 1
                _log.log(
                    logging.INFO if in_vain == 1 else logging.WARNING, "MQTT gateway: %s; begins again", error
                )
            except Exception:
                _log.exception("MQTT gateway: begins again")
            finally:
                await pull.close()
            await asyncio.sleep(1)
            try:
                await ensure_intake(self._bus)
            except BusUnavailable as error:
                _log.warning("MQTT gateway: no intake (%s)", error)

    async def _take(self, pull: Pull, deliveries: Sequence[Delivery]) -> None:
        # What waited here for too long was delivered again meanwhile, and may stand in one batch twice.
        messages = {message.delivery: message for message in map(_incoming, deliveries)}
        ways: list[list[Incoming]] = [[] for _ in range(WAYS if len(messages) > FEW else 1)]
        for message in messages.values():
            ways[hash(message.topic) % len(ways)].append(message)
        taken = await asyncio.gather(
            *(self._take_apart(way, some, lambda: pull.working(deliveries)) for way, some in enumerate(ways)),
            return_exceptions=True,
        )
        for outcome in taken:
            if isinstance(outcome, BaseException):
                raise outcome
        await pull.acknowledge(deliveries)

    async def _take_apart(self, way: int, messages: list[Incoming], working: Working) -> None:
        if way:
            await asyncio.sleep(0)  # the first is with the writer now, so this makes a transaction of its own
        if messages:
            await self._taking.take(messages, working)

    def _sorted(self, deliveries: list[Delivery]) -> tuple[list[Delivery], list[Delivery]]:
        """Those to be handled now, and those of devices that send more than they may."""
        if self._seen is None:
            return deliveries, []
        topics: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            topics.setdefault(delivery.subject, []).append(delivery)
        slow: set[str] = set()
        for subject, some in topics.items():
            topic = topic_of(subject.removeprefix(PREFIX))
            size = sum(len(delivery.payload) for delivery in some)
            # Of a backlog it is its own time that counts, not that in which it is worked off.
            first, last = some[0].at, some[-1].at
            if self._seen(self._profiles.device_of(topic), topic, len(some), size, first, last) is False:
                slow.add(subject)
        if not slow:
            return deliveries, []
        return (
            [delivery for delivery in deliveries if delivery.subject not in slow],
            [delivery for delivery in deliveries if delivery.subject in slow],
        )

    # QoS 1 and 2 of devices that flood: acknowledged to them already, so handled, but after the others

    async def _follow_late(self) -> None:
        while True:
            self._some_late.clear()
            if not self._late:
                await self._some_late.wait()
            try:
                try:
                    async with asyncio.timeout(_LATE_PATIENCE), self._prompt:
                        pass  # nobody else's messages are under way
                except TimeoutError:
                    pass
                await self._take_late()
            except Exception:
                _log.exception("MQTT gateway: messages of flooding devices come again")

    async def _take_late(self) -> None:
        some = [self._late.popleft() for _ in range(min(LATE_BATCH, len(self._late)))]
        self._late_bytes -= sum(len(delivery.payload) for _, delivery in some)
        for pull in dict.fromkeys(pull for pull, _ in some):
            await self._take(pull, [delivery for own, delivery in some if own is pull])

    async def _keep_late(self) -> None:
        """Tell the intake that what waits is not forgotten."""
        while True:
            await asyncio.sleep(_SIGN_OF_LIFE)
            waiting = list(self._late)
            for pull in dict.fromkeys(pull for pull, _ in waiting):
                await pull.working([delivery for own, delivery in waiting if own is pull])

    # QoS 0: from memory

    async def _listen(self) -> None:
        """Listen to what profiles read. Core NATS has every publication, of whatever QoS.

        Where two subjects have a message in common it comes once all the same: a queue gets it, not a subject.
        """
        subjects = {pattern.subject() for pattern in self._profiles.patterns()}
        for subject in subjects - self._listening.keys():
            self._listening[subject] = await self._bus.listen(
                subject, self._on_core_message, queue="gateways"
            )
        for subject in self._listening.keys() - subjects:
            await self._listening.pop(subject).unsubscribe()

    async def _listen_on(self) -> None:
        while True:
            await self._listen_anew.wait()
            self._listen_anew.clear()
            try:
                await self._listen()
            except (NatsError, BusUnavailable) as error:
                _log.warning("MQTT gateway: new topics are not listened to yet (%s)", error)
                await asyncio.sleep(1)
                self._listen_anew.set()

    def _on_core_message(self, message: Message) -> None:
        """Those of QoS 1 and 2 come through the stream; what has no QoS comes from no device."""
        if message.headers.get(QOS_HEADER) != "0":
            return
        topic = topic_of(message.subject)
        self.counters.received_qos0 += 1
        size = len(message.payload)
        if self._admits is not None and not self._admits(topic, size):
            self.counters.dropped_flood += 1
            return
        if self._seen is not None:
            self._seen(self._profiles.device_of(topic), topic, 1, size)
        way = hash(topic) % WAYS
        queue = self._queues[way]
        if sum(map(len, self._queues)) >= self._most_queued or self._queued_bytes + size > QUEUE_BYTES:
            self.counters.dropped_qos0 += 1
            return
        queue.append(Incoming(topic, message.payload, time.time_ns()))
        self._queued_bytes += size
        self._queued[way].set()

    async def _drain(self, way: int) -> None:
        queue, queued = self._queues[way], self._queued[way]
        while True:
            if not queue:
                queued.clear()
                await queued.wait()
            batch = [queue.popleft() for _ in range(min(BATCH, len(queue)))]
            try:
                await self._taking.take(batch)
            except Exception:
                _log.exception("MQTT gateway: %d messages of QoS 0 are lost", len(batch))
                self.counters.dropped_qos0 += len(batch)
            self._queued_bytes -= sum(len(message.payload) for message in batch)


def _incoming(delivery: Delivery) -> Incoming:
    return Incoming(
        topic_of(delivery.subject.removeprefix(PREFIX)),
        delivery.payload,
        delivery.at,
        f"{SOURCE}:{delivery.at}.{delivery.sequence}",
    )


__all__ = [
    "BATCH",
    "QUEUE",
    "Confirm",
    "Counters",
    "Door",
    "Flag",
    "Incoming",
    "MqttGateway",
    "Seen",
    "operations_of",
]
