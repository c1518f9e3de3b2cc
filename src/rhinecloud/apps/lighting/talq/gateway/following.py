"""What a calendar and its programs make of a moment, read from TALQ alone (2.7.1, 5.8): a second opinion beside the
city's own curves. Pure. Days are from noon to noon (dayOffset 12)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ...control.sun import nights
from ..schedules import (
    AbsoluteActivePeriod,
    AstroAndSensorActivePeriod,
    AstroClockActivePeriod,
    AstroClockTimeControl,
    Calendar,
    CalendarRule,
    ControlProgramOne,
    FixedControlEffect,
    Operation,
    ccDate,
    ccDay,
)

Sensing = Callable[[Sequence[str], float], bool]
"""Whether one of these sensors is active, or was so many seconds ago or less."""
_HALF = timedelta(hours=12)


def night_of(moment: datetime, zone: ZoneInfo) -> date:
    """The day of TALQ that a moment belongs to."""
    return (moment.astimezone(zone) - _HALF).date()


def program_of(calendar: Calendar, night: date) -> str | None:
    """The program of a night: of the first rule that fits, else the default."""
    for rule in calendar.rules:
        if _fits(rule, night):
            return rule.program
    return calendar.default_program


def _fits(rule: CalendarRule, night: date) -> bool:
    if rule.start_date is not None and _key(rule.start_date, night) > night:
        return False
    if rule.end_date is not None and night > _key(rule.end_date, night):
        return False
    condition = rule.condition
    if isinstance(condition, ccDay):
        weekday = night.isoweekday()
        fits = any(span.start <= weekday <= (span.end or span.start) for span in condition.days)
        return fits and (not condition.occurrences or bool(_occurrences(night) & set(condition.occurrences)))
    if isinstance(condition, ccDate):
        return any(_among(night, span.start, span.end or span.start) for span in condition.dates)
    return True


def _key(text: str, night: date) -> date:
    return date.fromisoformat(f"{night.year}-{text[2:]}" if text.startswith("--") else text)


def _among(night: date, start: str, end: str) -> bool:
    if start.startswith("---"):
        return int(start[3:]) <= night.day <= int(end[3:])
    return start <= f"--{night:%m-%d}" <= end


def _occurrences(night: date) -> set[str]:
    found = {str((night.day + 6) // 7)}
    if night.day + 7 > monthrange(night.year, night.month)[1]:
        found.add("L")
    return found


def level_at(
    calendar: Calendar,
    programs: Mapping[str, ControlProgramOne],
    moment: datetime,
    lon: float,
    lat: float,
    zone: ZoneInfo,
    sensing: Sensing | None = None,
) -> int:
    """The level in percent; 0 outside of all active periods, and where there is no program. `sensing` is for dynamic
    controls; a period of a sensor alone is never active. Ramps are left out."""
    night = night_of(moment, zone)
    program = programs.get(program_of(calendar, night) or "")
    if program is None or not _active(program, moment, night, lon, lat, zone):
        return 0
    level = _fixed(program, moment.astimezone(zone).time())
    control = _latest(program, moment, night, lon, lat)
    if control is not None:
        level = _operated(control.operation, control.command.state.value, level)
    return level if sensing is None else _sensed(program, moment.astimezone(zone).time(), level, sensing)


def _active(
    program: ControlProgramOne, moment: datetime, night: date, lon: float, lat: float, zone: ZoneInfo
) -> bool:
    clock = moment.astimezone(zone).time()
    for period in program.active_periods:
        if isinstance(period, AbsoluteActivePeriod):
            if _between(clock, period.start_time, period.end_time):
                return True
        elif isinstance(period, AstroClockActivePeriod | AstroAndSensorActivePeriod):
            sunset, sunrise = _sun(lon, lat, night)
            begin = sunset + period.sunset_offset * 60
            if begin <= moment.timestamp() < sunrise + period.sunrise_offset * 60:
                return True
    return not program.active_periods


def _between(clock: time, start: time, end: time) -> bool:
    if start == end:
        return True
    return start <= clock < end if start < end else clock >= start or clock < end


def _fixed(program: ControlProgramOne, clock: time) -> int:
    """That of the latest start; before the first of the night the last one holds on."""

    def since_noon(moment: time) -> int:
        return (moment.hour * 3600 + moment.minute * 60 + moment.second - 43_200) % 86_400

    steps = sorted(
        (since_noon(one.start_time), one.command.state.value) for one in program.fixed_time_controls
    )
    before = [level for start, level in steps if start <= since_noon(clock)]
    return before[-1] if before else steps[-1][1] if steps else 100


def _latest(
    program: ControlProgramOne, moment: datetime, night: date, lon: float, lat: float
) -> AstroClockTimeControl | None:
    if not program.astro_clock_time_controls:
        return None
    sunset, sunrise = _sun(lon, lat, night)
    begun = [
        (start, control)
        for control in program.astro_clock_time_controls
        if (start := (sunset if control.solar_event_type == "sunset" else sunrise) + control.offset * 60)
        <= moment.timestamp()
    ]
    return max(begun, key=lambda pair: pair[0])[1] if begun else None


def _sensed(program: ControlProgramOne, clock: time, level: int, sensing: Sensing) -> int:
    """The first active control has the highest priority (DynamicControl)."""
    for control in program.dynamic_controls:
        effect, period = control.effect, control.period
        if not isinstance(effect, FixedControlEffect) or effect.source.sensor is None:
            continue
        if period is not None and not _between(clock, period.start_time, period.end_time):
            continue
        if sensing(effect.source.sensor.sensor_addresses, effect.hold_time or 0.0):
            return _operated(effect.operation, effect.command.state.value, level)
    return level


def _operated(operation: Operation, new: int, level: int) -> int:
    found = {
        "Set": new,
        "Max": max(level, new),
        "Min": min(level, new),
        "Add": level + new,
        "Sub": level - new,
        "Mul": level * new // 100,
    }[operation]
    return min(100, max(0, found))


@lru_cache(4096)
def _sun(lon: float, lat: float, night: date) -> tuple[float, float]:
    sets, rises = nights(round(lon, 2), round(lat, 2), night, 1)
    return float(sets[0, 0]), float(rises[0, 0])


def moment_in(night: date, clock: time, zone: ZoneInfo) -> datetime:
    """The moment of a time of the clock in a night (UTC)."""
    day = night if clock >= time(12) else night + timedelta(1)
    return datetime.combine(day, clock, zone).astimezone(UTC)
