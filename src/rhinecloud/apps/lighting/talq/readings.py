"""What gateways tell of lamps, as attributes of their entities. Pure.

Entities are `Streetlight` of the Smart Data Models; what these have no name for keeps its TALQ name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import msgspec

from .base import Command, Document, LevelState
from .functions import (
    ACTUATOR,
    ATTRIBUTES,
    BASIC,
    COMMUNICATION,
    METER,
    MONITOR,
    SENSORS,
    attribute,
    attributes_of,
)
from .messages import AttributeLogData, EventLogData, LogEntry

_AHEAD = timedelta(minutes=5)  # clocks of gateways differ; what is later than this is not from here
_BEHIND = timedelta(days=400)


class Reading(msgspec.Struct, frozen=True):
    """A value of a device: of which function's type, and when it was so (UTC)."""

    device: UUID
    function: str
    name: str
    value: Any
    at: datetime


class Doubtful(msgspec.Struct, frozen=True):
    """An entry that is not believed, and why."""

    reason: str
    entry: Any


class _Told(msgspec.Struct, frozen=True):
    """How an attribute is told: its name, its unit (UN/CEFACT) and what can be true of it."""

    name: str
    unit: str | None = None
    lowest: float = 0.0
    highest: float = 1e9


_MEASURED: Final[Mapping[str, Mapping[str, _Told]]] = MappingProxyType(
    {
        MONITOR: {
            "activePower": _Told("powerConsumption", "WTT", -10, 5_000),
            "supplyVoltage": _Told("voltage", "VLT", 0, 1_000),
            "supplyCurrent": _Told("current", "AMP", -10, 100),
            "powerFactor": _Told("powerFactor", None, -1, 1),
            "activeEnergy": _Told("lifetimePowerConsumption", "KWH", 0, 1e7),
            "operatingHours": _Told("operatingHours", "HUR", 0, 1e6),
            "temperature": _Told("temperature", "CEL", -60, 200),
            "switchOnCounter": _Told("switchOnCounter", None, 0, 2**32),
        },
        METER: {
            "totalPower": _Told("powerConsumption", "WTT", -10, 5_000),
            "supplyVoltage": _Told("voltage", "VLT", 0, 1_000),
            "totalCurrent": _Told("current", "AMP", -10, 100),
            "totalPowerFactor": _Told("powerFactor", None, -1, 1),
            "totalActiveEnergy": _Told("lifetimePowerConsumption", "KWH", 0, 1e7),
        },
        COMMUNICATION: {"communicationQuality": _Told("communicationQuality", "P1", 0, 100)},
    }
)
# Events of a lamp that are true or not at a moment; `status` is made of lampFailure.
_EVENTS: Final = frozenset(
    {
        *(name for name, kind in ATTRIBUTES[MONITOR].items() if kind == "AttributeBoolean"),
        "communicationFailure",
        "invalidCalendar",
        "invalidProgram",
    }
)
_FUNCTION_OF: Final = {  # where an address names no function
    name: kind
    for kind in (*SENSORS, BASIC, COMMUNICATION, METER, MONITOR, ACTUATOR)
    for name in ATTRIBUTES[kind]
}


def of_functions(device: UUID, functions: Iterable[Document], now: datetime) -> list[Reading]:
    """What a device's functions say. The caller has judged them (functions.problems)."""
    return [
        Reading(device, function["type"], name, one.value, one.timestamp or now)
        for function in functions
        for name, one in attributes_of(function)
    ]


def of_report(
    entries: Sequence[LogEntry], functions: Callable[[UUID], Mapping[str, str] | None], now: datetime
) -> tuple[list[Reading], list[Doubtful]]:
    """What a report says. `functions`: id → type of the functions of a device of this gateway, None for another."""
    readings: list[Reading] = []
    doubtful: list[Doubtful] = []
    for entry in entries:
        try:
            found = _of_entry(entry, functions, now)
        except ValueError as error:
            doubtful.append(Doubtful(*_unsensed(str(error), entry)))
        else:
            if found is not None:
                readings.append(found)
    return readings, doubtful


def _unsensed(reason: str, entry: LogEntry) -> tuple[str, Any]:
    """What is set aside of an entry: nothing of what a sensor sensed, which would be kept with it."""
    data = entry.data
    name = data.attribute_name if isinstance(data, AttributeLogData) else getattr(data, "event_type", "")
    if any(name in ATTRIBUTES[kind] for kind in SENSORS) and name not in ATTRIBUTES[MONITOR]:
        return "what a sensor says cannot be read", {"attributeName": name}
    return reason, msgspec.to_builtins(entry)


def _of_entry(
    entry: LogEntry, functions: Callable[[UUID], Mapping[str, str] | None], now: datetime
) -> Reading | None:
    data = entry.data
    device, function = _source(data.src_address, functions)
    if isinstance(data, AttributeLogData):
        kind = function or _FUNCTION_OF.get(data.attribute_name, "")
        one = attribute(kind, data.attribute_name, data.attribute_value)
        return Reading(
            device,
            kind,
            data.attribute_name,
            one.value,
            _believed(one.timestamp or data.timestamp or now, now),
        )
    if isinstance(data, EventLogData) and data.event_type in _EVENTS:
        at = _believed(data.timestamp or now, now)
        return Reading(device, function or MONITOR, data.event_type, data.start_end_flag is not False, at)
    return None


def _source(address: str, functions: Callable[[UUID], Mapping[str, str] | None]) -> tuple[UUID, str | None]:
    text, _, function = address.partition("/")
    try:
        device = UUID(text)
    except ValueError:
        raise ValueError(f"{text!r:.60} is no address of a device") from None
    known = functions(device)
    if known is None:
        raise ValueError(f"there is no device {device} behind this gateway")
    if function and function not in known:
        raise ValueError(f"the device {device} has no function {function!r:.60}")
    return device, known[function] if function else None


def _believed(at: datetime, now: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a timestamp has a time zone")
    if at > now + _AHEAD:
        raise ValueError(f"{at.isoformat()} is in the future")
    if at < now - _BEHIND:
        raise ValueError(f"{at.isoformat()} is more than {_BEHIND.days} days ago")
    return at


def implausible(reading: Reading) -> str | None:
    """Why a value cannot be true, or None."""
    told = _MEASURED.get(reading.function, {}).get(reading.name)
    if told is None or not isinstance(reading.value, (int, float)):
        return None
    if told.lowest <= reading.value <= told.highest:  # false for NaN too
        return None
    return f"{reading.name} of {reading.value:g} is not between {told.lowest:g} and {told.highest:g}"


def told_of(reading: Reading) -> Iterator[tuple[str, Document]]:
    """The attributes of the lamp's entity that a reading changes, without the moment and with terms for names; none for
    what is of no interest to others."""
    measured = _MEASURED.get(reading.function, {}).get(reading.name)
    if measured is not None:
        yield measured.name, _property(reading.value, measured.unit)
    elif reading.name == "actualLightState" and isinstance(reading.value, LevelState):
        level = reading.value.value
        yield "illuminanceLevel", _property(level / 100)
        yield "powerState", _property("on" if level else "off")
    elif reading.name == "lampFailure":
        yield "status", _property("defectiveLamp" if reading.value else "ok")
    elif reading.name in _EVENTS and isinstance(reading.value, bool):
        yield reading.name, _property(reading.value)


def _property(value: Any, unit: str | None = None) -> Document:
    written: Document = {"type": "Property", "value": value}
    if unit is not None:
        written["unitCode"] = unit
    return written


def level_of(reading: Reading) -> int | None:
    """The level in percent that a lamp says it has."""
    value = reading.value
    return value.value if reading.name == "actualLightState" and isinstance(value, LevelState) else None


def command_of(reading: Reading) -> Command | None:
    """The command that a lamp says it follows."""
    value = reading.value
    return value if reading.name == "feedbackLightCommand" and isinstance(value, Command) else None


def calendar_of(reading: Reading) -> str | None:
    """The calendar that a lamp says it has; "" for none."""
    return reading.value if reading.name == "calendarID" and isinstance(reading.value, str) else None


def delivery(gateway: UUID, device: UUID, at: datetime, readings: Sequence[Reading]) -> str:
    """The name of what a device told of a moment, the same however often it comes: its content, not the request that
    brought it."""
    said = sorted((one.function, one.name, repr(one.value)) for one in readings)
    content = f"{device.int:x} {at.timestamp()!r} {said!r}"
    return f"talq:{gateway}:{hashlib.sha256(content.encode()).hexdigest()[:24]}"
