"""What people read of plans: where in a plan something is wrong, which nights a rule means."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from rhinecloud.app import Text

from ..control.calendars import Dates, Holidays, Monthly, Rule, Weekdays, Yearly

DAYS: Final[tuple[Text, ...]] = (
    ("Mo", "Mon"),
    ("Di", "Tue"),
    ("Mi", "Wed"),
    ("Do", "Thu"),
    ("Fr", "Fri"),
    ("Sa", "Sat"),
    ("So", "Sun"),
)
_PARTS: Final[dict[str, Text]] = {
    "periods": ("Zeitraum", "period"),
    "fixed": ("Schaltzeit", "step"),
    "astro": ("Sonnenschaltung", "solar step"),
    "dynamic": ("Sensorsteuerung", "sensor control"),
    "volume": ("Klasse nach Verkehr", "class by traffic"),
    "rules": ("Regel", "rule"),
    "assignments": ("Zeile", "line"),
    "name": ("Name", "name"),
    "id": ("Kennung", "id"),
    "default": ("Standardprogramm", "default program"),
    "selection": ("Auswahl", "selection"),
}
_INDEXED: Final = re.compile(r"([a-z]+)(?:\[(\d+)\])?")
_LETTERS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_PATH: Final = re.compile(r" - at `\$\.?([^`]*)`$")


def where(path: str) -> Text:
    """A place in a plan: `fixed[2].level` is step 3."""
    matched = _INDEXED.match(path)
    if matched is None or matched[1] not in _PARTS:
        return "", ""
    number = "" if matched[2] is None else f" {int(matched[2]) + 1}"
    german, english = _PARTS[matched[1]]
    return german + number, english + number


def slug(name: str) -> str:
    """An id for a name: `Wohnstraße, Süd` is wohnstrasse-sued."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS)).encode("ascii", "ignore").decode()
    found = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60]
    return "neu" if found == "new" else found  # /programs/new is the form


def split_error(error: Exception) -> tuple[str, str]:
    """Where and what, of a msgspec.ValidationError."""
    text = str(error)
    matched = _PATH.search(text)
    return (matched[1], text[: matched.start()]) if matched else ("", text)


def nights(rule: Rule) -> Text:
    """Which nights a rule means."""
    german, english = _when(rule)
    if rule.first is not None:
        german += f", ab {rule.first:%d.%m.%Y}"
        english += f", from {rule.first} on"
    if rule.last is not None:
        german += f", bis {rule.last:%d.%m.%Y}"
        english += f", until {rule.last}"
    return german, english


def _when(rule: Rule) -> Text:
    match rule.when:
        case None:
            return "alle Nächte", "all nights"
        case Weekdays(days, nth):
            german, english = (", ".join(DAYS[day - 1][language] for day in days) for language in (0, 1))
            if nth:
                german += (
                    " (nur "
                    + ", ".join("letzter" if one == "last" else f"{one}." for one in nth)
                    + " im Monat)"
                )
                english += f" (only {', '.join(map(str, nth))} of the month)"
            return german, english
        case Yearly(first, last):
            if last is None:
                return f"jedes Jahr am {_day(first)}", f"each year on {first}"
            return f"jedes Jahr vom {_day(first)} bis {_day(last)}", f"each year from {first} to {last}"
        case Monthly(days):
            listed = ", ".join(f"{day}." for day in days)
            return f"jeden Monat am {listed}", f"each month on the {listed}"
        case Dates(dates):
            return ", ".join(f"{one:%d.%m.%Y}" for one in dates), ", ".join(map(str, dates))
        case Holidays(eve):
            if eve:
                return "Feiertage (NRW) und die Nächte davor", "public holidays (NRW) and the nights before"
            return "Feiertage (NRW)", "public holidays (NRW)"


def _day(text: str) -> str:
    return f"{text[3:]}.{text[:2]}."
