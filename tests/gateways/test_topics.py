"""Topic patterns: which one has a topic, whatever hypothesis thinks of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.bus.intake import subject_of
from rhinecloud.gateways.profiles.topics import Pattern, Tree, overlap, parse, widest, within

WORDS = st.sampled_from(["a", "b", "c.d", "x"])
NAMES = ["n1", "n2", "n3", "n4", "n5"]


@st.composite
def patterns(draw: st.DrawFn) -> Pattern:
    levels = [draw(WORDS)]
    for name in NAMES[: draw(st.integers(0, 3))]:
        levels.append(draw(st.one_of(WORDS, st.just("{" + name + "}"))))
    if draw(st.booleans()):
        levels.append("{rest…}")
    return parse("/".join(levels))


TOPICS = st.lists(WORDS, min_size=1, max_size=6).map("/".join)


def has(pattern: Pattern, topic: str) -> bool:
    """The plain meaning."""
    levels = topic.split("/")
    for index, level in enumerate(pattern.levels):
        if level.rest:
            return index < len(levels)
        if index >= len(levels) or (level.literal and level.literal != levels[index]):
            return False
    return len(pattern.levels) == len(levels)


@given(st.lists(patterns(), min_size=1, max_size=8), TOPICS)
def test_the_tree_finds_what_has_the_topic_words_first(many: list[Pattern], topic: str) -> None:
    tree: Tree[int] = Tree()
    by_shape = {one.shape: index for index, one in enumerate(many)}
    for index, one in enumerate(many):
        tree.add(one, index)
    fitting = [many[index] for index in by_shape.values() if has(many[index], topic)]
    found = tree.find(topic)
    if not fitting:
        assert found is None
        return
    assert found is not None
    # A word before a name, a name before the rest, at the first level where two differ.
    best = min(fitting, key=lambda one: tuple(2 if x.rest else 1 if x.name else 0 for x in one.levels))
    assert found[0].shape == best.shape
    filled = found[0].topic(found[2])
    assert filled == topic


@given(patterns(), patterns(), TOPICS)
def test_overlap_and_within_mean_what_they_say(one: Pattern, other: Pattern, topic: str) -> None:
    if has(one, topic) and has(other, topic):
        assert overlap(one, other)
    if within(one, other) and has(one, topic):
        assert has(other, topic)
    assert overlap(one, other) == overlap(other, one)


@given(st.lists(patterns(), min_size=1, max_size=8), TOPICS)
def test_the_widest_have_every_topic(many: list[Pattern], topic: str) -> None:
    assert any(has(one, topic) for one in many) == any(has(one, topic) for one in widest(many))


def test_filters_subjects_and_captures() -> None:
    pattern = parse("v3/{application}/devices/{device}/up")
    assert pattern.names == ("application", "device")
    assert pattern.filter() == "v3/+/devices/+/up"
    assert pattern.filter({"device": "d.1"}) == "v3/+/devices/d.1/up"
    assert pattern.topic({"device": "1"}) is None
    assert pattern.subject() == "v3.*.devices.*.up"
    rest = parse("tele/{device}/{rest…}")
    assert rest.filter({"device": "x"}) == "tele/x/#"
    assert rest.subject() == "tele.*.>"
    tree: Tree[str] = Tree()
    tree.add(rest, "here")
    assert tree.find("tele/x") is None
    assert tree.find("tele/x/y/z") == (rest, "here", {"device": "x", "rest": "y/z"})
    assert parse("a.b/{c}").subject() == f"{subject_of('a.b')}.*"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1 to"),
        ("{a}/b", "first level"),
        ("$SYS/{a}", "server"),
        ("wake/{a}", "server"),
        ("a//b", "empty"),
        ("a/+/b", "neither a word"),
        ("a/#", "neither a word"),
        ("a/b c", "neither a word"),
        ("a/x{b}", "neither a word"),
        ("a/{B}", "neither a word"),
        ("a/{b}/{b}", "one level only"),
        ("a/{b…}/c", "last"),
        ("a/" * 40 + "a", "at most"),
    ],
)
def test_patterns_that_cannot_be(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)
