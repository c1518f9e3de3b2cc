"""The pictures of docs/tutorial/participation.md, taken while a demo holds its opening event for the first time.

./rhinecloud demo        # in another terminal; it names the short code of the stage, and a code to vote with
python -m tests.demo.pictures_participation http://127.0.0.1:8080 K7QM3A AAEZ-VJTU-N44P-LXHR docs/images
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from tests.web.conftest import CHROMIUM, FLAGS

PATIENCE = 600_000  # milliseconds: people take their minutes
MANY = re.compile(r"^(9\d|1\d\d) votes")


async def take(stage: Page, phone: Page, event: str, own: str, folder: Path) -> None:
    """Both: the phone once its vote has arrived, the stage once many have voted."""
    await stage.goto(f"{event}/stage")
    await phone.goto(f"{event}/join?code={own}")
    for group in ("Mobilität", "Wohnen"):
        await phone.get_by_role("button", name=group).tap(timeout=PATIENCE)
    await phone.get_by_role("button", name="Vote", exact=True).tap()
    await expect(phone.get_by_text("Your vote has arrived")).to_be_visible()
    await phone.wait_for_timeout(1_000)
    await phone.screenshot(path=folder / "participation-phone.png")
    await expect(stage.locator(".stage__state")).to_have_text(MANY, timeout=PATIENCE)
    await stage.wait_for_timeout(1_000)  # bars grow
    await stage.screenshot(path=folder / "participation-stage.png")


async def main(url: str, code: str, own: str, folder: Path) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        big = await browser.new_context(viewport={"width": 1_600, "height": 900}, locale="en-GB")
        small = await browser.new_context(
            viewport={"width": 390, "height": 844}, locale="en-GB", has_touch=True
        )
        await take(await big.new_page(), await small.new_page(), f"{url}/participation/e/{code}", own, folder)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
