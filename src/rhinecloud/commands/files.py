"""Look after uploaded files: whether each is there as it was stored, and what nobody names.

    rhinecloud files check

reads all of them. The exit code is 1 when a file is missing or not what it was.
"""

from __future__ import annotations

import argparse

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import say
from rhinecloud.engines.access import Access, database
from rhinecloud.engines.backup import Progress
from rhinecloud.engines.contents import digest_of, rows, unnamed
from rhinecloud.files.contents import StoredContents, contents_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which installation."""
    parser.add_argument("action", choices=["check"], help="check: read every file and compare")
    parser.add_argument(
        "--remove-unnamed", action="store_true", help="delete the contents that no row of the database names"
    )
    add_settings(parser, ["data", "database_url", "files_url"])


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong, and the sums."""
    settings = settings_from(arguments)
    with database(settings, say) as access, contents_of(settings) as contents:
        found, wrong = _compare(access, contents)
        extra = unnamed(access, contents)
        for name in extra:
            if arguments.remove_unnamed:
                contents.remove(name)
            else:
                say(f"Nobody names the content {name}.")
    say(f"{found} files in {contents.storage.place}, {wrong} of them missing or damaged.")
    if extra:
        done = "removed" if arguments.remove_unnamed else "left alone (--remove-unnamed deletes them)"
        say(f"{len(extra)} contents that nobody names, {done}.")
    return 1 if wrong else 0


def _compare(access: Access, contents: StoredContents) -> tuple[int, int]:
    """The number of files, and of those that are not as they were stored."""
    progress = Progress(say, "Read")
    found = wrong = 0
    # The name last: it may hold the separator.
    for line in rows(access, "replace(id::text, '-', ''), size, encode(sha256, 'hex'), app, subject, name"):
        content, size, digest, told = line.split("|", 3)
        found += 1
        try:
            with contents.open(content) as file:
                actual = digest_of(file)
        except LookupError:
            actual = "missing"
        if actual != digest:
            wrong += 1
            problem = "is missing" if actual == "missing" else "is damaged"
            say(f"The content {content} {problem}: {told.replace('|', ' / ')}")
        progress.add(int(size))
    return found, wrong
