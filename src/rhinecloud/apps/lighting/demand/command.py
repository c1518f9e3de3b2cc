"""`rhinecloud lighting roads`: take the network of roads."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Final

from rhinecloud.city import City

from .importing import Unreadable, read, take

HELP: Final = "take a network of roads, for light on demand"
_PROBLEMS: Final = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument(
        "file", type=Path, help="GeoJSON with LineStrings (docs/reference/lighting-on-demand.md)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be taken and what not")


async def run(city: City, arguments: argparse.Namespace) -> int:
    """1 if the file cannot be read or a line of it was left out."""
    try:
        content = await asyncio.to_thread(arguments.file.read_bytes)
        found = await asyncio.to_thread(read, content)
    except OSError as error:
        print(f"{arguments.file} cannot be read: {error.strerror}")
        return 1
    except Unreadable as error:
        print(error.message[1])
        return 1
    if not arguments.dry_run:
        await take(city, "command", arguments.file.name, found)
    would = "would be" if arguments.dry_run else "were"
    print(f"{len(found.ways):,} ways, {found.metres / 1000:,.1f} km, {would} taken.")
    for problem in found.problems[:_PROBLEMS]:
        print(f"  feature {problem.feature}: {problem.message[1]}")
    return 1 if found.problems else 0
