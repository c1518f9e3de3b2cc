"""What becomes of messages, whichever way they came: into the graph, or among the unmapped with the reason."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from rhinecloud.broker import Applied, Operation, Overloaded, Unavailable, UnmappedMessage, Verdict
from rhinecloud.gateways.profiles import Confirmation, FixedProfiles, Mapped, Moments, Unmappable
from rhinecloud.gateways.profiles.plain_json import MAX_PAYLOAD

SOURCE = "mqtt"
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between attempts while the broker cannot write
_KEEPING = 500  # unmapped messages that are kept in one statement
_CONFIRMING = 8  # confirmations that are told at once
_FLAG_AGAIN = 60.0  # seconds for which a device whose clock lies is not flagged again
_FLAGS_KEPT = 20_000
MOST_KEPT = MAX_PAYLOAD + 1  # bytes: too large for a profile also when it is tried again
_log = logging.getLogger(__name__)

Working = Callable[[], Awaitable[None]]


class Door(Protocol):
    """The broker, as far as a gateway needs it."""

    async def apply(self, operations: Sequence[Operation]) -> list[Verdict]:
        """A verdict for each operation, after the commit."""
        ...

    async def keep(self, messages: Sequence[UnmappedMessage]) -> None:
        """Keep messages that could not be mapped."""
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
    """A message on its way in. `arrived` is in nanoseconds since 1970; QoS 0 has no `delivery`.

    A `delivery` names a message for good: the same one again changes nothing.
    """

    topic: str
    payload: bytes
    arrived: int
    delivery: str | None = None
    source: str = SOURCE


class Counters(msgspec.Struct):
    """What happened in this process since it started."""

    received: int = 0
    received_qos0: int = 0
    dropped_qos0: int = 0
    dropped_flood: int = 0
    redelivered: int = 0
    applied: int = 0
    duplicates: int = 0
    history_only: int = 0
    ignored: int = 0
    confirmations: int = 0
    unmapped: int = 0
    retries: int = 0


class Taking:
    """Maps messages and hands them to the broker; insists while it cannot write."""

    def __init__(
        self,
        broker: Door,
        profiles: FixedProfiles,
        counters: Counters,
        *,
        confirm: Confirm | None = None,
        flag: Flag | None = None,
    ) -> None:
        self._broker = broker
        self._profiles = profiles
        self.counters = counters
        self.confirm = confirm
        self.flag = flag
        self._flagged: dict[str, float] = {}
        self._moments = Moments()

    async def take(
        self, messages: Sequence[Incoming], working: Working | None = None
    ) -> list[Unmappable | None]:
        """Return when each message is committed or kept among the unmapped: for each, None or why it was kept.

        `working` is awaited now and then while the broker cannot write.
        """
        working = working or _nothing
        outcome: list[Unmappable | None] = [None] * len(messages)
        operations: list[Operation] = []
        origins: list[int] = []
        confirmations: list[Confirmation] = []
        for index, message in enumerate(messages):
            try:
                mapped = self.map(message)
            except Unmappable as error:
                outcome[index] = error
                continue
            except Exception as error:
                # A fault of ours. Raised, it would come again with each redelivery and keep out all the others.
                _log.exception("gateway: a message of %r cannot be read", message.topic)
                outcome[index] = unreadable(error)
                continue
            made = operations_of(mapped, message.delivery)
            operations += made
            origins += [index] * len(made)
            confirmations += mapped.confirmations
            self.counters.ignored += not made and not mapped.confirmations
        for index, verdict in zip(origins, await self._apply(operations, working), strict=True):
            if isinstance(verdict, Applied):
                self.counters.duplicates += verdict.duplicate
                self.counters.applied += not verdict.duplicate
                self.counters.history_only += bool(verdict.history_only)
            elif outcome[index] is None:
                outcome[index] = self._refused(messages[index], str(verdict))
        kept = [index for index, error in enumerate(outcome) if error is not None]
        for start in range(0, len(kept), _KEEPING):
            some = kept[start : start + _KEEPING]
            await self._keep([(messages[index], outcome[index]) for index in some], working)
        for start in range(0, len(confirmations), _CONFIRMING):
            some_told = confirmations[start : start + _CONFIRMING]
            await asyncio.gather(*(self._confirm(one, working) for one in some_told))
        return outcome

    def map(self, message: Incoming) -> Mapped:
        """What a message says. Raises Unmappable."""
        arrival = self._profiles.arrival_at(self._moments, message.arrived)
        return self._profiles.read_at(message.topic, message.payload, arrival)

    def _refused(self, message: Incoming, reason: str) -> Unmappable:
        """What the profile could read, and the graph did not take."""
        mapped = self.map(message)
        return Unmappable(reason, "refused", mapped.device, mapped.profile)

    async def _apply(self, operations: list[Operation], working: Working) -> Sequence[Verdict | Exception]:
        if not operations:
            return []
        try:
            return list(await self._insist(lambda: self._broker.apply(operations), working))
        except Exception as error:
            # Something in them breaks the whole statement: halve until it stands alone, and keep that one.
            if len(operations) == 1:
                _log.exception("gateway: an operation on %s fails", operations[0].entity_id)
                return [error]
            half = len(operations) // 2
            return [
                *await self._apply(operations[:half], working),
                *await self._apply(operations[half:], working),
            ]

    async def _keep(self, refused: Sequence[tuple[Incoming, Unmappable | None]], working: Working) -> None:
        messages = [
            unmapped_message(
                self._profiles, message.source, message, error, self._moments.at(message.arrived)[0]
            )
            for message, error in refused
            if error is not None
        ]
        try:
            await self._insist(lambda: self._broker.keep(messages), working)
        except Exception:
            if len(refused) > 1:
                half = len(refused) // 2
                await self._keep(refused[:half], working)
                await self._keep(refused[half:], working)
                return
            _log.exception("gateway: lost an unmapped message of %r", refused[0][0].topic)
        self.counters.unmapped += len(messages)
        for _, error in refused:
            if error is not None and error.kind == "clock":
                await self._flag_clock(error)

    async def _flag_clock(self, error: Unmappable) -> None:
        """Name a device whose clock lies; once a minute, for it lies with each message."""
        device = error.device or ""
        now = time.monotonic()
        if self.flag is None or now - self._flagged.get(device, -_FLAG_AGAIN) < _FLAG_AGAIN:
            return
        if len(self._flagged) >= _FLAGS_KEPT:
            self._flagged.clear()
        self._flagged[device] = now
        try:
            await self.flag(error.device, "clock", {"reason": str(error), "profile": error.profile})
        except (*Unavailable, Overloaded) as gone:
            self._flagged.pop(device, None)
            _log.warning("gateway: the clock of %s lies, and no alarm could be raised (%s)", device, gone)

    async def _confirm(self, confirmation: Confirmation, working: Working) -> None:
        self.counters.confirmations += 1
        if self.confirm is None:
            return
        confirm = self.confirm
        try:
            await self._insist(lambda: confirm(confirmation), working)
        except Exception:
            _log.exception("gateway: a confirmation of %s is lost", confirmation.device)

    async def _insist(self, attempt: Callable[[], Awaitable[Any]], working: Working) -> Any:
        """Try until the broker can write. What is wrong with the request itself is raised."""
        failures = 0
        while True:
            try:
                return await attempt()
            except (*Unavailable, Overloaded) as error:
                if failures in (0, 100):
                    _log.warning(
                        "gateway: the broker cannot write (%s); waits", error or type(error).__name__
                    )
                self.counters.retries += 1
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1
                await working()


class _Message(Protocol):
    """What keeping needs to know of a message."""

    @property
    def topic(self) -> str: ...

    @property
    def payload(self) -> bytes: ...

    @property
    def delivery(self) -> str | None: ...


def unmapped_message(
    profiles: FixedProfiles, source: str, message: _Message, error: Unmappable, arrived: datetime
) -> UnmappedMessage:
    """A message as it is kept: of a payload that no profile would read, for it is too large, the beginning."""
    size, reason = len(message.payload), str(error)
    if size > MOST_KEPT:
        reason = f"{reason}; of its {size} bytes the first {MOST_KEPT} are kept"
    return UnmappedMessage(
        source=source,
        topic=message.topic,
        payload=message.payload[:MOST_KEPT],
        reason=reason,
        kind=error.kind,
        delivery=message.delivery,
        profile=error.profile,
        pattern=profiles.filter_of(message.topic),
        device=error.device or profiles.device_of(message.topic),
        arrived=arrived,
    )


def unreadable(fault: Exception) -> Unmappable:
    """Why a message was kept at which our own reading fails."""
    return Unmappable(f"reading it failed: {type(fault).__name__}: {fault}", "payload")


def operations_of(mapped: Mapped, delivery: str | None) -> list[Operation]:
    """The operations that a message asks for.

    Each has a delivery of its own, so that one that is refused does not make the others come twice.
    """
    measurements = mapped.measurements
    if len(measurements) == 1:
        (one,) = measurements
        return [Operation("measure", one.entity_id, one.types, attributes=one.attributes, delivery=delivery)]
    return [
        Operation(
            "measure",
            one.entity_id,
            one.types,
            attributes=one.attributes,
            delivery=delivery if delivery is None else f"{delivery}.{index}",
        )
        for index, one in enumerate(measurements)
    ]


async def _nothing() -> None:
    return None
