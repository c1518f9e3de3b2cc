"""The helpers' desk: found by code, number and name; votes from paper, audited without the choice."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from ..conftest import Organiser
from .conftest import Hall, Prepared
from .test_coming_in import OWN, Phone
from .test_inviting import audited


@pytest_asyncio.fixture
async def helper(office: Hall) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=office.url, timeout=60, headers=OWN) as found:
        yield found


def desk(event: Prepared, rest: str = "") -> str:
    return f"/participation/events/{event.number}/desk{rest}"


async def enter(
    helper: httpx.AsyncClient, event: Prepared, invitation: int, which: int = 0
) -> httpx.Response:
    """Enter a vote for the first answer, or another one."""
    page = (await helper.get(desk(event, f"/{invitation}"))).text
    options = re.findall(r'name="option" value="(\d+)"', page)
    path = desk(event, f"/{invitation}/polls/{event.polls[0]}")
    return await helper.post(path, data={"option": options[which]} if options else {})


async def test_helpers_find_the_events_that_are_not_over(office: Hall, helper: httpx.AsyncClient) -> None:
    event, over = await office.event(), await office.event(state="over")
    page = (await helper.get("/participation/desk")).text
    assert desk(event) in page and desk(over) not in page


async def test_an_invitation_is_found(office: Hall, helper: httpx.AsyncClient) -> None:
    event = await office.event("seat", invited=3)
    await office.rows.execute(
        "UPDATE invitation SET name = CASE number WHEN 1 THEN 'Ada Muster' WHEN 2 THEN 'Ada Beispiel' END"
        " WHERE event = $1",
        event.number,
    )
    for text in (event.invitation(2), event.invitation(2).lower().replace("-", ""), "2", "beispiel"):
        answer = await helper.post(desk(event), data={"q": text})
        assert (answer.status_code, answer.headers.get("location")) == (303, desk(event, "/2")), text
    both = (await helper.post(desk(event), data={"q": "ada"})).text
    assert "Ada Muster" in both and "Ada Beispiel" in both
    for text in ("nobody", "99", "", "<script>", "9" * 50, "AAAA-AAAA-AAAA-AAAA"):
        answer = await helper.post(desk(event), data={"q": text})
        assert answer.status_code == 200 and "Nichts gefunden" in answer.text, text
        assert "<script>" not in answer.text


async def test_a_vote_from_paper_counts_once(office: Hall, helper: httpx.AsyncClient) -> None:
    event = await office.event()
    assert "noch keine Stimme" in (await helper.get(desk(event, "/1"))).text
    answer = await enter(helper, event, 1)
    assert answer.status_code == 303 and "done=entered" in answer.headers["location"]
    page = (await helper.get(answer.headers["location"])).text
    assert "ist angekommen" in page and "hat abgestimmt" in page
    rows = await office.rows.fetch(
        "SELECT v.choice, p.invitation, p.on_paper FROM vote v JOIN participant p ON p.id = v.participant"
        " WHERE v.event = $1",
        event.number,
    )
    assert [(row["invitation"], row["on_paper"]) for row in rows] == [(1, True)]


async def test_the_audit_names_helper_and_invitation_and_never_the_choice(
    office: Hall, helper: httpx.AsyncClient
) -> None:
    event = await office.event()
    for invitation, which in ((1, 0), (2, 1)):
        assert (await enter(helper, event, invitation, which)).status_code == 303
    rows = await office.rows.fetch(
        "SELECT actor, subject, detail FROM tenant_city.audit WHERE action = 'participation.paper' ORDER BY id DESC"
        " LIMIT 2"
    )
    details = [json.loads(row["detail"]) for row in reversed(rows)]
    assert details == [
        {"event": event.number, "poll": event.polls[0], "invitation": number} for number in (1, 2)
    ]
    assert all(row["actor"] for row in rows)


async def test_who_voted_by_phone_has_no_second_vote_on_paper(
    office: Hall, helper: httpx.AsyncClient
) -> None:
    event = await office.event()
    async with Phone(office) as phone:
        await phone.get(event.join(1))
        assert (await phone.vote(event)).json()["received"] is True
        assert "hat abgestimmt" in (await helper.get(desk(event, "/1"))).text
        before = await office.rows.fetchval("SELECT choice FROM vote WHERE event = $1", event.number)
        answer = await enter(helper, event, 1, 1)
        assert answer.status_code == 409 and "schon abgestimmt" in answer.text
        assert await office.rows.fetchval("SELECT choice FROM vote WHERE event = $1", event.number) == before


async def test_what_is_wrong_with_a_paper_is_said(office: Hall, helper: httpx.AsyncClient) -> None:
    event = await office.event()
    path = desk(event, f"/1/polls/{event.polls[0]}")
    for given in ({}, {"option": "x"}, {"option": "999999999"}):
        assert (await helper.post(path, data=given)).status_code == 422
    await office.rows.execute("UPDATE invitation SET revoked = true WHERE event = $1", event.number)
    assert (await enter(helper, event, 2)).status_code in (409, 422)
    assert await office.rows.fetchval("SELECT count(*) FROM vote WHERE event = $1", event.number) == 0
    elsewhere = await office.event()
    for wrong in (f"/1/polls/{elsewhere.polls[0]}", "/99/polls/1", "/0/polls/1"):
        assert (await helper.post(desk(event, wrong), data={})).status_code == 404


async def test_after_closing_paper_comes_too_late(office: Hall, helper: httpx.AsyncClient) -> None:
    event = await office.event()
    page = (await helper.get(desk(event, "/1"))).text
    option = re.findall(r'name="option" value="(\d+)"', page)[0]
    await office.rows.execute("UPDATE poll SET state = 'closed' WHERE event = $1", event.number)
    answer = await helper.post(desk(event, f"/1/polls/{event.polls[0]}"), data={"option": option})
    assert answer.status_code == 409 and "nicht offen" in answer.text


async def test_where_everybody_may_come_in_papers_have_no_invitation(
    office: Hall, helper: httpx.AsyncClient
) -> None:
    event = await office.event("open", invited=0)
    for _ in range(2):
        assert (await enter(helper, event, 0)).status_code == 303
    assert await office.rows.fetchval("SELECT count(*) FROM vote WHERE event = $1", event.number) == 2
    closed_to_strangers = await office.event()
    assert (await helper.get(desk(closed_to_strangers, "/0"))).status_code == 404


async def test_a_secret_vote_from_paper_is_counted_once_and_nobody_s_after_closing(
    office: Hall, organiser: Organiser, helper: httpx.AsyncClient
) -> None:
    number, _ = organiser.event(admission="invitation")
    poll = organiser.poll(
        number, "single", title="Geheim?", secret="yes", options="ja\nnein", results="closed"
    )
    organiser.post(f"/events/{number}/invitations", count="2", kind="person")
    organiser.open(number, poll)
    yes, no = organiser.options(poll).values()
    path = f"/participation/events/{number}/desk/1"
    assert (await helper.post(f"{path}/polls/{poll}", data={"option": str(yes)})).status_code == 303
    assert (await helper.post(f"{path}/polls/{poll}", data={"option": str(no)})).status_code == 409
    page = (await helper.get(path)).text
    assert "hat abgestimmt" in page and 'name="option"' not in page
    organiser.close(number, poll)
    rows = await office.rows.fetch("SELECT choice FROM counted WHERE poll = $1", poll)
    assert [json.loads(row["choice"]) for row in rows] == [[yes]]
    assert "das weiß niemand mehr" in (await helper.get(path)).text


async def test_a_lost_code_is_shown_and_it_is_written_down(office: Hall, helper: httpx.AsyncClient) -> None:
    event = await office.event()
    assert event.invitation(3) not in (await helper.get(desk(event, "/3"))).text
    page = (await helper.post(desk(event, "/3/code"))).text
    assert event.invitation(3) in page
    assert await audited(office, event, "codes_shown") == [{"first": 3, "last": 3}]


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/invitations", "GET"),
        ("/invitations", "POST"),
        ("/invitations/sheet", "GET"),
        ("/invitations.csv", "GET"),
        ("/desk", "GET"),
        ("/desk/1", "GET"),
        ("/desk/1/code", "POST"),
    ],
)
async def test_who_has_not_signed_in_sees_no_codes(hall: Hall, path: str, method: str) -> None:
    event = await hall.event()
    async with Phone(hall) as phone:
        answer = await phone.request(method, f"/participation/events/{event.number}{path}")
        assert answer.status_code in (303, 401, 403) and event.invitation(1) not in answer.text
