"""A chart of energy by days or months: bars of what was measured and estimated, a mark for the baseline. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from .sums import Sums

WIDTH: Final = 760.0
HEIGHT: Final = 280.0
_LEFT, _TOP, _BOTTOM, _RIGHT = 64.0, 12.0, 32.0, 8.0
_LINES: Final = 5  # of the scale at most


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A bar of the chart, in the units of its view box. `estimated` stands on `measured` (y and height of each);
    `baseline` is the y of its mark, None for none."""

    of: date
    x: float
    width: float
    measured: tuple[float, float]
    estimated: tuple[float, float]
    baseline: float | None
    labelled: bool


class Chart(msgspec.Struct, frozen=True):
    """Bars, and the lines of the scale: (y, kWh)."""

    bars: tuple[Bar, ...]
    lines: tuple[tuple[float, float], ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    bottom: float = HEIGHT - _BOTTOM


def chart(periods: Sequence[date], sums: dict[date, Sums]) -> Chart:
    """Energies of these periods; one of which nothing is known has a place, but no bar."""
    found = [sums.get(one, Sums()) for one in periods]
    step = _step(max((max(one.energy, one.baseline) for one in found), default=0.0) / 1_000)
    most = max((max(one.energy, one.baseline) / 1_000 for one in found), default=0.0)
    top = max(1, math.ceil(most / step - 1e-9)) * step
    room = HEIGHT - _TOP - _BOTTOM

    def y(kilowatt_hours: float) -> float:
        return round(HEIGHT - _BOTTOM - room * kilowatt_hours / top, 2)

    place = (WIDTH - _LEFT - _RIGHT) / max(1, len(periods))
    every = math.ceil(len(periods) / 16)
    bars = []
    for number, (period, one) in enumerate(zip(periods, found, strict=True)):
        measured, energy = one.measured / 1_000, one.energy / 1_000
        bars.append(
            Bar(
                of=period,
                x=round(_LEFT + place * (number + 0.14), 2),
                width=round(place * 0.72, 2),
                measured=(y(measured), round(y(0) - y(measured), 2)),
                estimated=(y(energy), round(y(measured) - y(energy), 2)),
                baseline=y(one.baseline / 1_000) if one.baseline else None,
                labelled=number % every == 0,
            )
        )
    lines = tuple((y(number * step), number * step) for number in range(round(top / step) + 1))
    return Chart(tuple(bars), lines)


def _step(most: float) -> float:
    """Between the lines: 1, 2 or 5 times a power of ten."""
    if most <= 0:
        return 1.0
    least = most / _LINES
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
