"""The solver: sound as the rule is, and never worse for as many."""

from __future__ import annotations

import itertools
import random
from uuid import UUID

from hypothesis import given, settings

from rhinecloud.apps.participation.choosing.rules import Settlement, Wishes, settle
from rhinecloud.apps.participation.choosing.solving import solve
from rhinecloud.apps.participation.events.model import Option

from .wishing import KINDS, assert_sound, votes

Votes = tuple[list[Wishes], list[Option]]


def placed(settlement: Settlement) -> int:
    return sum(one.rank is not None for one in settlement.standings)


def steps(settlement: Settlement) -> int:
    return sum(one.rank - 1 for one in settlement.standings if one.rank is not None)


@given(votes())
def test_it_never_satisfies_fewer_than_the_rule(given_votes: Votes) -> None:
    wishes, options = given_votes
    by_rule, best = settle(wishes, options), solve(wishes, options)
    assert [one.who for one in best.standings] == wishes
    assert_sound(best)
    assert (-placed(best), steps(best)) <= (-placed(by_rule), steps(by_rule))


@given(votes())
def test_a_kind_keeps_the_reserved_places_that_the_rule_gives_it(given_votes: Votes) -> None:
    wishes, options = given_votes
    by_rule, best = settle(wishes, options), solve(wishes, options)

    def inside(settlement: Settlement, option: int, kind: str) -> int:
        return sum(one.option == option and one.who.kind == kind for one in settlement.standings)

    for option in options:
        for kind, reserved in option.reserved.items():
            kept = min(reserved, inside(by_rule, option.number, kind))
            others = [one for one in best.standings if one.option == option.number and one.who.kind != kind]
            waits = [one for one in best.standings if option.number in one.waits_for and one.who.kind == kind]
            if waits and option.capacity is not None:
                assert inside(best, option.number, kind) >= kept or len(others) <= option.capacity - kept


@given(votes(most=6, reserving=False))
@settings(max_examples=60)
def test_there_is_no_better_one(given_votes: Votes) -> None:
    """All assignments of a few, one by one."""
    wishes, options = given_votes
    capacity = {one.number: 99 if one.capacity is None else one.capacity for one in options}
    best = (0, 0)
    for chosen in itertools.product(*[[None, *range(len(one.wishes))] for one in wishes]):
        got = [one.wishes[c] for one, c in zip(wishes, chosen, strict=True) if c is not None]
        if all(got.count(number) <= capacity[number] for number in set(got)):
            best = min(best, (-len(got), sum(c for c in chosen if c is not None)))
    found = solve(wishes, options)
    assert (-placed(found), steps(found)) == best


def test_ties_go_by_the_order() -> None:
    options = [Option(1, "one", 1), Option(2, "two", 5)]
    people = [Wishes(UUID(int=n), str(n), "person", (1, 2)) for n in range(4)]
    assert [one.rank for one in solve(people, options).standings] == [1, 2, 2, 2]
    few = [Wishes(UUID(int=n), str(n), "person", (1,)) for n in range(4)]
    assert [one.rank for one in solve(few, options).standings] == [1, None, None, None]


def test_places_are_kept_for_whom_the_rule_gives_them() -> None:
    options = [Option(1, "one", 1, {"club": 1})]
    people = [Wishes(UUID(int=0), "a", "person", (1,)), Wishes(UUID(int=1), "b", "club", (1,))]
    assert [one.rank for one in settle(people, options).standings] == [None, 1]
    assert [one.rank for one in solve(people, options).standings] == [None, 1]


def test_a_place_that_was_kept_and_is_not_needed_is_given_to_who_waits() -> None:
    options = [
        Option(1, "one", 1, {"club": 1}),
        *(Option(number, str(number), 1) for number in (2, 3, 4)),
    ]
    people = [
        Wishes(UUID(int=0), "a", "person", (2, 3)),
        Wishes(UUID(int=1), "b", "person", (4,)),
        Wishes(UUID(int=2), "c", "club", (2, 4, 1)),
        Wishes(UUID(int=3), "d", "person", (1,)),
    ]
    assert [one.rank for one in settle(people, options).standings] == [1, 1, 3, None]
    assert [one.rank for one in solve(people, options).standings] == [2, 1, 1, 1]


def test_it_finds_places_where_the_rule_leaves_people_without() -> None:
    """One who would have gone elsewhere takes the only place of one who cannot."""
    options = [Option(1, "one", 1), Option(2, "two", 1)]
    people = [Wishes(UUID(int=0), "a", "person", (1, 2)), Wishes(UUID(int=1), "b", "person", (1,))]
    assert placed(settle(people, options)) == 1
    assert [one.rank for one in solve(people, options).standings] == [2, 1]


def test_thousands_are_placed() -> None:
    chance = random.Random(7)
    options = [Option(n, str(n), 700, {"club": 20, "science": 40}) for n in range(1, 7)]
    people = [
        Wishes(
            UUID(int=n), str(n), chance.choice(KINDS), tuple(chance.sample((1, 1, 1, 2, 2, 3, 4, 5, 6), 1))
        )
        for n in range(2_500)
    ] + [
        Wishes(UUID(int=n), str(n), chance.choice(KINDS), tuple(chance.sample(range(1, 7), 3)))
        for n in range(2_500, 5_000)
    ]
    best = solve(people, options)
    assert_sound(best)
    assert placed(best) >= placed(settle(people, options))
