"""The pages in a real browser: whom they keep out, and how they look on a small phone and on paper."""

from __future__ import annotations

import httpx
import pytest

from ....web.conftest import Visiting, axe_and_width, browser, visit
from .conftest import Hall, Prepared
from .test_coming_in import OWN
from .test_inviting import SEATS

__all__ = ["browser", "visit"]  # fixtures

LONG = f"Verein-zur-Förderung-{'sehr' * 30}-langer-Namen"


async def _prepared(office: Hall) -> Prepared:
    """With seats: one revoked, one that has voted, one with a long name."""
    event = await office.event("seat", invited=0)
    async with httpx.AsyncClient(base_url=office.url, headers=OWN, timeout=60) as client:
        root = f"/participation/events/{event.number}"
        files = {"file": ("list.csv", f"{SEATS}{LONG};;{LONG}\nDora".encode(), "text/csv")}
        assert (await client.post(f"{root}/invitations/list", files=files)).status_code == 303
        await client.post(f"{root}/invitations/2/revoke", data={"action": "revoke"})
        option = await office.rows.fetchval("SELECT min(number) FROM option WHERE poll = $1", event.polls[0])
        path = f"{root}/desk/1/polls/{event.polls[0]}"
        assert (await client.post(path, data={"option": str(option)})).status_code == 303
    return event


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_and_width(visit: Visiting, office: Hall, theme: str) -> None:
    event = await _prepared(office)
    unused = await office.event(invited=0)
    root = f"/participation/events/{event.number}"
    paths = [
        f"{root}/invitations",
        f"{root}/invitations?q=Cleo",
        f"/participation/events/{unused.number}/invitations?done=revoked&count=3",
        f"{root}/invitations/sheet",
        "/participation/desk",
        f"{root}/desk",
        *(f"{root}/desk/{number}" for number in (1, 2, 3)),
        f"{event.path}/join",
        f"{event.path}/join?code={event.invitation(1)}",
    ]
    await axe_and_width(visit, paths, theme)


async def test_a_wrong_code_is_told_without_a_mouse(visit: Visiting, office: Hall) -> None:
    event = await office.event()
    async with visit(width=320, height=568) as page:
        page.allowed.append("403")
        await page.go(f"{event.path}/join")
        await page.page.locator("#code").focus()
        await page.page.keyboard.type("falsch")
        await page.page.keyboard.press("Enter")
        await page.page.wait_for_selector("[role=alert]")
        assert await page.axe() == [] and await page.overflow() <= 0
        await page.page.locator("#code").fill(event.invitation(1))
        await page.page.keyboard.press("Enter")
        await page.page.wait_for_url(f"**{event.path}")


async def test_a_helper_enters_a_vote_by_the_keyboard_and_sees_that_it_arrived(
    visit: Visiting, office: Hall
) -> None:
    event = await office.event()
    async with visit(width=390, height=844) as page:
        await page.go(f"/participation/events/{event.number}/desk")
        await page.page.locator("#q").focus()
        await page.page.keyboard.type("2")
        await page.page.keyboard.press("Enter")
        await page.page.wait_for_url("**/desk/2")
        await page.page.get_by_label("ja", exact=True).focus()
        await page.page.keyboard.press("Space")
        await page.page.get_by_role("button", name="Eingeben").focus()
        await page.page.keyboard.press("Enter")
        await page.page.wait_for_selector("text=Die Stimme vom Papier ist angekommen")
        assert await page.axe() == []


async def test_cards_fit_on_paper(visit: Visiting, office: Hall) -> None:
    event = await office.event(invited=30)
    async with visit() as page:
        await page.go(f"/participation/events/{event.number}/invitations/sheet")
        await page.page.emulate_media(media="print")
        assert await page.page.locator(".ticket").count() == 30
        assert await page.page.locator(".sheet__about").is_hidden()
        boxes = [await card.bounding_box() for card in await page.page.locator(".ticket .qr").all()]
        assert all(
            box is not None and box["width"] >= 90 for box in boxes
        )  # 25 mm: phones read it from the hand
