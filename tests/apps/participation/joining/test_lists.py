"""Lists of people to invite: what spreadsheets save, and what is wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.apps.participation.events.model import ORGANISATIONS
from rhinecloud.apps.participation.joining.lists import MOST_LINES, BadLine, Invited, read

PERSON = Invited("Ada Beispiel", "ada@example.org", "Sportverein", "club")


@pytest.mark.parametrize(
    "text",
    [
        "Ada Beispiel;Ada@example.org;Sportverein;club",
        "Ada Beispiel,Ada@example.org,Sportverein,Vereine",
        "Ada Beispiel\tada@example.org\tSportverein\tCLUBS\r\n\r\n",
        "\ufeffE-Mail;Name;Art;Organisation\r\nada@example.org;Ada Beispiel;verein;Sportverein".replace(
            "verein;", "vereine;"
        ),
        'name,mail,organisation,kind\n" Ada Beispiel ","ada@example.org",Sportverein,club\n,,,\n',
    ],
)
def test_a_person_however_the_list_was_saved(text: str) -> None:
    assert read(text.encode()) == ([PERSON], [])


def test_a_name_is_enough_and_older_spreadsheets_are_read() -> None:
    assert read("Jürgen Größe\nÄnne".encode("cp1252")) == ([Invited("Jürgen Größe"), Invited("Änne")], [])


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "empty"),
        ("name;mail\n", 1, "empty"),
        ("Ada\n;b@example.org", 2, "name is missing"),
        ("Ada;nobody", 1, "no mail address"),
        ("Ada;a@b", 1, "no mail address"),
        ("Ada;a@example.org\nAda;A@example.org", 2, "line 1 already"),
        ("Ada;;;party", 1, "no kind"),
        ("A" * 201, 1, "200 characters"),
        ("A\x07da", 1, "cannot be seen"),
        ("Ada;" + "x" * 200_000, 1, "cannot be read"),
        ("\n".join(f"Person {n}" for n in range(MOST_LINES + 5)), MOST_LINES + 1, "divide"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: int, said: str) -> None:
    _, bad = read(text.encode())
    assert [one.line for one in bad] == [line] and said in bad[0].text[1] and bad[0].text[0]


def test_a_right_line_after_a_wrong_one_is_read() -> None:
    people, bad = read(b"Ada;x\nBert\n;\nCleo;;;Nobody\nDora")
    assert [one.name for one in people] == ["Bert", "Dora"] and [one.line for one in bad] == [1, 4]


def test_markup_in_a_name_is_a_name() -> None:
    """Pages escape it; who is called so is invited."""
    assert read(b"<b>Ada</b>")[0] == [Invited("<b>Ada</b>")]


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_comes_there_is_an_answer(content: bytes) -> None:
    people, bad = read(content)
    assert people or bad
    assert all(isinstance(one, BadLine) and one.line >= 1 for one in bad)
    assert all(
        one.name.isprintable() and 0 < len(one.name) <= 200 and one.kind in ORGANISATIONS for one in people
    )
