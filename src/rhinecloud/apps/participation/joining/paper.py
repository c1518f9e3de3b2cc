"""Votes on paper, entered at the helpers' desk; and who has voted in what."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from rhinecloud.city import City
from rhinecloud.people import Actor

from ..ballots.casting import Receipt, Vote, cast
from ..ballots.choices import read
from ..events.model import Event, Poll
from .invitations import Invitation
from .passes import participant_of


async def enter(
    city: City,
    actor: Actor,
    event: Event,
    poll: Poll,
    invitation: Invitation | None,
    fields: Mapping[str, str],
) -> Receipt:
    """Enter what stands on a paper, for an invitation, or without one where everybody may come in. Raises
    `choices.Wrong` for what cannot be on it, and `casting.Refused` where there is a vote already.

    The audit names helper, poll and invitation, and never the choice. A secret vote on paper has no phone that could
    change it: its key is drawn and forgotten."""
    number = None if invitation is None else invitation.number
    vote = Vote(
        event=event,
        poll=poll,
        participant=uuid4() if number is None else participant_of(event.key, number),
        invitation=number,
        choice=read(poll, fields),
        on_paper=True,
        actor=actor.id,
    )
    return await cast(city, vote)


_VOTED = """
SELECT poll FROM vote WHERE participant = $1 AND poll = ANY($2::bigint[])
UNION SELECT poll FROM voted WHERE participant = $1 AND poll = ANY($2::bigint[])
"""


async def voted(city: City, event: Event, invitation: int) -> set[int]:
    """In which of an event's polls there is a vote of an invitation. Of secret ones that are closed nobody knows."""
    polls = [poll.number for poll in event.polls]
    rows = await city.db.pool.fetch(_VOTED, participant_of(event.key, invitation), polls)
    return {row["poll"] for row in rows}
