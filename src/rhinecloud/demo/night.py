"""The demo's night as a lighting program: which level at which time of the real day, so that lamps follow its clock.

The city and its lamps live in real time. So that a night can be looked at that passes more quickly, and at noon, the
demo's engineer plans one whose times are real and whose course is that of the demo's sun; its name says so. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rhinecloud.demo.clock import Clock, elevation, sun_hour

DUSK = -3.0  # elevation of the sun in degrees below which lamps are planned to be on
FASTEST = 120.0  # a night of some minutes: a program knows whole minutes only
_MINUTES = 24 * 60
_ZONE = ZoneInfo("Europe/Berlin")
_NOON = 12 * 60


class Step(NamedTuple):
    """From a time of day on (`22:30`), a level in percent."""

    at: str
    level: int


Course = Callable[[float], int]
"""The level in percent by the hour of the sun, while it is dark."""


def main_street(hour: float) -> int:
    """A street with traffic. Full light comes with whoever passes, at every hour; there is less in the small ones."""
    if 5 <= hour < 22:
        return 70
    return 60 if hour >= 22 else 50


def side_street(hour: float) -> int:
    """A street with less of it."""
    if 5 <= hour < 22:
        return 50
    return 40 if hour >= 22 else 20


def steps(clock: Clock, now: float, course: Course) -> list[Step]:
    """The program of the 24 hours from `now` (seconds since 1970) on, in the order of the night: from noon to noon."""
    first = now // 60 * 60
    levels = {}
    for minute in range(_MINUTES):
        at = first + 60 * minute
        local = datetime.fromtimestamp(at, _ZONE)
        seconds = clock.now(at + 30)
        level = course(sun_hour(seconds)) if elevation(seconds) < DUSK else 0
        levels[(local.hour * 60 + local.minute - _NOON) % _MINUTES] = level
    found: list[Step] = []
    last = levels.get(_MINUTES - 1)  # the program is the same each day
    for minute, level in sorted(levels.items()):
        if level != last:
            found.append(Step(_text(minute), level))
        last = level
    return found or [Step(_text(0), levels[0])]


def _text(minute: int) -> str:
    clock = (minute + _NOON) % _MINUTES
    return f"{clock // 60:02d}:{clock % 60:02d}"
