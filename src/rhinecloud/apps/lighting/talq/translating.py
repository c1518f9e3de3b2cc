"""Our programs and calendars as TALQ has them, and back (TALQ 2.7.1, 4.4, 5.8). Pure.

What a CMS names differently is renamed, nothing is approximated, but for two things that TALQ does not know and that
become dates: public holidays, and twilight (its astro clock has sunset and sunrise only, so that a program of civil
twilight becomes a few with offsets in minutes, each for its weeks). Both hold for a horizon, and are made anew in time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, time, timedelta
from itertools import groupby
from typing import Final, Literal

import msgspec

from rhinecloud.app import Text

from ..control import calendars as ours
from ..control import programs
from ..control.sun import Event
from . import schedules as talq
from .base import CommandBase, LevelState

_TO: Final[dict[str, talq.Operation]] = {"set": "Set", "max": "Max", "min": "Min", "add": "Add"}
_FROM: Final[dict[talq.Operation, programs.Operation]] = {
    "Set": "set",
    "Max": "max",
    "Min": "min",
    "Add": "add",
}


class Unspeakable(ValueError):
    """What the other side has no words for; says what in words."""


# Programs


def program_to(
    program: programs.Program, owner: str, identifier: str | None = None
) -> talq.ControlProgramOne:
    """A program as a gateway is told it. Periods of twilight are for `variants` first. Raises Unspeakable."""
    return talq.ControlProgramOne(
        id=identifier or program.id,
        owner_cms=owner,
        active_periods=[_period_to(period) for period in program.periods],
        fixed_time_controls=sorted(
            (
                talq.FixedTimeControl(start_time=_time(step.at), command=_command(step.level, step.ramp))
                for step in program.fixed
            ),
            key=lambda control: control.start_time,
        ),
        astro_clock_time_controls=[
            talq.AstroClockTimeControl(
                offset=step.offset,
                solar_event_type=step.event,
                operation=_TO[step.operation],
                command=_command(step.level, step.ramp),
            )
            for step in program.astro
        ],
        dynamic_controls=[_dynamic_to(control) for control in program.dynamic],
    )


def program_from(program: talq.ControlProgramOne, name: Text) -> programs.Program:
    """A program as we have it; TALQ has no names for people. Raises Unspeakable for what we have no words for."""
    fixed = [
        programs.Step(
            _clock(control.start_time), control.command.state.value, control.command.ramp_to_level_time or 0.0
        )
        for control in program.fixed_time_controls
    ]
    return programs.Program(
        id=program.id,
        name=name,
        periods=tuple(_period_from(period) for period in program.active_periods),
        fixed=tuple(sorted(fixed, key=lambda step: programs.since_noon(step.at))),
        astro=tuple(
            programs.AstroStep(
                event=control.solar_event_type,
                offset=control.offset,
                operation=_operation(control.operation),
                level=control.command.state.value,
                ramp=control.command.ramp_to_level_time or 0.0,
            )
            for control in program.astro_clock_time_controls
        ),
        dynamic=tuple(_dynamic_from(control) for control in program.dynamic_controls),
    )


def _period_to(period: programs.Period) -> talq.ActivePeriod:
    match period:
        case programs.Absolute(start, end):
            return talq.AbsoluteActivePeriod(start_time=_time(start), end_time=_time(end))
        case programs.Astro():
            if period.event is not Event.SUNSET:
                raise Unspeakable("TALQ knows sunset and sunrise, not twilight")
            return talq.AstroClockActivePeriod(
                sunset_offset=period.sunset_offset, sunrise_offset=period.sunrise_offset
            )
        case programs.Sensor():
            return talq.SensorActivePeriod(
                sensor=_sensor(period.sensor), on_level=period.on_level, off_level=period.off_level
            )
        case programs.AstroAndSensor():
            return talq.AstroAndSensorActivePeriod(
                sensor=_sensor(period.sensor),
                sunset_offset=period.sunset_offset,
                sunrise_offset=period.sunrise_offset,
                pc_active_before_sunset=period.before_sunset,
                pc_active_before_sunrise=period.before_sunrise,
                on_level=period.on_level,
                off_level=period.off_level,
            )


def _period_from(period: talq.ActivePeriod) -> programs.Period:
    match period:
        case talq.AbsoluteActivePeriod():
            return programs.Absolute(_clock(period.start_time), _clock(period.end_time))
        case talq.AstroClockActivePeriod():
            return programs.Astro(sunset_offset=period.sunset_offset, sunrise_offset=period.sunrise_offset)
        case talq.SensorActivePeriod():
            return programs.Sensor(
                sensor=tuple(period.sensor.sensor_addresses),
                on_level=period.on_level,
                off_level=period.off_level,
            )
        case talq.AstroAndSensorActivePeriod():
            return programs.AstroAndSensor(
                sensor=tuple(period.sensor.sensor_addresses),
                sunset_offset=period.sunset_offset,
                sunrise_offset=period.sunrise_offset,
                before_sunset=period.pc_active_before_sunset,
                before_sunrise=period.pc_active_before_sunrise,
                on_level=period.on_level,
                off_level=period.off_level,
            )


def _dynamic_to(control: programs.Dynamic) -> talq.DynamicControl:
    source = talq.SensorControlSource(sensor=_sensor(control.sensor) if control.sensor else None)
    effect: talq.ExternalControlEffect | talq.FixedControlEffect
    if control.level is None:
        if control.ramp or control.ramp_back:
            raise Unspeakable("a level that comes with the command brings its ramps, too")
        effect = talq.ExternalControlEffect(
            source=source, operation=_TO[control.operation], hold_time=control.hold
        )
    else:
        effect = talq.FixedControlEffect(
            source=source,
            operation=_TO[control.operation],
            hold_time=control.hold,
            command=_command(control.level, control.ramp, control.ramp_back),
        )
    if control.start is None or control.end is None:
        return talq.DynamicControl(effect=effect)
    period = talq.DayPeriod(start_time=_time(control.start), end_time=_time(control.end))
    return talq.DynamicControl(effect=effect, period=period)


def _dynamic_from(control: talq.DynamicControl) -> programs.Dynamic:
    effect, period = control.effect, control.period
    command = effect.command if isinstance(effect, talq.FixedControlEffect) else None
    return programs.Dynamic(
        sensor=() if effect.source.sensor is None else tuple(effect.source.sensor.sensor_addresses),
        operation=_operation(effect.operation),
        level=None if command is None else command.state.value,
        hold=effect.hold_time or 0.0,
        ramp=0.0 if command is None else command.ramp_to_level_time or 0.0,
        ramp_back=0.0 if command is None else command.ramp_from_level_time or 0.0,
        start=None if period is None else _clock(period.start_time),
        end=None if period is None else _clock(period.end_time),
    )


def _operation(operation: talq.Operation) -> programs.Operation:
    if operation not in _FROM:
        raise Unspeakable(f"the operation {operation} is not one of ours")
    return _FROM[operation]


def _sensor(addresses: Sequence[str]) -> talq.SensorReference:
    return talq.SensorReference(sensor_addresses=list(addresses))


def _command(level: int, ramp: float, ramp_back: float = 0.0) -> CommandBase:
    return CommandBase(
        state=LevelState(value=level),
        ramp_to_level_time=ramp or None,
        ramp_from_level_time=ramp_back or None,
    )


def _time(clock: str) -> time:
    return time.fromisoformat(clock)


def _clock(moment: time) -> str:
    if moment.second or moment.microsecond:
        raise Unspeakable(f"{moment} has seconds")
    return f"{moment:%H:%M}"


# Calendars


class Span(msgspec.Struct, frozen=True):
    """A program for the nights from `first` to `last`, both included."""

    first: date
    last: date
    program: str


def calendar_to(
    calendar: ours.Calendar,
    owner: str,
    horizon: Sequence[date],
    holidays: Collection[date],
    *,
    identifier: str | None = None,
    spans: dict[str, Sequence[Span]] | None = None,
) -> talq.Calendar:
    """A calendar as a gateway is told it. `horizon`: the nights for which holidays and twilight are told as dates;
    `holidays`: those around them; `spans`: of programs that are different ones from week to week, by their ids.
    """
    varying = spans or {}
    rules = [
        talq_rule
        for rule in calendar.rules
        for talq_rule in _varied(list(_rules_to(rule, horizon, holidays)), varying.get(rule.program))
    ]
    default = calendar.default
    if default in varying:
        rules += _varied([talq.CalendarRule(program=default)], varying[default])
        default = varying[default][-1].program
    return talq.Calendar(id=identifier or calendar.id, owner_cms=owner, rules=rules, default_program=default)


def _rules_to(
    rule: ours.Rule, horizon: Sequence[date], holidays: Collection[date]
) -> Iterator[talq.CalendarRule]:
    first = None if rule.first is None else rule.first.isoformat()
    last = None if rule.last is None else rule.last.isoformat()
    condition: talq.ccDate | talq.ccDay | None
    match rule.when:
        case ours.Dates(dates):
            yield from _dated(rule.program, (one for one in dates if _within(rule, one)))
            return
        case ours.Holidays():
            yield from _dated(rule.program, (one for one in horizon if ours.matches(rule, one, holidays)))
            return
        case None:
            condition = None
        case ours.Weekdays(days, nth):
            condition = talq.ccDay(
                days=[talq.WeekdaySpan(start=day) for day in dict.fromkeys(days)],
                occurrences=list(dict.fromkeys("L" if one == "last" else str(one) for one in nth)),
            )
        case ours.Monthly(days):
            condition = talq.ccDate(dates=[talq.DateSpan(start=f"---{day:02}") for day in days])
        case ours.Yearly(begin, end):
            condition = talq.ccDate(dates=list(_yearly_to(begin, end or begin)))
    yield talq.CalendarRule(program=rule.program, start_date=first, end_date=last, condition=condition)


def _within(rule: ours.Rule, night: date) -> bool:
    return (rule.first is None or rule.first <= night) and (rule.last is None or night <= rule.last)


def _yearly_to(first: str, last: str) -> Iterator[talq.DateSpan]:
    """A span may not go over the turn of the year (data model, ccDate): then it is two."""
    pieces = ((first, last),) if first <= last else ((first, "12-31"), ("01-01", last))
    for begin, end in pieces:
        yield talq.DateSpan(start=f"--{begin}", end=None if begin == end else f"--{end}")


def _dated(program: str, nights: Iterable[date]) -> Iterator[talq.CalendarRule]:
    for first, last in _runs(sorted(set(nights))):
        yield talq.CalendarRule(program=program, start_date=first.isoformat(), end_date=last.isoformat())


def _runs(nights: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Consecutive nights, joined."""
    for _, group in groupby(enumerate(nights), key=lambda pair: pair[1].toordinal() - pair[0]):
        run = [night for _, night in group]
        yield run[0], run[-1]


def _varied(rules: Iterable[talq.CalendarRule], spans: Sequence[Span] | None) -> list[talq.CalendarRule]:
    """Each rule once for each span of a program that varies, within its own dates; after the last span, the last."""
    if spans is None:
        return list(rules)
    found = []
    for rule in rules:
        begin = None if rule.start_date is None else date.fromisoformat(rule.start_date)
        end = None if rule.end_date is None else date.fromisoformat(rule.end_date)
        for span in spans:
            first = span.first if begin is None else max(span.first, begin)
            last = span.last if end is None else min(span.last, end)
            if first <= last:
                found.append(
                    msgspec.structs.replace(
                        rule, program=span.program, start_date=first.isoformat(), end_date=last.isoformat()
                    )
                )
        found.append(msgspec.structs.replace(rule, program=spans[-1].program))
    return found


def calendar_from(calendar: talq.Calendar, name: Text) -> ours.Calendar:
    """A calendar as we have it. Holidays come back as the dates that they are. Raises Unspeakable."""
    return ours.Calendar(
        id=calendar.id,
        name=name,
        rules=tuple(_rule_from(rule) for rule in calendar.rules),
        default=calendar.default_program,
    )


def _rule_from(rule: talq.CalendarRule) -> ours.Rule:
    first, last = rule.start_date, rule.end_date
    when = None if rule.condition is None else _condition_from(rule.condition)
    if (first or last or "").startswith("--"):
        if when is not None or first is None or last is None:
            raise Unspeakable("a rule of each year has a first and a last day and nothing else")
        return ours.Rule(program=rule.program, when=ours.Yearly(first[2:], last[2:]))
    return ours.Rule(
        program=rule.program,
        when=when,
        first=None if first is None else date.fromisoformat(first),
        last=None if last is None else date.fromisoformat(last),
    )


def _condition_from(condition: talq.ccDate | talq.ccDay) -> ours.When:
    if isinstance(condition, talq.ccDay):
        days = tuple(
            day for span in condition.days for day in range(span.start, (span.end or span.start) + 1)
        )
        return ours.Weekdays(days, tuple(_occurrence(one) for one in condition.occurrences))
    spans = condition.dates
    if all(span.start.startswith("---") for span in spans):
        return ours.Monthly(
            tuple(
                day
                for span in spans
                for day in range(int(span.start[3:]), int((span.end or span.start)[3:]) + 1)
            )
        )
    pieces = [(span.start[2:], (span.end or span.start)[2:]) for span in spans]
    if len(pieces) == 1:
        begin, end = pieces[0]
        return ours.Yearly(begin, None if begin == end else end)
    if len(pieces) == 2 and pieces[0][1] == "12-31" and pieces[1][0] == "01-01":
        return ours.Yearly(pieces[0][0], pieces[1][1])
    raise Unspeakable("several spans of dates in one condition")


def _occurrence(text: str) -> Literal[1, 2, 3, 4, 5, "last"]:
    found: ours.Occurrence = "last" if text == "L" else int(text)  # type: ignore[assignment]  # the pattern says 1 to 5
    return found


def nights_from(first: date, days: int) -> list[date]:
    """So many nights."""
    return [first + timedelta(day) for day in range(days)]
