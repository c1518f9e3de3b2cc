"""The files of an installation, as backup, restore and their check want them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from uuid import UUID

from rhinecloud.engines.account import EngineError
from rhinecloud.settings import Settings

from .places import storage_of
from .storage import Storage, StorageUnavailable


class StoredContents:
    """The contents in the storage that the settings name."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def names(self) -> dict[str, int]:
        return {stored.id.hex: stored.size for stored in self.storage.listing()}

    def open(self, name: str) -> IO[bytes]:
        return self.storage.open(UUID(hex=name))

    def take(self, name: str, content: IO[bytes]) -> None:
        self.storage.take(UUID(hex=name), content)

    def remove(self, name: str) -> None:
        self.storage.remove(UUID(hex=name))


@contextmanager
def contents_of(settings: Settings) -> Iterator[StoredContents]:
    """The contents; a storage that does not answer is told as an EngineError, in words."""
    storage = storage_of(settings)
    try:
        yield StoredContents(storage)
    except StorageUnavailable as error:
        raise EngineError(f"The files in {storage.place} cannot be reached: {error}") from None
