"""Following a durable consumer: messages are asked for ahead, so that none waits for a timer.

The client library's own `fetch` waits for a full batch or its timeout; here whatever is there is taken.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from rhinecloud.bus.connection import Bus, BusUnavailable

_EXPIRES = 30.0  # seconds that a request for messages stands at the server
_HEARTBEAT = 3.0  # seconds between signs of life of a standing request
_SILENCE = 2.5 * _HEARTBEAT  # seconds without any sign after which a request counts as lost
_NO_HEADERS: Mapping[str, str] = {}
_log = logging.getLogger(__name__)


class Delivery(msgspec.Struct, frozen=True):
    """One message of a stream. `at` is when the stream stored it, in nanoseconds since 1970.

    `at` and `sequence` together name the message for good: each redelivery repeats both, and a stream that
    was thrown away and made again counts from 1, but not at the same nanosecond.
    """

    subject: str
    payload: bytes
    headers: Mapping[str, str]
    sequence: int
    at: int
    times: int  # how often it was delivered, this time included
    reply: str


class Pull:
    """The messages of a durable consumer, shared with whoever else follows it: each goes to one of them."""

    def __init__(self, bus: Bus, stream: str, consumer: str, *, ahead: int = 1_000) -> None:
        self._bus = bus
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = bus.client.new_inbox()
        self._ahead = ahead
        self._arrived: deque[Delivery] = deque()
        self._something = asyncio.Event()
        self._subscription: Subscription | None = None
        self._asked = 0
        self._heard = 0.0
        self._lost: str | None = None

    async def open(self) -> None:
        """Begin to receive."""
        self._subscription = await self._bus.client.subscribe(self._inbox, cb=self._receive)
        self._bus.on_reconnect(self._forget_requests)

    async def close(self) -> None:
        """Stop; what was not acknowledged is delivered again, here or elsewhere."""
        if self._subscription is not None and not self._bus.client.is_closed:
            await self._subscription.unsubscribe()
        self._subscription = None

    async def batch(self, most: int = 500) -> list[Delivery]:
        """What has arrived, at least one message and at most so many, in the order of the stream.

        Raises BusUnavailable when the consumer is not there any more, or NATS is not.
        """
        while not self._arrived:
            if self._lost is not None:
                lost, self._lost = self._lost, None
                raise BusUnavailable(lost)
            await self._ask()
            self._something.clear()
            try:
                async with asyncio.timeout(_HEARTBEAT):
                    await self._something.wait()
            except TimeoutError:
                if self._asked and time.monotonic() - self._heard > _SILENCE:
                    self._asked = 0
        taken = [self._arrived.popleft() for _ in range(min(most, len(self._arrived)))]
        await self._ask()
        return taken

    async def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Never deliver these again. If this is lost they come again, and are known by their sequence."""
        await self._answer(deliveries, b"+ACK")

    async def working(self, deliveries: Iterable[Delivery]) -> None:
        """Not done yet, but do not deliver these elsewhere for another while."""
        await self._answer(deliveries, b"+WPI")

    async def _answer(self, deliveries: Iterable[Delivery], answer: bytes) -> None:
        try:
            for delivery in deliveries:
                await self._bus.client.publish(delivery.reply, answer)
        except (NatsError, OSError) as error:
            _log.info("acknowledgements were not sent: %s", error or type(error).__name__)

    def _forget_requests(self) -> None:
        self._asked = 0
        self._something.set()

    async def _ask(self) -> None:
        room = self._ahead - len(self._arrived) - self._asked
        if room < self._ahead // 2 or not self._bus.connected:
            return
        request = {
            "batch": room,
            "expires": int(_EXPIRES * 1e9),
            "idle_heartbeat": int(_HEARTBEAT * 1e9),
        }
        self._asked += room
        self._heard = time.monotonic()
        try:
            await self._bus.client.publish(self._next, msgspec.json.encode(request), reply=self._inbox)
        except (NatsError, OSError) as error:
            self._asked = 0
            raise BusUnavailable(str(error)) from error

    async def _receive(self, message: Msg) -> None:
        self._heard = time.monotonic()
        headers = message.headers
        if not message.reply.startswith("$JS.ACK."):
            self._status(headers or {})
            return
        self._asked = max(0, self._asked - 1)
        # $JS.ACK.<stream>.<consumer>.<times>.<stream sequence>.<consumer sequence>.<time>.<pending>; servers
        # with domains put two tokens more behind ACK and one at the end.
        tokens = message.reply.split(".")
        fields = tokens[4:9] if len(tokens) == 9 else tokens[6:11]
        self._arrived.append(
            Delivery(
                message.subject,
                message.data,
                headers or _NO_HEADERS,
                sequence=int(fields[1]),
                at=int(fields[3]),
                times=int(fields[0]),
                reply=message.reply,
            )
        )
        self._something.set()

    def _status(self, headers: Mapping[str, Any]) -> None:
        """A standing request lives (100), ended (404, 408, 409) or found no consumer (503)."""
        status = headers.get("Status", "")
        if status == "100":
            return
        description = str(headers.get("Description", ""))
        left = headers.get("Nats-Pending-Messages")
        self._asked = max(0, self._asked - int(left)) if left else 0
        if status == "503" or "onsumer Deleted" in description:
            self._asked = 0
            reason, _, _ = f"{status} {description}".partition("\n")
            self._lost = f"the consumer is gone ({reason.strip()})"
        self._something.set()
