"""What becomes of history that is replaced, corrected or erased (CIM 009 §5.6.11 to §5.6.16).

Whatever changes history touches the hot rows first: that locks out compaction until the transaction ends, so that what
is hot or cold stays so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import asyncpg
import msgspec
import numpy as np

from rhinecloud.model.evolution import SCOPE

from .history import decode_chunk, micros, write_chunks


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
