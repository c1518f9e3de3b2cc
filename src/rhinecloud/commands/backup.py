"""Write everything into one file, while the city is served or stopped.

The file holds the whole database (the graph, its history, every app's data) and the files that were uploaded. Only its
owner can read it; with a public key (backup_recipient) only the holder of its private key can, whoever has the file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import database
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.backup import write_backup
from rhinecloud.engines.sealing import recipients
from rhinecloud.files.contents import contents_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and of which installation."""
    parser.add_argument("file", type=Path, help="the file to write")
    parser.add_argument("--without-files", action="store_true", help="leave out what was uploaded")
    add_settings(parser, ["data", "database_url", "files_url", "backup_recipient"])


def run(arguments: argparse.Namespace) -> int:
    """Write the backup."""
    settings = settings_from(arguments)
    target: Path = arguments.file.absolute()
    if not target.parent.is_dir():
        raise EngineError(f"There is no folder {target.parent} to write the backup into.")
    if settings.database_url is None and not (settings.data / "postgresql").exists():
        raise EngineError(f"There is no installation in {settings.data}. Name its folder with --data.")
    with database(settings, say) as access, contents_of(settings) as contents:
        public = recipients(settings.backup_recipient)
        scratch = settings.data if public and settings.data.is_dir() else None
        wanted = None if arguments.without_files else contents
        manifest = write_backup(access, target, say, wanted, public=public, scratch=scratch)
    size = target.stat().st_size / 1e6
    held = "without files" if manifest.files is None else f"{manifest.files} files"
    held += ", encrypted" if public else ""
    say(f"Wrote {target} ({size:.1f} MB, PostgreSQL {manifest.postgresql}, {held}, {manifest.time}).")
    return 0
