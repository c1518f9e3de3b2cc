"""The pages of moderation in a browser: for everybody, light and dark, on a small phone, without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import Server
from tests.web.conftest import Street, Visiting, axe_and_width, browser, visit

from ..conftest import Organiser

__all__ = ["browser", "visit"]


class Subject:
    """A proposal, and a hiding of another one with an appeal."""

    def __init__(self, organiser: Organiser) -> None:
        self.organiser = organiser
        self.reported, self.hidden = (
            self.proposal("Mehr Bänke am Innenhafen"),
            self.proposal("Alles abreißen"),
        )
        for reason in ("insult", "personal", "other"):
            self.report(self.reported, reason)
        given = {"action": "hide", "reason": "insult", "text": "So reden wir hier nicht."}
        organiser.post(f"/moderation/proposal/{self.hidden}", **given)
        statement = "SELECT max(number) FROM app_participation.hiding"
        self.hiding = organiser.rows(statement)[0][0]
        organiser.rows(
            "INSERT INTO app_participation.theme_group (name, title, lead, about, state, key, created_by) "
            "SELECT 'g' || n, 'Gruppe ' || n, '', '', 'active', $1, 'open' FROM generate_series(1, 3) n "
            "ON CONFLICT DO NOTHING",
            b"k" * 32,
        )

    def proposal(self, title: str) -> int:
        where = self.organiser.post("/proposals/new", title=title, text="Warum nicht?")
        return int(re.findall(r"/proposals/(\d+)", where)[0])

    def report(self, number: int, reason: str) -> None:
        self.organiser.post("/report", on=f"proposal:{number}", reason=reason, text="Bitte <b>ansehen</b>.")

    def appeal(self) -> httpx.Response:
        return self.organiser.client.post(
            f"/participation/appeal/{self.hiding}", data={"text": "Das war anders gemeint.\n\nWirklich."}
        )


@pytest.fixture(scope="module")
def city(server: Server) -> Iterator[Street]:
    found = Street(server.base_url)
    yield found
    found.client.close()


@pytest.fixture(scope="module")
def subject(organiser: Organiser) -> Subject:
    return Subject(organiser)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everybody_can_use_them(subject: Subject, visit: Visiting, theme: str) -> None:
    paths = [
        f"/participation/report?on=proposal:{subject.reported}",
        f"/participation/report?on=proposal:{subject.reported}&done=1",
        f"/participation/report?on=proposal:{subject.hidden}",
        f"/participation/appeal/{subject.hiding}?",
        "/participation/moderation?done=hide",
        f"/participation/moderation/proposal/{subject.reported}?",
        f"/participation/moderation/proposal/{subject.hidden}?",
        "/participation/digest?done=written",
    ]
    await axe_and_width(visit, paths, theme)
    if theme == "dark":
        assert subject.appeal().status_code == 200  # from here on the other pages of it
        await axe_and_width(visit, [*paths[3:5], paths[6]], theme)


async def test_a_report_by_keyboard_without_javascript(subject: Subject, visit: Visiting) -> None:
    number = subject.proposal("Mit Werbung")
    async with visit(width=320, height=640, java_script_enabled=False) as page:
        page.allowed.append("422")
        await page.page.goto(subject.organiser.url + f"/participation/report?on=proposal:{number}")
        await page.page.locator("#text").focus()
        await page.page.keyboard.type("Das ist Reklame.")
        await page.page.keyboard.press("Tab")
        await page.page.keyboard.press("Tab")
        async with page.page.expect_navigation():
            await page.page.keyboard.press("Enter")
        # The reason is missing: the field says so, and nothing that was written is lost.
        assert await page.page.input_value("#text") == "Das ist Reklame."
        assert "Bitte wählen Sie einen Grund" in await page.page.inner_text("main")
        await page.page.select_option("#reason", "advertising")
        async with page.page.expect_navigation():
            await page.page.locator("form.form button[type=submit]").first.press("Enter")
        assert "Ihre Meldung ist angekommen" in await page.page.inner_text("main")
