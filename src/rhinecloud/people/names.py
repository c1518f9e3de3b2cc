"""What people, organisations and tokens are called that others know by their number, as the audit log does."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

import asyncpg

Kind = Literal["person", "organisation", "token"]

_TABLES: Final[dict[Kind, str]] = {"person": "account", "organisation": "organisation", "token": "token"}
_MOST = 50


async def of(pool: asyncpg.Pool, kind: Kind, numbers: Collection[int]) -> dict[int, str]:
    """Their names by number; who is gone has none."""
    if not numbers:
        return {}
    rows = await pool.fetch(
        f"SELECT id, name FROM {_TABLES[kind]} WHERE id = ANY($1::bigint[])", sorted(numbers)
    )
    return {row["id"]: row["name"] for row in rows}


async def called(pool: asyncpg.Pool, part: str) -> list[str]:
    """People and tokens whose name has this part, as the audit log names them (`person:17`); the newest 50 of each."""
    found = []
    kinds: tuple[Kind, ...] = ("person", "token")
    for kind in kinds:
        rows = await pool.fetch(
            f"SELECT id FROM {_TABLES[kind]} WHERE position(lower($1) IN lower(name)) > 0 "
            f"ORDER BY id DESC LIMIT {_MOST}",
            part,
        )
        found += [f"{kind}:{row['id']}" for row in rows]
    return found
