"""Wishes and options as hypothesis makes them."""

from __future__ import annotations

from uuid import UUID

from hypothesis import strategies as st

from rhinecloud.apps.participation.choosing.rules import Settlement, Wishes
from rhinecloud.apps.participation.events.model import Option

KINDS = ("business", "science", "club", "person")


@st.composite
def votes(draw: st.DrawFn, most: int = 25, reserving: bool = True) -> tuple[list[Wishes], list[Option]]:
    """Participants in their order, and what they choose from; often more than there is room for."""
    number = draw(st.integers(1, 4))
    options = []
    for option in range(1, number + 1):
        capacity = draw(st.sampled_from((1, 2, 3, 4, 0, None)))  # few places, so that many wait
        reserved: dict[str, int] = {}
        for kind in draw(st.lists(st.sampled_from(KINDS), unique=True, max_size=2)) if reserving else ():
            reserved[kind] = draw(st.integers(0, max(0, (capacity or 0) - sum(reserved.values()))))
        options.append(Option(option, f"group {option}", capacity, reserved))
    wanted = st.permutations(range(1, number + 1)).flatmap(
        lambda all_of_them: st.integers(0, number).map(lambda most: all_of_them[:most])
    )
    people = draw(st.lists(st.tuples(wanted, st.sampled_from(KINDS)), min_size=most // 2, max_size=most))
    return [
        Wishes(UUID(int=index), f"T{index:03d}", kind, tuple(wishes))
        for index, (wishes, kind) in enumerate(people)
    ], options


def by_option(settlement: Settlement) -> dict[int, list[int]]:
    """Positions of those inside each option."""
    return {
        option.number: [one.position for one in settlement.standings if one.option == option.number]
        for option in settlement.options
    }


def assert_sound(settlement: Settlement) -> None:
    """What holds of any settlement: nobody is in it twice, no option is too full, no place is free that somebody waits
    for."""
    people = [one.who.participant for one in settlement.standings]
    assert len(people) == len(set(people))
    inside = by_option(settlement)
    for option in settlement.options:
        if option.capacity is not None:
            assert len(inside[option.number]) <= option.capacity
            if len(inside[option.number]) < option.capacity:
                assert not [one for one in settlement.standings if option.number in one.waits_for]
        else:
            assert not [one for one in settlement.standings if option.number in one.waits_for]
