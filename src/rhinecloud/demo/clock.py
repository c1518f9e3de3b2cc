"""The demo's own clock: it says how dark it is and how busy the streets are, and may run faster than the world's.

Nothing but the simulation looks at it. What devices say is dated by the real time, and whoever signs in, is audited or
kept waiting is so in real time. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

_LON, _LAT = 6.76, 51.43  # Duisburg, degrees
_DAY = 86_400.0
_DARK = -6.0  # elevation of the sun in degrees at which every lamp is on
# Share of the vehicles that are on the road, by the hour of the sun.
_BUSY = (
    *(0.15, 0.1, 0.08, 0.08, 0.12, 0.3, 0.7, 1.0, 0.95, 0.7, 0.65, 0.7),
    *(0.75, 0.75, 0.8, 0.9, 1.0, 1.0, 0.85, 0.7, 0.6, 0.55, 0.4, 0.25),
)


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` says the demo's time (seconds since 1970) at a real time. It begins at `begun` (real) with `first`."""

    begun: float
    first: float
    speed: float = 1.0

    @classmethod
    def from_dusk(cls, real: float, speed: float = 1.0) -> Clock:
        """A clock that begins when it has become dark today: then there is most to be seen."""
        midday = math.floor(real / _DAY) * _DAY + _DAY / 2 - _LON / 360 * _DAY
        dusk = midday
        while elevation(dusk) > _DARK and dusk < midday + _DAY / 2:
            dusk += 60
        return cls(real, dusk, speed)

    def now(self, real: float) -> float:
        """The demo's time."""
        return self.first + (real - self.begun) * self.speed

    def text(self, real: float) -> str:
        """Hours and minutes of the sun."""
        hour = sun_hour(self.now(real))
        return f"{int(hour):02d}:{int(hour % 1 * 60):02d}"


def sun_hour(seconds: float) -> float:
    """The hour by the sun over Duisburg, 0 to 24: at 12 it stands in the south, to a quarter of an hour."""
    return (seconds / 3_600 + _LON / 15) % 24


def elevation(seconds: float) -> float:
    """How high the sun stands over Duisburg, in degrees, to about one; below 0 it has set."""
    day = datetime.fromtimestamp(seconds, UTC).timetuple().tm_yday
    declination = math.radians(-23.44 * math.cos(2 * math.pi * (day + 10) / 365))
    angle = math.radians((sun_hour(seconds) - 12) * 15)
    lat = math.radians(_LAT)
    return math.degrees(
        math.asin(
            math.sin(lat) * math.sin(declination) + math.cos(lat) * math.cos(declination) * math.cos(angle)
        )
    )


def busy(seconds: float) -> float:
    """The share of the vehicles that are on the road, between 0 and 1."""
    hour = sun_hour(seconds)
    before, after = _BUSY[int(hour)], _BUSY[(int(hour) + 1) % 24]
    return before + (after - before) * (hour % 1)
