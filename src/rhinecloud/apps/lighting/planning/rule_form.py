"""The form of a calendar's rule: its fields to a rule, and back. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ..control.calendars import Dates, Holidays, Monthly, Rule, Weekdays, Yearly
from ..control.problems import Problem, refused
from .wording import split_error

_NTH: Final = ("1", "2", "3", "4", "5", "last")
_SPLIT: Final = re.compile(r"[\s,;]+")
_DAY: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.?")
_DATE: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")


def fields_of(rule: Rule) -> dict[str, str]:
    """What the form of a rule holds."""
    found = {
        "program": rule.program,
        "kind": "all",
        "first": "" if rule.first is None else rule.first.isoformat(),
        "last": "" if rule.last is None else rule.last.isoformat(),
    }
    match rule.when:
        case Weekdays(days, nth):
            found |= {"kind": "weekdays"} | {f"day-{day}": "on" for day in days}
            found |= {f"nth-{one}": "on" for one in nth}
        case Yearly(first, last):
            found |= {"kind": "yearly", "from": first, "to": last or ""}
        case Monthly(days):
            found |= {"kind": "monthly", "days": ", ".join(map(str, days))}
        case Dates(dates):
            found |= {"kind": "dates", "dates": "\n".join(map(str, dates))}
        case Holidays(eve):
            found |= {"kind": "holidays"} | ({"eve": "on"} if eve else {})
    return found


def rule_of(given: Mapping[str, str], index: int) -> tuple[Rule | None, list[Problem]]:
    """The rule that a form describes, or what cannot be read of it."""
    document: dict[str, Any] = {"program": given.get("program", "")}
    for name in ("first", "last"):
        if given.get(name):
            document[name] = _date(given[name])
    when = _when(given)
    if when is not None:
        document["when"] = when
    if not document["program"]:
        return None, [
            refused(f"rules[{index}]", "Die Regel nennt kein Programm.", "The rule names no program.")
        ]
    try:
        return msgspec.convert(document, Rule), []
    except msgspec.ValidationError as error:
        path, text = split_error(error)
        return None, [
            refused(
                f"rules[{index}].{path}", f"Unlesbar ({path}): {text}.", f"Cannot be read ({path}): {text}."
            )
        ]


def _when(given: Mapping[str, str]) -> dict[str, Any] | None:
    match given.get("kind", "all"):
        case "weekdays":
            days = [day for day in range(1, 8) if given.get(f"day-{day}")]
            nth = [one if one == "last" else int(one) for one in _NTH if given.get(f"nth-{one}")]
            return {"kind": "weekdays", "days": days, "nth": nth}
        case "yearly":
            return {
                "kind": "yearly",
                "first": _day(given.get("from", "")),
                "last": _day(given["to"]) if given.get("to") else None,
            }
        case "monthly":
            those = [int(one) if one.isdigit() else one for one in _listed(given.get("days", ""))]
            return {"kind": "monthly", "days": those}
        case "dates":
            return {"kind": "dates", "dates": [_date(one) for one in _listed(given.get("dates", ""))]}
        case "holidays":
            return {"kind": "holidays", "eve": bool(given.get("eve"))}
    return None


def _listed(text: str) -> list[str]:
    return [one.rstrip(".") if one.rstrip(".").isdigit() else one for one in _SPLIT.split(text) if one]


def _day(text: str) -> str:
    """`24.12.` is 12-24."""
    matched = _DAY.fullmatch(text.strip())
    return f"{int(matched[2]):02d}-{int(matched[1]):02d}" if matched else text.strip()


def _date(text: str) -> str:
    """`24.12.2026` is 2026-12-24."""
    matched = _DATE.fullmatch(text)
    return f"{matched[3]}-{int(matched[2]):02d}-{int(matched[1]):02d}" if matched else text
