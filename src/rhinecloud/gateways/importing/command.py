"""Import a file of places or things: CSV, GeoJSON or NDJSON, in any coordinate system.

A mapping says which column becomes which attribute; the city's NGSI-LD API receives the entities in batches. An
import that was interrupted goes on where it stopped when the same command is given again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from rhinecloud.gateways.importing import records
from rhinecloud.gateways.importing.entities import Rejected, Skipped, builder
from rhinecloud.gateways.importing.mapping import Geometry, Mapping, MappingError, load
from rhinecloud.gateways.importing.progress import Progress
from rhinecloud.gateways.importing.records import Record, SourceError
from rhinecloud.gateways.importing.state import Journal, fingerprint, folder_for
from rhinecloud.gateways.importing.upsert import MOST_AT_ONCE, ServerRefuses, Upsert
from rhinecloud.tasks import stop

Build = Callable[[Record], dict[str, Any]]
_AT_ONCE = 2  # batches under way: one is written while the next is read
_REJECTS_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `rhinecloud import`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV, GeoJSON or NDJSON")
    parser.add_argument(
        "--mapping",
        metavar="MAP",
        help="mapping file (TOML or JSON), or the name of a shipped one; without it every column becomes an "
        "attribute, and the column id (or a feature's id) names the entity",
    )
    parser.add_argument("--type", metavar="TYPE", help="entity type; replaces that of the mapping")
    parser.add_argument(
        "--url", default="http://127.0.0.1:8080", metavar="URL", help="address of the city [%(default)s]"
    )
    parser.add_argument(
        "--token", default=None, metavar="TOKEN", help="access token [RHINECLOUD_TOKEN in the environment]"
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=MOST_AT_ONCE,
        metavar="N",
        help=f"entities in one request, at most {MOST_AT_ONCE} [%(default)s]",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        help="folder for the progress and the rejects; by default that of FILE, or the current one if nothing can "
        "be written there",
    )
    parser.add_argument("--restart", action="store_true", help="begin at the first line again")
    parser.add_argument(
        "--dry-run", action="store_true", help="read and map everything, send nothing, print the first entity"
    )


def run(arguments: argparse.Namespace) -> int:
    """Import; 0 when every record was taken or left out by a rule, 1 when some were rejected or it broke off."""
    try:
        return _run(arguments)
    except (MappingError, SourceError, ServerRefuses) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    source: Path = arguments.file
    if not source.is_file():
        raise SourceError(f"There is no file {source}.")
    mapping = _mapping(arguments)
    build = builder(mapping)
    total = records.count(source, mapping.source)
    if arguments.dry_run:
        return _rehearse(records.read(source, mapping.source), build)
    folder: Path = arguments.state or folder_for(source)
    folder.mkdir(parents=True, exist_ok=True)
    content = fingerprint(source, msgspec.json.encode(mapping).decode(), arguments.url)
    journal = Journal(source, "restart" if arguments.restart else content, folder)
    journal.state.content = content
    if journal.resumed:
        print(f"Going on after line {journal.state.line:,}.", file=sys.stderr)
    progress = Progress(total, journal.state.line)
    batches = _batches(
        records.read(source, mapping.source),
        build,
        after=journal.state.line,
        size=max(1, min(arguments.batch, MOST_AT_ONCE)),
    )
    try:
        asyncio.run(_send(batches, journal, progress, mapping, arguments))
    except ServerRefuses as error:
        raise ServerRefuses(f"{error}\nThe same command goes on from here.") from None
    progress.show(journal.state.line, end=True)
    journal.finish()
    return _summary(journal)


def _mapping(arguments: argparse.Namespace) -> Mapping:
    if arguments.mapping is not None:
        return load(arguments.mapping, arguments.type)
    if arguments.type is None:
        raise MappingError("Say the entity type (--type), or give a mapping (--mapping).")
    kind: str = arguments.type
    return Mapping(type=kind, others=True, geometry=Geometry(required=False))


class _Batch(msgspec.Struct):
    """Distinct entities with the records that they were made of, and what was left out, up to a line."""

    line: int
    entities: list[dict[str, Any]] = []
    origins: list[Record] = []
    ids: set[str] = set()
    rejected: list[tuple[Record, str]] = []
    skipped: int = 0


def _batches(found: Iterator[Record], build: Build, *, after: int, size: int) -> Iterator[_Batch]:
    batch = _Batch(after)
    for record in found:
        if record.line <= after:
            continue
        entity, reason = None, None
        try:
            entity = build(record)
        except Skipped:
            pass
        except Rejected as error:
            reason = str(error)
        full = len(batch.entities) >= size or len(batch.rejected) >= size
        if full or (entity is not None and entity["id"] in batch.ids):
            yield batch
            batch = _Batch(batch.line)
        batch.line = record.line
        if entity is not None:
            batch.ids.add(entity["id"])
            batch.entities.append(entity)
            batch.origins.append(record)
        elif reason is not None:
            batch.rejected.append((record, reason))
        else:
            batch.skipped += 1
    yield batch


async def _send(
    batches: Iterator[_Batch],
    journal: Journal,
    progress: Progress,
    mapping: Mapping,
    arguments: argparse.Namespace,
) -> None:
    under_way: deque[tuple[_Batch, asyncio.Task[list[str | None]]]] = deque()

    async def settle() -> None:
        """The oldest batch: its verdicts, then the state. In order, so that the state never runs ahead."""
        batch, task = under_way[0]
        verdicts = await task
        under_way.popleft()
        _note(batch, verdicts, journal)
        progress.show(batch.line)

    token = arguments.token or os.environ.get("RHINECLOUD_TOKEN")
    async with Upsert.client(arguments.url, token) as client:
        sender = Upsert(client, mapping, lambda text: print(f"\n{text}", file=sys.stderr))
        try:
            for batch in batches:
                # Never the same entity twice at once: the later record has to win.
                while len(under_way) >= _AT_ONCE or any(
                    not earlier.ids.isdisjoint(batch.ids) for earlier, _ in under_way
                ):
                    await settle()
                under_way.append((batch, asyncio.create_task(_deliver(sender, batch.entities))))
                await asyncio.sleep(0)
            while under_way:
                await settle()
        finally:
            await stop(*(task for _, task in under_way))


async def _deliver(sender: Upsert, entities: list[dict[str, Any]]) -> list[str | None]:
    return await sender.send(entities) if entities else []


def _note(batch: _Batch, verdicts: list[str | None], journal: Journal) -> None:
    refused = [
        (record, reason) for record, reason in zip(batch.origins, verdicts, strict=True) if reason is not None
    ]
    for record, reason in sorted(batch.rejected + refused, key=lambda pair: pair[0].line):
        journal.reject(record.line, reason, record.values)
    journal.state.tally.sent += len(verdicts) - len(refused)
    journal.state.tally.skipped += batch.skipped
    journal.save(batch.line)


def _rehearse(found: Iterator[Record], build: Build) -> int:
    good = skipped = 0
    bad: list[str] = []
    for record in found:
        try:
            entity = build(record)
        except Skipped:
            skipped += 1
        except Rejected as error:
            bad.append(f"line {record.line}: {error}")
        else:
            if good == 0:
                print(msgspec.json.format(msgspec.json.encode(entity), indent=2).decode())
            good += 1
    print(f"{good:,} entities, {skipped:,} left out by rules, {len(bad):,} rejected", file=sys.stderr)
    for line in bad[:_REJECTS_SHOWN]:
        print("  " + line, file=sys.stderr)
    return 1 if bad else 0


def _summary(journal: Journal) -> int:
    tally = journal.state.tally
    parts = [f"{tally.sent:,} entities"]
    if tally.skipped:
        parts.append(f"{tally.skipped:,} left out by rules")
    if tally.rejected:
        parts.append(f"{tally.rejected:,} rejected: see {journal.rejects}")
    print(", ".join(parts), file=sys.stderr)
    return 1 if tally.rejected else 0
