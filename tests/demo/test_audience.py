"""Who comes to the demo's opening event: as many as were asked for, and the same at each start."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.demo.audience import GROUPS, KINDS, audience, numbers
from rhinecloud.demo.opening import polls


@given(st.integers(1, 400))
def test_people_are_complete_and_their_wishes_can_be_entered(people: int) -> None:
    found = audience(people)
    assert len(found) == people == sum(numbers(people).values())
    assert found == audience(people)
    for one in found:
        assert 0 <= one.arrives < 1
        assert one.changes is None or one.arrives <= one.changes < 1
        for wishes in (one.wishes, one.second):
            assert 1 <= len(wishes) <= 3
            assert len(set(wishes)) == len(wishes)
            assert set(wishes) <= set(range(len(GROUPS)))
        assert 1 <= len(one.words) <= 3
        assert 1 <= one.step <= 5


@given(st.integers(1, 400))
def test_no_more_places_are_reserved_than_there_are(people: int) -> None:
    fields = polls(people)[0].fields
    for place in range(len(GROUPS)):
        reserved = sum(int(fields.get(f"option-{place}-{kind}", "0")) for kind in KINDS)
        assert reserved <= int(fields.get(f"option-{place}-capacity", "0"))


def test_kinds_want_different_things_and_some_groups_are_too_small() -> None:
    first: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for one in audience(150):
        first[one.kind][GROUPS[one.wishes[0]]] += 1
    assert first["business"].most_common(1)[0][0] == "Wirtschaft"
    assert first["club"].most_common(1)[0][0] in ("Wohnen", "Mobilität")
    fields = polls(150)[0].fields
    wanted = sum(first.values(), Counter[str]())
    full = [
        group
        for place, group in enumerate(GROUPS)
        if wanted[group] > int(fields.get(f"option-{place}-capacity") or 150)
    ]
    assert len(full) >= 2, "waiting lists are there to be seen"
