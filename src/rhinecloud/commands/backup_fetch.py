"""Fetch a backup from the place that backup_to names, a folder or a bucket, into a file that is not there yet.

rhinecloud backup fetch newest --backup-to s3://KEY:SECRET@bucket/prefix?endpoint=https://…
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rhinecloud.backups import Kept, Shelf
from rhinecloud.commands.backup_list import place_of
from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.account import EngineError
from rhinecloud.files import StorageUnavailable

_NEWEST = "newest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which one, from which place and where to."""
    parser.add_argument("name", help="its name as `rhinecloud backup list` says it, or: newest")
    parser.add_argument(
        "--to", type=Path, metavar="FILE", help="the file to write [the name, in this folder]"
    )
    add_settings(parser, ["backup_to"])


def run(arguments: argparse.Namespace) -> int:
    """Fetch it; it appears when it is complete, readable by its owner only."""
    shelf = place_of(settings_from(arguments))
    try:
        found = _named(shelf, arguments.name)
        target = (arguments.to or Path(found.name)).absolute()
        _fetch(shelf, found, target)
    except StorageUnavailable as error:
        raise EngineError(f"The backup cannot be fetched: {error}") from None
    say(f"Wrote {target} ({found.size / 1e6:.1f} MB, the state of {found.at:%Y-%m-%d %H:%M} UTC).")
    return 0


def _named(shelf: Shelf, name: str) -> Kept:
    kept = shelf.kept()
    found = next((one for one in kept if name in (_NEWEST, one.name)), None)
    if found is None:
        raise EngineError(f"There is no backup {'' if name == _NEWEST else name + ' '}in {shelf.place}.")
    return found


def _fetch(shelf: Shelf, found: Kept, target: Path) -> None:
    if target.exists():
        raise EngineError(f"{target} is there already.")
    fresh = target.with_name(target.name + ".new")
    try:
        fresh.unlink(missing_ok=True)
        shelf.fetch(found.name, fresh)
        fresh.chmod(0o600)
        size = fresh.stat().st_size
        if size != found.size:
            raise EngineError(f"{found.name} has {found.size:,} bytes in {shelf.place}, and {size:,} came.")
        fresh.rename(target)
    except OSError as error:
        raise EngineError(f"{target} cannot be written: {error.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)
