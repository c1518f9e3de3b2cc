"""The audit log, read: who did what to what, and when. It is written by `intake.audit`, with what it tells of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg
import msgspec

_RECENT = 20_000  # lines that the words to choose from are taken of

_PAGE = """
SELECT id, at, actor, action, subject, detail FROM audit
 WHERE ($1::bigint IS NULL OR id < $1)
   AND ($2 = '' OR actor = $2) AND ($3 = '' OR action = $3 OR action LIKE $4)
   AND ($5 = '' OR strpos(lower(subject), lower($5)) > 0)
   AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)
 ORDER BY id DESC LIMIT $8
"""

_WORDS = f"""
WITH recent AS MATERIALIZED (SELECT actor, action FROM audit ORDER BY id DESC LIMIT {_RECENT})
SELECT (SELECT array_agg(DISTINCT actor ORDER BY actor) FROM recent),
       (SELECT array_agg(DISTINCT action ORDER BY action) FROM recent)
"""


class Line(msgspec.Struct, frozen=True):
    """Somebody did something to something. `at` is UTC."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


class Filter(msgspec.Struct, frozen=True):
    """Which lines; what is empty leaves none out. `action` is one, or an area of them (`device` has `device.add`);
    `subject` a part of its name; since <= at < until."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


async def page(pool: asyncpg.Pool, wanted: Filter, before: int | None, limit: int) -> list[Line]:
    """Lines that meet the filter, newest first, with ids below `before`."""
    area = wanted.action.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + ".%"
    rows = await pool.fetch(
        _PAGE,
        *(before, wanted.actor, wanted.action, area, wanted.subject, wanted.since, wanted.until, limit),
    )
    return [
        Line(row["id"], row["at"], row["actor"], row["action"], row["subject"], _detail(row)) for row in rows
    ]


async def words(pool: asyncpg.Pool) -> tuple[list[str], list[str]]:
    """Actors and actions of the newest lines, to choose from."""
    actors, actions = await pool.fetchrow(_WORDS)
    return list(actors or ()), list(actions or ())


def _detail(row: asyncpg.Record) -> dict[str, Any]:
    detail: dict[str, Any] = msgspec.json.decode(row["detail"])
    return detail
