"""The relay: tells committed changes on the bus. Of all workers one is elected."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Protocol

import asyncpg
import msgspec

from rhinecloud.store import Database, outbox
from rhinecloud.tasks import stop

from .office import hold

READER = "#relay"
_AT_ONCE = 500
_LARGEST = 512 * 1024  # bytes of changes in one message; NATS takes 1 MiB unless told otherwise
_GAP = 0.005  # seconds until a gap is looked at again
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
    whoever has not seen it has missed something and reads on from PostgreSQL. A batch of no changes sends everyone
    there: the change `prev` is too large for a message."""

    epoch: int
    prev: int
    ids: list[int]
    at: list[str]
    changes: list[msgspec.Raw]

    @property
    def until(self) -> int:
        """The last id that the batch accounts for."""
        return self.ids[-1] if self.ids else self.prev


def batches(rows: Sequence[outbox.OutboxRow], epoch: int, last: int) -> Iterator[Batch]:
    """Rows in messages of a bounded size, after the change `last`."""
    part: list[outbox.OutboxRow] = []
    size = 0
    for row in rows:
        if part and size + len(row.change) > _LARGEST:
            yield _batch(part, epoch, last)
            last, part, size = part[-1].id, [], 0
        if len(row.change) > _LARGEST:
            yield Batch(epoch, row.id, [], [], [])
            last = row.id
            continue
        part.append(row)
        size += len(row.change)
    if part:
        yield _batch(part, epoch, last)


def _batch(rows: list[outbox.OutboxRow], epoch: int, prev: int) -> Batch:
    return Batch(
        epoch, prev, [r.id for r in rows], [r.at for r in rows], [msgspec.Raw(r.change) for r in rows]
    )


def subject_of(tenant: str) -> str:
    """The subject of a tenant's changes."""
    return f"changes.{tenant}"


def caretaker_of(office: str, tenant: str) -> str:
    """The name by which the caretaker of a tenant is woken; `*` stands for all tenants."""
    return f"{office}.{tenant}"


class Teller:
    """Reads the outbox as far as it is settled and publishes it in order, at least once. One tells for a tenant."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher
        self._encode = msgspec.json.Encoder().encode
        self._epoch = 0
        self._stream_made = False
        self._gap: outbox.Gap | None = None
        self.position = 0

    async def begin(self, connection: asyncpg.Connection) -> None:
        """Find out how far it was told. Before all else."""
        self._epoch = await self._database.epoch(connection)
        self.position = await outbox.position(connection, READER) or 0
        self._stream_made = False

    async def make_stream(self) -> None:
        """Have the stream as it should be; the first step that has something to tell does it too."""
        await self._publisher.ensure_changes(self._database.tenant, self._epoch)
        self._stream_made = True

    async def step(self, connection: asyncpg.Connection) -> float | None:
        """Tell what can be told now; seconds after which there may be more, None if there is no more."""
        rows, self._gap = await outbox.read_settled(connection, self.position, self._gap, _AT_ONCE)
        if not rows:
            return None if self._gap is None else _GAP
        if not self._stream_made:
            await self.make_stream()
        tenant = self._database.tenant
        for batch in batches(rows, self._epoch, self.position):
            # Advancing comes after publishing: a crash between the two tells twice, never not at all.
            msg_id = f"{tenant}.{self._epoch}.{batch.prev}-{batch.until}"
            await self._publisher.publish(subject_of(tenant), self._encode(batch), msg_id)
        self.position = rows[-1].id
        await outbox.advance(connection, READER, self.position)
        return 0.0


class Relay:
    """Tells the changes of a tenant all the time, in the worker that is elected for it."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._teller = Teller(database, publisher)
        self._wake = asyncio.Event()
        self.elected = False
        self._task = asyncio.create_task(hold(database, "relay", self._serve, again=_POLL), name="relay")

    @property
    def position(self) -> int:
        """The last change that was told from here."""
        return self._teller.position

    def wake(self) -> None:
        """There is something to tell."""
        self._wake.set()

    async def close(self) -> None:
        """Stop; another worker is elected as soon as the connection has gone."""
        await stop(self._task)

    async def _serve(self, connection: asyncpg.Connection) -> None:
        self.elected = True
        try:
            await self._tell(connection)
        finally:
            self.elected = False

    async def _tell(self, connection: asyncpg.Connection) -> None:
        await self._teller.begin(connection)
        await self._teller.make_stream()
        # The position may lag behind after a crash: then some changes are told twice. It is not worth a flush.
        await connection.execute("SET synchronous_commit = off")
        while True:
            self._wake.clear()
            pause = await self._teller.step(connection)
            if pause is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL):
                        await self._wake.wait()
            elif pause:
                await asyncio.sleep(pause)
