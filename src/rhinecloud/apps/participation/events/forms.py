"""The forms of an event and of a poll: their fields to drafts, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, Final, Literal, get_args

from .drafting import CHOSEN, EventDraft, OptionDraft, PollDraft, Wrong
from .model import ORGANISATIONS, Admission, Event, Kind, Poll, Rule, Showing

Given = Mapping[str, str]
MORE: Final = 2  # empty rows for further options
_MOST_ROWS: Final = 60
_By = Literal["lot", "arrival"]


def event_of(given: Given, zone: tzinfo) -> EventDraft:
    """The event that a form describes. `zone`: of the time that was typed. Raises Wrong."""
    return EventDraft(
        title=given.get("title", ""),
        lead=given.get("lead", ""),
        admission=_one("admission", given.get("admission", "open"), Admission),
        expected=_whole("expected", given.get("expected", ""), 150),
        starts_at=_moment(given.get("starts_at", ""), zone),
    )


def fields_of_event(event: Event, zone: tzinfo) -> dict[str, str]:
    """What the form of an event holds."""
    starts = "" if event.starts_at is None else event.starts_at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")
    return {
        "title": event.title,
        "lead": event.lead,
        "admission": event.admission,
        "expected": str(event.expected),
        "starts_at": starts,
    }


def poll_of(given: Given, kind: Kind, before: Poll | None = None) -> PollDraft:
    """The poll that a form describes. `before`: what it was, for the numbers of its options. Raises Wrong."""
    rule = Rule(
        wishes=_whole("wishes", given.get("wishes", ""), 3),
        by=_one("by", given.get("by", "lot"), _By),
        solver="solver" in given,
        least=_whole("least", given.get("least", ""), 1),
        most=_whole("most", given.get("most", ""), 1),
        moderated="moderated" in given,
        steps=_whole("steps", given.get("steps", ""), 5),
        low=given.get("low", ""),
        high=given.get("high", ""),
    )
    return PollDraft(
        kind=kind,
        title=given.get("title", ""),
        explanation=given.get("explanation", ""),
        secret=given.get("secret", "") == "yes",
        results=_one("results", given.get("results", "live"), Showing),
        rule=rule,
        options=tuple(_options(given, kind, before)) if kind in CHOSEN else (),
    )


def _options(given: Given, kind: Kind, before: Poll | None) -> list[OptionDraft]:
    numbers = [option.number for option in before.options] if before is not None else []
    if kind != "groups":
        titles = [line.strip() for line in given.get("options", "").splitlines() if line.strip()]
        return [OptionDraft(title, number=_at(numbers, place)) for place, title in enumerate(titles)]
    found = []
    for place in range(rows(given)):
        title, capacity = (
            given.get(f"option-{place}-title", ""),
            given.get(f"option-{place}-capacity", "").strip(),
        )
        if not title.strip():
            continue
        reserved = {
            of: _whole(f"option-{place}-reserved", given.get(f"option-{place}-{of}", ""), 0)
            for of in ORGANISATIONS
        }
        places = _whole(f"option-{place}-capacity", capacity, 0) if capacity else None
        found.append(OptionDraft(title, places, reserved, _at(numbers, place)))
    return found


def fields_of_poll(draft: PollDraft) -> dict[str, str]:
    """What the form of a poll holds."""
    rule = draft.rule
    found = {
        "title": draft.title,
        "explanation": draft.explanation,
        "secret": "yes" if draft.secret else "no",
        "results": draft.results,
        "wishes": str(rule.wishes),
        "by": rule.by,
        "least": str(rule.least),
        "most": str(rule.most),
        "steps": str(rule.steps),
        "low": rule.low,
        "high": rule.high,
        "options": "\n".join(option.title for option in draft.options),
    }
    found |= {name: "on" for name in ("solver", "moderated") if getattr(rule, name)}
    for place, option in enumerate(draft.options):
        found[f"option-{place}-title"] = option.title
        found[f"option-{place}-capacity"] = "" if option.capacity is None else str(option.capacity)
        found |= {f"option-{place}-{of}": str(places) for of, places in option.reserved.items()}
    return found


def rows(given: Given) -> int:
    """How many rows of options a form has: up to the last one with a title."""
    filled = [place for place in range(_MOST_ROWS) if given.get(f"option-{place}-title", "").strip()]
    return filled[-1] + 1 if filled else 0


def _at(numbers: list[int], place: int) -> int | None:
    return numbers[place] if place < len(numbers) else None


def _one(field: str, text: str, among: Any) -> Any:
    if text not in get_args(among):
        raise Wrong(field, ("Bitte wählen Sie etwas aus der Liste.", "Please choose from the list."))
    return text


def _whole(field: str, text: str, otherwise: int) -> int:
    text = text.strip()
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Wrong(field, ("Bitte eine ganze Zahl eingeben.", "Please enter a whole number."))
    return int(text)


def _moment(text: str, zone: tzinfo) -> datetime | None:
    if not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip())
        if not 2000 <= at.year <= 2200:
            raise ValueError("far away")
    except ValueError as error:
        raise Wrong("starts_at", ("Das ist kein Tag mit Uhrzeit.", "This is no day with a time.")) from error
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)
