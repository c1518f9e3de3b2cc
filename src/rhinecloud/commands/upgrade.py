"""Bring the data of an older PostgreSQL to the installed major version. Stop Rhine Cloud before.

It needs as much free space as the data take. The old data stay beside the new ones until you remove them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.folder import DataFolder
from rhinecloud.engines.upgrade import upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which installation, and the old programs if they are not in its folder."""
    parser.add_argument(
        "--old-programs", type=Path, metavar="FOLDER", help="programs of the old PostgreSQL, if not kept"
    )
    add_settings(parser, ["data"])


def run(arguments: argparse.Namespace) -> int:
    """Upgrade, or say that nothing is to do."""
    settings = settings_from(arguments)
    if not (settings.data / "postgresql").exists() and not (settings.data / "postgresql.upgraded").exists():
        raise EngineError(f"There is no installation in {settings.data}. Name its folder with --data.")
    folder = DataFolder(settings.data)
    folder.open()
    try:
        old = upgrade(folder, say, arguments.old_programs)
    finally:
        folder.close()
    if old is None:
        say("Nothing to do: the data fit the installed PostgreSQL.")
    else:
        say(f"Done. The old data are in {old}; remove that folder when you are content.")
    return 0
