"""What events, polls and options are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from rhinecloud.app import Text

Admission = Literal["invitation", "seat", "open"]
EventState = Literal["prepared", "open", "over"]
PollState = Literal["prepared", "open", "closed"]
Kind = Literal["groups", "single", "multiple", "scale", "words", "questions"]
Showing = Literal["live", "reveal", "closed"]

KINDS: Final[Mapping[Kind, Text]] = {
    "groups": ("Gruppe wählen", "choose your group"),
    "single": ("eine Antwort", "one answer"),
    "multiple": ("mehrere Antworten", "several answers"),
    "scale": ("Skala", "scale"),
    "words": ("offene Wörter", "open words"),
    "questions": ("Fragen an die Bühne", "questions to the stage"),
}
# Kinds of organisations that places may be reserved for; "person" for who comes for nobody.
ORGANISATIONS: Final[Mapping[str, Text]] = {
    "business": ("Wirtschaft", "business"),
    "science": ("Wissenschaft", "science"),
    "association": ("Verbände", "associations"),
    "club": ("Vereine", "clubs"),
    "person": ("ohne Organisation", "no organisation"),
}
CODE: Final = (
    "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # what codes are made of: nothing that looks like something else
)
CODES: Final = frozenset(CODE)
CODE_LENGTH: Final = 6  # of the short code of an event


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the kind of a poll needs. `wishes`: how many groups may be ranked; `by`: who goes first where places are
    few; `solver`: the organiser lets a solver satisfy as many wishes as can be. `least` and `most`: how many answers,
    or words, may be given; `moderated`: words appear once somebody has let them through; a scale goes from 1 to
    `steps`, with words at its ends. `seed` is the hash, in hexadecimal, of the secret of the draw, told before the
    vote."""

    wishes: int = 3
    by: Literal["lot", "arrival"] = "lot"
    solver: bool = False
    least: int = 1
    most: int = 1
    moderated: bool = False
    steps: int = 5
    low: str = ""
    high: str = ""
    seed: str = ""


class Option(msgspec.Struct, frozen=True):
    """What can be chosen. `capacity`: places, None for as many as like; of these `reserved` are for kinds of
    organisations."""

    number: int
    title: str
    capacity: int | None = None
    reserved: Mapping[str, int] = {}


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A poll of an event, with its options in their order."""

    number: int
    event: int
    kind: Kind
    title: str
    explanation: str
    secret: bool
    results: Showing
    state: PollState
    revealed: bool
    rule: Rule
    options: tuple[Option, ...] = ()

    @property
    def open_results(self) -> bool:
        """Whether everybody may see what was chosen, now."""
        if self.results == "reveal":
            return self.revealed
        return self.state == "closed" or (self.results == "live" and self.state == "open")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event. `key` signs invitation codes and what phones keep; it is shown nowhere. `current` is the number of the
    poll that stage and phones show, None for the welcome."""

    number: int
    code: str
    title: str
    lead: str
    admission: Admission
    expected: int
    state: EventState
    key: bytes
    starts_at: datetime | None
    current: int | None
    polls: tuple[Poll, ...] = ()

    @property
    def shown(self) -> Poll | None:
        """The poll that stage and phones show."""
        return next((poll for poll in self.polls if poll.number == self.current), None)

    def poll(self, number: int) -> Poll | None:
        """One of its polls."""
        return next((poll for poll in self.polls if poll.number == number), None)
