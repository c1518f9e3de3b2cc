"""The calendar as programs read it, and names of groups: pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.participation.groups.calendar import calendar, escape, fold
from rhinecloud.apps.participation.groups.drafting import slug
from rhinecloud.apps.participation.groups.model import Group, Meeting

GROUP = Group(
    number=1, name="wohnen", title="Wohnen", lead="", about="", state="active", key=b"k" * 32, poll=None,
    option=None, ended_at=None,
)  # fmt: skip


def meeting(number: int = 1, **changed: object) -> Meeting:
    at = datetime(2027, 3, 1, 17, 0, tzinfo=UTC)
    values = {
        "title": "Treffen", "place": "Rathaus", "about": "", "starts_at": at, "ends_at": at + timedelta(hours=2),
        "sequence": 0, "cancelled": False, "changed_at": at,
    }  # fmt: skip
    return Meeting(number=number, **(values | changed))  # type: ignore[arg-type]


def unfolded(text: str) -> list[str]:
    return text.replace("\r\n ", "").split("\r\n")


@given(st.text())
def test_lines_are_folded_to_75_octets_and_come_back(text: str) -> None:
    pieces = list(fold(text))
    assert all(len(piece.encode()) <= 75 for piece in pieces)
    assert pieces[0] + "".join(piece[1:] for piece in pieces[1:]) == text


@given(st.text(alphabet="a;,\\\n\r"))
def test_escaped_text_has_no_line_and_no_bare_separator(text: str) -> None:
    escaped = escape(text)
    assert "\n" not in escaped and "\r" not in escaped
    plain = escaped.replace("\\\\", "").replace("\\;", "").replace("\\,", "").replace("\\n", "")
    assert set(plain) <= {"a"}


def test_a_meeting_keeps_its_id_and_counts_its_changes() -> None:
    before = unfolded(calendar(GROUP, [meeting()], "http://a"))
    after = unfolded(calendar(GROUP, [meeting(sequence=3, cancelled=True)], "https://b.example"))
    ids = [next(line for line in lines if line.startswith("UID:")) for lines in (before, after)]
    assert ids[0] == ids[1]
    assert "SEQUENCE:3" in after and "STATUS:CANCELLED" in after and "STATUS:CONFIRMED" in before
    assert (
        "DTSTART:20270301T170000Z" in before
        and before[0] == "BEGIN:VCALENDAR"
        and before[-2] == "END:VCALENDAR"
    )


def test_what_somebody_wrote_adds_no_line_of_its_own() -> None:
    nasty = meeting(title="x\r\nATTENDEE:mailto:a@b.c", place="a;b,c\\", about="eins\nzwei")
    lines = unfolded(calendar(GROUP, [nasty], "http://a"))
    assert not any(line.startswith("ATTENDEE") for line in lines)
    assert "LOCATION:a\\;b\\,c\\\\" in lines and "DESCRIPTION:eins\\nzwei" in lines


@given(st.text(max_size=200))
def test_every_title_makes_a_name_that_the_table_takes(title: str) -> None:
    name = slug(title)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) and len(name) <= 57 and name != "new"
