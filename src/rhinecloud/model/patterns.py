"""Regular expressions of queries: extended ones of IEEE 1003.2, kept to what every engine reads alike.

Queries are evaluated by PostgreSQL and here; the subset of both leaves out back-references and look-around.
Python's engine can take exponential time, and expressions come from outside. So it is used only where a bound
on its steps is known; elsewhere `automaton` takes time in proportion to the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from rhinecloud.model.automaton import Automaton, is_repetition

MAX_PATTERN: Final = 512
MAX_STEPS: Final = 1_000_000
"""Steps, in the worst case, that Python's engine may take for one text."""

_CLASSES: Final = {
    "[:alpha:]": "a-zA-Z",
    "[:digit:]": "0-9",
    "[:alnum:]": "a-zA-Z0-9",
    "[:upper:]": "A-Z",
    "[:lower:]": "a-z",
    "[:space:]": r"\s",
    "[:punct:]": r"!-/:-@\[-`{-~",
    "[:xdigit:]": "0-9A-Fa-f",
}
_ESCAPED_LETTERS: Final = frozenset("dDwWsS")
_CLASS = re.compile(r"\[:\w+:\]")
_PART = re.compile(r"\\.|\[\^?\]?(?:\[:\w+:\]|[^\]\\]|\\.)*\]|\{\d+(?:,\d*)?\}|.", re.DOTALL)


class SafePattern:
    """One expression, ready for many texts."""

    __slots__ = ("_automaton", "_compiled", "_power")

    def __init__(self, parts: list[str]) -> None:
        self._compiled = re.compile("".join(r"\Z" if part == "$" else part for part in parts), re.DOTALL)
        self._power = _power(parts)
        # Made at once, for it has limits of its own to tell about.
        self._automaton = Automaton(parts)

    def found_in(self, text: str) -> bool:
        """Whether any part of the text matches."""
        if self._power is not None and len(text) ** self._power <= MAX_STEPS:
            return self._compiled.search(text) is not None
        return self._automaton.found_in(text)


@lru_cache(maxsize=64)
def compile_pattern(text: str) -> SafePattern:
    """The expression; ValueError, with the reason to put behind it, if it is none that we evaluate."""
    if len(text) > MAX_PATTERN:
        raise ValueError(f"is longer than {MAX_PATTERN} characters")
    if "(?" in text:
        raise ValueError("uses '(?', which extended regular expressions do not have")
    parts: list[str] = [
        _CLASS.sub(_members, part) if part[0] == "[" else part for part in _PART.findall(text)
    ]
    for part in parts:
        for escaped in re.findall(r"\\(.)", part, flags=re.DOTALL):
            if escaped.isalnum() and escaped not in _ESCAPED_LETTERS:
                raise ValueError(f"uses the escape \\{escaped}")
    if any(is_repetition(one) and is_repetition(other) for one, other in zip(parts, parts[1:], strict=False)):
        raise ValueError("repeats a repetition")
    try:
        return SafePattern(parts)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is invalid: {error}") from None


def _members(found: re.Match[str]) -> str:
    return _CLASSES.get(found[0], found[0])


def _power(parts: list[str]) -> int | None:
    """The power of the text's length that bounds the steps of a search; None where it is exponential."""
    power = 1
    # Each open group: can it match in several ways?
    groups = [False]
    closed = False
    for part in parts:
        repeated = is_repetition(part)
        if repeated and closed and part != "?":
            return None
        power += repeated
        groups[-1] = groups[-1] or repeated or part == "|"
        closed = False
        if part == "(":
            groups.append(False)
        elif part == ")" and len(groups) > 1:
            closed = groups.pop()
            groups[-1] = groups[-1] or closed
    return power
