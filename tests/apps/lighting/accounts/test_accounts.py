"""The accounts on a real server: what lamps told is counted, summed, reported and shown."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest

from rhinecloud.apps.lighting import app
from rhinecloud.apps.lighting.accounts.sums import REACH
from rhinecloud.people.declared import columns_of
from rhinecloud.people.register import undeclared
from tests.conftest import Server
from tests.web.conftest import Street, Visit, Visiting, axe_and_width, browser, visit

__all__ = ["browser", "visit"]  # fixtures

OWN = {"Sec-Fetch-Site": "same-origin"}
LAMP = "urn:ngsi-ld:Streetlight:"
GROUP = "urn:ngsi-ld:StreetlightGroup:uferstrasse"
ZONE = ZoneInfo("Europe/Berlin")
DAY = date.today() - timedelta(2)
MEASURED, ESTIMATED, SILENT, UNRATED = "A1", "A2", "A3", "A4"


def until(what: Callable[[], Any], said: str) -> Any:
    end = time.monotonic() + 180
    while not (found := what()):
        assert time.monotonic() < end, said
        time.sleep(0.2)
    return found


def at(hour: float) -> str:
    """An instant of the day, as the city's clock shows it on a day of 24 hours."""
    midnight = datetime(DAY.year, DAY.month, DAY.day, tzinfo=ZONE)
    return (midnight + timedelta(hours=hour)).astimezone(ZoneInfo("UTC")).isoformat().replace("+00:00", "Z")


class Books:
    """The server, and its database."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = httpx.Client(base_url=server.base_url, headers=OWN, timeout=60)

    async def queue(self, name: str, payload: str = "null") -> None:
        connection = await asyncpg.connect(self.server.database_url)
        await connection.execute(
            "INSERT INTO tenant_city.pgqueuer (priority, status, entrypoint, payload) VALUES (0, 'queued', $1, $2)",
            f"lighting.accounts-{name}",
            payload.encode(),
        )
        await connection.close()

    async def counted(self) -> None:
        """When every day that is due was counted."""
        connection = await asyncpg.connect(self.server.database_url)
        end = time.monotonic() + 180
        while await connection.fetchval("SELECT count(*) FROM app_lighting.energy_counted") < REACH:
            assert time.monotonic() < end, "not every day was counted"
            await asyncio.sleep(0.2)
        await connection.close()

    def rows(self, **query: Any) -> list[dict[str, str]]:
        asked = {"year": DAY.year, "month": DAY.month, **query}
        text = self.http.get("/lighting/accounts.csv", params=asked).text.removeprefix("\ufeff")
        return list(csv.DictReader(io.StringIO(text)))

    def day(self, **query: Any) -> dict[str, str]:
        """The figures of DAY."""
        return next((row for row in self.rows(**query) if row["period"] == DAY.isoformat()), {})

    def report(self, kind: str) -> dict[str, Any]:
        asked = {"type": "LightingEnergyReport", "q": f'reportKind=="{kind}"', "options": "keyValues"}
        found = self.http.get("/ngsi-ld/v1/entities", params=asked).json()
        return next((one for one in found if one["id"].endswith(f"{DAY:%Y-%m}")), {})


@pytest.fixture(scope="module")
def books(server: Server) -> Iterator[Books]:
    """Four lamps, of which three told something on a day."""
    found = Books(server)
    lamps = [
        {
            "id": LAMP + name,
            "type": "Streetlight",
            "name": f"Uferstraße {number}",
            "location": {"type": "Point", "coordinates": [6.76, 51.43 + number / 1000]},
            "areaServed": "Ruhrort" if number < 3 else "Laar",
            "refStreetlightGroup": {"type": "Relationship", "object": GROUP},
            **(
                {}
                if name == UNRATED
                else {"powerRating": {"type": "Property", "value": 60, "unitCode": "WTT"}}
            ),
        }
        for number, name in enumerate((MEASURED, ESTIMATED, SILENT, UNRATED), 1)
    ]
    group = {"id": GROUP, "type": "StreetlightGroup", "name": "Uferstraße"}
    answered = found.http.post("/ngsi-ld/v1/entityOperations/upsert", json=[*lamps, group])
    assert answered.status_code in (201, 204), answered.text
    # A lamp that tells its power every quarter of an hour from 0 to 6 and from 18 on, and one that tells its level.
    for quarter in [*range(24), *range(72, 96)]:
        tell(found, MEASURED, "powerConsumption", 40, quarter / 4)
        tell(found, UNRATED, "powerConsumption", 30, quarter / 4)
    for hour, level in ((-1, 0.5), (6, 0), (18, 0.5)):
        tell(found, ESTIMATED, "illuminanceLevel", level, hour)
    yield found
    found.http.close()


def tell(books: Books, lamp: str, attribute: str, value: float, hour: float) -> None:
    told = {"type": "Property", "value": value, "observedAt": at(hour)}
    if attribute == "powerConsumption":
        told["unitCode"] = "WTT"
    answered = books.http.post(
        "/ngsi-ld/v1/temporal/entities", json={"id": LAMP + lamp, "type": "Streetlight", attribute: [told]}
    )
    assert answered.status_code in (201, 204), answered.text


@pytest.fixture(scope="module")
def city(books: Books) -> Iterator[Street]:
    """What the pages are visited on."""
    found = Street(books.server.base_url)
    yield found
    found.client.close()


async def test_what_was_told_is_counted_summed_and_reported(books: Books) -> None:
    for factor in (
        {"kind": "price", "value": "30", "since": "2020-01-01", "source": "Liefervertrag"},
        {"kind": "co2", "value": "380,5", "since": "2020-01-01", "source": "Umweltbundesamt"},
    ):
        assert books.http.post("/lighting/accounts/factors", data=factor).status_code == 303
    await books.queue("nightly")
    await books.counted()

    measured = books.day(lamp=LAMP + MEASURED)
    assert float(measured["energy_measured_kwh"]) == pytest.approx(40 * 12.25 / 1000, abs=1e-3)
    assert float(measured["energy_estimated_kwh"]) == 0.0
    # The last value before the morning's gap holds for half an hour, of which a quarter is beyond what was told.
    assert float(measured["time_measured"]) == pytest.approx(12.25 / 24, abs=1e-3)
    assert float(measured["time_unknown"]) == pytest.approx(11.75 / 24, abs=1e-3)
    estimated = books.day(lamp=LAMP + ESTIMATED)
    lit = 60 * (0.05 + 0.95 * 0.5) + 0.5
    assert float(estimated["energy_estimated_kwh"]) == pytest.approx((lit * 12 + 0.5 * 12) / 1000, abs=1e-3)
    assert (estimated["time_estimated"], estimated["burning_hours"]) == ("1.0", "12.0")
    assert float(estimated["saved_kwh"]) == pytest.approx(
        float(estimated["baseline_kwh"]) - float(estimated["energy_kwh"]), abs=1e-3
    )
    silent = books.day(lamp=LAMP + SILENT)
    assert (silent["time_unknown"], silent["energy_kwh"], silent["cost_eur"]) == ("1.0", "", "")
    unrated = books.day(lamp=LAMP + UNRATED)
    assert unrated["energy_kwh"] and (unrated["baseline_kwh"], unrated["saved_kwh"]) == ("", "")

    whole = books.day()
    lamps = (measured, estimated, silent, unrated)
    for name in ("energy_measured_kwh", "energy_estimated_kwh"):
        total = sum(float(one[name]) for one in lamps)
        assert float(whole[name]) == pytest.approx(total, abs=3e-3)
        by_district = sum(float(books.day(district=one)[name]) for one in ("Ruhrort", "Laar"))
        assert by_district == pytest.approx(total, abs=3e-3)
        assert float(books.day(group=GROUP)[name]) == pytest.approx(total, abs=3e-3)
    assert float(whole["cost_eur"]) == pytest.approx(float(whole["energy_kwh"]) * 0.30, abs=0.01)
    assert float(whole["co2_kg"]) == pytest.approx(float(whole["energy_kwh"]) * 0.3805, abs=0.01)
    month = next(row for row in books.rows(month=0) if row["period"] == f"{DAY:%Y-%m}")
    days = [row for row in books.rows() if len(row["period"]) == 10]
    for name in ("energy_measured_kwh", "energy_estimated_kwh", "energy_kwh"):
        total = sum(float(row[name] or 0) for row in days)
        assert float(month[name]) == pytest.approx(total, abs=0.02)

    # A reader of the graph finds the same sums as the table has.
    kilowatt_hours = pytest.approx(float(month["energy_kwh"]), abs=2e-3)
    until(lambda: books.report("city").get("energy") == kilowatt_hours, "the city was not reported")
    report = until(lambda: books.report("group"), "nothing was reported")
    assert report["energy"] == kilowatt_hours
    assert report["refStreetlightGroup"] == GROUP and report["numberOfLamps"] == 4
    assert until(lambda: books.report("district"), "no district was reported")["areaServed"]


async def test_what_came_late_is_counted_anew(books: Books) -> None:
    before = until(lambda: books.day(lamp=LAMP + SILENT), "nothing was counted")
    assert before["energy_kwh"] == ""
    for quarter in range(8):
        tell(books, SILENT, "powerConsumption", 50, 1 + quarter / 4)
    counting = books.http.post("/lighting/accounts/count", data={"month": f"{DAY:%Y-%m}"})
    assert counting.status_code == 303
    late = until(lambda: books.day(lamp=LAMP + SILENT)["energy_kwh"], "it was not counted anew")
    assert float(late) == pytest.approx(50 * 2.25 / 1000, abs=1e-3)


async def test_a_cost_is_known_for_days_with_a_price_only(books: Books) -> None:
    until(lambda: books.day(), "nothing was counted")
    given = {"kind": "price", "value": "40", "since": DAY.isoformat(), "source": "Neuer Vertrag"}
    for wrong in (
        {"value": "viel"},
        {"value": "-1"},
        {"value": "nan"},
        {"since": ""},
        {"source": " "},
        {"kind": "x"},
    ):
        assert books.http.post("/lighting/accounts/factors", data=given | wrong).status_code == 422
    wrong_end = {"until": (DAY - timedelta(1)).isoformat()}
    assert books.http.post("/lighting/accounts/factors", data=given | wrong_end).status_code == 422
    cheap = float(books.day()["cost_eur"])
    assert books.http.post("/lighting/accounts/factors", data=given).status_code == 303
    assert float(books.day()["cost_eur"]) == pytest.approx(cheap * 40 / 30, abs=0.02)
    gone = {"kind": "price", "since": "2020-01-01"}
    later = given | {"since": (DAY + timedelta(1)).isoformat()}
    assert books.http.post("/lighting/accounts/factors", data=later).status_code == 303
    for one in (gone, {"kind": "price", "since": DAY.isoformat()}):
        assert books.http.post("/lighting/accounts/factors/remove", data=one).status_code == 303
    assert books.http.post("/lighting/accounts/factors/remove", data=gone).status_code == 404
    assert books.day()["cost_eur"] == "" and books.day()["co2_kg"]
    assert "kein Preis eingetragen" in books.http.get(f"/lighting/accounts?year={DAY.year}&lang=de").text
    assert books.http.get("/lighting/accounts?year=x").status_code == 404


async def test_every_column_is_declared(books: Books) -> None:
    connection = await asyncpg.connect(books.server.database_url)
    columns = [one for one in await columns_of(connection, "app_lighting") if one[0].startswith("energy_")]
    await connection.close()
    assert columns
    missing = undeclared(columns, [app.personal_data])
    assert not [one for one in missing if one.startswith("energy_")]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everybody_can_read_its_pages(visit: Visiting, books: Books, theme: str) -> None:
    await books.queue("count", f'"{DAY.isoformat()}"')
    until(lambda: books.day(), "nothing was counted")
    month = f"year={DAY.year}&month={DAY.month}"
    paths = [
        f"/lighting/accounts?{month}",
        f"/lighting/accounts?year={DAY.year}&parts=group",
        "/lighting/accounts?year=2001",
        "/lighting/accounts/factors",
    ]
    await axe_and_width(visit, paths, theme)
    async with visit(theme=theme) as visited:  # from the city's year to a district's days, by clicking
        await chosen(visited, f"/lighting/accounts?year={DAY.year}&lang=de")


async def chosen(visited: Visit, path: str) -> None:
    page = visited.page
    await visited.go(path)
    await page.locator(f'th a[href*="month={DAY.month}&"]').click()
    await page.wait_for_url("**month=*")
    await page.get_by_role("link", name="Ruhrort").click()
    await page.wait_for_url("**district=Ruhrort*")
    assert await page.get_by_role("heading", name="Ruhrort").count() == 1
    row = page.get_by_role("row", name=f"{DAY:%d.%m.%Y}")
    assert await row.count() == 1 and "100 %" not in await row.inner_text()
    assert await page.locator("svg.bars rect.bars__measured").count() >= 1
