"""What is wrong with a plan, in words for the one who made it."""

from __future__ import annotations

from typing import Literal

import msgspec

from rhinecloud.app import Text

# refuse: it cannot be. confirm: it can, if someone says so. warn: it is worth knowing.
Severity = Literal["refuse", "confirm", "warn"]


class Problem(msgspec.Struct, frozen=True):
    """`path` names the field in the JSON form (`fixed[2].level`, "" for the whole); `text` in German and English."""

    severity: Severity
    path: str
    text: Text


def refused(path: str, german: str, english: str) -> Problem:
    """It cannot be."""
    return Problem("refuse", path, (german, english))


def doubtful(path: str, german: str, english: str) -> Problem:
    """It has to be confirmed."""
    return Problem("confirm", path, (german, english))


def noted(path: str, german: str, english: str) -> Problem:
    """It is worth knowing."""
    return Problem("warn", path, (german, english))
