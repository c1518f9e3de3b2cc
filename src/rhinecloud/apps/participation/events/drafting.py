"""Events and polls as somebody wants them, and what is wrong with that. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from rhinecloud.app import Text

from .model import ORGANISATIONS, Admission, Kind, Option, Poll, Rule, Showing

_TITLE: Final = 200
_TEXT: Final = 2_000
_ANSWER: Final = 120
_MOST_OPTIONS: Final = 60
_MOST_PLACES: Final = 100_000
CHOSEN: Final = frozenset({"groups", "single", "multiple"})  # kinds with options


class Wrong(Exception):
    """Something cannot be as it was given: which field, and why."""

    def __init__(self, field: str, text: Text) -> None:
        self.field, self.text = field, text
        super().__init__(f"{field}: {text[1]}")


class Fewer(Wrong):
    """A capacity below the places that are taken."""


class Running(Wrong):
    """A poll that is open, or was, cannot be changed in this way."""


class EventDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An event as somebody wants it. `expected`: how many people."""

    title: str
    lead: str = ""
    admission: Admission = "open"
    expected: int = 150
    starts_at: datetime | None = None


class OptionDraft(msgspec.Struct, frozen=True):
    """An option as somebody wants it; `number` of one that there is."""

    title: str
    capacity: int | None = None
    reserved: Mapping[str, int] = {}
    number: int | None = None


class PollDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A poll as somebody wants it."""

    kind: Kind
    title: str
    explanation: str = ""
    secret: bool = False
    results: Showing = "live"
    rule: Rule = Rule()
    options: tuple[OptionDraft, ...] = ()


def check_event(draft: EventDraft) -> EventDraft:
    """The draft, tidied. Raises Wrong."""
    if not 1 <= draft.expected <= _MOST_PLACES:
        raise Wrong("expected", ("Zwischen 1 und 100.000 Personen.", "Between 1 and 100,000 people."))
    return msgspec.structs.replace(
        draft, title=_line("title", draft.title, _TITLE), lead=_lines("lead", draft.lead)
    )


def check_poll(draft: PollDraft) -> PollDraft:
    """The draft, tidied, with options only where its kind has any. Raises Wrong."""
    options = tuple(_option(number, one) for number, one in enumerate(draft.options))
    if draft.kind not in CHOSEN:
        options = ()
    elif len(options) < 2:
        raise Wrong("options", ("Es braucht mindestens zwei Antworten.", "At least two answers are needed."))
    elif len(options) > _MOST_OPTIONS:
        raise Wrong("options", ("Es gehen höchstens 60 Antworten.", "There can be 60 answers at most."))
    if len({option.title.casefold() for option in options}) < len(options):
        raise Wrong("options", ("Zwei Antworten heißen gleich.", "Two answers have the same title."))
    if draft.kind != "groups":
        options = tuple(OptionDraft(option.title, number=option.number) for option in options)
    return msgspec.structs.replace(
        draft,
        title=_line("title", draft.title, _TITLE),
        explanation=_lines("explanation", draft.explanation),
        rule=_rule(draft.kind, draft.rule, len(options)),
        options=options,
        # Ranks, places and up-votes are somebody's for as long as they count.
        secret=draft.secret and draft.kind not in ("groups", "questions"),
    )


def _line(field: str, text: str, longest: int) -> str:
    text = " ".join(text.split())
    if not text:
        raise Wrong(field, ("Hier fehlt etwas.", "Something is missing here."))
    if len(text) > longest or not text.isprintable():
        raise Wrong(field, (f"Höchstens {longest} Zeichen.", f"{longest} characters at most."))
    return text


def _lines(field: str, text: str) -> str:
    text = text.strip().replace("\r\n", "\n")
    if len(text) > _TEXT or not text.replace("\n", "").replace("\t", "").isprintable():
        raise Wrong(field, (f"Höchstens {_TEXT} Zeichen.", f"{_TEXT} characters at most."))
    return text


def _option(place: int, option: OptionDraft) -> OptionDraft:
    field = f"option-{place}"
    title = _line(f"{field}-title", option.title, _ANSWER)
    reserved = {kind: places for kind, places in option.reserved.items() if places}
    if any(kind not in ORGANISATIONS or places < 0 for kind, places in reserved.items()):
        raise Wrong(f"{field}-reserved", ("Diese Plätze gibt es nicht.", "There are no such places."))
    if option.capacity is None:
        if reserved:
            text = (
                "Reserviert werden kann nur, wo Plätze begrenzt sind.",
                "Limit the places to reserve some.",
            )
            raise Wrong(f"{field}-reserved", text)
    elif not 0 <= option.capacity <= _MOST_PLACES:
        raise Wrong(f"{field}-capacity", ("Zwischen 0 und 100.000 Plätzen.", "Between 0 and 100,000 places."))
    elif sum(reserved.values()) > option.capacity:
        text = ("Es sind mehr Plätze reserviert, als es gibt.", "More places are reserved than there are.")
        raise Wrong(f"{field}-reserved", text)
    return msgspec.structs.replace(option, title=title, reserved=reserved)


def _rule(kind: Kind, rule: Rule, options: int) -> Rule:
    """What the kind needs of a rule; the rest is left at its defaults."""
    if kind == "groups":
        if not 1 <= rule.wishes <= 10:
            raise Wrong("wishes", ("Zwischen 1 und 10 Wünschen.", "Between 1 and 10 wishes."))
        return Rule(wishes=min(rule.wishes, options), by=rule.by, solver=rule.solver, seed=rule.seed)
    if kind == "multiple":
        if not 0 <= rule.least <= rule.most or not 1 <= rule.most <= options:
            text = (f"Zwischen 1 und {options} Antworten.", f"Between 1 and {options} answers.")
            raise Wrong("most", text)
        return Rule(least=rule.least, most=rule.most)
    if kind == "scale":
        if not 2 <= rule.steps <= 11:
            raise Wrong("steps", ("Zwischen 2 und 11 Stufen.", "Between 2 and 11 steps."))
        low, high = " ".join(rule.low.split()), " ".join(rule.high.split())
        if max(len(low), len(high)) > 40 or not (low + high).isprintable():
            raise Wrong("low", ("Höchstens 40 Zeichen.", "40 characters at most."))
        return Rule(steps=rule.steps, low=low, high=high)
    if kind == "words":
        if not 1 <= rule.most <= 10:
            raise Wrong("most", ("Zwischen 1 und 10 Wörtern.", "Between 1 and 10 words."))
        return Rule(most=rule.most, moderated=rule.moderated)
    return Rule()


def still_what_was_told(poll: Poll, draft: PollDraft) -> None:
    """Raises Running if a draft changes what people were told about a poll before they voted."""
    told: Sequence[tuple[str, Callable[[Any], Any]]] = (
        ("title", lambda one: one.title),
        ("secret", lambda one: one.secret),
        ("results", lambda one: one.results),
        ("wishes", lambda one: msgspec.structs.replace(one.rule, seed="")),
        ("options", lambda one: [(option.number, option.title) for option in one.options]),
    )
    for field, of in told:
        if of(poll) != of(draft):
            text = (
                "Das war den Teilnehmenden vor der Stimme gesagt und bleibt, wie es ist.",
                "People were told this before they voted; it stays as it is.",
            )
            raise Running(field, text)


def draft_of(poll: Poll) -> PollDraft:
    """A poll as somebody would want it again."""
    return PollDraft(
        kind=poll.kind,
        title=poll.title,
        explanation=poll.explanation,
        secret=poll.secret,
        results=poll.results,
        rule=poll.rule,
        options=tuple(_draft_of(option) for option in poll.options),
    )


def _draft_of(option: Option) -> OptionDraft:
    return OptionDraft(option.title, option.capacity, option.reserved, option.number)
