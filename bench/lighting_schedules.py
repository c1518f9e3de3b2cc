"""What it costs to know when 50,000 lamps are lit: a year of sunsets and sunrises, and what each should be doing now.

Both are computed in this process on one core; nothing is served. Processor time is what counts on a busy machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from rhinecloud.apps.lighting.control import calendars, citywide, programs, rules, sun

_ZONE = ZoneInfo("Europe/Berlin")
_WEST, _EAST, _SOUTH, _NORTH = 6.62, 6.84, 51.33, 51.56  # Duisburg
_AGAIN = 5  # times; the median is told
_CALENDARS = 20
R = TypeVar("R")


class Taken(msgspec.Struct, frozen=True):
    """Seconds, medians of the runs."""

    wall_s: float
    processor_s: float


class Result(msgspec.Struct, frozen=True):
    """`schedules`: rise and set of all lamps in a year of nights; `targets`: level, since, until and why of all lamps,
    by so many calendars, with rules, overrides and light on demand; `alike`: how many different reasons there were."""

    lamps: int
    nights: int
    calendars: int
    schedules: Taken
    targets: Taken
    alike: int


class _Facts(msgspec.Struct, frozen=True):
    category: str
    sign_394: bool


def run(lamps: int, days: int = 365) -> Result:
    """Measure."""
    generator = np.random.default_rng(20_26)
    east, north = generator.uniform(_WEST, _EAST, lamps), generator.uniform(_SOUTH, _NORTH, lamps)
    _, schedules = _measured(lambda: sun.nights(east, north, date(2026, 1, 1), days), 3)
    columns, plans = _city(generator, east, north)
    now = datetime(2026, 12, 24, 23, 30, tzinfo=_ZONE).timestamp()
    waiting = {
        row: (citywide.Demand(source=f"zone {row}", level=80, begins=now - 5, until=now + 10),)
        for row in range(0, lamps, 500)
    }
    found, targets = _measured(lambda: citywide.city_targets(columns, plans, now, _ZONE, waiting), _AGAIN)
    return Result(lamps, days, _CALENDARS, schedules, targets, len(found.reasons))


def table(result: Result) -> str:
    """For reading, beside what the project aims at."""
    rows = [
        (f"{result.lamps:,} lamps, {result.nights} nights: set and rise", result.schedules, "< 5 s"),
        (f"{result.lamps:,} targets, {result.calendars} calendars", result.targets, "< 1 s"),
    ]
    lines = [f"{'':48} {'wall':>8} {'processor':>10}   aim"]
    lines += [f"{name:48} {one.wall_s:6.2f} s {one.processor_s:8.2f} s   {aim}" for name, one, aim in rows]
    return "\n".join(lines)


def _measured(work: Callable[[], R], times: int) -> tuple[R, Taken]:
    walls, processors = [], []
    for _ in range(times):
        wall, processor = time.perf_counter(), time.process_time()
        found = work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return found, Taken(float(np.median(walls)), float(np.median(processors)))


def _city(
    generator: np.random.Generator, east: np.ndarray, north: np.ndarray
) -> tuple[citywide.Lamps, citywide.Plans]:
    """Calendars by street (a strip of the city each has three of them), a tenth of the lamps with sign 394, crossings,
    and overrides of a few streets."""
    count = east.size
    facts = [_Facts("road", False), _Facts("road", True), _Facts("crossing", False)]
    strips = np.floor((north - _SOUTH) / (_NORTH - _SOUTH) * _CALENDARS).astype(np.int64)
    now = datetime(2026, 12, 24, 23, 0, tzinfo=_ZONE).timestamp()
    override = citywide.Override(id="market", level=100, begins=now, ends=now + 7200)
    columns = citywide.Lamps(
        longitude=east,
        latitude=north,
        calendar=np.minimum(strips + generator.integers(0, 3, count), _CALENDARS - 1),
        floors=generator.choice(3, count, p=[0.88, 0.1, 0.02]),
        overrides=generator.choice(2, count, p=[0.99, 0.01]),
    )
    plans = citywide.Plans(
        calendars=[_calendar(number) for number in range(_CALENDARS)],
        programs={one.id: one for number in range(_CALENDARS) for one in _programs(number)},
        floors=[rules.floors(one, rules.DEFAULTS) for one in facts],
        overrides=[(), (override,)],
        holidays=calendars.holidays_of([2026, 2027]),
    )
    return columns, plans


def _programs(number: int) -> tuple[programs.Program, programs.Program]:
    step = programs.Step
    period = programs.Astro(sunset_offset=number % 10)
    evening = (step("16:00", 100), step("22:00", 70, 30), step("23:30", 40, 30), step("05:00", 70, 30))
    return (
        programs.Program(id=f"w{number}", name=("Werktag", "weekday"), periods=(period,), fixed=evening),
        programs.Program(
            id=f"h{number}", name=("Feiertag", "holiday"), periods=(period,), fixed=(step("16:00", 100),)
        ),
    )


def _calendar(number: int) -> calendars.Calendar:
    holiday = calendars.Rule(program=f"h{number}", when=calendars.Holidays(eve=number % 2 == 0))
    return calendars.Calendar(
        id=f"c{number}", name=("Kalender", "calendar"), rules=(holiday,), default=f"w{number}"
    )
