"""Files for the cadastre: tried, kept for a day, taken in as entities."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from rhinecloud.app import Attempt, Text
from rhinecloud.city import EVERYTHING, City, MappingError, Operation, SourceError, load_mapping, mapped
from rhinecloud.model import CORE, NgsiLdError, parse_entity

from .judging import Judged, judged
from .kinds import KINDS, Kind

CRS: Final = ("EPSG:25832", "EPSG:25833", "EPSG:4326")
_PORTION: Final = 1_000  # entities in one transaction
_SHOWN: Final = 200  # problems that are kept
_KEPT: Final = timedelta(days=1)
_FIELDS: Final = "id, kind, name, crs, state, fit, fresh, refused, problems, example, done, at"


class Unreadable(Exception):  # noqa: N818  # says what it is
    """A file that cannot be read as a whole; the text (English) says why."""


class Tried(msgspec.Struct, frozen=True):
    """What a file would do: how many lines fit, how many of these make something new, how many are refused and the
    first of these, the first entity."""

    fit: int
    fresh: int
    refused: int
    problems: tuple[tuple[int, Text], ...]
    example: dict[str, Any] | None


def judge(kind: Kind, path: Path, crs: str, known: Mapping[str, frozenset[str]]) -> Iterator[Judged]:
    """The lines of a file. Raises Unreadable."""
    try:
        mapping = load_mapping(kind.mapping)
        if mapping.geometry is not None:
            mapping = msgspec.structs.replace(
                mapping, geometry=msgspec.structs.replace(mapping.geometry, crs=crs)
            )
        yield from judged(kind, mapped(path, mapping), known)
    except (SourceError, MappingError) as error:
        raise Unreadable(str(error)) from None


def tried(lines: Iterator[Judged]) -> Tried:
    """What these lines come to."""
    fit = fresh = refused = 0
    problems: list[tuple[int, Text]] = []
    example = None
    for one in lines:
        if one.problem is not None:
            refused += 1
            if len(problems) < _SHOWN:
                problems.append((one.line, one.problem))
            continue
        fit, fresh = fit + 1, fresh + one.new
        example = example or one.entity
    return Tried(fit, fresh, refused, tuple(problems), example)


async def known(city: City, kind: Kind) -> dict[str, frozenset[str]]:
    """The ids of everything that such a file may name."""
    found = {}
    for type in sorted({kind.type, *(named for _, named in kind.names)}):
        ids = [entity async for some in city.values(type, sight=EVERYTHING) for entity, _ in some]
        found[type] = frozenset(ids)
    return found


@contextmanager
def _written(name: str, content: bytes) -> Iterator[Path]:
    """A file for the import, which reads files; its ending tells the format."""
    ending = Path(name).suffix.lower() or ".csv"
    with tempfile.TemporaryDirectory(prefix="cadastre-") as folder:
        path = Path(folder, f"file{ending}")
        path.write_bytes(content)
        yield path


async def try_file(city: City, kind: Kind, name: str, crs: str, content: bytes) -> UUID:
    """Judge a file and keep it with what it would do. Raises Unreadable."""
    there = await known(city, kind)

    def read() -> Tried:
        with _written(name, content) as path:
            return tried(judge(kind, path, crs, there))

    result = await asyncio.to_thread(read)
    async with city.db.transaction() as connection:
        await connection.execute("DELETE FROM cadastre_file WHERE at < $1", city.clock.now() - _KEPT)
        made: UUID = await connection.fetchval(
            "INSERT INTO cadastre_file (kind, name, crs, content, fit, fresh, refused, problems, example, at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9::text::jsonb, $10) RETURNING id",
            *(kind.key, name, crs, content, result.fit, result.fresh, result.refused),
            msgspec.json.encode(result.problems).decode(),
            None if result.example is None else msgspec.json.encode(result.example).decode(),
            city.clock.now(),
        )
    return made


class Kept(msgspec.Struct, frozen=True):
    """A file that was tried, and how far it was taken in."""

    id: UUID
    kind: str
    name: str
    crs: str
    state: str
    fit: int
    fresh: int
    refused: int
    problems: list[tuple[int, Text]]
    example: dict[str, Any] | None
    done: int
    at: Any

    @property
    def what(self) -> Kind:
        """Its kind."""
        return KINDS[self.kind]


def _kept(record: Any) -> Kept:
    values = dict(record)
    values["problems"] = msgspec.json.decode(values["problems"], type=list[tuple[int, Text]])
    values["example"] = None if values["example"] is None else msgspec.json.decode(values["example"])
    return Kept(**values)


async def kept(city: City, file: UUID) -> Kept | None:
    """A file of the last day."""
    record = await city.db.pool.fetchrow(f"SELECT {_FIELDS} FROM cadastre_file WHERE id = $1", file)
    return None if record is None else _kept(record)


async def latest(city: City) -> list[Kept]:
    """The files of the last day, the newest first."""
    records = await city.db.pool.fetch(
        f"SELECT {_FIELDS} FROM cadastre_file WHERE at > $1 ORDER BY at DESC LIMIT 20",
        city.clock.now() - _KEPT,
    )
    return [_kept(record) for record in records]


async def order(city: City, file: Kept, actor: str) -> bool:
    """Have a file taken in; false if it is under way or done already."""
    async with city.transaction() as transaction:
        ours = await transaction.connection.fetchval(
            "UPDATE cadastre_file SET state = 'waiting', done = 0 WHERE id = $1 "
            "AND state IN ('tried', 'failed') RETURNING true",
            file.id,
        )
        if not ours:
            return False
        detail = {"file": file.name, "kind": file.kind, "lines": file.fit}
        await transaction.audit(actor, "lighting.cadastre.import", str(file.id), detail)
        await city.jobs.enqueue(transaction, "cadastre-take", str(file.id), key=f"cadastre {file.id}")
    return True


async def take(city: City, file: str, attempt: Attempt) -> None:
    """The job: take a file in. Repeated it does the same again."""
    record = await city.db.pool.fetchrow(
        "UPDATE cadastre_file SET state = 'taking', done = 0 WHERE id = $1 AND state <> 'taken' "
        "RETURNING kind, name, crs, content",
        UUID(file),
    )
    if record is None:
        return
    kind = KINDS[record["kind"]]

    async def told(done: int) -> None:
        await city.db.pool.execute("UPDATE cadastre_file SET done = $2 WHERE id = $1", UUID(file), done)

    state = "taken"
    try:
        with _written(record["name"], record["content"]) as path:
            await take_in(city, kind, path, record["crs"], told)
    except (Unreadable, NgsiLdError):
        state = "failed"
    await city.db.pool.execute("UPDATE cadastre_file SET state = $2 WHERE id = $1", UUID(file), state)


async def take_in(
    city: City, kind: Kind, path: Path, crs: str, told: Callable[[int], Awaitable[None]]
) -> Tried:
    """Write what fits, in portions; what is refused is left out. Raises Unreadable, and the NgsiLdError of the first
    entity that the graph does not take: what was written before it stays, and the file can be taken again."""
    there = await known(city, kind)
    lines = await asyncio.to_thread(lambda: list(judge(kind, path, crs, there)))
    entities = [one.entity for one in lines if one.entity is not None]
    done = 0
    for start in range(0, len(entities), _PORTION):
        some = entities[start : start + _PORTION]
        await _write(city, some)
        done += len(some)
        await told(done)
    return tried(iter(lines))


async def _write(city: City, entities: Sequence[dict[str, Any]]) -> None:
    operations = [
        Operation.of("update", parse_entity(entity, CORE), create_missing=True) for entity in entities
    ]
    for verdict in await city.broker.apply(operations):
        if isinstance(verdict, NgsiLdError):
            raise verdict


async def forget(city: City, payload: None, attempt: Attempt) -> None:
    """The job: files are kept for a day."""
    await city.db.pool.execute("DELETE FROM cadastre_file WHERE at < $1", city.clock.now() - _KEPT)
