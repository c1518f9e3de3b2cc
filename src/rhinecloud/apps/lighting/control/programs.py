"""Control programs as TALQ 2.7.1 knows them (ControlProgramOne): when lamps are on, and at which level.

Outside of all periods lamps are off. Inside, the fixed steps say the level; astro steps change it relative to the sun;
dynamic controls change it when a sensor says so. Its JSON form is that of these structs (docs/reference/
lighting-programs.md): `parse` and `printed` are inverse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec

from rhinecloud.app import Text

from .problems import Problem, doubtful, noted, refused
from .sun import Event

NOON: Final = 12 * 60
DAY: Final = 24 * 60

_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]  # "22:30", the city's clock
Operation = Literal["set", "max", "min", "add"]  # TALQ EffectOperation

_LONGEST_OFFSET: Final = 720  # minutes
_LONGEST_RAMP: Final = 3600.0  # seconds


class Absolute(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="absolute", tag_field="kind"):
    """Between two times of day (AbsoluteActivePeriod); the same twice is the whole night from noon to noon."""

    start: ClockTime
    end: ClockTime


class Astro(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="astro", tag_field="kind"
):
    """Between sunset and sunrise (AstroClockActivePeriod), or the same event of twilight. Offsets in minutes, later is
    positive. TALQ's astro clock knows only sunset: twilight reaches a gateway as offsets that change over the year.
    """

    sunset_offset: int = 0
    sunrise_offset: int = 0
    event: Event = Event.SUNSET


class Sensor(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="sensor", tag_field="kind"
):
    """From when a sensor reports less than `on_level` until it reports more than `off_level`, in its own unit; a
    photocell has 1 and 0 (SensorActivePeriod). `sensor`: up to two addresses; none: the gateway chooses."""

    sensor: tuple[str, ...] = ()
    on_level: float
    off_level: float


class AstroAndSensor(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag="astro_sensor",
    tag_field="kind",
):
    """As `Sensor`, within the limits of `Astro` (AstroAndSensorActivePeriod). The sensor counts from `before_sunset`
    minutes before sunset and from `before_sunrise` minutes before sunrise on (pcActiveBeforeSunset, …Sunrise)."""

    sensor: tuple[str, ...] = ()
    sunset_offset: int = 0
    sunrise_offset: int = 0
    before_sunset: int = 0
    before_sunrise: int = 0
    on_level: float | None = None
    off_level: float | None = None


Period = Absolute | Astro | Sensor | AstroAndSensor


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """From a time of day on, until the next one: a level in whole percent (FixedTimeControl). `ramp`: seconds until it
    is reached, from that time on (rampToLevelTime)."""

    at: ClockTime
    level: int
    ramp: float = 0.0


class AstroStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """From `offset` minutes after sunset or sunrise on, until the next such one of the program or the end of the night:
    the fixed step's level and this `level`, joined by the operation (AstroClockTimeControl)."""

    event: Literal["sunset", "sunrise"]
    offset: int = 0
    operation: Operation = "set"
    level: int
    ramp: float = 0.0


class Dynamic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """While a sensor is active and for `hold` seconds after (DynamicControl). `level` none: the level comes with each
    command (ExternalControlEffect). `start` and `end`: only then; without: always. The first active one of a program
    wins. `ramp` up and `ramp_back` down in seconds."""

    sensor: tuple[str, ...] = ()
    operation: Operation = "max"
    level: int | None = None
    hold: float = 0.0
    ramp: float = 0.0
    ramp_back: float = 0.0
    start: ClockTime | None = None
    end: ClockTime | None = None


class ByVolume(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Never more light than the class needs that the counted traffic asks for (EN 13201-2; CEN/TR 13201-1): the class
    of the lamp, one less below `high` vehicles an hour, two (or `most`) below `low`.

    There is more light at once, less only below a threshold less `margin` percent, and `hold` minutes after the last
    change. A count holds until `valid` minutes after its end; without one the class is the full one.
    """

    high: float = 600.0
    low: float = 200.0
    most: Literal[1, 2] = 2
    margin: float = 10.0
    hold: int = 30
    valid: int = 90


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`periods` say when lamps are on at all; none: the whole night from noon to noon. `fixed` is in the order of the
    night (from noon on); before its first step the last one counts."""

    id: str
    name: Text
    periods: tuple[Period, ...] = ()
    fixed: tuple[Step, ...]
    astro: tuple[AstroStep, ...] = ()
    dynamic: tuple[Dynamic, ...] = ()
    volume: ByVolume | None = None


def senses(program: Program) -> bool:
    """Whether sensors have a say in it."""
    return bool(program.dynamic) or any(isinstance(one, Sensor | AstroAndSensor) for one in program.periods)


def parse(text: bytes | str) -> Program:
    """A program from its JSON form. Raises msgspec.ValidationError, which names the field, for what has another form;
    what it says is judged by `problems`."""
    return msgspec.json.decode(text, type=Program)


def printed(program: Program) -> bytes:
    """The JSON form."""
    return msgspec.json.encode(program)


def since_noon(time: ClockTime) -> int:
    """Minutes on the clock from the noon that begins the night: 12:00 is 0, 00:00 is 720, 11:59 is 1439."""
    hours, minutes = time.split(":")
    return (int(hours) * 60 + int(minutes) - NOON) % DAY


def spans(start: ClockTime, end: ClockTime) -> tuple[tuple[int, int], ...]:
    """From and to, in minutes since noon: one piece, or two where it goes beyond noon (TALQ: dayOffset 12)."""
    begin, finish = since_noon(start), since_noon(end)
    if begin == finish:
        return ((0, DAY),)
    if begin < finish:
        return ((begin, finish),)
    return tuple(span for span in ((0, finish), (begin, DAY)) if span[0] < span[1])


def operated(operation: Operation, base: float, level: float) -> float:
    """The level after an operation, within 0 … 100."""
    match operation:
        case "set":
            found = level
        case "max":
            found = max(base, level)
        case "min":
            found = min(base, level)
        case "add":
            found = base + level
    return float(min(100.0, max(0.0, found)))


def problems(program: Program) -> list[Problem]:
    """What is wrong with a program by itself. Where and when it leaves a gap in the night, `curve.problems` says."""
    return [
        *_of_name(program),
        *_of_periods(program.periods),
        *_of_fixed(program.fixed),
        *_of_astro(program.astro),
        *_of_dynamic(program.dynamic),
        *(_of_volume(program.volume) if program.volume is not None else ()),
    ]


def _of_name(program: Program) -> Iterator[Problem]:
    if not program.id or len(program.id) > 100 or not program.id.isprintable():
        yield refused("id", "Die Kennung hat 1 bis 100 Zeichen.", "The id has 1 to 100 characters.")
    if not all(one.strip() for one in program.name):
        yield refused("name", "Der Name fehlt (deutsch, englisch).", "The name is missing (German, English).")


def _of_periods(periods: Sequence[Period]) -> Iterator[Problem]:
    taken: list[tuple[int, int, int]] = []
    for index, period in enumerate(periods):
        path = f"periods[{index}]"
        if isinstance(period, Absolute):
            wrong = [*_of_clock(f"{path}.start", period.start), *_of_clock(f"{path}.end", period.end)]
            yield from wrong
            if not wrong:
                taken += [(*span, index) for span in spans(period.start, period.end)]
        if isinstance(period, Astro | AstroAndSensor):
            yield from _of_offset(f"{path}.sunset_offset", period.sunset_offset)
            yield from _of_offset(f"{path}.sunrise_offset", period.sunrise_offset)
        if isinstance(period, Sensor | AstroAndSensor):
            yield from _of_sensor(path, period)
        if isinstance(period, Astro) and period.event is not Event.SUNSET:
            yield noted(
                f"{path}.event",
                "TALQ-Gateways kennen nur den Sonnenuntergang; die Dämmerung erhalten sie minutengenau je Datum.",
                "TALQ gateways know sunset only; they are given twilight to the minute for each date.",
            )
    for (_, end, one), (start, _, other) in pairwise(sorted(taken)):
        if start < end:
            yield refused(
                f"periods[{max(one, other)}]",
                f"Die Zeiträume {one + 1} und {other + 1} überschneiden sich.",
                f"The periods {one + 1} and {other + 1} overlap.",
            )


def _of_sensor(path: str, period: Sensor | AstroAndSensor) -> Iterator[Problem]:
    yield from _of_addresses(path, period.sensor)
    on, off = period.on_level, period.off_level
    if on is not None and off is not None and off < on and (on, off) != (1, 0):
        yield refused(
            f"{path}.off_level",
            "Ausschalten unterhalb der Einschaltschwelle ließe die Leuchten flackern.",
            "Switching off below the level of switching on would make lamps flicker.",
        )
    if isinstance(period, AstroAndSensor) and min(period.before_sunset, period.before_sunrise) < 0:
        yield refused(path, "Die Vorlaufzeiten sind nicht negativ.", "The times before are not negative.")


def _of_fixed(steps: Sequence[Step]) -> Iterator[Problem]:
    if not steps:
        yield refused(
            "fixed", "Das Programm hat keine Schaltzeit.", "The program has no step that says a level."
        )
    wrong = False
    for index, step in enumerate(steps):
        clock = list(_of_clock(f"fixed[{index}].at", step.at))
        wrong = wrong or bool(clock)
        yield from clock
        yield from _of_level(f"fixed[{index}].level", step.level)
        yield from _of_ramp(f"fixed[{index}].ramp", step.ramp)
    if wrong:
        return
    for index, (one, other) in enumerate(pairwise(since_noon(step.at) for step in steps), 1):
        if one == other:
            yield refused(
                f"fixed[{index}].at",
                f"Zwei Schaltzeiten um {steps[index].at} Uhr.",
                f"Two steps at {steps[index].at}.",
            )
        elif one > other:
            yield refused(
                f"fixed[{index}].at",
                "Die Schaltzeiten stehen in der Reihenfolge der Nacht, von Mittag an.",
                "Steps stand in the order of the night, from noon on.",
            )


def _of_astro(steps: Sequence[AstroStep]) -> Iterator[Problem]:
    for index, step in enumerate(steps):
        yield from _of_offset(f"astro[{index}].offset", step.offset)
        yield from _of_level(f"astro[{index}].level", step.level)
        yield from _of_ramp(f"astro[{index}].ramp", step.ramp)
        if any((step.event, step.offset) == (other.event, other.offset) for other in steps[:index]):
            yield refused(
                f"astro[{index}].offset",
                "Zwei Sonnenschaltungen zur selben Zeit.",
                "Two solar steps at the same time.",
            )


def _of_dynamic(controls: Sequence[Dynamic]) -> Iterator[Problem]:
    for index, control in enumerate(controls):
        path = f"dynamic[{index}]"
        yield from _of_addresses(path, control.sensor)
        if control.level is not None:
            yield from _of_level(f"{path}.level", control.level)
        if not 0 <= control.hold <= 86_400:
            yield refused(
                f"{path}.hold", "Die Haltezeit ist 0 bis 86400 s.", "The hold time is 0 to 86400 s."
            )
        yield from _of_ramp(f"{path}.ramp", control.ramp)
        yield from _of_ramp(f"{path}.ramp_back", control.ramp_back)
        if (control.start is None) != (control.end is None):
            yield refused(path, "Anfang und Ende gehören zusammen.", "Start and end go together.")
        for name, time in (("start", control.start), ("end", control.end)):
            if time is not None:
                yield from _of_clock(f"{path}.{name}", time)
        if control.operation == "min" and control.level == 0:
            yield doubtful(
                f"{path}.level",
                "Ein Sensor würde die Leuchten ganz ausschalten.",
                "A sensor would switch lamps off altogether.",
            )


def _of_volume(volume: ByVolume) -> Iterator[Problem]:
    if not 0 <= volume.low <= volume.high <= 100_000:
        yield refused(
            "volume.low",
            "Die untere Schwelle liegt zwischen 0 und der oberen.",
            "The lower threshold lies between 0 and the higher one.",
        )
    if not 0 <= volume.margin <= 90:
        yield refused("volume.margin", "Der Abstand ist 0 bis 90 %.", "The margin is 0 to 90 %.")
    for name, minutes in (("hold", volume.hold), ("valid", volume.valid)):
        if not 0 <= minutes <= DAY:
            yield refused(f"volume.{name}", "0 bis 1440 Minuten.", "0 to 1440 minutes.")


def _of_addresses(path: str, sensors: Sequence[str]) -> Iterator[Problem]:
    if len(sensors) > 2:
        yield refused(f"{path}.sensor", "Höchstens zwei Sensoren.", "Two sensors at most.")


def _of_clock(path: str, time: str) -> Iterator[Problem]:
    if _CLOCK.fullmatch(time) is None:
        yield refused(
            path, f"Eine Uhrzeit wie 22:30, nicht {time!r}.", f"A time of day such as 22:30, not {time!r}."
        )


def _of_level(path: str, level: int) -> Iterator[Problem]:
    if not 0 <= level <= 100:
        yield refused(path, "Das Niveau ist 0 bis 100 %.", "The level is 0 to 100 %.")


def _of_offset(path: str, offset: int) -> Iterator[Problem]:
    if abs(offset) > _LONGEST_OFFSET:
        yield refused(path, "Höchstens 720 Minuten Abstand.", "An offset of 720 minutes at most.")


def _of_ramp(path: str, ramp: float) -> Iterator[Problem]:
    if not 0 <= ramp <= _LONGEST_RAMP:
        yield refused(path, "Der Übergang dauert 0 bis 3600 s.", "A ramp takes 0 to 3600 s.")
