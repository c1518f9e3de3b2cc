"""Zones and the map of the detectors in a real browser: drawn, reacting, seen, with and without the map."""

from __future__ import annotations

import asyncio
import re

import pytest

from rhinecloud.apps.lighting.demand.neighbours import Reacts, Zone, alone, zoned
from rhinecloud.apps.lighting.demand.showing import raised

from ....web.conftest import Visiting, assets, axe_and_width, browser, visit
from .field import LAMP, Office, detector, until
from .places import straight

__all__ = ["assets", "browser", "visit"]  # fixtures


def test_what_is_shown_is_by_direction_and_kind() -> None:
    zone = Zone(id="z", lamps=["a20"], detectors=["d10"], reacts={"pedestrian": Reacts(50.0, 90.0)})
    table = alone(zoned(straight(), [zone]), "d10")
    forward = {one.lamp: one for one in raised(table, "d10", "vehicle", True, 10.0)}
    assert set(forward) == {f"a{number}" for number in range(10, 17)}
    assert forward["a10"].begin == 0 < forward["a16"].begin and forward["a16"].metres == 180
    backward = {one.lamp for one in raised(table, "d10", "vehicle", False, 10.0)}
    assert backward == {f"a{number}" for number in range(4, 11)}
    walking = {one.lamp: one for one in raised(table, "d10", "pedestrian", True, None)}
    assert walking["a20"].how == "zone" and (walking["a20"].level, walking["a20"].until) == (50, 90)
    assert walking["a8"].how == "behind" and walking["a12"].how == "ahead"
    assert raised(table, "elsewhere", "vehicle", None, None) == []


async def test_an_area_becomes_a_zone_and_the_map_shows_what_rises(visit: Visiting, office: Office) -> None:
    async with visit() as visited:
        page = visited.page
        await visited.go("/lighting/demand/map?lang=de")
        assert await page.get_by_role("link", name="Detektor d0").count() == 1
        await page.get_by_label("Detektor", exact=True).select_option("d1")
        await page.get_by_label("Richtung").select_option("forward")
        await page.get_by_role("button", name="Zeigen").click()
        await page.wait_for_selector("#map[data-ready]", timeout=60_000)
        listed = page.locator("#table").get_by_role("region")
        text = await listed.inner_text()
        assert "n5" in text and "b5" not in text and "n1" not in text, (
            "ahead, not behind the block, not behind"
        )
        assert "der Plattform" in text and "ihrem Gateway im Feld" in text
        assert await visited.axe() == []
        await (
            page.get_by_role("button", name="Ausschnitt")
            .or_(page.locator('[data-draw="view"]'))
            .first.click()
        )
        await page.get_by_label("Name", exact=True).wait_for()
        assert "Leuchten gehören dazu" in await page.locator("main").inner_text()
        await page.get_by_label("Name", exact=True).fill("Platz am Deich")
        await page.get_by_label(re.compile("Detektor d0")).check()
        await page.locator("#pedestrian_level").fill("60")
        assert await visited.axe() == []
        await page.get_by_role("button", name="Speichern").click()
        await page.get_by_role("link", name="Platz am Deich").wait_for()
        await asyncio.to_thread(office.computed)
        await visited.go("/lighting/demand/map?detector=d0&kind=pedestrian&lang=de")
        text = await page.locator("#table").get_by_role("region").inner_text()
        assert "b5" in text and "60 %" in text and "Zone" in text, "the street behind is in the zone"


def test_zones_of_programs_are_judged_before_any_is_written(office: Office) -> None:
    sound = {
        "id": "weg",
        "name": "Weg",
        "selection": {"kind": "static", "lamps": [f"{LAMP}b0", f"{LAMP}b1"]},
        "detectors": ["d0"],
        "reacts": {"cyclist": {"level": 40, "hold": 20}},
    }
    address = "/api/lighting/demand/zones"
    for wrong in (
        {"detectors": ["nobody"]},
        {"detectors": []},
        {"reacts": {}},
        {"reacts": {"vehicle": {"level": 101, "hold": 20}}},
        {"reacts": {"vehicle": {"level": 10, "hold": 301}}},
        {"reacts": {"horse": {"level": 10, "hold": 20}}},
        {"id": "W e g"},
        {"name": ""},
    ):
        answered = office.http.post(address, json=[sound, {**sound, "id": "other", **wrong}])
        assert answered.status_code == 400, answered.text
    assert office.http.get("/lighting/demand/zones/weg").status_code == 404
    assert office.http.post(address, json=[sound]).status_code == 200
    assert "Weg" in office.http.get("/lighting/demand/zones/weg").text
    given = {"name": "Weg", "detector:d1": "on", "vehicle": "on", "vehicle_level": "x", "vehicle_hold": "20"}
    assert office.http.post("/lighting/demand/zones/weg", data=given).status_code == 422
    office.ok(office.http.post("/lighting/demand/zones/weg", data={**given, "vehicle_level": "30"}))
    office.ok(office.http.post("/lighting/demand/zones/weg/remove"))
    assert office.http.get("/lighting/demand/zones/weg").status_code == 404
    assert office.http.get("/lighting/demand/zones/new?area=x").status_code == 400
    until(lambda: "up to date" in office.computed(), "tables are not computed")


def test_a_list_does_what_the_map_does(office: Office) -> None:
    """Without a pointer and without a script: lamps chosen in the list become a zone."""
    page = office.http.get("/lighting/lamps?text=b1").text
    assert "/lighting/demand/zones/new?text=b1" in page
    made = office.http.get("/lighting/demand/zones/new?text=b1")
    assert made.status_code == 200 and "detector:d0" in made.text
    given = {"name": "Eine", "detector:d0": "on", "vehicle": "on", "vehicle_level": "30", "vehicle_hold": "9"}
    office.ok(office.http.post("/lighting/demand/zones/new?text=b1", data=given))
    assert office.http.post("/lighting/demand/zones/new?text=b1", data=given).status_code == 422, "taken"
    assert office.http.post("/lighting/demand/zones/new", data={**given, "name": "X"}).status_code == 422
    office.computed()
    shown = office.http.get("/lighting/demand/map?detector=d0&kind=vehicle&way=forward").text
    assert "b1" in shown
    answered = office.http.get("/lighting/demand/map/changes?since=other.0")
    assert answered.status_code == 410
    assert office.http.get("/lighting/demand/map/at?lon=x").status_code == 400
    place = detector("d0", 0)
    found = office.http.get(f"/lighting/demand/map/at?lon={place['lon']}&lat={place['lat']}").text
    assert "Detektor d0" in found
    office.ok(office.http.post("/lighting/demand/zones/eine/remove"))


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_can_be_used_by_everybody(visit: Visiting, office: Office, theme: str) -> None:
    await axe_and_width(
        visit, ["/lighting/demand/map?detector=d0", "/lighting/demand/zones/new?text=b1"], theme
    )


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_what_fields_have_in_common_stands_above_them(
    visit: Visiting, office: Office, width: int
) -> None:
    async with visit(width=width) as visited:
        await visited.go("/lighting/demand/zones/new?text=b1&lang=de")
        groups = visited.page.locator("main fieldset")
        assert await groups.count() == 4
        for group in await groups.all():
            legend = await group.locator("legend").bounding_box()
            first = await group.locator("input").first.bounding_box()
            assert legend and first and legend["y"] + legend["height"] <= first["y"]
