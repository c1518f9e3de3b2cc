"""The life of a work order: new, assigned, on the way, done, verified by the lamp itself. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from rhinecloud.app import Text


class State(StrEnum):
    """Where an order is."""

    NEW = "new"
    ASSIGNED = "assigned"
    ON_THE_WAY = "on_the_way"
    DONE = "done"
    VERIFIED = "verified"
    WITHDRAWN = "withdrawn"

    @property
    def text(self) -> Text:
        """German, English."""
        return _STATES[self]

    @property
    def closed(self) -> bool:
        """Whether nothing more is to be done."""
        return self in (State.VERIFIED, State.WITHDRAWN)


class Event(StrEnum):
    """What happens to an order. `RECOVERED` and `CONTRADICTED` are what the lamp says, `VERIFY` is by hand, where no
    lamp can say it."""

    MADE = "made"
    ASSIGN = "assign"
    START = "start"
    FINISH = "finish"
    NOTE = "note"
    WITHDRAW = "withdraw"
    VERIFY = "verify"
    RECOVERED = "recovered"
    CONTRADICTED = "contradicted"

    @property
    def text(self) -> Text:
        """German, English."""
        return _EVENTS[self]


WORKING: Final = (State.NEW, State.ASSIGNED, State.ON_THE_WAY, State.DONE)
"""The states of orders that are open, in the order of the board."""


def after(state: State, event: Event, *, crew: bool, fault_open: bool) -> State | None:
    """The state after an event, None if it cannot happen now. `crew`: whether somebody is assigned; `fault_open`:
    whether the lamp still has what the order is about."""
    if event is Event.NOTE:
        return state
    if state.closed or event is Event.MADE:
        return None
    if event is Event.WITHDRAW:
        return State.WITHDRAWN
    if event is Event.VERIFY:
        return State.VERIFIED if state is State.DONE and not fault_open else None
    if event is Event.RECOVERED:
        # Who is on the way already looks at it.
        kept = {State.DONE: State.VERIFIED, State.ON_THE_WAY: State.ON_THE_WAY}
        return kept.get(state, State.WITHDRAWN)
    if event is Event.CONTRADICTED:
        return (State.ASSIGNED if crew else State.NEW) if state is State.DONE else None
    if state is State.DONE:
        return None
    return {Event.ASSIGN: State.ASSIGNED, Event.START: State.ON_THE_WAY, Event.FINISH: State.DONE}[event]


_STATES: Final[dict[State, Text]] = {
    State.NEW: ("neu", "new"),
    State.ASSIGNED: ("zugewiesen", "assigned"),
    State.ON_THE_WAY: ("unterwegs", "on the way"),
    State.DONE: ("erledigt, Leuchte noch nicht bestätigt", "done, not yet verified by the lamp"),
    State.VERIFIED: ("von der Leuchte bestätigt", "verified by the lamp"),
    State.WITHDRAWN: ("zurückgezogen", "withdrawn"),
}
_EVENTS: Final[dict[Event, Text]] = {
    Event.MADE: ("Auftrag angelegt", "order made"),
    Event.ASSIGN: ("zugewiesen", "assigned"),
    Event.START: ("unterwegs", "on the way"),
    Event.FINISH: ("als erledigt gemeldet", "reported done"),
    Event.NOTE: ("Notiz", "note"),
    Event.WITHDRAW: ("zurückgezogen", "withdrawn"),
    Event.VERIFY: ("von Hand bestätigt", "verified by hand"),
    Event.RECOVERED: ("Leuchte meldet: in Ordnung", "the lamp says: well again"),
    Event.CONTRADICTED: ("Leuchte widerspricht: wieder geöffnet", "the lamp contradicts: reopened"),
}
