"""What is wrong with a plan, and what it would change: told before it is applied. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta, tzinfo
from typing import Final, NamedTuple

import msgspec

from ..cadastre.lamps import Lamp
from ..control import calendars, curve, rules
from ..control.calendars import Calendar, holidays_of, program_of
from ..control.classes import CLASSES
from ..control.curve import Curve, dark_all_night
from ..control.problems import Problem, noted
from ..control.programs import ByVolume, Program, senses
from ..control.sun import Dark, Event, sky
from ..control.volume import share
from .plan import NOBODY, Plan, fingerprints, lines, programs_of

_NIGHTS: Final = 366  # that are looked at
_EVERY: Final = 7  # of which each such one is drawn, and the first of each program


class Site(NamedTuple):
    """Where the city is: WGS 84 degrees."""

    lon: float
    lat: float


DUISBURG: Final = Site(6.763, 51.434)  # where nobody knows of a lamp yet


class Finding(msgspec.Struct, frozen=True):
    """What is wrong, with what of the plan (`kind`: program, calendar, lamps) and how many lamps that concerns."""

    problem: Problem
    kind: str
    id: str = ""
    lamps: int = 0


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """`findings`; how many lamps there are, how many have a calendar, how many each line counts for; and, against the
    plan that is applied, how many have another calendar, and how many any other night."""

    findings: tuple[Finding, ...]
    lamps: int
    assigned: int
    by_line: tuple[int, ...]
    other_calendar: int
    changed: int

    @property
    def refused(self) -> bool:
        """Whether it cannot be applied."""
        return any(one.problem.severity == "refuse" for one in self.findings)

    @property
    def doubtful(self) -> bool:
        """Whether somebody has to say that it is meant so."""
        return any(one.problem.severity == "confirm" for one in self.findings)


class _Kind(NamedTuple):
    """What lamps share that rules and programs do not tell apart."""

    calendar: str
    category: str
    sign_394: bool
    installed: str = ""  # the class, where a program of the calendar goes by it


def centre(lamps: Sequence[Lamp]) -> Site:
    """The middle of the city's lamps."""
    if not lamps:
        return DUISBURG
    return Site(sum(lamp.lon for lamp in lamps) / len(lamps), sum(lamp.lat for lamp in lamps) / len(lamps))


def judge(plan: Plan, applied: Plan | None, lamps: Sequence[Lamp], today: date, zone: tzinfo) -> Judged:
    """Everything that a person who applies it should know."""
    places = lines(plan, lamps)
    counted = Counter(places)
    by_volume = _by_volume(plan)
    kinds = Counter(
        _Kind(
            plan.assignments[line].calendar,
            lamp.category,
            lamp.sign_394,
            (lamp.installed_class or "") if plan.assignments[line].calendar in by_volume else "",
        )
        for lamp, line in zip(lamps, places, strict=True)
        if line != NOBODY
    )
    other, changed = _changes(plan, applied, lamps, places)
    return Judged(
        findings=(
            *_of_calendars(plan, kinds, today),
            *_of_programs(plan, kinds, centre(lamps), today, zone),
            *_of_law(plan, kinds, centre(lamps), today, zone),
            *_of_lamps(plan, lamps, counted),
            *_of_volume(plan, lamps, places, by_volume),
        ),
        lamps=len(lamps),
        assigned=len(lamps) - counted[NOBODY],
        by_line=tuple(counted[index] for index in range(len(plan.assignments))),
        other_calendar=other,
        changed=changed,
    )


def _of_calendars(plan: Plan, kinds: Mapping[_Kind, int], today: date) -> Iterator[Finding]:
    known = [program.id for program in plan.programs]
    for calendar in plan.calendars:
        concerned = sum(number for kind, number in kinds.items() if kind.calendar == calendar.id)
        for problem in calendars.problems(calendar, known, today):
            # Nobody is left in the dark by a calendar that no lamp has.
            if concerned or problem.severity != "confirm":
                yield Finding(problem, "calendar", calendar.id, concerned)


def _of_programs(
    plan: Plan, kinds: Mapping[_Kind, int], site: Site, today: date, zone: tzinfo
) -> Iterator[Finding]:
    used: Counter[str] = Counter()
    by_id = {calendar.id: calendar for calendar in plan.calendars}
    for kind, number in kinds.items():
        if kind.calendar in by_id:
            used.update(dict.fromkeys(programs_of(by_id[kind.calendar]), number))
    for program in plan.programs:
        if program.id in used:
            for problem in curve.problems(program, site.lon, site.lat, today.year, zone):
                yield Finding(problem, "program", program.id, used[program.id])


def _of_law(
    plan: Plan, kinds: Mapping[_Kind, int], site: Site, today: date, zone: tzinfo
) -> Iterator[Finding]:
    """What the rules of the city have against lamps of each kind in the nights of a year: one finding for each program
    and rule, with the first such night."""
    nights = _Nights(plan, site, today, zone)
    found: dict[tuple[str, str], tuple[Problem, int, date]] = {}
    for kind, number in sorted(kinds.items()):
        seen: set[tuple[str, str]] = set()
        for program, night in nights.of(kind.calendar):
            drawn, dark = nights.drawn(program, night)
            drawn = _least(drawn, nights.volume(program), kind.installed)
            for problem in rules.check(_Facts(kind.category, kind.sign_394), drawn, dark, plan.rules):
                key = (program, problem.path)
                if key not in seen:
                    seen.add(key)
                    before = found.get(key, (problem, 0, night))
                    found[key] = (before[0], before[1] + number, min(before[2], night))
    for (program, _), (problem, number, night) in found.items():
        german = f"Programm {program}, zuerst in der Nacht {night:%d.%m.%Y}: {problem.text[0]}"
        english = f"Program {program}, first in the night of {night}: {problem.text[1]}"
        text = (german, english)
        yield Finding(msgspec.structs.replace(problem, text=text), "program", program, number)


def _by_volume(plan: Plan) -> set[str]:
    """The calendars with a program whose class goes by volume."""
    programs = {one.id for one in plan.programs if one.volume is not None}
    return {one.id for one in plan.calendars if programs_of(one) & programs}


def _least(drawn: Curve, volume: ByVolume | None, installed: str) -> Curve:
    """The darkest that counts may ask for."""
    if volume is None or installed not in CLASSES:
        return drawn
    most = share(installed, volume.most)
    return tuple(msgspec.structs.replace(one, level=min(one.level, most)) for one in drawn)


def _of_volume(
    plan: Plan, lamps: Sequence[Lamp], places: Sequence[int], calendars: Collection[str]
) -> Iterator[Finding]:
    """Lamps that keep the full class although a program has a class by volume."""
    concerned = [
        (lamp, line)
        for lamp, line in zip(lamps, places, strict=True)
        if line != NOBODY and plan.assignments[line].calendar in calendars
    ]
    both = {one.id for one in plan.programs if one.volume is not None and senses(one)}
    sensing = {one.id for one in plan.calendars if programs_of(one) & both}
    for number, german, english in (
        (
            sum(lamp.installed_class not in CLASSES for lamp, _ in concerned),
            "Klasse nach Verkehr: die Klasse dieser Leuchten (lightingClass) ist nicht bekannt; "
            "sie bleiben beim Programm.",
            "Class by traffic: the class of these lamps (lightingClass) is not known; they keep to the program.",
        ),
        (
            sum(lamp.multicast is not None for lamp, _ in concerned),
            "Klasse nach Verkehr: LoRaWAN-Gruppen hören keine Zählung; diese Leuchten behalten die volle Klasse.",
            "Class by traffic: LoRaWAN groups hear no counts; these lamps keep the full class.",
        ),
        (
            sum(
                lamp.gateway is not None and plan.assignments[line].calendar in sensing
                for lamp, line in concerned
            ),
            "Klasse nach Verkehr: das Gateway dieser Leuchten hört auf Sensoren, über denen eine Übersteuerung läge; "
            "sie behalten die volle Klasse.",
            "Class by traffic: the gateway of these lamps listens to sensors, over which an override would lie; they "
            "keep the full class.",
        ),
    ):
        if number:
            yield Finding(noted("", german, english), "lamps", lamps=number)


def _of_lamps(plan: Plan, lamps: Sequence[Lamp], counted: Mapping[int, int]) -> Iterator[Finding]:
    if number := counted.get(NOBODY, 0):
        yield Finding(
            noted(
                "assignments",
                "Diese Leuchten haben keinen Kalender; sie bleiben, wie sie sind.",
                "These lamps have no calendar; they stay as they are.",
            ),
            "lamps",
            lamps=number,
        )
    for index, line in enumerate(plan.assignments):
        if lamps and not counted.get(index, 0):
            yield Finding(
                noted(
                    f"assignments[{index}]",
                    f"Zeile {index + 1} gilt für keine Leuchte.",
                    f"Line {index + 1} is for no lamp.",
                ),
                "lamps",
                line.subject,
            )


class _Facts(NamedTuple):
    """What rules ask of a lamp (`rules.LampFacts`)."""

    category: str
    sign_394: bool


class _Nights:
    """The nights of calendars that are looked at, each curve drawn once."""

    def __init__(self, plan: Plan, site: Site, today: date, zone: tzinfo) -> None:
        self._programs = {program.id: program for program in plan.programs}
        self._calendars = {calendar.id: calendar for calendar in plan.calendars}
        self._holidays = holidays_of((today.year, today.year + 1, today.year + 2))
        self._site, self._today, self._zone = site, today, zone
        self._drawn: dict[tuple[str, date], tuple[Curve, Dark]] = {}

    def of(self, calendar: str) -> Iterator[tuple[str, date]]:
        """(program, night)."""
        known = self._calendars.get(calendar)
        if known is None:
            return
        seen: set[str] = set()
        for day in range(_NIGHTS):
            night = self._today + timedelta(day)
            program = program_of(known, night, self._holidays).program
            if program in self._programs and (day % _EVERY == 0 or program not in seen):
                seen.add(program)
                yield program, night

    def volume(self, program: str) -> ByVolume | None:
        """Its class by volume."""
        return self._programs[program].volume

    def drawn(self, program: str, night: date) -> tuple[Curve, Dark]:
        """Its curve, and when it is dark."""
        key = (program, night)
        if key not in self._drawn:
            above = sky(self._site.lon, self._site.lat, night)
            self._drawn[key] = (
                curve.curve(self._programs[program], night, above, self._zone),
                above[Event.CIVIL],
            )
        return self._drawn[key]


def _changes(
    plan: Plan, applied: Plan | None, lamps: Sequence[Lamp], places: Sequence[int]
) -> tuple[int, int]:
    """How many lamps get another calendar, and how many are changed at all."""
    if applied is None:
        number = sum(line != NOBODY for line in places)
        return number, number
    before, after = fingerprints(applied), fingerprints(plan)
    same = (applied.groups, applied.assignments) == (plan.groups, plan.assignments)
    held: dict[tuple[str, bool], bool] = {}  # what rules ask of a lamp, and whether they ask something else
    other = changed = 0
    for lamp, line, old in zip(lamps, places, places if same else lines(applied, lamps), strict=True):
        had = None if old == NOBODY else applied.assignments[old].calendar
        has = None if line == NOBODY else plan.assignments[line].calendar
        facts = (lamp.category, lamp.sign_394)
        if facts not in held:
            held[facts] = rules.floors(lamp, applied.rules) != rules.floors(lamp, plan.rules)
        other += had != has
        changed += had != has or (has is not None and before.get(has) != after.get(has)) or held[facts]
    return other, changed


def curve_of(
    programs: Mapping[str, Program], calendar: Calendar | None, site: Site, night: date, zone: tzinfo
) -> tuple[Curve, calendars.Choice]:
    """The plan's curve of one night for lamps of a calendar, and which rule chose it."""
    if calendar is None:
        return dark_all_night(night, zone), calendars.Choice(None, None)
    choice = program_of(calendar, night, holidays_of((night.year, night.year + 1)))
    known = programs.get(choice.program) if choice.program is not None else None
    if known is None:
        return dark_all_night(night, zone), choice
    return curve.curve(known, night, sky(site.lon, site.lat, night), zone), choice
