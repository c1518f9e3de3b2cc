"""What phones send, and what they are answered: late, twice, from two phones, too much of it, without a pass."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tests.web.conftest import Visiting, browser, visit

from ..conftest import Organiser
from .conftest import Phone, Phones

__all__ = ["browser", "visit"]  # fixtures


def opened(organiser: Organiser, template: str = "single", **fields: Any) -> tuple[int, str, int]:
    event, code = organiser.event()
    given = {"options": "Ja\nNein", "secret": "no"} | fields if template == "single" else fields
    poll = organiser.poll(event, template, **given)
    organiser.open(event, poll)
    return event, code, poll


def same_pass(phone: Phone, url: str) -> Phone:
    """Another window that shows the same pass."""
    other = Phone.__new__(Phone)
    other.client = httpx.Client(base_url=url, headers=phone.client.headers, cookies=phone.client.cookies)
    other.path = phone.path
    return other


@pytest.mark.parametrize("secret", ["no", "yes"])
def test_of_two_windows_the_newer_vote_counts_and_the_other_is_told(
    organiser: Organiser, phones: Phones, secret: str
) -> None:
    _, code, poll = opened(organiser, secret=secret)
    yes, no = organiser.options(poll).values()
    first = phones(code)
    second = same_pass(first, organiser.url)
    assert first.send(poll, option=yes, revision=1).json() == {"received": True, "revision": 1}
    assert first.send(poll, option=yes, revision=1).json() == {
        "received": True,
        "revision": 1,
    }  # its answer was lost
    late = second.send(poll, option=no, revision=1)
    assert late.status_code == 409
    assert late.json() == {
        "received": False,
        "reason": "newer",
        "revision": 1,
        "fields": {"option": str(yes)},
    }
    assert second.send(poll, option=no, revision=2).json() == {"received": True, "revision": 2}
    page = first.client.get(first.path).text
    assert re.search(rf'value="{no}"[^>]* checked', page) and 'data-revision="2"' in page
    second.client.close()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"word_1": "x" * 41},
        {"word_1": "x" * 1_000_000},
        {"words": "x," * 900},
        {"word_1": "\u202eRhein"},
    ],
)
def test_words_that_cannot_be_are_refused_with_a_reason(
    organiser: Organiser, phones: Phones, fields: dict[str, Any]
) -> None:
    _, code, poll = opened(organiser, "words")
    answer = phones(code).send(poll, **fields)
    assert answer.status_code == 422, answer.text
    assert answer.json()["message"].startswith(("Bitte", "Höchstens"))
    assert organiser.rows("SELECT count(*) FROM app_participation.vote WHERE poll = $1", poll)[0][0] == 0


def test_a_vote_after_closing_is_refused_with_a_reason(organiser: Organiser, phones: Phones) -> None:
    event, code, poll = opened(organiser)
    phone, option = phones(code), organiser.options(poll)["Ja"]
    organiser.close(event, poll)
    answer = phone.send(poll, option=option, revision=1)
    assert answer.status_code == 409
    assert answer.json() == {
        "received": False,
        "reason": "closed",
        "message": "Diese Abstimmung ist nicht offen.",
    }
    page = phone.client.post(f"{phone.path}/vote", data={"poll": poll, "option": option})
    assert page.status_code == 409 and "Diese Abstimmung ist nicht offen." in page.text


def test_polls_of_another_event_and_strangers_are_not_let_in(organiser: Organiser, phones: Phones) -> None:
    _, code, poll = opened(organiser)
    _, _, other = opened(organiser)
    phone = phones(code)
    for number in (str(other), "0", "x", "9" * 40):
        answer = phone.client.post(f"{phone.path}/vote", data={"poll": number, "option": "1"})
        assert answer.status_code == 404, number
    option = organiser.options(poll)["Ja"]
    with httpx.Client(base_url=organiser.url, headers={"Sec-Fetch-Site": "same-origin"}) as stranger:
        answer = stranger.post(f"{phone.path}/vote", data={"poll": poll, "option": option})
        assert answer.status_code == 403
    elsewhere = phone.client.post(
        f"{phone.path}/vote", data={"poll": poll, "option": option}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert elsewhere.status_code == 403
    assert organiser.rows("SELECT count(*) FROM app_participation.vote WHERE poll = $1", poll)[0][0] == 0


def test_an_event_that_there_is_not(organiser: Organiser) -> None:
    for path in ("", "/own", "/stage", "/results", "/results.csv", "/results.json", "/results.svg", "/how"):
        assert organiser.client.get(f"/participation/e/ZZZZZZ{path}").status_code == 404


def test_who_needs_a_code_sees_what_is_asked_and_enters_it(organiser: Organiser) -> None:
    event, code = organiser.event(admission="invitation")
    organiser.open(event, organiser.poll(event, "single", options="Ja\nNein"))
    page = organiser.client.get(f"/participation/e/{code}")
    assert page.status_code == 200 and 'data-me=""' in page.text
    assert f'action="/participation/e/{code}/join"' in page.text and "set-cookie" not in page.headers


async def test_a_place_appears_on_the_phone_when_it_is_published(
    visit: Visiting, organiser: Organiser, phones: Phones
) -> None:
    event, code = organiser.event()
    fields = {"option-2-capacity": "1"}  # Wohnen
    poll = organiser.poll(event, "groups", results="live", **fields)
    organiser.open(event, poll)
    options = organiser.options(poll)
    async with visit(width=390, height=844) as phone, visit(width=1920, height=1080) as screen:
        page = phone.page
        await phone.go(f"/participation/e/{code}")
        await page.wait_for_selector("#phone[data-ready]")
        await page.get_by_role("button", name="Breitband").click()
        await page.get_by_role("button", name="Abstimmen").click()
        await page.get_by_text("Ihre Stimme ist angekommen.").wait_for()
        ticket = await page.locator("#ticket strong").inner_text()
        for _ in range(2):
            phones(code).vote(poll, wish_1=options["Wohnen"])
        await screen.go(f"/participation/e/{code}/stage")
        organiser.close(event, poll)
        organiser.post(f"/polls/{poll}/places/word", word="Rheinorange")
        organiser.post(f"/polls/{poll}/places/publish", way="lot")
        await page.get_by_text("Sie haben einen Platz: Breitband").wait_for()
        await expect(page.get_by_text("bis die Abstimmung geschlossen wird")).to_be_hidden()
        told = await page.context.request.get(f"{organiser.url}/participation/e/{code}/places/{poll}/own")
        places = await told.json()
        assert (places["ticket"], places["title"]) == (ticket, "Breitband")
        full = screen.page.locator(f"#bar-{options['Wohnen']}")
        await expect(full).to_contain_text("voll · Warteliste: 1")
        assert await phone.axe() == [] and await screen.axe() == []
        organiser.open(event, organiser.poll(event, "scale"))
        await page.get_by_role("heading", name="Wie zufrieden sind Sie?").wait_for()
        await expect(page.get_by_text("Sie haben einen Platz")).to_have_count(0)
        await expect(page.locator("#ticket")).to_be_hidden()
        organiser.show(event, poll)
        await page.get_by_text("Sie haben einen Platz: Breitband").wait_for()
    answer = phones(code).client.get(f"/participation/e/{code}/results.json").json()
    groups = answer["polls"][0]
    taken = {
        one["answer"]: (one["count"], one["capacity"], one["taken"], one["waiting"])
        for one in groups["answers"]
    }
    assert taken["Wohnen"] == (2, 1, 1, 1) and taken["Breitband"][2] == 1
