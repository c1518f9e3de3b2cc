"""The audit log, read: who did what to what, and when. It is written by `intake.audit`, with what it tells of.

Read through `Database.queries`: how rare an object is decides what is read first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

_MOST_WORDS = 500  # actors or actions to choose from

# The next greater one, again and again: as many steps in the index as there are words, not as there are lines.
_WORDS = """
WITH RECURSIVE found (word) AS (
    (SELECT {column} FROM audit ORDER BY {column} LIMIT 1)
    UNION ALL
    SELECT (SELECT {column} FROM audit WHERE {column} > found.word ORDER BY {column} LIMIT 1)
      FROM found WHERE found.word IS NOT NULL
)
SELECT word FROM found WHERE word IS NOT NULL LIMIT {most}
"""
_COLUMNS = "id, at, actor, action, subject, detail"


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
    `subject` is a part of what it was done to, or one of `subjects` is all of it; since <= at < until."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    subjects: tuple[str, ...] = ()


async def page(pool: asyncpg.Pool, wanted: Filter, before: int | None, limit: int) -> list[Line]:
    """Lines that meet the filter, newest first, those that are older than the line `before`."""
    known = [wanted.action] if wanted.action else []
    if wanted.action:
        known = [one for one in await actions(pool) if _within(one, wanted.action)] or known
    statement, values = _statement(wanted, known, before, limit)
    rows = await pool.fetch(statement, *values)
    return [
        Line(row["id"], row["at"], row["actor"], row["action"], row["subject"], _detail(row)) for row in rows
    ]


async def actors(pool: asyncpg.Pool) -> list[str]:
    """Who did anything, to choose from."""
    return await _words(pool, "actor")


async def actions(pool: asyncpg.Pool) -> list[str]:
    """What was done, to choose from."""
    return await _words(pool, "action")


def _statement(wanted: Filter, known: Sequence[str], before: int | None, limit: int) -> tuple[str, list[Any]]:
    """Only the conditions that there are, so that each has the index that fits it."""
    values: list[Any] = []

    def value(one: Any) -> str:
        values.append(one)
        return f"${len(values)}"

    conditions = []
    if before is not None:
        number = value(before)
        conditions.append(f"(at, id) < ((SELECT at FROM audit WHERE id = {number}), {number})")
    if wanted.actor:
        conditions.append(f"actor = {value(wanted.actor)}")
    if wanted.since is not None:
        conditions.append(f"at >= {value(wanted.since)}")
    if wanted.until is not None:
        conditions.append(f"at < {value(wanted.until)}")
    if wanted.subject:
        patterns = [f"%{_escaped(wanted.subject)}%", *map(_escaped, wanted.subjects)]
        conditions.append("(" + " OR ".join(f"subject ILIKE {value(one)}" for one in patterns) + ")")
    most = value(limit)
    order = f"ORDER BY at DESC, id DESC LIMIT {most}"
    if not known:
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT {_COLUMNS} FROM audit {where} {order}", values
    # The newest of each action, and of these the newest: how often there is each is known when it is planned.
    parts = [
        f"(SELECT {_COLUMNS} FROM audit WHERE {' AND '.join([f'action = {value(one)}', *conditions])} {order})"
        for one in known
    ]
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS line {order}", values


async def _words(pool: asyncpg.Pool, column: str) -> list[str]:
    rows = await pool.fetch(_WORDS.format(column=column, most=_MOST_WORDS))
    return [row["word"] for row in rows]


def _within(action: str, area: str) -> bool:
    return action == area or action.startswith(f"{area}.")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _detail(row: asyncpg.Record) -> dict[str, Any]:
    detail: dict[str, Any] = msgspec.json.decode(row["detail"])
    return detail
