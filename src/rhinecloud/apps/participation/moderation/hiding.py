"""What is hidden now, for the pages where it stood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rhinecloud.city import City

from .model import Hidden, reason_of

_HIDDEN: Final = """
SELECT number, subject, reason, text, hidden_at FROM hiding WHERE restored_at IS NULL AND subject = ANY($1::text[])
"""


async def hidden(city: City, subjects: Iterable[str]) -> Mapping[str, Hidden]:
    """Which of these subjects ("proposal:12") are hidden, each with the reason and since when."""
    asked = list(dict.fromkeys(subjects))
    if not asked:
        return {}
    rows = await city.db.pool.fetch(_HIDDEN, asked)
    return {
        row["subject"]: Hidden(
            reason_of(row["reason"], row["text"]),
            row["hidden_at"],
            f"/participation/appeal/{row['number']}",
        )
        for row in rows
    }


__all__ = ["Hidden", "hidden"]
