"""The rule of "choose your group": whatever is wished, the result is one that it says."""

from __future__ import annotations

import random
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.participation.choosing.rules import (
    Settlement,
    Standing,
    TooFew,
    Wishes,
    fill,
    leave,
    offer,
    settle,
    stay,
    waiting,
)
from rhinecloud.apps.participation.events.model import Option

from .wishing import assert_sound, votes

Votes = tuple[list[Wishes], list[Option]]


def person(number: int, *wishes: int, kind: str = "person") -> Wishes:
    return Wishes(UUID(int=number), f"T{number}", kind, wishes)


def ranks(settlement: Settlement) -> list[int | None]:
    return [one.rank for one in settlement.standings]


def first(settlement: Settlement, one: Standing, number: int) -> tuple[int, int]:
    """Before others, for an option: the rank of the wish, then the order."""
    return one.who.wishes.index(number), one.position


def assert_just(settlement: Settlement) -> None:
    """Nobody is in an option before whom somebody waits for it, unless by a reserved place that is theirs."""
    for option in settlement.options:
        inside = [one for one in settlement.standings if one.option == option.number]
        for waits in waiting(settlement, option.number):
            for has in inside:
                before = first(settlement, waits, option.number) < first(settlement, has, option.number)
                same = [one for one in inside if one.who.kind == has.who.kind]
                if (
                    before
                ):  # then whoever has it has it by their kind, which has no more places than are reserved
                    assert has.who.kind != waits.who.kind
                    assert len(same) <= option.reserved.get(has.who.kind, 0)


def assert_reserved(settlement: Settlement) -> None:
    """Who waits although places are reserved for their kind: these are all given to the kind."""
    for option in settlement.options:
        for kind, number in option.reserved.items():
            inside = [
                one for one in settlement.standings if one.option == option.number and one.who.kind == kind
            ]
            if any(one.who.kind == kind for one in waiting(settlement, option.number)):
                assert len(inside) >= number


@given(votes())
def test_the_rule_holds(given_votes: Votes) -> None:
    wishes, options = given_votes
    settlement = settle(wishes, options)
    assert [one.who for one in settlement.standings] == wishes
    assert_sound(settlement)
    assert_just(settlement)
    assert_reserved(settlement)


@given(votes(reserving=False))
def test_without_reserved_places_it_is_the_rule_by_hand(given_votes: Votes) -> None:
    """All first wishes in order, then the second ones, then the third."""
    wishes, options = given_votes
    free = {option.number: 10**9 if option.capacity is None else option.capacity for option in options}
    expected: list[int | None] = [None] * len(wishes)
    for rank in range(1, 5):
        for index, one in enumerate(wishes):
            if expected[index] is None and len(one.wishes) >= rank and free[one.wishes[rank - 1]] > 0:
                free[one.wishes[rank - 1]] -= 1
                expected[index] = rank
    assert ranks(settle(wishes, options)) == expected


@given(votes(), st.randoms(use_true_random=False))
def test_when_some_leave_others_move_up_only_and_the_rule_goes_on_holding(
    given_votes: Votes, chance: random.Random
) -> None:
    settlement = settle(*given_votes)
    for _ in range(3):
        if not settlement.standings:
            return
        leaver = chance.choice(settlement.standings).who.participant
        before = {one.who.participant: one.rank for one in settlement.standings}
        settlement, moves = leave(settlement, leaver)
        assert leaver not in {one.who.participant for one in settlement.standings}
        assert_sound(settlement)
        assert_just(settlement)
        assert_reserved(settlement)
        moved = {move.participant: move for move in moves}
        assert len(moved) == len(moves)
        for one in settlement.standings:
            was = before[one.who.participant]
            if one.who.participant in moved:
                assert moved[one.who.participant].before == was
                assert moved[one.who.participant].rank == one.rank
                assert one.rank is not None and (was is None or one.rank < was)
            else:
                assert one.rank == was


@given(votes(reserving=False), st.data())
def test_the_first_who_waits_gets_the_place(given_votes: Votes, data: st.DataObject) -> None:
    settlement = settle(*given_votes)
    inside = [one for one in settlement.standings if one.option is not None]
    if not inside:
        return
    leaver = data.draw(st.sampled_from(inside))
    queue = [one for one in waiting(settlement, leaver.option or 0) if one is not leaver]
    _, moves = leave(settlement, leaver.who.participant)
    assert (queue[0].who.participant if queue else None) == next(
        (
            m.participant
            for m in moves
            if settlement.standings[m.participant.int].who.wishes[m.rank - 1] == leaver.option
        ),
        None,
    )


def test_one_leaves_and_a_chain_moves_up_in_order() -> None:
    one, two = Option(1, "one", 1), Option(2, "two", 1)
    people = [person(0, 1), person(1, 1, 2), person(2, 2, 1), person(3, 1, 2)]
    settlement = settle(people, [one, two])
    assert ranks(settlement) == [1, None, 1, None]
    assert [w.position for w in waiting(settlement, 1)] == [1, 3]
    after, moves = leave(settlement, UUID(int=2))
    assert [(move.participant.int, move.before, move.rank) for move in moves] == [(1, None, 2)]
    after, moves = leave(after, UUID(int=0))
    assert [(move.participant.int, move.before, move.rank) for move in moves] == [(1, 2, 1), (3, None, 2)]
    assert ranks(after) == [1, 2]


def test_a_chain_goes_on_through_options_that_were_looked_at_before() -> None:
    one, two = Option(1, "one", 1), Option(2, "two", 1)
    settlement = settle([person(0, 2), person(1, 2, 1), person(2, 1, 2), person(3, 2, 1)], [one, two])
    assert ranks(settlement) == [1, None, 1, None]
    after, _ = leave(settlement, UUID(int=2))
    assert ranks(after) == [1, 2, None]
    after, moves = leave(after, UUID(int=0))
    assert [(move.participant.int, move.before, move.rank) for move in moves] == [(1, 2, 1), (3, None, 2)]


def test_reserved_places_go_first_to_whom_they_are_for_and_then_to_all() -> None:
    group = Option(1, "one", 2, {"club": 1})
    people = [person(0, 1), person(1, 1), person(2, 1, kind="club")]
    assert ranks(settle(people, [group])) == [1, None, 1]
    assert ranks(settle(people[:2], [group])) == [1, 1]
    settlement = settle([*people, person(3, 1, kind="club")], [group])
    after, moves = leave(settlement, UUID(int=2))  # a reserved place: past who waits longer, to the next club
    assert [move.participant.int for move in moves] == [3]
    _, moves = leave(after, UUID(int=3))  # no club waits
    assert [move.participant.int for move in moves] == [1]


def test_who_stays_is_passed_over() -> None:
    options = [Option(1, "one", 1), Option(2, "two", 5)]
    settlement = settle([person(0, 1), person(1, 1, 2), person(2, 1, 2)], options)
    settlement = stay(settlement, UUID(int=1))
    after, moves = leave(settlement, UUID(int=0))
    assert [move.participant.int for move in moves] == [2]
    assert [one.rank for one in after.standings] == [2, 1]
    nobody = stay(settle([person(0, 1), person(1, 1)], options), UUID(int=1))
    assert nobody.standings[1].waits_for == (1,)  # who has no place cannot keep it


@given(votes(), st.data())
def test_capacities_go_up_and_never_below_what_is_taken(given_votes: Votes, data: st.DataObject) -> None:
    wishes, options = given_votes
    settlement = settle(wishes, options)
    option = data.draw(st.sampled_from(options))
    other = data.draw(st.integers(0, 10))
    changed = [
        msgspec.structs.replace(one, capacity=other, reserved={}) if one is option else one for one in options
    ]
    taken = settlement.taken[option.number]
    if other < taken:
        with pytest.raises(TooFew) as refused:
            offer(settlement, changed)
        assert (refused.value.option, refused.value.taken) == (option.number, taken)
    else:
        after, moves = offer(settlement, changed)
        assert_sound(after)
        assert all(move.before is None or move.rank < move.before for move in moves)


@given(votes())
def test_nothing_is_left_to_fill(given_votes: Votes) -> None:
    settlement = settle(*given_votes)
    assert fill(settlement) == (settlement, ())
    assert leave(settlement, UUID(int=10**6)) == (settlement, ())


@given(votes(most=15), st.randoms(use_true_random=False))
def test_whatever_happens_in_whatever_order_it_stays_sound(given_votes: Votes, chance: random.Random) -> None:
    """People leave and stay, capacities go up, until nobody is left."""
    settlement = settle(*given_votes)
    content: set[UUID] = set()
    while settlement.standings:
        someone = chance.choice(settlement.standings)
        before = {one.who.participant: one.rank for one in settlement.standings}
        what = chance.choice(("leave", "leave", "stay", "offer"))
        if what == "leave":
            settlement, _ = leave(settlement, someone.who.participant)
        elif what == "stay":
            settlement = stay(settlement, someone.who.participant)
            content |= {someone.who.participant} if someone.rank is not None else set()
        else:
            more = [
                one
                if one.capacity is None
                else msgspec.structs.replace(one, capacity=one.capacity + chance.randrange(2))
                for one in settlement.options
            ]
            settlement, _ = offer(settlement, more)
        assert_sound(settlement)
        assert_just(settlement)
        assert_reserved(settlement)
        for one in settlement.standings:
            was = before[one.who.participant]
            if one.who.participant in content:
                assert one.rank == was
            else:
                assert was is None or (one.rank is not None and one.rank <= was)
