"""Invitations: made, printed, written to, revoked; what is wrong with a list; who saw which codes."""

from __future__ import annotations

import asyncio
import csv
import email
import email.policy
import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from rhinecloud.apps.participation.joining.codes import number_of
from rhinecloud.apps.participation.joining.lists import MOST_LINES

from .conftest import Hall, Prepared
from .test_coming_in import OWN, Phone
from .test_qr import seen

SEATS = "Ada Beispiel;ada@example.org;Sportverein;Vereine\n<b>Bert</b>;;=1+1;\nCleo;cleo@example.org\n"


@pytest_asyncio.fixture
async def organiser(office: Hall) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=office.url, timeout=60, headers=OWN) as found:
        yield found


async def audited(office: Hall, event: Prepared, action: str) -> list[dict[str, Any]]:
    """The details of what was written down of an event."""
    rows = await office.rows.fetch(
        "SELECT detail FROM tenant_city.audit WHERE action = $1 AND subject = $2 ORDER BY id",
        f"participation.{action}",
        f"event:{event.number}",
    )
    return [json.loads(row["detail"]) for row in rows]


def at(event: Prepared, rest: str = "") -> str:
    return f"/participation/events/{event.number}/invitations{rest}"


async def invite(organiser: httpx.AsyncClient, event: Prepared, text: str, **files: Any) -> httpx.Response:
    return await organiser.post(at(event, "/list"), data={"text": text}, files=files or {"file": ("", b"")})


async def test_codes_are_made_and_each_lets_one_in(office: Hall, organiser: httpx.AsyncClient) -> None:
    event = await office.event(invited=2)
    answer = await organiser.post(at(event), data={"count": "3", "kind": "science"})
    assert answer.status_code == 303
    assert "3 Codes wurden angelegt" in (await organiser.get(answer.headers["location"])).text
    rows = await office.rows.fetch(
        "SELECT number, kind FROM invitation WHERE event = $1 ORDER BY number", event.number
    )
    assert [tuple(row) for row in rows] == [
        (1, "person"),
        (2, "person"),
        *((n, "science") for n in (3, 4, 5)),
    ]
    assert await audited(office, event, "invite") == [{"count": 3, "first": 3}]
    async with Phone(office) as phone:
        assert (await phone.get(event.join(5))).status_code == 303
        assert (await phone.get(event.join(6))).status_code == 403


@pytest.mark.parametrize("count", ["0", "-1", "20001", "1e3", "viele", "", "٣"])
async def test_a_number_that_cannot_be(office: Hall, organiser: httpx.AsyncClient, count: str) -> None:
    event = await office.event(invited=0)
    answer = await organiser.post(at(event), data={"count": count, "kind": "person"})
    assert answer.status_code == 422 and "Zahl von 1 bis 20.000" in answer.text
    assert await office.rows.fetchval("SELECT count(*) FROM invitation WHERE event = $1", event.number) == 0


async def test_numbers_end_and_are_never_used_again(office: Hall, organiser: httpx.AsyncClient) -> None:
    event = await office.event(invited=0)
    await office.rows.execute("INSERT INTO invitation (event, number) VALUES ($1, 1048570)", event.number)
    answer = await organiser.post(at(event), data={"count": "6", "kind": "person"})
    assert answer.status_code == 409 and "höchstens 1.048.575" in answer.text
    assert (await organiser.post(at(event), data={"count": "5", "kind": "person"})).status_code == 303


async def test_two_who_add_at_once_get_numbers_of_their_own(
    office: Hall, organiser: httpx.AsyncClient
) -> None:
    event = await office.event(invited=0)
    given = {"count": "50", "kind": "person"}
    answers = await asyncio.gather(*(organiser.post(at(event), data=given) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {303}
    row = await office.rows.fetchrow(
        "SELECT count(*), max(number) FROM invitation WHERE event = $1", event.number
    )
    assert tuple(row) == (400, 400)


async def test_people_are_invited_once_by_a_list(office: Hall, organiser: httpx.AsyncClient) -> None:
    event = await office.event("seat", invited=0)
    for content, new, known in ((SEATS, 3, 0), (SEATS + "Dora", 1, 3)):
        answer = await organiser.post(
            at(event, "/list"), files={"file": ("liste.csv", content.encode("cp1252"), "text/csv")}
        )
        assert answer.status_code == 303 and f"count={new}&known={known}" in answer.headers["location"]
    page = (await organiser.get(at(event))).text
    assert "&lt;b&gt;Bert&lt;/b&gt;" in page and "<b>Bert" not in page
    assert "ada@example.org" in page and "Vereine" in page
    found = (await organiser.get(at(event, "?q=SPORT"))).text
    assert "Ada Beispiel" in found and "Cleo" not in found


async def test_a_list_with_a_wrong_line_invites_nobody(office: Hall, organiser: httpx.AsyncClient) -> None:
    event = await office.event("seat", invited=0)
    answer = await invite(organiser, event, SEATS + "Emil;niemand\n;x@example.org")
    assert answer.status_code == 422 and "2 Zeilen können nicht stimmen" in answer.text
    assert "Zeile 4:" in answer.text and "Zeile 5:" in answer.text and "Emil;niemand" in answer.text
    many = await invite(organiser, event, "\n".join(f"P{n}" for n in range(MOST_LINES + 1)))
    assert many.status_code == 422 and "Bitte teilen Sie sie auf" in many.text
    assert await office.rows.fetchval("SELECT count(*) FROM invitation WHERE event = $1", event.number) == 0


async def test_people_are_told_the_truth_about_names(office: Hall, organiser: httpx.AsyncClient) -> None:
    """That nobody knows who has which code, or that each is somebody's."""
    unnamed, seats = await office.event(invited=0), await office.event("seat", invited=0)
    assert (await invite(organiser, unnamed, SEATS)).status_code == 409
    assert (await organiser.post(at(seats), data={"count": "3", "kind": "person"})).status_code == 409
    assert (
        await office.rows.fetchval(
            "SELECT count(*) FROM invitation WHERE event = ANY($1)", [unnamed.number, seats.number]
        )
        == 0
    )
    await invite(organiser, seats, SEATS)
    await office.rows.execute("UPDATE event SET admission = 'invitation' WHERE number = $1", seats.number)
    assert "aber hier stehen Namen" in (await organiser.get(at(seats))).text


async def test_cards_to_print_have_codes_that_let_in(office: Hall, organiser: httpx.AsyncClient) -> None:
    event = await office.event("seat", invited=0)
    await invite(organiser, event, SEATS)
    await organiser.post(at(event, "/2/revoke"), data={"action": "revoke"})
    page = (await organiser.get(at(event, "/sheet"))).text
    drawings = re.findall(r"<svg class=\"qr\".*?</svg>", page)
    assert [seen(one) for one in drawings] == [[f"{office.url}{event.join(n)}"] for n in (1, 3)]
    assert all(event.invitation(n) in page for n in (1, 3)) and event.invitation(2) not in page
    assert await audited(office, event, "codes_shown") == [{"first": 1, "last": 3}]


async def test_codes_as_a_table_are_no_formulas(office: Hall, organiser: httpx.AsyncClient) -> None:
    event = await office.event("seat", invited=0)
    await invite(organiser, event, SEATS)
    answer = await organiser.get(at(event, ".csv"))
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert [row["name"] for row in rows] == ["Ada Beispiel", "<b>Bert</b>", "Cleo"]
    assert rows[1]["organisation"] == "'=1+1"
    assert [number_of(event.key, row["code"]) for row in rows] == [1, 2, 3]
    assert [row["link"] for row in rows] == [f"{office.url}{event.join(n)}" for n in (1, 2, 3)]


async def test_everybody_with_an_address_is_written_to_once(
    office: Hall, organiser: httpx.AsyncClient
) -> None:
    event = await office.event("seat", invited=1)
    await invite(organiser, event, SEATS)
    await office.rows.execute(
        "INSERT INTO invitation (event, number, name, mail) VALUES ($1, 90, 'Fritz', 'fritz@-')", event.number
    )
    page = (await organiser.get(at(event))).text
    assert "3 Briefe senden" in page
    for _ in range(2):
        assert (await organiser.post(at(event, "/send"))).status_code == 303
        async with asyncio.timeout(60):
            while await office.rows.fetchval(
                "SELECT count(*) FROM invitation WHERE event = $1 AND mail IS NOT NULL AND mailed IS NULL",
                event.number,
            ):
                await asyncio.sleep(0.05)
    letters = await office.rows.fetch(
        "SELECT recipient, message FROM tenant_city.mail WHERE position($1 IN encode(message, 'escape')) > 0"
        " ORDER BY recipient",
        event.code,
    )
    assert [row["recipient"] for row in letters] == ["ada@example.org", "cleo@example.org"]
    message = email.message_from_bytes(letters[0]["message"], policy=email.policy.default)
    body = message.get_body(("plain",))
    assert body is not None and message["subject"] == "Ihre Einladung: Auftakt"
    text = body.get_content()
    assert f"{office.url}{event.join(2)}" in text and event.invitation(2) in text and "Guten Tag, Ada" in text
    assert "Adresse nicht möglich" in (await organiser.get(at(event))).text


async def test_a_revoked_invitation_counts_again(office: Hall, organiser: httpx.AsyncClient) -> None:
    event = await office.event()
    for action, status in (("revoke", 403), ("restore", 303)):
        answer = await organiser.post(at(event, "/4/revoke"), data={"action": action})
        assert answer.status_code == 303
        async with Phone(office) as phone:
            assert (await phone.get(event.join(4))).status_code == status
    assert [await audited(office, event, verb) for verb in ("revoke", "restore")] == [[{"invitation": 4}]] * 2
    assert (await organiser.post(at(event, "/99/revoke"))).status_code == 404


async def test_names_are_forgotten_and_numbers_stay(office: Hall, organiser: httpx.AsyncClient) -> None:
    """As the daily job does it; who is invited to what is not over yet is remembered."""
    from rhinecloud.apps.participation.joining import invitations

    over, lasting = await office.event("seat", invited=0), await office.event("seat", invited=0)
    for event in (over, lasting):
        await invite(organiser, event, SEATS)
    await office.rows.execute(
        "UPDATE event SET state = 'over', ended_at = now() - interval '91 days' WHERE number = $1",
        over.number,
    )
    pool = await asyncpg.create_pool(
        office.server.database_url,
        min_size=1,
        max_size=1,
        server_settings={"search_path": "app_participation"},
    )
    city: Any = type("City", (), {"db": type("Room", (), {"pool": pool})})
    assert await invitations.forget(city) == 3
    assert await invitations.forget(city) == 0
    await pool.close()
    rows = await office.rows.fetch(
        "SELECT event, count(*) AS all, count(coalesce(name, mail, organisation)) AS named FROM invitation"
        " WHERE event = ANY($1) GROUP BY event ORDER BY event",
        [over.number, lasting.number],
    )
    assert [tuple(row) for row in rows] == [(over.number, 3, 0), (lasting.number, 3, 3)]


async def test_there_is_no_event_of_this_number(organiser: httpx.AsyncClient) -> None:
    for path in ("", "/sheet", ".csv"):
        assert (await organiser.get(f"/participation/events/999999/invitations{path}")).status_code == 404
