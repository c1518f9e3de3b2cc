"""What a row of the accounts says, and which days are to be counted. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final

import msgspec

REACH: Final = 31  # days back that are counted by themselves
LOOK: Final = REACH + 7  # days back that are counted once more, where the city stood still when it was due
_AGAIN: Final = (2, 8, 31)  # days old at which a day is counted once more, for measurements that came late


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Of some lamps in some days. `lamps`: on the day with the most. Energies in Wh, of which `unpriced` is on days
    without a price and `unrated` on days without a CO₂ factor; `cost` in euros and `co2` in kilograms of the others.
    `baseline` and `compared` (what was used) of lamps whose rated power is known, in the time that is not unknown."""

    lamps: int = 0
    days: int = 0
    measured_seconds: float = 0.0
    estimated_seconds: float = 0.0
    unknown_seconds: float = 0.0
    measured: float = 0.0
    estimated: float = 0.0
    burning_seconds: float = 0.0
    baseline: float = 0.0
    compared: float = 0.0
    cost: float = 0.0
    unpriced: float = 0.0
    co2: float = 0.0
    unrated: float = 0.0

    @property
    def energy(self) -> float:
        """All that is known to have been used, Wh."""
        return self.measured + self.estimated

    @property
    def seconds(self) -> float:
        """Lamps × time, s."""
        return self.measured_seconds + self.estimated_seconds + self.unknown_seconds

    def share(self, of: str) -> float | None:
        """The share of the time that was `measured`, `estimated` or `unknown`, 0…1."""
        seconds: float = getattr(self, f"{of}_seconds")
        return seconds / self.seconds if self.seconds else None

    @property
    def known(self) -> bool:
        """Whether anything is known of what was used."""
        return self.measured_seconds + self.estimated_seconds > 0

    @property
    def saved(self) -> float | None:
        """Wh less than the baseline; negative if it was more."""
        return self.baseline - self.compared if self.baseline else None

    @property
    def saved_share(self) -> float | None:
        """The same as a share of the baseline."""
        return None if self.saved is None else self.saved / self.baseline


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """What a kilowatt-hour costs (`price`, ct) or emits (`co2`, g), from `since` to `until` (its last day; None for
    until the next one). `source`: who says so."""

    kind: str
    since: date
    until: date | None
    value: float
    source: str
    changed_by: str = ""


def due(today: date, counted: Mapping[date, date]) -> Iterator[date]:
    """Days to be counted now, the newest first. `counted`: when each was counted last."""
    for age in range(1, LOOK + 1):
        day = today - timedelta(age)
        last = counted.get(day)
        if last is None:
            if age <= REACH:
                yield day
        elif any((last - day).days < again <= age for again in _AGAIN):
            yield day


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def last_of(month: date) -> date:
    """The last day of a month."""
    return month_of(month + timedelta(31)) - timedelta(1)
