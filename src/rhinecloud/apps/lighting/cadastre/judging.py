"""Whether what a file says can be taken into the cadastre: what is wrong with each line, before anything is written.
Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from rhinecloud.app import Text
from rhinecloud.city import Mapped

from .kinds import Kind

_CLASS: Final = re.compile(r"M[1-6]|C[0-5]|P[1-7]")
_MOST_POWER: Final = 5_000.0  # W of a lamp or luminaire type: more is a slip of the decimal point
_OF_CABINETS: Final = "maximumPowerAvailable"


class Judged(msgspec.Struct, frozen=True):
    """A line: the entity that it makes and whether that is new, or what is wrong."""

    line: int
    entity: dict[str, Any] | None
    new: bool = False
    problem: Text | None = None


def judged(kind: Kind, lines: Iterable[Mapped], known: Mapping[str, Collection[str]]) -> Iterator[Judged]:
    """Each line of a file. `known`: the ids of the entities of a type that are there."""
    first: dict[str, int] = {}
    for one in lines:
        if one.entity is None:
            yield Judged(one.line, None, problem=(one.problem, one.problem))
            continue
        entity = one.entity["id"]
        twice = first.setdefault(entity, one.line)
        new = entity not in known[kind.type]
        problem = _twice(entity, twice) if twice != one.line else _problem(kind, one.entity, new, known)
        yield Judged(one.line, None if problem else _completed(kind, one.entity, new), new, problem)


def _twice(entity: str, line: int) -> Text:
    number = entity.rpartition(":")[2]
    return (
        f"Die Nummer {number} steht schon in Zeile {line}.",
        f"the number {number} stands in line {line} already",
    )


def _problem(
    kind: Kind, entity: Mapping[str, Any], new: bool, known: Mapping[str, Collection[str]]
) -> Text | None:
    number = entity["id"].rpartition(":")[2]
    if kind.updates and new:
        return (f"Die Leuchte {number} gibt es nicht.", f"there is no lamp {number}")
    for attribute, type in kind.names:
        for named in _named(entity.get(attribute)):
            if named not in known[type]:
                return _unknown(type, named.rpartition(":")[2])
    for attribute in kind.powers:
        power = _value(entity.get(attribute))
        most = float("inf") if attribute == _OF_CABINETS else _MOST_POWER
        if power is not None and not 0 < power <= most:
            return (
                f"Eine Leistung ist größer als 0 und höchstens {most:.0f} Watt, nicht {power:g}."
                if power > 0
                else f"Eine Leistung ist größer als 0 Watt, nicht {power:g}.",
                f"a power is more than 0 and at most {most:.0f} W, not {power:g}"
                if power > 0
                else f"a power is more than 0 W, not {power:g}",
            )
    designed = _value(entity.get("lightingClass"))
    if designed is not None and _CLASS.fullmatch(designed) is None:
        return (
            f"Eine Klasse nach EN 13201-2 ist M1…M6, C0…C5 oder P1…P7, nicht {designed}.",
            f"a class of EN 13201-2 is M1…M6, C0…C5 or P1…P7, not {designed}",
        )
    return None


_WORDS: Final[Mapping[str, Text]] = {
    "StreetlightControlCabinet": ("Den Schaltschrank {} gibt es nicht.", "there is no cabinet {}"),
    "StreetlightFeeder": ("Den Abgang {} gibt es nicht.", "there is no feeder {}"),
    "StreetlightModel": ("Den Leuchtentyp {} gibt es nicht.", "there is no luminaire type {}"),
    "StreetlightGroup": ("Die Schaltgruppe {} gibt es nicht.", "there is no switching group {}"),
}


def _unknown(type: str, number: str) -> Text:
    german, english = _WORDS[type]
    return (german.format(number), english.format(number))


def _completed(kind: Kind, entity: dict[str, Any], new: bool) -> dict[str, Any]:
    """With what the data model asks of a new entity. What is there keeps its state."""
    return entity if not new else {**dict(kind.given), **entity}


def _named(attribute: Any) -> tuple[str, ...]:
    if attribute is None:
        return ()
    named = attribute.get("object", attribute.get("value"))
    return tuple(named) if isinstance(named, list) else (named,)


def _value(attribute: Any) -> Any:
    return None if attribute is None else attribute.get("value")
