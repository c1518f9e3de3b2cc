"""Fill an empty installation from a backup, while it is served or stopped: all of it, or nothing is changed.

The backup's files go where the settings say; those in S3-compatible storage that it does not name stay there.
Whoever was erased after the backup is erased again before anything is served, as far as a ledger of erasures says so.
The bus starts a new epoch, so that no reader takes what NATS still holds for news.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from datetime import datetime
from pathlib import Path

from rhinecloud.commands.backup_verify import add_key
from rhinecloud.commands.erased import gather
from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import Access, database
from rhinecloud.engines.backup import Manifest, read_manifest, restore
from rhinecloud.engines.contents import unnamed
from rhinecloud.engines.sealing import unsealed
from rhinecloud.files.contents import StoredContents, contents_of
from rhinecloud.settings import Settings
from rhinecloud.store import NotLetIn, Registry, Rooms, Unavailable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From where, and into which installation."""
    parser.add_argument("file", type=Path, help="the backup")
    add_key(parser)
    parser.add_argument("--force", action="store_true", help="replace what the installation holds")
    parser.add_argument(
        "--ledger",
        type=Path,
        metavar="FILE",
        help="the ledger of erasures of the lost installation; without it erasures.jsonl beside the backup, and "
        "the one at the place of backup_to",
    )
    add_settings(parser, ["data", "database_url", "files_url", "backup_to", "erasure_ledger"])


def run(arguments: argparse.Namespace) -> int:
    """Restore the backup."""
    settings = settings_from(arguments)
    source: Path = arguments.file.absolute()
    # The plain text of an encrypted backup lies where the data will lie, and only until it is restored.
    scratch = settings.data if settings.database_url is None and settings.data.is_dir() else None
    with unsealed(source, arguments.key, scratch) as plain:
        manifest = read_manifest(plain, source)  # a wrong file is told before an engine is started
        with database(settings, say) as access, contents_of(settings) as contents:
            # Before the restore: were it cut off afterwards, what came back would be served.
            erased = gather(settings, source, arguments.ledger)
            _restore(settings, access, contents, plain, source, force=arguments.force)
    say(erased.said(datetime.fromisoformat(manifest.time)))
    return 0


def _restore(
    settings: Settings, access: Access, contents: StoredContents, plain: Path, source: Path, *, force: bool
) -> None:
    manifest = restore(access, plain, say, contents, force=force, shown=source)
    _forget_others(settings, manifest, access, contents)
    # Workers do the same when they begin; without any, or before, all roles are there all the same.
    with contextlib.suppress(*Unavailable, *NotLetIn):
        asyncio.run(_prepare(access.url))
    say(f"Restored the state of {manifest.time} (Rhine Cloud {manifest.rhinecloud}).")
    if manifest.files is None:
        say(f"The backup has no files: those of its time are looked for in {contents.storage.place}.")
    if settings.database_url is not None:
        say("Restart the processes that serve it, if any: they must forget the former state.")


async def _prepare(url: str) -> None:
    await Registry(url).prepare_all()
    await Rooms(url).prepare_all()


def _forget_others(settings: Settings, manifest: Manifest, access: Access, contents: StoredContents) -> None:
    """What the restored database does not name is of the replaced state. Only where nobody else can have put it: in
    the data folder that belongs to this very database."""
    if settings.database_url is None and settings.files_url is None and manifest.files is not None:
        for name in unnamed(access, contents):
            contents.remove(name)
