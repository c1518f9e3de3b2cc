"""A cadastre on a real server: taken in, on the map, in the list, on the page of a lamp; in a real browser too."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from rhinecloud.apps.lighting import app
from rhinecloud.apps.lighting.cadastre import manifest, sections
from rhinecloud.apps.lighting.cadastre.kinds import KINDS
from rhinecloud.people.declared import columns_of
from rhinecloud.people.register import PersonalData, undeclared

from ....conftest import EXTERNAL_DATABASE, Serve, Server
from ....web.conftest import Visiting, axe_and_width, browser, visit  # noqa: F401  # fixtures
from ...installing import command
from .files import FILES

OWN = {"Sec-Fetch-Site": "same-origin"}
LAMP = "urn:ngsi-ld:Streetlight:L1"
GRAPH = "/ngsi-ld/v1/entities"


class Place:
    """The server, as the fixtures of the pages know it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=90, headers=OWN)

    def get(self, path: str, status: int = 200) -> httpx.Response:
        answer = self.client.get(f"/lighting{path}", headers={"Accept-Language": "en"})
        assert answer.status_code == status, answer.text
        return answer

    def set(self, lamp: str, **attributes: Any) -> None:
        answer = self.client.patch(f"{GRAPH}/{lamp}/attrs", json=attributes)
        assert answer.status_code in (204, 207), answer.text
        if answer.status_code == 207:
            answer = self.client.post(f"{GRAPH}/{lamp}/attrs", json=attributes)
            assert answer.status_code == 204, answer.text

    def try_file(self, kind: str, text: str, crs: str = "EPSG:25832", status: int = 303) -> httpx.Response:
        answer = self.client.post(
            "/lighting/import",
            data={"kind": kind, "crs": crs},
            files={"file": (f"{kind}.csv", text.encode(), "text/csv")},
        )
        assert answer.status_code == status, answer.text
        return answer

    def state(self, address: str) -> str:
        return self.client.get(f"{address}/state", headers={"Accept-Language": "en"}).text

    def lines(self, query: str = "") -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.get(f"/lamps.csv?{query}").text)))


async def until(condition: Callable[[], Any]) -> None:
    """Until it holds (the test's own patience bounds it)."""
    while not await asyncio.to_thread(condition):
        await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def server(module_serve: Serve) -> Server:
    return module_serve("--apps=lighting")


@pytest.fixture(scope="module")
def city(server: Server) -> Iterator[Place]:
    """The small cadastre, taken in by the page."""
    found = Place(server.base_url)
    for kind in KINDS:
        address = found.try_file(kind, FILES[kind]).headers["location"]
        assert "0 line" not in found.state(address) and "refused" not in found.state(address)
        assert found.client.post(f"{address}/take").status_code == 303
        while "taken over." not in (told := found.state(address)):
            assert "broke off" not in told, server.output
    for number, level in (("L1", 1.0), ("L2", 0.3)):
        found.set(f"urn:ngsi-ld:Streetlight:{number}", powerState="on", illuminanceLevel=level)
    yield found
    found.client.close()


def test_it_keeps_what_it_declares() -> None:
    assert {page.path for page in manifest.PAGES} <= {page.path for page in app.pages}
    names = [one.key for one in sections.declared()]
    assert len(names) == len(set(names))


async def test_what_was_imported_is_in_the_list_the_table_and_the_graph(city: Place) -> None:
    await until(lambda: len(city.lines()) == 3)
    first = next(line for line in city.lines() if line["id"] == LAMP)
    assert first["street"] == "Königstraße" and first["class"] == "M4" and first["sign_394"] == "yes"
    assert first["feeder"] == "urn:ngsi-ld:StreetlightFeeder:S1-A1" and first["rated_power_w"] == "48.0"
    shown = city.get("/lamps?street=Hafenufer").text
    assert "1 lamp" in shown and "L3" in shown and "Königstraße 1" not in shown
    third = city.client.get(f"{GRAPH}/urn:ngsi-ld:Streetlight:L3?format=simplified").json()
    assert third["columnMadeOf"] == "steel" and third["streetPoleNum"] == "H-17" and third["status"] == "ok"


async def test_an_import_again_keeps_what_lamps_say(city: Place) -> None:
    city.set(LAMP, status="defectiveLamp")
    address = city.try_file("lamps", FILES["lamps"]).headers["location"]
    assert "0 of them are new" in city.state(address)
    city.client.post(f"{address}/take")
    await until(lambda: "taken over." in city.state(address))
    assert city.client.get(f"{GRAPH}/{LAMP}?format=simplified").json()["status"] == "defectiveLamp"
    city.set(LAMP, status="ok")
    again = city.client.post(f"{address}/take")
    assert again.status_code == 303 and "taken over." in city.state(address)


async def test_a_trial_writes_nothing_and_says_what_is_wrong(city: Place) -> None:
    text = "nummer;x;y;schrank;leistung_w\nN1;344600;5700000;S9;48\nN2;344600;5700000;S1;0\nN3;344600;5700000;S1;48\n"
    address = city.try_file("lamps", text).headers["location"]
    shown = city.client.get(address, headers={"Accept-Language": "en"}).text
    assert "1 of 3 lines fit" in shown and "there is no cabinet S9" in shown and "more than 0 W" in shown
    assert "Den Schaltschrank S9 gibt es nicht." in city.client.get(address).text
    assert city.client.get(f"{GRAPH}/urn:ngsi-ld:Streetlight:N3").status_code == 404
    refused = city.try_file("lamps", "nummer;nummer\n1;2\n", status=422)
    assert "two columns" in refused.text
    city.try_file("lamps", "", status=422)
    city.try_file("moon", "nummer\n", status=400)
    city.try_file("lamps", "nummer\n", crs="EPSG:1", status=400)
    nothing = city.try_file("lamps", "nummer;x;y\nN4;;\n").headers["location"]
    assert city.client.post(f"{nothing}/take").status_code == 409
    for unknown in ("/import/x", "/import/00000000-0000-0000-0000-000000000000"):
        city.get(unknown, 404)


async def test_the_map_is_told_what_lamps_say(city: Place) -> None:
    body = city.get("/map/points?look=state&street=Königstraße").content
    length = int.from_bytes(body[:4], "little")
    head = msgspec.json.decode(body[4 : 4 + length])
    assert head["count"] == 2
    mark = f"{head['epoch']}.{head['version']}"
    city.set("urn:ngsi-ld:Streetlight:L2", powerState="off")

    def told() -> bool:
        answer = city.client.get(f"/lighting/map/changes?look=state&street=Königstraße&since={mark}")
        return answer.status_code == 410 or "states" in answer.json() or "all" in answer.json()

    await until(told)
    await until(lambda: [one["id"] for one in city.lines("state=off")] == ["urn:ngsi-ld:Streetlight:L2"])
    city.set("urn:ngsi-ld:Streetlight:L2", powerState="on")
    city.get("/map/changes?since=elsewhere.1", 410)
    city.get("/map?area=1,2", 422)
    city.get("/map/at?lon=x", 400)
    city.get("/lamps.csv?state=dark", 400)
    where = city.get(f"/map/place?id={LAMP}").json()
    assert "Königstraße 1" in city.get(f"/map/at?lon={where['lon']}&lat={where['lat']}").text
    city.get("/map/place?id=urn:x:y", 404)


async def test_a_new_lamp_is_on_the_map_and_a_deleted_one_is_not(city: Place) -> None:
    new = {
        "id": "urn:ngsi-ld:Streetlight:new",
        "type": "Streetlight",
        "location": {"type": "Point", "coordinates": [6.77, 51.43]},
    }
    assert city.client.post(GRAPH, json=new).status_code == 201
    await until(lambda: len(city.lines()) == 4)
    assert city.client.delete(f"{GRAPH}/{new['id']}").status_code == 204
    await until(lambda: len(city.lines()) == 3)


async def test_a_lamp_says_what_it_does_and_what_it_should_do(city: Place) -> None:
    shown = city.get(f"/lamps/{LAMP}").text
    for part in ("Königstraße 1", "LED 48 W", "Schrank Königstraße", "M4", "Should be", "Says", "100 %"):
        assert part in shown, part
    assert "No plan has been applied yet." in shown
    assert "on, 100" in re.sub(r"\s+", " ", city.get(f"/lamps/{LAMP}/now").text)
    for unknown in ("urn:ngsi-ld:Streetlight:nobody", "urn:ngsi-ld:StreetlightGroup:G1", "x%00y"):
        city.get(f"/lamps/{unknown}", 404)


async def test_a_selection_becomes_a_group(city: Place) -> None:
    assert "2 lamps are selected" in city.get("/lamps/group?street=Königstraße").text
    given = {"street": "Königstraße", "name_de": "Königstraße ganz", "name_en": "All of Königstraße"}
    made = city.client.post("/lighting/lamps/group", data=given)
    assert made.status_code == 303, made.text
    assert "Königstraße ganz" in city.client.get(made.headers["location"]).text
    assert city.client.post("/lighting/lamps/group", data=given).status_code == 422
    assert {one["name"] for one in city.lines("planned=koenigstrasse-ganz")} == {
        "Königstraße 1",
        "Königstraße 2",
    }
    assert "All of Königstraße" in city.get("/map?planned=koenigstrasse-ganz").text
    city.get("/map?planned=nobody", 422)
    for wrong in ({"name_en": ""}, {"name_de": "!!"}, {"area": "1,2"}):
        assert city.client.post("/lighting/lamps/group", data={**given, **wrong}).status_code == 422


async def test_no_table_of_it_has_anything_of_people(city: Place, server: Server) -> None:
    rows = await asyncpg.connect(server.database_url)
    try:
        found = await columns_of(rows, "app_lighting")
    finally:
        await rows.close()
    mine = [column for column in found if column[0] in manifest.IMPERSONAL]
    assert mine and undeclared(mine, [PersonalData(impersonal=manifest.IMPERSONAL)]) == []
    assert {table for table, _ in found if table.startswith("cadastre_")} == set(manifest.IMPERSONAL)


@pytest.mark.skipif(EXTERNAL_DATABASE is not None, reason="the command finds the data folder's own database")
def test_the_command_takes_files_in(city: Place, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "types.csv"
    file.write_text("nummer;bezeichnung;leistung_w\nT8;LED 20 W;20\nT9;LED;0\n")
    words = ("lighting", "import-cadastre", "models", str(file), f"--data={server.data}")
    said = command(*words, "--dry-run", environ={}, code=1)
    assert "1 would be taken in, 1 of them new. 1 would be refused." in said and "line 3: a power" in said
    assert city.client.get(f"{GRAPH}/urn:ngsi-ld:StreetlightModel:T8").status_code == 404
    assert "1 were taken in" in command(*words, environ={}, code=1)
    assert city.client.get(f"{GRAPH}/urn:ngsi-ld:StreetlightModel:T8").status_code == 200


PATHS = [
    "/lighting/map",
    "/lighting/map?look=alarm&street=Königstraße",
    "/lighting/lamps",
    f"/lighting/lamps/{LAMP}",
    "/lighting/lamps/group?street=Königstraße",
    "/lighting/import",
]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_are_accessible_and_narrow(visit: Visiting, theme: str) -> None:  # noqa: F811
    await axe_and_width(visit, PATHS, theme)


async def test_an_area_is_drawn_and_its_lamps_are_found(visit: Visiting, city: Place) -> None:  # noqa: F811
    async with visit(width=1280, height=900) as one:
        await one.go("/lighting/map?lang=en")
        page = one.page
        await page.get_by_role("heading", name="3 lamps").wait_for()
        await page.get_by_role("button", name="Draw an area").click()
        box = await page.locator("#map").bounding_box()
        assert box is not None
        # The two lamps of Königstraße stand south-west of the third.
        middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
        corners = [
            (box["x"] + 4, middle[1]),
            (middle[0], middle[1]),
            (middle[0], box["y"] + box["height"] - 4),
        ]
        corners.append((box["x"] + 4, box["y"] + box["height"] - 4))
        await page.mouse.move(*corners[0])
        await page.mouse.down()
        for x, y in corners[1:]:
            await page.mouse.move(x, y, steps=5)
        await page.mouse.up()
        await page.get_by_role("heading", name="2 lamps").wait_for()
        assert "area=" in page.url
        await page.wait_for_selector("#map[data-ready]")
        city.set(LAMP, illuminanceLevel=0.5)
        await page.locator("output[data-count='2']", has_text="1").wait_for()  # 34 to 66 %, without a reload
        city.set(LAMP, illuminanceLevel=1.0)
        await page.get_by_role("link", name="List", exact=True).click()
        await page.get_by_role("link", name="Königstraße 1").click()
        await page.get_by_role("heading", name="Königstraße 1").wait_for()


async def test_a_lamp_is_shown_anew_while_one_looks(visit: Visiting, city: Place) -> None:  # noqa: F811
    async with visit() as one:
        await one.go(f"/lighting/lamps/{LAMP}?lang=en")
        city.set(LAMP, powerState="low")
        await one.page.locator("#now", has_text="on, low").wait_for()
        city.set(LAMP, powerState="on")


async def test_without_javascript_the_list_does_it(city: Place, browser: Any) -> None:  # noqa: F811
    context = await browser.new_context(java_script_enabled=False, locale="en-GB")
    page = await context.new_page()
    await page.goto(f"{city.url}/lighting/lamps")
    await page.get_by_label("Street", exact=True).fill("hafenufer")
    await page.get_by_role("button", name="Show", exact=True).click()
    await page.get_by_role("heading", name="1 lamp").wait_for()
    await context.close()
