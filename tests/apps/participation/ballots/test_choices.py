"""What a form or a phone may say that somebody chose: property-based."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.participation.ballots import choices
from rhinecloud.apps.participation.ballots.choices import Wrong
from rhinecloud.apps.participation.events.model import Option, Poll, Rule

KINDS = ("groups", "single", "multiple", "scale", "words", "questions")


def a_poll(kind: Any, options: int = 4, **rule: Any) -> Poll:
    return Poll(
        number=1,
        event=1,
        kind=kind,
        title="",
        explanation="",
        secret=False,
        results="live",
        state="open",
        revealed=False,
        rule=Rule(**rule),
        options=tuple(Option(number, str(number)) for number in range(10, 10 + options)),
    )


polls = st.builds(
    a_poll,
    st.sampled_from(KINDS),
    st.integers(2, 6),
    wishes=st.integers(1, 4),
    least=st.integers(1, 2),
    most=st.integers(2, 4),
    steps=st.integers(2, 10),
)
names = st.one_of(
    st.sampled_from(
        ["option", "value", "words", "word-1", "word-2", "wish-1", "wish-2", "wish-9", "option-10"]
    ),
    st.builds("option-{}".format, st.integers(8, 16)),
)
texts = st.one_of(
    st.sampled_from(["", "on", " 10 ", "11", "12", "٣", "-1", "1e3", "9" * 30]), st.text(max_size=60)
)


def is_allowed(poll: Poll, choice: Any) -> bool:
    """What a choice may be, said in another way."""
    numbers = [option.number for option in poll.options]
    match poll.kind:
        case "scale":
            return type(choice) is int and 1 <= choice <= poll.rule.steps
        case "words":
            return (
                1 <= len(choice) <= poll.rule.most
                and len({word.casefold() for word in choice}) == len(choice)
                and all(
                    0 < len(word) <= 40 and word == word.strip() and "\x00" not in word for word in choice
                )
            )
        case "single" | "multiple" | "groups":
            most = {"single": 1, "multiple": poll.rule.most, "groups": poll.rule.wishes}[poll.kind]
            least = poll.rule.least if poll.kind == "multiple" else 1
            in_order = poll.kind != "multiple" or choice == sorted(choice)
            return (
                least <= len(choice) <= most
                and len(set(choice)) == len(choice)
                and set(choice) <= set(numbers)
                and in_order
            )
    return False


@given(polls, st.dictionaries(names, texts, max_size=6))
def test_a_form_is_a_choice_that_is_allowed_or_says_which_field_is_wrong(
    poll: Poll, fields: Mapping[str, str]
) -> None:
    try:
        choice = choices.read(poll, fields)
    except Wrong as wrong:
        assert all(wrong.text)
        return
    assert is_allowed(poll, choice)
    assert choices.judge(poll, choice) == choice  # what is kept is taken as it is when it comes again
    assert choices.kept(json.dumps(choice)) == choice


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=50), st.integers(9, 16)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(polls, anything)
def test_what_a_phone_sends_is_a_choice_that_is_allowed_or_wrong(poll: Poll, given: Any) -> None:
    try:
        choice = choices.judge(poll, given)
    except Wrong as wrong:
        assert all(wrong.text)
        return
    assert is_allowed(poll, choice)


@given(polls, st.data())
def test_whatever_may_be_chosen_is_taken_from_its_form(poll: Poll, data: st.DataObject) -> None:
    numbers = [option.number for option in poll.options]
    rule = poll.rule
    fields: dict[str, str]
    choice: Any
    if poll.kind == "single":
        choice = [data.draw(st.sampled_from(numbers))]
        fields = {"option": str(choice[0])}
    elif poll.kind == "multiple":
        most = min(rule.most, len(numbers))
        drawn = st.lists(st.sampled_from(numbers), min_size=rule.least, max_size=most, unique=True)
        choice = sorted(data.draw(drawn))
        fields = {f"option-{number}": "on" for number in choice}
    elif poll.kind == "groups":
        most = min(rule.wishes, len(numbers))
        choice = data.draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=most, unique=True))
        fields = {f"wish-{rank}": str(number) for rank, number in enumerate(choice, 1)}
    elif poll.kind == "scale":
        choice = data.draw(st.integers(1, rule.steps))
        fields = {"value": str(choice)}
    elif poll.kind == "words":
        word = st.text(
            st.characters(categories=["L", "N", "P"], exclude_characters=",;"), min_size=1, max_size=30
        )
        words = data.draw(st.lists(word, min_size=1, max_size=rule.most, unique_by=choices.folded))
        choice = choices.judge(poll, words)
        fields = {"words": ", ".join(words)}
    else:
        with pytest.raises(Wrong):
            choices.read(poll, {"words": "?"})
        return
    assert choices.read(poll, fields) == choice


@pytest.mark.parametrize("kind", KINDS)
def test_a_million_characters_are_wrong_at_once(kind: str) -> None:
    poll = a_poll(kind)
    million = "ä" * 1_000_000
    for fields in (
        {"words": million},
        {"word-1": million},
        {"option": million},
        {"wish-1": million},
        {"value": million},
    ):
        with pytest.raises(Wrong):
            choices.read(poll, fields)
    with pytest.raises(Wrong):
        choices.judge(poll, [million])
    with pytest.raises(Wrong):
        choices.judge(poll, ["a"] * 100_000)
    with pytest.raises(Wrong):
        choices.question(million)


@pytest.mark.parametrize(
    "text", ["a\x00b", "a\u202eb", "Z\u0351\u0363\u0348\u0351\u0363", "\u200b", "a\ud800"]
)
def test_what_cannot_be_seen_or_covers_others_is_no_word(text: str) -> None:
    with pytest.raises(Wrong):
        choices.judge(a_poll("words"), [text])
    with pytest.raises(Wrong):
        choices.question(text)


def test_words_are_tidied_and_the_same_one_counts_once() -> None:
    poll = a_poll("words", most=3)
    assert choices.read(poll, {"words": " Mut ,mut;  <b>Licht</b>  \n\n"}) == ["Mut", "<b>Licht</b>"]
    assert choices.read(poll, {"word-1": "gut\n so", "word-3": "ja"}) == ["gut so", "ja"]
    assert choices.question("  Wie\n geht es?\r\n ") == "Wie geht es?"
    for fields, field in (({"words": "a,b,c,d"}, "words"), ({"words": "x" * 41}, "words"), ({}, "words")):
        with pytest.raises(Wrong) as found:
            choices.read(poll, fields)
        assert found.value.field == field
