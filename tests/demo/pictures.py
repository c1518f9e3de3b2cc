"""The pictures of docs/tutorial/lighting.md, taken by clicking through a running demo.

./rhinecloud demo --speed 24        # in another terminal, five minutes before
python -m tests.demo.pictures http://127.0.0.1:8080 docs/images
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from tests.web.conftest import CHROMIUM, FLAGS

STREET, BROKEN, WELL = "Königstraße", 12, 60
CABINET = "duisburg-schrank-mitte-01"
PATIENCE = 600_000  # milliseconds: faults take their minutes


async def look(page: Page, path: str, *, at: str = "") -> None:
    """Open a page as it is when all of it has been drawn; `at`: an element that stands at the top."""
    await page.goto(path)
    await page.wait_for_selector("html[data-ready]")
    if await page.locator("#map").count():
        await page.wait_for_selector("#map[data-ready]")
        await page.wait_for_load_state("networkidle")
    if at:
        await page.locator(at).first.evaluate("one => one.scrollIntoView({behavior: 'instant'})")


async def take(page: Page, folder: Path) -> None:
    """All of them, in the order of the tutorial."""

    async def picture(name: str) -> None:
        await page.screenshot(path=folder / f"lighting-{name}.png")

    await look(page, "/lighting/map")
    await picture("map")

    await look(page, f"/lighting/lamps?text={STREET} {WELL}")
    await page.locator("main table").get_by_role("link", name=f"{STREET} {WELL}", exact=True).click()
    await look(page, page.url, at="h1")
    await picture("lamp")

    await look(page, "/lighting/programs/new")
    await page.locator('[name="name_de"]').fill("Wohnstraße")
    await page.locator('[name="name_en"]').fill("Residential street")
    await page.locator('[name$="-level"][value="50"]').fill("40")
    await page.get_by_role("button", name="Keep", exact=True).first.click()
    await page.wait_for_url("**/lighting/programs/wohnstrasse*")
    await picture("program")

    await look(page, "/lighting/faults")
    broken = page.locator("#faults tr", has_text=f"{STREET} {BROKEN}")
    await expect(broken).to_be_visible(timeout=PATIENCE)
    await picture("faults")

    await broken.get_by_role("link").first.click()
    await page.get_by_role("button", name="Make a work order").click()
    order = page.url
    await look(page, "/lighting/orders/crews")
    if not await page.locator("main table", has_text="Nord").count():
        await page.get_by_label("Name", exact=True).fill("Nord")
        await page.get_by_role("button", name="Add").click()
    await look(page, order)
    await page.get_by_label("Crew").select_option(label="Nord")
    await page.get_by_role("button", name="Assign").click()
    await page.get_by_role("button", name="On my way").click()
    await expect(page.locator(".entries")).to_contain_text("on the way")
    await look(page, f"/devices/{CABINET}")
    await page.get_by_label("Values").fill(json.dumps({"lamp": BROKEN, "fault": "none"}))
    await page.get_by_role("button", name="Send", exact=True).click()
    await look(page, order)
    await page.get_by_role("button", name="Done", exact=True).click()
    await expect(page.locator(".entries")).to_contain_text("reported done")
    until = asyncio.get_running_loop().time() + PATIENCE / 1_000
    while not await page.locator(".kern-badge", has_text="is well again").count():
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(5)
        await page.reload()
    await look(page, order, at="h1")
    await picture("order")


async def main(url: str, folder: Path) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(
            base_url=url, locale="en-GB", viewport={"width": 1_000, "height": 700}
        )
        context.set_default_timeout(60_000)
        await take(await context.new_page(), folder)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
