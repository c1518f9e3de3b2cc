"""Copies of the ledger of erasures: beside the backups, so that whoever has these has it too, and from there back.

Entries are opaque lines to whatever is copied, and are only ever added: a copy that knows more than we do keeps it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import asyncpg

from rhinecloud.backups import Shelf, shelf_of
from rhinecloud.jobs import Attempt, Jobs
from rhinecloud.settings import Settings

from .ledger import FILE, Entry, Ledger

JOB = "privacy.ledger"


def ledger_of(settings: Settings) -> Ledger:
    """The ledger of this machine."""
    return Ledger(settings.erasure_ledger or settings.data / FILE)


async def in_database(pool: asyncpg.Pool) -> list[Entry]:
    """The erasures that the database knows to be done."""
    records = await pool.fetch("SELECT id, at, traces FROM erasure")
    return [Entry(record["id"], record["at"], tuple(record["traces"])) for record in records]


class LedgerCopies:
    """Keeps the copy at the place of the backups up to date, if there is one. Make it before the jobs are opened."""

    def __init__(self, ledger: Ledger, pool: asyncpg.Pool, jobs: Jobs, settings: Settings) -> None:
        self._ledger = ledger
        self._pool = pool
        self._jobs = jobs
        self._shelf = shelf_of(settings)
        if self._shelf is not None:
            # A place that is away for a day is tried again for as long.
            jobs.register(JOB, self._copy, attempts=24, first_pause=60, timeout=600, at_once=1)
            jobs.schedule(JOB, "50 3 * * *")

    async def due(self, connection: asyncpg.Connection) -> None:
        """Something was erased: have it written there once this commits."""
        if self._shelf is not None:
            await self._jobs.enqueue(connection, JOB)

    async def _copy(self, payload: None, attempt: Attempt) -> None:
        assert self._shelf is not None
        entries = {**self._ledger.read(), **{one.id: one for one in await in_database(self._pool)}}
        await asyncio.to_thread(put, self._shelf, entries.values())


def put(shelf: Shelf, entries: Iterable[Entry]) -> None:
    """Add entries to the copy that lies at a place. Blocks; raises StorageUnavailable."""
    with tempfile.TemporaryDirectory(prefix="rhinecloud-ledger-") as folder:
        copy = Ledger(Path(folder) / FILE)
        there = shelf.find(FILE, copy.path)
        known = copy.read() if there else {}
        missing = [entry for entry in entries if entry.id not in known]
        if missing:
            copy.add(missing)
            shelf.put(FILE, copy.path)


def fetch(shelf: Shelf) -> dict[UUID, Entry]:
    """The entries of the copy that lies at a place. Blocks; raises StorageUnavailable."""
    with tempfile.TemporaryDirectory(prefix="rhinecloud-ledger-") as folder:
        copy = Ledger(Path(folder) / FILE)
        return copy.read() if shelf.find(FILE, copy.path) else {}
