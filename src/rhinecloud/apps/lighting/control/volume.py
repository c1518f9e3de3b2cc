"""The class that counted traffic needs, over time: with a margin and a hold, so that a street does not flicker between
classes, and the full class wherever no count holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from typing import Final

import msgspec

from .classes import CLASSES, Adaptive, level, shifted
from .programs import ByVolume
from .reasons import Reason

_AHEAD: Final = 300.0  # seconds by which clocks of counters may be ahead
_HOUR: Final = 3600.0
_WARM_UP: Final = 24  # hours before a night, so that its beginning has a past


class Count(msgspec.Struct, frozen=True):
    """Vehicles an hour, in the mean from `begins` until `ends` (seconds since 1970)."""

    vehicles: float
    begins: float
    ends: float


class Standing(msgspec.Struct, frozen=True):
    """How many classes less light than the full one are needed, and since when."""

    down: int = 0
    since: float = 0.0


class Needed(msgspec.Struct, frozen=True):
    """So many classes less light from `begins` until before `until`, for this count, and the threshold that says so."""

    begins: float
    until: float
    down: int
    vehicles: float
    limit: float


class Volume(msgspec.Struct, frozen=True):
    """What a lamp needs in a night. `place`: where it is counted (empty: nowhere), `installed`: the class of the lamp
    (empty: not known). Outside of those of `needed` it is the full class."""

    place: str
    installed: str
    needed: tuple[Needed, ...] = ()

    def at(self, instant: float) -> tuple[float, Reason]:
        """The most light in percent that the class needs, and why."""
        if self.installed not in CLASSES:
            return 100.0, Reason("volume", self.place)
        now = next((one for one in self.needed if one.begins <= instant < one.until), None)
        if now is None:
            return 100.0, Reason("volume", self.place, needed=self.installed, installed=self.installed)
        reason = Reason(
            "volume",
            self.place,
            needed=shifted(self.installed, now.down),
            installed=self.installed,
            vehicles=round(now.vehicles),
            limit=round(now.limit),
        )
        return share(self.installed, now.down), reason


def share(installed: str, down: int) -> float:
    """The level in whole percent at which an installation of a class fulfils one so many classes down."""
    wanted = shifted(installed, down)
    return 100.0 if wanted == installed else float(math.ceil(level(wanted, installed)))


def holds(count: Count | None, rule: ByVolume, now: float) -> bool:
    """Whether a count says anything of now: neither old nor of a time to come."""
    return (
        count is not None
        and math.isfinite(count.vehicles)
        and count.vehicles >= 0
        and count.begins < count.ends <= now + _AHEAD
        and now < count.ends + 60 * rule.valid
    )


def stepped(before: Standing, count: Count | None, rule: ByVolume, now: float) -> Standing:
    """What is needed from now on. More light at once, also where no count holds; less with the margin and the hold."""
    if count is None or not holds(count, rule, now):
        return before if before.down == 0 else Standing(0, now)
    at_least = _shift(rule, count.vehicles, 0.0)
    if at_least < before.down:
        return Standing(at_least, now)
    at_most = _shift(rule, count.vehicles, rule.margin)
    if at_most > before.down and now - before.since >= 60 * rule.hold:
        return Standing(at_most, now)
    return before


def needed(standing: Standing, count: Count | None, rule: ByVolume, now: float) -> Needed | None:
    """What is to be said of it; None where no count holds."""
    if count is None or not holds(count, rule, now):
        return None
    limits = (rule.high * (1 - rule.margin / 100), rule.high, rule.low)
    until = count.ends + 60 * rule.valid
    return Needed(now, until, standing.down, count.vehicles, limits[standing.down])


def assumed(
    hourly: Sequence[float], rule: ByVolume, window: tuple[float, float], zone: tzinfo
) -> tuple[Needed, ...]:
    """What a night (from, until) needs if each hour of the city's clock (0 … 23) has so many vehicles, told after its
    end. An hour that is NaN is not counted."""
    return tuple(_assumed(hourly, rule, window, zone))


def _assumed(
    hourly: Sequence[float], rule: ByVolume, window: tuple[float, float], zone: tzinfo
) -> Iterator[Needed]:
    standing = Standing()
    now = window[0] - _WARM_UP * _HOUR
    while now < window[1]:
        vehicles = hourly[datetime.fromtimestamp(now - _HOUR, zone).hour]
        count = None if math.isnan(vehicles) else Count(vehicles, now - _HOUR, now)
        standing = stepped(standing, count, rule, now)
        found = needed(standing, count, rule, now)
        if now >= window[0] and found is not None:
            yield msgspec.structs.replace(found, until=now + _HOUR)
        now += _HOUR


def _shift(rule: ByVolume, vehicles: float, margin: float) -> int:
    less = 1 - margin / 100
    return Adaptive(high=rule.high * less, low=rule.low * less, most=rule.most).shift(vehicles)
