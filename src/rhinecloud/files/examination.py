"""What `rhinecloud check` says about files."""

from __future__ import annotations

from rhinecloud.settings import Settings, SettingsError

from .places import storage_of
from .storage import StorageUnavailable


async def examine_files(settings: Settings) -> tuple[str, str]:
    """The level ("good", "note" or "wrong") and a sentence. Writes nothing."""
    try:
        storage = storage_of(settings)
    except SettingsError as error:
        return "wrong", str(error)
    if settings.files_url is None:
        if settings.database_url is not None:
            return "note", (
                f"Files lie in {storage.place} of this machine. Workers on several machines need one place for "
                "all: --files-url, or a shared folder there."
            )
        return "good", f"Files lie in {storage.place}"
    try:
        await storage.ask()
    except StorageUnavailable as error:
        return "wrong", f"The files' storage {storage.place} does not answer as it must: {error}"
    return "good", f"Files lie in {storage.place}, which answers"
