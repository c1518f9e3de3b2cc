"""The tutorial of the live vote: its clicks are clicked, its commands are run, and what it says comes of them does."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.conftest import Serve
from tests.engines.test_supervision import embedded
from tests.web.conftest import CHROMIUM, FLAGS

from .test_tutorial import _BLOCK

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "participation.md"
PATIENCE = 60_000  # milliseconds


@pytest.fixture
async def windows() -> AsyncIterator[Any]:
    """New windows that know nothing of each other."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

        async def opened(url: str, width: int = 1200, height: int = 800, *, touch: bool = False) -> Page:
            context = await browser.new_context(
                base_url=url, viewport={"width": width, "height": height}, locale="en-GB", has_touch=touch
            )
            context.set_default_timeout(PATIENCE)
            return await context.new_page()

        yield opened
        await browser.close()


def run(command: str, url: str, code: str, folder: Path) -> str:
    """What a command of the tutorial prints, in this city, with this short code."""
    content = command.replace("http://127.0.0.1:8080", url).replace("K7QM3A", code)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", content],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, f"{content}\n{done.stdout}"
    return done.stdout


@embedded
async def test_every_step_of_the_tutorial(serve: Serve, windows: Any, tmp_path: Path) -> None:
    blocks = _BLOCK.findall(TUTORIAL.read_text())
    assert [language + about for language, about, _ in blocks] == [
        *("sh serve", "text", "sh", "text", "sh", "text", "sh demo", "sh demo")
    ]
    assert blocks[0][2].strip() == './rhinecloud serve --open --data "$PWD/my-city"'
    told = [content.strip() for language, _, content in blocks if language == "text"]
    votes, results = (content for language, about, content in blocks if language == "sh" and not about)
    server = await asyncio.to_thread(serve)
    assert told[0] in server.output

    desk = await windows(server.base_url)
    await desk.goto("/")
    await desk.get_by_role("link", name="Applications", exact=True).click()
    await desk.get_by_role("link", name="Participation", exact=True).first.click()
    await desk.get_by_role("link", name="New event").click()
    await desk.get_by_label("Title").fill("Opening")
    await desk.get_by_role("button", name="Make the event").click()
    await expect(desk.get_by_role("heading", level=1)).to_have_text("Opening")
    event = desk.url.partition("?")[0]
    code = await desk.locator("main .code").inner_text()
    assert re.fullmatch("[A-Z0-9]{6}", code)
    await desk.get_by_role("link", name="Which theme group would you like to join?").click()
    await desk.get_by_role("group", name="Group 1", exact=True).get_by_label("Places").first.fill("3")
    await desk.get_by_role("button", name="Keep", exact=True).click()

    stage = await windows(server.base_url, 1600, 900)
    await desk.goto(event)
    await stage.goto(str(await desk.get_by_role("link", name="Stage", exact=True).get_attribute("href")))
    await desk.get_by_role("link", name="Remote control").click()
    await desk.get_by_role("button", name="Next: Which theme group would you like to join?").click()
    await desk.get_by_role("button", name="Open the vote").click()

    phone = await windows(server.base_url, 390, 844, touch=True)
    await phone.goto("/participation")
    await phone.get_by_label("Code of the event").fill(code)
    await phone.get_by_role("button", name="Continue").tap()
    await phone.get_by_role("button", name="Economy").tap()
    await phone.get_by_role("button", name="Housing").tap()
    await phone.get_by_role("button", name="Vote", exact=True).tap()
    await expect(phone.get_by_text("Your vote has arrived")).to_be_visible(timeout=PATIENCE)
    bar = stage.locator(".bars li", has_text="Economy").locator(".bars__figure strong")
    await expect(bar).to_have_text("1", timeout=PATIENCE)
    assert told[1] in await asyncio.to_thread(run, votes, server.base_url, code, tmp_path)
    await expect(stage.locator(".stage__state")).to_contain_text("21 votes", timeout=PATIENCE)

    await desk.get_by_role("link", name="Close the vote …").click()
    await desk.get_by_role("button", name="Close the vote", exact=True).click()
    await desk.get_by_role("link", name="Give places").click()
    await desk.get_by_role("textbox", name="Word").fill("Harbour")
    await desk.get_by_role("button", name="Draw with this word").click()
    await desk.get_by_text("Publish this").click()
    await desk.get_by_role("button", name="Publish", exact=True).click()
    await expect(stage.locator(".bars__note").first).to_contain_text("waiting list", timeout=PATIENCE)
    await phone.get_by_role("link", name="All places, and giving up mine").tap()
    await phone.get_by_text("Give up the place").tap()
    await phone.get_by_role("button", name="Give it up").tap()
    await expect(phone.get_by_text("You gave your place up").first).to_be_visible(timeout=PATIENCE)

    assert told[2] in await asyncio.to_thread(run, results, server.base_url, code, tmp_path)
    assert (tmp_path / "press.svg").read_text().startswith("<svg")
    await desk.goto(f"{event}/remote")
    await expect(desk.get_by_role("button", name=re.compile("^Next: What comes to mind"))).to_be_visible()
