"""List the backups at the place that backup_to names, a folder or a bucket: the newest first.

rhinecloud backup list --backup-to s3://KEY:SECRET@bucket/prefix?endpoint=https://…
"""

from __future__ import annotations

import argparse

import msgspec

from rhinecloud.backups import Shelf, shelf_of
from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.account import EngineError
from rhinecloud.files import StorageUnavailable
from rhinecloud.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of which place."""
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    add_settings(parser, ["backup_to"])


def run(arguments: argparse.Namespace) -> int:
    """Print moment, bytes and name of each."""
    shelf = place_of(settings_from(arguments))
    try:
        found = shelf.kept()
    except StorageUnavailable as error:
        raise EngineError(f"The backups cannot be seen: {error}") from None
    if arguments.json:
        say(msgspec.json.encode(found).decode())
        return 0
    for one in found:
        say(f"{one.at:%Y-%m-%d %H:%M} UTC  {one.size / 1e6:>10,.1f} MB  {one.name}")
    say(f"{len(found)} backups in {shelf.place}")
    return 0


def place_of(settings: Settings) -> Shelf:
    """The place of the settings. Raises EngineError where they name none."""
    shelf = shelf_of(settings)
    if shelf is None:
        raise EngineError("Say where the backups lie: --backup-to, or RHINECLOUD_BACKUP_TO.")
    return shelf
