"""Calendars: which program a lamp runs in which night. Ordered rules; the first that matches wins (TALQ 2.7.1).

A night has the date of its evening and ends at noon of the next day: a rule for Saturdays covers the night to Sunday.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal, NamedTuple

import holidays as library
import msgspec

from rhinecloud.app import Text

from .problems import Problem, doubtful, noted, refused

NORTH_RHINE_WESTPHALIA: Final = "DE-NW"

Weekday = Annotated[int, msgspec.Meta(ge=1, le=7)]  # 1 is Monday (ISO 8601)
DayOfYear = Annotated[str, msgspec.Meta(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]  # "12-24"
DayOfMonth = Annotated[int, msgspec.Meta(ge=1, le=31)]
Occurrence = Literal[1, 2, 3, 4, 5, "last"]


class Weekdays(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag="weekdays",
    tag_field="kind",
):
    """These days of the week; with `nth` only the first, … or last such day of each month (TALQ ccDay)."""

    days: tuple[Weekday, ...]
    nth: tuple[Occurrence, ...] = ()


class Yearly(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag="yearly",
    tag_field="kind",
):
    """A day of each year, or all from `first` to `last`; over the turn of the year where `last` is the earlier."""

    first: DayOfYear
    last: DayOfYear | None = None


class Monthly(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="monthly", tag_field="kind"):
    """Days of each month."""

    days: tuple[DayOfMonth, ...]


class Dates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="dates", tag_field="kind"):
    """These dates."""

    dates: tuple[date, ...]


class Holidays(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag="holidays",
    tag_field="kind",
):
    """Public holidays of the city's state; with `eve` the nights before them, too."""

    eve: bool = False


When = Weekdays | Yearly | Monthly | Dates | Holidays


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """`program` in the nights of `when` (none: all), within `first` … `last` if these are there (both included)."""

    program: str
    when: When | None = None
    first: date | None = None
    last: date | None = None


class Calendar(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """`default` is the program of nights that no rule matches (TALQ defaultProgram); none: the lamps stay off."""

    id: str
    name: Text
    rules: tuple[Rule, ...] = ()
    default: str | None = None


class Choice(NamedTuple):
    """The program of a night and the index of the rule that chose it; no rule: the default, or nothing did."""

    program: str | None
    rule: int | None


def parse(text: bytes | str) -> Calendar:
    """A calendar from its JSON form. Raises msgspec.ValidationError, which names the field."""
    return msgspec.json.decode(text, type=Calendar)


def printed(calendar: Calendar) -> bytes:
    """The JSON form."""
    return msgspec.json.encode(calendar)


def holidays_of(years: Iterable[int], state: str = NORTH_RHINE_WESTPHALIA) -> frozenset[date]:
    """Public holidays of a state of ISO 3166-2 ("DE-NW") in these years. Raises NotImplementedError for one that the
    library does not know."""
    return frozenset().union(*(_holidays(year, state) for year in years))


@lru_cache(maxsize=64)
def _holidays(year: int, state: str) -> frozenset[date]:
    country, _, part = state.partition("-")
    return frozenset(library.country_holidays(country, subdiv=part or None, years=year))


def program_of(calendar: Calendar, night: date, holidays: Collection[date]) -> Choice:
    """Which program, by which rule. `holidays`: those around that date (`holidays_of`)."""
    for index, rule in enumerate(calendar.rules):
        if matches(rule, night, holidays):
            return Choice(rule.program, index)
    return Choice(calendar.default, None)


def matches(rule: Rule, night: date, holidays: Collection[date]) -> bool:
    """Whether a rule speaks of this night."""
    if (rule.first is not None and night < rule.first) or (rule.last is not None and night > rule.last):
        return False
    match rule.when:
        case None:
            return True
        case Weekdays(days, nth):
            return night.isoweekday() in days and (not nth or bool(_occurrences(night) & set(nth)))
        case Yearly(first, last):
            day = f"{night:%m-%d}"
            last = last or first
            return first <= day <= last if first <= last else day >= first or day <= last
        case Monthly(days):
            return night.day in days
        case Dates(dates):
            return night in dates
        case Holidays(eve):
            return night in holidays or (eve and night + timedelta(1) in holidays)


def _occurrences(night: date) -> set[Occurrence]:
    """The how manieth such weekday of its month it is."""
    numbered: tuple[Occurrence, ...] = (1, 2, 3, 4, 5)
    found = {numbered[(night.day - 1) // 7]}
    if night.day + 7 > monthrange(night.year, night.month)[1]:
        found.add("last")
    return found


def gaps(calendar: Calendar, first: date, days: int, holidays: Collection[date]) -> list[date]:
    """Nights without a program."""
    nights = (first + timedelta(day) for day in range(days))
    return [night for night in nights if program_of(calendar, night, holidays).program is None]


def problems(
    calendar: Calendar,
    programs: Collection[str],
    today: date,
    holidays: Collection[date] | None = None,
) -> list[Problem]:
    """What is wrong with it: unknown programs, rules that cannot match, nights of the two years from `today` on without
    a program (to be confirmed: lamps would stay off)."""
    known = holidays_of(range(today.year, today.year + 4)) if holidays is None else holidays
    return [*_of_rules(calendar, programs), *_of_reach(calendar, today, known)]


def _of_rules(calendar: Calendar, programs: Collection[str]) -> Iterator[Problem]:
    if not calendar.id or len(calendar.id) > 100 or not calendar.id.isprintable():
        yield refused("id", "Die Kennung hat 1 bis 100 Zeichen.", "The id has 1 to 100 characters.")
    if not all(one.strip() for one in calendar.name):
        yield refused("name", "Der Name fehlt (deutsch, englisch).", "The name is missing (German, English).")
    named = [(f"rules[{index}].program", rule.program) for index, rule in enumerate(calendar.rules)]
    if calendar.default is not None:
        named.append(("default", calendar.default))
    for path, program in named:
        if program not in programs:
            yield refused(path, f"Es gibt kein Programm {program}.", f"There is no program {program}.")
    for index, rule in enumerate(calendar.rules):
        if rule.first is not None and rule.last is not None and rule.last < rule.first:
            yield refused(
                f"rules[{index}].last", "Das Ende liegt vor dem Anfang.", "The end is before the beginning."
            )
        if isinstance(rule.when, Yearly):
            for name, day in (("first", rule.when.first), ("last", rule.when.last)):
                if day is not None and not _exists(day):
                    yield refused(
                        f"rules[{index}].when.{name}", f"Den {day} gibt es nicht.", f"There is no {day}."
                    )
        if (isinstance(rule.when, Weekdays | Monthly) and not rule.when.days) or (
            isinstance(rule.when, Dates) and not rule.when.dates
        ):
            yield refused(f"rules[{index}].when", "Die Regel nennt keinen Tag.", "The rule names no day.")


def _exists(day: str) -> bool:
    try:
        date.fromisoformat(f"2024-{day}")
    except ValueError:
        return False
    return True


def _of_reach(calendar: Calendar, today: date, holidays: Collection[date]) -> Iterator[Problem]:
    """What two years of nights show."""
    nights = [today + timedelta(day) for day in range(731)]
    choices = [program_of(calendar, night, holidays) for night in nights]
    empty = [night for night, choice in zip(nights, choices, strict=True) if choice.program is None]
    if empty:
        yield doubtful(
            "",
            f"{len(empty)} der nächsten {len(nights)} Nächte haben kein Programm, die erste am {empty[0]:%d.%m.%Y}: "
            "die Leuchten bleiben aus.",
            f"{len(empty)} of the next {len(nights)} nights have no program, the first on {empty[0]}: "
            "lamps stay off.",
        )
    chosen = {choice.rule for choice in choices}
    for index, rule in enumerate(calendar.rules):
        if index not in chosen and any(matches(rule, night, holidays) for night in nights):
            yield noted(
                f"rules[{index}]",
                f"Regel {index + 1} kommt nie zum Zuge: andere davor passen zuerst.",
                f"Rule {index + 1} never has its turn: others before it match first.",
            )
