"""What becomes of history that is replaced, corrected or erased (CIM 009 §5.6.11 to §5.6.16).

Compaction is locked out until the transaction ends (`hold`), so that what is hot or cold stays so. The hot rows without
a partition of their own are compacted without that lock, but row by row: hence these are touched before the cold ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import numpy as np

from rhinecloud.model.evolution import SCOPE

from .entities import rfc3339
from .history import SeriesKey, arrival, decode_chunk, micros, write_chunks


class Occurrence(msgspec.Struct, frozen=True):
    """Where an observed instance stands in the evolution of an entity; `dataset` is '' for the default instance."""

    entity_id: str
    attribute: str
    dataset: str
    at: datetime


_ENDS = """
SELECT s.entity_id, s.attribute, s.dataset, max(newest.at)
FROM unnest($1::text[], $2::text[]) AS k (entity_id, attribute)
JOIN series s USING (entity_id, attribute)
CROSS JOIN LATERAL (
    (SELECT at, instance FROM history WHERE series = s.id ORDER BY at DESC LIMIT 1)
    UNION ALL
    (SELECT at, instance FROM history_rows WHERE series = s.id ORDER BY at DESC LIMIT 1)
) AS newest
WHERE s.unit = '' AND (s.attribute = $3 OR (NOT s.observed AND newest.instance ? 'deletedAt'))
GROUP BY s.entity_id, s.attribute, s.dataset
"""

_SERIES_AT = """
SELECT s.id, k.at
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS k (entity_id, attribute, dataset, at)
JOIN series s USING (entity_id, attribute, dataset) WHERE s.observed
"""

_CHUNKS_AT = """
SELECT c.*, k.at AS forget FROM unnest($1::bigint[], $2::timestamptz[]) AS k (series, at)
JOIN chunk c ON c.series = k.series AND c.month = date_trunc('month', k.at)::date
ORDER BY c.series, c.month FOR UPDATE OF c
"""


async def hold(connection: asyncpg.Connection) -> None:
    """Wait for a compaction to end, and let none begin before this transaction ends."""
    await connection.execute("LOCK TABLE history IN ROW EXCLUSIVE MODE")


async def ends(
    connection: asyncpg.Connection, attributes: Collection[tuple[str, str]]
) -> dict[tuple[str, str, str], datetime]:
    """(entity, attribute, dataset) → when it was deleted; of scopes, since when they are what they are."""
    if not attributes:
        return {}
    columns = [a[0] for a in attributes], [a[1] for a in attributes]
    return {
        (record[0], record[1], record[2]): record[3]
        for record in await connection.fetch(_ENDS, *columns, SCOPE)
    }


async def forget(connection: asyncpg.Connection, places: Iterable[Occurrence]) -> None:
    """Forget the instances that stand at these places."""
    wanted = list(places)
    if not wanted:
        return
    found = await connection.fetch(
        _SERIES_AT,
        [p.entity_id for p in wanted],
        [p.attribute for p in wanted],
        [p.dataset for p in wanted],
        [p.at for p in wanted],
    )
    if not found:
        return
    await hold(connection)
    columns = [record[0] for record in found], [record[1] for record in found]
    for table in ("history", "history_rows"):
        await connection.execute(
            f"DELETE FROM {table} h USING unnest($1::bigint[], $2::timestamptz[]) AS k (series, at) "
            "WHERE h.series = k.series AND h.at = k.at",
            *columns,
        )
    chunks: dict[tuple[int, object], list[asyncpg.Record]] = {}
    for record in await connection.fetch(_CHUNKS_AT, *columns):
        chunks.setdefault((record["series"], record["month"]), []).append(record)
    await _thin(connection, list(chunks.values()))


async def _thin(connection: asyncpg.Connection, chunks: Sequence[Sequence[asyncpg.Record]]) -> None:
    rewritten = []
    for records in chunks:
        chunk = records[0]
        times, values = decode_chunk(chunk)
        keep = ~np.isin(times, [micros(record["forget"]) for record in records])
        if not keep.all():
            rewritten.append((chunk["series"], chunk["month"], times[keep], values[keep]))
    await write_chunks(connection, rewritten)


# One instance ----------------------------------------------------------------------------------------------------

_ROWS_HERE = """
SELECT ctid::text AS place, tableoid::regclass::text AS source, {hot} AS hot, arrived, value, instance
FROM {table} WHERE series = $1 AND at = $2 FOR UPDATE
"""

_CHUNK_HERE = """
SELECT * FROM chunk WHERE series = $1 AND month = date_trunc('month', $2::timestamptz)::date FOR UPDATE
"""

_SERIES_OF = """
SELECT entity_id, attribute, dataset, unit, observed FROM series WHERE id = $1
"""


class Found(msgspec.Struct, frozen=True):
    """An instance in history: in the row at `place` of a table, or the `number`th of its instant in a `chunk`."""

    series: int
    key: SeriesKey
    at: datetime
    table: str
    place: str = ""
    chunk: Any = None
    number: int = 0


async def find(connection: asyncpg.Connection, series: int, time: int, number: int) -> Found | None:
    """The instance that stands at a time (µs since 1970), locked: of those of one instant those in chunks come first,
    then cold rows, then hot ones, each in the order of arrival."""
    try:
        at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time)
    except OverflowError:
        return None
    record = await connection.fetchrow(_SERIES_OF, series)
    if record is None:
        return None
    key = SeriesKey(*record)
    await hold(connection)
    hot = await connection.fetch(_ROWS_HERE.format(table="history", hot="true"), series, at)
    cold = await connection.fetch(_ROWS_HERE.format(table="history_rows", hot="false"), series, at)
    chunk = await connection.fetchrow(_CHUNK_HERE, series, at)
    compacted = int((decode_chunk(chunk)[0] == time).sum()) if chunk is not None else 0
    if number < compacted:
        return Found(series, key, at, "chunk", chunk=chunk, number=number)
    rows = sorted([*cold, *hot], key=lambda row: arrival(*row[2:]))
    if number - compacted >= len(rows):
        return None
    row = rows[number - compacted]
    return Found(series, key, at, row["source"], row["place"])


async def remove(connection: asyncpg.Connection, found: Found) -> None:
    """Forget an instance."""
    if found.table == "chunk":
        times, values = decode_chunk(found.chunk)
        keep = np.ones(len(times), dtype=bool)
        keep[np.flatnonzero(times == micros(found.at))[found.number]] = False
        await write_chunks(connection, [(found.series, found.chunk["month"], times[keep], values[keep])])
    else:
        await connection.execute(f"DELETE FROM {found.table} WHERE ctid = $1::text::tid", found.place)


async def correct(
    connection: asyncpg.Connection, found: Found, series: int, at: datetime, instance: str
) -> None:
    """Put the JSON of an instance in place of one, perhaps in another series or at another instant. Its arrival stays;
    that of a compacted one is not known, and is said to be its instant."""
    if found.table == "chunk":
        await remove(connection, found)
        await connection.execute(
            "INSERT INTO history_rows (series, at, arrived, instance) VALUES ($1, $2, $3, $4)",
            series,
            at,
            found.at,
            instance,
        )
    else:
        await connection.execute(
            f"UPDATE {found.table} SET series = $2, at = $3, value = NULL, instance = $4 WHERE ctid = $1::text::tid",
            found.place,
            series,
            at,
            instance,
        )


_NEWEST = """
SELECT r.at, r.value, r.instance, s.unit, s.observed FROM series s CROSS JOIN LATERAL (
    (SELECT at, 2 AS age, arrived, value, instance FROM history WHERE series = s.id
     ORDER BY at DESC, arrived DESC, ctid DESC LIMIT 1)
    UNION ALL
    (SELECT at, 1, arrived, value, instance FROM history_rows WHERE series = s.id
     ORDER BY at DESC, arrived DESC, ctid DESC LIMIT 1)
    UNION ALL
    (SELECT at1, 0, at1, values[n], NULL FROM chunk WHERE series = s.id ORDER BY month DESC LIMIT 1)
) AS r
WHERE s.entity_id = $1 AND s.attribute = $2 AND s.dataset = $3
ORDER BY r.at DESC, r.age DESC, r.arrived DESC LIMIT 1
"""


async def newest(
    connection: asyncpg.Connection, entity_id: str, attribute: str, dataset: str
) -> dict[str, Any] | None:
    """The newest instance of an attribute, perhaps one that tells its deletion."""
    record = await connection.fetchrow(_NEWEST, entity_id, attribute, dataset)
    if record is None:
        return None
    at, value, text, unit, observed = record
    if text is not None:
        instance: dict[str, Any] = msgspec.json.decode(text)
        return instance
    instance = {"type": "Property", "value": int(value) if value.is_integer() else value}
    if unit:
        instance["unitCode"] = unit
    if observed:
        instance["observedAt"] = rfc3339(at)
    if dataset:
        instance["datasetId"] = dataset
    return instance


# Everything ------------------------------------------------------------------------------------------------------


async def erase(
    connection: asyncpg.Connection, entity_id: str, attribute: str | None = None, dataset: str | None = None
) -> bool:
    """Forget all instances of an entity, of one of its attributes, or of one dataset of it ('' is the default one).
    Whether there were any. The series stay: who writes knows their numbers."""
    series = [
        record[0]
        for record in await connection.fetch(
            "SELECT id FROM series WHERE entity_id = $1 AND ($2::text IS NULL OR attribute = $2) "
            "AND ($3::text IS NULL OR dataset = $3)",
            entity_id,
            attribute,
            dataset,
        )
    ]
    if not series:
        return False
    await hold(connection)
    forgotten = 0
    for table in ("history", "history_rows", "chunk"):
        status = await connection.execute(f"DELETE FROM {table} WHERE series = ANY($1::bigint[])", series)
        forgotten += int(status.rpartition(" ")[2])
    return forgotten > 0
