"""What a phone itself voted, for its own page: told to nobody else."""

from __future__ import annotations

from typing import Final

import msgspec

from rhinecloud.city import City

from ..events.model import Poll
from ..joining import passes
from .choices import Choice, kept
from .receiving import hashed


class Own(msgspec.Struct, frozen=True):
    """A vote as it counts now."""

    choice: Choice
    revision: int


_NAMED: Final = "SELECT choice, revision FROM vote WHERE poll = $1 AND participant = $2"
_SECRET: Final = "SELECT choice, revision FROM ballot WHERE poll = $1 AND key = $2"


async def own(city: City, poll: Poll, given: passes.Pass) -> Own | None:
    """What was voted with this pass; None if nothing, or in a secret poll that is closed: nobody knows it then."""
    if poll.secret:
        key = hashed(passes.ballot_key(given.secret, poll.number))
        row = await city.db.pool.fetchrow(_SECRET, poll.number, key)
    else:
        row = await city.db.pool.fetchrow(_NAMED, poll.number, given.participant)
    return Own(kept(row["choice"]), row["revision"]) if row is not None else None
