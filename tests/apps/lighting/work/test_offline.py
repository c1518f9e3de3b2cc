"""Work orders in the street without a network: opened anew, entered, sent when it is back; nobody sees another's."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from playwright.async_api import Page, expect

from tests.conftest import Serve, Server
from tests.web.conftest import Street, Visiting, browser, visit

from ..faults.city import Lamps, until
from .test_street import BURNS, fault_of, order_of, state

__all__ = ["browser", "visit"]  # fixtures
CACHES = "caches.keys().then(names => names.filter(name => name.startsWith('own:')))"
PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def server(module_serve: Serve) -> Server:
    return module_serve("--apps=lighting")


async def look_at_the_list(page: Page, url: str) -> None:
    """As in the depot, with a network: what is on the list is kept when this returns."""
    await page.goto(f"{url}/lighting/orders?lang=de")
    await page.wait_for_selector("#outbox[data-kept]", state="attached", timeout=PATIENCE)


async def test_orders_are_opened_without_a_network_and_what_is_entered_goes_out_later(
    visit: Visiting, city: Street, lamps: Lamps, rows: asyncpg.Connection
) -> None:
    order = await order_of(lamps, await fault_of(lamps, rows, "O1"))
    async with visit(width=390, height=844, has_touch=True) as phone:
        phone.allowed += ["ERR_INTERNET_DISCONNECTED", "Failed to fetch"]
        await look_at_the_list(phone.page, city.url)
        await phone.page.context.set_offline(True)
        page = await phone.page.context.new_page()
        await page.goto(f"{city.url}/lighting/orders")
        await expect(page.locator("#offline")).to_contain_text("Offline, Stand")
        await page.get_by_role("link", name="Römerstraße O1").click()
        await page.wait_for_selector("#outbox[data-ready]", state="attached")
        await expect(page.locator("#offline")).to_be_visible()
        styled = "getComputedStyle(document.querySelector('.street__acts button')).minHeight"
        assert await page.evaluate(styled) == "64px", "the styles are there too"
        await page.fill("#note", "Sicherung getauscht")
        await page.get_by_role("button", name="Erledigt", exact=True).click()
        await expect(page.locator("#outbox")).to_contain_text("Auf diesem Gerät gemerkt")
        await page.reload()  # kept on the device, page and entry
        await expect(page.locator("#outbox")).to_contain_text("Auf diesem Gerät gemerkt")
        assert await state(rows, order) == "new"

        await page.goto(f"{city.url}/lighting/orders/{order + 1_000}")
        await expect(page.locator("#offline")).to_contain_text("nicht gemerkt")
        await expect(page.get_by_role("link", name="Römerstraße O1")).to_be_visible()

        await page.context.set_offline(False)

        async def done() -> bool:
            return await state(rows, order) == "done"

        await until(done)
        await expect(page.locator("#offline")).to_be_hidden(timeout=PATIENCE)  # by itself
        await page.get_by_role("link", name="Römerstraße O1").click()
        await expect(page.locator(".entries")).to_contain_text("Sicherung getauscht", timeout=PATIENCE)


async def test_a_page_that_was_opened_without_the_city_is_shown_anew_when_it_is_back(
    visit: Visiting, city: Street, serve: Serve
) -> None:
    first = await asyncio.to_thread(serve, "--apps=lighting")
    lamps = Lamps(first.base_url)
    rows = await asyncpg.connect(first.database_url)
    await lamps.thresholds()
    await lamps.put_up("K1")

    async def found() -> Any:
        await lamps.say("K1", times=1, **BURNS)  # again: a city that has just begun may not have listened yet
        return await rows.fetchval("SELECT number FROM app_lighting.fault WHERE ended_at IS NULL")

    order = await order_of(lamps, await until(found))
    async with visit() as phone:
        phone.allowed += ["ERR_CONNECTION_REFUSED", "Failed to fetch", "ERR_INCOMPLETE", "ERR_EMPTY", "503"]
        page = phone.page
        await look_at_the_list(page, first.base_url)
        first.process.kill()
        await asyncio.to_thread(first.process.wait)
        await page.goto(f"{first.base_url}/lighting/orders/{order}")
        await expect(page.locator("#offline")).to_contain_text("Offline, Stand")
        await page.get_by_role("button", name="Ich bin unterwegs").click()
        await expect(page.locator("#outbox")).to_contain_text("Auf diesem Gerät gemerkt")
        port = first.base_url.rpartition(":")[2].strip("/")
        await asyncio.to_thread(serve, "--apps=lighting", f"--port={port}", f"--data={first.data}")
        await expect(page.locator("#offline")).to_be_hidden(timeout=2 * PATIENCE)
        await expect(page.locator(".entries")).to_contain_text("unterwegs", timeout=2 * PATIENCE)
    await lamps.http.aclose()
    await rows.close()


async def test_what_is_kept_of_somebody_is_gone_when_somebody_else_is_there(
    visit: Visiting, city: Street, lamps: Lamps, rows: asyncpg.Connection
) -> None:
    order = await order_of(lamps, await fault_of(lamps, rows, "S1"))
    async with visit() as phone:
        page = phone.page
        await look_at_the_list(page, city.url)
        (name,) = await page.evaluate(CACHES)
        assert name.startswith("own:open:lighting-orders:")
        kept = f"caches.open({json.dumps(name)}).then(one => one.match('/lighting/orders/{order}')).then(Boolean)"
        assert await page.evaluate(kept)
        # A page of the same city that is shown to nobody, as after signing out, and one of somebody else.
        for who in ("anonymous", "person:7"):
            await page.evaluate("name => caches.open(name)", name)

            async def as_somebody(route: object, who: str = who) -> None:
                answer = await route.fetch()  # type: ignore[attr-defined]
                text = (await answer.text()).replace('data-who="open"', f'data-who="{who}"')
                await route.fulfill(response=answer, body=text)  # type: ignore[attr-defined]

            await page.route(f"{city.url}/", as_somebody)
            await page.goto(f"{city.url}/")
            await page.unroute(f"{city.url}/")
            await page.wait_for_function(f"{CACHES}.then(names => names.length === 0)", timeout=PATIENCE)
    answer = await lamps.http.get("/lighting/orders/worker.js")
    assert answer.headers["service-worker-allowed"] == "/lighting/orders"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert "Römerstraße" not in answer.text
