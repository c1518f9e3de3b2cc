"""The door for devices: NATS asks at each MQTT sign-in who that is and what it may do, and workers answer.

The question (auth call-out) goes to `$SYS.REQ.USER.AUTH`; of all workers one gets it. The answer is signed with the
issuer's key and names the topics. What it grants holds until the connection ends: `disconnect` ends it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from rhinecloud import tasks
from rhinecloud.bus import Bus, BusUnavailable, Message
from rhinecloud.gateways.devices.alarms import Alarms
from rhinecloud.gateways.devices.connections import Connections
from rhinecloud.gateways.devices.grants import Grant
from rhinecloud.nkeys import KeyPair, claims_of
from rhinecloud.store import Unavailable

SUBJECT = "$SYS.REQ.USER.AUTH"
REFUSALS = "wake.door"  # workers tell each other here whom not to let in
_AT_ONCE = 32  # questions that are answered at once, as far as they wait for the database
_PATIENCE = 8.0  # seconds after which the server (10) will hardly wait for the answer any more
_MOST_WAITING = 50_000
_MOST_NOTES = 500  # alarms on their way to the database
_ROUNDS = 20  # of a thousand connections that one device may have had
_SECOND_LOOK = 1.0  # seconds after which who was just being let in is seen
# What the server makes for a client without an identifier, and what mosquitto's clients make: too long to be guessed.
_DRAWN = re.compile(r"[0-9A-Za-z]{22}|mosq-[0-9A-Za-z]{18}")
_log = logging.getLogger(__name__)


class Verifier(Protocol):
    """Who knows the devices."""

    async def verify(self, username: str, password: str) -> Grant | None:
        """What the device may do that signs in so; None if it may not sign in. May raise store.Unavailable."""
        ...


class Counters(msgspec.Struct):
    """What happened in this process since it started."""

    asked: int = 0
    granted: int = 0
    wrong: int = 0  # name or password
    wrong_client_id: int = 0
    refused: int = 0  # on `disconnect`'s word
    unavailable: int = 0  # nobody knew: the database was away
    late: int = 0
    disconnected: int = 0


class Door:
    """Answers for devices in one worker."""

    def __init__(
        self,
        bus: Bus,
        verifier: Verifier,
        issuer: KeyPair,
        alarms: Alarms | None = None,
        connections: Connections | None = None,
        *,
        account: str = "$G",
    ) -> None:
        """`account`: the NATS account that devices are put in. Without `connections` nobody is cut off."""
        self._bus = bus
        self._verifier = verifier
        self._issuer = issuer
        self._alarms = alarms
        self._connections = connections
        self._account = account
        self._waiting: deque[tuple[bytes, str, float]] = deque()
        self._something = asyncio.Semaphore(0)
        self._refused: dict[str, float] = {}
        self._subscriptions: list[Subscription] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._beside: set[asyncio.Task[None]] = set()
        self.counters = Counters()

    async def open(self) -> None:
        """Begin to answer. Raises BusUnavailable."""
        self._tasks = [asyncio.create_task(self._serve(), name=f"door-{n}") for n in range(_AT_ONCE)]
        try:
            self._subscriptions = [
                await self._bus.listen(REFUSALS, self._on_refusal),
                await self._bus.client.subscribe(SUBJECT, queue="door", cb=self._on_question),
            ]
            # A worker that just came knows of no refusal: the others tell.
            await self._bus.client.publish(REFUSALS, b"{}")
        except (NatsError, OSError) as error:
            raise BusUnavailable(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Take no more questions, answer those that wait, stop."""
        for subscription in self._subscriptions:
            try:
                await subscription.unsubscribe()
            except (NatsError, OSError):
                _log.debug("the door closes without NATS")
        deadline = time.monotonic() + 1
        while self._waiting and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        await tasks.stop(*self._tasks, *self._beside)

    def health(self) -> dict[str, Any]:
        """Figures for the health page."""
        return {**msgspec.structs.asdict(self.counters), "waiting": len(self._waiting)}

    # Sending away

    async def disconnect(self, device: str, refuse_seconds: float = 0.0) -> int:
        """End a device's connections, and let it in again only after `refuse_seconds`, at whichever worker.

        Returns how many connections were ended; without access to the system account that is none, and only the
        refusal holds. Raises BusUnavailable.
        """
        if refuse_seconds > 0:
            self._refuse(device, refuse_seconds)
        try:
            await self._bus.client.publish(REFUSALS, _told({device: refuse_seconds}))
            # nats-py writes the PING of a flush past what waits to be written: the second one comes after it.
            for _ in range(2):
                await self._bus.client.flush(timeout=3)
        except (NatsError, OSError, TimeoutError) as error:
            raise BusUnavailable(str(error) or type(error).__name__) from error
        if self._connections is None:
            _log.warning("%s cannot be cut off: there is no access to NATS' system account", device)
            return 0
        ended = await self._end(device)
        self._spawn(self._end_later(device))
        return ended

    async def _end(self, device: str) -> int:
        assert self._connections is not None
        ended: set[tuple[str, int]] = set()
        for _ in range(_ROUNDS):
            found = [one for one in await self._connections.of(device) if (one.server, one.cid) not in ended]
            if not found:
                break
            await self._connections.end(found)
            ended |= {(one.server, one.cid) for one in found}
        self.counters.disconnected += len(ended)
        return len(ended)

    async def _end_later(self, device: str) -> None:
        """Whoever was granted entry in the very moment of the refusal is not on the first list."""
        await asyncio.sleep(_SECOND_LOOK)
        if device in self._refused:
            await self._end(device)

    def _refuse(self, device: str, seconds: float) -> None:
        now = time.monotonic()
        self._refused = {name: until for name, until in self._refused.items() if until > now}
        if seconds > 0:
            self._refused[device] = now + seconds
        else:
            self._refused.pop(device, None)

    def _is_refused(self, device: str) -> bool:
        return self._refused.get(device, 0.0) > time.monotonic()

    def _on_refusal(self, message: Message) -> None:
        told = msgspec.json.decode(message.payload, type=dict[str, float])
        for device, seconds in told.items():
            if seconds > 0:
                self._refuse(device, max(seconds, self._refused.get(device, 0.0) - time.monotonic()))
        if not told and self._refused:
            now = time.monotonic()
            left = {device: until - now for device, until in self._refused.items() if until > now}
            self._spawn(self._publish(REFUSALS, _told(left)))

    # Answering

    async def _on_question(self, message: Any) -> None:
        self.counters.asked += 1
        if len(self._waiting) >= _MOST_WAITING:
            self.counters.late += 1
            return
        self._waiting.append((message.data, message.reply, time.monotonic()))
        self._something.release()

    async def _serve(self) -> None:
        while True:
            await self._something.acquire()
            token, reply, since = self._waiting.popleft()
            if time.monotonic() - since > _PATIENCE:
                self.counters.late += (
                    1  # the device asks again; an answer to nobody would only delay the others
                )
                continue
            try:
                answer = await self._answer(token)
                await self._bus.client.publish(reply, answer.encode())
            except (NatsError, OSError) as error:
                _log.info("an answer to a sign-in was not sent: %s", error or type(error).__name__)
            except Exception:
                _log.exception("a sign-in was not answered")

    async def _answer(self, token: bytes) -> str:
        question = claims_of(token, _Question).nats
        granted: Grant | str
        try:
            granted = await self._decide(question)
        except Unavailable as error:
            self.counters.unavailable += 1
            _log.warning("nobody can sign in: %s", error or type(error).__name__)
            granted = "nobody knows at the moment"
        now = int(time.time())
        verdict: dict[str, Any] = {"type": "authorization_response", "version": 2}
        if isinstance(granted, str):
            verdict["error"] = granted
        else:
            self.counters.granted += 1
            verdict["jwt"] = self._issuer.sign(
                {
                    "iat": now,
                    "sub": question.user_nkey,
                    "aud": self._account,
                    "name": granted.device,  # by this name the server logs it, and `Connections` finds it
                    "nats": {
                        **granted.permissions(),
                        **{"subs": -1, "data": -1, "payload": -1},
                        **{"type": "user", "version": 2, "allowed_connection_types": ["MQTT", "MQTT_WS"]},
                    },
                }
            )
        return self._issuer.sign(
            {"iat": now, "sub": question.user_nkey, "aud": question.server_id.id, "nats": verdict}
        )

    async def _decide(self, question: _SignIn) -> Grant | str:
        """What is granted, or in words for the server's log why nothing is."""
        client, options = question.client_info, question.connect_opts
        if client.type != "mqtt":
            return "devices speak MQTT"
        if self._is_refused(options.user):
            self.counters.refused += 1
            return "refused for a while"
        grant = await self._verifier.verify(options.user, options.password)
        where = {"address": client.host, "client": client.mqtt_id}
        if grant is None:
            self.counters.wrong += 1
            self._note(options.user[:128], "sign_in", where, known_only=True)
            return "wrong name or password"
        if not may_use(grant.device, client.mqtt_id):
            self.counters.wrong_client_id += 1
            self._note(grant.device, "client_id", where)
            return f"device {grant.device} may not call itself {client.mqtt_id}"
        if self._is_refused(grant.device):
            self.counters.refused += 1
            return "refused for a while"
        return grant

    # Beside

    def _note(self, device: str, kind: str, detail: Mapping[str, Any], *, known_only: bool = False) -> None:
        if self._alarms is None or len(self._beside) >= _MOST_NOTES:
            return
        if known_only:
            detail = {**detail, "name": device}
        self._spawn(self._raise(self._alarms, device, kind, detail, known_only))

    async def _raise(
        self, alarms: Alarms, device: str, kind: str, detail: Mapping[str, Any], known_only: bool
    ) -> None:
        await alarms.raise_(device, kind, detail, known_only=known_only)

    async def _publish(self, subject: str, payload: bytes) -> None:
        await self._bus.client.publish(subject, payload)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work, name="door-beside")
        self._beside.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._beside.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("the door could not do what it wanted: %s", error or type(error).__name__)


def may_use(device: str, client: str) -> bool:
    """Whether an MQTT client identifier is the device's own.

    It is the device's id, with `/` for each `.` (which NATS refuses), or that with `~` and anything behind. Whoever
    connects with another's identifier would end the other's connection and take over its session. What is drawn at
    random is nobody's: it cannot be guessed. For this reason an id that looks drawn needs `~` and something behind.
    """
    own = device.replace(".", "/")
    if _DRAWN.fullmatch(client):
        return True
    return client == own or client.startswith(own + "~")


def _told(refusals: Mapping[str, float]) -> bytes:
    return msgspec.json.encode(refusals)


# The question, as far as it is read.


class _Server(msgspec.Struct):
    id: str


class _Client(msgspec.Struct):
    type: str = ""
    host: str = ""
    mqtt_id: str = ""


class _Options(msgspec.Struct):
    user: str = ""
    password: str = msgspec.field(default="", name="pass")


class _SignIn(msgspec.Struct):
    server_id: _Server
    user_nkey: str
    client_info: _Client
    connect_opts: _Options


class _Question(msgspec.Struct):
    nats: _SignIn
