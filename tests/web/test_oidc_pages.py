"""Signing in by the city's own identity provider in a real browser: there and back, and every page of it by axe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from playwright.async_api import Browser, Route, expect

from tests.conftest import Serve, Server
from tests.people.identity_provider import IdentityProvider, free_port, trusting

from .conftest import Visit

# Language of the browser; the words for: sign in there, it failed, blocked, signed out, go on.
GERMAN = (
    "de-DE",
    "Mit dem Konto der Stadt anmelden",
    "Das hat nicht geklappt",
    "gesperrt",
    "Abgemeldet",
    "Weiter",
)
ENGLISH = (
    "en-GB",
    "Sign in with the city's account",
    "That did not work",
    "blocked",
    "Signed out",
    "Continue",
)


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    found = IdentityProvider(free_port())
    yield found
    found.stop()


@pytest.fixture(scope="module")
def house(module_serve: Serve, provider: IdentityProvider) -> Server:
    """A server that trusts it."""
    return trusting(module_serve, provider)


@asynccontextmanager
async def somebody(browser: Browser, house: Server, locale: str, theme: str) -> AsyncIterator[Visit]:
    """Somebody whose browser asks for a language."""
    context = await browser.new_context(
        locale=locale, color_scheme=theme, viewport={"width": 1000, "height": 700}
    )
    # The provider's own pages ask for a font from elsewhere.
    await context.route("https://**", lambda route: route.abort())
    try:
        yield Visit(await context.new_page(), house.base_url)
    finally:
        await context.close()


async def is_good(visit: Visit, language: str) -> None:
    """Axe finds nothing, and a small phone needs no scrolling sideways."""
    await visit.page.wait_for_selector("html[data-ready]")
    assert await visit.page.get_attribute("html", "lang") == language
    assert await visit.axe() == [], visit.page.url
    await visit.page.set_viewport_size({"width": 320, "height": 568})
    assert await visit.overflow() <= 0, visit.page.url
    await visit.page.set_viewport_size({"width": 1000, "height": 700})


async def sign_in(visit: Visit, words: str, name: str) -> None:
    """Over the provider's forms, until there is a page of ours again."""
    await visit.go("/sign-in?next=/account")
    await visit.page.get_by_role("link", name=words).click()
    await visit.page.locator("input[name=login]").fill(name)
    await visit.page.locator("input[name=password]").fill("any")
    await visit.page.locator("[type=submit]").first.click()
    await visit.page.locator("input[name=prompt][value=consent]").wait_for(state="attached")
    await visit.page.locator("[type=submit]").first.click()
    await visit.page.wait_for_selector("html[data-ready]")


@pytest.mark.parametrize(("words", "theme"), [(GERMAN, "light"), (ENGLISH, "dark")])
async def test_the_way_in_and_out_is_good_on_every_page(
    browser: Browser, house: Server, words: tuple[str, ...], theme: str
) -> None:
    locale, city_account, failed, blocked, signed_out, further = words
    language = locale[:2]
    async with somebody(browser, house, locale, theme) as visit:
        page = visit.page
        await visit.go("/sign-in?next=/account")
        await is_good(visit, language)
        await sign_in(visit, city_account, f"wer-{language}")
        await page.wait_for_url(f"{house.base_url}/account")
        await expect(page.locator("#name")).to_have_value(f"Name of wer-{language}")
        # Nobody needs a passkey whom the city's provider lets in: it is said, and nothing warns.
        await expect(page.locator("#passkeys-title + p")).to_contain_text(
            {"de": "Konto der Stadt", "en": "city's account"}[language]
        )
        await expect(page.locator(".kern-alert--warning")).to_have_count(0)
        await is_good(visit, language)

        async def stay(route: Route) -> None:
            await route.fulfill(status=204)

        # Ours stays to be looked at, until the provider's sign-out is let through.
        await page.route("**/session/end*", stay)
        await page.locator("details.account > summary").click()
        await page.locator("form[action='/sign-out'] button").first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(signed_out)
        await is_good(visit, language)
        await page.unroute("**/session/end*")
        await page.get_by_role("link", name=further).click()
        await page.wait_for_url("**/session/end*")

    async with somebody(browser, house, locale, theme) as visit:
        answer = await visit.page.goto(f"{house.base_url}/sign-in/oidc/callback?state=nobodys&code=guessed")
        assert answer is not None and answer.status == 502
        await expect(visit.page.get_by_role("heading", level=1)).to_have_text(failed)
        await is_good(visit, language)

    connection = await asyncpg.connect(house.database_url)
    await connection.execute(
        "UPDATE room_people.account SET blocked_at = now() WHERE name = $1", f"Name of wer-{language}"
    )
    await connection.close()
    async with somebody(browser, house, locale, theme) as visit:
        await sign_in(visit, city_account, f"wer-{language}")
        await expect(visit.page.locator("main")).to_contain_text(blocked)
        await is_good(visit, language)
