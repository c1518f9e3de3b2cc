"""The meter: how much each device sends, when it was last heard, and what is done about a device that floods.

A device above the limit is named (alarm `flood`), cut off and refused for a while that grows; what it sends with QoS 0
is dropped down to the limit and counted; its messages of QoS 1, which it has been promised, wait behind everybody
else's. Workers tell each other who comes near the limit, so that the sum counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from rhinecloud.broker import Unavailable
from rhinecloud.bus import Bus, BusUnavailable
from rhinecloud.tasks import stop

from .floods import WINDOW, Flood, Floods, Report, Tally

REPORTS = "wake.meter"  # devices cannot publish below "wake"
ALARM = "flood"
_TICK = 1.0  # seconds
_WRITE_EVERY = 10.0  # seconds between two writings of `seen_at`
_MOST_TOPICS = 10_000  # of flooding devices that are known at once
_AT_ONCE = 500  # reports in one message, devices in one statement
_log = logging.getLogger(__name__)


class Alarms(Protocol):
    """Where an alarm is raised."""

    async def raise_(self, device: str | None, kind: str, detail: Mapping[str, Any]) -> None:
        """Raise it, or count it."""
        ...


class Door(Protocol):
    """Who lets devices in."""

    async def disconnect(self, device: str, refuse_seconds: float) -> Any:
        """Cut a device off and refuse it for a while."""
        ...


Heard = Callable[[Mapping[str, datetime]], Awaitable[None]]
"""Writes when devices were last heard of (Registry.seen)."""


class _Refused(msgspec.Struct, frozen=True, array_like=True):
    talker: str
    topic: str
    times: int
    seconds: float
    reporters: int


class _Message(msgspec.Struct, frozen=True, array_like=True):
    worker: str
    reports: list[Report] = []
    refused: list[_Refused] = []


class _Slowed(msgspec.Struct):
    until: float
    limit: float  # messages a second of QoS 0 that this worker lets through
    credit: float = 0.0
    filled: float = 0.0


_decode = msgspec.msgpack.Decoder(_Message).decode
_encode = msgspec.msgpack.Encoder().encode


class Meter:
    """Counts in one worker. `limit` is in messages a second; 0 sets none."""

    def __init__(self, bus: Bus, heard: Heard, alarms: Alarms, door: Door | None, limit: int) -> None:
        self._bus = bus
        self._heard = heard
        self._alarms = alarms
        self._door = door
        self._limit = limit
        self._worker = secrets.token_hex(6)
        self._floods = Floods(limit, self._worker)
        self._tallies: dict[tuple[str, bool], Tally] = {}
        self._seen: dict[str, int] = {}
        self._slowed: dict[str, _Slowed] = {}
        self._topics: dict[str, str] = {}  # of slowed talkers
        self._hurry = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._acting: set[asyncio.Task[None]] = set()
        self._subscription: Subscription | None = None
        self._messages = 0
        self._bytes = 0
        self._talkers = 0
        self.dropped_qos0 = 0
        self.floods = 0

    async def open(self) -> None:
        """Begin. Raises BusUnavailable."""
        try:
            self._subscription = await self._bus.subscribe(REPORTS, self._on_reports)
        except (NatsError, OSError) as error:
            raise BusUnavailable(str(error) or type(error).__name__) from error
        self._tasks = [
            asyncio.create_task(self._tick(), name="meter"),
            asyncio.create_task(self._write(), name="meter-seen"),
        ]

    async def close(self) -> None:
        """Stop, and write when devices were last heard."""
        if self._subscription is not None:
            with contextlib.suppress(NatsError, OSError):
                await self._subscription.unsubscribe()
        await stop(*self._tasks, *self._acting)
        self._fold()
        try:
            async with asyncio.timeout(2):
                await self._write_seen()
        except Unavailable:
            _log.info("when devices were last heard was not written")

    def health(self) -> dict[str, Any]:
        """Figures for the health page."""
        return {
            "messages": self._messages,
            "message_bytes": self._bytes,
            "talkers": self._talkers,
            "floods": self.floods,
            "flooding": ", ".join(sorted(self._slowed)[:5]) or None,
            "dropped_of_floods": self.dropped_qos0,
        }

    # What the gateways tell and ask

    def seen(
        self,
        device: str | None,
        topic: str,
        n: int,
        size: int,
        at: int | None = None,
        until: int | None = None,
    ) -> bool:
        """Count `n` messages of `size` bytes together, that came at `at`, or from `at` to `until` (nanoseconds since
        1970; now if None).

        Returns whether the device keeps to its limit.
        """
        talker = topic if device is None else device
        first = at or time.time_ns()
        tally = self._count(talker, device is not None, topic, n, size, first, until or first)
        if talker in self._slowed:
            self._learn(topic, talker)
            return False
        if self._limit and tally.n > self._limit * WINDOW and self._floods.too_much(tally):
            self._slow(talker, topic, self._limit)
            self._hurry.set()
            return False
        return True

    def is_slowed(self, topic: str) -> bool:
        """Whether a topic belongs to a device that floods: its messages wait behind everybody else's."""
        return topic in self._topics

    def slowed_for(self, device: str) -> float:
        """Seconds for which a device counts as flooding at least; 0.0 for all others."""
        slowed = self._slowed.get(device)
        return max(0.0, slowed.until - time.monotonic()) if slowed else 0.0

    def admits(self, topic: str, size: int) -> bool:
        """Whether a message of QoS 0 is taken in. One that is not is counted here; it shall not be `seen`."""
        talker = self._topics.get(topic)
        slowed = self._slowed.get(talker) if talker is not None else None
        if talker is None or slowed is None:
            return True
        now = time.monotonic()
        slowed.credit = min(slowed.limit, slowed.credit + (now - slowed.filled) * slowed.limit)
        slowed.filled = now
        if slowed.credit >= 1:
            slowed.credit -= 1
            return True
        self.dropped_qos0 += 1
        arrived = time.time_ns()
        self._count(talker, talker != topic, topic, 1, size, arrived, arrived)
        return False

    def _count(
        self, talker: str, is_device: bool, topic: str, n: int, size: int, first: int, last: int
    ) -> Tally:
        tally = self._tallies.get((talker, is_device))
        if tally is None:
            tally = self._tallies[talker, is_device] = Tally()
        tally.add(n, size, first, last, topic)
        return tally

    # Floods

    def _slow(self, talker: str, topic: str, limit: float) -> None:
        slowed = self._slowed.get(talker)
        until = time.monotonic() + WINDOW
        if slowed is None:
            self.floods += 1
            self._slowed[talker] = _Slowed(until, limit, filled=time.monotonic())
        else:
            slowed.until, slowed.limit = until, limit
        self._learn(topic, talker)

    def _learn(self, topic: str, talker: str) -> None:
        if len(self._topics) < _MOST_TOPICS:
            self._topics[topic] = talker

    async def _tick(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._hurry.wait()
            self._hurry.clear()
            try:
                await self._tell(self._fold())
                self._judge()
            except Exception:
                _log.exception("meter")

    def _fold(self) -> list[Report]:
        """What was counted since the last time; the reports that are worth telling."""
        tallies, self._tallies = self._tallies, {}
        self._talkers = len(tallies)
        reports = []
        for (talker, is_device), tally in tallies.items():
            self._messages += tally.n
            self._bytes += tally.size
            if is_device:
                self._seen[talker] = max(tally.last, self._seen.get(talker, 0))
            if self._limit and self._floods.is_worth_telling(tally):
                reports.append(Report(talker, is_device, tally.n, tally.first, tally.last, tally.topic))
        return reports

    async def _tell(self, reports: list[Report]) -> None:
        for start in range(0, len(reports), _AT_ONCE):
            await self._publish(_Message(self._worker, reports[start : start + _AT_ONCE]))

    async def _publish(self, message: _Message) -> None:
        try:
            await self._bus.client.publish(REPORTS, _encode(message))
        except (NatsError, OSError):
            _log.debug("a report of the meter was lost")

    async def _on_reports(self, payload: bytes) -> None:
        """What any worker tells, this one included."""
        try:
            message = _decode(payload)
        except msgspec.MsgspecError:
            _log.warning("something that is no report came on %s", REPORTS)
            return
        now = time.monotonic()
        for report in message.reports:
            self._floods.add(message.worker, report, now)
        for one in message.refused:
            if (
                one.talker not in self._slowed
            ):  # here it was not found yet, and what it was found by is settled now
                self._slow(one.talker, one.topic, self._limit / one.reporters)
            self._floods.refused(one.talker, one.times, one.seconds, now)
        if message.reports:
            self._judge()

    def _judge(self) -> None:
        now = time.monotonic()
        for flood in self._floods.found(now, time.time()):
            self._slow(flood.talker, flood.topic, self._limit / flood.reporters)
            if flood.acts:
                times, seconds = self._floods.next_refusal(flood.talker, now)
                self._floods.refused(flood.talker, times, seconds, now)
                acting = asyncio.create_task(
                    self._act(flood.talker if flood.is_device else None, flood, times, seconds),
                    name="meter-flood",
                )
                self._acting.add(acting)
                acting.add_done_callback(self._acting.discard)
        ended = {talker for talker, slowed in self._slowed.items() if slowed.until <= now}
        if ended:
            self._slowed = {t: slowed for t, slowed in self._slowed.items() if t not in ended}
            self._topics = {topic: t for topic, t in self._topics.items() if t not in ended}

    async def _act(self, device: str | None, flood: Flood, times: int, seconds: float) -> None:
        """Name it, and cut it off; of a flood that is long over only the name is told."""
        told = _Refused(flood.talker, flood.topic, times, seconds, flood.reporters)
        await self._publish(_Message(self._worker, refused=[told]))
        refused = device is not None and flood.fresh and self._door is not None
        detail = {
            "messages_per_second": round(flood.rate, 1),
            "limit": self._limit,
            "topic": flood.topic,
            "refused_seconds": seconds if refused else 0,
        }
        _log.warning("%s floods: %s", flood.talker, detail)
        try:
            if refused and device is not None and self._door is not None:
                await self._door.disconnect(device, seconds)
        except (BusUnavailable, *Unavailable) as error:
            _log.warning("%s was not cut off: %s", device, error or type(error).__name__)
        try:
            await self._alarms.raise_(device, ALARM, detail)
        except Unavailable as error:
            _log.warning("the flood of %s was not written: %s", flood.talker, error or type(error).__name__)

    # When devices were last heard

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(_WRITE_EVERY)
            try:
                await self._write_seen()
            except Unavailable as error:
                _log.warning("when devices were last heard waits: %s", error or type(error).__name__)
            except Exception:
                _log.exception("meter")

    async def _write_seen(self) -> None:
        seen, self._seen = self._seen, {}
        ids = sorted(seen)
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            try:
                await self._heard(
                    {device: datetime.fromtimestamp(seen[device] / 1e9, UTC) for device in some}
                )
            except BaseException:
                for device in ids[start:]:
                    self._seen[device] = max(seen[device], self._seen.get(device, 0))
                raise
