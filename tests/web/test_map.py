"""The live map: what it loads, how it follows, what it offers who cannot see it or has no WebGL."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Generator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page, expect

from rhinecloud.web import layers

from .conftest import COUNTER, LAMPS, LONELY, Street, Visiting

NO_WEBGL = """
const real = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith('webgl') ? null : real.call(this, kind, ...rest);
};
"""


def code(key: str) -> int:
    """The code of a state by its key."""
    return next(number for number, (_, state) in layers.codes().items() if state.key == key)


def count(page: Page, key: str) -> Any:
    """The figure beside a state in the legend."""
    return page.locator(f'[data-count="{code(key)}"]')


def read_snapshot(body: bytes) -> tuple[dict[str, Any], Any, Any]:
    (length,) = struct.unpack("<I", body[:4])
    head = json.loads(body[4 : 4 + length])
    n = head["count"]
    positions = np.frombuffer(body, np.float32, 2 * n, 4 + length).reshape(n, 2)
    return head, positions + np.array(head["origin"]), np.frombuffer(body, np.uint8, n, 4 + length + 8 * n)


def events(
    city: Street, path: str, headers: dict[str, str] | None = None
) -> Generator[tuple[str, Any, str], None, None]:
    """Events of a stream: (name, data, id), for a minute: a stream beats and never ends by itself."""
    end = time.monotonic() + 60
    with city.client.stream("GET", path, headers=headers or {}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        found: dict[str, str] = {}
        for line in answer.iter_lines():
            assert time.monotonic() < end, f"{path} does not tell what is waited for"
            if line:
                name, _, value = line.partition(":")
                found[name] = value.strip()
            elif "data" in found:
                yield found["event"], json.loads(found["data"]), found["id"]
                found = {}


def test_the_snapshot_holds_every_position(city: Street) -> None:
    head, positions, codes = read_snapshot(city.client.get("/map/points").content)
    assert head["count"] == len(codes) >= LAMPS + 2
    lonely = np.abs(positions - np.array([6.72, 51.47])).sum(1).argmin()
    assert np.allclose(positions[lonely], [6.72, 51.47], atol=1e-7)
    assert codes[lonely] == code("on")
    assert (codes == code("defective")).sum() == 4


def test_the_stream_leads_on_from_the_snapshot(city: Street) -> None:
    head, _, codes = read_snapshot(city.client.get("/map/points").content)
    mark = f"{head['epoch']}.{head['version']}"
    city.set(LONELY, powerState="off")
    index, after = lamp_told(city, f"/live/map?since={mark}", {}, code("off"))
    assert codes[index] == code("on")
    city.set(LONELY, powerState="on")
    again, _ = lamp_told(city, "/live/map", {"Last-Event-ID": after}, code("on"))
    assert again == index


def lamp_told(city: Street, path: str, headers: dict[str, str], wanted: int) -> tuple[int, str]:
    """The index that a stream tells with this code (the counter may still be flashing), and the event's id."""
    with closing(events(city, path, headers)) as stream:
        for name, told, after in stream:
            assert name == "changes"
            states = dict(zip(*[iter(told.get("states", []))] * 2, strict=True))
            for index, now in states.items():
                if now == wanted:
                    return index, after
    raise AssertionError("the stream ended")


def test_a_viewer_of_another_process_is_given_everything(city: Street) -> None:
    with closing(events(city, "/live/map?since=feedcafe.7")) as stream:
        name, told, _ = next(stream)
    assert name == "snapshot"
    assert isinstance(told, str) and len(told) > 9 * LAMPS


@pytest.mark.parametrize("webgl", [True, False], ids=["webgl", "canvas"])
async def test_the_map_follows_the_street(visit: Visiting, city: Street, webgl: bool) -> None:
    new = f"urn:ngsi-ld:Streetlight:new-{webgl}"
    async with visit(init=None if webgl else NO_WEBGL) as visited:
        page = visited.page
        await visited.go("/map?lang=de")
        assert bool(await page.locator("canvas.maplibregl-canvas").count()) is webgl
        await expect(count(page, "defective")).to_have_text("4")
        await expect(page.locator("#live")).to_have_text("live")
        off = int(await count(page, "off").inner_text())
        city.set(LONELY, powerState="off")
        await expect(count(page, "off")).to_have_text(str(off + 1), timeout=10_000)
        city.set(LONELY, powerState="on")
        await expect(count(page, "off")).to_have_text(str(off), timeout=10_000)
        city.upsert(
            {
                "id": new,
                "type": "Streetlight",
                "location": {"type": "Point", "coordinates": [6.7601, 51.4301]},
                "status": "defectiveLamp",
            }
        )
        await expect(count(page, "defective")).to_have_text("5", timeout=10_000)
        city.delete(new)
        await expect(count(page, "defective")).to_have_text("4", timeout=10_000)


async def test_a_vehicle_flashes_and_fades(visit: Visiting, city: Street) -> None:
    async with visit() as visited:
        await visited.go("/map?lang=de")
        await expect(count(visited.page, "now")).to_have_text("0", timeout=10_000)
        city.set(COUNTER, averageVehicleSpeed=51)
        await expect(count(visited.page, "now")).to_have_text("1", timeout=10_000)
        await expect(count(visited.page, "now")).to_have_text("0", timeout=10_000)


@pytest.mark.parametrize("webgl", [True, False], ids=["webgl", "canvas"])
async def test_points_are_drawn_found_and_picked(visit: Visiting, webgl: bool) -> None:
    async with visit(init=None if webgl else NO_WEBGL, reduced_motion="reduce") as visited:
        page = visited.page
        await visited.go("/map?lang=de")
        ground = page.locator("#map canvas").first
        with_points = await ground.screenshot()
        boxes = page.locator("input[data-code]")
        for box in await boxes.all():
            await box.uncheck()
        await page.wait_for_timeout(300)
        assert await ground.screenshot() != with_points
        await expect(page.locator("#table .empty")).to_be_visible()
        for box in await boxes.all():
            await box.check()
        await page.fill("#search", "rheindeich")
        await page.locator("#found button").click()
        await expect(page.locator("#chosen")).to_contain_text("Leuchte am Rheindeich")
        await expect(page.locator("#table tbody tr")).to_have_count(1)
        await page.wait_for_timeout(300)
        box = await ground.bounding_box()
        assert box
        await page.mouse.click(box["x"] + 40, box["y"] + box["height"] - 60)
        await expect(page.locator("#chosen section")).to_have_count(0)
        await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await expect(page.locator("#chosen")).to_contain_text("Leuchte am Rheindeich")
        await page.get_by_role("link", name="Leuchte am Rheindeich").first.click()
        await expect(page.locator("h1")).to_have_text("Leuchte am Rheindeich")


async def test_the_table_beside_the_map_has_pages(visit: Visiting) -> None:
    async with visit() as visited:
        page = visited.page
        await visited.go("/map?lang=de")
        await page.locator("#table [data-offset]").last.click()
        await expect(page.locator("#table caption")).to_contain_text("16 bis 30")


async def test_an_object_leads_to_its_place_on_the_map(visit: Visiting) -> None:
    async with visit() as visited:
        await visited.go(f"/objects/{LONELY}?lang=de")
        await visited.page.get_by_role("link", name="Auf der Karte zeigen").first.click()
        await expect(visited.page.locator("#chosen")).to_contain_text("Leuchte am Rheindeich", timeout=30_000)


async def test_the_keyboard_moves_the_map(visit: Visiting) -> None:
    async with visit(init=NO_WEBGL) as visited:
        page = visited.page
        await visited.go("/map")
        canvas = page.locator("#map canvas")
        await canvas.focus()
        before = await canvas.screenshot()
        await page.keyboard.press("ArrowLeft")
        await page.wait_for_timeout(200)
        moved = await canvas.screenshot()
        assert moved != before
        await page.keyboard.press("+")
        await page.wait_for_timeout(200)
        assert await canvas.screenshot() != moved


async def test_axe_without_webgl(visit: Visiting) -> None:
    async with visit(init=NO_WEBGL) as visited:
        await visited.go("/map")
        assert await visited.axe() == []


async def test_without_javascript_the_table_is_there(visit: Visiting, city: Street) -> None:
    async with visit(java_script_enabled=False) as visited:
        await visited.page.goto(f"{city.url}/map?lang=de")
        await expect(visited.page.locator("#table tbody tr")).to_have_count(15)
