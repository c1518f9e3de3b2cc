"""Class by volume on hundreds of real approaches (Münster): what a program made from other days saves, and how much of
the light that the hour's class requires was there (docs/reference/lighting-evidence.md)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from rhinecloud.apps.lighting.control.classes import Adaptive, adapted, level
from rhinecloud.apps.lighting.control.sun import nights
from rhinecloud.apps.lighting.evidence.power import Luminaire
from rhinecloud.apps.lighting.evidence.traffic import approaches

Floats = npt.NDArray[np.float64]

_MUENSTER = (7.6261, 51.9607)
_ZONE = ZoneInfo("Europe/Berlin")
_HELD_OUT = (date(2015, 3, 19), date(2015, 3, 22))  # a Thursday and a Sunday
_INSTALLED = "M2"
_CAPACITIES = (
    1.0,
    2.0,
)  # an approach's capacity as multiples of its busiest hour: cautious, and usual at signals
_LEAST_BUSIEST = 50  # vehicles in the busiest hour below which an approach is none, or its detector is broken
_QUANTILES = (0.25, 0.5, 0.75, 1.0)
_MEAN, _FIFTH = 0.985, 0.93


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A day that was held out. Saved against the static class, in percent, with lamps that stand by by day; usefulness
    of motorists (level ÷ required, weighted with the vehicles of each hour) when the class that the hour needs is
    required, and when that of the design is."""

    day: str
    capacity: float
    approaches: int
    quantile: float
    saved: float
    saved_live: float
    mean: float
    fifth: float
    static_mean: float
    static_fifth: float


def run(folder: Path) -> list[Volume]:
    """Each held-out day, with a program from the other days of its kind (working day, weekend)."""
    days = {
        date.fromisoformat(file.name[:10].replace("_", "-")): approaches(file.read_text(encoding="utf-8-sig"))
        for file in sorted(folder.glob("*_24mq.csv"))
    }
    known = {day: counts for day, counts in days.items() if day not in _HELD_OUT}
    kept = [
        name
        for name in sorted(set.intersection(*(set(counts) for counts in days.values())))
        if min(int(counts[name].max()) for counts in known.values()) >= _LEAST_BUSIEST
    ]
    volumes = {day: np.array([counts[name] for name in kept], float) for day, counts in days.items()}
    busiest = np.max([volumes[day].max(axis=1) for day in known], axis=0)
    return [
        _judge(day, volumes, busiest, capacity)
        for capacity in _CAPACITIES
        for day in _HELD_OUT
        if day in volumes
    ]


def _judge(day: date, volumes: dict[date, Floats], busiest: Floats, times: float) -> Volume:
    capacity = busiest * times
    others = [one for one in volumes if one not in _HELD_OUT and (one.weekday() < 5) == (day.weekday() < 5)]
    quantile = _quantile(others, volumes, capacity)
    program = _levels(np.quantile([volumes[one] for one in others], quantile, axis=0), capacity)
    needed = _levels(volumes[day], capacity)
    dark = _dark(day)
    adaptive = _useful(np.minimum(1.0, program / needed), volumes[day], dark)
    static = _useful(program / 100.0, volumes[day], dark)
    return Volume(
        day=f"{day:%a %d %b %Y}",
        capacity=times,
        approaches=len(busiest),
        quantile=quantile,
        saved=_saved(program, dark),
        saved_live=_saved(needed, dark),
        mean=adaptive[0],
        fifth=adaptive[1],
        static_mean=static[0],
        static_fifth=static[1],
    )


def _quantile(others: list[date], volumes: dict[date, Floats], capacity: Floats) -> float:
    """The lowest quantile of the other days whose program is useful enough on each of them by the rest."""
    for quantile in _QUANTILES[:-1]:
        found = []
        for day in others:
            rest = [volumes[one] for one in others if one != day]
            program = _levels(np.quantile(rest, quantile, axis=0), capacity)
            share = np.minimum(1.0, program / _levels(volumes[day], capacity))
            found.append(_useful(share, volumes[day], _dark(day)))
        if min(mean for mean, _ in found) >= _MEAN and min(fifth for _, fifth in found) >= _FIFTH:
            return quantile
    return _QUANTILES[-1]


def _levels(vehicles: Floats, capacity: Floats) -> Floats:
    """The level of each approach and hour, with the shares of capacity of CEN/TR 13201-1 for two lanes."""
    found = np.empty_like(vehicles)
    for number, most in enumerate(capacity):
        adaptive = Adaptive(high=0.45 * most, low=0.15 * most)
        for hour, passed in enumerate(vehicles[number]):
            found[number, hour] = level(adapted(_INSTALLED, float(passed), adaptive), _INSTALLED)
    return found


def _dark(day: date) -> Floats:
    """The share of each hour of the day, by the clock, in which it is dark."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=_ZONE).astimezone(UTC).timestamp()
    sets, rises = nights(*_MUENSTER, day - timedelta(days=1), 2)
    hours = midnight + 3600.0 * np.arange(24)
    found = np.zeros(24)
    for begin, end in zip(sets[0], rises[0], strict=True):
        found += np.clip(np.minimum(hours + 3600.0, end) - np.maximum(hours, begin), 0.0, None) / 3600.0
    return found


def _saved(levels: Floats, dark: Floats) -> float:
    light = Luminaire()
    dimmed = float((light.power(levels) * dark).sum()) + light.controller * 24.0 * len(levels)
    return 100.0 * (1.0 - dimmed / (light.rated * float(dark.sum()) * len(levels)))


def _useful(share: Floats, vehicles: Floats, dark: Floats) -> tuple[float, float]:
    weights = (vehicles * dark).ravel()
    order = np.argsort(share.ravel(), kind="stable")
    reached = np.cumsum(weights[order])
    fifth = share.ravel()[order][np.searchsorted(reached, 0.05 * reached[-1])]
    return float(np.average(share.ravel(), weights=weights)), float(fifth)


def table(found: list[Volume]) -> str:
    """For a person."""
    lines = [
        "Class by volume in Münster: M2 by design, M3 below 45 %, M4 below 15 % of capacity, a multiple of the",
        "approach's busiest hour on the other days; a program by the hour from the other days of its kind, at the",
        "quantile that was tuned on them. Saved against M2 all night; if live: were each hour's count known in it.",
        "",
        f"{'held-out day':18}{'capacity':>10}{'approaches':>11}{'quantile':>10}{'saved %':>9}{'if live %':>10}"
        f"  {'adaptive':>8}{'5th':>6}  {'static':>8}{'5th':>6}",
    ]
    lines += [
        f"{one.day:18}{one.capacity:9.1f}×{one.approaches:11}{one.quantile:10.2f}{one.saved:9.1f}{one.saved_live:10.1f}"
        f"  {one.mean:8.3f}{one.fifth:6.2f}  {one.static_mean:8.3f}{one.static_fifth:6.2f}"
        for one in found
    ]
    return "\n".join(lines)
