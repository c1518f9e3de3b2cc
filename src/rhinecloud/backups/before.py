"""The backup before a migration that cannot be undone: the way back to the version of before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from rhinecloud.engines import binaries, sealing
from rhinecloud.engines.access import Access
from rhinecloud.engines.backup import write_backup
from rhinecloud.files.contents import contents_of
from rhinecloud.settings import Settings
from rhinecloud.store.migrations import LOCK
from rhinecloud.store.versions import Migration, last_served, pending_one_way

_log = logging.getLogger(__name__)
_SAME = timedelta(hours=1)  # a start that failed after its backup needs no second one
_TIME = "%Y%m%dT%H%M%SZ"


async def back_up_before_one_way(
    settings: Settings, database_url: str, families: Mapping[str, Sequence[Migration]]
) -> Path | None:
    """Make a backup if the start of this program would apply a migration that cannot be undone; returns the file.

    Nothing is made for data that are new, nor again within an hour. `families` as in `versions.pending_one_way`.
    Raises EngineError, and asyncpg's errors if the server is away.
    """
    connection = await asyncpg.connect(
        database_url, server_settings={"application_name": "rhinecloud upgrade"}
    )
    try:
        # Nor does a worker migrate meanwhile: half of a new city would look like an old one, and a dump of it fails.
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        pending = await pending_one_way(connection, families)
        if not pending:
            return None
        before = await last_served(connection) or "an-older-version"
        return await asyncio.to_thread(_write, settings, database_url, before, pending[-1])
    finally:
        await connection.close()


def folder_of(settings: Settings) -> Path:
    """Where these backups lie."""
    return settings.data / "before-upgrade"


def _write(settings: Settings, database_url: str, version: str, migration: str) -> Path:
    folder = folder_of(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    public = sealing.recipients(settings.backup_recipient)
    now = datetime.now(UTC)
    stem = f"{version}-{migration.removesuffix('.sql')}-"
    for file in folder.glob(f"{stem}*.tar*"):
        made = datetime.strptime(file.name.removeprefix(stem).split(".")[0], _TIME).replace(tzinfo=UTC)
        if now - made < _SAME and not file.name.endswith(".new"):
            return file
    target = folder / f"{stem}{now.strftime(_TIME)}.tar{'.age' if public else ''}"
    _log.warning("%s cannot be undone: a backup is made before, %s", migration, target)
    access = Access(database_url, binaries.postgresql_in_wheel().bin)
    with contents_of(settings) as contents:
        # Files in a bucket are not touched by a migration, and may be very many.
        wanted = contents if settings.files_url is None else None
        write_backup(access, target, lambda text: _log.info("%s", text), wanted, public=public)
    return target
