"""Fill an empty installation from a backup, while it is served or stopped: all of it, or nothing is changed.

The bus starts a new epoch, so that no reader takes what NATS still holds for news.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import database
from rhinecloud.engines.backup import read_manifest, restore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From where, and into which installation."""
    parser.add_argument("file", type=Path, help="the backup")
    parser.add_argument("--force", action="store_true", help="replace what the installation holds")
    add_settings(parser, ["data", "database_url"])


def run(arguments: argparse.Namespace) -> int:
    """Restore the backup."""
    settings = settings_from(arguments)
    source: Path = arguments.file.absolute()
    read_manifest(source)  # a wrong file is told before an engine is started
    with database(settings, say) as access:
        manifest = restore(access, source, say, force=arguments.force)
    say(f"Restored the state of {manifest.time} (Rhine Cloud {manifest.rhinecloud}).")
    if settings.database_url is not None:
        say("Restart the processes that serve it, if any: they must forget the former state.")
    return 0
