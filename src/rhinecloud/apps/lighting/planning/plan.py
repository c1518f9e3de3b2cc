"""A plan: everything that together says what each lamp does, and which calendar each lamp has by it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from ..cadastre.lamps import Lamp
from ..control.calendars import Calendar
from ..control.programs import Program
from ..control.rules import LawRule
from .groups import Group, selects

NOBODY: Final = -1


class Assignment(msgspec.Struct, frozen=True):
    """A line of the assignments: the lamps of a group, or one lamp, have a calendar."""

    what: Literal["lamp", "group"]
    subject: str
    calendar: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`assignments` are in their order: the first line that speaks of a lamp counts."""

    programs: tuple[Program, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    groups: tuple[Group, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    rules: tuple[LawRule, ...] = ()


def digest(plan: Plan) -> str:
    """The same for the same plan only."""
    return hashlib.sha256(msgspec.json.encode(plan)).hexdigest()[:32]


def lines(plan: Plan, lamps: Sequence[Lamp]) -> list[int]:
    """For each lamp the index of the line that gives it its calendar, NOBODY where none does."""
    groups = {group.id: selects(group.selection) for group in plan.groups}
    singles: dict[str, int] = {}
    those = []
    for index, line in enumerate(plan.assignments):
        if line.what == "lamp":
            singles.setdefault(line.subject, index)
        elif line.subject in groups:
            those.append((index, groups[line.subject]))
    found = []
    for lamp in lamps:
        own = singles.get(lamp.id, len(plan.assignments))
        by_group = next((index for index, inside in those if index < own and inside(lamp)), own)
        found.append(by_group if by_group < len(plan.assignments) else NOBODY)
    return found


def assigned(plan: Plan, lamps: Sequence[Lamp]) -> dict[str, str]:
    """lamp → calendar, of those that have one."""
    return {
        lamp.id: plan.assignments[line].calendar
        for lamp, line in zip(lamps, lines(plan, lamps), strict=True)
        if line != NOBODY
    }


def programs_of(calendar: Calendar) -> set[str]:
    """The programs that a calendar names."""
    named = {rule.program for rule in calendar.rules}
    return named if calendar.default is None else named | {calendar.default}


def fingerprints(plan: Plan) -> Mapping[str, bytes]:
    """calendar → all that it comes to, its programs included: the same only if its lamps do the same."""
    programs = {program.id: program for program in plan.programs}
    return {
        calendar.id: msgspec.json.encode(
            (calendar, [programs[name] for name in sorted(programs_of(calendar)) if name in programs])
        )
        for calendar in plan.calendars
    }
