"""Prove a backup: restore it into an empty installation that is made for it, count, compare, and remove it again.

    rhinecloud backup verify city.tar.age --key key.txt

Nothing of the city that is served is touched. It takes as much room as a restore, in the folder of --scratch.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from rhinecloud.commands.serve import say
from rhinecloud.engines.access import database
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.backup import restore
from rhinecloud.engines.contents import rows as rows_of_files
from rhinecloud.engines.moment import count_rows
from rhinecloud.engines.sealing import unsealed
from rhinecloud.files.contents import contents_of
from rhinecloud.settings import Settings

_SHOWN = 10  # tables


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which backup, and the key that opens it."""
    parser.add_argument("file", type=Path, help="the backup")
    add_key(parser)
    parser.add_argument(
        "--scratch", type=Path, metavar="FOLDER", default=None, help="where there is room for it [/tmp]"
    )


def add_key(parser: argparse.ArgumentParser) -> None:
    """The private key of an encrypted backup."""
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        default=None,
        help="file with the private key of an encrypted backup",
    )


def run(arguments: argparse.Namespace) -> int:
    """0 when all is there, 1 when something is not."""
    source: Path = arguments.file.absolute()
    scratch: Path | None = arguments.scratch
    if scratch is not None and not scratch.is_dir():
        raise EngineError(f"There is no folder {scratch}.")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rhinecloud-verify-", dir=scratch) as name:
        Path(name).chmod(0o711)  # the engines' account walks through
        settings = Settings(data=Path(name) / "data")
        with (
            unsealed(source, arguments.key, Path(name)) as plain,
            database(settings, _quiet) as access,
            contents_of(settings) as contents,
        ):
            manifest = restore(access, plain, say, contents, shown=source)
            found = count_rows(access)
            said = len(set(rows_of_files(access, "id")))
            lying = len(contents.names())
    wrong = differences(manifest.rows or {}, found)
    for line in wrong:
        say(f" ✗ {line}")
    if wrong:
        raise EngineError(f"{source} does not hold what it says: {len(wrong)} tables differ.")
    seconds = time.monotonic() - begun
    say(f"The state of {manifest.time} (Rhine Cloud {manifest.rhinecloud}) was restored in {seconds:.0f} s.")
    if manifest.rows is None:
        say("It is of a version that did not write down the number of rows, so there is nothing to compare.")
    else:
        say(f"All {sum(found.values()):,} rows of {len(found):,} tables are there; the largest:")
        for table, count in sorted(found.items(), key=lambda pair: -pair[1])[:_SHOWN]:
            say(f"  {count:>12,}  {table}")
    if manifest.files is None:
        say("It has no files.")
    else:
        say(f"All {lying:,} files are as they were written; the database names {said:,}.")
    return 0


def differences(written: dict[str, int], found: dict[str, int]) -> list[str]:
    """In words, each table whose rows are not as many as were written down. What was not written down is not
    compared."""
    return [
        f"{table}: {count:,} rows were written, {found.get(table, 0):,} are there"
        for table, count in written.items()
        if found.get(table) != count
    ]


def _quiet(text: str) -> None:
    """The engine of the trial is nobody's concern."""
