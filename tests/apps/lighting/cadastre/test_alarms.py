"""The lighting map and its selections in a browser: faults that begin and end, what belongs together, and a page of a
lamp of which one area knows nothing now."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from playwright.async_api import Page

from tests.conftest import Serve, Server
from tests.web.conftest import Visiting, axe_and_width, browser, visit

from ..faults.city import LAMP, Lamps, until

__all__ = ["browser", "visit"]  # fixtures
FEEDER = "urn:ngsi-ld:StreetlightFeeder:F1"
GROUP = "urn:ngsi-ld:StreetlightGroup:G1"
MODEL = "urn:ngsi-ld:StreetlightModel:T1"
FED = ("F1", "F2", "F3", "F4")
ALONE = ("A1", "A2")
BURNS: dict[str, Any] = {"illuminanceLevel": 1.0, "powerConsumption": 58.0, "powerState": "on"}
RESTS: dict[str, Any] = {"illuminanceLevel": 0.0, "powerConsumption": 0.2, "powerState": "off"}
PATIENCE = 90_000  # milliseconds


@pytest.fixture(scope="module")
def server(module_serve: Serve) -> Server:
    return module_serve("--apps=lighting")


@pytest.fixture
async def lamps(server: Server) -> AsyncIterator[Lamps]:
    """Four lamps on a feeder, two of another type elsewhere; all are dark by day."""
    found = Lamps(server.base_url)
    await found.thresholds()
    await found.upsert(
        {"id": FEEDER, "type": "StreetlightFeeder", "name": "Abgang 1"},
        {"id": GROUP, "type": "StreetlightGroup", "name": "Schaltgruppe Nord"},
        {"id": MODEL, "type": "StreetlightModel", "name": "LED 60 W"},
    )
    for number, name in enumerate((*FED, *ALONE)):
        fed = name in FED
        await found.put_up(
            name,
            location={"type": "Point", "coordinates": [6.76 + number / 1_000, 51.43]},
            address={"streetAddress": "Römerstraße" if fed else "Deichweg"},
            **(
                {"feederID": FEEDER, "refStreetlightGroup": {"type": "Relationship", "object": GROUP}}
                if fed
                else {}
            ),
            **({} if fed else {"refStreetlightModel": {"type": "Relationship", "object": MODEL}}),
        )

    async def well() -> bool:
        await found.say(*FED, *ALONE, times=1, **RESTS, lampFailure=False)
        return len(await listed(found)) == 6 and not await listed(found, "state=alarm")

    await until(well)
    yield found
    await found.http.aclose()


async def listed(lamps: Lamps, query: str = "") -> dict[str, str]:
    """The faults of the lamps of a selection, by name."""
    text = (await lamps.http.get(f"/lighting/lamps.csv?{query}")).text
    return {one["id"].rpartition(":")[2]: one["faults"] for one in csv.DictReader(io.StringIO(text))}


async def counted(page: Page, state: str, number: int) -> None:
    """The legend counts so many of a state, without a reload."""
    row = page.locator(".legend__row", has=page.locator(".legend__name", has_text=state))
    await row.locator("output", has_text=str(number)).wait_for(timeout=PATIENCE)


async def test_faults_are_on_the_map_as_they_begin_and_end(visit: Visiting, lamps: Lamps) -> None:
    async with visit(width=1280, height=900) as one:
        await one.go("/lighting/map?look=alarm&lang=en")
        page = one.page
        await lamps.say(*FED, **RESTS, lampFailure=True)
        await lamps.say("A1", **BURNS)
        await counted(page, "Without supply", len(FED))
        await counted(page, "Burns by day", 1)
        assert await listed(lamps, "state=alarm") == {**dict.fromkeys(FED, "supply"), "A1": "day_burner"}

        # What belongs together is one, and leads to all of it.
        await page.get_by_role("link", name="Feeder Abgang 1").click(timeout=PATIENCE)
        await page.get_by_role("heading", name="4 lamps", exact=True).wait_for()
        await page.wait_for_selector("#map[data-ready]")
        await one.go(f"/lighting/map?look=alarm&at={LAMP}F2")
        chosen = page.locator("#chosen")
        await chosen.get_by_role("link", name="Feeder Abgang 1, 4 lamps").wait_for()
        await chosen.get_by_role("link", name="Without supply").click()
        await page.get_by_role("link", name="Römerstraße F3").wait_for()
        await page.get_by_role("link", name="Show on the map").click()
        await page.get_by_role("heading", name="4 lamps", exact=True).wait_for()
        await page.get_by_role("link", name="Show all").click()
        await page.wait_for_selector("#map[data-ready]")

        await lamps.say(*FED, times=3, **BURNS, lampFailure=False)
        await lamps.say(*FED, "A1", times=3, **RESTS, lampFailure=False)
        await counted(page, "in order", 5)  # the sixth has never said how it is
        await page.get_by_role("link", name="Feeder Abgang 1").wait_for(state="detached", timeout=PATIENCE)


async def test_lamps_are_selected_on_the_map_by_street_group_type_and_place(
    visit: Visiting, lamps: Lamps
) -> None:
    async with visit(width=1280, height=900) as one:
        page = one.page

        async def shows(number: int) -> None:
            await page.get_by_role("heading", name=f"{number} lamps", exact=True).wait_for()
            await page.wait_for_selector("#map[data-ready]")
            rows = page.locator("#table tbody tr")
            await page.wait_for_function(
                "n => document.querySelectorAll('#table tbody tr').length === n", arg=number
            )
            assert await rows.count() == number

        await one.go("/lighting/map?lang=en")
        await shows(6)
        form = page.locator("#select")
        await form.get_by_label("Street", exact=True).fill("römerstrasse")
        await form.get_by_role("button", name="Show", exact=True).click()
        await shows(4)
        await page.get_by_role("link", name="Show all").click()
        await shows(6)
        await form.get_by_label("Switching group").select_option(label="Schaltgruppe Nord (4)")
        await form.get_by_role("button", name="Show", exact=True).click()
        await shows(4)
        await page.get_by_role("link", name="Show all").click()
        await form.get_by_label("Luminaire type").select_option(label="LED 60 W (2)")
        await form.get_by_role("button", name="Show", exact=True).click()
        await shows(2)
        await page.get_by_role("link", name="Make a group").click()
        await page.get_by_label("Name (German)").fill("Alle LED 60")
        await page.get_by_label("Name (English)").fill("All LED 60")
        await page.get_by_role("button", name="Make a group").click()
        await page.wait_for_url("**/lighting/groups/alle-led-60*")
        await one.go("/lighting/map?lang=en")
        await form.get_by_label("Group of planning").select_option(label="All LED 60")
        await form.get_by_role("button", name="Show", exact=True).click()
        await shows(2)
        await page.get_by_role("link", name="Show all").click()
        await shows(6)
        await page.get_by_role("button", name="Take what is in view").click()
        await page.wait_for_url("**area=*")
        await shows(6)


async def test_an_area_that_fails_takes_nothing_else_from_the_page_of_a_lamp(
    visit: Visiting, lamps: Lamps, server: Server
) -> None:
    rows = await asyncpg.connect(server.database_url)
    path = f"/lighting/lamps/{LAMP}A2"
    await rows.execute("ALTER TABLE app_lighting.carried RENAME TO carried_away")
    try:
        for part in (path, f"{path}/now"):
            answer = await lamps.http.get(part, params={"lang": "en"})
            assert answer.status_code == 200 and answer.text.count("Not available now.") == 1
            assert "On the post" in answer.text and "No faults." in answer.text
        await axe_and_width(visit, [path], "light")
    finally:
        await rows.execute("ALTER TABLE app_lighting.carried_away RENAME TO carried")
        await rows.close()
    assert "Not available now." not in (await lamps.http.get(path, params={"lang": "en"})).text
    assert "the section carrier of" in server.output
