"""Why a lamp should be at its level: the chain from what decided down to what lies below."""

from __future__ import annotations

from typing import Literal

import msgspec

from rhinecloud.app import Text

Kind = Literal["override", "law", "demand", "fixed", "astro", "ramp", "outside", "calendar", "no_program"]


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of the why.

    `id` is that of the override, law rule, demand (its source), program or calendar; `index` is that of the program's
    fixed or astro step, or of the calendar's rule (none: its default program).
    """

    kind: Kind
    id: str = ""
    index: int | None = None


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
        case "no_program":
            return "kein Programm in dieser Nacht", "no program in this night"


def texts(why: Why, language: int) -> str:
    """The whole chain in one line; `language` 0 for German, 1 for English."""
    return " ← ".join(text(reason)[language] for reason in why)
