"""Where the content of files lies: a folder beside the data. See `s3` for object storage.

Content is stored under the file's id, once, and never changed: whoever has read an id's content has the right one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Protocol
from uuid import UUID, uuid4

import msgspec

CHUNK = 256 * 1024  # bytes read at once
_COPY = 1024 * 1024


class Missing(LookupError):
    """There is no content under this id."""


class StorageUnavailable(Exception):
    """The storage does not answer, or refuses what must be allowed; the message says what it said."""


class StorageFull(StorageUnavailable):
    """There is no room left."""


class Stored(msgspec.Struct, frozen=True):
    """What lies in a storage: the id and the number of bytes."""

    id: UUID
    size: int


class Storage(Protocol):
    """A place for content. The plain methods block and are for commands; the others for the event loop."""

    @property
    def place(self) -> str:
        """Where it is, for people; names no password."""
        ...

    async def put(self, file_id: UUID, source: Path) -> None:
        """Store the content of `source` for good; `source` may be gone afterwards.

        It survives a power cut when this returns. Raises StorageUnavailable, StorageFull.
        """
        ...

    def read(self, file_id: UUID, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `end`. Raises Missing, StorageUnavailable."""
        ...

    async def delete(self, file_id: UUID) -> None:
        """Delete the content; nothing happens if there is none. Raises StorageUnavailable."""
        ...

    async def ask(self) -> None:
        """Raise StorageUnavailable unless one can write here."""
        ...

    def listing(self) -> Iterator[Stored]:
        """Everything that lies here."""
        ...

    def open(self, file_id: UUID) -> IO[bytes]:
        """The content, to be read from its start. Raises Missing."""
        ...

    def take(self, file_id: UUID, content: IO[bytes]) -> None:
        """Store content for good."""
        ...

    def remove(self, file_id: UUID) -> None:
        """Delete the content, if there is any."""
        ...


class Folder:
    """A folder of this machine: `ab/abcdef…`, 256 folders so that none grows large."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def place(self) -> str:
        return str(self.path)

    async def put(self, file_id: UUID, source: Path) -> None:
        await asyncio.to_thread(self._put, file_id, source)

    async def read(self, file_id: UUID, start: int, end: int) -> AsyncIterator[bytes]:
        file = await asyncio.to_thread(self.open, file_id)
        try:
            await asyncio.to_thread(file.seek, start)
            left = end - start
            while left > 0 and (block := await asyncio.to_thread(file.read, min(CHUNK, left))):
                left -= len(block)
                yield block
        finally:
            file.close()

    async def delete(self, file_id: UUID) -> None:
        try:
            await asyncio.to_thread(self.remove, file_id)
        except OSError as error:
            raise StorageUnavailable(str(error)) from error

    async def ask(self) -> None:
        def examine() -> None:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise StorageUnavailable(f"{self.path} cannot be written")

        try:
            await asyncio.to_thread(examine)
        except OSError as error:
            raise StorageUnavailable(f"{self.path} cannot be used: {error.strerror}") from error

    def listing(self) -> Iterator[Stored]:
        if not self.path.is_dir():
            return
        for folder in sorted(self.path.iterdir()):
            if len(folder.name) != 2 or not folder.is_dir():
                continue
            for file in sorted(folder.iterdir()):
                with contextlib.suppress(ValueError):
                    yield Stored(UUID(hex=file.name), file.stat().st_size)

    def open(self, file_id: UUID) -> IO[bytes]:
        try:
            return self._of(file_id).open("rb")
        except FileNotFoundError:
            raise Missing(str(file_id)) from None

    def take(self, file_id: UUID, content: IO[bytes]) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.path / f".{uuid4().hex}"
        try:
            with fresh.open("xb") as file:
                shutil.copyfileobj(content, file, _COPY)
            self._place(file_id, fresh)
        finally:
            fresh.unlink(missing_ok=True)

    def remove(self, file_id: UUID) -> None:
        self._of(file_id).unlink(missing_ok=True)

    def _of(self, file_id: UUID) -> Path:
        return self.path / file_id.hex[:2] / file_id.hex

    def _put(self, file_id: UUID, source: Path) -> None:
        try:
            self._place(file_id, source)
        except StorageUnavailable as error:
            # No file is renamed into another file system, and temporary files often lie in one of their own.
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EXDEV:
                raise
            try:
                with source.open("rb") as content:
                    self.take(file_id, content)
            except OSError as failure:
                raise storage_error(failure) from failure

    def _place(self, file_id: UUID, source: Path) -> None:
        target = self._of(file_id)
        try:
            source.chmod(0o600)
            self._hand_over(source)
            _flush(source)
            if not target.parent.is_dir():
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._hand_over(self.path)
                self._hand_over(target.parent)
                _flush(self.path)
            source.replace(target)
            # The name must survive a power cut as well as the content.
            _flush(target.parent)
        except OSError as error:
            raise storage_error(error) from error

    def _hand_over(self, path: Path) -> None:
        """What root restores belongs to whoever serves: the owner of the data folder."""
        owner = self.path.parent.stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.chown(path, owner.st_uid, owner.st_gid)


def storage_error(error: OSError) -> StorageUnavailable:
    """What an error of the file system means to who stores."""
    kind = StorageFull if error.errno in _FULL else StorageUnavailable
    return kind(error.strerror or str(error))


_FULL = (28, 122)  # ENOSPC, EDQUOT


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
