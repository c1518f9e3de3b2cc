"""Files of a city: taken in, checked, stored, and known to PostgreSQL in the transaction of whoever keeps them.

The order is what makes it safe: first a row that names the content (`file_arriving`), then the content, then the row of
the file in the caller's transaction. Killed in between, what is left over has a row, and is swept.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import shutil
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID, uuid4

import asyncpg
import msgspec

from rhinecloud.broker import Overloaded
from rhinecloud.broker.office import hold
from rhinecloud.settings import Settings
from rhinecloud.store import Database
from rhinecloud.tasks import stop

from . import images
from .checks import Refused, Rules, clean_name
from .kinds import recognise
from .places import incoming_folder, storage_of
from .storage import Missing, Storage, StorageFull, StorageUnavailable, storage_error

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_AT_ONCE = 32  # files that are being taken in
_BLOCK = 1024 * 1024  # bytes gathered before they are written
_LITTLE_SPACE = 200_000_000  # bytes that uploads leave free
_PATIENCE = 900.0  # seconds for one file to arrive
_IMAGE_PATIENCE = 60.0  # seconds to make one image anew
_ARRIVING_HOURS = 24
_SWEEP_EVERY = 300.0  # seconds
_SWEEP_AT_ONCE = 200


class Compute(Protocol):
    """Runs a function of a module off the event loop; raises TimeoutError when it takes longer."""

    async def __call__(self, function: Callable[..., _T], /, *arguments: Any, timeout: float) -> _T:
        """The function's result."""
        ...


class Upload(msgspec.Struct, frozen=True):
    """Content that was checked and stored, and belongs to nobody yet."""

    id: UUID
    name: str
    type: str
    size: int
    sha256: bytes
    width: int | None
    height: int | None


class File(msgspec.Struct, frozen=True):
    """A file. `type` is what its content is; width and height are an image's, in pixels."""

    id: UUID
    app: str
    subject: str
    name: str
    type: str
    size: int
    sha256: bytes
    width: int | None
    height: int | None
    created_at: datetime
    created_by: str


_COLUMNS = "id, app, subject, name, type, size, sha256, width, height, created_at, created_by"


async def remove_of_app(connection: asyncpg.Connection, app: str, keep_removed_days: float) -> int:
    """Remove all files of an app, in the caller's transaction; returns how many. See Files.remove."""
    removed = await connection.fetch(
        "WITH gone AS (DELETE FROM file WHERE app = $1 RETURNING id) "
        "INSERT INTO file_leaving (id, due_at) SELECT id, now() + $2 * interval '1 day' FROM gone RETURNING id",
        app,
        keep_removed_days,
    )
    return len(removed)


class Files:
    """The files of one tenant."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        incoming: Path,
        *,
        max_bytes: int = 25_000_000,
        keep_removed_days: float = 7,
        compute: Compute | None = None,
    ) -> None:
        """`incoming` is a folder of this machine for what is arriving; `compute` makes images anew elsewhere."""
        self._database = database
        self.storage = storage
        self._incoming = incoming
        self._max_bytes = max_bytes
        self._keep_removed_days = keep_removed_days
        self._compute = compute or in_thread
        self._arriving = 0
        self.trouble: str | None = None
        self._sweeper: asyncio.Task[Any] | None = None

    @classmethod
    def of_settings(cls, database: Database, settings: Settings, compute: Compute | None = None) -> Files:
        """Files where the settings say. Raises SettingsError."""
        return cls(
            database,
            storage_of(settings),
            incoming_folder(settings),
            max_bytes=settings.files_max_mb * 1_000_000,
            keep_removed_days=settings.files_removed_days,
            compute=compute,
        )

    def open(self) -> None:
        """Begin to sweep; of all workers one does."""
        self._sweeper = asyncio.create_task(
            hold(self._database, "files", self._sweep_once, again=_SWEEP_EVERY), name="files"
        )

    async def close(self) -> None:
        """Stop sweeping."""
        await stop(self._sweeper)

    # Taking in ------------------------------------------------------------------------------------------------

    async def receive(
        self, name: str, content: AsyncIterable[bytes] | bytes, rules: Rules | None = None
    ) -> Upload:
        """Check and store content. Follow with `keep` within a day, or it is swept.

        Raises Refused (with the reason), broker.Overloaded, StorageUnavailable, or one of broker.Unavailable.
        """
        rules = rules or Rules()
        if self._arriving >= _AT_ONCE:
            raise Overloaded("too many files arrive at the same time")
        self._arriving += 1
        file_id = uuid4()
        path = self._incoming / file_id.hex
        try:
            async with asyncio.timeout(_PATIENCE):
                limit = min(rules.size or self._max_bytes, self._max_bytes)
                size, digest = await self._write(path, content, limit)
                kind = await asyncio.to_thread(recognise, path, name)
                if kind is None or kind not in rules.kinds:
                    raise Refused("kind", "this kind of file is not taken")
                pixels: tuple[int, int] | None = None
                if kind.image:
                    path, pixels = await self._paint(path, kind.type, rules.longest)
                    size, digest = await asyncio.to_thread(_weigh, path)
                await self._database.pool.execute("INSERT INTO file_arriving (id) VALUES ($1)", file_id)
                await self.storage.put(file_id, path)
            width, height = pixels or (None, None)
            return Upload(file_id, clean_name(name, kind), kind.type, size, digest, width, height)
        except Refused as refused:
            refused.name = name
            raise
        except TimeoutError:
            raise Refused("too-slow", "the file did not arrive in time", name=name) from None
        except StorageFull:
            raise Refused("full", "there is no room left", name=name) from None
        finally:
            self._arriving -= 1
            for left in (self._incoming / file_id.hex, path):
                left.unlink(missing_ok=True)

    async def keep(
        self, connection: asyncpg.Connection, upload: Upload, *, app: str, subject: str, actor: str
    ) -> File:
        """Make an upload a file of `subject`, when the caller's transaction commits.

        Raises Refused ("content") if it was swept meanwhile, because nobody kept it for a day.
        """
        arrived = await connection.fetchval("DELETE FROM file_arriving WHERE id = $1 RETURNING id", upload.id)
        if arrived is None:
            raise Refused("content", "the file is gone: it was sent too long ago", name=upload.name)
        record = await connection.fetchrow(
            f"""
            INSERT INTO file (id, app, subject, name, type, size, sha256, width, height, created_by)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {_COLUMNS}
            """,
            upload.id,
            app,
            subject,
            upload.name,
            upload.type,
            upload.size,
            upload.sha256,
            upload.width,
            upload.height,
            actor,
        )
        return File(**record)

    async def adopt(self, name: str, kind: str, path: Path) -> Upload:
        """Store a file that we made ourselves, of any kind and size; `path` may be gone afterwards. Follow with `keep`.

        Raises StorageUnavailable, StorageFull, or one of broker.Unavailable.
        """
        file_id = uuid4()
        size, digest = await asyncio.to_thread(_weigh, path)
        await self._database.pool.execute("INSERT INTO file_arriving (id) VALUES ($1)", file_id)
        await self.storage.put(file_id, path)
        return Upload(file_id, name, kind, size, digest, None, None)

    async def remove(self, connection: asyncpg.Connection, file_id: UUID, *, at_once: bool = False) -> bool:
        """Remove a file, when the caller's transaction commits; false if there is none.

        Its content stays for the setting's days, so that backups of the database find it; `at_once` does not wait
        (a person's right to erasure).
        """
        removed = await connection.fetchval("DELETE FROM file WHERE id = $1 RETURNING id", file_id)
        if removed is None:
            return False
        await connection.execute(
            "INSERT INTO file_leaving (id, due_at) VALUES ($1, now() + $2 * interval '1 day')",
            file_id,
            0.0 if at_once else self._keep_removed_days,
        )
        return True

    # Giving out -----------------------------------------------------------------------------------------------

    async def get(self, file_id: UUID) -> File | None:
        """A file, or None."""
        record = await self._database.pool.fetchrow(f"SELECT {_COLUMNS} FROM file WHERE id = $1", file_id)
        return File(**record) if record is not None else None

    async def of(self, app: str, subject: str) -> list[File]:
        """The files of a subject, in the order in which they came."""
        records = await self._database.pool.fetch(
            f"SELECT {_COLUMNS} FROM file WHERE app = $1 AND subject = $2 ORDER BY created_at, id",
            app,
            subject,
        )
        return [File(**record) for record in records]

    async def by(self, actors: Sequence[str], app: str = "") -> list[File]:
        """The files that somebody uploaded, of one app or of all, in the order in which they came."""
        records = await self._database.pool.fetch(
            f"SELECT {_COLUMNS} FROM file WHERE created_by = ANY($1::text[]) AND ($2 = '' OR app = $2) "
            "ORDER BY created_at, id",
            list(actors),
            app,
        )
        return [File(**record) for record in records]

    async def uploaders(self) -> list[str]:
        """Who uploaded something that is still there."""
        records = await self._database.pool.fetch("SELECT DISTINCT created_by FROM file")
        return [record[0] for record in records]

    def read(self, file: File, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The content from `start` to before `end`. Raises storage.Missing, StorageUnavailable."""
        return self.storage.read(file.id, start, file.size if end is None else min(end, file.size))

    async def content(self, file: File) -> bytes:
        """The whole content: for what is small."""
        return b"".join([block async for block in self.read(file)])

    async def health(self) -> dict[str, Any]:
        """Figures for the page of operations."""
        record = await self._database.pool.fetchrow(
            "SELECT count(*) AS files, coalesce(sum(size), 0)::bigint AS bytes, "
            "(SELECT count(*) FROM file_arriving) AS arriving, (SELECT count(*) FROM file_leaving) AS leaving "
            "FROM file"
        )
        figures = {"place": self.storage.place, **dict(record)}
        return figures if self.trouble is None else {**figures, "reason": self.trouble}

    # Sweeping -------------------------------------------------------------------------------------------------

    async def sweep(self) -> int:
        """Delete the content that nobody kept for a day and that of files removed long enough ago; returns how many."""
        await asyncio.to_thread(self._sweep_incoming)
        swept = 0
        for due in (
            f"file_arriving WHERE at < now() - interval '{_ARRIVING_HOURS} hours'",
            "file_leaving WHERE due_at <= now()",
        ):
            while await self._sweep_some(due):
                swept += 1
        self.trouble = None
        return swept

    async def _sweep_some(self, due: str) -> bool:
        """The row stays locked while the content goes: who would keep it now waits, and is told that it is gone."""
        async with self._database.transaction() as connection:
            file_id = await connection.fetchval(f"SELECT id FROM {due} LIMIT 1 FOR UPDATE SKIP LOCKED")
            if file_id is None:
                return False
            await self.storage.delete(file_id)
            await connection.execute(f"DELETE FROM {due.partition(' ')[0]} WHERE id = $1", file_id)
            return True

    async def _sweep_once(self, connection: asyncpg.Connection) -> None:
        try:
            if swept := await self.sweep():
                _log.info("files: the content of %s files is gone", swept)
        except StorageUnavailable as error:
            self.trouble = str(error)
            _log.warning("files: the storage does not answer: %s", error)

    def _sweep_incoming(self) -> None:
        """What a killed worker had not taken in whole."""
        oldest = time.time() - _ARRIVING_HOURS * 3600
        with contextlib.suppress(FileNotFoundError):
            for entry in self._incoming.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat().st_mtime < oldest:
                        entry.unlink()

    # Steps of taking in ---------------------------------------------------------------------------------------

    async def _write(
        self, path: Path, content: AsyncIterable[bytes] | bytes, limit: int
    ) -> tuple[int, bytes]:
        if isinstance(content, bytes):
            content = _once(content)
        digest = hashlib.sha256()
        size = 0
        gathered: list[bytes] = []
        waiting = 0
        file = await _on_disk(self._create, path)
        try:
            async for block in content:
                size += len(block)
                if size > limit:
                    raise Refused("too-large", f"the file is larger than {limit / 1e6:g} MB", limit=limit)
                gathered.append(block)
                waiting += len(block)
                if waiting >= _BLOCK:
                    await _on_disk(_append, file, digest, gathered)
                    gathered, waiting = [], 0
            await _on_disk(_append, file, digest, gathered)
        finally:
            os.close(file)
        if size == 0:
            raise Refused("empty", "the file is empty")
        return size, digest.digest()

    def _create(self, path: Path) -> int:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < _LITTLE_SPACE:
            raise StorageFull("there is no room left")
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    async def _paint(self, path: Path, media_type: str, longest: int) -> tuple[Path, tuple[int, int]]:
        made = path.with_suffix(".clean")
        try:
            size = await self._compute(
                images.clean, str(path), str(made), media_type, longest, timeout=_IMAGE_PATIENCE
            )
        except images.BadImage as error:
            made.unlink(missing_ok=True)
            raise Refused("content", str(error)) from None
        except TimeoutError:
            made.unlink(missing_ok=True)
            raise Refused("content", "the image takes too long to read") from None
        except OSError as error:
            made.unlink(missing_ok=True)
            raise storage_error(error) from error
        except Overloaded:
            raise
        except Exception as error:
            # An image that ends the process which reads it is no image that we take.
            _log.warning("files: an image could not be made anew: %r", error)
            made.unlink(missing_ok=True)
            raise Refused("content", "the image cannot be read") from error
        except BaseException:
            made.unlink(missing_ok=True)
            raise
        return made, (size[0], size[1])


async def in_thread(function: Callable[..., _T], /, *arguments: Any, timeout: float) -> _T:
    """Run in a thread. What takes too long is given up, but goes on: a thread cannot be ended."""
    async with asyncio.timeout(timeout):
        return await asyncio.to_thread(function, *arguments)


async def _on_disk(function: Callable[..., _T], /, *arguments: Any) -> _T:
    """An error of the file system is the storage's; one of the connection that content comes from is not."""
    try:
        return await asyncio.to_thread(function, *arguments)
    except OSError as error:
        raise storage_error(error) from error


def _append(file: int, digest: Any, blocks: list[bytes]) -> None:
    for block in blocks:
        digest.update(block)
        left = memoryview(block)
        while left:
            left = left[os.write(file, left) :]


def _weigh(path: Path) -> tuple[int, bytes]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").digest()


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


__all__ = ["Compute", "File", "Files", "Missing", "Upload", "in_thread"]
