"""Commands: what is wanted of devices, told to them until they confirm it or its time is over.

What is wanted stands in PostgreSQL; a worker that is killed leaves nothing behind. One worker of all is elected to
send. Each row is published while it is locked, and a newer version locks the older row before it takes its place: so
an older version is never published after a newer one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import asyncpg
import msgspec
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from rhinecloud import tasks
from rhinecloud.broker.office import hold
from rhinecloud.bus import Bus, BusUnavailable
from rhinecloud.bus.intake import subject_of
from rhinecloud.gateways.devices import wanted as steps
from rhinecloud.gateways.devices.registry import levels_of
from rhinecloud.gateways.devices.wanted import Wanted
from rhinecloud.model import BadRequestData, ResourceNotFound
from rhinecloud.store import Database, Unavailable, devices, intake, wanted
from rhinecloud.store.intake import storable

DEFAULT_TIMEOUT = 86_400.0  # seconds
LONGEST_TIMEOUT = 30 * 86_400.0
_LARGEST = 64 * 1024  # bytes of JSON
_WAKE = "commands"
_AT_ONCE = 200  # rows in one transaction
_LOOK_EVERY = 5.0  # seconds, if no wake-up comes
_GATHER = 0.5  # seconds for which news of devices are gathered
_FLUSH = 3.0  # seconds until NATS has to have taken what was published
_KEEP_DAYS = 90  # days for which ended wanted states are kept
_EXPIRED_DAYS = 30  # days after which expired secrets are forgotten
_TIDY_EVERY = 3_600.0  # seconds
_log = logging.getLogger(__name__)


class Confirmation(Protocol):
    """What a device says of a wanted state."""

    @property
    def device(self) -> str:
        """Its id."""
        ...

    @property
    def version(self) -> int | None:
        """Which version it means; None where it only reports what is so."""
        ...

    @property
    def result(self) -> str:
        """done or failed."""
        ...

    @property
    def detail(self) -> str:
        """What it says besides."""
        ...

    @property
    def reported(self) -> Mapping[str, Any]:
        """What is so now."""
        ...


class Profile(Protocol):
    """What a command needs of a profile."""

    def told(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """These values in the words of the device."""
        ...

    def commands(
        self,
        device: str,
        type: str,
        version: int,
        values: Mapping[str, Any],
        captured: Mapping[str, str] = ...,
    ) -> list[tuple[str, bytes]]:
        """The messages that ask for these values."""
        ...


class Profiles(Protocol):
    """The profiles of the city."""

    def get(self, name: str) -> Profile | None:
        """A profile, or None."""
        ...


Raise = Callable[[str | None, str, dict[str, Any]], Awaitable[None]]


class Commands:
    """What is wanted of the devices of a tenant. Every worker has one; of all, one sends."""

    def __init__(
        self, database: Database, bus: Bus, profiles: Profiles, *, alarm: Raise | None = None
    ) -> None:
        self._database = database
        self._bus = bus
        self._profiles = profiles
        self._alarm = alarm
        self._wake = asyncio.Event()
        self._heard: set[str] = set()
        self._connected: set[str] = set()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self.sending = False  # whether this worker is elected
        self.sent = 0  # messages that this worker published

    async def open(self) -> None:
        """Stand for election, and begin to listen to news of devices."""
        await self._bus.on_wake(_WAKE, self._wake.set)
        self._tasks = [
            asyncio.create_task(hold(self._database, "commands", self._reign, again=1.0), name="commands"),
            asyncio.create_task(self._gather(), name="commands-news"),
        ]

    async def close(self) -> None:
        """Stop; another worker is elected."""
        await tasks.stop(*self._tasks)

    # Those who want

    async def want(
        self, device: str, values: Mapping[str, Any], *, timeout_seconds: float = DEFAULT_TIMEOUT, actor: str
    ) -> Wanted:
        """Want a state of a device, from now on instead of what was wanted before.

        Times out after `timeout_seconds`. Raises ResourceNotFound, and BadRequestData if the device takes no commands.
        """
        async with self._database.transaction() as connection:
            one = await self.want_in(connection, device, values, timeout_seconds=timeout_seconds, actor=actor)
        await self.wake()
        return one

    async def want_in(
        self,
        connection: asyncpg.Connection,
        device: str,
        values: Mapping[str, Any],
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT,
        actor: str,
    ) -> Wanted:
        """`want` in a transaction of the caller's, who calls `wake` when it has committed. The device is locked until
        then: who wants something of many takes them in the order of their ids."""
        now = datetime.now(UTC)
        if not values:
            raise BadRequestData("at least one value is wanted", field="/set")
        if not 1 <= timeout_seconds <= LONGEST_TIMEOUT:
            raise BadRequestData(
                f"a time-out is between 1 and {LONGEST_TIMEOUT:.0f} seconds", field="/timeout_seconds"
            )
        if len(msgspec.json.encode(values)) > _LARGEST:
            raise BadRequestData(f"what is wanted has {_LARGEST} bytes of JSON at most", field="/set")
        last = await wanted.last_version(connection, device)
        if last is None:
            raise ResourceNotFound(f"there is no device {device}")
        version = steps.next_version(last, now)
        told = await self._check(connection, device, version, values)
        one = Wanted(
            device=device,
            version=version,
            wanted=dict(values),
            actor=actor,
            created_at=now,
            next_at=now,
            due_at=now + timedelta(seconds=timeout_seconds),
            detail={} if told == values else {"told": told},
        )
        older = await wanted.lock_open(connection, [device])
        await _write(connection, [steps.superseded(_state(row), now, version) for row in older])
        await wanted.insert(connection, _row(one))
        await intake.audit(
            connection, actor, "device.want", device, {"version": version, "set": dict(values)}
        )
        return one

    async def wake(self) -> None:
        """Something is wanted: the worker that sends need not wait for its next look."""
        await self._bus.wake(_WAKE)

    async def latest(self, devices: Sequence[str]) -> dict[str, Wanted]:
        """What was wanted last of each of these devices of which anything ever was."""
        rows = await wanted.latest(self._database.pool, devices)
        return {row.device: _state(row) for row in rows}

    async def history(self, device: str, *, before: int | None = None, limit: int = 20) -> list[Wanted]:
        """What was and is wanted of a device, newest first. Raises ResourceNotFound."""
        if await devices.read(self._database.pool, device) is None:
            raise ResourceNotFound(f"there is no device {device}")
        return [_state(row) for row in await wanted.page(self._database.pool, device, before, limit)]

    async def get(self, device: str, version: int) -> Wanted:
        """One wanted state. Raises ResourceNotFound."""
        row = await wanted.read(self._database.pool, device, version)
        if row is None:
            raise ResourceNotFound(f"nothing with version {version} was wanted of a device {device}")
        return _state(row)

    async def health(self) -> dict[str, Any]:
        """Figures of this worker and of all that is open. Raises one of store.Unavailable."""
        found = await wanted.figures(self._database.pool)
        return {"sending_here": self.sending, "sent_here": self.sent, **found}

    # What devices say

    async def confirm(self, confirmation: Confirmation) -> None:
        """A device says what became of a version, or what is so. Raises one of store.Unavailable; whatever else it
        says changes nothing."""
        version = confirmation.version
        said, reported = storable(confirmation.detail), _storable(confirmation.reported)
        async with self._database.transaction() as connection:
            if version is None:
                rows = await wanted.lock_open(connection, [confirmation.device])
            else:
                row = await wanted.lock_one(connection, confirmation.device, version)
                rows = [] if row is None else [row]
            now = datetime.now(UTC)
            before = [_state(row) for row in rows]
            after = [
                steps.confirmed(
                    one,
                    now,
                    version,
                    confirmation.result,
                    said,
                    reported,
                )
                for one in before
            ]
            changed = [new for old, new in zip(before, after, strict=True) if new is not old]
            await _write(connection, changed)
        for one in changed:
            if one.state == "failed":
                await self._tell(one)

    def heard(self, device: str) -> None:
        """A message of a device came in, here. Cheap: call it for each."""
        self._heard.add(device)
        self._news.set()

    def connected(self, device: str) -> None:
        """A device has signed in, here."""
        self._connected.add(device)
        self._news.set()

    async def _gather(self) -> None:
        """Hand what devices did to the rows of what is wanted of them; the sender is woken if it matters."""
        while True:
            await self._news.wait()
            await asyncio.sleep(_GATHER)
            self._news.clear()
            heard, self._heard = self._heard, set()
            connected, self._connected = self._connected, set()
            try:
                await self._note(heard, connected)
            except Unavailable as error:
                _log.warning("commands: %s", error)
                self._connected |= connected  # what devices say comes again, that they connected does not
                self._news.set()
            except Exception:
                _log.exception("commands: news of %d devices are lost", len(heard | connected))

    async def _note(self, heard: set[str], connected: set[str]) -> None:
        # Mostly nothing is wanted of nearly all devices, whereas they talk all the time.
        concerned = (heard & await wanted.unheard(self._database.pool)) | connected
        if not concerned:
            return
        async with self._database.transaction() as connection:
            now = datetime.now(UTC)
            changed = []
            for row in await wanted.lock_open(connection, sorted(concerned)):
                before = after = _state(row)
                if row.device in connected:
                    after = steps.connected(after, now)
                elif row.device in heard:
                    after = steps.heard(after, now)
                if after is not before:
                    changed.append(after)
            await _write(connection, changed)
        if changed:
            await self._bus.wake(_WAKE)

    # The one who sends

    async def _reign(self, connection: asyncpg.Connection) -> None:
        inbox = self._bus.client.new_inbox()
        nobody = await self._bus.client.subscribe(f"{inbox}.*")
        self.sending = True
        try:
            tidy_at = 0.0
            while True:
                self._wake.clear()
                if asyncio.get_running_loop().time() >= tidy_at:
                    await wanted.forget(connection, days=_KEEP_DAYS)
                    await devices.forget_expired(connection, days=_EXPIRED_DAYS)
                    tidy_at = asyncio.get_running_loop().time() + _TIDY_EVERY
                if await self._round(connection, inbox, nobody) == _AT_ONCE:
                    continue
                await self._rest(await wanted.next_turn(connection))
        finally:
            self.sending = False
            with contextlib.suppress(NatsError, OSError):
                await nobody.unsubscribe()

    async def _rest(self, until: datetime | None) -> None:
        pause = _LOOK_EVERY
        if until is not None:
            pause = min(pause, max(0.01, (until - datetime.now(UTC)).total_seconds()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()

    async def _round(self, connection: asyncpg.Connection, inbox: str, nobody: Subscription) -> int:
        """Send what is due and end what is over its time; how many rows that were."""
        over: list[Wanted] = []
        if not self._bus.connected:
            # What is published now might go out late, after something newer.
            await asyncio.sleep(_LOOK_EVERY)
            return 0
        async with connection.transaction():
            now = datetime.now(UTC)
            due = await wanted.lock_due(connection, now, _AT_ONCE)
            if not due:
                return 0
            told: list[tuple[Wanted, str]] = []
            for number, one in enumerate(due):
                state = _state(one.row)
                if (ended := steps.timed_out(state, now)) is not state:
                    over.append(ended)
                    continue
                messages = self._messages(one, state)
                for topic, payload in messages:
                    await self._bus.client.publish(subject_of(topic), payload, f"{inbox}.{number}")
                self.sent += len(messages)
                told.append((state, str(number) if messages else ""))
            unheard = await self._unheard(nobody) if told else set()
            now = datetime.now(UTC)
            await _write(
                connection,
                [
                    *over,
                    *(
                        steps.attempted(state, now, listening=bool(number) and number not in unheard)
                        for state, number in told
                    ),
                ],
            )
        for ended in over:
            await self._tell(ended)
        return len(due)

    def _messages(self, due: wanted.DueRow, one: Wanted) -> list[tuple[str, bytes]]:
        """What to publish; nothing where the profile was changed so that there is no way any more."""
        profile = self._profiles.get(due.profile)
        if profile is None:
            return []
        try:
            return profile.commands(one.device, due.type, one.version, one.wanted, levels_of(due.detail))
        except ValueError as error:
            _log.warning("device %s cannot be told version %d: %s", one.device, one.version, error)
            return []

    async def _unheard(self, nobody: Subscription) -> set[str]:
        """Which of the publications met no subscriber. The server says so before it answers the flush (NATS: status
        503, "no responders", to the reply subject). Raises BusUnavailable."""
        try:
            # nats-py writes the PING of a flush past what waits to be written: the second one comes after it.
            for _ in range(2):
                await self._bus.client.flush(timeout=_FLUSH)  # type: ignore[arg-type]  # fractions work
            unheard = set()
            while nobody.pending_msgs:
                message = await nobody.next_msg(timeout=1)
                if (message.headers or {}).get("Status") == "503":
                    unheard.add(message.subject.rpartition(".")[2])
            return unheard
        except (NatsError, OSError, TimeoutError) as error:
            raise BusUnavailable(f"commands may not have reached NATS: {error}") from error

    async def _tell(self, one: Wanted) -> None:
        if self._alarm is not None:
            await self._alarm(
                one.device, "command", {"version": one.version, "set": one.wanted, "state": one.state}
            )

    async def _check(
        self, connection: asyncpg.Connection, device: str, version: int, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What the device is told. Raises BadRequestData unless there is a way to tell it."""
        found = await devices.read(connection, device)
        profile = None if found is None else self._profiles.get(found.profile)
        if found is None or profile is None:
            raise BadRequestData(f"device {device} has no profile that is known here")
        try:
            messages = profile.commands(device, found.type, version, values, levels_of(found.detail))
        except ValueError as error:
            raise BadRequestData(str(error), field="/set") from None
        if not messages:
            raise BadRequestData(
                f"profile {found.profile} knows no topic for commands to {device}; "
                "levels that its topics name can be set in the device's detail, under levels"
            )
        return profile.told(values)


def _storable(reported: Mapping[str, Any]) -> dict[str, Any]:
    """What PostgreSQL can hold of it: a value with U+0000 in it is left out, for no wanted one has it."""
    return {
        name: value
        for name, value in reported.items()
        if b"\\u0000" not in msgspec.json.encode({name: value})
    }


def _state(row: wanted.Row) -> Wanted:
    return Wanted(**msgspec.structs.asdict(row))


def _row(one: Wanted) -> wanted.Row:
    return wanted.Row(**msgspec.structs.asdict(one))


async def _write(connection: asyncpg.Connection, states: Sequence[Wanted]) -> None:
    if states:
        await wanted.write(connection, [_row(one) for one in states])
