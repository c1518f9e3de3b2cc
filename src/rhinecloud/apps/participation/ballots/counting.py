"""What was chosen, in numbers.

Of named polls, and of closed ones, all of it; of a secret poll that is open only what its batches told (`releasing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import asyncpg
import msgspec

from rhinecloud.city import City

from ..events.model import Poll
from .choices import Choice, kept

_MOST_WORDS: Final = 200


class Tally(msgspec.Struct, frozen=True):
    """`ballots`: how many were received. `options`: how often each was chosen, groups by first wishes; `ranks`: of
    each group how many wished it first, second, …; `values`: how many chose each step of a scale, from 1; `words`: the
    most frequent first, without those that the organiser hid. `told` is of how many ballots this tells: fewer than
    were received while a secret poll is open."""

    ballots: int
    told: int
    options: Mapping[int, int] = {}
    ranks: Mapping[int, list[int]] = {}
    values: list[int] = []
    words: list[tuple[str, int]] = []


# In each: poll $1 → (choice, n).
_SOURCES: Final = {
    "named": "SELECT choice FROM vote WHERE poll = $1",
    "told": "SELECT shown AS choice FROM ballot WHERE poll = $1 AND shown IS NOT NULL",
    "counted": "SELECT choice FROM counted WHERE poll = $1",
}
_RECEIVED: Final = {
    "named": "SELECT count(*) FROM vote WHERE poll = $1",
    "told": "SELECT count(*) FROM ballot WHERE poll = $1",
    "counted": "SELECT count(*) FROM counted WHERE poll = $1",
}
# Words differ not by case; the most frequent way to write one is shown.
_WORDS: Final = """
SELECT (array_agg(one.word ORDER BY one.n DESC, one.word))[1] AS word, sum(one.n)::bigint AS n
FROM (SELECT w.word, count(*) AS n FROM ({source}) AS s, jsonb_array_elements_text(s.choice) AS w (word)
      GROUP BY w.word) AS one
LEFT JOIN judged_word j ON j.poll = $1 AND j.word = lower(one.word)
WHERE coalesce(j.shown, NOT $2)
GROUP BY lower(one.word) ORDER BY 2 DESC, 1 LIMIT $3
"""


async def tally(city: City, poll: Poll, *, whole: bool) -> Tally:
    """Count a poll. `whole`: as its organiser may see it; else as everybody may. A secret poll that is open tells
    nobody more than its batches did."""
    return await count(city.db.pool, poll, whole=whole)


async def count(database: asyncpg.Connection | asyncpg.Pool, poll: Poll, *, whole: bool) -> Tally:
    """The same, as a transaction sees it."""
    # What a worker remembers of the poll may be a second old: the table's word counts.
    row = await database.fetchrow("SELECT state, revealed FROM poll WHERE number = $1", poll.number)
    if row is None or poll.kind == "questions":
        return Tally(0, 0)
    now = msgspec.structs.replace(poll, state=row["state"], revealed=row["revealed"])
    source = "named" if not poll.secret else "counted" if now.state == "closed" else "told"
    received: int = await database.fetchval(_RECEIVED[source], poll.number)
    if not (whole or now.open_results):
        return add(poll, received, [])
    if poll.kind == "words":
        told = await database.fetchval(f"SELECT count(*) FROM ({_SOURCES[source]}) AS s", poll.number)
        rows = await database.fetch(
            _WORDS.format(source=_SOURCES[source]), poll.number, poll.rule.moderated, _MOST_WORDS
        )
        return Tally(received, told, words=[(row["word"], row["n"]) for row in rows])
    rows = await database.fetch(
        f"SELECT choice, count(*) AS n FROM ({_SOURCES[source]}) AS s GROUP BY choice", poll.number
    )
    return add(poll, received, [(kept(row["choice"]), row["n"]) for row in rows])


def add(poll: Poll, received: int, chosen: Iterable[tuple[Choice, int]]) -> Tally:
    """What choices, each with how often it was made, come to. Pure."""
    options = {option.number: 0 for option in poll.options}
    ranks = (
        {option.number: [0] * poll.rule.wishes for option in poll.options} if poll.kind == "groups" else {}
    )
    values = [0] * poll.rule.steps if poll.kind == "scale" else []
    told = 0
    for choice, n in chosen:
        told += n
        if isinstance(choice, int):
            if choice <= len(values):
                values[choice - 1] += n
            continue
        for rank, option in enumerate(choice):
            if option not in options:
                continue
            if not ranks:
                options[option] += n
            elif rank < poll.rule.wishes:
                ranks[option][rank] += n
                options[option] += n if rank == 0 else 0
    return Tally(received, told, options, ranks, values)
