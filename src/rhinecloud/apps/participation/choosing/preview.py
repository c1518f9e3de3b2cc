"""What each way of giving places would do, side by side, before one is published."""

from __future__ import annotations

from collections import Counter

import msgspec

from rhinecloud.app import Text
from rhinecloud.city import City

from ..events.drafting import Wrong
from ..events.model import Event, Poll
from . import placing
from .board import Group
from .rules import Settlement, waiting
from .ways import WAYS, Way, announced


class Effect(msgspec.Struct, frozen=True):
    """What a way would do. `ranks`: how many get their first wish, their second, …; `nothing`: how many get no place.
    `announced`: whether it may be published. `missing` says why it cannot be told."""

    way: Way
    announced: bool
    missing: Text | None = None
    ranks: tuple[int, ...] = ()
    nothing: int = 0
    groups: tuple[Group, ...] = ()


async def effects(city: City, event: Event, poll: Poll) -> list[Effect]:
    """What each way would do with the votes as they are, the announced ones first."""
    allowed = announced(poll)
    ways = sorted(WAYS, key=lambda way: way not in allowed)
    return [await _effect(city, event, poll, way, way in allowed) for way in ways]


async def _effect(city: City, event: Event, poll: Poll, way: Way, allowed: bool) -> Effect:
    try:
        settlement = await placing.settled(city, event, poll, way)
    except Wrong as wrong:
        return Effect(way, allowed, wrong.text)
    counted = Counter(one.rank for one in settlement.standings)
    deepest = max((len(one.who.wishes) for one in settlement.standings), default=0)
    return Effect(
        way,
        allowed,
        ranks=tuple(counted[rank] for rank in range(1, deepest + 1)),
        nothing=counted[None],
        groups=groups(settlement),
    )


def groups(settlement: Settlement) -> tuple[Group, ...]:
    """How full each option is, and how many wait for it. Pure."""
    taken = settlement.taken
    return tuple(
        Group(option, taken[option.number], len(waiting(settlement, option.number)))
        for option in settlement.options
    )
