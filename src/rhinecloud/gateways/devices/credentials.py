"""What devices sign in with: random secrets, of which only a hash is kept, and who may do what with them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import secrets
import string
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from rhinecloud import tasks
from rhinecloud.bus import Bus
from rhinecloud.gateways.devices.grants import Grant
from rhinecloud.gateways.devices.registry import WAKE, Registry
from rhinecloud.model import BadRequestData, ResourceNotFound
from rhinecloud.store import Database, Unavailable, devices, intake
from rhinecloud.store.devices import Device, Secret

# Letters and digits only: no quoting in shells, configuration files and URLs. 32 of them carry 190 bits.
_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 32
_MOST_SECRETS = 16  # of one device
_FRESH = 10.0  # seconds for which an answer is taken from memory
_MOST_KNOWN = 20_000  # devices that are remembered, for when the database is away
_NOTE_USE_EVERY = 10.0  # seconds
_LONGEST = 512  # characters of what somebody sends as a name or a secret
_log = logging.getLogger(__name__)


class Issued(msgspec.Struct, frozen=True):
    """A new secret, the only time that it is shown."""

    secret: str
    id: int
    device: str
    created_at: datetime
    expires_at: datetime | None


class _Known(msgspec.Struct, frozen=True):
    """What was read of a device after so many changes; `device` is None where there is none."""

    device: Device | None
    hashes: list[tuple[int, bytes, datetime | None]]
    read_at: float
    changes: int


class Credentials:
    """Issues, checks and revokes the secrets of devices; `verify` is what the door for MQTT asks."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        registry: Registry,
        *,
        signed_in: Callable[[str], None] | None = None,
    ) -> None:
        """`signed_in` is told of each device that was let in by `verify`."""
        self._signed_in = signed_in
        self._database = database
        self._bus = bus
        self._registry = registry
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._changes = 0
        self._used: dict[int, datetime] = {}
        self._noting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Hear of changes, and begin to note which secrets are used."""
        await self._bus.on_wake(WAKE, self.forget)
        self._noting = asyncio.create_task(self._note_use(), name="secrets-used")

    async def close(self) -> None:
        """Note what was used last, and stop."""
        await tasks.stop(self._noting)
        with contextlib.suppress(*Unavailable):
            await self._write_use()

    def forget(self) -> None:
        """Something changed: nothing that was read before counts as fresh."""
        self._changes += 1  # what is known serves only while the database is away

    # For administration

    async def issue(
        self, device: str, actor: str, *, note: str = "", expires_at: datetime | None = None
    ) -> Issued:
        """A new secret for a device, beside those that it has. Raises ResourceNotFound, BadRequestData."""
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise BadRequestData("a secret ends in the future", field="/expires_at")
        secret = new_secret()
        async with self._database.transaction() as connection:
            if await devices.lock(connection, device) is None:
                raise ResourceNotFound(f"there is no device {device}")
            if len(await devices.hashes(connection, device)) >= _MOST_SECRETS:
                raise BadRequestData(f"a device has {_MOST_SECRETS} secrets at most: revoke old ones")
            row = await devices.add_secret(connection, device, _digest(secret), note, expires_at)
            await intake.audit(
                connection, actor, "device.secret.issue", device, {"secret": row.id, "note": note}
            )
        await self._bus.wake(WAKE)
        return Issued(secret, row.id, device, row.created_at, row.expires_at)

    async def issue_many(self, names: Sequence[str], actor: str) -> dict[str, str]:
        """A new secret for each of many devices that are there."""
        issued = {name: new_secret() for name in sorted(names)}
        async with self._database.transaction() as connection:
            await devices.add_secrets(connection, list(issued), [_digest(s) for s in issued.values()])
            await intake.audit(
                connection, actor, "device.secret.issue_many", f"{len(issued)} devices", {"ids": list(issued)}
            )
        await self._bus.wake(WAKE)
        return issued

    async def list(self, device: str) -> list[Secret]:
        """The secrets of a device, newest first, without themselves. Raises ResourceNotFound."""
        await self._registry.get(device)
        return await devices.secrets(self._database.pool, device)

    async def revoke(self, device: str, actor: str, secret: int | None = None) -> int:
        """Revoke one secret, or all of a device; returns how many. Its connections end, whichever secret they began
        with: who has another signs in again. Raises ResourceNotFound."""
        async with self._database.transaction() as connection:
            if await devices.lock(connection, device) is None:
                raise ResourceNotFound(f"there is no device {device}")
            gone = await devices.delete_secrets(connection, device, None if secret is None else [secret])
            if secret is not None and not gone:
                raise ResourceNotFound(f"device {device} has no secret {secret}")
            await intake.audit(connection, actor, "device.secret.revoke", device, {"secrets": gone})
        await self._bus.wake(WAKE)
        await self._registry.cut(device)
        return len(gone)

    # For doors

    async def verify(self, username: str, password: str) -> Grant | None:
        """What a device may do that signs in with its id and a secret; None if it may not sign in.

        While the database is away, what is remembered of the device counts. Raises one of store.Unavailable when
        nothing is.
        """
        device = await self.check(username, password)
        if device is None:
            return None
        if self._signed_in is not None:
            self._signed_in(device.id)
        topics = self._registry.topics(device)
        return Grant(device.id, topics.publish, topics.subscribe)

    async def check(self, username: str, password: str) -> Device | None:
        """The device that a secret belongs to, if it is enabled. Raises as `verify`."""
        if not 0 < len(username) <= _LONGEST or not 0 < len(password) <= _LONGEST or "\0" in username:
            return None
        known = await self._know(username)
        digest = _digest(password)
        now = datetime.now(UTC)
        match = 0
        for number, expected, expires_at in known.hashes:
            if hmac.compare_digest(digest, expected) and (expires_at is None or now < expires_at):
                match = number
        if not match or known.device is None or not known.device.enabled:
            return None
        self._used[match] = now
        return known.device

    async def _know(self, name: str) -> _Known:
        known = self._known.get(name)
        now = time.monotonic()
        if known is not None and known.changes == self._changes and now - known.read_at < _FRESH:
            return known
        changes = self._changes  # a change beside the reading makes what is read stale
        try:
            async with self._database.transaction() as connection:
                device = await devices.read(connection, name)
                hashes = [] if device is None else await devices.hashes(connection, name)
        except Unavailable:
            if known is None:
                raise
            return known
        known = _Known(device, hashes, now, changes)
        if device is not None:  # whoever guesses names fills no memory
            self._known[name] = known
            self._known.move_to_end(name)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        else:
            self._known.pop(name, None)
        return known

    async def _note_use(self) -> None:
        while True:
            await asyncio.sleep(_NOTE_USE_EVERY)
            try:
                await self._write_use()
            except Unavailable as error:
                _log.debug("use of secrets is not noted: %s", error)

    async def _write_use(self) -> None:
        if used := self._used:
            self._used = {}
            await devices.used(self._database.pool, used)


def new_secret() -> str:
    """32 letters and digits, 190 bits, from the system's random source."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def _digest(secret: str) -> bytes:
    """SHA-256 is enough for what was drawn from 2^190: there is nothing to guess (docs/decisions/0009-devices.md)."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
