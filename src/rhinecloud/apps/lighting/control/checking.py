"""Whether a plan may be given to lamps: its programs against the rules of the city, over the nights of a year."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta, tzinfo
from typing import Final

import msgspec

from .curve import Curve, curve
from .problems import Problem
from .programs import Program
from .rules import LampFacts, LawRule, check
from .sun import Dark, Event, nights

_EVERY: Final = 7  # nights: the sun moves a sunset by a quarter of an hour in that time at most (55° north)


class Objection(msgspec.Struct, frozen=True):
    """What a rule has against a program: for how many of the lamps, and in which night first."""

    program: str
    lamps: int
    night: date
    problem: Problem


def objections(
    programs: Iterable[Program],
    lamps: Iterable[LampFacts],
    rules: Sequence[LawRule],
    site: tuple[float, float],
    year: int,
    zone: tzinfo,
) -> list[Objection]:
    """All that the rules have against these programs for these lamps at a site (longitude, latitude), each rule once a
    program. Lamps that are alike to the rules are looked at once: 50,000 cost no more than four."""
    alike = Counter((lamp.category, lamp.sign_394) for lamp in lamps)
    facts = [_Facts(*key) for key in alike]
    found: dict[tuple[str, str, _Facts], Objection] = {}
    for program in programs:
        for night, planned, dark in _year(program, site, year, zone):
            for fact in facts:
                for problem in check(fact, planned, dark, rules):
                    key = (program.id, problem.path, fact)
                    if key not in found:
                        lamps_of_it = alike[fact.category, fact.sign_394]
                        found[key] = Objection(program.id, lamps_of_it, night, problem)
    return list(_together(found))


class _Facts(msgspec.Struct, frozen=True):
    category: str
    sign_394: bool


def _year(
    program: Program, site: tuple[float, float], year: int, zone: tzinfo
) -> Iterator[tuple[date, Curve, Dark]]:
    first, days = date(year, 1, 1), 366
    times = {
        event: [array[0].tolist() for array in nights(*site, first, days, event.elevation)] for event in Event
    }
    for day in range(0, days, _EVERY):
        night = first + timedelta(day)
        sky = {event: Dark(sets[day], rises[day]) for event, (sets, rises) in times.items()}
        yield night, curve(program, night, sky, zone), sky[Event.CIVIL]


def _together(found: dict[tuple[str, str, _Facts], Objection]) -> Iterator[Objection]:
    """One of each rule and program, with the sum of the lamps and the earliest night."""
    joined: dict[tuple[str, str], Objection] = {}
    for (program, rule, _), one in found.items():
        before = joined.get((program, rule))
        if before is None:
            joined[program, rule] = one
            continue
        earlier = min(before, one, key=lambda objection: objection.night)
        joined[program, rule] = msgspec.structs.replace(earlier, lamps=before.lamps + one.lamps)
    yield from joined.values()
