"""What hangs on posts, on a real server: entered, changed, shown to others, taken down."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from rhinecloud.apps.lighting import app
from rhinecloud.people.declared import columns_of
from rhinecloud.people.register import undeclared
from tests.conftest import Server
from tests.web.conftest import Street, Visiting, axe_and_width, browser, visit

__all__ = ["browser", "visit"]  # fixtures

OWN = {"Sec-Fetch-Site": "same-origin"}
LAMP = "urn:ngsi-ld:Streetlight:C1"
OTHER = "urn:ngsi-ld:Streetlight:C2"
CABINET = "urn:ngsi-ld:StreetlightControlCabinet:K1"
GIVEN = {
    "lamp": LAMP,
    "kind": "charging_point",
    "name": "Ladepunkt Hafen",
    "owner": "Stadtwerke",
    "contract": "V-2026-17",
    "since": "2026-01-01",
    "power": "3700",
    "by_day": "on",
    "when_off": "Ladevorgänge enden sofort.",
    "when_replaced": "Stadtwerke zwei Wochen vorher anrufen.",
    "contact_name": "Leitstelle",
    "contact_mail": "leitstelle@example.org",
}


class Office:
    """Its staff."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = httpx.Client(base_url=server.base_url, headers=OWN, timeout=60)

    def put(self, *entities: dict[str, Any]) -> None:
        answered = self.http.post("/ngsi-ld/v1/entityOperations/upsert", json=list(entities))
        assert answered.status_code in (201, 204), answered.text

    def attach(self, **other: str) -> int:
        answered = self.http.post("/lighting/carrier/new", data=GIVEN | other)
        assert answered.status_code == 303, answered.text
        return int(answered.headers["location"].partition("?")[0].rpartition("/")[2])

    def told(self) -> dict[str, dict[str, Any]]:
        """What others see."""
        asked = {"type": "PostAttachment", "options": "keyValues"}
        return {one["name"]: one for one in self.http.get("/ngsi-ld/v1/entities", params=asked).json()}

    def page(self, path: str) -> str:
        return self.http.get(f"{path}{'&' if '?' in path else '?'}lang=de").text


@pytest.fixture(scope="module")
def office(server: Server) -> Iterator[Office]:
    found = Office(server)
    for number, lamp in enumerate((LAMP, OTHER)):
        found.put(
            {
                "id": lamp,
                "type": "Streetlight",
                "name": f"Hafenstraße {number + 1}",
                "location": {"type": "Point", "coordinates": [6.73, 51.45 + number / 1000]},
                "refStreetlightControlCabinet": {"type": "Relationship", "object": CABINET},
                "feederID": "4",
            }
        )
    found.put({"id": CABINET, "type": "StreetlightControlCabinet", "name": "K1"})
    yield found
    found.http.close()


@pytest.fixture(scope="module")
def city(office: Office) -> Iterator[Street]:
    """What the pages are visited on."""
    found = Street(office.server.base_url)
    yield found
    found.client.close()


async def test_what_hangs_is_entered_changed_and_taken_down(office: Office) -> None:
    for wrong in ({"lamp": "urn:ngsi-ld:Streetlight:none"}, {"owner": ""}, {"power": "viel"}):
        assert office.http.post("/lighting/carrier/new", data=GIVEN | wrong).status_code == 422
    number = office.attach()
    told = office.told()["Ladepunkt Hafen"]
    assert (told["ownerName"], told["maximumPower"], told["refStreetlight"]) == ("Stadtwerke", 3700, LAMP)
    assert told["location"]["coordinates"] == [6.73, 51.45]
    assert "V-2026-17" not in str(told) and "leitstelle" not in str(told)
    page = office.page(f"/lighting/carrier/{number}")
    assert "leitstelle@example.org" in page and 'name="version" value="1"' in page

    changed = GIVEN | {"power": "11000", "version": "1"}
    assert office.http.post(f"/lighting/carrier/{number}", data=changed).status_code == 303
    assert office.told()["Ladepunkt Hafen"]["maximumPower"] == 11000
    stale = office.http.post(f"/lighting/carrier/{number}", data=changed | {"power": "1"})
    assert stale.status_code == 409 and office.told()["Ladepunkt Hafen"]["maximumPower"] == 11000

    for status in (303, 404):
        assert office.http.post(f"/lighting/carrier/{number}/remove").status_code == status
    assert office.told() == {} and office.http.get(f"/lighting/carrier/{number}").status_code == 404
    connection = await asyncpg.connect(office.server.database_url)
    actions = await connection.fetch(
        "SELECT action FROM tenant_city.audit WHERE action LIKE 'lighting.carrier.%'"
    )
    assert sorted(one[0].rpartition(".")[2] for one in actions) == ["attach", "change", "remove"]
    until = "SELECT needed_until <= now() FROM app_lighting.carried_contact WHERE carried = $1"
    assert await connection.fetchval(until, number)  # it is let go 90 days from now
    columns = [
        one
        for one in await columns_of(connection, "app_lighting")
        if one[0].startswith(("carried", "supply"))
    ]
    await connection.close()
    assert columns and not [
        one for one in undeclared(columns, [app.personal_data]) if one.startswith(("carried", "supply"))
    ]


async def test_an_organisation_of_the_city_owns_what_hangs(office: Office) -> None:
    rows = await asyncpg.connect(office.server.database_url)
    insert = "INSERT INTO room_people.organisation (name) VALUES ($1) RETURNING id"
    works, transit = [await rows.fetchval(insert, name) for name in ("Stadtwerke Nord", "Verkehr Nord")]
    assert "Stadtwerke Nord" in office.page("/lighting/carrier/new")
    for wrong in ("999999", "x"):
        given = GIVEN | {"organisation": wrong}
        assert office.http.post("/lighting/carrier/new", data=given).status_code == 422
    numbers = [
        office.attach(name="Lader", organisation=str(works), owner=""),
        office.attach(name="Anzeiger", organisation=str(transit), owner=""),
        office.attach(name="Fahne", owner="Heimatverein"),
    ]
    assert office.told()["Lader"]["ownerName"] == "Stadtwerke Nord"
    own = office.page(f"/lighting/carrier?owner={works}")
    assert "Lader" in own and "Anzeiger" not in own and "Fahne" not in own
    assert f'value="{transit}"' in own, "the organisations that own something are offered"
    assert "Heimatverein, Stadtwerke Nord, Verkehr Nord" in office.page(f"/lighting/carrier/post?lamp={LAMP}")
    assert "Heimatverein, Stadtwerke Nord, Verkehr Nord" in office.page(f"/lighting/lamps/{LAMP}")

    # Renamed it is called so at once; of one that is gone the name is left.
    await rows.execute("UPDATE room_people.organisation SET name = 'Stadtwerke Süd' WHERE id = $1", works)
    await rows.execute("DELETE FROM room_people.organisation WHERE id = $1", transit)
    await rows.close()
    shown = office.page(f"/lighting/carrier/post?lamp={LAMP}")
    assert "Heimatverein, Stadtwerke Süd, Verkehr Nord" in shown
    kept = office.page(f"/lighting/carrier/{numbers[1]}")
    assert 'value="Verkehr Nord"' in kept, "it can be kept as somebody else"
    for number in numbers:
        assert office.http.post(f"/lighting/carrier/{number}/remove").status_code == 303


def test_what_does_not_fit_is_said(office: Office) -> None:
    over = {"until": (date.today() - timedelta(1)).isoformat()}
    numbers = [
        office.attach(),
        office.attach(lamp=OTHER, name="Alter Sensor", kind="sensor", power="5", **over),
    ]
    for what, watts in (("post", "2000"), ("feeder", "3704")):
        given = {"lamp": LAMP, "what": what, "watts": watts}
        assert office.http.post("/lighting/carrier/supply", data=given).status_code == 303
    wrong = {"lamp": LAMP, "what": "post", "watts": "viel"}
    assert office.http.post("/lighting/carrier/supply", data=wrong).status_code == 422
    post = office.page(f"/lighting/carrier/post?lamp={LAMP}")
    assert "Am Mast werden 3700 W gebraucht, 2000 W sind vorgesehen." in post
    assert "Am Abgang werden 3705 W gebraucht, 3704 W sind vorgesehen." in post
    assert "Ladevorgänge enden sofort." in post and "Alter Sensor" not in post
    lamp = office.page(f"/lighting/lamps/{LAMP}")
    assert "Am Mast werden 3700 W gebraucht" in lamp and "Ladevorgänge enden sofort." in lamp
    assert "Von dieser Leuchte ist noch nichts gezählt." in lamp
    listed = office.page("/lighting/carrier?conflicts=on&q=hafenstraße 2")
    assert "Der Vertrag endete am" in listed and "Ladepunkt Hafen" not in listed

    assert "Abgang ist dann abgeschaltet" not in post
    office.put({"id": CABINET, "type": "StreetlightControlCabinet", "name": "K1", "permanentSupply": False})
    assert "Abgang ist dann abgeschaltet" in office.page(f"/lighting/carrier/post?lamp={LAMP}")
    for number in numbers:
        assert office.http.post(f"/lighting/carrier/{number}/remove").status_code == 303
    for what in ("post", "feeder"):
        given = {"lamp": LAMP, "what": what, "watts": ""}
        assert office.http.post("/lighting/carrier/supply", data=given).status_code == 303


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everybody_can_read_its_pages(visit: Visiting, office: Office, theme: str) -> None:
    name = f"Sensor {theme}"
    async with visit(theme=theme) as visited:  # from an empty list to one that hangs, by clicking
        page = visited.page
        await visited.go("/lighting/carrier?lang=de")
        await page.get_by_role("link", name="Etwas an einem Mast anbringen").click()
        await page.wait_for_url("**/new")
        for field, text in (("lamp", "C1"), ("name", name), ("owner", "Umweltamt"), ("power", "4,5")):
            await page.fill(f"[name={field}]", text)
        await page.fill("[name=when_off]", "Es fehlen Messwerte.")
        await page.get_by_role("button", name="Speichern").click()
        await page.wait_for_url("**done=written")
        number = int(page.url.partition("?")[0].rpartition("/")[2])
    over = office.attach(until="2026-01-02", name=f"Banner {theme}", kind="banner")
    paths = [
        "/lighting/carrier",
        f"/lighting/carrier/post?lamp={LAMP}",
        f"/lighting/carrier/{number}",
        f"/lighting/carrier/{over}",
    ]
    await axe_and_width(visit, paths, theme)
    async with visit(theme=theme) as visited:
        await visited.go(f"/lighting/carrier?lang=de&conflicts=on&q=banner {theme}")
        await visited.page.get_by_text("Der Vertrag endete am 02.01.2026.").wait_for()
        await visited.page.get_by_role("link", name="Hafenstraße 1").click()
        await visited.page.wait_for_url("**/carrier/post?**")
        assert await visited.page.get_by_text("Es fehlen Messwerte.").count() == 1
    for one in (number, over):
        assert office.http.post(f"/lighting/carrier/{one}/remove").status_code == 303
