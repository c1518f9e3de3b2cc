"""Programs, calendars, nights and lamps as hypothesis makes them up."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import strategies as st

from rhinecloud.apps.lighting.control import calendars, programs, targets
from rhinecloud.apps.lighting.control.sun import Event

# A busy machine is no fault of what is tested.

BERLIN = ZoneInfo("Europe/Berlin")
DUISBURG = (6.76, 51.43)
SPRING, AUTUMN = date(2026, 3, 28), date(2026, 10, 24)  # the nights in which the clock changes

levels = st.integers(0, 100)
ramps = st.sampled_from([0.0, 0.5, 30.0, 900.0, 3600.0])
offsets = st.integers(-720, 720)
clocks = st.integers(0, 1439).map(lambda minutes: f"{minutes // 60:02d}:{minutes % 60:02d}")
sensors = st.lists(st.text("abc/1", min_size=1, max_size=9), max_size=2).map(tuple)
nights = st.dates(date(2020, 1, 1), date(2035, 12, 31)) | st.sampled_from([SPRING, AUTUMN])
names = st.tuples(st.text("ab ö", min_size=1).filter(str.strip), st.just("name"))

periods = st.one_of(
    st.builds(programs.Absolute, start=clocks, end=clocks),
    st.builds(
        programs.Astro, sunset_offset=offsets, sunrise_offset=offsets, event=st.sampled_from(list(Event))
    ),
    st.builds(programs.Sensor, sensor=sensors, on_level=st.just(20.0), off_level=st.just(40.0)),
    st.builds(
        programs.AstroAndSensor, sensor=sensors, sunset_offset=offsets, sunrise_offset=offsets,
        before_sunset=st.integers(0, 60), on_level=st.none() | st.just(5.0),
    ),
)  # fmt: skip
steps = st.builds(programs.Step, at=clocks, level=levels, ramp=ramps)
fixed = st.lists(steps, min_size=1, max_size=6, unique_by=lambda step: step.at).map(
    lambda found: tuple(sorted(found, key=lambda step: programs.since_noon(step.at)))
)
operations = st.sampled_from(["set", "max", "min", "add"])
astro = st.lists(
    st.builds(
        programs.AstroStep, event=st.sampled_from(["sunset", "sunrise"]), offset=offsets, operation=operations,
        level=levels, ramp=ramps,
    ),
    max_size=3,
    unique_by=lambda step: (step.event, step.offset),
).map(tuple)  # fmt: skip
dynamic = st.lists(
    st.builds(
        programs.Dynamic, sensor=sensors, operation=operations, level=st.none() | levels,
        hold=st.integers(0, 600).map(float), ramp=ramps, start=st.just("22:00"), end=st.just("05:00"),
    ),
    max_size=2,
).map(tuple)  # fmt: skip
a_program = st.builds(
    programs.Program, id=st.text("pq7", min_size=1), name=names, periods=st.lists(periods, max_size=3).map(tuple),
    fixed=fixed, astro=astro, dynamic=dynamic,
)  # fmt: skip

days = st.dates(date(2026, 1, 1), date(2027, 12, 31))
day_of_year = days.map(lambda day: f"{day:%m-%d}")
whens = st.one_of(
    st.builds(
        calendars.Weekdays,
        days=st.lists(st.integers(1, 7), min_size=1, max_size=7).map(tuple),
        nth=st.lists(st.sampled_from([1, 2, 3, 4, 5, "last"]), max_size=2).map(tuple),
    ),
    st.builds(calendars.Yearly, first=day_of_year, last=st.none() | day_of_year),
    st.builds(calendars.Monthly, days=st.lists(st.integers(1, 31), min_size=1).map(tuple)),
    st.builds(calendars.Dates, dates=st.lists(days, min_size=1).map(tuple)),
    st.builds(calendars.Holidays, eve=st.booleans()),
)
rules = st.builds(
    calendars.Rule, program=st.sampled_from(["a", "b", "c"]), when=st.none() | whens, first=st.none() | days,
    last=st.none() | days,
)  # fmt: skip
a_calendar = st.builds(
    calendars.Calendar, id=st.just("k"), name=names, rules=st.lists(rules, max_size=5).map(tuple),
    default=st.none() | st.just("a"),
)  # fmt: skip


def overrides(begin: int, end: int) -> st.SearchStrategy[tuple[targets.Override, ...]]:
    """Some, that begin and end around a night."""
    instants = st.integers(begin - 7200, end + 7200)
    one = st.builds(
        targets.Override, id=st.text("o1", min_size=1, max_size=4), level=levels.map(float), begins=instants,
        ends=instants,
    )  # fmt: skip
    return st.lists(one, max_size=4, unique_by=lambda override: override.begins).map(tuple)


class Facts(msgspec.Struct, frozen=True):
    """What rules ask of a lamp."""

    category: str = "road"
    sign_394: bool = False
