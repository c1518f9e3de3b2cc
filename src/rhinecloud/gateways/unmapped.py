"""Messages that could not be mapped: seen in groups, replayed when the profile is mended, discarded, forgotten."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import asyncpg
import msgspec

from rhinecloud.broker import Applied, Broker, Transaction, UnmappedMessage
from rhinecloud.store import unmapped as stored
from rhinecloud.store.unmapped import Filter, Group, Kept

from .profiles import Profiles, Unmappable
from .taking import operations_of, unmapped_message, unreadable

_CHUNK = 200  # messages that are replayed in one transaction
_MOST_GROUPS = 500
_ATTEMPTS = 5
_log = logging.getLogger(__name__)


class Replayed(msgspec.Struct, frozen=True):
    """How a replay went: messages that are in the graph now, and those that still cannot be mapped."""

    mapped: int
    still: int


class Unmapped:
    """The kept messages of a city."""

    def __init__(self, broker: Broker, profiles: Profiles) -> None:
        self._broker = broker
        self._profiles = profiles

    async def keep(
        self,
        source: str,
        topic: str,
        payload: bytes,
        arrived: datetime,
        error: Unmappable,
        delivery: str | None = None,
    ) -> None:
        """Keep a message with the reason, once for each delivery. Raises one of broker.Unavailable."""
        message = _Plain(topic, payload, delivery)
        await self._broker.keep([unmapped_message(self._profiles, source, message, error, arrived)])

    async def groups(self) -> list[Group]:
        """What is kept, by kind, profile, topic filter and reason; the group with the newest message first."""
        return await stored.groups(self._broker.database.pool, _MOST_GROUPS)

    async def page(
        self,
        *,
        kind: str | None = None,
        profile: str | None = None,
        topic: str | None = None,
        device: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Kept]:
        """Kept messages, newest first, those with ids smaller than `before`. `topic` is an MQTT topic filter."""
        wanted = Filter(kind=kind, profile=profile, topic=topic, device=device)
        return await stored.page(self._broker.database.pool, wanted, before, limit)

    async def get(self, number: int) -> Kept | None:
        """One kept message."""
        found = await stored.page(self._broker.database.pool, Filter(ids=(number,)), None, 1)
        return found[0] if found else None

    async def replay(
        self,
        ids: Sequence[int] = (),
        *,
        kind: str | None = None,
        profile: str | None = None,
        topic: str | None = None,
        device: str | None = None,
        clock: Literal["device", "arrival"] = "device",
        actor: str,
    ) -> Replayed:
        """Map messages anew: those of `ids`, or all if there are none, that the filter meets.

        A message that is mapped is gone in the transaction that wrote it, and has the delivery id with which it came:
        nothing happens twice. Confirmations of wanted states in it are history and are told to nobody.
        `clock="arrival"` gives every value the time of arrival. Raises one of broker.Unavailable; what was replayed
        until then stays so.
        """
        wanted = Filter(tuple(ids) or None, kind, profile, topic, device)
        until = await stored.newest(self._broker.database.pool)
        after, mapped, still = 0, 0, 0
        while True:
            last, done, left = await self._replay_some(wanted, after, until, clock, actor)
            mapped, still = mapped + done, still + left
            if last is None:
                return Replayed(mapped, still)
            after = last

    async def discard(self, ids: Sequence[int], actor: str) -> int:
        """Delete messages for good; how many there were. Writes an audit line."""
        async with self._broker.transaction() as transaction:
            number = await stored.delete(transaction.connection, ids)
            if number:
                await transaction.audit(actor, "unmapped.discard", "unmapped", {"ids": list(ids)[:1_000]})
        return number

    # One transaction ------------------------------------------------------------------------------------------

    async def _replay_some(
        self, wanted: Filter, after: int, until: int, clock: Literal["device", "arrival"], actor: str
    ) -> tuple[int | None, int, int]:
        """The last id that was tried (None at the end), how many were mapped, and how many were not."""
        most = _CHUNK
        for attempt in range(_ATTEMPTS):
            try:
                async with self._broker.transaction() as transaction:
                    found = await stored.lock(transaction.connection, wanted, after, until, most)
                    if not found:
                        return None, 0, 0
                    left = await self._again(transaction, found, clock)
                    await self._record(transaction, found, left, clock, actor)
                    return found[-1].id, len(found) - len(left), len(left)
            except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):
                if attempt == _ATTEMPTS - 1:  # another worker makes the same entities again and again
                    raise
            except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
                # PostgreSQL refuses a value that the model let through: whose it is shows one by one.
                if most > 1:
                    most = 1
                    continue
                return await self._refused(wanted, after, until, error)
        raise AssertionError

    async def _refused(
        self, wanted: Filter, after: int, until: int, error: Exception
    ) -> tuple[int | None, int, int]:
        async with self._broker.transaction() as transaction:
            found = await stored.lock(transaction.connection, wanted, after, until, 1)
            if not found:
                return None, 0, 0
            reason = Unmappable(
                f"a value cannot be stored: {error}", "refused", found[0].device, found[0].profile
            )
            attempt = unmapped_message(self._profiles, found[0].source, found[0], reason, found[0].arrived)
            await stored.tried(transaction.connection, [(found[0].id, attempt)])
            return found[0].id, 0, 1

    async def _again(
        self, transaction: Transaction, found: list[Kept], clock: Literal["device", "arrival"]
    ) -> dict[int, UnmappedMessage]:
        """Map and write; what is still not mapped, by id."""
        left: dict[int, UnmappedMessage] = {}
        operations = []
        owners: list[Kept] = []
        for kept in found:
            try:
                mapped = self._profiles.read(kept.topic, kept.payload, kept.arrived, clock=clock)
            except Unmappable as error:
                left[kept.id] = unmapped_message(self._profiles, kept.source, kept, error, kept.arrived)
                continue
            except Exception as error:
                _log.exception("a kept message of %r cannot be read", kept.topic)
                left[kept.id] = unmapped_message(
                    self._profiles, kept.source, kept, unreadable(error), kept.arrived
                )
                continue
            made = operations_of(mapped, kept.delivery)
            operations += made
            owners += [kept] * len(made)
        verdicts = await transaction.apply(operations) if operations else []
        for kept, verdict in zip(owners, verdicts, strict=True):
            if not isinstance(verdict, Applied) and kept.id not in left:
                refusal = Unmappable(str(verdict), "refused", kept.device, kept.profile)
                left[kept.id] = unmapped_message(self._profiles, kept.source, kept, refusal, kept.arrived)
        return left

    async def _record(
        self,
        transaction: Transaction,
        found: list[Kept],
        left: dict[int, UnmappedMessage],
        clock: str,
        actor: str,
    ) -> None:
        mapped = [kept.id for kept in found if kept.id not in left]
        if left:
            await stored.tried(transaction.connection, list(left.items()))
        if mapped:
            await stored.delete(transaction.connection, mapped)
            await transaction.audit(
                actor, "unmapped.replay", "unmapped", {"ids": mapped, "clock": clock, "still": len(left)}
            )


class _Plain(msgspec.Struct, frozen=True):
    topic: str
    payload: bytes
    delivery: str | None


__all__ = ["Filter", "Group", "Kept", "Replayed", "Unmapped"]
