"""The form of a program: its fields to a program, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

import msgspec

from ..control.problems import Problem, refused
from ..control.programs import AstroStep, ByVolume, Dynamic, Period, Program, Step
from .wording import split_error

Given = Mapping[str, str]

PARTS: Final[dict[str, tuple[str, ...]]] = {
    "periods": (
        *("kind", "start", "end", "sunset_offset", "sunrise_offset", "event", "sensor"),
        *("on_level", "off_level", "before_sunset", "before_sunrise"),
    ),
    "fixed": ("at", "level", "ramp"),
    "astro": ("event", "offset", "operation", "level", "ramp"),
    "dynamic": ("sensor", "operation", "level", "hold", "ramp", "ramp_back", "start", "end"),
}
VOLUME: Final = ByVolume.__struct_fields__
_OF_KIND: Final = {
    "absolute": ("start", "end"),
    "astro": ("sunset_offset", "sunrise_offset", "event"),
    "sensor": ("sensor", "on_level", "off_level"),
    "astro_sensor": (
        *("sensor", "sunset_offset", "sunrise_offset", "before_sunset", "before_sunrise"),
        *("on_level", "off_level"),
    ),
}
_NUMBERS: Final = frozenset(
    {
        *("sunset_offset", "sunrise_offset", "before_sunset", "before_sunrise", "offset", "level"),
        *("on_level", "off_level", "ramp", "ramp_back", "hold"),
    }
)
_ROW: Final = {
    "fixed": "at",
    "astro": "event",
    "dynamic": "operation",
    "periods": "kind",
}  # empty: no such row


def fields_of(program: Program) -> dict[str, str]:
    """What the form of a program holds."""
    found = {"name_de": program.name[0], "name_en": program.name[1]}
    parts: dict[str, Sequence[Period | Step | AstroStep | Dynamic]] = {
        "periods": program.periods,
        "fixed": program.fixed,
        "astro": program.astro,
        "dynamic": program.dynamic,
    }
    for part, those in parts.items():
        for index, one in enumerate(those):
            # Not its JSON form: that leaves out what is at its default.
            known = {name: getattr(one, name, None) for name in PARTS[part]}
            if part == "periods":
                known["kind"] = one.__struct_config__.tag
            for name, value in known.items():
                found[f"{part}-{index}-{name}"] = _shown(value)
    if program.volume is not None:
        found["volume"] = "on"
    volume = program.volume or ByVolume()
    return found | {f"volume_{name}": _shown(getattr(volume, name)) for name in VOLUME}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def rows(given: Given, part: str, more: int = 0) -> list[dict[str, str]]:
    """The rows of a part that the form shows: those that are filled, and `more` empty ones."""
    filled = [row for index in range(_count(given, part)) if (row := _row(given, part, index))[_ROW[part]]]
    return filled + [dict.fromkeys(PARTS[part], "")] * more


def _count(given: Given, part: str) -> int:
    numbers = [
        int(words[1])
        for name in given
        if len(words := name.split("-")) == 3
        and words[0] == part
        and words[1].isdigit()
        and len(words[1]) < 4
    ]
    return max(numbers, default=-1) + 1


def _row(given: Given, part: str, index: int) -> dict[str, str]:
    if given.get(f"{part}-{index}-remove"):
        return dict.fromkeys(PARTS[part], "")
    return {name: given.get(f"{part}-{index}-{name}", "").strip() for name in PARTS[part]}


def program_of(given: Given, one: str) -> tuple[Program | None, list[Problem]]:
    """The program that a form describes, or what cannot be read of it."""
    wrong: list[Problem] = []
    document: dict[str, Any] = {
        "id": one,
        "name": (given.get("name_de", "").strip(), given.get("name_en", "").strip()),
    }
    for part in PARTS:
        document[part] = [_member(part, index, row, wrong) for index, row in enumerate(rows(given, part))]
    if given.get("volume"):
        document["volume"] = _volume(given, wrong)
    if wrong:
        return None, wrong
    try:
        return msgspec.convert(document, Program), []
    except msgspec.ValidationError as error:
        path, text = split_error(error)
        return None, [refused(path, f"Unlesbar: {text}.", f"Cannot be read: {text}.")]


def _member(part: str, index: int, row: Mapping[str, str], wrong: list[Problem]) -> dict[str, Any]:
    names = ("kind", *_OF_KIND.get(row["kind"], ())) if part == "periods" else PARTS[part]
    found: dict[str, Any] = {}
    for name in names:
        text = row[name]
        if name == "sensor":
            found[name] = [one.strip() for one in text.split(",") if one.strip()]
        elif not text:
            continue
        elif name in _NUMBERS:
            number = _number(text)
            if number is None:
                wrong.append(
                    refused(f"{part}[{index}].{name}", f"Keine Zahl: {text!r}.", f"No number: {text!r}.")
                )
            else:
                found[name] = number
        else:
            found[name] = text
    return found


def _volume(given: Given, wrong: list[Problem]) -> dict[str, Any]:
    found = {}
    for name in VOLUME:
        text = given.get(f"volume_{name}", "").strip()
        if not text:
            continue
        found[name] = _number(text)
        if found[name] is None:
            wrong.append(refused(f"volume.{name}", f"Keine Zahl: {text!r}.", f"No number: {text!r}."))
    return found


def _number(text: str) -> float | int | None:
    try:
        number = float(text.replace(",", ".").replace("−", "-"))
    except ValueError:
        return None
    if number != number or abs(number) > 1e9:
        return None
    return int(number) if number.is_integer() else number
