"""The people of the demo's opening event: who they are, when they vote, and what they want. Pure, and the same at each
start, so that who votes again after a restart says the same."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

GROUPS: Final = ("Wirtschaft", "Verwaltung", "Wohnen", "Infrastruktur", "Mobilität", "Breitband")
# Of each kind of organisation: its share of the people, and how much they are drawn to each of GROUPS.
_DRAWN: Final[Mapping[str, tuple[float, tuple[int, ...]]]] = {
    "business": (0.40, (45, 6, 4, 15, 10, 20)),
    "science": (0.16, (10, 25, 5, 15, 25, 20)),
    "association": (0.20, (10, 30, 25, 15, 12, 8)),
    "club": (0.24, (3, 6, 40, 8, 35, 8)),
}
KINDS: Final = tuple(_DRAWN)
_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "business": ("Aufbruch", "Glasfaser", "Fachkräfte", "schneller", "Gewerbe", "vernetzt", "Hafen"),
    "science": ("offene Daten", "vernetzt", "klug", "Forschung", "Sensoren", "Aufbruch", "Klima"),
    "association": ("für alle", "barrierefrei", "vernetzt", "Vertrauen", "Datenschutz", "mitreden"),
    "club": ("mitreden", "für alle", "Fahrrad", "grün", "Nachbarschaft", "sicher", "Aufbruch"),
}
_CONTENT: Final = (3, 8, 24, 40, 25)  # how many of a hundred give 1, 2, 3, 4, 5
_LAST: Final = 0.85  # share of the time by which everybody has voted: the end belongs to guests
_WAVER: Final = 0.08  # share of the people who change their mind


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of a `kind`. Of the time of a vote, `arrives` and `changes` (None: never) are shares from 0 to 1; wishes
    are places in GROUPS, the dearest first, `second` what they are after a change of mind."""

    kind: str
    arrives: float
    changes: float | None
    wishes: tuple[int, ...]
    second: tuple[int, ...]
    words: tuple[str, ...]
    step: int


def audience(people: int) -> list[Person]:
    """So many people, by kinds, each kind in the order of its codes."""
    return [_person(kind, place) for kind, number in numbers(people).items() for place in range(number)]


def numbers(people: int) -> dict[str, int]:
    """How many of them are of each kind."""
    found = {kind: int(people * share) for kind, (share, _) in _DRAWN.items()}
    found[KINDS[0]] += people - sum(found.values())
    return found


def _person(kind: str, place: int) -> Person:
    chance = random.Random(f"{kind} {place}")
    arrives = _LAST * chance.random() ** 1.3
    wavers = chance.random() < _WAVER
    return Person(
        kind=kind,
        arrives=arrives,
        changes=arrives + (_LAST - arrives) * chance.random() if wavers else None,
        wishes=_wishes(chance, kind),
        second=_wishes(chance, kind),
        words=tuple(dict.fromkeys(chance.choices(_WORDS[kind], k=chance.choice((1, 2, 3))))),
        step=1 + chance.choices(range(5), _CONTENT)[0],
    )


def _wishes(chance: random.Random, kind: str) -> tuple[int, ...]:
    weights = list(_DRAWN[kind][1])
    found = []
    for _ in range(chance.choice((1, 2, 3, 3, 3))):
        one = chance.choices(range(len(GROUPS)), weights)[0]
        weights[one] = 0
        found.append(one)
    return tuple(found)
