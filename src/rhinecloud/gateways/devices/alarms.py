"""Alarms: what is wrong with a device, told once and counted after that.

Kinds that this room raises: `forbidden_topic` (a device spoke to or asked for a topic that is not its own), `sign_in`
(wrong name or password), `client_id` (a client identifier that is not the device's). Others raise their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rhinecloud.model import ResourceNotFound
from rhinecloud.store import Database, alarms, intake
from rhinecloud.store.alarms import Alarm, Raised

_MOST_WAITING = 10_000  # pairs of device and kind; what is more counts for nobody in particular


class Alarms:
    """Raised by any worker, kept in one place: one open alarm for a device and a kind, which counts.

    However often it is raised at once, one statement at a time is under way, so that nobody floods the database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[tuple[str | None, str, bool], Raised] = {}
        self._written: asyncio.Future[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    async def raise_(
        self,
        device: str | None,
        kind: str,
        detail: Mapping[str, Any],
        *,
        times: int = 1,
        at: datetime | None = None,
        known_only: bool = False,
    ) -> None:
        """Raise an alarm `times` times; return when it is written. Raises one of store.Unavailable.

        `at`: when it happened, now if None. `known_only`: the name was merely claimed; unless there is a device of
        that name, the alarm is nobody's in particular.
        """
        moment = at or datetime.now(UTC)
        key = (device, kind, known_only)
        if key not in self._waiting and len(self._waiting) >= _MOST_WAITING:
            key = (None, kind, False)
        before = self._waiting.get(key)
        self._waiting[key] = Raised(
            device=key[0],
            kind=kind,
            detail={**detail},
            times=times + (before.times if before else 0),
            first_at=min(moment, before.first_at) if before else moment,
            last_at=max(moment, before.last_at) if before else moment,
            known_only=key[2],
        )
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        mine = self._written
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="alarms")
        await asyncio.shield(mine)

    async def _write(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting, {}
            written, self._written = self._written, None
            assert written is not None
            try:
                await alarms.raise_all(self._database.pool, list(some.values()))
            except Exception as error:
                written.set_exception(error)
                written.exception()  # who raised may have gone
            else:
                written.set_result(None)

    async def list(
        self,
        *,
        device: str | None = None,
        kind: str | None = None,
        acknowledged: bool = False,
        before: int | None = None,
        limit: int = 50,
        nobodys: bool = False,
    ) -> list[Alarm]:
        """Alarms, newest first, with ids below `before`; open ones only, unless `acknowledged`.

        `nobodys`: only those that name no device.
        """
        return await alarms.page(
            self._database.pool,
            device=device,
            kind=kind,
            acknowledged=acknowledged,
            before=before,
            limit=limit,
            nobodys=nobodys,
        )

    async def counts(self) -> dict[str, int]:
        """Open alarms of each kind."""
        return await alarms.counts(self._database.pool)

    async def counts_of(self, devices: Sequence[str]) -> dict[str, int]:
        """Open alarms of each of these devices that has any."""
        return await alarms.counts_of(self._database.pool, devices)

    async def acknowledge(self, alarm: int, actor: str) -> Alarm:
        """Somebody has seen it: it is closed, and raised again it is a new one. Raises ResourceNotFound."""
        async with self._database.transaction() as connection:
            closed = await alarms.acknowledge(connection, alarm)
            if closed is None:
                raise ResourceNotFound(f"there is no open alarm {alarm}")
            await intake.audit(
                connection, actor, "device.alarm.acknowledge", closed.device or "", {"alarm": alarm}
            )
        return closed

    async def clear(self, device: str | None, kind: str, actor: str) -> bool:
        """It is over: what was open of this device and kind is closed; false if nothing was."""
        async with self._database.transaction() as connection:
            closed = await alarms.clear(connection, device, kind)
            if closed is not None:
                await intake.audit(
                    connection, actor, "device.alarm.clear", device or "", {"alarm": closed.id, "kind": kind}
                )
        return closed is not None

    async def last_raised(self, kind: str) -> datetime | None:
        """When an alarm of this kind was raised last, by the clock of what raised it."""
        return await alarms.last_raised(self._database.pool, kind)


__all__ = ["Alarm", "Alarms"]
