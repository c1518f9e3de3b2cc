"""Topic patterns: MQTT topics with named levels, `v3/{application}/devices/{device}/up`, and the one that has a topic.

Where several patterns have a topic, the one counts that has a word at the first level at which they differ: the order
in which they were written does not matter, and only patterns of the same shape are ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

import msgspec

from rhinecloud.bus.intake import subject_of

Owner = TypeVar("Owner")

MAX_LEVELS = 32
MAX_LENGTH = 512  # characters of a pattern
_NAMED = re.compile(r"\{([a-z][a-z0-9_]*)(…|\.\.\.)?\}")
_FORBIDDEN = re.compile(r"[+#\s\x00-\x1f{}]")
# First levels that are subjects of our own on the bus: what is said there comes from no device.
_OURS = frozenset({"changes", "wake", "CHANGES", "_INBOX", "apps"})


class Level(msgspec.Struct, frozen=True):
    """One level of a pattern: a literal, or a name; `rest`: the name is for this level and all that follow."""

    literal: str = ""
    name: str = ""
    rest: bool = False


class Pattern(msgspec.Struct, frozen=True):
    """A parsed pattern."""

    text: str
    levels: tuple[Level, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its levels."""
        return tuple(level.name for level in self.levels if level.name)

    @property
    def shape(self) -> tuple[str, ...]:
        """What distinguishes it from others: its MQTT filter, level by level."""
        return tuple("#" if level.rest else "+" if level.name else level.literal for level in self.levels)

    def filter(self, known: Mapping[str, str] | None = None) -> str:
        """The MQTT topic filter; `known` levels are filled in."""
        known = known or {}
        return "/".join(
            level.literal if not level.name else known.get(level.name, "#" if level.rest else "+")
            for level in self.levels
        )

    def topic(self, known: Mapping[str, str]) -> str | None:
        """The topic with every level filled in; None if one is not known."""
        if not all(name in known for name in self.names):
            return None
        return self.filter(known)

    def subject(self) -> str:
        """The NATS subject of everything that it has. `x/#` has x as well, `x.>` not: nothing is named there."""
        return ".".join(
            ">" if level.rest else "*" if level.name else subject_of(level.literal) for level in self.levels
        )

    def captured(self, topic: list[str]) -> dict[str, str]:
        """The named levels of a topic that it has."""
        found: dict[str, str] = {}
        for index, level in enumerate(self.levels):
            if level.name:
                found[level.name] = "/".join(topic[index:]) if level.rest else topic[index]
        return found


def parse(text: str) -> Pattern:
    """A pattern from its text. Raises ValueError with what is wrong."""
    if not 0 < len(text) <= MAX_LENGTH:
        raise ValueError(f"a topic has 1 to {MAX_LENGTH} characters")
    parts = text.split("/")
    if len(parts) > MAX_LEVELS:
        raise ValueError(f"a topic has at most {MAX_LEVELS} levels")
    levels: list[Level] = []
    for index, part in enumerate(parts):
        named = _NAMED.fullmatch(part)
        if named is not None:
            rest = named[2] is not None
            if rest and index != len(parts) - 1:
                raise ValueError(f"{part} stands for all levels that follow, so it can only be the last")
            levels.append(Level(name=named[1], rest=rest))
        elif _FORBIDDEN.search(part):
            raise ValueError(f"the level {part!r} is neither a word nor a name in braces such as {{device}}")
        elif not part:
            raise ValueError("a level is empty")
        else:
            levels.append(Level(literal=part))
    if not levels[0].literal:
        raise ValueError("the first level must be a word: else the profile would have every topic there is")
    if levels[0].literal.startswith("$") or levels[0].literal in _OURS:
        raise ValueError(f"topics below {levels[0].literal} belong to the server")
    pattern = Pattern(text, tuple(levels))
    if len(set(pattern.names)) < len(pattern.names):
        raise ValueError("a name stands for one level only")
    return pattern


def overlap(one: Pattern, other: Pattern) -> bool:
    """Whether some topic is in both."""
    for a, b in zip(one.levels, other.levels, strict=False):
        if a.rest or b.rest:
            return True
        if a.literal and b.literal and a.literal != b.literal:
            return False
    return len(one.levels) == len(other.levels)  # a rest has at least one level


def within(one: Pattern, other: Pattern) -> bool:
    """Whether every topic of `one` is one of `other`."""
    for index, level in enumerate(other.levels):
        if level.rest:
            return index < len(one.levels)
        if index >= len(one.levels) or one.levels[index].rest:
            return False
        if level.literal and level.literal != one.levels[index].literal:
            return False
    return len(one.levels) == len(other.levels)


def widest(patterns: Iterable[Pattern]) -> list[Pattern]:
    """Patterns that together have all topics of all of them; none has only topics of another one."""
    distinct = list({pattern.shape: pattern for pattern in patterns}.values())
    return [one for one in distinct if not any(other is not one and within(one, other) for other in distinct)]


class _Node(Generic[Owner]):
    __slots__ = ("here", "named", "rest", "words")

    def __init__(self) -> None:
        self.words: dict[str, _Node[Owner]] = {}
        self.named: _Node[Owner] | None = None
        self.rest: tuple[Pattern, Owner] | None = None
        self.here: tuple[Pattern, Owner] | None = None


class Tree(Generic[Owner]):
    """Patterns with their owners; the one that counts for a topic is found level by level, words first."""

    def __init__(self) -> None:
        self._root: _Node[Owner] = _Node()

    def add(self, pattern: Pattern, owner: Owner) -> None:
        """Add a pattern; one of the same shape is replaced."""
        node = self._root
        for level in pattern.levels:
            if level.rest:
                node.rest = (pattern, owner)
                return
            if level.name:
                node.named = node.named or _Node()
                node = node.named
            else:
                node = node.words.setdefault(level.literal, _Node())
        node.here = (pattern, owner)

    def find(self, topic: str) -> tuple[Pattern, Owner, dict[str, str]] | None:
        """The pattern that has a topic, its owner, and the named levels."""
        levels = topic.split("/")
        if len(levels) > 2 * MAX_LEVELS:
            return None
        found = _search(self._root, levels, 0)
        if found is None:
            return None
        return found[0], found[1], found[0].captured(levels)


def _search(node: _Node[Owner], levels: list[str], index: int) -> tuple[Pattern, Owner] | None:
    if index == len(levels):
        return node.here
    level = levels[index]
    word = node.words.get(level)
    if word is not None:
        found = _search(word, levels, index + 1)
        if found is not None:
            return found
    if node.named is not None and level:
        found = _search(node.named, levels, index + 1)
        if found is not None:
            return found
    return node.rest
