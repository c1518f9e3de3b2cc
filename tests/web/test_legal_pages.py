"""The pages of the law: for everybody, in both languages, without JavaScript; their texts are the operator's."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser

from rhinecloud.people.legal import LANGUAGES, PAGES, html, model_text

from .conftest import Street, Visiting, axe_and_width

PATHS = [page.path for page in PAGES]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(visit: Visiting, theme: str) -> None:
    await axe_and_width(
        visit, [*PATHS, "/legal", "/legal/imprint/de", "/privacy", "/privacy/requests/~new"], theme
    )


async def test_every_page_leads_to_the_legal_pages(city: Street) -> None:
    for path in ("/", "/objects", "/nothing-here"):
        text = city.client.get(path).text
        assert all(f'href="{one}"' in text for one in PATHS), path
    for path in PATHS:
        assert city.client.get(path).status_code == 200
    privacy = city.client.get("/datenschutz?lang=en").text
    assert "Accounts and sign-in" in privacy and "§ 3 Abs. 1 DSG NRW" in privacy
    record = city.client.get("/privacy/record.json").json()["activities"]
    assert {one["key"] for one in record} >= {"accounts", "audit", "mail", "devices", "rights"}
    assert all(one["provision"] and one["data"] for one in record)
    table = city.client.get("/privacy/record.csv?lang=de").text
    assert table.startswith("\ufeffTätigkeit;Zweck;") and len(table.splitlines()) > len(record)


async def test_a_barrier_is_reported_without_javascript(browser: Browser, city: Street) -> None:
    context = await browser.new_context(java_script_enabled=False, locale="de-DE")
    page = await context.new_page()
    await page.goto(f"{city.url}/barrierefreiheit")
    await page.get_by_label("Welche Seite?").fill("/map")
    await page.get_by_label("Ihre Mailadresse").fill("no address")
    await page.get_by_label("Was können Sie nicht lesen").fill("Die Punkte sind zu klein. <b>Sehr</b>")
    await page.evaluate("document.querySelector('input[type=email]').type = 'text'")
    await page.get_by_role("button", name="Senden").click()
    assert "keine E-Mail-Adresse" in await page.inner_text("main")
    assert await page.get_by_label("Welche Seite?").input_value() == "/map"
    await page.get_by_label("Ihre Mailadresse").fill("someone@example.org")
    await page.get_by_role("button", name="Senden").click()
    assert "Ihre Meldung ist angekommen" in await page.inner_text("main")
    await page.goto(f"{city.url}/legal")
    assert "Die Punkte sind zu klein. <b>Sehr</b>" in await page.inner_text("main")
    # Nobody is set to be told: the job says so, where jobs are looked after.
    await page.get_by_role("button", name="Beantwortet: /map").click()
    assert await page.get_by_role("button", name="Beantwortet: /map").count() == 0
    await context.close()


async def test_the_operator_writes_a_text(visit: Visiting, city: Street) -> None:
    async with visit() as page:
        await page.go("/legal/imprint/de")
        text = page.page.get_by_label("Text")
        await text.fill("# Stadt\n\n<script>alert(1)</script> [hier](javascript:alert(1)) **fett**")
        await page.page.get_by_role("button", name="Vorschau").click()
        preview = page.page.locator(".preview")
        assert await preview.locator("h2", has_text="Stadt").count() == 1
        assert await preview.locator("strong").inner_text() == "fett"
        assert await preview.locator("script, a").count() == 0
        assert "Mustertext" in city.client.get("/impressum?lang=de").text  # nothing is saved by looking
        await page.page.get_by_role("button", name="Speichern und allen zeigen").click()
        await page.page.wait_for_url("**/legal?done=saved")
        shown = city.client.get("/impressum?lang=de").text
        assert "<strong>fett</strong>" in shown and "<script>alert" not in shown and "Mustertext" not in shown
        await page.go("/legal/imprint/de?version=0")
        assert "§ 5 DDG" in await page.page.get_by_label("Text").input_value()


def test_easy_language_is_easy() -> None:
    """Short sentences, one statement in each, no long words without a hyphen (but names)."""
    for language in LANGUAGES:
        text = model_text("easy", language, "Duisburg").body
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
        for line in plain.splitlines():
            for sentence in re.split(r"(?<=[.?!:])\s", line.strip("#- ")):
                assert len(sentence.split()) <= 14, sentence
                assert sentence.count(",") <= 1 and ";" not in sentence, sentence


def test_model_texts_are_whole() -> None:
    for page in PAGES:
        for language in LANGUAGES:
            text = model_text(page.key, language, "Musterstadt")
            assert "{" not in text.body and html(text.body).count("<h2>") >= 2 or page.key == "imprint"
    accessibility = model_text("accessibility", "de", "X").body
    assert "https://www.lbbp.nrw.de/ombudsstelle" in accessibility and "2016/2102" in accessibility
