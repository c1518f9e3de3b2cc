"""The pages in a browser: readable for everybody, in both languages and themes, with and without JavaScript."""

from __future__ import annotations

import re
from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import expect

from .conftest import COUNTER, LAMPS, NASTY, Street, Visiting

PAGES = [
    "/",
    "/objects",
    "/objects?search=nothing-like",
    f"/objects/{COUNTER}",
    "/health",
    "/map",
    "/no-such-page",
]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(visit: Visiting, path: str, theme: str) -> None:
    async with visit(theme=theme) as page:
        page.allowed = ["404"]
        for language in ("de", "en"):
            await page.go(f"{path}{'&' if '?' in path else '?'}lang={language}")
            assert await page.page.get_attribute("html", "lang") == language
            assert await page.axe() == []


async def test_a_chosen_theme_wins_over_the_devices(visit: Visiting) -> None:
    async with visit(theme="light") as page:
        await page.go("/?theme=dark")
        dark = "getComputedStyle(document.body).backgroundColor"
        chosen = await page.page.evaluate(dark)
        assert await page.axe() == []
        await page.go("/objects")
        assert await page.page.evaluate(dark) == chosen
        await page.go("/objects?theme=system")
        assert await page.page.evaluate(dark) != chosen


@pytest.mark.parametrize("path", PAGES)
async def test_a_small_phone_needs_no_scrolling_sideways(visit: Visiting, path: str) -> None:
    async with visit(width=320, height=568) as page:
        page.allowed = ["404"]
        for language in ("de", "en"):
            await page.go(f"{path}{'&' if '?' in path else '?'}lang={language}")
            assert await page.overflow() <= 0


async def test_the_big_screen_has_figures(visit: Visiting) -> None:
    async with visit(width=1920, height=1080, theme="dark") as page:
        await page.go("/wall?lang=de")
        await expect(page.page.locator(".wall__figures dd").first).to_have_text(str(LAMPS + 3))
        await expect(page.page.get_by_role("navigation")).to_have_count(0)
        assert await page.axe() == []


@pytest.mark.parametrize("path", ["/", "/map"])
async def test_the_wall_shows_the_picture_alone(visit: Visiting, path: str) -> None:
    async with visit(width=1920, height=1080) as page:
        await page.go(f"{path}?wall=1")
        await expect(page.page.get_by_role("navigation")).to_have_count(0)
        await expect(page.page.get_by_role("contentinfo")).to_have_count(0)
        assert await page.overflow() <= 0


async def test_the_keyboard_reaches_everything(visit: Visiting) -> None:
    async with visit() as page:
        await page.go("/objects")
        await page.page.keyboard.press("Tab")
        await expect(page.page.locator(".skip")).to_be_focused()
        await expect(page.page.locator(".skip")).to_be_in_viewport()
        await page.page.keyboard.press("Enter")
        await expect(page.page.locator("main")).to_be_focused()
        await page.page.keyboard.press("Tab")
        await expect(page.page.locator("#search")).to_be_focused()
        await page.page.keyboard.type("Rheindeich")
        await expect(page.page.locator("#listing tbody tr")).to_have_count(1)
        await page.page.locator("#listing a").focus()
        await page.page.keyboard.press("Enter")
        await expect(page.page.locator("h1")).to_have_text("Leuchte am Rheindeich")


async def test_lists_and_objects_need_no_javascript(visit: Visiting, city: Street) -> None:
    async with visit(java_script_enabled=False) as visited:
        page = visited.page
        await page.goto(f"{city.url}/objects?lang=de")
        await page.select_option("#type", value="https://uri.etsi.org/ngsi-ld/default-context/Streetlight")
        await page.click("button[type=submit]")
        await expect(page.locator("caption")).to_contain_text(f"von {LAMPS + 1} Objekten")
        await expect(page.locator("tbody tr")).to_have_count(25)
        await page.click("a[rel=next]")
        await expect(page.locator("caption")).to_contain_text("26 bis 50")
        await page.fill("#search", "L0042")
        await page.click("button[type=submit]")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.click("tbody a")
        await expect(page.locator("h1")).to_have_text("L0042")
        await page.goto(f"{city.url}/objects/{COUNTER}")
        await expect(page.locator("#attributes")).to_contain_text("km/h")
        await page.click(".data summary")
        await expect(page.locator(".data tbody tr")).to_have_count(31)


async def test_an_object_shows_all_it_has(visit: Visiting) -> None:
    async with visit() as page:
        await page.go(f"/objects/{COUNTER}?lang=de")
        table = page.page.locator("#attributes table")
        await expect(page.page.locator("h1")).to_have_text("Zählstelle Römerstraße")
        await expect(table).to_contain_text("accuracy")
        await expect(table).to_contain_text('"lanes"')
        await expect(table.get_by_role("link", name="urn:ngsi-ld:RoadSegment:r1")).to_be_visible()
        await expect(table.locator("[lang=en]")).to_have_text("Counter")
        await expect(table).to_contain_text(NASTY)
        assert "broken" not in await page.page.title()
        await expect(page.page.locator(".chart figcaption")).to_contain_text(
            "31 Werte, niedrigster 30, höchster 59"
        )
        await expect(page.page.locator(".chart canvas")).to_be_visible()
        await page.page.select_option("#span", "hour")
        await expect(page.page.locator("#history .empty")).to_be_visible()
        await expect(page.page.locator(".call pre").first).to_contain_text(f"/ngsi-ld/v1/entities/{COUNTER}")


def test_the_shown_calls_work(city: Street) -> None:
    text = city.client.get(f"/objects/{COUNTER}").text
    calls = re.findall(r"curl -s &#39;([^<]*?)&#39;</code>", text)
    assert len(calls) == 3
    for call in calls:
        assert city.client.get(call.replace("&amp;", "&")).status_code == 200


async def test_copying_a_call(visit: Visiting) -> None:
    async with visit(permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.go(f"/objects/{COUNTER}?lang=de")
        button = page.page.locator("button[data-copy]").first
        await button.click()
        await expect(button.locator(".kern-label")).to_have_text("Kopiert")
        assert (await page.page.evaluate("navigator.clipboard.readText()")).startswith("curl -s 'http")


async def test_a_value_changes_before_ones_eyes(visit: Visiting, city: Street) -> None:
    async with visit() as page:
        await page.go("/objects/urn:ngsi-ld:Streetlight:L0007?lang=de")
        cell = page.page.locator("tr", has=page.page.locator("th", has_text="powerState")).locator(
            "[data-value]"
        )
        await expect(cell).to_have_text("on")
        await page.page.wait_for_timeout(500)  # the stream opens
        city.set("urn:ngsi-ld:Streetlight:L0007", powerState="off")
        await expect(cell).to_have_text("off", timeout=10_000)
        await expect(page.page.locator(".badges")).to_contain_text("aus")
        city.set("urn:ngsi-ld:Streetlight:L0007", powerState="on")
        await expect(cell).to_have_text("on", timeout=10_000)


async def test_an_object_that_is_removed_says_so(visit: Visiting, city: Street) -> None:
    city.upsert({"id": "urn:ngsi-ld:Bench:short", "type": "Bench"})
    async with visit() as page:
        await page.go("/objects/urn:ngsi-ld:Bench:short?lang=en")
        await page.page.wait_for_timeout(500)
        city.delete("urn:ngsi-ld:Bench:short")
        await expect(page.page.get_by_role("alert")).to_contain_text("just been removed", timeout=10_000)


async def test_the_start_page_counts_along(visit: Visiting, city: Street) -> None:
    async with visit() as page:
        await page.go("/?lang=en")
        figure = page.page.locator(".tile__figure").first
        before = int((await figure.inner_text()).replace(",", ""))
        city.upsert({"id": "urn:ngsi-ld:Bench:counted", "type": "Bench"})
        await expect(figure).to_have_text(str(before + 1), timeout=15_000)
        city.delete("urn:ngsi-ld:Bench:counted")
        await expect(figure).to_have_text(str(before), timeout=15_000)


async def test_the_start_page_is_small(visit: Visiting) -> None:
    async with visit() as page:
        session = await page.page.context.new_cdp_session(page.page)
        await session.send("Network.enable")
        sizes: list[float] = []
        session.on("Network.loadingFinished", lambda done: sizes.append(done["encodedDataLength"]))
        await page.go("/")
        await page.page.wait_for_timeout(800)
        assert sum(sizes) < 120_000


def test_language(city: Street) -> None:
    def shown(**options: object) -> str:
        return re.findall(r'<html lang="(\w+)"', httpx.get(city.url + "/objects", **options).text)[0]  # type: ignore[arg-type]

    assert shown() == "de"
    assert shown(headers={"accept-language": "fr, en;q=0.8"}) == "en"
    assert shown(headers={"accept-language": "fr"}) == "de"
    assert shown(headers={"accept-language": "en"}, cookies={"rc_lang": "de"}) == "de"
    assert shown(params={"lang": "en"}, cookies={"rc_lang": "de"}) == "en"
    answer = httpx.get(city.url + "/objects?lang=en")
    assert "rc_lang=en" in answer.headers["set-cookie"] and "HttpOnly" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "path", ["/", "/no-such-page", "/objects/urn:ngsi-ld:Nothing:1", "/static/nothing.js"]
)
def test_every_answer_carries_the_headers(city: Street, path: str) -> None:
    answer = city.client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy and "unsafe-eval" not in policy and "default-src 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "<script>" not in answer.text
    assert answer.status_code == (200 if path == "/" else 404)


def test_assets_stay_and_nothing_else_is_served(city: Street) -> None:
    style = re.findall(r'href="(/static/[^"]+\.css)"', city.client.get("/").text)[0]
    answer = city.client.get(style)
    assert "immutable" in answer.headers["cache-control"] and answer.headers["content-encoding"] == "gzip"
    for path in ("/static/manifest.json", "/static/../web.py", "/static/%2e%2e/%2e%2e/build.py"):
        assert city.client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/objects?type=(A;B", 400),
        ("/objects?offset=-1", 200),
        ("/objects?offset=99999999999999999999", 200),
        ("/objects?search=%5B(*%5C%22", 200),
        ("/objects?search=%00", 200),
        ("/map/at?lon=x&lat=1", 400),
        ("/map/at?lon=nan&lat=1", 200),
        ("/map/table?bounds=1,2&codes=a,999,255&offset=zz", 200),
        ("/map/table?bounds=inf,nan,1,2", 200),
        (f"/objects/{quote(COUNTER)}?attribute=nothing&span=never", 200),
        (f"/objects/{quote(COUNTER)}/history?attribute=http://x/%3Cscript%3E", 200),
        ("/objects/not%20an%20id", 404),
        ("/objects/%00", 404),
        ("/objects?type=%00", 400),
        ("/live/objects/%00", 404),
        ("/map/place?id=nothing", 404),
    ],
)
def test_odd_requests_get_a_clear_answer(city: Street, path: str, status: int) -> None:
    assert city.client.get(path).status_code == status
