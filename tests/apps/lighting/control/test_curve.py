"""A night's curve: it covers the night, follows the clock through its changes, and says why."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.control import clocks, curve, reasons
from rhinecloud.apps.lighting.control.programs import (
    Absolute,
    Astro,
    AstroAndSensor,
    AstroStep,
    Program,
    Sensor,
    Step,
)
from rhinecloud.apps.lighting.control.sun import Dark, Event, Sky, sky

from . import generated
from .generated import AUTUMN, BERLIN, DUISBURG, SPRING

NAME = ("Programm", "program")
WINTER = date(2026, 12, 1)


def drawn(program: Program, night: date = WINTER, at: Sky | None = None) -> list[tuple[str, float]]:
    """The stretches as (time on the clock of Berlin, level)."""
    found = curve.curve(program, night, at or sky(*DUISBURG, night), BERLIN)
    return [(f"{datetime.fromtimestamp(one.begin, BERLIN):%H:%M}", one.level) for one in found]


def program(**parts: object) -> Program:
    return Program(id="p", name=NAME, **({"fixed": (Step("12:00", 100),)} | parts))  # type: ignore[arg-type]


@st.composite
def a_sky(draw: st.DrawFn, night: date) -> Sky:
    """A real one, or that of a polar day or night."""
    return draw(
        st.sampled_from(
            [
                sky(*DUISBURG, night),
                sky(18.96, 69.65, night),
                dict.fromkeys(Event, Dark(math.nan, math.nan)),
                dict.fromkeys(Event, Dark(-math.inf, math.inf)),
            ]
        )
    )


@given(st.data(), generated.a_program, generated.nights)
def test_a_curve_covers_the_night_without_gap_or_overlap(
    data: st.DataObject, made: Program, night: date
) -> None:
    found = curve.curve(made, night, data.draw(a_sky(night)), BERLIN)
    assert (found[0].begin, found[-1].end) == clocks.bounds(night, BERLIN)
    for one, other in pairwise(found):
        assert one.end == other.begin
        assert (one.level, one.why) != (other.level, other.why)
    for one in found:
        assert one.begin < one.end and 0 <= one.level <= 100 and one.why
        assert curve.at(found, one.begin) == curve.at(found, one.end - 1) == one
        assert all(reasons.texts(one.why, language) for language in (0, 1))
    for outside in (found[0].begin - 1, found[-1].end):
        with pytest.raises(ValueError):
            curve.at(found, outside)


@given(generated.a_program, st.sampled_from([WINTER, SPRING, AUTUMN]))
def test_outside_of_its_periods_it_is_off_and_inside_it_has_the_level_of_its_steps(
    made: Program, night: date
) -> None:
    """Said once more, minute by minute, with other means."""
    if (
        made.astro
        or any(step.ramp for step in made.fixed)
        or any(not isinstance(p, Absolute) for p in made.periods)
    ):
        return
    found = curve.curve(made, night, sky(*DUISBURG, night), BERLIN)
    begin, end = clocks.bounds(night, BERLIN)
    minutes = [(int(s.at[:2]) * 60 + int(s.at[3:]) - 720) % 1440 for s in made.fixed]
    seen = -1.0
    for instant in range(begin, end, 60):
        local = datetime.fromtimestamp(instant, BERLIN)
        now = (local.hour * 60 + local.minute - 720) % 1440
        if now <= seen:  # the hour that comes again in autumn: what was switched stays switched
            continue
        seen = now
        passed = [index for index, minute in enumerate(minutes) if minute <= now]
        level = made.fixed[passed[-1] if passed else -1].level
        active = not made.periods or any(
            (p.start == p.end) or (now - _since(p.start)) % 1440 < (_since(p.end) - _since(p.start)) % 1440
            for p in made.periods
            if isinstance(p, Absolute)
        )
        assert curve.at(found, instant).level == (level if active else 0)


def _since(clock: str) -> int:
    return (int(clock[:2]) * 60 + int(clock[3:]) - 720) % 1440


def test_a_winter_night_by_the_sun() -> None:
    made = program(
        periods=(Astro(sunset_offset=10, sunrise_offset=-10),),
        fixed=(Step("16:00", 100), Step("23:00", 50), Step("05:00", 100)),
    )
    dark = sky(*DUISBURG, WINTER)[Event.SUNSET]
    dusk, dawn = (f"{datetime.fromtimestamp(at, BERLIN):%H:%M}" for at in (dark.begin + 600, dark.end - 600))
    assert drawn(made) == [("12:00", 0), (dusk, 100), ("23:00", 50), ("05:00", 100), (dawn, 0)]


def test_before_the_first_step_the_last_one_counts() -> None:
    assert drawn(program(fixed=(Step("20:00", 60), Step("23:00", 30)))) == [
        ("12:00", 30),
        ("20:00", 60),
        ("23:00", 30),
    ]


@pytest.mark.parametrize(("operation", "level"), [("set", 60), ("max", 80), ("min", 60), ("add", 100)])
def test_astro_steps_change_what_the_fixed_say(operation: str, level: float) -> None:
    step = AstroStep(event="sunset", offset=60, operation=operation, level=60)  # type: ignore[arg-type]
    found = drawn(program(fixed=(Step("12:00", 80),), astro=(step,)))
    assert [one for _, one in found] == [80, level]


def test_the_why_of_an_astro_step_names_the_fixed_one_below() -> None:
    made = program(astro=(AstroStep(event="sunset", operation="min", level=40),))
    last = curve.curve(made, WINTER, sky(*DUISBURG, WINTER), BERLIN)[-1]
    assert [(one.kind, one.index) for one in last.why] == [("astro", 0), ("fixed", 0)]
    assert reasons.texts(last.why, 0) == "Programm p, Sonnenschaltung 1 ← Programm p, Schaltzeit 1"


@pytest.mark.parametrize("period", [Sensor(on_level=20, off_level=40), AstroAndSensor()])
def test_sensors_are_expected_to_switch_with_the_sun(period: Sensor | AstroAndSensor) -> None:
    assert drawn(program(periods=(period,))) == drawn(program(periods=(Astro(),)))


def test_twilight_is_later_than_sunset() -> None:
    (_, (dusk, _), _), (_, (late, _), _) = (
        drawn(program(periods=(Astro(event=one),))) for one in (Event.SUNSET, Event.CIVIL)
    )
    assert 30 < _since(late) - _since(dusk) < 45


def test_a_ramp_takes_its_time_in_short_steps() -> None:
    made = program(fixed=(Step("12:00", 100), Step("22:00", 50, 600.0)))
    found = curve.curve(made, WINTER, sky(*DUISBURG, WINTER), BERLIN)
    down = [one for one in found if one.why[0].kind == "ramp"]
    assert down[-1].end - down[0].begin == 600 and len(down) == 20
    assert all(one.level > other.level for one, other in pairwise([found[0], *down, found[-1]]))
    cut = drawn(program(periods=(Absolute("20:00", "22:05"),), fixed=made.fixed))
    assert cut[-1] == ("22:05", 0) and 50 < cut[-2][1] < 80


def test_times_follow_the_clock_through_both_changes() -> None:
    made = program(periods=(Absolute("18:00", "06:00"),), fixed=(Step("18:00", 80), Step("02:30", 40)))
    assert drawn(made, SPRING) == [
        ("12:00", 0),
        ("18:00", 80),
        ("03:00", 40),
        ("06:00", 0),
    ]  # 02:30 is leapt over
    assert drawn(made, AUTUMN) == [("12:00", 0), ("18:00", 80), ("02:30", 40), ("06:00", 0)]
    for night, hours in ((SPRING, 23), (AUTUMN, 25), (WINTER, 24)):
        begin, end = clocks.bounds(night, BERLIN)
        assert end - begin == hours * 3600
    first = curve.curve(made, AUTUMN, sky(*DUISBURG, AUTUMN), BERLIN)[2]
    assert datetime.fromtimestamp(first.begin, UTC).hour == 0  # 02:30 comes at 00:30 and at 01:30 UTC
    leap = clocks.moment(SPRING, 870, BERLIN)
    assert datetime.fromtimestamp(leap, UTC).isoformat() == "2026-03-29T01:00:00+00:00"
    lord_howe = ZoneInfo("Australia/Lord_Howe")  # changes by half an hour
    assert (
        clocks.bounds(date(2026, 4, 4), lord_howe)[1] - clocks.bounds(date(2026, 4, 4), lord_howe)[0]
    ) == 24.5 * 3600


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(BERLIN)))
def test_an_instant_belongs_to_the_night_of_the_last_noon(local: datetime) -> None:
    begin, end = clocks.bounds(clocks.night_of(local.timestamp(), BERLIN), BERLIN)
    assert begin <= local.timestamp() < end


def test_gaps_of_the_night_have_to_be_confirmed() -> None:
    whole = program(periods=(Astro(sunset_offset=15, sunrise_offset=-15),))
    assert curve.problems(whole, *DUISBURG, 2026, BERLIN) == []
    parted = program(periods=(Absolute("16:00", "01:00"), Absolute("04:30", "08:00")))
    (problem,) = curve.problems(parted, *DUISBURG, 2026, BERLIN)
    assert problem.severity == "confirm" and "AUS" in problem.text[0]


def test_a_site_without_sunset_has_to_be_confirmed() -> None:
    found = curve.problems(program(periods=(Astro(),)), 18.96, 69.65, 2026, BERLIN)
    assert [(one.severity, one.path) for one in found] == [("confirm", "periods[0]")]
    polar_night = dict.fromkeys(Event, Dark(-math.inf, math.inf))
    assert drawn(program(periods=(Astro(),)), at=polar_night) == [("12:00", 100)]
    polar_day = dict.fromkeys(Event, Dark(math.nan, math.nan))
    assert drawn(program(periods=(Astro(),)), at=polar_day) == [("12:00", 0)]


def test_without_a_program_a_lamp_is_off() -> None:
    (off,) = curve.dark_all_night(WINTER, BERLIN)
    assert (off.begin, off.end, off.level) == (*clocks.bounds(WINTER, BERLIN), 0)
