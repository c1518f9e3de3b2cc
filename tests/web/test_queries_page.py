"""The query builder in a browser: with and without JavaScript, as table, map, series and files."""

from __future__ import annotations

import csv
import io
import re
from html import unescape
from urllib.parse import urlencode

from playwright.async_api import expect

from .conftest import COUNTER, Street, Visiting, axe_and_width

ON = urlencode({"type": "Streetlight", "attribute": "powerState", "operator": "eq", "value": "on"})
SPEEDS = urlencode({"type": "TrafficFlowObserved", "mode": "history", "show": "averageVehicleSpeed"})


async def test_a_query_without_javascript(visit: Visiting, city: Street) -> None:
    async with visit(java_script_enabled=False) as visited:
        page = visited.page
        visited.allowed = ["422"]
        await page.goto(f"{city.url}/queries?lang=de")
        await page.select_option("#type", "TrafficFlowObserved")
        await page.click("main button[type=submit]")
        await expect(page.locator(".query__count")).to_contain_text("1 bis 1 von 1 Objekten")
        # The attributes are there now, with their units.
        await page.select_option("#attribute-1", "averageVehicleSpeed")
        await page.select_option("#operator-1", "gt")
        await page.fill("#value-1", "schnell")
        await page.click("main button[type=submit]")
        await expect(page.locator("#value-1-error")).to_contain_text("keine Zahl")
        await expect(page.locator("#value-1")).to_have_value("schnell")
        await expect(page.locator("label[for=value-1]")).to_contain_text("km/h")
        await page.fill("#value-1", "58,5")
        await page.click("main button[type=submit]")
        await expect(page.locator(".query__table tbody tr")).to_have_count(1)
        await expect(page.locator(".request")).to_contain_text("averageVehicleSpeed>58.5")
        await page.select_option("#mode", "history")
        await page.click("main button[type=submit]")
        await expect(page.locator("#result .series").first).to_be_visible()
        # What only the API refuses is said at its field too.
        await page.goto(f"{city.url}/queries?type=Streetlight&scope=a%20b&lang=de")
        await expect(page.locator("#scope-error")).not_to_be_empty()


async def test_groups_and_what_lies_within_attributes(visit: Visiting, city: Street) -> None:
    async with visit(java_script_enabled=False) as visited:
        page = visited.page
        await page.goto(f"{city.url}/queries?lang=de&type=TrafficFlowObserved")
        # A language, a sub-attribute and a time of an attribute can be chosen as attributes can.
        await page.select_option("#attribute-1", label="name › en")
        await page.select_option("#operator-1", "begins")
        await page.fill("#value-1", "Coun")
        await page.click("main button[type=submit]")
        await expect(page.locator(".request")).to_contain_text('name[en]~="^Coun"')
        await expect(page.locator(".query__table tbody")).to_contain_text("Counter")
        await page.select_option("#attribute-2", "measuring.accuracy")
        await page.select_option("#operator-2", "lt")
        await page.fill("#value-2", "0,1")
        await page.select_option("[id='any-1']", "1")
        await page.click("main button[type=submit]")
        await expect(page.locator(".request")).to_contain_text('name[en]~="^Coun"|measuring.accuracy<0.1')
        await expect(page.locator(".query__table thead")).to_contain_text("measuring › accuracy")
        await expect(page.locator(".query__table tbody tr")).to_have_count(1)
        # A second group, with the keyboard alone: both hold, then one suffices.
        await page.locator("summary", has_text="Eine weitere Gruppe").focus()
        await page.keyboard.press("Enter")
        await page.select_option("#attribute-4", "averageVehicleSpeed")
        await page.select_option("#operator-4", "gt")
        await page.fill("#value-4", "1000")
        await page.locator("#value-4").press("Enter")
        together = '(name[en]~="^Coun"|measuring.accuracy<0.1);averageVehicleSpeed>1000'
        await expect(page.locator(".request")).to_contain_text(together)
        await expect(page.locator(".query__count")).to_contain_text("Kein Objekt")
        await page.select_option("#groups", "any")
        await page.select_option("[id='any-1']", "")
        await page.click("main button[type=submit]")
        either = 'name[en]~="^Coun";measuring.accuracy<0.1|averageVehicleSpeed>1000'
        await expect(page.locator(".request")).to_contain_text(either)
        address = page.url
    asked = address.partition("?")[2]
    assert city.client.get(f"/queries.json?{asked}").json() == []
    async with visit() as visited:
        # With a script the address says no more than is filled in, and means the same.
        await visited.go(f"/queries?{asked}")
        await visited.page.click("main button[type=submit]")
        await expect(visited.page.locator(".request")).to_contain_text(either)
        assert len(visited.page.url) < len(address)
    for theme in ("light", "dark"):
        await axe_and_width(visit, [f"/queries?{asked}"], theme)


async def test_the_shown_request_answers_the_same(city: Street) -> None:
    text = city.client.get(f"/queries?{ON}&limit=25&lang=en").text
    command = re.search(r"curl -s &#39;(.*?)&#39;</code>", text)
    assert command is not None
    answer = city.client.get(unescape(command[1]))
    assert answer.headers["ngsild-results-count"] == "101"
    assert f"1 to 25 of {answer.headers['ngsild-results-count']}" in text
    rows = list(csv.DictReader(io.StringIO(city.client.get(f"/queries.csv?{ON}").text)))
    documents = city.client.get(f"/queries.json?{ON}").json()
    assert len(rows) == len(documents) == 101
    assert {row["powerState"] for row in rows} == {"on"}
    assert [row["id"] for row in rows] == [one["id"] for one in documents]
    series = list(csv.DictReader(io.StringIO(city.client.get(f"/queries.csv?{SPEEDS}").text)))
    assert len(series) == 31 and {row["attribute"] for row in series} == {"averageVehicleSpeed"}
    for path in ("/queries.csv", "/queries.json"):
        assert city.client.get(f"{path}?type=Streetlight&near=x").status_code == 422
        assert city.client.get(f"{path}?type=Streetlight&scope=a%20b").status_code == 422


async def test_sorting_paging_drawing_and_series(visit: Visiting, city: Street) -> None:
    async with visit(width=1280, height=900) as visited:
        page = visited.page
        await visited.go("/queries?lang=de&type=Streetlight")
        await page.click(".query__table thead a >> text=powerState")
        await expect(page.locator("th[aria-sort=ascending]")).to_contain_text("powerState")
        await page.click("a[rel=next]")
        await expect(page.locator(".query__count")).to_contain_text("26 bis 50")
        # An area drawn around nothing has nothing in it, around all has all of the page.
        await page.click("[data-draw-begin]")
        await page.locator(".sketch__map").scroll_into_view_if_needed()
        box = await page.locator(".sketch__map").bounding_box()
        assert box is not None
        for x, y in ((0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)):
            await page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        await page.click("[data-draw-end]")
        await expect(page.locator("#area")).not_to_have_value("")
        await expect(page.locator(".request")).to_contain_text("within")
        await expect(page.locator(".sketch__mark").first).to_be_visible()
        await visited.go(f"/queries?{SPEEDS}&lang=de")
        await expect(page.locator(".chart canvas")).to_be_visible()
        await expect(page.locator(".series figcaption")).to_contain_text(
            "31 Werte, niedrigster 30, höchster 59"
        )
        await expect(page.get_by_role("link", name=COUNTER.rpartition(":")[2])).to_be_visible()
    for theme in ("light", "dark"):
        await axe_and_width(visit, [f"/queries?{ON}", f"/queries?{SPEEDS}"], theme)
    async with visit() as visited:
        visited.allowed = ["422"]
        await visited.go("/queries?type=Streetlight&near=x&attribute=powerState&operator=eq&lang=de")
        assert await visited.axe() == []
