"""What lamps used in a span of time: from measured power where there is, else from level × power curve. Pure.

Each instant of a lamp is measured, estimated or unknown. It is measured for `power_hold` after a measured power at the
most, and until the next one; else it is estimated for `level_hold` after a level that was told, and until the next, if
the rated power is known; else it is unknown, and nothing is counted for it. A lamp whose feeder has no power by day is
estimated to need nothing while the sun is up: the last level that it told says nothing of that time.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from ..evidence.power import Luminaire

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_HOUR: Final = 3600.0
_UNRATED: Final = 2.0  # watts above which a lamp of unknown rating is taken to be lit


class Told(msgspec.Struct, frozen=True):
    """What lamps told of one quantity: arrays of equal length, by lamp and then by time. `lamps` are numbers from 0 on,
    `times` seconds since 1970, `values` watts or percent."""

    lamps: Indices
    times: Floats
    values: Floats


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """On what terms it is counted. Seconds that a measured power and a level that was told hold at the most; the power
    curve of a lamp whose power is not measured, of rated power 1 W, and what its controller takes besides (W)."""

    power_hold: float = 1_800.0
    level_hold: float = 64_800.0
    curve: Luminaire = Luminaire(rated=1.0)

    @property
    def reach(self) -> tuple[float, float]:
        """How many seconds before a span power and level have to be known."""
        return self.power_hold, self.level_hold


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """One number per lamp: seconds of the span that were measured, estimated, unknown; watt-hours that were measured
    and estimated; seconds of burning, as far as it is known; watt-hours of the baseline in the seconds that are not
    unknown (NaN where the rated power is not known)."""

    measured_seconds: Floats
    estimated_seconds: Floats
    unknown_seconds: Floats
    measured: Floats
    estimated: Floats
    burning_seconds: Floats
    baseline: Floats


class _Pieces:
    """Stretches in which a value holds, by lamp and begin; a key orders them over all lamps."""

    def __init__(self, told: Told, hold: float, begin: float, end: float) -> None:
        self._begin = begin
        self._stride = 2.0 * (end - begin) + 1.0
        starts = np.maximum(told.times, begin)
        ends = np.minimum(told.times + hold, end)
        if told.times.size:
            followed = np.append(told.lamps[1:] == told.lamps[:-1], False)
            ends = np.where(followed, np.minimum(ends, np.append(told.times[1:], np.inf)), ends)
        within = (starts < ends) & (told.times < end)
        self.lamps = told.lamps[within]
        self.starts, self.ends = starts[within], ends[within]
        self._values = told.values[within]
        self._keys = self._key(self.lamps, self.starts)

    def _key(self, lamps: Indices, times: Floats) -> Floats:
        return lamps * self._stride + (times - self._begin)

    def at(self, lamps: Indices, times: Floats) -> tuple[Floats, Flags]:
        """The values that hold at these instants of these lamps, and whether one holds."""
        if not self.starts.size:
            return np.zeros(times.size), np.zeros(times.size, dtype=bool)
        index = np.searchsorted(self._keys, self._key(lamps, times), side="right") - 1
        known = np.maximum(index, 0)
        holds = (index >= 0) & (self.lamps[known] == lamps) & (times < self.ends[known])
        return self._values[known], holds


def used(
    begin: float,
    end: float,
    rated: Floats,
    by_night: Flags,
    power: Told,
    level: Told,
    dark: tuple[Floats, Floats],
    terms: Terms,
) -> Used:
    """What each lamp used from `begin` to before `end` (seconds since 1970).

    `rated`: watts per lamp, NaN where not known; `by_night`: whether it has power by night only; `power` and `level`
    reach `terms.reach` back before `begin`; `dark`: set and rise of the sun of the nights that touch the span, of shape
    (lamps, nights), seconds since 1970, NaN for none. The baseline is every lamp at its rated power from sunset to
    sunrise, without a controller.
    """
    count = rated.size
    measured, told = (
        _Pieces(power, terms.power_hold, begin, end),
        _Pieces(level, terms.level_hold, begin, end),
    )
    nights = [
        (np.clip(np.nan_to_num(one, nan=begin, posinf=end, neginf=begin), begin, end))
        for one in (dark[0].T, dark[1].T)
    ]
    lamps, times, seconds = _instants(begin, end, count, (measured, told), nights)
    watts, is_measured = measured.at(lamps, times)
    percent, is_told = told.at(lamps, times)
    own = rated[lamps]
    is_dark = np.zeros(lamps.size, dtype=bool)
    for sets, rises in zip(*nights, strict=True):
        is_dark |= (times >= sets[lamps]) & (times < rises[lamps])
    is_cut = ~is_measured & by_night[lamps] & ~is_dark
    is_told &= ~is_cut
    is_estimated = is_cut | (~is_measured & is_told & np.isfinite(own))
    known = is_measured | is_estimated
    lit = np.nan_to_num(own) * terms.curve.power(percent) + terms.curve.controller
    estimate = np.where(is_cut, 0.0, lit)
    lit_above = np.where(np.isfinite(own), own * terms.curve.fixed / 2.0 + terms.curve.controller, _UNRATED)
    burning = np.where(is_told, percent > 0.0, is_measured & (watts > lit_above))

    def total(values: Floats, where: Flags) -> Floats:
        found: Floats = np.bincount(lamps[where], weights=values[where], minlength=count).astype(np.float64)
        return found

    return Used(
        measured_seconds=total(seconds, is_measured),
        estimated_seconds=total(seconds, is_estimated),
        unknown_seconds=total(seconds, ~known),
        measured=total(seconds * np.maximum(watts, 0.0) / _HOUR, is_measured),
        estimated=total(seconds * estimate / _HOUR, is_estimated),
        burning_seconds=total(seconds, burning),
        baseline=np.where(
            np.isfinite(rated), total(seconds * np.nan_to_num(own) / _HOUR, known & is_dark), np.nan
        ),
    )


def _instants(
    begin: float,
    end: float,
    count: int,
    pieces: tuple[_Pieces, ...],
    nights: list[Floats],
) -> tuple[Indices, Floats, Floats]:
    """The span of each lamp cut wherever something changes: lamp, begin and seconds of each part."""
    every = np.arange(count)
    cuts = [(every, np.full(count, begin)), (every, np.full(count, end))]
    cuts += [(one.lamps, at) for one in pieces for at in (one.starts, one.ends)]
    cuts += [(every, row) for edges in nights for row in edges]
    lamps = np.concatenate([cut[0] for cut in cuts])
    times = np.concatenate([cut[1] for cut in cuts])
    order = np.lexsort((times, lamps))
    lamps, times = lamps[order], times[order]
    seconds = np.diff(times, append=end)
    seconds[np.append(lamps[1:] != lamps[:-1], True)] = 0.0
    parts = seconds > 0.0
    return lamps[parts], times[parts], seconds[parts]
