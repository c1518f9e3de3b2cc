"""Where the sun stands: declination and hour angle from the planetary theory VSOP87, shortened.

The Earth's heliocentric longitude with the terms above 2·10⁻⁶ rad, the Sun's latitude neglected (below 1.2″), with
aberration and the main terms of nutation (Meeus, Astronomical Algorithms, 2nd ed., chapters 22, 25, 32). Good to about
2″ from 1950 to 2100, that is to a fraction of a second in the time of an event at 51° north.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_J2000: Final = 946_728_000.0  # 2000-01-01 12:00 UTC in Unix seconds
_DELTA_T: Final = (
    69.2  # seconds between terrestrial time and UTC since 2017; a minute more of it is 0.15 s of time
)
_DAY: Final = 86_400.0

# Amplitude [10⁻⁸ rad], phase [rad], frequency [rad per 1,000 Julian years].
_L0: Final = np.array(
    [
        (3341656.0, 4.6692568, 6283.07585), (34894.0, 4.6261, 12566.1517), (3497.0, 2.7441, 5753.3849),
        (3418.0, 2.8289, 3.5231), (3136.0, 3.6277, 77713.7715), (2676.0, 4.4181, 7860.4194),
        (2343.0, 6.1352, 3930.2097), (1324.0, 0.7425, 11506.7698), (1273.0, 2.0371, 529.691),
        (1199.0, 1.1096, 1577.3435), (990.0, 5.233, 5884.927), (902.0, 2.045, 26.298), (857.0, 3.508, 398.149),
        (780.0, 1.179, 5223.694), (753.0, 2.533, 5507.553), (505.0, 4.583, 18849.228), (492.0, 4.205, 775.523),
        (357.0, 2.92, 0.067), (317.0, 5.849, 11790.629), (284.0, 1.899, 796.298), (271.0, 0.315, 10977.079),
        (243.0, 0.345, 5486.778), (206.0, 4.806, 2544.314), (205.0, 1.869, 5573.143), (202.0, 2.458, 6069.777),
    ]
)  # fmt: skip
_L1: Final = np.array([(206059.0, 2.678235, 6283.07585), (4303.0, 2.6351, 12566.1517), (425.0, 1.59, 3.523)])
_L2: Final = np.array([(8720.0, 1.0721, 6283.0758), (309.0, 0.867, 12566.152)])


def sun(seconds: Array) -> tuple[Array, Array]:
    """At these Unix times: the sine of the apparent declination, and the hour angle at Greenwich less that of a mean
    sun (which stands south at 12:00 UTC), in seconds of time (15″ of angle each)."""
    days = (seconds - _J2000) / _DAY
    millennia = (days + _DELTA_T / _DAY) / 365_250.0
    longitude, anomaly = _longitude(millennia)
    nutation, obliquity = _nutation(millennia)
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)
    apparent = longitude + nutation - np.deg2rad(20.4898 / 3600.0) / distance
    sine = np.sin(obliquity) * np.sin(apparent)
    ascension = np.arctan2(np.cos(obliquity) * np.sin(apparent), np.cos(apparent))
    centuries = days / 36_525.0
    sidereal = 280.46061837 + 360.98564736629 * days + 0.000387933 * centuries**2
    angle = np.deg2rad(sidereal) + nutation * np.cos(obliquity) - ascension - 2 * np.pi * days
    turns = (angle + np.pi) / (2 * np.pi)
    return sine, (turns - np.floor(turns) - 0.5) * _DAY


def _longitude(millennia: Array) -> tuple[Array, Array]:
    """The Sun's geometric longitude (of the mean equinox of date) and its mean anomaly, in radians."""

    def series(terms: Array) -> Array:
        phases = terms[:, 1] + terms[:, 2] * millennia[..., None]
        return np.asarray((terms[:, 0] * np.cos(phases)).sum(axis=-1))

    earth = 175347046.0 + series(_L0) + millennia * (628331966747.0 + series(_L1))
    earth += millennia**2 * (52919.0 + series(_L2))
    anomaly = np.deg2rad(357.52911 + 359990.5029 * millennia)
    # To the frame FK5 (Meeus 32.3): −0.09033″.
    return earth * 1e-8 + np.pi - np.deg2rad(0.09033 / 3600.0), anomaly


def _nutation(millennia: Array) -> tuple[Array, Array]:
    """Nutation in longitude and the true obliquity of the ecliptic, in radians."""
    centuries = 10.0 * millennia
    node = np.deg2rad(125.04452 - 1934.136261 * centuries)
    sun_twice = 2 * np.deg2rad(280.4665 + 36000.7698 * centuries)
    moon_twice = 2 * np.deg2rad(218.3165 + 481267.8813 * centuries)
    psi = (
        -17.20 * np.sin(node) - 1.32 * np.sin(sun_twice) - 0.23 * np.sin(moon_twice) + 0.21 * np.sin(2 * node)
    )
    epsilon = 9.20 * np.cos(node) + 0.57 * np.cos(sun_twice) + 0.10 * np.cos(moon_twice)
    mean = 84381.448 - 46.8150 * centuries
    return np.deg2rad(psi / 3600.0), np.deg2rad((mean + epsilon) / 3600.0)
