"""The demo's opening event: people vote by themselves, one watches and joins; a restart goes on, or leaves it alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from rhinecloud.demo.audience import GROUPS, audience

from ..conftest import EXTERNAL_NATS, Server
from ..web.conftest import CHROMIUM, FLAGS
from .test_city import demo, ended, eventually

pytestmark = [
    pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS"),
    pytest.mark.timeout(600),
]
PEOPLE = 30
OPTIONS = ("--lamps", "10", "--vehicles", "0", "--no-faults", "--no-plan", "--participants", str(PEOPLE))
PATIENCE = 60_000  # milliseconds


class Said:
    """What the demo prints."""

    def __init__(self, process: Any) -> None:
        self._lines: Iterator[str] = iter(process.stdout.readline, "")

    def until(self, part: str) -> str:
        """The next line with this part in it; fails where something went wrong before."""
        for line in self._lines:
            assert "ends here" not in line, line
            assert "cannot come in" not in line, line
            if part in line:
                return line
        raise AssertionError(f"it ended and did not say {part!r}")


def results(address: str) -> list[dict[str, Any]]:
    """The polls whose results everybody may see."""
    answer = httpx.get(f"{address}/results.json", timeout=30)
    assert answer.status_code == 200
    return list(answer.json()["polls"])


def test_everybody_votes_once_and_gets_a_place_through_a_restart(server: Server) -> None:
    process = demo(server, *OPTIONS, "--vote-seconds", "15")
    said = Said(process)
    address = said.until("to watch").split()[-1].removesuffix("/stage")
    own = said.until("Vote yourself").split()[-1]
    assert own.startswith(f"{address}/join?code=")
    said.until("poll 1 of 3 is open")
    eventually(lambda: any(poll["ballots"] > 5 for poll in results(address)))
    ended(process)  # in the middle of the vote

    process = demo(server, *OPTIONS, "--vote-seconds", "6")
    said = Said(process)
    assert said.until("to watch").split()[-1] == f"{address}/stage", "the same event goes on"
    said.until("everybody has their place")
    said.until("all polls are closed")
    groups, words, scale = results(address)
    assert [poll["state"] for poll in (groups, words, scale)] == ["closed"] * 3
    assert [poll["ballots"] for poll in (groups, words, scale)] == [PEOPLE] * 3
    assert [one["answer"] for one in groups["answers"]] == list(GROUPS)
    assert all(one["taken"] <= one["capacity"] for one in groups["answers"] if one["capacity"] is not None)
    assert sum(one["waiting"] for one in groups["answers"]) > 0
    assert len(words["words"]) > 3
    assert 3 < scale["mean"] < 5
    tickets = httpx.get(f"{address}/places/{groups['poll']}/tickets.txt", timeout=30).text.split()
    assert len(set(tickets)) == PEOPLE
    ended(process)

    process = demo(server, *OPTIONS)
    assert Said(process).until("live vote").startswith("The live vote was held before")
    ended(process)
    events = httpx.get(f"{server.base_url}/participation", timeout=30).text
    assert len(set(re.findall(r'/participation/events/(\d+)"', events))) == 1


def first_wishes(group: str) -> int:
    """Of how many people this is the first wish, in the end."""
    last = [one.wishes if one.changes is None else one.second for one in audience(PEOPLE)]
    return sum(GROUPS[wishes[0]] == group for wishes in last)


@pytest.fixture
async def contexts() -> AsyncIterator[Any]:
    """Browsers of one's own, as large as is said."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

        async def opened(width: int, height: int) -> Page:
            context: BrowserContext = await browser.new_context(
                viewport={"width": width, "height": height}, locale="de-DE", has_touch=width < 800
            )
            context.set_default_timeout(PATIENCE)
            return await context.new_page()

        yield opened
        await browser.close()


async def test_one_watches_the_stage_and_votes_with_a_phone(serve: Any, contexts: Any) -> None:
    server = await asyncio.to_thread(serve)
    process = demo(server, *OPTIONS, "--vote-seconds", "30")
    try:
        said = Said(process)
        address = said.until("to watch").split()[-1]
        own = said.until("Vote yourself").split()[-1]
        stage, phone = await contexts(1600, 900), await contexts(390, 844)
        await stage.goto(address)
        await expect(stage.locator("h1")).to_have_text("Auftakt zum digitalen Masterplan")
        await phone.goto(own)
        await phone.get_by_role("button", name="Breitband").tap()  # once the poll is opened
        await phone.get_by_role("button", name="Abstimmen").tap()
        await expect(phone.get_by_text("Ihre Stimme ist angekommen.")).to_be_visible(timeout=PATIENCE)

        # Nobody loads these pages again.
        await expect(stage.locator(".stage__state")).to_contain_text(
            f"{PEOPLE + 1} Stimmen", timeout=PATIENCE
        )
        bar = stage.locator(".bars li", has_text="Breitband").locator(".bars__figure strong")
        await expect(bar).to_have_text(str(first_wishes("Breitband") + 1), timeout=PATIENCE)
        await expect(stage.locator(".bars__note").first).to_contain_text("Warteliste", timeout=PATIENCE)
        await expect(phone.get_by_text("Sie haben einen Platz: Breitband")).to_be_visible(timeout=PATIENCE)
    finally:
        ended(process)
