"""What `rhinecloud check` says about backups."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from rhinecloud.files import StorageUnavailable
from rhinecloud.settings import Settings, SettingsError

from .backups import every, told
from .shelves import shelf_of


async def examine_backups(settings: Settings) -> tuple[str, str]:
    """The level ("good", "note" or "wrong") and a sentence. Writes nothing."""
    between = every(settings)
    if between is None:
        return "note", (
            "No backups are made by themselves: --backup-every 24h --backup-to PLACE --backup-recipient KEY "
            "(docs/how-to/back-up-and-restore.md)"
        )
    try:
        shelf = shelf_of(settings)
        assert shelf is not None
        found = await asyncio.to_thread(shelf.kept)
    except (SettingsError, StorageUnavailable) as error:
        return "wrong", f"The backups cannot be seen: {error}"
    figures = told(found, between, datetime.now(UTC))
    if not found:
        return (
            "note",
            f"There is no backup in {shelf.place} yet; the first is made when Rhine Cloud is served.",
        )
    words = (
        f"{figures['count']} backups in {shelf.place}, the newest {_age(figures['age_seconds'])} old, "
        f"{found[0].size / 1e6:.1f} MB"
    )
    if figures["late"]:
        return "wrong", (
            f"{words}: older than it should be (every {settings.backup_every}). Is Rhine Cloud served? The page of "
            "jobs says why backups.make fails."
        )
    return "good", words


def _age(seconds: int) -> str:
    if seconds < 7_200:
        return f"{max(seconds, 0) // 60} minutes"
    return f"{seconds // 3_600} hours" if seconds < 172_800 else f"{seconds // 86_400} days"
