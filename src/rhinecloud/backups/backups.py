"""The job that makes backups, and what is known of those that there are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from rhinecloud.files import StorageUnavailable
from rhinecloud.jobs import Attempt, Jobs
from rhinecloud.settings import Settings, to_json
from rhinecloud.store import Database

from .shelves import Kept, Shelf, shelf_of

_log = logging.getLogger(__name__)
JOB = "backups.make"
_PATIENCE = 6 * 3_600.0  # seconds for one backup
_LOOK = 60.0  # seconds for which a look at the place is good


class Backups:
    """Backups by the clock; of all workers one queues them, and one makes each."""

    def __init__(self, settings: Settings, database: Database, database_url: str, jobs: Jobs) -> None:
        """Registers its job. `database_url` is the application's. Raises SettingsError."""
        self._settings = settings
        self._database = database
        self._database_url = database_url
        self._jobs = jobs
        self.shelf: Shelf | None = shelf_of(settings)
        self._looked = 0.0
        self._seen: dict[str, Any] = {}
        self._first: asyncio.Task[None] | None = None
        self.every = every(settings)
        if self.every is not None:
            # A place that is away for a day is tried again for as long.
            jobs.register(JOB, self._make, attempts=24, first_pause=60, timeout=_PATIENCE, at_once=1)
            jobs.schedule(JOB, cron(settings.backup_every))

    def open(self) -> None:
        """See to it that there is a backup, if the newest is too old or there is none."""
        if self.every is not None:
            self._first = asyncio.create_task(self._begin(), name="backups")

    async def close(self) -> None:
        """Stop looking; a backup that is being made is the job's."""
        if self._first is not None:
            self._first.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._first

    async def health(self) -> dict[str, Any]:
        """Figures: `age_seconds` of the newest backup (None: there is none), `late` (1: older than it should be), how
        many there are and their bytes. Of up to a minute ago."""
        if self.every is None or self.shelf is None:
            return {"every": None}
        if not self._seen or time.monotonic() - self._looked > _LOOK:
            try:
                self._seen = {"found": await asyncio.to_thread(self.shelf.kept)}
            except StorageUnavailable as error:
                self._seen = {"reason": str(error)}
            self._looked = time.monotonic()
        figures: dict[str, Any] = {"every": self._settings.backup_every, "place": self.shelf.place}
        if "reason" in self._seen:
            return {**figures, "late": 1, "reason": self._seen["reason"]}
        return {**figures, **told(self._seen["found"], self.every, datetime.now(UTC))}

    async def _begin(self) -> None:
        assert self.every is not None and self.shelf is not None
        try:
            found = await asyncio.to_thread(self.shelf.kept)
        except StorageUnavailable as error:
            _log.warning("backups: %s: %s", self.shelf.place, error)
            found = []
        if found and datetime.now(UTC) - found[0].at < self.every:
            return
        async with self._database.transaction() as connection:
            await self._jobs.enqueue(connection, JOB, key="#schedule")

    async def _make(self, payload: None, attempt: Attempt) -> None:
        """In a process of its own: dumping and encrypting leave this loop alone, and end with it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "rhinecloud.backups",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        order = msgspec.json.encode([to_json(self._settings), self._database_url])
        try:
            printed, _ = await process.communicate(order)
        finally:
            if process.returncode is None:
                process.kill()
                await asyncio.shield(process.wait())
        self._looked = 0.0
        words = printed.decode(errors="replace").strip()
        if process.returncode != 0:
            raise RuntimeError(words.splitlines()[-1] if words else f"ended with {process.returncode}")
        _log.info("%s", words)


def every(settings: Settings) -> timedelta | None:
    """The time between two backups; None: none are made."""
    text = settings.backup_every
    if text == "never":
        return None
    return timedelta(minutes=int(text[:-1])) if text.endswith("m") else timedelta(hours=int(text[:-1]))


def cron(text: str) -> str:
    """When backups are due, as a cron expression in the city's time zone: `24h` at half past two."""
    if text.endswith("m"):
        return f"*/{text[:-1]} * * * *"
    hours = int(text[:-1])
    return f"30 {','.join(str(hour) for hour in sorted((2 + n) % 24 for n in range(0, 24, hours)))} * * *"


def told(found: list[Kept], between: timedelta, now: datetime) -> dict[str, Any]:
    """What there is to say of these backups (newest first) where one is due every `between`.

    The newest may be half as old again before it is called late: making one takes its time.
    """
    age = (now - found[0].at).total_seconds() if found else None
    return {
        "newest": found[0].at.isoformat().replace("+00:00", "Z") if found else None,
        "age_seconds": round(age) if age is not None else None,
        "late": int(age is None or age > 1.5 * between.total_seconds()),
        "count": len(found),
        "bytes": sum(one.size for one in found),
    }
