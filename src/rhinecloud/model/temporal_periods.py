"""Periods of aggregation: ISO 8601 durations, and the periods that they cut time into (CIM 009 §4.5.19.1).

Times are microseconds since 1970 in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from rhinecloud.model.errors import BadRequestData

_DURATION = re.compile(
    r"P(?:(\d{1,9})W|(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,9})D)?"
    r"(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12})(?:[.,](\d{1,6}))?S)?)?)",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_DAY: Final = 86_400 * _SECOND

Times = npt.NDArray[np.int64]


class Duration(msgspec.Struct, frozen=True):
    """Calendar months, and microseconds beyond them; none of both is the whole range."""

    months: int = 0
    microseconds: int = 0

    @property
    def whole(self) -> bool:
        return not self.months and not self.microseconds

    @property
    def days(self) -> int:
        """At least so many whole days."""
        return self.months * 28 + self.microseconds // _DAY


def parse_duration(text: Any) -> Duration:
    """``P1M``, ``PT1H30M``, ``P2W``; a day has 24 hours. Raises BadRequestData."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None or not any(found.groups()) or text.endswith("T"):
        raise BadRequestData(
            f"{text!r:.60} is no duration such as PT1H, P1D or P1M", field="aggrPeriodDuration"
        )
    weeks, years, months, days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[:7])
    fraction = int((found[8] or "").ljust(6, "0"))
    whole_days = weeks * 7 + days
    duration = Duration(
        years * 12 + months, whole_days * _DAY + ((hours * 60 + minutes) * 60 + seconds) * _SECOND + fraction
    )
    if duration.months > 12 * 10_000 or duration.microseconds > 10_000 * 366 * _DAY:
        raise BadRequestData("a period lasts 10,000 years at most", field="aggrPeriodDuration")
    return duration


class Periods:
    """The periods of a duration, counted from `origin`, which begins number 0. `last` is the latest time that is asked
    about, `end` where the one period of the whole range ends."""

    def __init__(self, duration: Duration, origin: int, last: int, end: int | None = None) -> None:
        self.duration = duration
        self.origin = origin
        self.end = last if end is None else end
        if duration.months:
            # Calendar months differ in length: their beginnings are listed up to one that lies behind.
            edges = [origin]
            while edges[-1] <= last and edges[-1] < _LAST:
                edges.append(self._calendar(len(edges)))
            self.edges = np.asarray(edges, dtype=np.int64)

    def index(self, times: Times) -> Times:
        """The number of the period that each time lies in."""
        if self.duration.whole:
            return np.zeros(len(times), dtype=np.int64)
        if self.duration.months:
            return np.asarray(np.searchsorted(self.edges, times, side="right") - 1, dtype=np.int64)
        return (times - self.origin) // self.duration.microseconds

    def bounds(self, numbers: Times) -> tuple[Times, Times]:
        """Beginnings and ends of periods."""
        if self.duration.whole:
            return np.full(len(numbers), self.origin), np.full(len(numbers), self.end)
        if self.duration.months:
            return self.edges[numbers], self.edges[numbers + 1]
        starts = self.origin + numbers * self.duration.microseconds
        return starts, np.minimum(starts + self.duration.microseconds, _LAST)

    def starts(self, last: int) -> list[int]:
        """The beginnings of all periods up to that of `last`."""
        if self.duration.whole:
            return [self.origin]
        if self.duration.months:
            return [int(edge) for edge in self.edges if edge <= last]
        return list(range(self.origin, last + 1, self.duration.microseconds))

    def _calendar(self, number: int) -> int:
        """The beginning of a period: months are added to the origin's, a day that the month lacks is its last."""
        begin = _EPOCH + timedelta(microseconds=self.origin)
        years, month = divmod(begin.month - 1 + number * self.duration.months, 12)
        year = begin.year + years
        if year > 9999:
            return _LAST
        day = begin.day
        while True:
            try:
                at = begin.replace(year=year, month=month + 1, day=day)
                break
            except ValueError:
                day -= 1
        micros = (at - _EPOCH) // timedelta(microseconds=1) + number * self.duration.microseconds
        return min(micros, _LAST)
