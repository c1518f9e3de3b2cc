"""What reports say by themselves: for each kind true, false or nothing. Pure, columns of numpy."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..control import ephemeris
from .thresholds import Thresholds

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Says = NDArray[np.int8]  # 1: so; 0: not so; -1: this report does not tell

_FULL: Final = 85.0  # percent; above it "draws as if at full light" is no finding
_YEAR: Final = 365.25 * 86_400.0


class Reports(msgspec.Struct, frozen=True, kw_only=True):
    """What lamps told, as columns of one length. `row`: of the lamp; `at`: seconds since 1970; `level` percent, `power`
    W, `temperature` °C, each NaN where not told; `says_defect`: it says itself that its light failed; `impossible`: a
    value was set aside. What was to be expected: `target` percent (NaN: no plan is known), `most` percent (above
    `target` where somebody on the way may raise it), since when (`target_since`)."""

    row: NDArray[np.int64]
    at: Floats
    level: Floats
    power: Floats
    temperature: Floats
    says_defect: Flags
    impossible: Flags
    target: Floats
    most: Floats
    target_since: Floats

    def of(self, chosen: NDArray[np.int64] | Flags) -> Reports:
        """Some of them."""
        return Reports(**{name: getattr(self, name)[chosen] for name in self.__struct_fields__})


class Lamps(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of lamps, a row each: degrees; rated W (NaN: unknown); `begun`: seconds since 1970 at which it was
    commissioned (NaN: unknown)."""

    longitude: Floats
    latitude: Floats
    rated: Floats
    begun: Floats


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Says of each kind, and what it was measured against: the band of power in W, the sun's elevation in degrees; `on`
    is whether it burns, `may_fall` whether going out now would be its own doing."""

    day_burner: Says
    dark: Says
    dimming: Says
    power: Says
    temperature: Says
    nonsense: Says
    on: Says
    may_fall: Flags
    low: Floats
    high: Floats
    sun: Floats


def elevation(longitude: Floats, latitude: Floats, at: Floats) -> Floats:
    """The sun's, in degrees."""
    sine, ahead = ephemeris.sun(at)
    hour = np.deg2rad(((at % 86_400.0) + ahead) / 240.0 - 180.0 + longitude)
    north = np.deg2rad(latitude)
    height = np.sin(north) * sine + np.cos(north) * np.sqrt(1.0 - sine**2) * np.cos(hour)
    found: Floats = np.rad2deg(np.arcsin(np.clip(height, -1.0, 1.0)))
    return found


def band(level: Floats, rated: Floats, age_hours: Floats, limits: Thresholds) -> tuple[Floats, Floats]:
    """Between which W a lamp of this age at this level (percent) is expected; NaN where nothing is known."""
    lit = rated * (limits.fixed_share + (1.0 - limits.fixed_share) * level / 100.0)
    aged = limits.new_share + (1.0 - limits.new_share) * np.clip(age_hours / limits.aged_hours, 0.0, 1.0)
    if limits.constant_light == "none":
        aged = np.ones_like(level)
    # Of unknown age it may be new, or old.
    least = lit * np.where(np.isnan(aged), limits.new_share, aged)
    most = lit * np.where(np.isnan(aged), 1.0, aged) if limits.constant_light == "all" else lit
    slack = limits.power_tolerance / 100.0
    low = np.where(level > 0, least * (1.0 - slack) - limits.standby_power / 2, -np.inf)
    high = np.where(level > 0, most * (1.0 + slack) + limits.standby_power / 2, limits.standby_power)
    return low, np.where(np.isnan(rated) & (level > 0), np.nan, high)


def judge(told: Reports, lamps: Lamps, limits: Thresholds) -> Judgement:
    """What each report says."""
    row = told.row
    sun = elevation(lamps.longitude[row], lamps.latitude[row], told.at)
    day = sun >= limits.day_elevation
    metered, levelled = ~np.isnan(told.power), ~np.isnan(told.level)
    drawing, lit = told.power > limits.standby_power, told.level > 0
    on = np.where(metered, drawing, np.where(levelled, lit, -1)).astype(np.int8)
    planned = ~np.isnan(told.target)
    settled = planned & (told.at - told.target_since >= limits.settle_minutes * 60.0)
    wanted = settled & (told.target > 0)

    age = (told.at - lamps.begun[row]) / _YEAR * limits.hours_a_year
    rated = lamps.rated[row]
    low, high = band(told.level, rated, age, limits)
    comparable = metered & levelled & ~np.isnan(high) & ~(lit & ~drawing)
    outside = (told.power < low) | (told.power > high)
    full_low, full_high = band(np.full_like(told.level, 100.0), rated, age, limits)
    as_full = lit & (told.level < _FULL) & outside & (told.power >= full_low) & (told.power <= full_high)

    away = (told.level < told.target - limits.dimming_tolerance) | (
        told.level > told.most + limits.dimming_tolerance
    )
    follows = levelled & settled & ~day & (lit | (told.target == 0))
    burning_by_day = day & (on == 1) & ~(planned & (told.target > 0))
    gone = told.says_defect | (wanted & (on == 0)) | (lit & metered & ~drawing)
    return Judgement(
        day_burner=_says(burning_by_day, day & (on >= 0)),
        dark=_says(gone, gone | ((on == 1) & (wanted | lit))),
        dimming=_says((follows & away) | (comparable & as_full), follows | (comparable & as_full)),
        power=_says(outside & ~as_full, comparable),
        temperature=_says(
            told.temperature >= limits.hot,
            (told.temperature >= limits.hot) | (told.temperature <= limits.cool),
        ),
        nonsense=_says(told.impossible, np.ones_like(told.impossible)),
        on=on,
        may_fall=~day & ~(planned & (told.target == 0)),
        low=low,
        high=high,
        sun=sun,
    )


def _says(so: Flags, known: Flags) -> Says:
    return np.where(known, so, -1).astype(np.int8)
