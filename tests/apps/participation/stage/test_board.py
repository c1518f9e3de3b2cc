"""What phones ask, and what results come to: the pure parts."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.participation.ballots import choices
from rhinecloud.apps.participation.ballots.choices import Choice
from rhinecloud.apps.participation.ballots.counting import Tally
from rhinecloud.apps.participation.events.model import Event, Kind, Option, Poll, Rule
from rhinecloud.apps.participation.stage import asking, picture
from rhinecloud.apps.participation.stage.board import Bar, Board, Word, board


def poll(kind: Kind = "single", **given: object) -> Poll:
    options = tuple(
        Option(number, title) for number, title in ((3, "Wohnen"), (5, "Breitband"), (9, "Mobilität"))
    )
    whole = Poll(
        number=7,
        event=1,
        kind=kind,
        title="Was zuerst?",
        explanation="",
        secret=False,
        results="live",
        state="open",
        revealed=False,
        rule=Rule(most=3),
        options=() if kind in ("scale", "words", "questions") else options,
    )
    return msgspec.structs.replace(whole, **given)


EVENT = Event(
    number=1,
    code="ABCDEF",
    title="Auftakt",
    lead="",
    admission="open",
    expected=150,
    state="open",
    key=b"k" * 32,
    starts_at=None,
    current=7,
)


@pytest.mark.parametrize(
    ("asked", "choice"),
    [
        (poll("single"), [5]),
        (poll("multiple"), [3, 9]),
        (poll("groups"), [9, 3]),
        (poll("scale"), 4),
        (poll("words"), ["Rhein", "grün & ruhig"]),
    ],
)
def test_what_was_chosen_stands_in_the_form_again(asked: Poll, choice: Choice) -> None:
    assert choices.read(asked, asking.fields_of(asked, choice)) == choice
    assert asking.fields_of(asked, None) == {}


def test_what_was_chosen_is_told_in_words() -> None:
    assert asking.in_words(poll("groups"), [9, 3]) == ("Mobilität", "Wohnen")
    assert asking.in_words(poll("scale"), 4) == ("4",)
    assert asking.in_words(poll("words"), ["Rhein"]) == ("Rhein",)
    assert asking.in_words(poll(), None) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"state": "closed"},
        {"title": "Was zuletzt?"},
        {"options": (Option(3, "Wohnen", capacity=4),)},
        {"secret": True},
        {"results": "reveal"},
        {"rule": Rule(most=2)},
    ],
)
def test_a_form_is_shown_anew_when_what_it_shows_changes(change: dict[str, object]) -> None:
    assert asking.mark(EVENT, poll()) == asking.mark(EVENT, poll())
    assert asking.mark(EVENT, poll()) != asking.mark(EVENT, poll(**change))


def test_bars_are_as_long_as_their_part_of_the_longest() -> None:
    shown = board(poll(), Tally(9, 8, {3: 2, 5: 6}))
    assert [(bar.title, bar.count, round(bar.length, 3), bar.part) for bar in shown.bars] == [
        ("Wohnen", 2, 0.333, 0.25),
        ("Breitband", 6, 1.0, 0.75),
        ("Mobilität", 0, 0.0, 0.0),
    ]
    assert (shown.ballots, shown.told) == (9, 8)


def test_nothing_divides_by_nobody() -> None:
    for kind in ("single", "groups", "scale", "words"):
        shown = board(poll(kind), Tally(0, 0))
        assert all((bar.length, bar.part) == (0.0, 0.0) for bar in shown.bars)
        assert shown.mean is None and shown.words == ()


def test_places_are_told_once_they_are_given() -> None:
    asked = poll("groups", options=(Option(3, "Wohnen", capacity=4), Option(5, "Breitband")))
    counts = Tally(6, 6, {3: 5, 5: 1}, {3: [5, 1, 0], 5: [1, 2, 0]})
    before = board(asked, counts)
    assert [(bar.capacity, bar.taken, bar.left) for bar in before.bars] == [
        (4, None, None),
        (None, None, None),
    ]
    after = board(asked, counts, {3: (4, 1), 5: (2, 0)})
    assert [(bar.taken, bar.left, bar.waiting, bar.length) for bar in after.bars] == [
        (4, 0, 1, 1.0),
        (2, None, 0, 0.5),
    ]
    assert after.bars[0].ranks == (5, 1, 0)


def test_a_scale_is_a_histogram_with_words_at_its_ends() -> None:
    asked = poll("scale", rule=Rule(steps=3, low="nie", high="immer"))
    shown = board(asked, Tally(4, 4, values=[1, 0, 3]))
    assert [(bar.title, bar.count) for bar in shown.bars] == [("1 · nie", 1), ("2", 0), ("3 · immer", 3)]
    assert shown.mean == 2.5


@given(st.lists(st.integers(1, 10_000), max_size=90))
def test_words_have_sizes_that_grow_with_how_often_they_were_said(counts: list[int]) -> None:
    said = sorted(((f"w{n}", count) for n, count in enumerate(counts)), key=lambda one: -one[1])
    shown = board(poll("words"), Tally(len(said), len(said), words=said))
    sizes = [word.size for word in shown.words]
    assert sizes == sorted(sizes, reverse=True)
    assert all(1 <= size <= 5 for size in sizes)
    assert len(shown.words) + shown.more == len(said)


_TEXT = st.text(max_size=300)


@given(_TEXT, _TEXT, st.lists(st.tuples(_TEXT, st.integers(0, 9_999)), max_size=30))
def test_the_image_is_xml_with_room_for_all_that_it_shows(
    event: str, title: str, bars: list[tuple[str, int]]
) -> None:
    longest = max([count for _, count in bars] + [1])
    shown = Board(
        "single",
        9,
        9,
        tuple(Bar(n, text, count, count / longest, 0.5) for n, (text, count) in enumerate(bars)),
    )
    drawn = picture.draw(event, title, shown, "9 Stimmen")
    ElementTree.fromstring(drawn)
    assert all(0 <= float(y) <= picture.HEIGHT for y in re.findall(r' y="([\d.-]+)"', drawn))
    words = tuple(Word(text, count, 1 + n % 5) for n, (text, count) in enumerate(bars))
    drawn = picture.draw(event, title, Board("words", 9, 9, words=words), "9 Stimmen")
    ElementTree.fromstring(drawn)
    assert all(0 <= float(y) <= picture.HEIGHT for y in re.findall(r' y="([\d.-]+)"', drawn))


def test_the_image_has_no_markup_of_others() -> None:
    shown = Board("single", 1, 1, (Bar(1, "<script>alert(1)</script>", 1, 1.0, 1.0),))
    drawn = picture.draw("<b>", "&amp;\x00", shown, "1 Stimme")
    assert "<script" not in drawn and "<b>" not in drawn and "\x00" not in drawn
