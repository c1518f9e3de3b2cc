"""When the sun sets and rises, for all lamps of a city and all nights of a year at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import Enum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .ephemeris import Array, sun

_DAY: Final = 86_400.0
_PARALLAX: Final = np.deg2rad(8.794 / 3600.0)  # the centre of the sun is this much lower seen from the ground
_CHUNK: Final = 32_768  # pairs of lamp and night worked on at once: they stay in the processor's cache
_ENOUGH: Final = 0.5  # seconds by which the last step of the iteration may still have moved an event


class Event(Enum):
    """What begins and ends a night. `elevation`: of the sun's centre, in degrees, without refraction."""

    SUNSET = "sunset"  # the upper limb at the horizon, 34′ of refraction, 16′ of radius
    CIVIL = "civil"
    NAUTICAL = "nautical"

    @property
    def elevation(self) -> float:
        """In degrees."""
        return _ELEVATIONS[self]


_ELEVATIONS: Final = {Event.SUNSET: -50.0 / 60.0, Event.CIVIL: -6.0, Event.NAUTICAL: -12.0}


class Dark(NamedTuple):
    """From when to when it is dark, in seconds since 1970 (UTC). NaN: it does not become dark (or light again) in this
    night. −inf and inf: it was dark before, and is dark after it."""

    begin: float
    end: float


Sky = Mapping[Event, Dark]


def nights(
    longitude: ArrayLike,
    latitude: ArrayLike,
    first: date,
    days: int,
    elevation: float = Event.SUNSET.elevation,
) -> tuple[Array, Array]:
    """When the sun sinks below an elevation and when it comes back, in `days` nights from that of `first` on.

    Positions in degrees (WGS 84), one per lamp; the elevation in degrees. Two arrays of shape (lamps, days) in seconds
    since 1970: set and rise, each within a second or two (docs/decisions/0031-lighting.md). NaN where the sun stays
    above that elevation; where it stays below, −inf and inf. A night begins at the sun's noon of its date.
    """
    east, north = np.broadcast_arrays(
        *(np.atleast_1d(one).astype(np.float64) for one in (longitude, latitude))
    )
    noon = datetime(first.year, first.month, first.day, 12, tzinfo=UTC).timestamp() + _DAY * np.arange(
        days, dtype=np.float64
    )
    sets, rises = np.empty((2, east.size, days))
    step = max(1, _CHUNK // max(days, 1))
    # Lamps beside each other on the globe share one short polynomial of the sun's course.
    for order in np.array_split(np.argsort(east, kind="stable"), -(-east.size // step) if east.size else 1):
        if order.size and days:
            site = _Sites(east[order, None], north[order, None], elevation)
            course = _Course(noon, 0.5 - float(site.east.mean()) / 360.0)
            sets[order], rises[order] = site.event(noon, course, -1.0), site.event(noon, course, 1.0)
    return sets, rises


def sky(longitude: float, latitude: float, night: date) -> Sky:
    """Every event of one night at one site."""
    found = {}
    for event in Event:
        begin, end = nights(longitude, latitude, night, 1, event.elevation)
        found[event] = Dark(float(begin[0, 0]), float(end[0, 0]))
    return found


class _Course:
    """The sun's course through each night as parabolas over the time since noon UTC (in days)."""

    def __init__(self, noon: Array, middle: float) -> None:
        self._middle = middle
        nodes = np.array([-0.5, 0.0, 0.5])
        sine, ahead = sun(noon[:, None] + _DAY * (middle + nodes))
        self._sine, self._ahead = self._parabola(sine), self._parabola(ahead)

    @staticmethod
    def _parabola(at: Array) -> tuple[Array, Array, Array]:
        before, here, after = at.T
        return here, after - before, 2.0 * (before + after) - 4.0 * here

    def at(self, moment: Array) -> tuple[Array, Array]:
        """Sine of the declination and the true sun's lead (ephemeris.sun), for times in days since noon UTC."""
        x = moment - self._middle
        sine, ahead = (a + x * (b + x * c) for a, b, c in (self._sine, self._ahead))
        return sine, ahead


class _Sites:
    """Lamps (a column of them) and the elevation at which they see an event."""

    def __init__(self, east: Array, north: Array, elevation: float) -> None:
        self.east = east
        radians = np.deg2rad(north)
        self._sine, self._cosine = np.sin(radians), np.cos(radians)
        height = np.deg2rad(elevation)
        self._height = np.sin(height + _PARALLAX * np.cos(height))
        self._elevation = elevation

    @property
    def _middle(self) -> _Sites:
        north = np.arcsin(self._sine.mean(keepdims=True))
        return _Sites(self.east.mean(keepdims=True), np.rad2deg(north), self._elevation)

    def settle(self, course: _Course, side: float, moment: Array) -> tuple[Array, Array]:
        """The event's time in days since noon UTC, from a first guess on, and the cosine of the sun's hour angle (which
        has none where it is beyond 1)."""
        mean_noon = -self.east / 360.0
        for _ in range(12):
            sine, ahead = course.at(moment)
            cosine = (self._height - self._sine * sine) / (self._cosine * np.sqrt(1.0 - sine * sine))
            angle = np.arccos(np.clip(cosine, -1.0, 1.0)) / (
                2.0 * np.pi
            )  # of the sun from the south, in days
            before, moment = moment, mean_noon + (angle if side < 0 else 1.0 - angle) - ahead / _DAY
            if np.max(np.abs(moment - before)) * _DAY < _ENOUGH:
                break
        return moment, cosine

    def event(self, noon: Array, course: _Course, side: float) -> Array:
        """Seconds since 1970 of the set (side −1: before midnight) or the rise (1)."""
        moment = np.broadcast_to(0.5 + 0.25 * side - self.east.mean() / 360.0, (1, noon.size))
        # First for the middle of the lamps, then from there on for each: one step less for all.
        moment, _ = self._middle.settle(course, side, moment)
        moment, cosine = self.settle(course, side, moment)
        found = noon + _DAY * moment
        if np.max(np.abs(cosine)) > 1.0:
            found = np.where(cosine < -1.0, np.nan, np.where(cosine > 1.0, side * np.inf, found))
        return np.asarray(found)
