"""The plan of a gateway: all programs, calendars, assignments and loggers that it shall have. Pure.

What it is told has the name of its content (`night.3f2a…`): a gateway never has an old content under a new name, what
is sent twice or late does no harm, and only the assignment of a calendar to devices changes what a lamp does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from ..control import calendars as ours
from ..control import problems, programs
from ..control.problems import Problem
from .base import NOON, Group, Message, ResourceReference
from .functions import ACTUATOR, COMMUNICATION, METER, MONITOR
from .messages import (
    AddressList,
    EventRecordingMode,
    ImmediateReportingMode,
    LoggedAttribute,
    LoggedContent,
    LoggedFunction,
    LoggerConfig,
    NameList,
    Service,
    VendorRecordingMode,
)
from .schedules import Calendar, ControlProgramOne
from .translating import Span, Unspeakable, calendar_to, nights_from, program_to
from .twilight import Place, variants, varies

HORIZON: Final = 550  # nights for which holidays and twilight are told
MARK: Final = "rc."  # ours, among what a gateway has
_GROUPS: Final = UUID("b2b3cf04-2f0a-4a3a-8d5b-0c9a51c0d9a7")
_EVERY: Final = 5  # percent of change that is told


class Plan(Message, frozen=True):
    """What a gateway shall have. `assignments`: calendar id → devices; `names`: its id with us of each calendar."""

    programs: list[ControlProgramOne] = []
    calendars: list[Calendar] = []
    assignments: dict[str, list[UUID]] = {}
    loggers: list[LoggerConfig] = []
    names: dict[str, str] = {}

    def calendar_of(self) -> dict[UUID, str]:
        """Which calendar each device shall have."""
        return {device: calendar for calendar, those in self.assignments.items() for device in those}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the city wants behind a gateway. `assigned`: device → id of its calendar; `place`: where its lamps are."""

    programs: Mapping[str, programs.Program]
    calendars: Mapping[str, ours.Calendar]
    assigned: Mapping[UUID, str]
    place: Place
    state: str = ours.NORTH_RHINE_WESTPHALIA


def judge(wanted: Wanted, control: Service | None, today: date) -> list[Problem]:
    """What stands against it: what is wrong with programs and calendars, and what this gateway cannot do."""
    found = [problem for program in _programs(wanted) for problem in programs.problems(program)]
    for calendar in _calendars(wanted):
        found += ours.problems(calendar, wanted.programs, today)
    missing = sorted(set(wanted.assigned.values()) - wanted.calendars.keys())
    found += [
        problems.refused("assigned", f"Es gibt keinen Kalender {one}.", f"There is no calendar {one}.")
        for one in missing
    ]
    if control is not None and control.day_offset != NOON and any(one.rules for one in _calendars(wanted)):
        found.append(
            problems.refused(
                "",
                "Das Gateway rechnet Tage von Mitternacht an; Kalender mit Regeln gelten für Nächte.",
                "The gateway counts days from midnight; calendars with rules are of nights.",
            )
        )
    return found


def _calendars(wanted: Wanted) -> list[ours.Calendar]:
    return [wanted.calendars[one] for one in sorted(set(wanted.assigned.values()) & wanted.calendars.keys())]


def _programs(wanted: Wanted) -> list[programs.Program]:
    used = {
        name
        for calendar in _calendars(wanted)
        for name in (*(rule.program for rule in calendar.rules), calendar.default)
        if name is not None
    }
    return [wanted.programs[name] for name in sorted(used & wanted.programs.keys())]


def build(wanted: Wanted, owner: UUID, today: date) -> Plan:
    """The plan. Raises Unspeakable for what TALQ has no words for; the caller has judged the rest."""
    horizon = nights_from(today - timedelta(1), HORIZON)
    holidays = ours.holidays_of(range(horizon[0].year, horizon[-1].year + 2), wanted.state)
    told: dict[str, ControlProgramOne] = {}
    names: dict[str, str] = {}
    spans: dict[str, Sequence[Span]] = {}
    for program in _programs(wanted):
        those, when = variants(program, wanted.place, horizon) if varies(program) else ([program], [])
        for one in those:
            content = program_to(one, str(owner), "x")
            names[one.id] = _name(one.id, content)
            told[names[one.id]] = msgspec.structs.replace(content, id=names[one.id])
        if when:
            spans[program.id] = [msgspec.structs.replace(span, program=names[span.program]) for span in when]
    plan = Plan(programs=list(told.values()), loggers=loggers(str(owner)))
    for calendar in _calendars(wanted):
        renamed = _renamed(calendar, names, spans)
        nameless = calendar_to(renamed, str(owner), horizon, holidays, identifier="x", spans=spans)
        message = msgspec.structs.replace(nameless, id=_name(calendar.id, nameless))
        plan.calendars.append(message)
        plan.names[message.id] = calendar.id
    return assigned(plan, wanted.assigned)


def assigned(plan: Plan, devices: Mapping[UUID, str]) -> Plan:
    """A plan with these devices (device → our id of its calendar)."""
    assignments = {
        told: sorted(device for device, name in devices.items() if name == ours_of)
        for told, ours_of in plan.names.items()
    }
    return msgspec.structs.replace(plan, assignments=assignments)


def _renamed(calendar: ours.Calendar, names: Mapping[str, str], varying: Collection[str]) -> ours.Calendar:
    """With the names that programs have on the gateway; those that vary are looked up by ours."""

    def told(program: str) -> str:
        return program if program in varying else names[program]

    rules = tuple(msgspec.structs.replace(rule, program=told(rule.program)) for rule in calendar.rules)
    default = None if calendar.default is None else told(calendar.default)
    return msgspec.structs.replace(calendar, rules=rules, default=default)


def _name(known: str, message: Any) -> str:
    """A name that changes with the content and needs no escaping in an address (3.4)."""
    readable = re.sub(r"[^A-Za-z0-9-]+", "-", known).strip("-")[:40]
    digest = hashlib.sha256(msgspec.json.encode(message, order="sorted")).hexdigest()[:16]
    return f"{MARK}{readable}.{digest}"


def loggers(owner: str) -> list[LoggerConfig]:
    """What every gateway shall report: measurements and states when they change, and all events at once."""
    measured = [
        (ACTUATOR, ("actualLightState", "feedbackLightCommand", "calendarID")),
        (MONITOR, ("activePower", "supplyVoltage", "activeEnergy", "operatingHours", "temperature")),
        (METER, ("totalPower", "totalActiveEnergy")),
        (COMMUNICATION, ("communicationQuality",)),
    ]
    content = [
        LoggedContent(
            function=LoggedFunction(
                function_type=kind,
                attributes=[
                    LoggedAttribute(name=name, on_change_threshold=_threshold(name)) for name in names
                ],
            )
        )
        for kind, names in measured
    ]
    everywhere = AddressList(black_list=[])
    return [
        LoggerConfig(
            address=f"{MARK}measurements",
            owner_cms=owner,
            source_addresses=everywhere,
            recording_mode=VendorRecordingMode(content=content),
            reporting_mode=ImmediateReportingMode(delay=10),
        ),
        LoggerConfig(
            address=f"{MARK}events",
            owner_cms=owner,
            source_addresses=everywhere,
            recording_mode=EventRecordingMode(source_events=NameList(black_list=[])),
            reporting_mode=ImmediateReportingMode(delay=2),
        ),
    ]


# What a lamp says that follows who passes it, and what sensors say of that.
_TRACES: Final = (
    "lightStateChange",
    "targetLightCommandChange",
    "presenceStatusChanged",
    "sensorOutputOn",
)


def quiet(plan: Plan, devices: Collection[UUID]) -> Plan:
    """The same, where what these devices report says nothing of their light: that would be who passes, and when."""
    those = [ResourceReference(resource="devices", address=str(one)) for one in sorted(devices)]
    told = {one.address: one for one in plan.loggers}
    others = told[f"{MARK}measurements"]
    names = ("calendarID", "supplyVoltage", "communicationQuality")
    assert isinstance(others.recording_mode, VendorRecordingMode)
    content = [
        LoggedContent(
            function=LoggedFunction(
                function_type=one.function.function_type,
                attributes=[known for known in one.function.attributes if known.name in names],
            )
        )
        for one in others.recording_mode.content or ()
        if any(known.name in names for known in one.function.attributes)
    ]
    return msgspec.structs.replace(
        plan,
        loggers=[
            msgspec.structs.replace(others, source_addresses=AddressList(black_list=those)),
            msgspec.structs.replace(
                others,
                address=f"{MARK}quiet",
                source_addresses=AddressList(white_list=those),
                recording_mode=VendorRecordingMode(content=content),
            ),
            msgspec.structs.replace(
                told[f"{MARK}events"],
                recording_mode=EventRecordingMode(source_events=NameList(black_list=list(_TRACES))),
            ),
        ],
    )


def _threshold(name: str) -> int | None:
    return _EVERY if name in ("activePower", "totalPower", "supplyVoltage", "temperature") else None


def groups(plan: Plan, owner: UUID, service: Service | None, least: int) -> dict[str, Group]:
    """calendar id → a group of its devices, where these are so many, and the gateway has groups that hold them."""
    if service is None or len(plan.assignments) > (service.maximum_number_of_groups or len(plan.assignments)):
        return {}
    found = {}
    for calendar, those in plan.assignments.items():
        if least <= len(those) <= (service.maximum_group_size or len(those)):
            said = f"{calendar} {' '.join(map(str, those))}"
            found[calendar] = Group(
                address=str(uuid5(_GROUPS, said)),
                owner_cms=str(owner),
                members=[ResourceReference(resource="devices", address=str(one)) for one in those],
                purpose="calendar",
            )
    return found


__all__ = [
    "HORIZON",
    "MARK",
    "Plan",
    "Unspeakable",
    "Wanted",
    "assigned",
    "build",
    "groups",
    "judge",
    "loggers",
    "quiet",
]
