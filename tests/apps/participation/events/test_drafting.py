"""What can be an event or a poll, and what is said of what cannot."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.participation.events import forms, templates
from rhinecloud.apps.participation.events.drafting import (
    EventDraft,
    OptionDraft,
    PollDraft,
    Running,
    Wrong,
    check_event,
    check_poll,
    draft_of,
    still_what_was_told,
)
from rhinecloud.apps.participation.events.model import KINDS, Event, Option, Poll, Rule
from rhinecloud.apps.participation.events.remote import next_step

BERLIN = ZoneInfo("Europe/Berlin")
A, B = OptionDraft("A"), OptionDraft("B")


FIELDS = [f"option-{place}-{part}" for place in (0, 1, 59, 60) for part in ("title", "capacity", "club")]
FIELDS += ["title", "options", "wishes", "by", "most", "steps", "secret", "results"]


def groups(*options: OptionDraft, title: str = "Welche?", **given: Any) -> PollDraft:
    return PollDraft(kind="groups", title=title, options=options, **given)


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_template_is_good_and_passes_its_form_unchanged(language: str) -> None:
    assert {one.kind for one in templates.POLLS} == set(KINDS)
    for template in templates.POLLS:
        draft = check_poll(template.draft(language))
        assert check_poll(forms.poll_of(forms.fields_of_poll(draft), draft.kind)) == draft
    for event in templates.EVENTS:
        polls = templates.polls_of(event.key, language)
        assert polls is not None and len(polls) == len(event.polls)
    assert templates.polls_of("none", language) is None


def test_the_theme_groups_are_those_of_duisburg() -> None:
    template = templates.poll("groups")
    assert template is not None
    titles = [option.title for option in template.draft("de").options]
    assert titles == ["Wirtschaft", "Verwaltung", "Wohnen", "Infrastruktur", "Mobilität", "Breitband"]


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (groups(A, B, title=" "), "title"),
        (groups(A, B, title="x" * 201), "title"),
        (groups(A, B, title="a\x00b"), "title"),
        (groups(A, B, explanation="x" * 2_001), "explanation"),
        (groups(A), "options"),
        (groups(*[OptionDraft(str(n)) for n in range(61)]), "options"),
        (groups(A, OptionDraft(" a ")), "options"),
        (groups(A, OptionDraft("B", -1)), "option-1-capacity"),
        (groups(A, OptionDraft("B", 100_001)), "option-1-capacity"),
        (groups(A, OptionDraft("B", 5, {"club": 3, "science": 3})), "option-1-reserved"),
        (groups(A, OptionDraft("B", None, {"club": 3})), "option-1-reserved"),
        (groups(A, OptionDraft("B", 5, {"nobility": 3})), "option-1-reserved"),
        (groups(A, B, rule=Rule(wishes=0)), "wishes"),
        (PollDraft(kind="multiple", title="x", options=(A, B), rule=Rule(most=3)), "most"),
        (PollDraft(kind="multiple", title="x", options=(A, B), rule=Rule(least=2, most=1)), "most"),
        (PollDraft(kind="scale", title="x", rule=Rule(steps=1)), "steps"),
        (PollDraft(kind="scale", title="x", rule=Rule(low="x" * 41)), "low"),
        (PollDraft(kind="words", title="x", rule=Rule(most=11)), "most"),
    ],
)
def test_what_cannot_be_is_named(draft: PollDraft, field: str) -> None:
    with pytest.raises(Wrong) as wrong:
        check_poll(draft)
    assert wrong.value.field == field
    assert all(wrong.value.text)


def test_what_a_kind_does_not_need_is_left_out() -> None:
    rule = Rule(wishes=7, least=2, most=2, steps=9, low="a", seed="ff", moderated=True)
    options = (OptionDraft("A", 5, {"club": 2}), B)
    scale = check_poll(PollDraft(kind="scale", title="x", options=options, rule=rule))
    assert (scale.options, scale.rule) == ((), Rule(steps=9, low="a"))
    single = check_poll(PollDraft(kind="single", title="x", options=options, rule=rule, secret=True))
    assert (single.options, single.rule, single.secret) == ((A, B), Rule(), True)
    chosen = check_poll(groups(*options, rule=rule, secret=True))
    assert not chosen.secret, "places are somebody's"
    assert chosen.rule == Rule(wishes=2, seed="ff")
    assert not check_poll(PollDraft(kind="questions", title="x", secret=True)).secret


def test_an_event_needs_a_title_and_a_number_of_people() -> None:
    assert check_event(EventDraft(title="  Auf \n takt ")).title == "Auf takt"
    for draft, field in (
        (EventDraft(title=""), "title"),
        (EventDraft(title="x", lead="\x07"), "lead"),
        (EventDraft(title="x", expected=0), "expected"),
        (EventDraft(title="x", expected=100_001), "expected"),
    ):
        with pytest.raises(Wrong) as wrong:
            check_event(draft)
        assert wrong.value.field == field


def test_the_form_of_an_event_has_local_time() -> None:
    given = {
        "title": "Auftakt",
        "admission": "seat",
        "expected": "99",
        "starts_at": "2026-07-01T18:30",
        "lead": "",
    }
    draft = forms.event_of(given, BERLIN)
    assert draft.starts_at is not None
    assert draft.starts_at.astimezone(UTC) == datetime(2026, 7, 1, 16, 30, tzinfo=UTC)
    event = Event(
        number=1, code="ABCDEF", title=draft.title, lead="", admission=draft.admission, expected=99,
        state="prepared", key=b"", starts_at=draft.starts_at, current=None,
    )  # fmt: skip
    assert forms.fields_of_event(event, BERLIN) == given
    wrong = ({"admission": "all"}, {"expected": "many"}, {"expected": "²"}, {"starts_at": "soon"})
    for one in (*wrong, {"starts_at": "0001-01-01T00:00"}):
        with pytest.raises(Wrong) as error:
            forms.event_of(given | one, BERLIN)
        assert [error.value.field] == list(one)


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=20)), st.sampled_from(list(KINDS)))
def test_any_form_is_a_poll_or_is_told_what_is_wrong(given: dict[str, str], kind: Any) -> None:
    try:
        draft = check_poll(forms.poll_of(given, kind))
    except Wrong as wrong:
        assert all(wrong.text)
    else:
        assert check_poll(draft) == draft


def poll(number: int = 1, **given: Any) -> Poll:
    values: dict[str, Any] = {
        "kind": "single",
        "title": "Welche?",
        "explanation": "",
        "secret": True,
        "results": "reveal",
        "state": "open",
        "revealed": False,
        "rule": Rule(),
        "options": (Option(7, "A"), Option(8, "B")),
    }
    return Poll(number=number, event=1, **values | given)


def test_what_people_were_told_before_they_voted_stays() -> None:
    open_poll = poll(kind="groups", secret=False, rule=Rule(seed="ff"))
    draft = draft_of(open_poll)
    roomier = (OptionDraft("A", 9, {}, 7), OptionDraft("B", 3, {"club": 1}, 8))
    still_what_was_told(
        open_poll,
        msgspec.structs.replace(draft, explanation="neu", options=roomier, rule=Rule()),
    )
    changes: list[tuple[str, Any]] = [
        ("title", "Anders?"),
        ("secret", True),
        ("results", "live"),
        ("options", roomier[:1]),
        ("options", roomier[::-1]),
        ("options", (roomier[0], OptionDraft("C", 3, {}, 8))),
    ]
    for field, value in changes:
        with pytest.raises(Running) as error:
            still_what_was_told(open_poll, msgspec.structs.replace(draft, **{field: value}))
        assert error.value.field == field
    with pytest.raises(Running):
        still_what_was_told(open_poll, msgspec.structs.replace(draft, rule=Rule(by="arrival")))


def test_the_remote_control_offers_what_comes_next() -> None:
    first, second = poll(1, state="prepared"), poll(2, state="prepared")

    def step(shown: int | None, *polls: Poll) -> tuple[str, int] | None:
        event = Event(
            number=1, code="ABCDEF", title="", lead="", admission="open", expected=1, state="open", key=b"",
            starts_at=None, current=shown, polls=polls,
        )  # fmt: skip
        found = next_step(event)
        return None if found is None else (found.action, found.poll.number)

    assert step(None) is None
    assert step(None, first, second) == ("show", 1)
    assert step(1, first, second) == ("open", 1)
    assert step(1, poll(1), second) == ("close", 1)
    assert step(1, poll(1, state="closed"), second) == ("reveal", 1)
    assert step(1, poll(1, state="closed", revealed=True), second) == ("show", 2)
    assert step(1, poll(1, state="closed", results="live"), second) == ("show", 2)
    assert step(2, poll(1, state="prepared"), poll(2, state="closed", revealed=True)) is None
