"""The audit log on its page: filters, pages, CSV; readable for everybody."""

from __future__ import annotations

import csv
import io
import json
import re

from playwright.async_api import expect

from .conftest import Street, Visiting, axe_and_width


def add_devices(city: Street, *names: str) -> None:
    for name in names:
        answer = city.client.post("/api/v1/devices", json={"id": name, "type": "Streetlight"})
        assert answer.status_code == 201, answer.text


def lines(city: Street, query: str = "") -> list[list[str]]:
    answer = city.client.get(f"/audit.csv?{query}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.text)))[1:]


async def test_the_audit_log(visit: Visiting, city: Street) -> None:
    add_devices(city, *(f"audited-{number:02d}" for number in range(30)), "-formula")
    assert city.client.delete("/api/v1/devices/audited-00").status_code in (200, 204)
    added = lines(city, "action=device.add&subject=AUDITED")
    assert len(added) == 30
    assert {(row[1], row[2]) for row in added} == {("open", "device.add")}
    assert json.loads(added[0][4])["id"] == "audited-29"  # the newest first
    assert {row[2] for row in lines(city, "action=device")} >= {"device.add", "device.remove"}
    assert lines(city, "actor=nobody") == []
    assert lines(city, "until=2001-01-01") == [] and len(lines(city, "since=2001-01-01")) >= 31
    # What a spreadsheet would take for a formula is none.
    assert [row[3] for row in lines(city, "subject=-formula")] == ["'-formula"]
    assert city.client.get("/audit.csv?since=yesterday").status_code == 422
    assert city.client.get("/audit?since=0001-01-01&until=9999-12-31&before=x").status_code in (200, 422)
    for nonsense in ("before=999999999999999999999", "subject=%00", "action=%25_%5C", "actor=" + "x" * 5000):
        assert city.client.get(f"/audit?{nonsense}").status_code == 200

    async with visit(java_script_enabled=False) as visited:
        page = visited.page
        visited.allowed = ["422"]
        await page.goto(f"{city.url}/audit?lang=de&subject=audited")
        await page.select_option("#action", "device")
        await page.click("main button[type=submit]")
        await expect(page.locator("tbody tr")).to_have_count(25)
        await page.click("a[rel=next]")
        await expect(page.locator("tbody tr")).to_have_count(6)
        await expect(page.locator("#action")).to_have_value("device")
        await page.click("tbody summary >> nth=0")
        await expect(page.locator("tbody pre").first).to_contain_text("audited")
        await page.fill("#since", "gestern")
        await page.click("main button[type=submit]")
        await expect(page.locator("#since-error")).to_contain_text("weder ein Datum")
        await expect(page.locator("#since")).to_have_value("gestern")
        assert re.search("since=gestern", page.url)
    async with visit() as visited:
        visited.allowed = ["422"]
        await visited.go("/audit?since=x")
        assert await visited.axe() == []
    for theme in ("light", "dark"):
        await axe_and_width(visit, ["/audit?subject=audited"], theme)


async def test_names_stand_beside_the_ids(visit: Visiting, city: Street) -> None:
    answer = city.client.post(
        "/api/v1/devices", json={"id": "named-1", "type": "Streetlight", "name": "Leuchte am Innenhafen"}
    )
    assert answer.status_code == 201
    add_devices(city, "named-2")
    assert city.client.delete("/api/v1/devices/named-2").status_code in (200, 204)
    # What is looked for may be a name.
    assert [row[3] for row in lines(city, "subject=innenHAFEN")] == ["named-1"]
    async with visit() as visited:
        page = visited.page
        await visited.go("/audit?lang=de&subject=named-")
        named = page.locator("tbody tr", has_text="named-1")
        await expect(named.get_by_role("link", name="Leuchte am Innenhafen")).to_be_visible()
        await expect(named.locator(".sub", has_text="open")).to_be_visible()
        await expect(named).to_contain_text("ohne Anmeldung")
        await expect(page.locator("tbody tr", has_text="named-2").first).to_contain_text(
            "nicht mehr vorhanden"
        )
        await named.get_by_role("link", name="Leuchte am Innenhafen").click()
        await expect(page.locator("h1")).to_have_text("Leuchte am Innenhafen")
