"""An order's life: what can happen when, and that it always comes to an end or stays open for a reason."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rhinecloud.apps.lighting.work.life import WORKING, Event, State, after

EVENTS = [event for event in Event if event is not Event.MADE]


def test_the_usual_way() -> None:
    state: State | None = State.NEW
    for event in (Event.ASSIGN, Event.START, Event.NOTE, Event.FINISH, Event.RECOVERED):
        assert state is not None
        state = after(state, event, crew=True, fault_open=event is not Event.RECOVERED)
    assert state is State.VERIFIED


def test_a_lamp_contradicts() -> None:
    for crew, goes_to in ((True, State.ASSIGNED), (False, State.NEW)):
        assert after(State.DONE, Event.CONTRADICTED, crew=crew, fault_open=True) is goes_to
    for state in set(State) - {State.DONE}:
        assert after(state, Event.CONTRADICTED, crew=True, fault_open=True) is None


def test_nobody_verifies_by_hand_what_a_lamp_can_say() -> None:
    assert after(State.DONE, Event.VERIFY, crew=True, fault_open=True) is None
    assert after(State.DONE, Event.VERIFY, crew=True, fault_open=False) is State.VERIFIED
    assert after(State.ON_THE_WAY, Event.VERIFY, crew=True, fault_open=False) is None


def test_what_is_closed_stays_closed_and_notes_are_always_taken() -> None:
    for state, event, crew, fault in itertools.product(State, EVENTS, (True, False), (True, False)):
        then = after(state, event, crew=crew, fault_open=fault)
        if event is Event.NOTE:
            assert then is state
        elif state.closed:
            assert then is None
        assert after(state, Event.MADE, crew=crew, fault_open=fault) is None


def test_each_state_and_event_has_words_in_both_languages() -> None:
    for one in (*State, *Event):
        assert all(one.text)


class Life(RuleBasedStateMachine):
    """Anybody does anything, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.crew, self.fault = State.NEW, False, True
        self.finished = False

    @rule(event=st.sampled_from([Event.ASSIGN, Event.START, Event.FINISH, Event.NOTE, Event.VERIFY]))
    def somebody(self, event: Event) -> None:
        then = after(self.state, event, crew=self.crew, fault_open=self.fault)
        if then is not None:
            self.crew = self.crew or event is Event.ASSIGN
            self.finished = self.finished or event is Event.FINISH
            self.state = then

    @precondition(lambda self: self.fault)
    @rule()
    def lamp_is_well(self) -> None:
        self.fault = False
        self.state = after(self.state, Event.RECOVERED, crew=self.crew, fault_open=False) or self.state

    @precondition(lambda self: self.fault)
    @rule()
    def lamp_contradicts(self) -> None:
        then = after(self.state, Event.CONTRADICTED, crew=self.crew, fault_open=True)
        if then is not None:
            self.state = then

    @invariant()
    def nothing_is_verified_while_the_lamp_has_it_or_before_somebody_was_there(self) -> None:
        if self.state is State.VERIFIED:
            assert self.finished and not self.fault

    @invariant()
    def what_is_open_has_a_way_on(self) -> None:
        if self.state in WORKING:
            ways = {after(self.state, event, crew=self.crew, fault_open=self.fault) for event in EVENTS}
            assert ways - {None, self.state}


TestLife = Life.TestCase
