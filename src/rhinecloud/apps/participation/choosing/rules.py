"""Who gets which place: the rule of "choose your group". Pure.

1. First wishes count before second ones, second before third. Among equal ranks the order decides (a draw, or arrival).
2. Of the places of an option, those reserved for a kind of organisation go first to these, in the same order. What they
   do not need goes to all.
3. Whoever got a lower wish, or none, waits for each higher one. A place that becomes free goes to the first who waits
   for it, a reserved one to the first of that kind; the place that this one leaves goes on in the same way.

Reserved places are a preference and no wall: none stays empty while somebody waits for it. With that, what options
choose is substitutable, so that the result follows from rule and order alone, and nobody who would come before somebody
in an option is without it while they are in (Hafalir, Yenmez, Yildirim: Effective affirmative action in school choice).
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from ..events.model import Option


class Wishes(msgspec.Struct, frozen=True):
    """What one participant wants: numbers of options, the first wish first, none twice. `kind`: of organisation."""

    participant: UUID
    ticket: str
    kind: str
    wishes: tuple[int, ...]


class Standing(msgspec.Struct, frozen=True):
    """Where one stands. `position` in the order, from 0; `rank` of the wish that they have a place in, from 1, None for
    no place. `stays`: they want no other place than the one they have."""

    who: Wishes
    position: int
    rank: int | None
    stays: bool = False

    @property
    def option(self) -> int | None:
        """The option that they have a place in."""
        return None if self.rank is None else self.who.wishes[self.rank - 1]

    @property
    def waits_for(self) -> tuple[int, ...]:
        """The options that they would rather have."""
        if self.rank is None:
            return self.who.wishes
        return () if self.stays else self.who.wishes[: self.rank - 1]


class Settlement(msgspec.Struct, frozen=True):
    """All of them, in their order."""

    options: tuple[Option, ...]
    standings: tuple[Standing, ...]

    @property
    def taken(self) -> dict[int, int]:
        """How many places of each option are taken."""
        counted = Counter(one.option for one in self.standings)
        return {option.number: counted[option.number] for option in self.options}


class Move(msgspec.Struct, frozen=True):
    """Somebody got a better place: ranks of wishes, None for no place before."""

    participant: UUID
    before: int | None
    rank: int


class TooFew(Exception):
    """An option would have fewer places than are taken."""

    def __init__(self, option: int, taken: int) -> None:
        super().__init__(f"of option {option} {taken} places are taken")
        self.option = option
        self.taken = taken


def settle(wishes: Sequence[Wishes], options: Sequence[Option]) -> Settlement:
    """The places of all, who stand in their order. Raises KeyError for a wish that is no option."""
    offered = {option.number: option for option in options}
    inside: dict[int, list[int]] = {number: [] for number in offered}
    tried = [0] * len(wishes)
    asking = [index for index, one in enumerate(wishes) if one.wishes]
    while asking:
        applied: defaultdict[int, list[int]] = defaultdict(list)
        for index in asking:
            applied[wishes[index].wishes[tried[index]]].append(index)
        asking = []
        for number, some in applied.items():
            candidates = sorted(inside[number] + some, key=lambda index: (tried[index], index))
            inside[number], refused = _choose(offered[number], candidates, wishes)
            for index in refused:
                tried[index] += 1
                if tried[index] < len(wishes[index].wishes):
                    asking.append(index)
    return Settlement(
        tuple(options),
        tuple(
            Standing(one, index, tried[index] + 1 if tried[index] < len(one.wishes) else None)
            for index, one in enumerate(wishes)
        ),
    )


def _choose(
    option: Option, candidates: Sequence[int], wishes: Sequence[Wishes]
) -> tuple[list[int], list[int]]:
    """Who of these, the first first, gets a place, and who does not."""
    if option.capacity is None or len(candidates) <= option.capacity:
        return list(candidates), []
    reserved = Counter(option.reserved)
    chosen: set[int] = set()
    for index in candidates:
        if len(chosen) < option.capacity and reserved[wishes[index].kind] > 0:
            reserved[wishes[index].kind] -= 1
            chosen.add(index)
    for index in candidates:
        if len(chosen) < option.capacity:
            chosen.add(index)
    return [i for i in candidates if i in chosen], [i for i in candidates if i not in chosen]


def waiting(settlement: Settlement, option: int) -> list[Standing]:
    """Who waits for an option, in the order in which places that become free are given (but for reserved ones)."""
    return sorted(
        (one for one in settlement.standings if option in one.waits_for),
        key=lambda one: (one.who.wishes.index(option), one.position),
    )


def leave(settlement: Settlement, participant: UUID) -> tuple[Settlement, tuple[Move, ...]]:
    """Without this one; who moves up for it, each once. Somebody who is not in it changes nothing."""
    left = tuple(one for one in settlement.standings if one.who.participant != participant)
    return fill(Settlement(settlement.options, left))


def stay(settlement: Settlement, participant: UUID) -> Settlement:
    """This one keeps the place that they have, and waits for no other."""
    return Settlement(
        settlement.options,
        tuple(
            msgspec.structs.replace(one, stays=True)
            if one.who.participant == participant and one.rank is not None
            else one
            for one in settlement.standings
        ),
    )


def offer(settlement: Settlement, options: Sequence[Option]) -> tuple[Settlement, tuple[Move, ...]]:
    """With other capacities; who moves up for it. Raises TooFew where places are taken already."""
    taken = settlement.taken
    for option in options:
        if option.capacity is not None and option.capacity < taken.get(option.number, 0):
            raise TooFew(option.number, taken[option.number])
    return fill(Settlement(tuple(options), settlement.standings))


def fill(settlement: Settlement) -> tuple[Settlement, tuple[Move, ...]]:
    """Give places that are free to who waits for them, and those that become free by it; who moved up, each once."""
    standings = settlement.standings
    ranks = [one.rank for one in standings]
    queues = _queues(settlement)
    inside = {option.number: Counter[str]() for option in settlement.options}
    for one in standings:
        if one.option is not None:
            inside[one.option][one.who.kind] += 1
    offered = {option.number: option for option in settlement.options}
    looked_at = deque(offered)
    while looked_at:
        number = looked_at.popleft()
        queues[number] = [(rank, i) for rank, i in queues[number] if (ranks[i] or rank + 1) > rank]
        found = _next(
            offered[number], inside[number], [(r, i, standings[i].who.kind) for r, i in queues[number]]
        )
        if found is None:
            continue
        rank, index = found
        who, before = standings[index].who, ranks[index]
        ranks[index] = rank
        inside[number][who.kind] += 1
        looked_at.appendleft(number)
        if before is not None:
            inside[who.wishes[before - 1]][who.kind] -= 1
            looked_at.append(who.wishes[before - 1])
    moves = tuple(
        Move(one.who.participant, one.rank, rank)
        for one, rank in zip(standings, ranks, strict=True)
        if rank is not None and rank != one.rank
    )
    moved = tuple(
        Standing(one.who, one.position, rank, one.stays) for one, rank in zip(standings, ranks, strict=True)
    )
    return Settlement(settlement.options, moved), moves


def _queues(settlement: Settlement) -> dict[int, list[tuple[int, int]]]:
    """For each option who waits for it: rank of the wish, index; in order."""
    found: dict[int, list[tuple[int, int]]] = {option.number: [] for option in settlement.options}
    for index, one in enumerate(settlement.standings):
        for rank, number in enumerate(one.waits_for, 1):
            found[number].append((rank, index))
    for number, queue in found.items():
        found[number] = sorted(queue, key=lambda one: (one[0], settlement.standings[one[1]].position))
    return found


def _next(
    option: Option, inside: Mapping[str, int], queue: Iterable[tuple[int, int, str]]
) -> tuple[int, int] | None:
    """Who gets the next place: rank of the wish and index; None if there is no place, or nobody waits."""
    if option.capacity is not None and sum(inside.values()) >= option.capacity:
        return None
    first = None
    for rank, index, kind in queue:
        if option.capacity is not None and inside.get(kind, 0) < option.reserved.get(kind, 0):
            return rank, index
        first = first or (rank, index)
    return first
