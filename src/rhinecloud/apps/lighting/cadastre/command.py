"""`rhinecloud lighting import-cadastre`: a file of any size, tried and taken in."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Final

from rhinecloud.city import City

from . import importing
from .kinds import KINDS

HELP: Final = "take a file of lamps, posts, cabinets, feeders, types or groups into the cadastre"
_PROBLEMS: Final = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("kind", choices=[*KINDS], help="what the file lists")
    parser.add_argument(
        "file", type=Path, help="CSV, GeoJSON or NDJSON (docs/reference/lighting-cadastre.md)"
    )
    parser.add_argument(
        "--crs", default=importing.CRS[0], help="reference system of its positions (EPSG:25832)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be taken and what not")


async def run(city: City, arguments: argparse.Namespace) -> int:
    """1 if a line was refused or the file cannot be read."""
    kind, path = KINDS[arguments.kind], arguments.file
    try:
        if arguments.dry_run:
            there = await importing.known(city, kind)
            result = await asyncio.to_thread(
                lambda: importing.tried(importing.judge(kind, path, arguments.crs, there))
            )
        else:
            result = await importing.take_in(city, kind, path, arguments.crs, _told)
    except importing.Unreadable as error:
        print(error)
        return 1
    would = "would be" if arguments.dry_run else "were"
    print(
        f"{result.fit:,} {would} taken in, {result.fresh:,} of them new. {result.refused:,} {would} refused."
    )
    for line, (_, problem) in result.problems[:_PROBLEMS]:
        print(f"  line {line}: {problem}")
    return 1 if result.refused else 0


async def _told(done: int) -> None:
    print(f"  {done:,} taken in", flush=True)
