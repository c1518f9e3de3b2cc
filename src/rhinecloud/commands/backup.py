"""Write everything into one file, while the city is served or stopped.

The file holds the whole database (the graph, its history, every app's data). Only its owner can read it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import database
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.backup import write_backup


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and of which installation."""
    parser.add_argument("file", type=Path, help="the file to write")
    add_settings(parser, ["data", "database_url"])


def run(arguments: argparse.Namespace) -> int:
    """Write the backup."""
    settings = settings_from(arguments)
    target: Path = arguments.file.absolute()
    if not target.parent.is_dir():
        raise EngineError(f"There is no folder {target.parent} to write the backup into.")
    if settings.database_url is None and not (settings.data / "postgresql").exists():
        raise EngineError(f"There is no installation in {settings.data}. Name its folder with --data.")
    with database(settings, say) as access:
        manifest = write_backup(access, target, say)
    size = target.stat().st_size / 1e6
    say(f"Wrote {target} ({size:.1f} MB, PostgreSQL {manifest.postgresql}, {manifest.time}).")
    return 0
