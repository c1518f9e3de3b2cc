"""The life of a proposal: received, answered, accepted, declined, merged, handed to a project, done. Pure.

An answer is promised within some days. The clock runs from the day of receipt to the first step of the city.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from rhinecloud.app import Text


class State(StrEnum):
    """Where a proposal is."""

    RECEIVED = "received"
    ANSWERED = "answered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    MERGED = "merged"
    HANDED = "handed"
    DONE = "done"

    @property
    def text(self) -> Text:
        """German, English."""
        return _STATES[self]

    @property
    def open(self) -> bool:
        """Whether people may still support, comment and amend it."""
        return self not in (State.DECLINED, State.MERGED, State.DONE)


class Step(StrEnum):
    """What happens to a proposal and stands in its trail. `AMEND` is of its authors, `TAKE_IN` of the proposal that
    another was merged into."""

    RECEIVE = "receive"
    AMEND = "amend"
    ANSWER = "answer"
    ACCEPT = "accept"
    DECLINE = "decline"
    MERGE = "merge"
    TAKE_IN = "take_in"
    HAND_OVER = "hand_over"
    FINISH = "finish"

    @property
    def text(self) -> Text:
        """German, English."""
        return _STEPS[self]

    @property
    def reasoned(self) -> bool:
        """Whether it needs words: an answer, reasons, the name of the project."""
        return self in (Step.ANSWER, Step.DECLINE, Step.HAND_OVER)

    @property
    def answers(self) -> bool:
        """Whether it is an answer of the city, which stops the clock."""
        return self in (Step.ANSWER, Step.ACCEPT, Step.DECLINE, Step.MERGE, Step.HAND_OVER, Step.FINISH)


BY_STAFF: Final = (Step.ANSWER, Step.ACCEPT, Step.DECLINE, Step.HAND_OVER, Step.FINISH)
"""The steps of staff in the order of the form; a merge has a form of its own."""

_AFTER: Final[dict[State, dict[Step, State]]] = {
    State.RECEIVED: {
        Step.ANSWER: State.ANSWERED,
        Step.ACCEPT: State.ACCEPTED,
        Step.DECLINE: State.DECLINED,
        Step.MERGE: State.MERGED,
        Step.AMEND: State.RECEIVED,
        Step.TAKE_IN: State.RECEIVED,
    },
    State.ANSWERED: {
        Step.ANSWER: State.ANSWERED,
        Step.ACCEPT: State.ACCEPTED,
        Step.DECLINE: State.DECLINED,
        Step.MERGE: State.MERGED,
        Step.AMEND: State.ANSWERED,
        Step.TAKE_IN: State.ANSWERED,
    },
    State.ACCEPTED: {
        Step.ANSWER: State.ACCEPTED,
        Step.DECLINE: State.DECLINED,
        Step.MERGE: State.MERGED,
        Step.HAND_OVER: State.HANDED,
        Step.FINISH: State.DONE,
        Step.AMEND: State.ACCEPTED,
        Step.TAKE_IN: State.ACCEPTED,
    },
    State.HANDED: {
        Step.ANSWER: State.HANDED,
        Step.DECLINE: State.DECLINED,
        Step.FINISH: State.DONE,
        Step.TAKE_IN: State.HANDED,
    },
    # A city may think again; what was said before stays in the trail.
    State.DECLINED: {Step.ANSWER: State.DECLINED, Step.ACCEPT: State.ACCEPTED},
    State.DONE: {Step.ANSWER: State.DONE},
    State.MERGED: {},
}


def after(state: State | None, step: Step) -> State | None:
    """The state after a step, None if it cannot happen now. A proposal begins, from None, by being received."""
    if state is None:
        return State.RECEIVED if step is Step.RECEIVE else None
    return _AFTER[state].get(step)


def possible(state: State) -> list[Step]:
    """What staff may do now, without a merge."""
    return [step for step in BY_STAFF if step in _AFTER[state]]


class Clock(msgspec.Struct, frozen=True):
    """How the promise of an answer stands: `answered` or not; whole days that are `left`, or that it is `late` (0 if
    neither). Of what is answered `late` says by how much the promise was missed."""

    answered: bool
    left: int
    late: int

    @property
    def kept(self) -> bool:
        """Whether the promise is not broken."""
        return self.late == 0


_DAY: Final = timedelta(days=1)


def clock(promised_at: datetime, answered_at: datetime | None, now: datetime) -> Clock:
    """How the promise stands at a time. Days that have begun count whole: on the last day one is left, and a minute
    after it the answer is a day late."""
    at = answered_at if answered_at is not None else now
    if at > promised_at:
        return Clock(answered_at is not None, 0, _days(at - promised_at))
    return Clock(answered_at is not None, _days(promised_at - at) if answered_at is None else 0, 0)


def _days(span: timedelta) -> int:
    return -(-span // _DAY)


_STATES: Final[dict[State, Text]] = {
    State.RECEIVED: ("eingegangen", "received"),
    State.ANSWERED: ("beantwortet", "answered"),
    State.ACCEPTED: ("angenommen", "accepted"),
    State.DECLINED: ("abgelehnt", "declined"),
    State.MERGED: ("zusammengeführt", "merged"),
    State.HANDED: ("an ein Projekt übergeben", "handed to a project"),
    State.DONE: ("umgesetzt", "done"),
}
_STEPS: Final[dict[Step, Text]] = {
    Step.RECEIVE: ("Eingegangen", "Received"),
    Step.AMEND: ("Geändert", "Amended"),
    Step.ANSWER: ("Beantwortet", "Answered"),
    Step.ACCEPT: ("Angenommen", "Accepted"),
    Step.DECLINE: ("Abgelehnt", "Declined"),
    Step.MERGE: ("Zusammengeführt", "Merged"),
    Step.TAKE_IN: ("Ein anderer Vorschlag kam hinzu", "Another proposal was merged into it"),
    Step.HAND_OVER: ("An ein Projekt übergeben", "Handed to a project"),
    Step.FINISH: ("Umgesetzt", "Done"),
}
