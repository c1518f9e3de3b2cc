"""Control programs and calendars as TALQ 2.7.1 has them."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .base import CommandBase, Identifier, Message

Operation = Literal["Set", "Max", "Min", "Add", "Sub", "Mul"]
Weekday = Annotated[int, Meta(ge=1, le=7)]  # 1 is Monday
_DAY = r"(0[1-9]|[12]\d|3[01])"
_DAY_OF_YEAR = rf"--(0[1-9]|1[0-2])-{_DAY}"
DayOfMonthOrYear = Annotated[str, Meta(pattern=rf"^(---{_DAY}|{_DAY_OF_YEAR})$")]
DateOrDayOfYear = Annotated[str, Meta(pattern=rf"^(\d{{4}}-(0[1-9]|1[0-2])-{_DAY}|{_DAY_OF_YEAR})$")]


class SensorReference(Message, frozen=True):
    """Up to two functions that sense; none: the gateway decides."""

    sensor_addresses: Annotated[list[str], Meta(max_length=2)] = []


class AbsoluteActivePeriod(Message, frozen=True, tag_field="name", tag="AbsoluteActivePeriod"):
    """From one time of the local clock to another; equal ones: the whole day."""

    start_time: time
    end_time: time


class AstroClockActivePeriod(Message, frozen=True, tag_field="name", tag="AstroClockActivePeriod"):
    """From sunset to sunrise, each with an offset in minutes."""

    sunset_offset: int
    sunrise_offset: int


class SensorActivePeriod(Message, frozen=True, tag_field="name", tag="SensorActivePeriod"):
    """From less than `on_level` to more than `off_level`."""

    sensor: SensorReference
    on_level: float
    off_level: float


class AstroAndSensorActivePeriod(Message, frozen=True, tag_field="name", tag="AstroAndSensorActivePeriod"):
    """A sensor decides in the minutes before sunset and before sunrise, the sun otherwise."""

    sensor: SensorReference
    sunset_offset: int
    sunrise_offset: int
    pc_active_before_sunset: int
    pc_active_before_sunrise: int
    on_level: float | None = None
    off_level: float | None = None


ActivePeriod = AbsoluteActivePeriod | AstroClockActivePeriod | SensorActivePeriod | AstroAndSensorActivePeriod


class FixedTimeControl(Message, frozen=True):
    """A command from a time of the local clock until the next such time."""

    start_time: time
    command: CommandBase


class AstroClockTimeControl(Message, frozen=True):
    """A command from so many minutes after the sun's event on, combined with the level of the fixed times."""

    offset: int
    solar_event_type: Literal["sunrise", "sunset"]
    operation: Operation
    command: CommandBase


class SensorControlSource(Message, frozen=True):
    """Whose events command."""

    sensor: SensorReference | None = None


class ExternalControlEffect(Message, frozen=True, tag_field="type", tag="ExternalControlEffect"):
    """The sensor brings the command."""

    source: SensorControlSource
    operation: Operation
    hold_time: float | None = None


class FixedControlEffect(Message, frozen=True, tag_field="type", tag="FixedControlEffect"):
    """While the sensor is active, and `hold_time` seconds longer, the command holds."""

    source: SensorControlSource
    operation: Operation
    command: CommandBase
    hold_time: float | None = None


class DayPeriod(Message, frozen=True):
    """Between two times of the local clock."""

    start_time: time
    end_time: time


class DynamicControl(Message, frozen=True):
    """An effect of a sensor; without a period all day. The first of several has the highest priority."""

    effect: ExternalControlEffect | FixedControlEffect
    period: DayPeriod | None = None


class ControlProgramOne(Message, frozen=True, tag_field="type", tag="ControlProgramOne"):
    """A night's control. Outside of its active periods a lamp is off (5.8); without any it is active all day."""

    id: Identifier
    owner_cms: str = msgspec.field(name="ownerCMS")
    active_periods: list[ActivePeriod]
    fixed_time_controls: list[FixedTimeControl]
    astro_clock_time_controls: list[AstroClockTimeControl] = []
    dynamic_controls: list[DynamicControl] = []


# Calendars


class DateSpan(Message, frozen=True):
    """A day of each month or year, or the span to another."""

    start: DayOfMonthOrYear
    end: DayOfMonthOrYear | None = None


class WeekdaySpan(Message, frozen=True):
    """A weekday, or the span to a later one."""

    start: Weekday
    end: Weekday | None = None


class ccDate(Message, frozen=True, tag_field="type", tag="ccDate"):  # noqa: N801  # the data model's name
    """Days by their date."""

    dates: list[DateSpan]


class ccDay(Message, frozen=True, tag_field="type", tag="ccDay"):  # noqa: N801  # the data model's name
    """Days by their weekday; `occurrences`: only the first … fifth or last (L) of the month."""

    days: Annotated[list[WeekdaySpan], Meta(max_length=7)]
    occurrences: Annotated[list[Annotated[str, Meta(pattern="^[1-5L]$")]], Meta(max_length=5)] = []


class CalendarRule(Message, frozen=True):
    """The program of the days that the rule is for; a date begins at noon when the gateway's dayOffset is 12."""

    program: Identifier
    start_date: DateOrDayOfYear | None = None
    end_date: DateOrDayOfYear | None = None
    condition: ccDate | ccDay | None = None


class Calendar(Message, frozen=True):
    """Ordered rules, the first that fits decides; else `default_program`."""

    id: Identifier
    owner_cms: str = msgspec.field(name="ownerCMS")
    rules: list[CalendarRule] = []
    default_program: str | None = None
