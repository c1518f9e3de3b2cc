"""People sign in, register, get back in, manage themselves and others: a real browser, a virtual authenticator."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from playwright.async_api import Browser, CDPSession, Page, expect

from tests.conftest import Serve, Server

from .conftest import Visit

_LINK = re.compile(r"http://localhost:\d+/link/[\w-]+")


class Person:
    """Somebody with a browser and an authenticator of their own."""

    def __init__(self, page: Page, devtools: CDPSession, url: str) -> None:
        self.page = page
        self.visit = Visit(page, url)
        self.authenticator = ""
        self._devtools = devtools
        self.url = url

    async def get_authenticator(self) -> None:
        """A device that makes passkeys, in the place of the one before."""
        if self.authenticator:
            await self._devtools.send(
                "WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self.authenticator}
            )
        added = await self._devtools.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        self.authenticator = added["authenticatorId"]

    async def passkeys(self) -> list[dict[str, Any]]:
        """What the authenticator keeps."""
        found = await self._devtools.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})
        return list(found["credentials"])

    async def verified(self, yes: bool) -> None:
        """Whether the authenticator finds that it is its user."""
        await self._devtools.send(
            "WebAuthn.setUserVerified", {"authenticatorId": self.authenticator, "isUserVerified": yes}
        )

    async def go(self, address: str) -> None:
        """Look at a page."""
        await self.page.goto(address if address.startswith("http") else self.url + address)
        await self.page.wait_for_selector("html[data-ready]")

    async def press(self, words: str) -> None:
        """Press a button by the keyboard, within a form that is open."""
        button = self.page.get_by_role("button", name=words, exact=True)
        await button.focus()
        await self.page.keyboard.press("Enter")

    async def arrives(self, path: str) -> None:
        """Wait until the browser is there."""
        await self.page.wait_for_url(re.compile(re.escape(self.url + path) + r"([?#].*)?$"))

    async def cookie(self) -> dict[str, Any]:
        """The cookie of the session."""
        found = [one for one in await self.page.context.cookies() if one["name"] == "rhinecloud"]
        return dict(found[0]) if found else {}


class House:
    """The server, who comes to it, and the letters that it wrote."""

    def __init__(self, server: Server, browser: Browser) -> None:
        self.server = server
        self.url = server.base_url.replace("127.0.0.1", "localhost")
        self._browser = browser

    @asynccontextmanager
    async def somebody(self, **options: Any) -> AsyncIterator[Person]:
        """A person with a new device."""
        given = {"locale": "de-DE", "viewport": {"width": 1000, "height": 900}, **options}
        context = await self._browser.new_context(**given)
        page = await context.new_page()
        devtools = await context.new_cdp_session(page)
        await devtools.send("WebAuthn.enable")
        person = Person(page, devtools, self.url)
        await person.get_authenticator()
        try:
            yield person
        finally:
            await context.close()

    async def query(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """Look into the database."""
        connection = await asyncpg.connect(self.server.database_url)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def letters(self, to: str) -> list[tuple[str, str]]:
        """(letter, link) of what was written to an address, the oldest first."""
        found = await self.query(
            "SELECT letter, message FROM tenant_city.mail WHERE recipient = $1 ORDER BY id", to
        )
        letters = []
        for record in found:
            message = email.message_from_bytes(record["message"], policy=email.policy.default)
            body = message.get_body(("plain",))
            assert body is not None
            match = _LINK.search(body.get_content())
            assert match is not None
            letters.append((record["letter"], match[0]))
        return letters

    async def audit(self) -> list[str]:
        """The acts that were written down."""
        return [r["action"] for r in await self.query("SELECT action FROM tenant_city.audit ORDER BY id")]


@pytest.fixture(scope="module")
async def house(module_serve: Serve, browser: Browser) -> House:
    """A server that somebody has to sign in to; its mail goes nowhere, and lies where it can be read."""
    server = module_serve(
        "--no-open", "--mail-server=smtp://127.0.0.1:9", "--mail-from=Stadt <stadt@example.org>"
    )
    async with asyncio.timeout(30):
        while "/first/" not in server.output:
            await asyncio.sleep(0.05)
    return House(server, browser)


@pytest.fixture(scope="module")
async def administrator(house: House) -> AsyncIterator[Person]:
    """The first one, by the link that the first start printed."""
    async with house.somebody() as person:
        link = re.search(r"http://localhost:\d+/first/[\w-]+", house.server.output)
        assert link is not None
        await person.go(link[0])
        await person.page.locator("#name").fill("Leitung")
        await person.press("Passkey anlegen")
        await person.arrives("/account")
        await expect(person.page.get_by_role("status")).to_contain_text("Willkommen")
        # The link is used up; the page says so to whoever comes later.
        await person.go(link[0])
        await expect(person.page.get_by_role("heading", level=1)).to_have_text("Dieser Link gilt nicht mehr")
        yield person


async def _register(person: Person, name: str) -> None:
    await person.go("/register")
    await person.page.locator("#name").fill(name)
    await person.press("Konto mit Passkey anlegen")
    await person.arrives("/account")


async def test_the_first_administrator_signs_out_and_in(house: House, administrator: Person) -> None:
    await administrator.go("/account")
    first = await administrator.cookie()
    assert first["httpOnly"] and first["sameSite"] == "Lax" and first["path"] == "/"
    stored = await house.query("SELECT hash FROM room_people.session")
    assert stored and all(first["value"].encode() not in record["hash"] for record in stored)
    (passkey,) = await administrator.passkeys()
    assert passkey["isResidentCredential"] and passkey["rpId"] == "localhost"

    await administrator.page.locator("details.account > summary").click()
    await administrator.page.get_by_role("button", name="Abmelden", exact=True).click()
    await administrator.arrives("/")
    assert not await administrator.cookie()
    # What the cookie said opens nothing any more.
    async with httpx.AsyncClient(base_url=house.server.base_url) as client:
        answer = await client.get("/account", headers={"Cookie": f"rhinecloud={first['value']}"})
        assert answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")

    # Whoever is led to the sign-in comes back to where they were.
    await administrator.page.goto(house.url + "/people?search=leit")
    await administrator.arrives("/sign-in")
    # The browser offers the passkey by itself in the field for the address (a virtual authenticator takes the offer).
    await administrator.arrives("/people")
    await expect(administrator.page.get_by_role("link", name="Leitung")).to_be_visible()
    assert (await administrator.cookie())["value"] != first["value"]


async def test_nobody_is_let_in_by_mistake(house: House, administrator: Person) -> None:
    async with house.somebody() as stranger:
        # A device without a passkey, and one that does not know its user.
        await stranger.go("/sign-in")
        await stranger.press("Mit Passkey anmelden")
        await expect(stranger.page.get_by_role("alert")).to_contain_text("Nichts ist geschehen")
        await stranger.verified(False)
        await stranger.go("/register")
        await stranger.page.locator("#name").fill("Niemand")
        await stranger.press("Konto mit Passkey anlegen")
        await expect(stranger.page.get_by_role("alert")).to_contain_text("Nichts ist geschehen")
        assert not await stranger.cookie()
        # An account's own passkey, after the account is gone.
        await stranger.verified(True)
        await _register(stranger, "Kurz hier")
        await stranger.page.get_by_text("Mein Konto löschen …").click()
        await stranger.press("Mein Konto endgültig löschen")
        await stranger.arrives("/account/~gone")
        assert "account.delete" in await house.audit()
        assert not await stranger.cookie()
        assert len(await stranger.passkeys()) == 1
        await stranger.go("/sign-in?again=1")
        await stranger.press("Mit Passkey anmelden")
        await expect(stranger.page.get_by_role("alert")).to_contain_text("nicht (mehr) bekannt")
        # The device was told, and forgets it.
        async with asyncio.timeout(10):
            while await stranger.passkeys():
                await asyncio.sleep(0.05)
    url = house.server.base_url
    async with httpx.AsyncClient(base_url=url, headers={"Origin": url}) as client:
        # At an address in numbers there are no passkeys; what is no answer of an authenticator is refused in words.
        assert (await client.post("/sign-in/options", json={})).status_code == 409
        named = {"Host": house.url.removeprefix("http://"), "Origin": house.url}
        options = await client.post("/sign-in/options", json={}, headers=named)
        assert options.json()["rpId"] == "localhost" and options.json()["userVerification"] == "required"
        for body in ({}, {"credential": 7}, {"credential": {"response": {"clientDataJSON": "e30"}}}):
            answer = await client.post("/sign-in", json=body, headers=named)
            assert answer.status_code == 422 and answer.json()["reason"] == "invalid", body
        # From another site, or of another name, nobody gets anything.
        elsewhere = {**named, "Origin": "https://evil.example"}
        assert (await client.post("/sign-in/options", json={}, headers=elsewhere)).status_code == 403
        claimed = {"Host": "evil.example", "Origin": "http://evil.example"}
        answer = await client.post("/sign-in/link", data={"mail": "a@example.org"}, headers=claimed)
        assert answer.status_code == 409 and not await house.letters("a@example.org")
        for outside in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:1"):
            page = await client.get("/sign-in", params={"next": outside}, headers=named)
            assert 'name="next" value="/"' in page.text


async def test_registering_and_getting_back_in_by_mail(house: House, administrator: Person) -> None:
    address = "mensch@example.org"
    async with house.somebody() as person:
        await person.go("/register")
        await person.page.locator("#mail").fill(address)
        await person.press("Link schicken")
        await person.arrives("/sign-in/sent")
        first = await person.page.content()
        ((kind, link),) = await house.letters(address)
        assert kind == "account_register"
        await person.go(link)
        await person.go(link)  # looking uses nothing up
        await person.page.locator("#name").fill("Ein Mensch")
        await person.press("Passkey anlegen")
        await person.arrives("/account")
        await expect(person.page.locator("#mail-title + p")).to_contain_text(address)

        # The device is lost: another one, and the same page asks for the same, with the same answer.
        async with house.somebody() as elsewhere:
            await elsewhere.go("/sign-in")
            await elsewhere.page.locator("#mail").fill(address.upper())
            await elsewhere.press("Link schicken")
            await elsewhere.arrives("/sign-in/sent")
            assert await elsewhere.page.content() == first
            kind, link = (await house.letters(address.upper().replace("EXAMPLE.ORG", "example.org")))[-1]
            assert kind == "account_recover"
            await elsewhere.go(link)
            await elsewhere.press("Passkey anlegen")
            await elsewhere.arrives("/account")
            await expect(elsewhere.page.get_by_role("status")).to_contain_text("Willkommen zurück")
            # Whoever has the old device is signed out; both passkeys are there until one is removed.
            await person.page.goto(house.url + "/account")
            await person.arrives("/sign-in")
            await expect(elsewhere.page.locator("#passkeys-title + ul > li")).to_have_count(2)
            await elsewhere.page.get_by_text("Umbenennen oder entfernen").first.click()
            await elsewhere.page.get_by_role("button", name=re.compile("^Entfernen: ")).first.click()
            await expect(elsewhere.page.get_by_role("status")).to_contain_text("entfernt")
            await expect(elsewhere.page.locator("#passkeys-title + ul > li")).to_have_count(1)
    assert {"account.recover", "passkey.remove"} <= {*await house.audit()}
    # A few letters an hour; then the answer is the same, and nothing is sent.
    sent = len(await house.letters("viele@example.org"))
    named = {"Host": house.url.removeprefix("http://"), "Origin": house.url}
    async with httpx.AsyncClient(base_url=house.server.base_url, headers=named) as client:
        for _ in range(7):
            answer = await client.post("/sign-in/link", data={"mail": "viele@example.org"})
            assert answer.status_code == 303 and answer.headers["location"] == "/sign-in/sent"
        assert (await client.post("/sign-in/link", data={"mail": "keine"})).status_code == 422
    assert len(await house.letters("viele@example.org")) == sent + 5


async def test_passkeys_sessions_and_address_of_ones_own(house: House, administrator: Person) -> None:
    async with house.somebody() as person:
        await _register(person, "Jemand")
        account = person.page
        await expect(account.get_by_text("Es gibt nur einen Zugang")).to_be_visible()
        # The same device makes no second one; another does.
        await person.press("Passkey hinzufügen")
        await expect(account.get_by_role("alert")).to_contain_text("schon einen Passkey")
        await account.get_by_text("Umbenennen oder entfernen").click()
        await account.get_by_role("button", name=re.compile("^Entfernen: ")).click()
        await expect(account.get_by_text("Das ist Ihr einziger Zugang")).to_be_visible()
        await person.get_authenticator()
        await account.locator("#new-passkey").fill("Schlüsselbund")
        await person.press("Passkey hinzufügen")
        await expect(account.get_by_role("status")).to_contain_text("hinzugefügt")
        await expect(account.get_by_text("Schlüsselbund", exact=True)).to_be_visible()

        # A mail address counts once it is proved, and only for who is signed in with the account.
        await account.locator("#mail").fill("jemand@example.org")
        await account.locator("form[action='/account/mail'] button").click()
        await expect(account.get_by_role("status")).to_contain_text("unterwegs")
        ((_, link),) = await house.letters("jemand@example.org")
        await administrator.go(link)
        await expect(administrator.page.get_by_text("mit dem Konto an, für das")).to_be_visible()
        await person.go(link)
        await person.press("Bestätigen")
        await expect(account.locator("#mail-title + p")).to_contain_text("jemand@example.org")
        assert {"passkey.add", "account.mail"} <= {*await house.audit()}

        # Signed in elsewhere too, and signed out there from here.
        (stored,) = await house.query("SELECT id FROM room_people.account WHERE name = 'Jemand'")
        await house.query(
            "INSERT INTO room_people.session (hash, account, device, expires_at) "
            "VALUES ('\\x01', $1, 'Firefox, Windows', now() + interval '1 day')",
            stored["id"],
        )
        await person.go("/account")
        await person.press("Dort abmelden: Firefox, Windows")
        await expect(account.locator("#sessions-title + ul > li")).to_have_count(1)

        # After a quarter of an hour what matters wants another sign-in.
        await house.query(
            "UPDATE room_people.session SET created_at = created_at - interval '16 minutes' WHERE account = $1",
            stored["id"],
        )
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while await account.get_by_text("Zum Ändern noch einmal anmelden").count() == 0:
                await person.go("/account")
        await account.get_by_text("Mein Konto löschen …").click()
        await person.press("Mein Konto endgültig löschen")
        await person.arrives("/sign-in")
        await person.press("Mit Passkey anmelden")
        await person.arrives("/account")
        await expect(account.get_by_role("button", name="Passkey hinzufügen")).to_be_visible()


async def test_people_and_organisations(house: House, administrator: Person) -> None:
    page = administrator.page
    await administrator.go("/people")
    await page.locator("#name").fill("Stadtwerke")
    await administrator.press("Anlegen")
    await expect(page.get_by_role("status")).to_contain_text("angelegt")
    await page.locator("#name").fill("stadtwerke")
    await administrator.press("Anlegen")
    await expect(page.get_by_text("Es gibt schon eine Organisation")).to_be_visible()

    await administrator.go("/people/~invite")
    await page.locator("#organisation").select_option(label="Stadtwerke")
    await page.locator("#role-operator").check()
    await administrator.press("Einladen")
    link = await page.locator(".secret code").inner_text()
    await administrator.go("/people/~invite")
    await page.locator("#organisation").select_option(label="Stadtwerke")
    await page.locator("#mail").fill("partner@example.org")
    await administrator.press("Einladen")
    await expect(page.get_by_role("status")).to_contain_text("unterwegs")
    ((_, mailed),) = await house.letters("partner@example.org")
    await expect(page.locator("#invitations-title + ul > li")).to_have_count(2)
    await administrator.press("Zurücknehmen: partner@example.org")

    async with house.somebody() as colleague, house.somebody(locale="en-GB") as other:
        await other.go(mailed)
        await expect(other.page.get_by_role("heading", level=1)).to_have_text("This link is over")
        await colleague.go(link)
        await expect(colleague.page.get_by_text("Stadtwerke, Rolle: Betrieb.")).to_be_visible()
        await colleague.page.locator("#name").fill("Kollegin")
        await colleague.press("Passkey anlegen")
        await colleague.arrives("/account")
        assert (await colleague.page.goto(house.url + "/devices")).status == 200  # type: ignore[union-attr]
        assert (await colleague.page.goto(house.url + "/people")).status == 403  # type: ignore[union-attr]

        # Roles are given and taken; an account that one has takes up an invitation, too.
        await _register_in_english(other, "Citizen")
        (citizen,) = await house.query("SELECT id FROM room_people.account WHERE name = 'Citizen'")
        assert (await other.page.goto(house.url + "/devices")).status == 403  # type: ignore[union-attr]
        await administrator.go("/people?search=citi")
        await page.get_by_role("link", name="Citizen").click()
        await page.locator("#organisation").select_option(label="Stadtwerke")
        await page.locator("#role").select_option("operator")
        await administrator.press("Rolle vergeben")
        await expect(page.get_by_role("status")).to_contain_text("vergeben")
        assert (await other.page.goto(house.url + "/devices")).status == 200  # type: ignore[union-attr]
        await administrator.press("Entziehen: Betrieb, Stadtwerke")
        await expect(page.get_by_role("status")).to_contain_text("entzogen")
        assert (await other.page.goto(house.url + "/devices")).status == 403  # type: ignore[union-attr]
        await administrator.go("/people/~invite")
        await page.locator("#organisation").select_option(label="Stadtwerke")
        await administrator.press("Einladen")
        await other.go(await page.locator(".secret code").inner_text())
        await other.press("Accept as Citizen")
        await other.arrives("/account")
        await expect(other.page.get_by_text("Stadtwerke: Member")).to_be_visible()

        # Blocked: signed out at once, and no passkey helps until it is let in again.
        await administrator.go(f"/people/{citizen['id']}")
        await page.get_by_text("Sperren …").click()
        await administrator.press("Sperren")
        await expect(page.get_by_role("status")).to_contain_text("Gesperrt")
        await other.page.goto(house.url + "/account")
        await other.arrives("/sign-in")
        await expect(other.page.get_by_role("alert")).to_contain_text("blocked")
        await administrator.press("Wieder zulassen")
        await expect(page.get_by_role("status")).to_contain_text("wieder anmelden")
        # All passkeys lost, no address: the link is handed over.
        await administrator.press("Link erzeugen")
        link = await page.locator(".secret code").inner_text()
        await other.get_authenticator()
        await other.go(link)
        await other.press("Make a passkey")
        await other.arrives("/account")

    # The last administrator stays one.
    (first,) = await house.query("SELECT id FROM room_people.account WHERE name = 'Leitung'")
    await administrator.go(f"/people/{first['id']}")
    await administrator.press("Entziehen: Administration, Duisburg")
    await expect(page.get_by_role("alert")).to_contain_text("niemand mehr")
    await administrator.go("/people")
    await page.get_by_role("link", name="Duisburg", exact=True).click()
    await page.get_by_text("Organisation entfernen …").click()
    await administrator.press("Entfernen")
    await expect(page.get_by_role("alert")).to_contain_text("niemand mehr")
    await administrator.go("/account")
    await page.get_by_text("Mein Konto löschen …").click()
    await administrator.press("Mein Konto endgültig löschen")
    await expect(page.get_by_role("alert").filter(has_text="Administration")).to_be_visible()

    acts = await house.audit()
    for area, verbs in {
        "account": ("make", "recover", "recovery_link", "block", "unblock"),
        "membership": ("accept", "give", "take"),
        "invitation": ("make", "withdraw"),
        "organisation": ("make",),
    }.items():
        for verb in verbs:
            assert f"{area}.{verb}" in acts, (area, verb)


async def _register_in_english(person: Person, name: str) -> None:
    await person.go("/register")
    await person.page.locator("#name").fill(name)
    await person.press("Make an account with a passkey")
    await person.arrives("/account")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_and_width(house: House, administrator: Person, theme: str) -> None:
    async with house.somebody(viewport={"width": 320, "height": 568}) as anybody:
        for path in ("/sign-in", "/register"):
            await anybody.go(path)
            assert await anybody.visit.overflow() <= 0, path
    page, visit = administrator.page, administrator.visit
    await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    (first,) = await house.query("SELECT id FROM room_people.account WHERE name = 'Leitung'")
    (city,) = await house.query("SELECT min(id) AS id FROM room_people.organisation")
    paths = ["/account", "/people", "/people/~invite", f"/people/{first['id']}"]
    paths += [
        f"/people/~organisations/{city['id']}",
        "/sign-in?again=1",
        "/register",
        "/sign-in/sent",
        "/link/x",
    ]
    for path in paths:
        for language in ("en", "de"):
            await page.set_viewport_size({"width": 1000, "height": 900})
            await visit.go(f"{path}{'&' if '?' in path else '?'}lang={language}")
            assert await page.get_attribute("html", "lang") == language
            assert await visit.axe() == [], path
            await page.set_viewport_size({"width": 320, "height": 568})
            assert await visit.overflow() <= 0, path
