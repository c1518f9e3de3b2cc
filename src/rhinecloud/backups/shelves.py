"""Where backups lie: a folder, or S3-compatible object storage. One appears there when it is complete."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec
import obstore

from rhinecloud.files import StorageUnavailable
from rhinecloud.files.s3 import Address, asking
from rhinecloud.settings import Settings, SettingsError

_NAME = re.compile(r"rhinecloud-(\d{8}T\d{6}Z)\.tar\.age")
_TIME = "%Y%m%dT%H%M%SZ"
_BLOCK = 1 << 20


class Kept(msgspec.Struct, frozen=True):
    """A backup: the moment whose state it holds (UTC), its name and its bytes."""

    at: datetime
    name: str
    size: int


class Shelf(Protocol):
    """A place for backups. All methods block and raise StorageUnavailable."""

    @property
    def place(self) -> str:
        """Where it is, for people; names no password."""
        ...

    def kept(self) -> list[Kept]:
        """What lies there, newest first. Other files are left out."""
        ...

    def put(self, name: str, source: Path) -> None:
        """Store a backup for good; `source` may be gone afterwards."""
        ...

    def fetch(self, name: str, target: Path) -> None:
        """Copy a backup from there into a new file."""
        ...

    def find(self, name: str, target: Path) -> bool:
        """Copy a file from there into a new one if it is there; whether it is."""
        ...

    def remove(self, name: str) -> None:
        """Delete a backup."""
        ...


def name_of(at: datetime) -> str:
    """The name of a backup of this moment."""
    return f"rhinecloud-{at.astimezone(UTC).strftime(_TIME)}.tar.age"


def shelf_of(settings: Settings) -> Shelf | None:
    """The place that the settings name; None if they name none. Raises SettingsError."""
    if settings.backup_to is None:
        return None
    if settings.backup_to.startswith("s3://"):
        try:
            return BucketShelf(settings.backup_to)
        except ValueError as error:
            raise SettingsError(str(error)) from None
    return FolderShelf(Path(settings.backup_to).expanduser().absolute())


class FolderShelf:
    """A folder: of another machine, best."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.place = str(path)

    def kept(self) -> list[Kept]:
        try:
            return _sorted((entry.name, entry.stat().st_size) for entry in self._path.iterdir())
        except OSError as error:
            raise StorageUnavailable(f"{self._path}: {error.strerror}") from None

    def put(self, name: str, source: Path) -> None:
        fresh = self._path / f"{name}.new"
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with source.open("rb") as reading, os.fdopen(descriptor, "wb") as file:
                shutil.copyfileobj(reading, file, _BLOCK)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(self._path / name)
            folder = os.open(self._path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise StorageUnavailable(f"{self._path}: {error.strerror}") from None

    def fetch(self, name: str, target: Path) -> None:
        try:
            with (self._path / name).open("rb") as reading, target.open("xb") as file:
                shutil.copyfileobj(reading, file, _BLOCK)
        except OSError as error:
            raise StorageUnavailable(f"{error.filename or self._path}: {error.strerror}") from None

    def find(self, name: str, target: Path) -> bool:
        try:
            listed = any(entry.name == name for entry in self._path.iterdir())
        except OSError as error:
            raise StorageUnavailable(f"{self._path}: {error.strerror}") from None
        if listed:
            self.fetch(name, target)
        return listed

    def remove(self, name: str) -> None:
        try:
            (self._path / name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailable(f"{self._path}: {error.strerror}") from None


class BucketShelf:
    """A bucket, or a part of one below a prefix."""

    def __init__(self, url: str) -> None:
        """Raises ValueError in words."""
        address = Address.read(url, "backup_to")
        self.place = address.place
        self._store = address.open()

    def kept(self) -> list[Kept]:
        with asking(None):
            return _sorted(
                (entry["path"].rpartition("/")[2], entry["size"])
                for page in obstore.list(self._store)
                for entry in page
            )

    def put(self, name: str, source: Path) -> None:
        with asking(None):
            obstore.put(self._store, name, source)

    def fetch(self, name: str, target: Path) -> None:
        with asking(None), target.open("xb") as file:
            for block in obstore.get(self._store, name).stream():
                file.write(bytes(block))

    def find(self, name: str, target: Path) -> bool:
        with asking(None):
            pages = obstore.list(self._store)
            listed = any(entry["path"].rpartition("/")[2] == name for page in pages for entry in page)
        if listed:
            self.fetch(name, target)
        return listed

    def remove(self, name: str) -> None:
        with asking(None):
            obstore.delete(self._store, name)


def _sorted(entries: Iterable[tuple[str, int]]) -> list[Kept]:
    found = []
    for name, size in entries:
        if (told := _NAME.fullmatch(name)) is not None:
            at = datetime.strptime(told[1], _TIME).replace(tzinfo=UTC)
            found.append(Kept(at, name, size))
    return sorted(found, key=lambda one: one.at, reverse=True)
