"""What every write ends with, in one statement: new attributes, history, and the changes to be told.

One round trip instead of three: at some hundred transactions a second the round trips are what a write costs most.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from .entities import StoredEntity

HistoryRecord = tuple[int, datetime, float | None, str | None]  # number of the series, at, value, instance

# A measurement leaves types and scopes as they are, and the statement does not carry them. Drawing change ids in a
# subquery keeps them in the order of the array.
_WRITE = """
WITH state AS (
    UPDATE entity e SET attributes = new.attributes, modified_at = new.modified_at
    FROM unnest($1::text[], $2::jsonb[], $3::timestamptz[]) AS new (id, attributes, modified_at)
    WHERE e.id = new.id
), past AS (
    INSERT INTO history (series, at, value, instance)
    SELECT * FROM unnest($4::bigint[], $5::timestamptz[], $6::float8[], $7::jsonb[])
)
INSERT INTO outbox (id, change)
SELECT nextval('change_id'), change
FROM (SELECT change FROM unnest($8::bytea[]) WITH ORDINALITY AS new (change, n) ORDER BY n) AS ordered
"""


async def write(
    connection: asyncpg.Connection,
    *,
    entities: Sequence[StoredEntity] = (),
    history: Sequence[HistoryRecord] = (),
    changes: Sequence[bytes] = (),
) -> None:
    """Write attributes and modified_at of `entities` (their rows are locked), values, and changes in this
    order.

    The transaction must own an id (`pg_current_xact_id`) before this draws change ids: see store.outbox.
    """
    if not entities and not history and not changes:
        return
    await connection.execute(
        _WRITE,
        [e.id for e in entities],
        [e.attributes for e in entities],
        [e.modified_at for e in entities],
        *([row[column] for row in history] for column in range(4)),
        list(changes),
    )
