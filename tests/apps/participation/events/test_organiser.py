"""An organiser in a real browser: from nothing to an open vote in a few clicks, and the remote control on a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, expect

from tests.web.conftest import Visiting, axe_and_width, browser, visit

from ..conftest import Organiser

__all__ = ["browser", "visit"]  # fixtures

PHONE = {"width": 390, "height": 760}
COUNT = "addEventListener('click', () => (sessionStorage.n = 1 + Number(sessionStorage.n || 0)), true)"


@asynccontextmanager
async def counted(visit: Visiting) -> AsyncIterator[Page]:
    async with visit(init=COUNT) as visited:
        await visited.go("/participation")
        yield visited.page


async def clicks(page: Page) -> int:
    return int(await page.evaluate("Number(sessionStorage.n || 0)"))


async def test_a_vote_is_prepared_and_opened_in_under_ten_clicks(
    visit: Visiting, organiser: Organiser
) -> None:
    async with counted(visit) as page:
        await page.get_by_role("link", name="Neue Veranstaltung").click()
        await page.keyboard.type("Auftakt in der Mercatorhalle")  # the title has the focus
        await page.get_by_role("button", name="Veranstaltung anlegen").click()
        await page.get_by_role("link", name="Ja oder Nein").click()
        await page.get_by_label("Frage").fill("Soll der Masterplan fortgeschrieben werden?")
        await page.get_by_role("button", name="Abstimmung speichern").click()
        await page.get_by_role("link", name="Fernbedienung").click()
        await page.get_by_role("button", name="Öffnen: Soll der Masterplan").click()
        await expect(page.locator(".shown")).to_contain_text("jetzt offen")
        assert 4 < await clicks(page) < 10
    row = organiser.rows(
        "SELECT state, secret FROM app_participation.poll WHERE title LIKE 'Soll der Masterplan%'"
    )[0]
    assert (row["state"], row["secret"]) == ("open", True)


async def test_the_whole_way_by_keyboard(visit: Visiting, organiser: Organiser) -> None:
    async with visit() as visited:
        page = (await visited.go("/participation/events/new")).page
        await page.keyboard.type("Nur mit Tasten")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/events/*done=made")
        await page.get_by_role("link", name="Mehrere Antworten").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/polls/new*")
        await page.get_by_label("Frage").focus()
        await page.keyboard.press("Enter")  # keeps the poll, and does not ask for more rows
        await page.wait_for_url("**made=*")
        await page.get_by_role("link", name="Fernbedienung").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/remote")
        opening = page.get_by_role("button", name="Öffnen: Was ist Ihnen wichtig?")
        for _ in range(60):
            if await opening.evaluate("one => one === document.activeElement"):
                break
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator(".shown")).to_contain_text("jetzt offen")


async def test_the_remote_control_on_a_phone(visit: Visiting, organiser: Organiser) -> None:
    event, code = organiser.event("Fern", polls=["single"])
    poll = organiser.poll(event, "scale", title="Wie war es?", results="reveal")
    async with visit(**PHONE) as first, visit(**PHONE) as second:
        page = (await first.go(f"/participation/events/{event}/remote")).page
        other = (await second.go(f"/participation/events/{event}/remote")).page
        await expect(page.locator(".shown__title")).to_have_text("die Begrüßung mit Code und QR-Code")
        big = page.locator(".big .kern-btn--primary")
        box = await big.bounding_box()
        assert box is not None and box["height"] >= 60 and box["width"] > 250
        await big.click()  # shows the first poll
        await page.get_by_role("button", name="Abstimmung öffnen").click()
        # Another phone that steers sees it without being touched.
        await expect(other.locator(".shown")).to_contain_text("jetzt offen")
        assert organiser.rows("SELECT current_poll FROM app_participation.event WHERE number = $1", event)[0][
            0
        ]

        await page.get_by_role("link", name="Abstimmung schließen …").click()
        await page.get_by_role("link", name="Offen lassen").click()
        await expect(page.locator(".shown")).to_contain_text("jetzt offen")
        await page.get_by_role("link", name="Abstimmung schließen …").click()
        await page.get_by_role("button", name="Abstimmung schließen").click()
        await expect(other.locator(".shown")).to_contain_text("geschlossen")
        await page.get_by_role("button", name="Weiter: Wie war es?").click()
        await page.get_by_role("button", name="Abstimmung öffnen").click()
        await expect(page.locator(".shown")).to_contain_text("Ergebnis verborgen")
        await page.get_by_role("button", name="Ergebnis zeigen").click()
        await expect(other.locator(".shown")).to_contain_text("Ergebnis gezeigt")
    assert organiser.rows("SELECT revealed FROM app_participation.poll WHERE number = $1", poll)[0][0] is True


async def test_the_remote_control_counts_while_people_vote(visit: Visiting, organiser: Organiser) -> None:
    event, code = organiser.event("Zählt", polls=["single"])
    poll = organiser.rows("SELECT number FROM app_participation.poll WHERE event = $1", event)[0]["number"]
    organiser.open(event, poll)
    option = organiser.options(poll)["Mobilität"]
    async with visit(**PHONE) as remote, visit(**PHONE) as phone:
        page = (await remote.go(f"/participation/events/{event}/remote")).page
        await expect(page.locator("#count")).to_have_text("0")
        voter = (await phone.go(f"/participation/e/{code}")).page
        await voter.locator(f"input[name=option][value='{option}']").check()
        await voter.locator("form button[type=submit]").first.click()
        await expect(page.locator("#count")).to_have_text("1")
        await expect(page.locator(".so-far")).to_contain_text("Mobilität1")


async def test_a_code_is_typed_on_the_first_page(visit: Visiting, organiser: Organiser) -> None:
    _, code = organiser.event("Zum Mitmachen")
    async with visit(**PHONE) as visited:
        visited.allowed.append("404")
        page = (await visited.go("/participation")).page
        await page.get_by_label("Code der Veranstaltung").fill("ZZZZZZ")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("keine Veranstaltung mit dem Code ZZZZZZ")
        await page.get_by_label("Code der Veranstaltung").fill(code.lower())
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/participation/e/{code}")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everybody_can_use_these_pages(visit: Visiting, organiser: Organiser, theme: str) -> None:
    event, _ = organiser.event(
        "Für alle mit einem sehr langen Namen: Donaudampfschifffahrtsgesellschaft", template="opening"
    )
    organiser.event(template="meeting")
    polls = organiser.rows(
        "SELECT number, kind FROM app_participation.poll WHERE event = $1 ORDER BY place", event
    )
    groups = polls[0]["number"]
    secret = organiser.poll(event, "yes-no")
    here = f"/participation/events/{event}"
    await axe_and_width(visit, ["/participation", "/participation/events/new", here, f"{here}/remote"], theme)
    kinds = ("groups", "yes-no", "multiple", "scale", "words", "questions")
    await axe_and_width(visit, [f"{here}/polls/new?template={kind}" for kind in kinds], theme)
    organiser.open(event, groups)
    organiser.open(event, secret)
    both = [f"/participation/polls/{groups}", f"/participation/polls/{secret}"]
    await axe_and_width(visit, [*both, f"{here}/remote", f"{here}/remote?close={secret}"], theme)


async def test_what_is_wrong_is_told_at_its_field(visit: Visiting, organiser: Organiser) -> None:
    event, _ = organiser.event()
    poll = organiser.poll(event, "groups", **{"option-0-capacity": "2"})
    async with visit(width=320) as visited:
        visited.allowed.append("422")
        page = (await visited.go(f"/participation/polls/{poll}")).page
        await page.get_by_text("Plätze reservieren").first.click()
        await page.locator("#option-0-club").fill("3")
        await page.get_by_role("button", name="Speichern").last.click()
        await page.wait_for_selector("html[data-ready]")
        assert "mehr Plätze reserviert" in await page.locator("#option-0-reserved-error").inner_text()
        assert await page.locator("#option-0-club").input_value() == "3"
        assert await visited.axe() == []
        assert await visited.overflow() <= 0
