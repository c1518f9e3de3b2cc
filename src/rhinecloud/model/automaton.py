"""Regular expressions by states: time in proportion to the text, whatever the expression (Thompson)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

MAX_STATES: Final = 2_000
MAX_NESTING: Final = 50
MAX_REMEMBERED: Final = 20_000
"""States in all remembered sets of one expression, which bounds its memory to a few MB."""

_Test = Callable[[str], object]
_States = frozenset[int]
_REPETITION = re.compile(r"\{(\d+)(,?)(\d*)\}")


def is_repetition(part: str) -> bool:
    """Whether a part of an expression says how often the one before it comes."""
    return part in ("*", "+", "?") or _REPETITION.fullmatch(part) is not None


def limits(repetition: str) -> tuple[int, int | None]:
    """The least and the greatest number of times, None for any."""
    if repetition in ("*", "+", "?"):
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[repetition]
    found = _REPETITION.fullmatch(repetition)
    assert found is not None
    least = int(found[1])
    if not found[2]:
        return least, least
    return least, int(found[3]) if found[3] else None


class _Builder:
    """Reads the parts of a valid expression from the end, so that each state knows what follows it."""

    def __init__(self, parts: list[str], automaton: Automaton) -> None:
        self.parts = parts
        self.at = 0
        self.automaton = automaton

    def whole(self) -> int:
        return self.build(self.alternatives(0), 0)

    # ---- reading: a node is a tuple of its kind and what it holds

    def alternatives(self, depth: int) -> _Node:
        if depth > MAX_NESTING:
            raise ValueError("nests too many groups")
        choices = [self.sequence(depth)]
        while self.at < len(self.parts) and self.parts[self.at] == "|":
            self.at += 1
            choices.append(self.sequence(depth))
        return ("alternatives", choices)

    def sequence(self, depth: int) -> _Node:
        nodes: list[_Node] = []
        while self.at < len(self.parts) and self.parts[self.at] not in ("|", ")"):
            part = self.parts[self.at]
            self.at += 1
            if is_repetition(part):
                nodes[-1] = ("repetition", (nodes[-1], *limits(part)))
            elif part == "(":
                nodes.append(self.alternatives(depth + 1))
                self.at += 1
            else:
                nodes.append(("edge" if part in ("^", "$") else "character", part))
        return ("sequence", nodes)

    # ---- building

    def build(self, node: _Node, following: int) -> int:
        """The state to begin with for this node, if what follows it begins with `following`."""
        kind, held = node
        add = self.automaton.add
        if kind == "alternatives":
            return add(tuple(self.build(choice, following) for choice in held))
        if kind == "sequence":
            for one in reversed(held):
                following = self.build(one, following)
            return following
        if kind == "edge":
            return add((following,), edge=held)
        if kind == "character":
            return add((following,), test=_test(held))
        repeated, least, greatest = held
        if greatest is None:
            start = add(())
            self.automaton.lead(start, (self.build(repeated, start), following))
        else:
            start = following
            for _ in range(greatest - least):
                start = add((self.build(repeated, start), following))
        for _ in range(least):
            start = self.build(repeated, start)
        return start


_Node = tuple[str, Any]


def _test(part: str) -> _Test:
    if part == ".":
        return lambda character: True
    if len(part) == 1:
        return part.__eq__
    return re.compile(part).fullmatch


class Automaton:
    """The states of one expression; state 0 is the match. ValueError if there would be too many."""

    def __init__(self, parts: list[str]) -> None:
        # A state has a test of one character, or stands at an edge of the text, or only leads on.
        self._tests: list[_Test | None] = [None]
        self._edges: list[str] = [""]
        self._next: list[tuple[int, ...]] = [()]
        self._steps: dict[tuple[_States, str], _States] = {}
        self._remembered = 0
        start = _Builder(parts, self).whole()
        self._first = self._reach([start], "^")
        self._start = self._reach([start], "")

    def found_in(self, text: str) -> bool:
        """Whether any part of the text matches."""
        states = self._first
        for character in text:
            if 0 in states:
                return True
            states = self._step(states, character)
        return 0 in states or 0 in self._reach(states, "$" if text else "^$")

    def add(self, following: tuple[int, ...], test: _Test | None = None, edge: str = "") -> int:
        if len(self._next) >= MAX_STATES:
            raise ValueError("has too many states; repeat fewer times")
        self._tests.append(test)
        self._edges.append(edge)
        self._next.append(following)
        return len(self._next) - 1

    def lead(self, state: int, following: tuple[int, ...]) -> None:
        """Say where a state leads once that is there, which closes a loop."""
        self._next[state] = following

    def _reach(self, states: _States | list[int], edges: str) -> _States:
        """The states that are reached without a character, standing at these edges of the text."""
        reached = set(states)
        waiting = list(reached)
        while waiting:
            state = waiting.pop()
            if self._tests[state] is None and (not self._edges[state] or self._edges[state] in edges):
                for following in self._next[state]:
                    if following not in reached:
                        reached.add(following)
                        waiting.append(following)
        return frozenset(reached)

    def _step(self, states: _States, character: str) -> _States:
        known = self._steps.get((states, character))
        if known is None:
            after = [self._next[one][0] for one in states if (test := self._tests[one]) and test(character)]
            # A match may begin anywhere.
            known = self._reach(after, "") | self._start
            self._remembered += len(known)
            if self._remembered > MAX_REMEMBERED:
                self._steps.clear()
                self._remembered = len(known)
            self._steps[states, character] = known
        return known
