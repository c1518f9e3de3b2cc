"""A night's curve: the step function of a program over one night, from noon to noon, and why each step is."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, timedelta, tzinfo
from functools import lru_cache
from typing import Final

import msgspec

from .clocks import bounds, moment
from .problems import Problem, doubtful
from .programs import Absolute, Astro, AstroStep, Period, Program, Sensor, operated, since_noon, spans
from .reasons import Reason, Why
from .sun import Dark, Event, Sky, nights

_RAMP_STEPS: Final = 20  # of a ramp at most
_BLINK: Final = 900  # seconds of darkness that are no gap in the night


class Stretch(msgspec.Struct, frozen=True):
    """One level from `begin` until before `end` (seconds since 1970), in percent."""

    begin: int
    end: int
    level: float
    why: Why


Curve = tuple[Stretch, ...]


def curve(program: Program, night: date, sky: Sky, zone: tzinfo) -> Curve:
    """The planned levels of a night: stretches that follow each other without a gap from noon to noon, neighbours
    different. Sensors of periods are taken to switch at sunset and sunrise; dynamic controls are no plan. An astro step
    holds until the next one or the end of the night."""
    window = bounds(night, zone)
    active = _active(program.periods, night, sky, zone, window)
    fixed = sorted(
        (moment(night, since_noon(step.at), zone), index) for index, step in enumerate(program.fixed)
    )
    astro = sorted(_astro(program.astro, sky, window))
    cuts = {window[0], *(at for span in active for at in span)}
    cuts.update(at for at, _ in fixed)
    cuts.update(at for at, _ in astro)
    begins = sorted(cut for cut in cuts if window[0] <= cut < window[1])
    found = _Joined()
    for begin, end in zip(begins, [*begins[1:], window[1]], strict=True):
        if any(one <= begin < other for one, other in active):
            level, why, ramp = _level(program, fixed, astro, begin)
            found.add(begin, end, level, why, ramp)
        else:
            found.add(begin, end, 0.0, (_reason("outside", program.id),), 0.0)
    return tuple(found.stretches)


def dark_all_night(night: date, zone: tzinfo) -> Curve:
    """The curve of a lamp without a program: off (TALQ: the default outside all periods)."""
    begin, end = bounds(night, zone)
    return (Stretch(begin, end, 0.0, (Reason("no_program"),)),)


def at(curve: Sequence[Stretch], instant: float) -> Stretch:
    """The stretch of an instant. Raises ValueError outside of the curve's night."""
    index = bisect_right(curve, instant, key=lambda stretch: stretch.begin) - 1
    if index < 0 or instant >= curve[index].end:
        raise ValueError("the instant is not in this night")
    return curve[index]


def problems(program: Program, longitude: float, latitude: float, year: int, zone: tzinfo) -> list[Problem]:
    """What every seventh night of a year shows at a site: darkness in the middle of the night, and an astronomical
    period where the sun does not set. Both are to be confirmed."""
    first, days = date(year, 1, 1), 365
    skies = {
        event: [array[0].tolist() for array in nights(longitude, latitude, first, days, event.elevation)]
        for event in Event
    }
    dim, sunless = [], []
    for day in range(0, days, 7):
        night = first + timedelta(day)
        sky = {event: Dark(sets[day], rises[day]) for event, (sets, rises) in skies.items()}
        if any(math.isnan(sum(sky[one.event])) for one in program.periods if isinstance(one, Astro)):
            sunless.append(night)
        if _darkness(curve(program, night, sky, zone), sky[Event.CIVIL]) > _BLINK:
            dim.append(night)
    return [*_of_sunless(program, sunless), *_of_darkness(dim)]


def _of_sunless(program: Program, found: Sequence[date]) -> Iterator[Problem]:
    if found:
        index = next(index for index, one in enumerate(program.periods) if isinstance(one, Astro))
        yield doubtful(
            f"periods[{index}]",
            f"Am Standort wird es nicht in jeder Nacht dunkel genug (zuerst {found[0]:%d.%m.%Y}): "
            "dann bleiben die Leuchten aus.",
            f"At this site it does not become dark enough in every night (first {found[0]}): lamps stay off then.",
        )


def _of_darkness(found: Sequence[date]) -> Iterator[Problem]:
    if found:
        yield doubtful(
            "",
            f"Die Leuchten sind nachts zeitweise aus (zuerst {found[0]:%d.%m.%Y}). Außerhalb der Zeiträume gilt AUS.",
            f"Lamps are off during a part of the night (first {found[0]}). Outside of the periods they are OFF.",
        )


def _darkness(stretches: Curve, dark: Dark) -> float:
    """The longest time without light while it is dark, in seconds."""
    longest, run = 0.0, 0.0
    if math.isnan(dark.begin + dark.end) and not math.isinf(dark.begin):
        return 0.0
    for stretch in stretches:
        overlap = min(stretch.end, dark.end) - max(stretch.begin, dark.begin)
        run = run + max(0.0, overlap) if stretch.level == 0 else 0.0
        longest = max(longest, run)
    return longest


def _active(
    periods: Sequence[Period], night: date, sky: Sky, zone: tzinfo, window: tuple[int, int]
) -> list[tuple[int, int]]:
    """When the program is active, within the night."""
    if not periods:
        return [window]
    found = []
    for period in periods:
        if isinstance(period, Absolute):
            for begin, end in spans(period.start, period.end):
                found.append((moment(night, begin, zone), moment(night, end, zone)))
        else:
            event = period.event if isinstance(period, Astro) else Event.SUNSET
            offsets = (0, 0) if isinstance(period, Sensor) else (period.sunset_offset, period.sunrise_offset)
            dusk, dawn = sky[event].begin + 60 * offsets[0], sky[event].end + 60 * offsets[1]
            if dusk < dawn:  # false where one of them is NaN
                found.append((_clipped(dusk, window), _clipped(dawn, window)))
    return [span for span in found if span[0] < span[1]]


def _clipped(instant: float, window: tuple[int, int]) -> int:
    return round(min(max(instant, window[0]), window[1]))


def _astro(steps: Sequence[AstroStep], sky: Sky, window: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """When astro steps come in this night, with their index."""
    for index, step in enumerate(steps):
        sun = sky[Event.SUNSET]
        instant = (sun.begin if step.event == "sunset" else sun.end) + 60 * step.offset
        if instant < window[1]:  # false for NaN
            yield _clipped(instant, window), index


@lru_cache(maxsize=65_536)
def _reason(kind: str, program: str, index: int | None = None) -> Reason:
    return Reason(kind, program, index)  # type: ignore[arg-type]


def _level(
    program: Program, fixed: Sequence[tuple[int, int]], astro: Sequence[tuple[int, int]], begin: int
) -> tuple[float, Why, float]:
    """The level from `begin` on while the program is active, and the ramp to it (0 where none begins there)."""
    level, why, ramp = 0.0, (), 0.0  # type: tuple[float, Why, float]
    if fixed:
        since, index = fixed[bisect_right(fixed, begin, key=lambda one: one[0]) - 1]
        step = program.fixed[index]
        level, why = float(step.level), (_reason("fixed", program.id, index),)
        ramp = step.ramp if since == begin else 0.0
    if (last := bisect_right(astro, begin, key=lambda one: one[0])) > 0:
        since, index = astro[last - 1]
        solar = program.astro[index]
        level = operated(solar.operation, level, solar.level)
        why = (_reason("astro", program.id, index), *why)
        ramp = solar.ramp if since == begin else ramp
    return level, why, ramp


class _Joined:
    """Stretches in their order, neighbours of one level and reason joined."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []

    def add(self, begin: int, end: int, level: float, why: Why, ramp: float) -> None:
        before = self.stretches[-1].level if self.stretches else level
        reached = min(end, begin + round(ramp))
        if reached > begin and before != level:
            why_ramp = (_reason("ramp", why[0].id), *why)
            steps = min(_RAMP_STEPS, round(ramp), math.ceil(abs(level - before)))
            edges = [begin + round(ramp * step / steps) for step in range(steps + 1)]
            for step, (one, other) in enumerate(zip(edges, edges[1:], strict=False)):
                # The middle of what the ramp passes through meanwhile.
                between = before + (level - before) * (step + 0.5) / steps
                self._append(one, min(other, end), between, why_ramp)
            begin = reached
        self._append(begin, end, level, why)

    def _append(self, begin: int, end: int, level: float, why: Why) -> None:
        if begin >= end:
            return
        if self.stretches and (self.stretches[-1].level, self.stretches[-1].why) == (level, why):
            begin = self.stretches.pop().begin
        self.stretches.append(Stretch(begin, end, level, why))
