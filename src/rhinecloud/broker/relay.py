"""The relay: tells committed changes on the bus. Of all workers one is elected."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Protocol

import asyncpg
import msgspec

from rhinecloud.store import Database, Unavailable, outbox

READER = "#relay"
_ELECTION = 0x52656C61  # "Rela": the advisory lock of the elected relay, with the tenant's hash
_AT_ONCE = 500
_POLL = 1.0  # seconds: only in case a wake-up was lost with a broken connection
_log = logging.getLogger(__name__)


class Publisher(Protocol):
    """The bus, as far as the relay needs it."""

    async def publish(self, subject: str, payload: bytes, msg_id: str) -> None:
        """Return once the stream has stored it; a second message of the same id is dropped."""
        ...

    async def ensure_changes(self, tenant: str, epoch: int) -> None:
        """Make the stream of changes; begin it anew if it belongs to another epoch."""
        ...


class Batch(msgspec.Struct, frozen=True):
    """What is published: consecutive changes, each as JSON. `prev` is the id of the change told before the first:
    whoever has not seen it has missed something and reads on from PostgreSQL."""

    epoch: int
    prev: int
    ids: list[int]
    at: list[str]
    changes: list[msgspec.Raw]


def subject_of(tenant: str) -> str:
    """The subject of a tenant's changes."""
    return f"changes.{tenant}"


class Relay:
    """Reads the outbox below what is settled and publishes it in order, at least once."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher
        self._wake = asyncio.Event()
        self._encode = msgspec.json.Encoder().encode
        self.elected = False
        self.position = 0
        self._task = asyncio.create_task(self._run(), name="relay")

    def wake(self) -> None:
        """There is something to tell."""
        self._wake.set()

    async def close(self) -> None:
        """Stop; another worker is elected as soon as the connection has gone."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with self._database.pool.acquire() as connection:
                    if await connection.fetchval(
                        "SELECT pg_try_advisory_lock($1, hashtext($2))", _ELECTION, self._database.tenant
                    ):
                        try:
                            self.elected = True
                            await self._serve(connection)
                        finally:
                            self.elected = False
                            if not connection.is_closed():
                                await asyncio.shield(self._resign(connection))
            except Unavailable as error:
                _log.warning("relay: PostgreSQL is away (%s)", error)
            except Exception:
                _log.exception("relay: begins again")
            await asyncio.sleep(_POLL)

    async def _resign(self, connection: asyncpg.Connection) -> None:
        with contextlib.suppress(Exception):
            await connection.execute(
                "SELECT pg_advisory_unlock($1, hashtext($2))", _ELECTION, self._database.tenant
            )

    async def _serve(self, connection: asyncpg.Connection) -> None:
        epoch = await self._database.epoch()
        tenant = self._database.tenant
        last = await outbox.position(connection, READER) or 0
        await self._publisher.ensure_changes(tenant, epoch)
        gap: outbox.Gap | None = None
        while True:
            self.position = last
            self._wake.clear()
            rows, gap = await outbox.read_settled(connection, last, gap, _AT_ONCE)
            if rows:
                batch = Batch(
                    epoch,
                    last,
                    [r.id for r in rows],
                    [r.at for r in rows],
                    [msgspec.Raw(r.change) for r in rows],
                )
                msg_id = f"{tenant}.{epoch}.{rows[0].id}-{rows[-1].id}"
                # Advancing comes after the publication: a crash between the two tells twice, never not at all.
                await self._publisher.publish(subject_of(tenant), self._encode(batch), msg_id)
                last = rows[-1].id
                await outbox.advance(connection, READER, last)
            elif gap is not None:
                await asyncio.sleep(0.005)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL):
                        await self._wake.wait()
