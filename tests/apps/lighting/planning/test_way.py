"""The way of a lighting engineer in a real browser: program, calendar, group, preview, apply; the lamp gets its level.

Every page of it is walked by axe in both languages, at the desk and on a phone, with and without JavaScript.
"""

from __future__ import annotations

import asyncio
from datetime import date

import httpx
import pytest

from rhinecloud.tasks import stop

from ....conftest import EXTERNAL_NATS, Server
from ....web.conftest import Street, Visiting, axe_and_width, browser, city, visit
from .test_keeping import Lamp, connect

__all__ = ["browser", "city", "visit"]  # fixtures

pytestmark = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")
OWN = {"Sec-Fetch-Site": "same-origin"}
LAMP = "urn:ngsi-ld:Streetlight:way"


@pytest.fixture(scope="module")
async def lamp(server: Server, city: Street) -> Lamp:
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=90) as client:
        return (await connect(client, server, ["way"]))["way"]


async def test_from_a_program_to_the_light_of_a_lamp(visit: Visiting, server: Server, lamp: Lamp) -> None:
    playing = asyncio.create_task(lamp.run())
    await lamp.there.wait()
    try:
        async with visit() as visited:
            page = visited.page
            await visited.go("/lighting/plan?lang=de")
            await page.get_by_role("link", name="Programme", exact=True).click()
            await page.get_by_role("link", name="Neues Programm").click()
            await page.get_by_label("Name (deutsch)").fill("Abend")
            await page.get_by_label("Name (englisch)").fill("Evening")
            await page.locator("#periods-0-kind").select_option(
                ""
            )  # the whole night, so that it is lit by day too
            await page.locator("#fixed-0-at").fill("12:00")
            await page.locator("#fixed-0-level").fill("65")
            await page.locator("#fixed-1-remove").check()
            await page.locator("#fixed-2-remove").check()
            await page.get_by_role("button", name="Nur zeichnen").first.click()
            await page.get_by_role("img", name="Niveau über die Nacht").wait_for()
            assert "65 %" in await page.get_by_role("region", name="Niveaus dieser Nacht").inner_text()
            assert await visited.axe() == []
            await page.get_by_role("button", name="Speichern").first.click()
            await page.get_by_text("Gespeichert.").wait_for()

            await page.get_by_role("link", name="Kalender", exact=True).click()
            await page.get_by_label("Name (deutsch)").fill("Jede Nacht")
            await page.get_by_label("Name (englisch)").fill("Every night")
            await page.get_by_label("Programm aller Nächte").select_option("abend")
            await page.get_by_role("button", name="Anlegen").click()
            await page.get_by_text("Gespeichert.").wait_for()
            assert (
                await page.get_by_role("region", name="Die kommenden Nächte").get_by_role("row").count() == 15
            )
            await page.locator("#new-kind").select_option("weekdays")
            await page.locator("#new-day-5").check()
            await page.get_by_role("button", name="Am Ende anfügen").click()
            await page.get_by_text("1. Fr").wait_for()

            await page.get_by_role("link", name="Gruppen", exact=True).click()
            await page.get_by_role("link", name="Neue Gruppe aus einzelnen Leuchten").click()
            await page.get_by_label("Name (deutsch)").fill("Eine")
            await page.get_by_label("Name (englisch)").fill("One")
            await page.get_by_label("Leuchten").fill("Deich way")
            await page.get_by_role("button", name="Speichern").click()
            await page.get_by_role("heading", name="Eine Leuchte").wait_for()

            await page.get_by_role("link", name="Plan", exact=True).click()
            await page.get_by_label("Gruppe", exact=True).select_option("eine")
            await page.get_by_label("Kalender", exact=True).select_option("jede-nacht")
            await page.get_by_role("button", name="Zuordnen").click()
            await page.get_by_text("1. Eine").wait_for()

            await page.get_by_label("Die Nacht einer Leuchte ansehen").fill("Deich way")
            await page.get_by_role("button", name="Zeigen").click()
            await page.get_by_text("nach dem Entwurf", exact=True).wait_for()
            assert await visited.axe() == []
            assert lamp.heard == []  # nothing counts before it is applied

            await page.get_by_role("link", name="Plan", exact=True).click()
            await page.get_by_role("button", name="Entwurf anwenden").click()
            await page.get_by_text("Der Plan ist angewendet.").wait_for()
            # The page itself tells that the lamp has confirmed it.
            confirmed = page.locator("#progress div", has_text="von der Leuchte bestätigt").locator("dd").last
            while await confirmed.count() == 0 or await confirmed.inner_text() != "1":
                await asyncio.sleep(0.1)
            assert lamp.levels == [0.65]
            assert await visited.axe() == []
    finally:
        await stop(playing)


PATHS = [
    "/lighting/plan",
    "/lighting/programs",
    "/lighting/programs/new",
    "/lighting/programs/abend",
    "/lighting/calendars",
    "/lighting/calendars/jede-nacht",
    "/lighting/groups",
    "/lighting/groups/new?kind=area",
    "/lighting/groups/eine",
    "/lighting/overrides",
    "/lighting/rules",
    "/lighting/traffic",
    "/lighting/targets",
    f"/lighting/night?lamp={LAMP}&date=2026-12-01",
]


@pytest.mark.parametrize(("theme", "paths"), [("light", PATHS), ("dark", PATHS[:4])])
async def test_everybody_can_read_the_pages(
    visit: Visiting, lamp: Lamp, city: Street, theme: str, paths: list[str]
) -> None:
    await _some_plan(city)
    await axe_and_width(visit, paths, theme)


async def test_it_goes_without_javascript_and_by_keyboard(visit: Visiting, lamp: Lamp, city: Street) -> None:
    await _some_plan(city)
    async with visit(width=360, java_script_enabled=False) as visited:
        page = visited.page
        await page.goto(f"{city.url}/lighting/programs/new?lang=de")
        await page.get_by_role("button", name="Weitere Schaltzeit").focus()
        await page.keyboard.press("Enter")
        await page.locator("#fixed-4-at").wait_for()
        await page.get_by_label("Name (deutsch)").fill("Ohne")
        await page.get_by_label("Name (englisch)").fill("Without")
        await page.keyboard.press("Enter")  # the first button of the form keeps
        await page.get_by_text("Gespeichert.").wait_for()
        await page.locator("summary", has_text="JSON-Form").click()
        assert '"fixed"' in await page.get_by_label("JSON-Form").input_value()


async def _some_plan(city: Street) -> None:
    """What the first test makes, where it did not run before."""
    async with httpx.AsyncClient(base_url=city.url, headers=OWN, timeout=90) as client:
        if (await client.get("/lighting/programs/abend")).status_code == 200:
            return
        names = {"name_de": "Abend", "name_en": "Evening"}
        given = {**names, "periods-0-kind": "astro", "fixed-0-at": "12:00", "fixed-0-level": "65"}
        for path, data in (
            ("/programs/new", given),
            ("/calendars", {"name_de": "Jede Nacht", "name_en": "Every night", "default": "abend"}),
            ("/groups/new", {"name_de": "Eine", "name_en": "One", "kind": "static", "lamps": "Deich way"}),
            ("/plan/assign", {"action": "add", "group": "eine", "calendar": "jede-nacht"}),
            (
                "/overrides",
                {
                    "lamp": "way",
                    "level": "80",
                    "reason": "Probe",
                    "ends": f"{date.today().year + 1}-01-01T00:00",
                },
            ),
        ):
            answer = await client.post(f"/lighting{path}", data=data)
            assert answer.status_code == 303, answer.text
