"""The way of who connects a gateway, in a real browser: admit it, see it introduce itself, its plan arrive, a lamp
overridden."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Serve

from ....web.conftest import Street, Visiting, assets, axe_and_width, browser, visit
from .definitions import needed
from .field import Office, gateways, until
from .line import Line

__all__ = ["assets", "browser", "visit"]  # fixtures
pytestmark = needed
NAMES = ["Kai-1", "Kai-2"]


class Quay(Street):
    """What the browser visits, and what gateways find."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.base_url = url


@pytest.fixture(scope="module")
def city(module_serve: Serve, line: Line) -> Iterator[Quay]:
    server = module_serve("--outbound-allow=127.0.0.0/8")
    line.cms_target = f"{server.base_url}/api/lighting/talq"
    found = Quay(server.base_url)
    yield found
    found.client.close()


async def test_from_admitting_a_gateway_to_a_lamp_that_is_overridden(
    visit: Visiting, office: Office, line: Line, tmp_path: Path
) -> None:
    office.lamps(*NAMES)
    async with visit() as visited:
        page = visited.page
        await visited.go("/lighting/gateways?lang=de")
        await page.get_by_label("Name", exact=True).fill("Kai")
        await page.get_by_role("button", name="Zulassen").click()
        await page.get_by_text("Kai ist zugelassen").wait_for()
        assert await visited.axe() == []
        shown = await page.content()
        key = shown.partition("/talq/key/")[2].partition("/")[0]
        assert key
        await visited.go("/lighting/gateways?lang=de")
        row = page.get_by_role("row").filter(has_text="Kai")
        assert "noch nicht" in await row.inner_text()
        with gateways(tmp_path, line, {"kai": key}, {"kai": NAMES}) as simulator:
            # The page goes on by itself while one looks: introduced, its lamps, then its plan.
            await row.get_by_text("2 / 2").wait_for(timeout=120_000)
            assert (await page.evaluate("location.pathname")) == "/lighting/gateways"
            assert office.want(dict.fromkeys(NAMES, "usual"), level=70).status_code == 202
            await row.get_by_text("bestätigt").wait_for(timeout=120_000)
            assert await page.locator("progress").get_attribute("value") == "1"
            await row.get_by_role("link", name="Kai").click()
            await page.get_by_role("heading", name="Kai", level=1).wait_for()
            devices = page.get_by_role("region", name="Geräte")
            assert "Kai-1" in await devices.inner_text()
            async with asyncio.timeout(
                60
            ):  # what it told when it introduced itself may come in later than the plan
                while "usual" not in await devices.inner_text():
                    await page.reload()
            assert await visited.axe() == []
            await visited.go("/lighting/overrides?lang=de")
            await page.get_by_label("Leuchte", exact=False).first.fill("urn:ngsi-ld:Streetlight:Kai-1")
            await page.get_by_label("Niveau in Prozent").fill("15")
            await page.get_by_label("Grund", exact=False).fill("Einsatz der Feuerwehr")
            await page.get_by_role("button", name="Übersteuern", exact=True).click()
            await page.get_by_text("Einsatz der Feuerwehr").first.wait_for()

            def levels() -> list[int]:
                return [one["level"] for one in httpx.get(simulator("kai")).json()["lamps"]]

            await asyncio.to_thread(until, lambda: levels() == [15, 70], lambda: str(levels()))
            await visited.go("/lighting/lamps/urn:ngsi-ld:Streetlight:Kai-1?lang=de")
            assert "Einsatz der Feuerwehr" in await page.locator("main").inner_text()
    assert line.wrong == []


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_its_pages_can_be_used_by_everybody(visit: Visiting, office: Office, theme: str) -> None:
    if "Kran" not in office.http.get("/lighting/gateways").text:
        office.admit("Kran")
    number = office.http.get("/api/lighting/gateways").json()[0]["number"]
    await axe_and_width(visit, ["/lighting/gateways", f"/lighting/gateways/{number}"], theme)
