"""Words of a cloud as the organiser judges them: hidden, or let through where nothing is shown before."""

from __future__ import annotations

from typing import Final

import msgspec

from rhinecloud.city import City
from rhinecloud.people import Actor

from ..events.model import Event, Poll
from . import results, telling

_MOST: Final = 500  # words that are listed


class Word(msgspec.Struct, frozen=True):
    """A word as most write it, how many wrote it, whether everybody may see it, and whether somebody said so."""

    word: str
    count: int
    shown: bool
    judged: bool


# Of a secret poll that is open only what its batches told (`releasing`): the list of the organiser unmasks nobody.
_EVERY: Final = """
SELECT mode() WITHIN GROUP (ORDER BY w.word) AS word, count(*) AS n, coalesce(bool_and(j.shown), NOT $2) AS shown,
       bool_and(j.shown) IS NOT NULL AS judged
FROM (
    SELECT choice FROM vote WHERE poll = $1
    UNION ALL SELECT shown FROM ballot WHERE poll = $1 AND shown IS NOT NULL
    UNION ALL SELECT choice FROM counted WHERE poll = $1
) AS s, jsonb_array_elements_text(s.choice) AS w (word)
LEFT JOIN judged_word j ON j.poll = $1 AND j.word = lower(w.word)
GROUP BY lower(w.word) ORDER BY 4, n DESC, lower(w.word) LIMIT $3
"""


async def every(city: City, poll: Poll) -> list[Word]:
    """All words, those that nobody judged first."""
    rows = await city.db.pool.fetch(_EVERY, poll.number, poll.rule.moderated, _MOST)
    return [Word(*row) for row in rows]


async def judge(city: City, actor: Actor, event: Event, poll: Poll, word: str, shown: bool) -> None:
    """Let everybody see a word, however it is written, or nobody."""
    async with city.transaction() as transaction:
        await transaction.connection.execute(
            "INSERT INTO judged_word (poll, word, shown, judged_by) VALUES ($1, lower($2), $3, $4) "
            "ON CONFLICT (poll, word) DO UPDATE SET shown = $3, judged_by = $4, judged_at = now()",
            poll.number,
            word,
            shown,
            actor.id,
        )
        await transaction.audit(
            actor.id, "participation.judge_word", f"poll:{poll.number}", {"word": word, "shown": shown}
        )
        if poll.state == "closed":
            await results.settle(transaction, poll)
    telling.tell(city, event, poll)
