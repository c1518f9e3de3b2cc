"""When something was observed: the ways in which devices write it, and whether it can be true."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rhinecloud.model import normal_time

from .document import TimeRule
from .shapes import Unmappable

EARLIEST = "2000-01-01T00:00:00Z"
"""No device of ours is older: an earlier time is that of a clock that was never set."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)", re.ASCII)
_FURTHEST = 4_102_444_800.0  # seconds: 2100. Beyond, float seconds and datetime have troubles of their own


def text_of(moment: datetime) -> str:
    """An instant as the model writes it: UTC, at most six fractional digits, no trailing zeros."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds")[:26].rstrip("0").rstrip(".")
    return text + "Z"


def limit_of(arrived: datetime, ahead: timedelta) -> str:
    """The latest time that what arrived then can have, for `is_true`: whole seconds, without a zone."""
    return text_of(arrived + ahead)[:19]


def is_true(time: str, limit: str) -> bool:
    """Whether a normal time is neither before 2000 nor after the limit, in whole seconds."""
    return EARLIEST[:10] <= time[:10] and time[:19] <= limit


class Moments:
    """Moments of arrival as instant and text: most share their second with the one before."""

    def __init__(self) -> None:
        self._second = -1
        self._start = _EPOCH
        self._prefix = ""
        self._limits: dict[timedelta, str] = {}

    def at(self, nanoseconds: int) -> tuple[datetime, str]:
        """The instant so many nanoseconds after 1970, and its normal time."""
        second, rest = divmod(nanoseconds, 1_000_000_000)
        if second != self._second:
            self._turn_to(second)
        micros = rest // 1_000
        if not micros:
            return self._start, self._prefix + "Z"
        fraction = f"{micros:06d}".rstrip("0")
        return self._start + timedelta(microseconds=micros), f"{self._prefix}.{fraction}Z"

    def limit(self, nanoseconds: int, ahead: timedelta) -> str:
        """As `limit_of`."""
        second = nanoseconds // 1_000_000_000
        if second != self._second:
            self._turn_to(second)
        found = self._limits.get(ahead)
        if found is None:
            found = self._limits[ahead] = limit_of(self._start, ahead)
        return found

    def _turn_to(self, second: int) -> None:
        self._second = second
        self._start = _EPOCH + timedelta(seconds=second)
        self._prefix = text_of(self._start)[:-1]
        self._limits = {}


def reader(rule: TimeRule) -> Callable[[Any], str]:
    """What makes a value of the payload a normal time. It raises ValueError with the reason; `reader` itself does for
    a rule that cannot be."""
    if rule.zone is not None and rule.format != "local":
        raise ValueError("a zone belongs to the format local; the others say their own")
    if rule.format == "local":
        if rule.zone is None:
            raise ValueError("local times need their zone, such as Europe/Berlin")
        try:
            zone = ZoneInfo(rule.zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{rule.zone!r} is no time zone such as Europe/Berlin") from None
        return lambda value: _local(value, zone)
    if rule.format == "unix":
        return seconds
    if rule.format == "unix_ms":
        return lambda value: seconds(value, 1e-3)
    return _rfc3339


def seconds(value: Any, unit: float = 1.0) -> str:
    """Seconds (or what is so many seconds) since 1970 as a normal time. Raises ValueError."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ValueError(f"{value!r:.60} is no number of seconds since 1970") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r:.60} is no number of seconds since 1970")
    since = value * unit
    if not -_FURTHEST < since < _FURTHEST:
        raise ValueError(f"{value!r:.60} is no number of seconds since 1970 that a clock has")
    return text_of(_EPOCH + timedelta(seconds=round(since, 6)))


def _rfc3339(value: Any) -> str:
    time = normal_time(value) if isinstance(value, str) else None
    if time is None:
        raise ValueError(f"{value!r:.60} is no DateTime such as 2026-01-31T12:00:00Z")
    return time


def _local(value: Any, zone: ZoneInfo) -> str:
    found = _LOCAL.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r:.60} is no local time such as 2026-01-31T12:00:00")
    try:
        return text_of(datetime.fromisoformat(f"{found[1]}T{found[2]}").replace(tzinfo=zone))
    except (ValueError, OverflowError):
        raise ValueError(f"{value!r:.60} is no local time such as 2026-01-31T12:00:00") from None


def clock_lies(name: str, time: str, arrived: str) -> Unmappable:
    """The refusal of a time that cannot be true."""
    direction = "before the year 2000" if time < EARLIEST else f"after its arrival at {arrived}"
    return Unmappable(f"{name} was observed at {time}, {direction}: the clock is wrong", "clock")
