"""The city's clock over a night: when its noons are, and when its times of day, the changes of the hour included."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from .programs import DAY

_NOON: Final = 12 * 60


@lru_cache(maxsize=4096)
def bounds(night: date, zone: tzinfo) -> tuple[int, int]:
    """The noon at which a night begins and that at which it ends, in seconds since 1970: 23, 24 or 25 hours."""
    return _instant(night, _NOON, zone), _instant(night + timedelta(1), _NOON, zone)


@lru_cache(maxsize=65_536)
def moment(night: date, minutes: int, zone: tzinfo) -> int:
    """When the city's clock shows a time of day, `minutes` after the noon of the night, in seconds since 1970.

    A time that comes twice (autumn) is its first coming; one that the clock leaps over (spring) is the leap. The noon
    at the end (DAY) is that of the next day.
    """
    begin, end = bounds(night, zone)
    if minutes >= DAY:
        return end
    return min(end, max(begin, _instant(night, _NOON + minutes, zone)))


def night_of(instant: float, zone: tzinfo) -> date:
    """The date of the night to which an instant belongs: that of the last noon."""
    local = datetime.fromtimestamp(instant, zone)
    return local.date() if local.hour >= 12 else local.date() - timedelta(1)


def _instant(day: date, minutes: int, zone: tzinfo) -> int:
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)
    local = wall.replace(tzinfo=zone)
    found = local.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == wall:
        return int(found.timestamp())
    # The clock leaps over it: the change of the offset lies between what both offsets make of it.
    low, high = int(local.replace(fold=1).timestamp()), int(found.timestamp())
    before = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
