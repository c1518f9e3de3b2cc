"""What a poll came to, ready to be shown: bars, a histogram, words by their size. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from ..events.model import Kind, Poll

_SIZES = 5
_MOST_WORDS = 60  # what can be read from the last row


class Counts(Protocol):
    """The numbers of a poll (ballots/counting.py)."""

    @property
    def ballots(self) -> int: ...
    @property
    def told(self) -> int: ...
    @property
    def options(self) -> Mapping[int, int]: ...
    @property
    def ranks(self) -> Mapping[int, list[int]]: ...
    @property
    def values(self) -> list[int]: ...
    @property
    def words(self) -> list[tuple[str, int]]: ...


class Bar(msgspec.Struct, frozen=True):
    """An answer. `count` of ballots (of first wishes in a choice of groups), `ranks` of each wish. `length` is that of
    the bar, the longest being 1; `part` of the ballots that are told, from 0 to 1. `capacity` is None where there is no
    limit; `taken` places, and how many wait for one, are None before places are published."""

    number: int
    title: str
    count: int
    length: float
    part: float
    ranks: tuple[int, ...] = ()
    capacity: int | None = None
    taken: int | None = None
    waiting: int | None = None

    @property
    def left(self) -> int | None:
        """Places that are free, None where that is not known or there is no limit."""
        if self.capacity is None or self.taken is None:
            return None
        return max(0, self.capacity - self.taken)


class Word(msgspec.Struct, frozen=True):
    """A word, how often it was said, and its size from 1 to 5."""

    text: str
    count: int
    size: int


class Board(msgspec.Struct, frozen=True):
    """All of a poll. `ballots` were received, of `told` of them this tells; `mean` of a scale, None without any; `more`
    words are not shown."""

    kind: Kind
    ballots: int
    told: int
    bars: tuple[Bar, ...] = ()
    words: tuple[Word, ...] = ()
    mean: float | None = None
    more: int = 0


def board(poll: Poll, counts: Counts, given: Mapping[int, tuple[int, int]] | None = None) -> Board:
    """What to show of a poll. `given`, once places are published: how many of each option are taken, and how many wait
    for one; bars are as long as that then."""
    if poll.kind == "words":
        shown = counts.words[:_MOST_WORDS]
        return Board(
            poll.kind, counts.ballots, counts.told, words=_sized(shown), more=len(counts.words) - len(shown)
        )
    if poll.kind == "scale":
        steps = range(1, poll.rule.steps + 1)
        by_step = [counts.values[step - 1] if step <= len(counts.values) else 0 for step in steps]
        bars = _bars([(step, _step(poll, step)) for step in steps], by_step, counts.told)
        total = sum(by_step)
        mean = (
            sum(step * count for step, count in zip(steps, by_step, strict=True)) / total if total else None
        )
        return Board(poll.kind, counts.ballots, counts.told, bars, mean=mean)
    numbers = [counts.options.get(option.number, 0) for option in poll.options]
    bars = _bars([(option.number, option.title) for option in poll.options], numbers, counts.told)
    if poll.kind == "groups":
        bars = tuple(
            msgspec.structs.replace(
                bar, ranks=tuple(counts.ranks.get(bar.number, ())), capacity=option.capacity
            )
            for bar, option in zip(bars, poll.options, strict=True)
        )
        if given is not None:
            bars = _placed(bars, given)
    return Board(poll.kind, counts.ballots, counts.told, bars)


def _bars(titles: Sequence[tuple[int, str]], counts: Sequence[int], told: int) -> tuple[Bar, ...]:
    longest = max((*counts, 1))
    return tuple(
        Bar(number, title, count, count / longest, count / told if told else 0.0)
        for (number, title), count in zip(titles, counts, strict=True)
    )


def _placed(bars: tuple[Bar, ...], given: Mapping[int, tuple[int, int]]) -> tuple[Bar, ...]:
    longest = max((taken for taken, _ in given.values()), default=0) or 1
    found = []
    for bar in bars:
        taken, waiting = given.get(bar.number, (0, 0))
        found.append(msgspec.structs.replace(bar, length=taken / longest, taken=taken, waiting=waiting))
    return tuple(found)


def _step(poll: Poll, step: int) -> str:
    end = poll.rule.low if step == 1 else poll.rule.high if step == poll.rule.steps else ""
    return f"{step} · {end}" if end else str(step)


def _sized(words: Sequence[tuple[str, int]]) -> tuple[Word, ...]:
    most = max((count for _, count in words), default=1)
    scale = math.log(most) or 1.0
    return tuple(
        Word(text, count, 1 + round((_SIZES - 1) * math.log(max(count, 1)) / scale)) for text, count in words
    )
