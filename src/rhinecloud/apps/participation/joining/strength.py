"""How well each way of coming in keeps one person to one vote, said honestly. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from rhinecloud.app import Text

from ..events.model import Admission


class Strength(msgspec.Struct, frozen=True):
    """`name` of a way of coming in, `level` (3 the strongest of them, 1 the weakest), in a word, and what it means."""

    name: Text
    level: int
    word: Text
    text: Text


STRENGTHS: Final[Mapping[Admission, Strength]] = {
    "seat": Strength(
        ("Anmeldung mit Namen", "registered seats"),
        3,
        ("stark", "strong"),
        (
            "Jede angemeldete Person hat einen eigenen Code und damit genau eine Stimme. Wer seinen Code weitergibt, "
            "gibt seine Stimme weiter. Die Stadt weiß, wer angemeldet ist.",
            "Each registered person has a code of their own, and with it exactly one vote. Who hands on their code "
            "hands on their vote. The city knows who is registered.",
        ),
    ),
    "invitation": Strength(
        ("Einladungscodes ohne Namen", "invitation codes without names"),
        2,
        ("mittel", "medium"),
        (
            "Jeder Code hat genau eine Stimme und lässt sich nicht erraten. Wer mehrere Codes bekommt, kann mehrmals "
            "abstimmen. Die Stadt weiß nicht, wer welchen Code hat.",
            "Each code has exactly one vote and cannot be guessed. Who gets several codes can vote several times. The "
            "city does not know who has which code.",
        ),
    ),
    "open": Strength(
        ("offener Link", "open link"),
        1,
        ("schwach", "weak"),
        (
            "Jedes Gerät hat eine Stimme. Wer ein zweites Gerät benutzt oder die Cookies löscht, kann mehrmals "
            "abstimmen. Gebremst wird nur, wie viele Geräte auf einmal aus einem Netz kommen. Das Ergebnis ist ein "
            "Stimmungsbild, keine Wahl.",
            "Each device has one vote. Who uses a second device or deletes their cookies can vote several times. Only "
            "how many devices come from one network at once is limited. The result is a mood, not an election.",
        ),
    ),
}


def strength(admission: Admission) -> Text:
    """What one can expect of a way of coming in: a few sentences for who prepares an event and who takes part in it."""
    return STRENGTHS[admission].text
