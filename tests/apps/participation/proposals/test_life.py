"""What may become of a proposal: whatever is tried, in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.participation.proposals.life import (
    BY_STAFF,
    State,
    Step,
    after,
    clock,
    possible,
)

ORDERS = st.lists(st.sampled_from(list(Step)), max_size=30)
RECEIVED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def walk(tried: list[Step]) -> tuple[list[Step], State]:
    """What of it happened, and where it led."""
    state, happened = after(None, Step.RECEIVE), [Step.RECEIVE]
    assert state is State.RECEIVED
    for step in tried:
        found = after(state, step)
        if found is not None:
            state = found
            happened.append(step)
    return happened, state


@given(ORDERS)
def test_whatever_is_tried_the_trail_tells_a_story(tried: list[Step]) -> None:
    happened, state = walk(tried)
    assert happened.count(Step.RECEIVE) == 1
    if Step.MERGE in happened:
        assert happened.index(Step.MERGE) == len(happened) - 1  # it goes on in another one
    for at, step in enumerate(happened):
        before = happened[:at]
        if step in (Step.HAND_OVER, Step.FINISH):
            assert Step.ACCEPT in before  # nothing is done that was not accepted
            last = max(i for i, one in enumerate(before) if one is Step.ACCEPT)
            assert Step.DECLINE not in before[last:]  # nor what was declined since
        if step is Step.AMEND:
            assert not {Step.FINISH, Step.MERGE} & set(before)
    # It is received until the city says something, and never again after that.
    assert (state is State.RECEIVED) == (not any(step.answers for step in happened))


@given(ORDERS)
def test_only_what_is_merged_cannot_be_answered(tried: list[Step]) -> None:
    _, state = walk(tried)
    assert (Step.ANSWER in possible(state)) == (state is not State.MERGED)


def test_it_begins_by_being_received() -> None:
    assert [step for step in Step if after(None, step) is not None] == [Step.RECEIVE]
    assert not any(after(state, Step.RECEIVE) for state in State)


def test_the_form_of_staff_has_what_is_possible() -> None:
    for state in State:
        assert possible(state) == [step for step in BY_STAFF if after(state, step) is not None]
    assert possible(State.RECEIVED) == [Step.ANSWER, Step.ACCEPT, Step.DECLINE]
    assert possible(State.ACCEPTED) == [Step.ANSWER, Step.DECLINE, Step.HAND_OVER, Step.FINISH]


def test_what_needs_words() -> None:
    assert [step for step in Step if step.reasoned] == [Step.ANSWER, Step.DECLINE, Step.HAND_OVER]


def test_everything_has_a_name_in_both_languages() -> None:
    assert all(all(one.text) for one in (*State, *Step))


@given(st.integers(1, 365), st.integers(-(10**6), 10**8))
def test_the_clock_counts_days_that_have_begun(days: int, seconds: int) -> None:
    promised = RECEIVED + timedelta(days=days)
    now = promised + timedelta(seconds=seconds)
    found = clock(promised, None, now)
    assert not found.answered
    assert found.left == 0 or found.late == 0
    assert found.kept == (seconds <= 0)
    if seconds > 0:
        assert timedelta(days=found.late - 1) < now - promised <= timedelta(days=found.late)
    else:
        assert timedelta(days=found.left - 1) < promised - now <= timedelta(days=found.left)


def test_the_last_day_and_the_minute_after_it() -> None:
    promised = RECEIVED + timedelta(days=28)
    assert clock(promised, None, RECEIVED).left == 28
    assert clock(promised, None, promised - timedelta(minutes=1)).left == 1
    assert clock(promised, None, promised).kept
    assert clock(promised, None, promised + timedelta(minutes=1)).late == 1


def test_what_is_answered_stays_as_it_was_then() -> None:
    promised = RECEIVED + timedelta(days=28)
    long_after = promised + timedelta(days=900)
    in_time = clock(promised, promised - timedelta(days=3), long_after)
    assert (in_time.answered, in_time.kept, in_time.left) == (True, True, 0)
    too_late = clock(promised, promised + timedelta(days=3), long_after)
    assert (too_late.answered, too_late.late) == (True, 3)
