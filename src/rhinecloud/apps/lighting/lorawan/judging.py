"""What a lamp's report says of the schedule that it should have. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from .schedule import Schedule

State = Literal["unheard", "older", "wrong", "verified"]
Trouble = Literal["clock_drift", "schedule_wrong", "schedule_contradicted", "schedule_missing"]
_SETTLING: Final = (
    120.0  # seconds that a lamp may take to a level, and the minute to which schedules are rounded
)
_TOLERANCE: Final = 5  # percent
_CLOCK_OF_1980: Final = 320_000_000  # a clock that nobody set shows a time before this


class Wanted(msgspec.Struct, frozen=True):
    """What the lamps of a group should have."""

    version: int
    hash: int
    schedule: Schedule


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a lamp reported, and when the network heard it."""

    version: int
    hash: int
    clock: float | None
    level: float | None
    at: datetime


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`state` of its schedule; `drift` of its clock in seconds, ahead is positive; `expected` levels where it was
    compared with one; what is wrong, each with its evidence."""

    state: State
    drift: float | None
    expected: tuple[int, ...] = ()
    troubles: dict[Trouble, dict[str, Any]] = {}


def judge(heard: Heard, wanted: Wanted, drift_limit: float) -> Verdict:
    """Compare a report with what is wanted. A level is compared only where the schedule is the right one and the clock
    is right: else it is explained already."""
    state = _state(heard, wanted)
    drift = None if heard.clock is None else heard.clock - heard.at.timestamp()
    troubles: dict[Trouble, dict[str, Any]] = {}
    if state == "wrong":
        troubles["schedule_wrong"] = {
            "version": heard.version,
            "hash": f"{heard.hash:08x}",
            "wanted_version": wanted.version,
            "wanted_hash": f"{wanted.hash:08x}",
        }
    expected: set[int] = set()
    if drift is not None and heard.clock is not None and abs(drift) > drift_limit:
        troubles["clock_drift"] = {
            "drift_seconds": round(drift, 1),
            "limit_seconds": drift_limit,
            "clock": heard.clock,
            "never_set": heard.clock < _CLOCK_OF_1980,
        }
    elif state == "verified" and heard.level is not None:
        at, reach = heard.at.timestamp(), abs(drift or 0.0) + _SETTLING
        expected = wanted.schedule.levels_between(at - reach, at + reach)
        if expected and not _among(heard.level, expected):
            troubles["schedule_contradicted"] = {
                "level": round(heard.level, 1),
                "expected": sorted(expected),
                "version": wanted.version,
            }
    if troubles:
        troubles = {
            kind: {**evidence, "heard_at": heard.at.isoformat()} for kind, evidence in troubles.items()
        }
    return Verdict(state=state, drift=drift, expected=tuple(sorted(expected)), troubles=troubles)


def _state(heard: Heard, wanted: Wanted) -> State:
    if (heard.version, heard.hash) == (wanted.version, wanted.hash):
        return "verified"
    return "older" if heard.version < wanted.version else "wrong"


def _among(level: float, expected: set[int]) -> bool:
    """On a ramp a lamp may be between two levels."""
    return min(expected) - _TOLERANCE <= level <= max(expected) + _TOLERANCE
