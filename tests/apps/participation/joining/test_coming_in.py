"""Coming in with a code: right ones, and wrong, used, revoked and expired ones."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.apps.participation.events.model import Event
from rhinecloud.apps.participation.joining import here, passes
from rhinecloud.apps.participation.joining.passes import Pass

from .conftest import Hall, Prepared

OWN = {"Sec-Fetch-Site": "same-origin", "Accept-Language": "de"}


class Phone(httpx.AsyncClient):
    """A browser of its own."""

    def __init__(self, hall: Hall) -> None:
        super().__init__(base_url=hall.url, timeout=60, headers=OWN)

    def pass_of(self, event: Prepared) -> Pass | None:
        """What it keeps."""
        return passes.read(event.key, self.cookies.get(f"vote-{event.code}", ""))

    async def vote(self, event: Prepared, revision: int = 1) -> httpx.Response:
        """Send a vote for the first answer, as the page's script does."""
        page = (await self.get(event.path)).text
        option = re.findall(r'name="option" value="(\d+)"', page)[0]
        fields = {"poll": str(event.polls[0]), "option": option, "revision": str(revision)}
        return await self.post(f"{event.path}/vote", data=fields, headers={"Accept": "application/json"})


@pytest_asyncio.fixture
async def phone(hall: Hall) -> AsyncIterator[Phone]:
    async with Phone(hall) as found:
        yield found


@pytest_asyncio.fixture
async def other(hall: Hall) -> AsyncIterator[Phone]:
    async with Phone(hall) as found:
        yield found


async def test_a_code_lets_in_and_votes(hall: Hall, phone: Phone) -> None:
    event = await hall.event()
    answer = await phone.get(event.join(3))
    assert (answer.status_code, answer.headers["location"]) == (303, event.path)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/participation/e" in cookie
    kept = phone.pass_of(event)
    assert kept is not None and kept.invitation == 3
    assert (await phone.vote(event)).json()["received"] is True
    rows = await hall.rows.fetch("SELECT id, invitation FROM participant WHERE event = $1", event.number)
    assert [tuple(row) for row in rows] == [(kept.participant, 3)]


async def test_a_code_may_be_typed_and_without_one_it_is_asked_for(hall: Hall, phone: Phone) -> None:
    event = await hall.event()
    page = await phone.get(f"{event.path}/join")
    assert page.status_code == 200 and 'name="code"' in page.text and phone.pass_of(event) is None
    typed = event.invitation(2).lower().replace("-", " ")
    assert (await phone.get(f"{event.path}/join", params={"code": typed})).status_code == 303
    assert phone.pass_of(event) is not None


async def test_a_code_of_another_event_is_none_here(hall: Hall, phone: Phone) -> None:
    event, elsewhere = await hall.event(), await hall.event()
    answer = await phone.get(f"{event.path}/join?code={elsewhere.invitation(1)}")
    assert answer.status_code == 403 and "kein Code dieser Veranstaltung" in answer.text
    assert not phone.cookies


async def test_a_pass_of_another_event_is_none_here(hall: Hall, phone: Phone) -> None:
    event, elsewhere = await hall.event(), await hall.event()
    await phone.get(elsewhere.join(1))
    stolen = phone.cookies[f"vote-{elsewhere.code}"]
    phone.cookies.set(f"vote-{event.code}", stolen)
    assert 'name="code"' in (await phone.get(event.path)).text


async def test_a_revoked_code_is_told_so_and_so_is_one_of_nobody(hall: Hall, phone: Phone) -> None:
    event = await hall.event(invited=2)
    await hall.rows.execute(
        "UPDATE invitation SET revoked = true WHERE event = $1 AND number = 2", event.number
    )
    for number in (2, 3):
        answer = await phone.get(event.join(number))
        assert answer.status_code == 403 and "widerrufen" in answer.text and phone.pass_of(event) is None


async def test_who_is_in_when_their_code_is_revoked_votes_no_more(hall: Hall, phone: Phone) -> None:
    event = await hall.event()
    await phone.get(event.join(1))
    assert (await phone.vote(event)).json()["received"] is True
    await hall.rows.execute("UPDATE invitation SET revoked = true WHERE event = $1", event.number)
    assert (await phone.vote(event, 2)).status_code in (403, 409, 410)


async def test_codes_end_with_their_event(hall: Hall, phone: Phone) -> None:
    event = await hall.event(state="over")
    answer = await phone.get(event.join(1))
    assert answer.status_code == 410 and "vorbei" in answer.text and phone.pass_of(event) is None


async def test_a_used_code_is_the_same_person_on_another_phone(
    hall: Hall, phone: Phone, other: Phone
) -> None:
    event = await hall.event()
    await phone.get(event.join(1))
    await phone.vote(event)
    told = await other.get(event.join(1))
    assert told.status_code == 200 and "macht schon jemand mit" in told.text and other.pass_of(event) is None
    assert (await other.get(event.join(1) + "&sure=1")).status_code == 303
    assert other.pass_of(event).participant == phone.pass_of(event).participant  # type: ignore[union-attr]
    assert other.pass_of(event) != phone.pass_of(event)
    assert (await other.vote(event, 2)).json()["received"] is True
    assert await hall.rows.fetchval("SELECT count(*) FROM vote WHERE event = $1", event.number) == 1


async def test_a_phone_that_comes_again_keeps_its_secret(hall: Hall, phone: Phone) -> None:
    """Another one could not change a secret vote any more."""
    event = await hall.event()
    await phone.get(event.join(1))
    before = phone.pass_of(event)
    answer = await phone.get(event.join(1))
    assert answer.status_code == 303 and phone.pass_of(event) == before


async def test_another_code_on_the_same_phone_is_asked_about(hall: Hall, phone: Phone) -> None:
    event = await hall.event()
    await phone.get(event.join(1))
    told = await phone.get(event.join(2))
    assert told.status_code == 200 and "mit einem anderen Code" in told.text
    assert phone.pass_of(event).invitation == 1  # type: ignore[union-attr]
    answer = await phone.post(f"{event.path}/join", data={"code": event.invitation(2)})
    assert answer.status_code == 303 and phone.pass_of(event).invitation == 2  # type: ignore[union-attr]


async def test_an_open_event_asks_for_no_code(hall: Hall, phone: Phone) -> None:
    event = await hall.event("open")
    assert (await phone.get(event.join(1))).headers["location"] == event.path
    assert (await phone.get(event.path)).status_code == 200
    kept = phone.pass_of(event)
    assert kept is not None and kept.invitation is None
    await phone.get(event.path)
    assert phone.pass_of(event) == kept
    assert (await phone.vote(event)).json()["received"] is True


async def test_what_is_typed_is_no_markup(hall: Hall, phone: Phone) -> None:
    event = await hall.event()
    page = (await phone.get(f"{event.path}/join", params={"code": '"><script>alert(1)</script>'})).text
    assert "<script>alert" not in page
    answer = await phone.get(f"{event.path}/join", params={"code": "A" * 20_000})
    assert answer.status_code == 403 and f'value="{"A" * 40}"' in answer.text


async def test_a_pass_is_sent_by_tls_only_where_the_city_is_reached_so() -> None:
    event: Any = SimpleNamespace(spec=Event, code="ABCDEF", key=b"k" * 32, state="open")
    kept = here.Here(event, passes.drawn(event.key, 1))
    request = Request({"type": "http", "headers": [], "method": "GET", "path": "/"})
    for address, secure in (("https://stadt.example.org", True), ("http://127.0.0.1:8080", False)):
        city: Any = SimpleNamespace(address=lambda request, address=address: address)
        response = Response()
        here.give(city, response, request, kept)
        cookie = response.headers["set-cookie"]
        assert ("Secure" in cookie.split("; ")) == secure == cookie.startswith("__Secure-vote-ABCDEF=")
