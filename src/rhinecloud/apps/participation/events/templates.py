"""Ready-made events and polls, to begin with and to change. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from rhinecloud.app import Text

from .drafting import OptionDraft, PollDraft
from .model import Kind, Rule, Showing

# The theme groups of Duisburg's master plan.
THEMES: Final[tuple[Text, ...]] = (
    ("Wirtschaft", "Economy"),
    ("Verwaltung", "Administration"),
    ("Wohnen", "Housing"),
    ("Infrastruktur", "Infrastructure"),
    ("Mobilität", "Mobility"),
    ("Breitband", "Broadband"),
)
_YES_NO: Final[tuple[Text, ...]] = (("Ja", "Yes"), ("Nein", "No"), ("Enthaltung", "Abstention"))


class PollTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A poll that is ready but for its question. `name` says what it is for."""

    key: str
    name: Text
    about: Text
    kind: Kind
    title: Text
    secret: bool = False
    results: Showing = "live"
    rule: Rule = Rule()
    options: tuple[Text, ...] = ()
    low: Text = ("", "")
    high: Text = ("", "")

    def draft(self, language: str) -> PollDraft:
        """The poll in a language (`de`, else English)."""
        which = 0 if language == "de" else 1
        return PollDraft(
            kind=self.kind,
            title=self.title[which],
            secret=self.secret,
            results=self.results,
            rule=msgspec.structs.replace(self.rule, low=self.low[which], high=self.high[which]),
            options=tuple(OptionDraft(option[which]) for option in self.options),
        )


class EventTemplate(msgspec.Struct, frozen=True):
    """An event with polls that are ready."""

    key: str
    name: Text
    polls: tuple[str, ...]  # keys of templates of polls


POLLS: Final[tuple[PollTemplate, ...]] = (
    PollTemplate(
        key="groups",
        name=("Gruppe wählen", "Choose your group"),
        about=(
            "Wünsche der Reihe nach, auf Wunsch mit begrenzten Plätzen und Warteliste",
            "Ranked wishes, if you like with limited places and a waiting list",
        ),
        kind="groups",
        title=(
            "In welcher Themengruppe möchten Sie mitarbeiten?",
            "Which theme group would you like to join?",
        ),
        options=THEMES,
    ),
    PollTemplate(
        key="yes-no",
        name=("Ja oder Nein", "Yes or no"),
        about=("Eine Frage, geheim, mit Enthaltung", "One question, secret, with abstention"),
        kind="single",
        title=("Sind Sie dafür?", "Are you in favour?"),
        secret=True,
        results="closed",
        options=_YES_NO,
    ),
    PollTemplate(
        key="single",
        name=("Eine Antwort", "One answer"),
        about=("Eine von mehreren Antworten", "One of several answers"),
        kind="single",
        title=("Was ist Ihnen am wichtigsten?", "What matters most to you?"),
        options=THEMES,
    ),
    PollTemplate(
        key="multiple",
        name=("Mehrere Antworten", "Several answers"),
        about=("Bis zu drei von mehreren Antworten", "Up to three of several answers"),
        kind="multiple",
        title=("Was ist Ihnen wichtig?", "What matters to you?"),
        rule=Rule(most=3),
        options=THEMES,
    ),
    PollTemplate(
        key="scale",
        name=("Skala", "Scale"),
        about=("Eine Zahl von 1 bis 5", "A number from 1 to 5"),
        kind="scale",
        title=("Wie zufrieden sind Sie?", "How content are you?"),
        low=("gar nicht", "not at all"),
        high=("sehr", "very"),
    ),
    PollTemplate(
        key="words",
        name=("Wortwolke", "Word cloud"),
        about=(
            "Bis zu drei eigene Wörter, die Sie ausblenden können",
            "Up to three own words, which you can hide",
        ),
        kind="words",
        title=(
            "Was fällt Ihnen zur Stadt der Zukunft ein?",
            "What comes to mind about the city of tomorrow?",
        ),
        rule=Rule(most=3),
    ),
    PollTemplate(
        key="questions",
        name=("Fragen an die Bühne", "Questions to the stage"),
        about=("Eigene Fragen, die andere unterstützen", "Own questions, which others support"),
        kind="questions",
        title=("Ihre Fragen an die Bühne", "Your questions to the stage"),
    ),
)
EVENTS: Final[tuple[EventTemplate, ...]] = (
    EventTemplate(
        "opening",
        (
            "Auftakt mit Themengruppen, Wortwolke und Fragen",
            "Opening with theme groups, word cloud and questions",
        ),
        ("groups", "words", "questions"),
    ),
    EventTemplate(
        "meeting",
        ("Versammlung mit Ja oder Nein, Skala und Fragen", "Meeting with yes or no, scale and questions"),
        ("yes-no", "scale", "questions"),
    ),
    EventTemplate("empty", ("Leer: Abstimmungen später hinzufügen", "Empty: add polls later"), ()),
)


def poll(key: str) -> PollTemplate | None:
    """A ready-made poll."""
    return next((one for one in POLLS if one.key == key), None)


def polls_of(key: str, language: str) -> list[PollDraft] | None:
    """The polls of a ready-made event in a language; None if there is none such."""
    event = next((one for one in EVENTS if one.key == key), None)
    if event is None:
        return None
    return [found.draft(language) for one in event.polls if (found := poll(one)) is not None]
