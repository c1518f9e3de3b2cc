"""The pages of proposals in a browser: light and dark, on a small phone, by keyboard, without JavaScript."""

from __future__ import annotations

import re

import pytest

from tests.web.conftest import Visiting, axe_and_width, browser, visit

from ..conftest import Organiser

__all__ = ["browser", "visit"]


@pytest.fixture(scope="module")
def number(organiser: Organiser) -> int:
    """A proposal with everything that can be with one."""
    given = {"title": "Bänke am Innenhafen", "text": "Es gibt keine.\n\nBitte drei.", "name": "Der Verein"}
    where = organiser.post("/proposals/new", **given, lon="6.7623", lat="51.4344")
    found = int(re.findall(r"/proposals/(\d+)", where)[0])
    organiser.post(f"/proposals/{found}/comments", comment="Gute Idee", comment_name="")
    organiser.post(f"/proposals/{found}/amend", title="Vier Bänke", text="Vier Bänke.", why="Besser vier")
    organiser.post(f"/proposals/{found}/support", support="yes")
    organiser.post(f"/proposals/{found}/steps", step="accept", office="Bauamt", said="Das machen wir.")
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_for_everybody(number: int, visit: Visiting, theme: str) -> None:
    path = f"/participation/proposals/{number}"
    paths = [
        "/participation/proposals?sort=new",
        "/participation/waiting?lang=",
        "/participation/proposals/new?about=",
    ]
    paths += [
        f"{path}?done=step",
        f"{path}/print?x=",
        f"{path}/amend?x=",
        "/participation/proposals/paper?x=",
    ]
    await axe_and_width(visit, paths, theme)


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_proposal_is_written_by_keyboard(
    organiser: Organiser, visit: Visiting, scripts: bool
) -> None:
    async with visit(width=320, height=640, java_script_enabled=scripts) as page:
        await page.page.goto(f"{organiser.url}/participation/proposals/new")
        await page.page.locator("#title").focus()
        await page.page.keyboard.type("Ein Baum")
        await page.page.keyboard.press("Tab")
        await page.page.keyboard.type("Bitte ein Baum.")
        await page.page.locator("main form.form button[type=submit]").focus()
        async with page.page.expect_navigation():
            await page.page.keyboard.press("Enter")
        assert "Der Vorschlag ist eingegangen" in await page.page.inner_text("main")


async def test_a_place_is_picked_on_the_map(organiser: Organiser, visit: Visiting) -> None:
    outline = [[6.6, 51.3], [6.9, 51.3], [6.9, 51.6], [6.6, 51.6], [6.6, 51.3]]
    async with visit(width=1000, height=900) as page:
        land = {"type": "Polygon", "coordinates": [outline]}
        await page.page.route("**/map/outline", lambda route: route.fulfill(json=land))
        await page.page.goto(f"{organiser.url}/participation/proposals/new")
        picked = page.page.locator(".pick__map")
        await picked.click()  # its middle
        lon, lat = [float(await page.page.input_value(field)) for field in ("#lon", "#lat")]
        assert 6.6 < lon < 6.9 and 51.3 < lat < 51.6
        await page.page.get_by_role("button", name="Näher heran").click()
        await picked.click(position={"x": 10, "y": 10})  # north-west of it
        nearer = [float(await page.page.input_value(field)) for field in ("#lon", "#lat")]
        assert nearer[0] < lon and nearer[1] > lat
        await page.page.get_by_role("button", name="Kein Ort").click()
        assert await page.page.input_value("#lon") == ""
