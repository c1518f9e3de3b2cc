"""A real server with a small street in it, a real browser, and axe."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from rhinecloud.web import build
from tests.conftest import Server

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
]
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LAMPS = 200
COUNTER = "urn:ngsi-ld:TrafficFlowObserved:roemerstrasse"
LONELY = "urn:ngsi-ld:Streetlight:lonely"

# Content that a careless page would run or break by.
NASTY = "<script>document.title='broken'</script> & \"quotes\" 'single'"


def street() -> list[dict[str, Any]]:
    """Entities for the pages: a row of lamps in every state, a traffic counter with everything that can be shown."""
    lamps: list[dict[str, Any]] = []
    for number in range(LAMPS):
        lamp: dict[str, Any] = {
            "id": f"urn:ngsi-ld:Streetlight:L{number:04d}",
            "type": "Streetlight",
            "location": {
                "type": "Point",
                "coordinates": [6.75 + number % 20 * 0.001, 51.43 + number // 20 * 0.001],
            },
            "powerState": "on" if number % 2 else "off",
            "status": "defectiveLamp" if number % 50 == 0 else "ok",
        }
        if number % 2 and number % 3 == 0:
            lamp["illuminanceLevel"] = [0.2, 0.5, 1.0][number % 9 // 3]
        lamps.append(lamp)
    lamps.append(
        {
            "id": LONELY,
            "type": "Streetlight",
            "name": "Leuchte am Rheindeich",
            "location": {"type": "Point", "coordinates": [6.72, 51.47]},
            "powerState": "on",
        }
    )
    counter = {
        "id": COUNTER,
        "type": "TrafficFlowObserved",
        "name": {
            "type": "LanguageProperty",
            "languageMap": {"de": "Zählstelle Römerstraße", "en": "Counter"},
        },
        "location": {"type": "Point", "coordinates": [6.741, 51.441]},
        "averageVehicleSpeed": {
            "type": "Property",
            "value": 40,
            "unitCode": "KMH",
            "observedAt": "2026-01-01T10:00:00Z",
        },
        "refRoad": {"type": "Relationship", "object": "urn:ngsi-ld:RoadSegment:r1"},
        "measuring": {"type": "Property", "value": True, "accuracy": {"type": "Property", "value": 0.5}},
        "layout": {"type": "JsonProperty", "json": {"lanes": [1, 2]}},
        "note": NASTY,
    }
    road = {"id": "urn:ngsi-ld:RoadSegment:r1", "type": "RoadSegment", "name": "Römerstraße"}
    return [*lamps, counter, road]


@pytest.fixture(scope="session", autouse=True)
def assets() -> None:
    """The built assets, and axe."""
    build.build()
    if not _axe().exists():
        node, npm = build.find_node()
        build.install_packages(node, npm)


def _axe() -> Path:
    return build.FRONTEND / "node_modules" / "axe-core" / "axe.min.js"


class Street:
    """The server with its street, and how a device or a program changes it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=30)

    def upsert(self, *entities: dict[str, Any]) -> None:
        answer = self.client.post("/ngsi-ld/v1/entityOperations/upsert", json=list(entities))
        assert answer.status_code in (201, 204), answer.text

    def set(self, entity_id: str, **attributes: Any) -> None:
        answer = self.client.patch(f"/ngsi-ld/v1/entities/{entity_id}/attrs", json=attributes)
        assert answer.status_code in (204, 207), answer.text

    def add(self, entity_id: str, **attributes: Any) -> None:
        answer = self.client.post(f"/ngsi-ld/v1/entities/{entity_id}/attrs", json=attributes)
        assert answer.status_code in (204, 207), answer.text

    def delete(self, entity_id: str) -> None:
        assert self.client.delete(f"/ngsi-ld/v1/entities/{entity_id}").status_code == 204


@pytest.fixture(scope="module")
def city(server: Server) -> Iterator[Street]:
    """The street on a server of this module."""
    found = Street(server.base_url)
    found.upsert(*street())
    for second in range(30):
        speed = {"value": 30 + second, "unitCode": "KMH", "observedAt": f"2026-01-01T10:01:{second:02d}Z"}
        found.set(COUNTER, averageVehicleSpeed={"type": "Property", **speed})
    yield found
    found.client.close()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium with a software WebGL."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        await started.close()


class Visit:
    """A page of the server that must stay without errors on its console."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url
        self.complaints: list[str] = []
        self.allowed: list[str] = []
        page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def go(self, path: str) -> Visit:
        await self.page.goto(self._url + path, wait_until="domcontentloaded")
        await self.page.wait_for_selector("html[data-ready]", timeout=20_000)
        for island in ("#map", "[data-chart]"):
            if await self.page.locator(island).count():
                await self.page.wait_for_selector(f"{island}[data-ready]", timeout=40_000)
        return self

    async def axe(self) -> list[str]:
        await self.page.evaluate(_axe().read_text())
        tags = json.dumps(AXE_TAGS)
        script = f"axe.run(document, {{runOnly: {{type: 'tag', values: {tags}}}}})"
        found = await self.page.evaluate(f"async () => JSON.stringify((await {script}).violations)")
        return [
            f"{violation['id']}: {violation['help']} {[node['html'][:160] for node in violation['nodes'][:3]]}"
            for violation in json.loads(found)
        ]

    async def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(await self.page.evaluate(width))


Visiting = Callable[..., Any]


@pytest.fixture
def visit(browser: Browser, city: Street) -> Visiting:
    """`async with visit(width=320, theme="dark") as page:`; errors on the console fail."""

    @asynccontextmanager
    async def opened(
        width: int = 1000,
        height: int = 700,
        theme: str = "light",
        init: str | None = None,
        **options: Any,
    ) -> AsyncIterator[Visit]:
        context: BrowserContext = await browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, locale="de-DE", **options
        )
        if init:
            await context.add_init_script(init)
        try:
            found = Visit(await context.new_page(), city.url)
            yield found
            left = [text for text in found.complaints if not any(part in text for part in found.allowed)]
            assert not left, left
        finally:
            await context.close()

    return opened


async def axe_and_width(visit: Visiting, paths: list[str], theme: str) -> None:
    """Axe finds nothing on these pages, in both languages, and a small phone needs no scrolling sideways."""
    async with visit(theme=theme) as page:
        for path in paths:
            for language in ("de", "en"):
                await page.page.set_viewport_size({"width": 1000, "height": 700})
                await page.go(f"{path}{'&' if '?' in path else '?'}lang={language}")
                assert await page.page.get_attribute("html", "lang") == language
                assert await page.axe() == [], path
                await page.page.set_viewport_size({"width": 320, "height": 568})
                assert await page.overflow() <= 0, path
