"""Meetings, documents, and groups that come of a vote: through the forms, and in the graph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ..choosing.conftest import Vote, Voting, voting
from ..conftest import Organiser

__all__ = ["voting"]

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


@pytest.fixture
def anybody(organiser: Organiser) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=organiser.url, timeout=30) as client:
        yield client


def made(organiser: Organiser, title: str) -> str:
    return organiser.post("/groups/new", title=title, lead="Wir planen mit").partition("?")[0]


def entity(organiser: Organiser, path: str) -> dict[str, Any]:
    name = path.rpartition("/")[2]
    answer = organiser.client.get(f"/ngsi-ld/v1/entities/urn:ngsi-ld:ThemeGroup:{name}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def form(organiser: Organiser, path: str, **given: str) -> httpx.Response:
    return organiser.client.post(path, data=given)


def test_meetings_are_called_moved_and_cancelled_and_calendars_hear_of_it(organiser: Organiser) -> None:
    path = made(organiser, "Mobilität")
    given = {
        "title": "Auftakt",
        "starts_at": "2030-03-01T18:00",
        "ends_at": "2030-03-01T20:00",
        "place": "Rathaus",
    }
    assert form(organiser, f"{path}/meetings/new", **given).status_code == 303
    first = organiser.client.get(f"{path}/calendar.ics")
    assert first.headers["content-type"].startswith("text/calendar")
    assert "DTSTART:20300301T170000Z" in first.text and "SEQUENCE:0" in first.text
    told = entity(organiser, path)
    assert (
        told["nextMeeting"]["value"]["@value"] == "2030-03-01T17:00:00Z" and told["memberCount"]["value"] == 0
    )
    number = re.findall(r"/meetings/(\d+)", organiser.client.get(path).text)[0]
    moved = given | {"starts_at": "2030-03-02T18:00", "ends_at": "2030-03-02T20:00"}
    assert form(organiser, f"{path}/meetings/{number}", **moved).status_code == 303
    assert form(organiser, f"{path}/meetings/{number}", action="cancel").status_code == 303
    after = organiser.client.get(f"{path}/calendar.ics").text
    assert "SEQUENCE:2" in after and "STATUS:CANCELLED" in after and "20300302T170000Z" in after
    uid = re.compile(r"UID:\S+")
    assert uid.findall(after) == uid.findall(first.text)
    assert "nextMeeting" not in entity(organiser, path)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("title", ""),
        ("title", "x" * 1_000_000),
        ("starts_at", "gestern"),
        ("starts_at", "9999-12-31T23:59"),
        ("ends_at", "2030-03-01T17:00"),
        ("ends_at", "2031-03-01T17:00"),
    ],
)
def test_a_meeting_that_cannot_be_says_why(organiser: Organiser, field: str, text: str) -> None:
    path = made(organiser, "Wohnen")
    given = {
        "title": "Auftakt",
        "starts_at": "2030-03-01T18:00",
        "ends_at": "2030-03-01T20:00",
        "place": "kept",
    }
    answer = form(organiser, f"{path}/meetings/new", **(given | {field: text}))
    assert answer.status_code == 422 and 'value="kept"' in answer.text
    assert "BEGIN:VEVENT" not in organiser.client.get(f"{path}/calendar.ics").text


def test_documents_are_seen_by_whom_they_are_for_and_bad_ones_not_taken(
    organiser: Organiser, anybody: httpx.Client
) -> None:
    path = made(organiser, "Breitband")
    sent = organiser.client.post(
        f"{path}/documents", files={"file": ("plan.pdf", PDF)}, data={"public": "on"}
    )
    assert sent.status_code == 303, sent.text
    there = re.findall(rf'href="({path}/documents/[0-9a-f-]+)"', organiser.client.get(path).text)
    assert len(there) == 1
    assert anybody.get(there[0]).content == PDF
    bad = organiser.client.post(f"{path}/documents", files={"file": ("plan.exe", b"MZ\x00\x01")})
    assert bad.status_code in (415, 422) and "Diese Datei wird nicht angenommen" in bad.text
    empty = organiser.client.post(f"{path}/documents", files={"file": ("", b"")})
    assert empty.status_code == 422 and "Bitte wählen Sie eine Datei" in empty.text
    # Another group's address does not lead to it.
    other = made(organiser, "Verwaltung")
    assert organiser.client.get(there[0].replace(path, other)).status_code == 404
    assert form(organiser, there[0] + "/remove").status_code == 303
    assert organiser.client.get(there[0]).status_code == 404


def test_two_groups_of_one_title_have_two_names(organiser: Organiser) -> None:
    first, second = made(organiser, "New"), made(organiser, "New")
    assert first != second and first.endswith("/new-1")


def published(voting: Voting) -> Vote:
    vote = voting(people=12)
    vote.organiser.close(vote.event, vote.poll)
    vote.act("word", word="Binnenhafen")
    vote.act("publish", way="lot")
    return vote


def test_groups_come_of_a_vote_once_and_a_place_leads_into_them_once(
    voting: Voting, organiser: Organiser
) -> None:
    early = voting(people=2)
    assert form(organiser, f"/participation/polls/{early.poll}/groups").status_code == 409
    vote = published(voting)
    for expected in ("made=6", "made=0"):
        answer = form(organiser, f"/participation/polls/{vote.poll}/groups")
        assert answer.headers["location"].endswith(expected)
    one = next(one for one in vote.wishes if vote.own(one.participant)["state"] == "placed")
    title = vote.own(one.participant)["title"]
    phone = vote.phone(one.participant)
    page = phone.get(f"/participation/e/{vote.code}/group")
    assert page.status_code == 200 and title in page.text
    # Here nobody signs in, so that the phone is somebody who has an account.
    answer = phone.post(f"/participation/e/{vote.code}/group", data={"name": "Ada", "kind": "person"})
    assert answer.headers["location"].endswith("/own?done=member"), answer.text
    path = answer.headers["location"].partition("/own")[0]
    assert entity(organiser, path)["memberCount"]["value"] == 1
    phone.post(f"{path}/own", data={"action": "leave"})
    assert entity(organiser, path)["memberCount"]["value"] == 0
    # The place was used: whoever comes by it again has to be let in.
    again = phone.post(f"/participation/e/{vote.code}/group", data={"name": "Ben"})
    assert again.headers["location"].endswith("/own?done=requested")
    assert organiser.rows("SELECT placed FROM app_participation.member WHERE name = 'Ben'")[0][0] is False


def test_without_a_place_there_is_no_group(voting: Voting, anybody: httpx.Client) -> None:
    vote = published(voting)
    page = anybody.get(f"/participation/e/{vote.code}/group", headers={"Accept-Language": "de"})
    assert page.status_code == 200 and "führt kein Platz zu einer Gruppe" in page.text
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = anybody.post(f"/participation/e/{vote.code}/group", data={"name": "Ada"}, headers=headers)
    assert answer.status_code == 404


def test_what_is_over_takes_nobody_in_and_says_since_when(organiser: Organiser) -> None:
    path = made(organiser, "Hafen")
    given = {"title": "Hafen", "lead": "", "about": "", "state": "over"}
    assert form(organiser, f"{path}/edit", **given).status_code == 303
    assert form(organiser, f"{path}/join", name="Ada").status_code == 409
    assert entity(organiser, path)["state"]["value"] == "over"
    ended = organiser.rows("SELECT ended_at FROM app_participation.theme_group WHERE title = 'Hafen'")[0][0]
    assert ended is not None
    assert form(organiser, f"{path}/edit", **(given | {"state": "perhaps"})).status_code == 422
