"""Make one backup: dump, encrypt, store, and delete those that need not stay. Blocks; run in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rhinecloud import backup_keep
from rhinecloud.engines import binaries, sealing
from rhinecloud.engines.access import Access
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.backup import write_backup
from rhinecloud.files.contents import contents_of
from rhinecloud.settings import Settings

from .shelves import Shelf, name_of, shelf_of


def make(settings: Settings, database_url: str, say: Callable[[str], None]) -> str:
    """Make a backup and store it; returns its name. Raises EngineError, files.StorageUnavailable, SettingsError."""
    shelf = shelf_of(settings)
    if shelf is None:
        raise EngineError("backup_to says no place.")
    public = sealing.recipients(settings.backup_recipient)
    if not public:
        raise EngineError("backup_recipient names nobody who could read it.")
    shelf.kept()  # a place that is away is told before the work is done
    access = Access(database_url, binaries.postgresql_in_wheel().bin)
    scratch = room_for(settings)
    sealing.remove_leftovers(scratch)
    with tempfile.TemporaryDirectory(prefix=".rhinecloud-", dir=scratch) as folder:
        file = Path(folder) / "backup.tar.age"
        with contents_of(settings) as contents:
            wanted = contents if settings.backup_files else None
            manifest = write_backup(access, file, say, wanted, public=public)
        name = name_of(datetime.fromisoformat(manifest.time))
        shelf.put(name, file)
        say(f"backup {name} in {shelf.place}: {file.stat().st_size / 1e6:.1f} MB")
    prune(shelf, settings)
    return name


def room_for(settings: Settings) -> Path:
    """Where the dump lies until it is encrypted: on this machine, never at the place of the backups."""
    folder = settings.data / "scratch"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(f"{folder} cannot be made for the backup: {error.strerror}") from None
    return folder


def prune(shelf: Shelf, settings: Settings) -> list[str]:
    """Delete what backup_keep does not name; returns the names."""
    found = shelf.kept()
    rules = backup_keep.parse(settings.backup_keep)
    stay = backup_keep.kept((one.at for one in found), rules, ZoneInfo(settings.time_zone))
    gone = [one.name for one in found if one.at.astimezone(UTC) not in stay]
    for name in gone:
        shelf.remove(name)
    return gone
