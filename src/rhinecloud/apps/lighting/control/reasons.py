"""Why a lamp should be at its level: the chain from what decided down to what lies below."""

from __future__ import annotations

from typing import Literal

import msgspec

from rhinecloud.app import Text

Kind = Literal[
    "override", "law", "demand", "fixed", "astro", "ramp", "outside", "calendar", "no_program", "volume"
]


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of the why.

    `id` is that of the override, law rule, demand (its source), program or calendar; `index` is that of the program's
    fixed or astro step, or of the calendar's rule (none: its default program). Of a class by volume `id` is where it is
    counted (empty: nowhere), `needed` and `installed` are classes (empty: not known), `vehicles` and the threshold
    `limit` an hour (none: no count that holds).
    """

    kind: Kind
    id: str = ""
    index: int | None = None
    needed: str = ""
    installed: str = ""
    vehicles: float | None = None
    limit: float | None = None


Why = tuple[Reason, ...]


def text(reason: Reason) -> Text:
    """In words, German and English; what is counted begins with 1."""
    name = reason.id
    number = None if reason.index is None else reason.index + 1
    match reason.kind:
        case "override":
            return f"Übersteuerung {name}", f"override {name}"
        case "law":
            return f"Regel {name}", f"rule {name}"
        case "demand":
            return f"Licht nach Bedarf ({name})", f"light on demand ({name})"
        case "fixed":
            return f"Programm {name}, Schaltzeit {number}", f"program {name}, step {number}"
        case "astro":
            return f"Programm {name}, Sonnenschaltung {number}", f"program {name}, solar step {number}"
        case "ramp":
            return f"Programm {name}, Übergang", f"program {name}, ramp"
        case "outside":
            return f"außerhalb der Betriebszeit von Programm {name}", f"outside the periods of program {name}"
        case "calendar":
            if number is None:
                return f"Kalender {name}, Standardprogramm", f"calendar {name}, default program"
            return f"Kalender {name}, Regel {number}", f"calendar {name}, rule {number}"
        case "volume":
            return _of_volume(reason)
        case "no_program":
            return "kein Programm in dieser Nacht", "no program in this night"


def _of_volume(reason: Reason) -> Text:
    if not reason.installed:
        return (
            "keine Klasse nach Verkehr: die der Leuchte ist nicht bekannt",
            "no class by traffic: that of the lamp is not known",
        )
    needed = reason.needed
    if not reason.id:
        return f"Klasse {needed}: hier wird nicht gezählt", f"class {needed}: nobody counts here"
    if reason.vehicles is None or reason.limit is None:
        return (
            f"Klasse {needed}: keine gültige Zählung ({reason.id})",
            f"class {needed}: no count that holds ({reason.id})",
        )
    counted, limit = f"{reason.vehicles:.0f}", f"{reason.limit:.0f}"
    if needed == reason.installed:
        return (
            f"Klasse {needed}: {counted} Fahrzeuge/h, weniger Licht unter {limit} ({reason.id})",
            f"class {needed}: {counted} vehicles/h, less light below {limit} ({reason.id})",
        )
    return (
        f"Klasse {needed} statt {reason.installed}: {counted} Fahrzeuge/h, Schwelle {limit} ({reason.id})",
        f"class {needed} instead of {reason.installed}: {counted} vehicles/h, threshold {limit} ({reason.id})",
    )


def texts(why: Why, language: int) -> str:
    """The whole chain in one line; `language` 0 for German, 1 for English."""
    return " ← ".join(text(reason)[language] for reason in why)
