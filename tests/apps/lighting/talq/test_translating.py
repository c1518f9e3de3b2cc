"""Programs and calendars become TALQ and come back without loss, and mean the same on both sides."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rhinecloud.apps.lighting.control import calendars, curve, programs
from rhinecloud.apps.lighting.control.sun import Event, nights, sky
from rhinecloud.apps.lighting.talq import plans, schedules
from rhinecloud.apps.lighting.talq.gateway import following
from rhinecloud.apps.lighting.talq.messages import LoggerConfig, Service
from rhinecloud.apps.lighting.talq.plans import Wanted
from rhinecloud.apps.lighting.talq.translating import (
    Unspeakable,
    calendar_from,
    calendar_to,
    nights_from,
    program_from,
    program_to,
)
from rhinecloud.apps.lighting.talq.twilight import Place, variants, varies

from ..control.generated import DUISBURG, a_calendar, a_program
from .definitions import Definitions, needed

BERLIN = ZoneInfo("Europe/Berlin")
OWNER = UUID("7d0f6a2e-2a53-44a3-9d2a-6a3d1c1f0a01")
FIRST = date(2026, 1, 1)
HORIZON = nights_from(FIRST, 400)
HOLIDAYS = calendars.holidays_of(range(2025, 2029))
EN = ("Nacht", "night")


def sayable(program: programs.Program) -> programs.Program:
    """What TALQ has words for: levels that come with a command bring their ramps (Dynamic without a level)."""
    assume(not varies(program))
    dynamic = tuple(
        msgspec.structs.replace(one, ramp=0.0, ramp_back=0.0) if one.level is None else one
        for one in program.dynamic
    )
    return msgspec.structs.replace(program, dynamic=dynamic)


@given(a_program)
def test_a_program_comes_back(program: programs.Program) -> None:
    program = sayable(program)
    told = msgspec.json.decode(
        msgspec.json.encode(program_to(program, "me")), type=schedules.ControlProgramOne
    )
    assert program_from(told, program.name) == program


@needed
@given(a_program)
def test_a_program_is_as_defined(program: programs.Program) -> None:
    told = msgspec.to_builtins(program_to(sayable(program), str(OWNER)))
    assert DEFINITIONS.of_kind("ControlProgram", told) == []


@given(a_calendar)
def test_a_calendar_means_the_same_and_comes_back(calendar: calendars.Calendar) -> None:
    told = calendar_to(calendar, str(OWNER), HORIZON, HOLIDAYS)
    told = msgspec.json.decode(msgspec.json.encode(told), type=schedules.Calendar)
    back = calendar_from(told, calendar.name)
    for night in HORIZON:
        wanted = calendars.program_of(calendar, night, HOLIDAYS).program
        assert following.program_of(told, night) == wanted, night
        assert calendars.program_of(back, night, HOLIDAYS).program == wanted, night
    again = calendar_to(back, str(OWNER), HORIZON, HOLIDAYS)
    assert again == told


@needed
@given(a_calendar)
def test_a_calendar_is_as_defined(calendar: calendars.Calendar) -> None:
    told = msgspec.to_builtins(calendar_to(calendar, str(OWNER), HORIZON, HOLIDAYS))
    assert DEFINITIONS.of_kind("Calendar", told) == []


@given(a_program, st.dates(date(2026, 1, 2), date(2026, 12, 30)), st.integers(0, 1439))
def test_a_gateway_lights_as_we_think(program: programs.Program, night: date, minute: int) -> None:
    """The reference gateway reads TALQ by itself; away from the moments at which something changes it agrees with the
    city's own curve."""
    program = msgspec.structs.replace(
        sayable(program),
        periods=tuple(one for one in program.periods if isinstance(one, programs.Absolute | programs.Astro)),
        fixed=tuple(msgspec.structs.replace(one, ramp=0.0) for one in program.fixed),
        astro=tuple(msgspec.structs.replace(one, ramp=0.0) for one in program.astro),
    )
    noon = datetime(night.year, night.month, night.day, 12, tzinfo=BERLIN).astimezone(UTC)
    moment = noon + timedelta(minutes=minute)
    assume(following.night_of(moment, BERLIN) == night)
    stretches = curve.curve(program, night, sky(*DUISBURG, night), BERLIN)
    at = moment.timestamp()
    assume(all(min(abs(at - one.begin), abs(at - one.end)) > 120 for one in stretches))
    (now,) = (one for one in stretches if one.begin <= at < one.end)
    calendar = schedules.Calendar(id="c", owner_cms="x", default_program="p")
    known = {"p": program_to(program, "x", "p")}
    assert following.level_at(calendar, known, moment, *DUISBURG, BERLIN) == pytest.approx(now.level)


def test_twilight_becomes_offsets_that_hold_for_their_weeks() -> None:
    program = programs.Program(
        id="civil",
        name=EN,
        periods=(programs.Astro(event=Event.CIVIL, sunset_offset=5),),
        fixed=(programs.Step("12:00", 80),),
    )
    made, spans = variants(program, Place(*DUISBURG), HORIZON)
    by_id = {one.id: one for one in made}
    assert len(made) < 60
    nightly = {
        night: span.program
        for span in spans
        for night in nights_from(span.first, (span.last - span.first).days + 1)
    }
    assert list(nightly) == HORIZON
    sunset, _ = nights(*DUISBURG, FIRST, len(HORIZON))
    dusk, _ = nights(*DUISBURG, FIRST, len(HORIZON), Event.CIVIL.elevation)
    for index, night in enumerate(HORIZON):
        (period,) = by_id[nightly[night]].periods
        assert isinstance(period, programs.Astro) and period.event is Event.SUNSET
        begins = sunset[0, index] + 60 * period.sunset_offset
        assert abs(begins - (dusk[0, index] + 5 * 60)) <= 31


def test_a_place_without_twilight_is_said() -> None:
    program = programs.Program(
        id="x", name=EN, periods=(programs.Astro(event=Event.NAUTICAL),), fixed=(programs.Step("12:00", 80),)
    )
    with pytest.raises(Unspeakable, match="nautical"):
        variants(program, Place(6.76, 58.0), HORIZON)


def wanted(**changes: object) -> Wanted:
    civil = programs.Program(
        id="civil", name=EN, periods=(programs.Astro(event=Event.CIVIL),), fixed=(programs.Step("12:00", 80),)
    )
    late = programs.Program(id="late night", name=EN, fixed=(programs.Step("22:00", 30),))
    calendar = calendars.Calendar(
        id="usual",
        name=EN,
        rules=(calendars.Rule(program="late night", when=calendars.Holidays()),),
        default="civil",
    )
    device = UUID(int=7)
    said = {"programs": {"civil": civil, "late night": late}, "calendars": {"usual": calendar}}
    return Wanted(**{**said, "assigned": {device: "usual"}, "place": Place(*DUISBURG), **changes})  # type: ignore[arg-type]


@needed
def test_a_plan_is_as_defined_and_named_by_its_content() -> None:
    plan = plans.build(wanted(), OWNER, FIRST)
    for program in plan.programs:
        assert DEFINITIONS.of_kind("ControlProgram", msgspec.to_builtins(program)) == []
    (calendar,) = plan.calendars
    assert DEFINITIONS.of_kind("Calendar", msgspec.to_builtins(calendar)) == []
    for logger in plan.loggers:
        assert DEFINITIONS.of_kind("LoggerConfig", msgspec.to_builtins(logger)) == []
    used = {rule.program for rule in calendar.rules} | {calendar.default_program}
    assert used == {program.id for program in plan.programs}
    assert plan.calendar_of() == {UUID(int=7): calendar.id}
    assert plans.build(wanted(), OWNER, FIRST) == plan
    assert msgspec.json.decode(msgspec.json.encode(plan), type=plans.Plan) == plan
    brighter = msgspec.structs.replace(wanted().programs["civil"], fixed=(programs.Step("12:00", 90),))
    other = plans.build(wanted(programs={**wanted().programs, "civil": brighter}), OWNER, FIRST)
    assert {one.id for one in other.calendars}.isdisjoint({calendar.id})


def test_what_a_gateway_cannot_do_and_what_leaves_a_night_dark_is_said() -> None:
    midnight = Service(name="ControlService", day_offset=0)
    assert any(one.severity == "refuse" for one in plans.judge(wanted(), midnight, FIRST))
    noon = Service(name="ControlService", day_offset=12)
    assert not any(one.severity == "refuse" for one in plans.judge(wanted(), noon, FIRST))
    dark = calendars.Calendar(
        id="usual", name=EN, rules=(calendars.Rule(program="late night", when=calendars.Weekdays((1, 2))),)
    )
    assert any(
        one.severity == "confirm" for one in plans.judge(wanted(calendars={"usual": dark}), noon, FIRST)
    )
    assert any(one.severity == "refuse" for one in plans.judge(wanted(calendars={}), noon, FIRST))


def test_loggers_report_everything_that_is_asked_for() -> None:
    for logger in plans.loggers("me"):
        assert msgspec.json.decode(msgspec.json.encode(logger), type=LoggerConfig) == logger


try:
    DEFINITIONS = Definitions()
except FileNotFoundError:  # the tests that need them are skipped
    DEFINITIONS = None  # type: ignore[assignment]
