"""Proposals and comments as moderation is told of them."""

from __future__ import annotations

from rhinecloud.city import City

from ..moderation.subjects import Described

_AUTHOR = """
SELECT coalesce(actor, mail) FROM proposal_author WHERE proposal = $1 AND came = 'wrote' ORDER BY number LIMIT 1
"""


async def proposal(city: City, number: int) -> Described | None:
    """A proposal; its author is who wrote it first."""
    row = await city.db.pool.fetchrow("SELECT title, theme_group FROM proposal WHERE number = $1", number)
    if row is None:
        return None
    author = await city.db.pool.fetchval(_AUTHOR, number)
    return Described(row["title"], f"/participation/proposals/{number}", author, row["theme_group"])


async def comment(city: City, number: int) -> Described | None:
    """A comment; its title is how it begins."""
    row = await city.db.pool.fetchrow(
        "SELECT c.text, c.actor, c.proposal, p.theme_group FROM comment c "
        "JOIN proposal p ON p.number = c.proposal WHERE c.number = $1",
        number,
    )
    if row is None:
        return None
    begins = " ".join(row["text"].split())
    return Described(
        begins if len(begins) <= 80 else f"{begins[:79]}…",
        f"/participation/proposals/{row['proposal']}#comment-{number}",
        row["actor"],
        row["theme_group"],
    )
