"""Regular expressions of queries: extended ones of IEEE 1003.2, kept to what every engine reads alike.

Queries are evaluated by PostgreSQL and here; the subset of both leaves out back-references and look-around.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MAX_PATTERN: Final = 512
MAX_REPETITIONS: Final = 8
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


def check_pattern(text: str) -> None:
    """ValueError, with the reason to put behind the expression, unless it is one that we evaluate."""
    compile_pattern(text)


@lru_cache(maxsize=512)
def compile_pattern(text: str) -> re.Pattern[str]:
    """The expression for Python's engine; ValueError if it is none or could take exponential time."""
    if len(text) > MAX_PATTERN:
        raise ValueError(f"is longer than {MAX_PATTERN} characters")
    if "(?" in text:
        raise ValueError("uses '(?', which extended regular expressions do not have")
    for escaped in re.findall(r"\\(.)", text, flags=re.DOTALL):
        if escaped.isalnum() and escaped not in _ESCAPED_LETTERS:
            raise ValueError(f"uses the escape \\{escaped}")
    if _explodes(text):
        raise ValueError("repeats what holds repetitions or alternatives, which can take for ever")
    translated = text
    for name, members in _CLASSES.items():
        translated = translated.replace(name, members)
    if "[[" in translated:
        translated = re.sub(r"\[(\^?)\[", r"[\1\\[", translated)
    try:
        return re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is invalid: {error}") from None


_PART = re.compile(r"\\.|\[\^?\]?(?:\[:\w+:\]|[^\]\\]|\\.)*\]|\{\d*,?\d*\}|.", re.DOTALL)


def _explodes(text: str) -> bool:
    """Whether a group that can match in several ways is itself repeated, or repetitions are too many."""
    # Each open group: does it hold a repetition or alternatives?
    groups = [False]
    closed = False
    repetitions = 0
    for part in _PART.findall(text):
        repeated = part in ("*", "+") or (part[0] == "{" and len(part) > 1)
        repetitions += repeated
        if (repeated and closed) or repetitions > MAX_REPETITIONS:
            return True
        if repeated or part in ("|", "?"):
            groups[-1] = True
        closed = False
        if part == "(":
            groups.append(False)
        elif part == ")" and len(groups) > 1:
            closed = groups.pop()
            groups[-1] = groups[-1] or closed
    return False
