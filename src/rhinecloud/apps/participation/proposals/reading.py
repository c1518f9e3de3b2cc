"""Finding proposals: one with its trail, a page of them, what waits, what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from rhinecloud.city import City

from . import life
from .life import State, Step

Sort = Literal["new", "support"]

_SELECT: Final = """
SELECT p.number, p.theme_group, p.title, p.text, p.lon, p.lat, p.links, p.state, p.merged_into, p.on_paper,
       p.promised_at, p.answered_at, p.created_at,
       (SELECT count(*) FROM proposal_support s WHERE s.proposal = p.number) AS supporters,
       (SELECT count(*) FROM comment c WHERE c.proposal = p.number) AS comments
FROM proposal p
"""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal, without its authors. `group`: the number of a theme group; `place`: (lon, lat) in degrees; `links`:
    ids of entities; an answer is promised until `promised_at`."""

    number: int
    group: int | None
    title: str
    text: str
    place: tuple[float, float] | None
    links: tuple[str, ...]
    state: State
    merged_into: int | None
    on_paper: bool
    promised_at: datetime
    answered_at: datetime | None
    created_at: datetime
    supporters: int
    comments: int

    @property
    def subject(self) -> str:
        """What moderation and files call it."""
        return f"proposal:{self.number}"

    @property
    def path(self) -> str:
        """Its page."""
        return f"/participation/proposals/{self.number}"

    def clock(self, now: datetime) -> life.Clock:
        """How the promise of an answer stands."""
        return life.clock(self.promised_at, self.answered_at, now)


class Entry(msgspec.Struct, frozen=True):
    """A step of the trail: who by office, never by name. `other`: the other one of a merge."""

    number: int
    step: Step
    office: str
    text: str
    link: str
    other: int | None
    at: datetime


class Author(msgspec.Struct, frozen=True):
    """Somebody who wrote a proposal (`came` wrote), whose amendment was taken (amended), or whose own one was merged
    into it (merged). `name` is empty for who is not to be named; `actor` and `mail` are how they are reached."""

    number: int
    actor: str | None
    name: str
    mail: str | None
    came: str


class Comment(msgspec.Struct, frozen=True):
    """A comment; `name` is what its author wants to be called, or empty."""

    number: int
    actor: str | None
    name: str
    text: str
    at: datetime

    @property
    def subject(self) -> str:
        """What moderation calls it."""
        return f"comment:{self.number}"


class Amendment(msgspec.Struct, frozen=True):
    """A changed text that somebody offers: `state` offered, taken or refused."""

    number: int
    actor: str | None
    name: str
    title: str
    text: str
    why: str
    state: str
    before_title: str | None
    before_text: str | None
    at: datetime


class Picture(msgspec.Struct, frozen=True):
    """A picture, and what it shows in words."""

    file: UUID
    description: str


class News(msgspec.Struct, frozen=True):
    """What is new: a proposal, and the steps of it since then. `new`: it was not there before."""

    proposal: Proposal
    new: bool
    steps: tuple[Entry, ...]


async def by_number(city: City, number: int) -> Proposal | None:
    """A proposal."""
    if not 0 < number < 2**63:
        return None
    row = await city.db.pool.fetchrow(f"{_SELECT} WHERE p.number = $1", number)
    return None if row is None else _proposal(row)


async def page(
    city: City,
    *,
    group: int | None = None,
    states: Sequence[State] = (),
    text: str = "",
    sort: Sort = "new",
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[Proposal], int]:
    """Proposals, and how many there are in all. `text` stands somewhere in them."""
    where = (
        "WHERE ($1::bigint IS NULL OR p.theme_group = $1) AND (cardinality($2::text[]) = 0 OR p.state = ANY($2)) "
        "AND ($3 = '' OR position(lower($3) IN lower(p.title || ' ' || p.text)) > 0)"
    )
    given = (group, [state.value for state in states], text)
    order = {"new": "p.number DESC", "support": "supporters DESC, p.number DESC"}[sort]
    found = await city.db.pool.fetch(
        f"{_SELECT} {where} ORDER BY {order} LIMIT $4 OFFSET $5", *given, limit, offset
    )
    count = await city.db.pool.fetchval(f"SELECT count(*) FROM proposal p {where}", *given)
    return [_proposal(row) for row in found], count


async def waiting(city: City, limit: int = 500) -> list[Proposal]:
    """What waits for an answer, the most overdue first."""
    found = await city.db.pool.fetch(
        f"{_SELECT} WHERE p.answered_at IS NULL ORDER BY p.promised_at, p.number LIMIT $1", limit
    )
    return [_proposal(row) for row in found]


async def since(city: City, group: int | None, since: datetime) -> list[News]:
    """What is new of a group since a time (of those without a group for None): new proposals, and new steps of any, in
    the order of their numbers."""
    steps = await city.db.pool.fetch(
        "SELECT s.* FROM proposal_step s JOIN proposal p ON p.number = s.proposal "
        "WHERE p.theme_group IS NOT DISTINCT FROM $1 AND s.at > $2 ORDER BY s.proposal, s.number",
        group,
        since,
    )
    numbers = [row["proposal"] for row in steps]
    found = await city.db.pool.fetch(f"{_SELECT} WHERE p.number = ANY($1) ORDER BY p.number", numbers)
    return [
        News(
            proposal := _proposal(row),
            proposal.created_at > since,
            tuple(_entry(step) for step in steps if step["proposal"] == proposal.number),
        )
        for row in found
    ]


async def trail(city: City, number: int) -> list[Entry]:
    """What became of a proposal, from the beginning."""
    found = await city.db.pool.fetch(
        "SELECT * FROM proposal_step WHERE proposal = $1 ORDER BY number", number
    )
    return [_entry(row) for row in found]


async def authors(city: City, number: int) -> list[Author]:
    """Who wrote it, in the order in which they came to it."""
    found = await city.db.pool.fetch(
        "SELECT number, actor, CASE WHEN named THEN name ELSE '' END AS name, mail, came FROM proposal_author "
        "WHERE proposal = $1 ORDER BY number",
        number,
    )
    return [Author(**row) for row in found]


async def comments(city: City, number: int) -> list[Comment]:
    """The comments of a proposal, from the beginning."""
    found = await city.db.pool.fetch(
        "SELECT number, actor, name, text, at FROM comment WHERE proposal = $1 ORDER BY number", number
    )
    return [Comment(**row) for row in found]


async def amendments(city: City, number: int) -> list[Amendment]:
    """The amendments that were offered, from the beginning."""
    found = await city.db.pool.fetch(
        "SELECT number, actor, name, title, text, why, state, before_title, before_text, at FROM amendment "
        "WHERE proposal = $1 ORDER BY number",
        number,
    )
    return [Amendment(**row) for row in found]


async def pictures(city: City, number: int) -> list[Picture]:
    """The pictures of a proposal, in the order in which they came."""
    found = await city.db.pool.fetch(
        "SELECT file, description FROM proposal_picture WHERE proposal = $1 ORDER BY at, file", number
    )
    return [Picture(**row) for row in found]


async def supports(city: City, number: int, actor: str) -> bool:
    """Whether somebody supports a proposal."""
    found: bool = await city.db.pool.fetchval(
        "SELECT EXISTS (SELECT FROM proposal_support WHERE proposal = $1 AND actor = $2)", number, actor
    )
    return found


async def titles(city: City, numbers: Sequence[int]) -> dict[int, str]:
    """The titles of these."""
    found = await city.db.pool.fetch("SELECT number, title FROM proposal WHERE number = ANY($1)", numbers)
    return {row["number"]: row["title"] for row in found}


async def merged(city: City, number: int) -> list[tuple[int, str]]:
    """Number and title of those that were merged into it."""
    found = await city.db.pool.fetch(
        "SELECT number, title FROM proposal WHERE merged_into = $1 ORDER BY number", number
    )
    return [(row["number"], row["title"]) for row in found]


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        row["number"], Step(row["step"]), row["office"], row["text"], row["link"], row["other"], row["at"]
    )


def _proposal(row: Mapping[str, Any]) -> Proposal:
    return Proposal(
        number=row["number"],
        group=row["theme_group"],
        title=row["title"],
        text=row["text"],
        place=None if row["lon"] is None else (row["lon"], row["lat"]),
        links=tuple(row["links"]),
        state=State(row["state"]),
        merged_into=row["merged_into"],
        on_paper=row["on_paper"],
        promised_at=row["promised_at"],
        answered_at=row["answered_at"],
        created_at=row["created_at"],
        supporters=row["supporters"],
        comments=row["comments"],
    )
