"""How places stand, as each worker remembers it until they change: thousands of phones ask at the moment at which
they are published."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec

from rhinecloud.city import City

from ..events.model import Option, Poll
from . import rows
from .rows import Gone
from .rules import Settlement, waiting
from .ways import Way

_MOST: Final = 20  # polls that are remembered


class Ahead(msgspec.Struct, frozen=True):
    """An option that somebody waits for, and at which place of its waiting list, from 1."""

    option: int
    title: str
    place: int


class Own(msgspec.Struct, frozen=True):
    """Where one stands. `option`, `title` and `rank` (of the wish, from 1) of the place that they have. `position` in
    the order, from 1."""

    state: Literal["placed", "waiting", "left"]
    ticket: str
    position: int
    option: int | None = None
    title: str | None = None
    rank: int | None = None
    ahead: tuple[Ahead, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """An option, how many places of it are taken, and how many wait for one."""

    option: Option
    taken: int
    waiting: int


class Board(msgspec.Struct, frozen=True):
    """All of it: `lines` in the order of the draw or of arrival."""

    version: int
    way: Way
    published_at: datetime
    groups: tuple[Group, ...]
    lines: tuple[Own, ...]
    owns: Mapping[UUID, Own]


class _Memory:
    def __init__(self) -> None:
        self.boards: OrderedDict[int, tuple[tuple[Option, ...], Board]] = OrderedDict()
        self.building = asyncio.Lock()


_memories: WeakKeyDictionary[City, _Memory] = WeakKeyDictionary()


async def board(city: City, poll: Poll) -> Board | None:
    """How the places of a poll stand; None before they are published."""
    memory = _memories.setdefault(city, _Memory())
    version = await _version(city, poll.number)
    if version is None:
        return None
    if (found := _remembered(memory, poll, version)) is not None:
        return found
    async with memory.building:
        if (found := _remembered(memory, poll, version)) is not None:
            return found
        built = await _build(city, poll)
        if built is not None:
            memory.boards[poll.number] = (poll.options, built)
            memory.boards.move_to_end(poll.number)
            while len(memory.boards) > _MOST:
                memory.boards.popitem(last=False)
        return built


def _remembered(memory: _Memory, poll: Poll, version: int) -> Board | None:
    options, found = memory.boards.get(poll.number, ((), None))
    if found is None or found.version < version or options != poll.options:
        return None
    return found


async def _version(city: City, poll: int) -> int | None:
    version: int | None = await city.db.pool.fetchval("SELECT version FROM published WHERE poll = $1", poll)
    return version


async def _build(city: City, poll: Poll) -> Board | None:
    # The version is read first: what is changed meanwhile is built again by who asks next.
    placing = await city.db.pool.fetchrow(
        "SELECT version, way, published_at FROM published WHERE poll = $1", poll.number
    )
    if placing is None:
        return None
    settlement, gone = await rows.settlement_of(city.db.pool, poll.number, poll.options)
    owns = _owns(settlement, gone)
    queues = {option.number: len(waiting(settlement, option.number)) for option in poll.options}
    return Board(
        placing["version"],
        placing["way"],
        placing["published_at"],
        tuple(
            Group(option, settlement.taken[option.number], queues[option.number]) for option in poll.options
        ),
        tuple(sorted(owns.values(), key=lambda one: one.position)),
        owns,
    )


def _owns(settlement: Settlement, gone: Sequence[Gone]) -> dict[UUID, Own]:
    titles = {option.number: option.title for option in settlement.options}
    ahead: dict[UUID, dict[int, Ahead]] = {}
    for number, title in titles.items():
        for place, one in enumerate(waiting(settlement, number), 1):
            ahead.setdefault(one.who.participant, {})[number] = Ahead(number, title, place)
    found = {
        one.who.participant: Own(
            "waiting" if one.rank is None else "placed",
            one.who.ticket,
            one.position + 1,
            one.option,
            None if one.option is None else titles[one.option],
            one.rank,
            tuple(ahead[one.who.participant][number] for number in one.waits_for),
        )
        for one in settlement.standings
    }
    return found | {one.participant: Own("left", one.ticket, one.position + 1) for one in gone}
