"""The demo by clicking: its night is planned and followed, a lamp breaks, it is found, ordered, repaired, verified."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, async_playwright, expect

from rhinecloud.demo.night import FASTEST

from ..conftest import EXTERNAL_NATS, Serve, Server
from ..web.conftest import CHROMIUM, FLAGS
from .test_city import count, demo, ended, eventually

pytestmark = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")
LAMPS = 40
CABINET = "duisburg-schrank-walsum-01"
SOON = {  # a fault is one at its first report, and over at the next
    "gather_minutes": "0",
    "settle_minutes": "0",
    "dark-begin_minutes": "0",
    "dark-begin_reports": "1",
    "dark-end_minutes": "0",
    "dark-end_reports": "1",
}
PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def playing(server: Server) -> Iterator[Server]:
    """The city with the demo's devices, its night planned."""
    process = demo(server, "--lamps", str(LAMPS), "--vehicles", "0", "--no-faults")
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert next(line for line in lines if "lighting plan" in line or "Planned" in line).startswith("Planned")
    yield server
    ended(process)


@asynccontextmanager
async def browsing(server: Server) -> AsyncIterator[Page]:
    """A browser that speaks English."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(base_url=server.base_url, locale="en-GB")
        context.set_default_timeout(PATIENCE)
        yield await context.new_page()
        await browser.close()


@pytest.fixture
async def page(playing: Server) -> AsyncIterator[Page]:
    async with browsing(playing) as found:
        yield found


async def play(page: Page, **wanted: Any) -> None:
    """A technician's act, on the page of the cabinet."""
    await page.goto(f"/devices/{CABINET}")
    await page.get_by_label("Values").fill(json.dumps(wanted))
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#device tbody tr").first).to_contain_text("confirmed", timeout=PATIENCE)


async def counts(page: Page, state: str, number: int) -> None:
    """The legend of the map that is open counts so many lamps of a state, by itself."""
    row = page.locator(".legend__row", has=page.get_by_text(state, exact=True))
    await expect(row.locator("output")).to_have_text(str(number), timeout=10 * PATIENCE)


async def shows(page: Page, text: str) -> None:
    """Look at a page until it shows this; what is told anew by itself needs no second look."""
    for _ in range(20):
        if text in await page.locator("main").inner_text():
            return
        await page.wait_for_timeout(3_000)
        await page.reload()
    await expect(page.locator("main")).to_contain_text(text)


def test_the_lamps_follow_the_night_that_was_planned(playing: Server) -> None:
    def confirmed() -> bool:
        told = httpx.get(f"{playing.base_url}/lighting/targets?state=confirmed", timeout=60)
        return told.text.count("duisburg-walsum-01-") >= LAMPS

    eventually(lambda: count(playing, "Streetlight", q="illuminanceLevelSet>=0") == LAMPS)
    eventually(confirmed)
    eventually(lambda: count(playing, "Streetlight", q="illuminanceLevel==0.7;powerConsumption>35") == LAMPS)


@pytest.mark.timeout(900)
async def test_the_night_passes_on_the_map(serve: Serve) -> None:
    """Full light of the evening, then less: the demo's night in minutes, on a map that nobody touches."""
    server = await asyncio.to_thread(serve)
    process = demo(server, "--lamps", "20", "--vehicles", "0", "--no-faults", "--speed", str(FASTEST))
    try:
        async with browsing(server) as page:
            await page.goto("/lighting/map")
            await page.wait_for_selector("#map[data-ready]")
            await counts(page, "67 to 100 %", 20)
            await counts(page, "34 to 66 %", 20)
            await counts(page, "67 to 100 %", 0)
    finally:
        ended(process)


async def test_a_fault_is_found_ordered_repaired_and_verified_by_clicking(page: Page) -> None:
    await page.goto("/lighting/orders/crews")
    await page.get_by_label("Name", exact=True).fill("Nord")
    await page.get_by_role("button", name="Add").click()
    await page.goto("/lighting/faults/thresholds")
    for name, value in SOON.items():
        await page.locator(f'[name="{name}"]').fill(value)
    await page.get_by_role("button", name="Save").click()

    await play(page, lamp=7, fault="dark")
    await page.goto("/lighting/map?look=alarm")
    await page.wait_for_selector("#map[data-ready]")
    await counts(page, "Dark", 1)
    await page.goto("/lighting/faults")
    await shows(page, "Friedrich-Ebert-Straße 7")
    await page.locator("main table").get_by_role("link", name="Dark").click()
    await page.get_by_role("link", name="Show on the map").click()
    await expect(page.get_by_role("heading", name="1 lamp", exact=True)).to_be_visible()
    await page.get_by_role("link", name="To fault").click()
    await page.get_by_role("button", name="Make a work order").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Friedrich-Ebert-Straße 7")
    order = page.url
    await page.get_by_label("Crew").select_option(label="Nord")
    await page.get_by_role("button", name="Assign").click()
    for button, entered in (("On my way", "on the way"), ("Done", "reported done")):
        await page.get_by_role("button", name=button).click()
        await expect(page.locator(".entries")).to_contain_text(entered, timeout=PATIENCE)
        await page.wait_for_load_state("networkidle")

    await play(page, lamp=7, fault="none")
    await page.goto(order)
    await shows(page, "verified by the lamp")
    await page.goto("/lighting/faults")
    await expect(page.locator("main")).to_contain_text("No faults.")
    await page.get_by_role("link", name="Map", exact=True).last.click()
    await page.wait_for_selector("#map[data-ready]")
    await counts(page, "Dark", 0)


async def test_somebody_passes_and_lamps_rise_by_clicking(page: Page) -> None:
    await page.goto("/lighting/demand")
    await shows(page, "up to date")
    await page.get_by_role("link", name="Map of the detectors").click()
    await page.wait_for_selector("#map[data-ready]")
    await counts(page, "detector", 2)
    await page.get_by_label("Detector", exact=True).select_option(label="Friedrich-Ebert-Straße, Detektor 1")
    await page.get_by_label("Travellers").select_option("pedestrian")
    await page.get_by_label("Direction").select_option("forward")
    await page.get_by_role("button", name="Show").click()
    risen = page.locator("#table tbody tr")
    await expect(risen).to_have_count(7, timeout=PATIENCE)
    await expect(risen.first).to_contain_text("the platform")
