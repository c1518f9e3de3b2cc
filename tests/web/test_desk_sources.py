"""What the platform itself puts on the desk: certificate, backups, invitations, legal texts; each leads to where it is
mended."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from playwright.async_api import Browser, expect

from rhinecloud.certificates.folder import Folder, State
from rhinecloud.people import OPEN
from rhinecloud.web import desk_sources
from tests.conftest import Serve

from .test_people import House

NOW = datetime.now(UTC)


def secured(data: Path, days: float) -> Any:
    """A city whose certificate ends in so many days, with what getting another one left behind."""
    folder = Folder(data)
    folder.prepare(["city.example.org"])
    issued = trustme.CA().issue_cert("city.example.org", not_after=NOW + timedelta(days=days))
    folder.keep(b"".join(blob.bytes() for blob in issued.cert_chain_pems), issued.private_key_pem.bytes())
    settings = SimpleNamespace(tls_cert=folder.chain, acme_names=("city.example.org",), data=data)
    return SimpleNamespace(settings=settings)


@pytest.mark.parametrize(
    ("days", "problem", "failures", "told"),
    [
        (80, None, 0, []),
        (15, None, 0, [("look", "days left: 14")]),
        (5, None, 0, [("alarm", "days left: 4")]),
        (-1, None, 0, [("alarm", "is over")]),
        (80, "refused", 1, [("look", "could not be renewed; attempts: 1")]),
        (5, "refused", 7, [("alarm", "days left: 4"), ("alarm", "could not be renewed; attempts: 7")]),
    ],
)
async def test_the_certificate(
    tmp_path: Path, days: float, problem: str | None, failures: int, told: list[tuple[str, str]]
) -> None:
    city = secured(tmp_path, days)
    Folder(tmp_path).state = State(problem, failures, NOW)
    found = await desk_sources.certificate(city, OPEN)
    assert [(one.urgency, one.path) for one in found] == [
        (kind, "/health#part-certificate") for kind, _ in told
    ]
    for one, (_, words) in zip(found, told, strict=True):
        assert words in one.text[1]


async def test_a_certificate_that_cannot_be_read(tmp_path: Path) -> None:
    city = secured(tmp_path, 80)
    city.settings.tls_cert.write_text("none")
    assert [one.urgency for one in await desk_sources.certificate(city, OPEN)] == ["alarm"]
    city.settings.tls_cert = None
    assert await desk_sources.certificate(city, OPEN) == []


@pytest.mark.parametrize(
    ("figures", "open_", "told"),
    [
        ({"every": None}, True, None),
        ({"every": None}, False, ("look", "No backups are made")),
        ({"every": "24h", "late": 0, "newest": "2026-01-01T00:00:00Z"}, False, None),
        ({"every": "24h", "late": 1, "newest": None}, False, ("look", "There is no backup yet")),
        ({"every": "24h", "late": 1, "newest": "2026-01-01T00:00:00Z"}, False, ("alarm", "too old")),
        ({"every": "24h", "late": 1, "reason": "away"}, False, ("alarm", "cannot be reached")),
    ],
)
async def test_backups(figures: dict[str, Any], open_: bool, told: tuple[str, str] | None) -> None:
    async def backups() -> dict[str, Any]:
        return figures

    city: Any = SimpleNamespace(settings=SimpleNamespace(open=open_), backups=backups)
    found = await desk_sources.backups(city, OPEN)
    assert [(one.urgency, one.path) for one in found] == ([(told[0], "/health#part-backups")] if told else [])
    assert told is None or told[1] in found[0].text[1]


async def test_an_administrator_is_told_what_a_new_city_still_needs(
    module_serve: Serve, browser: Browser
) -> None:
    server = module_serve(
        "--no-open", "--mail-server=smtp://127.0.0.1:9", "--mail-from=Stadt <stadt@example.org>"
    )
    async with asyncio.timeout(60):
        while (link := re.search(r"http://localhost:\d+/first/[\w-]+", server.output)) is None:
            await asyncio.sleep(0.05)
    house = House(server, browser)
    async with house.somebody() as person:
        await person.go(link[0])
        await person.page.locator("#name").fill("Leitung")
        await person.press("Passkey anlegen")
        await person.arrives("/account")
        await person.go("/")
        items = person.page.locator(".desk__item")
        await expect(items.filter(has_text="Es werden keine Sicherungen gemacht")).to_be_visible()
        await expect(items.filter(has_text="6 rechtliche Texte sind nicht ausgefüllt")).to_be_visible()
        await expect(items.filter(has_text="Einladung")).to_have_count(0)

        # An invitation is a reason to look when nobody took it up and it is nearly over.
        await person.go("/people/~invite")
        await person.page.locator("#role-member").check()
        await person.page.locator("form[action='/people/~invite'] button[type=submit]").click()
        await expect(person.page.locator("[data-copy]").first).to_be_attached()
        assert len(await house.query("SELECT FROM room_people.link WHERE purpose = 'invite'")) == 1
        await person.go("/")
        await expect(items.filter(has_text="Einladung")).to_have_count(0)
        await house.query(
            "UPDATE room_people.link SET expires_at = now() + interval '2 days' WHERE purpose = 'invite'"
        )
        await person.go("/")
        ending = items.filter(has_text="1 Einladung wurde nicht angenommen und läuft bald ab")
        await ending.get_by_role("link").click()
        await person.arrives("/people")
        await expect(person.page.locator("#invitations-title")).to_be_visible()

        # A text that was written, to its end, is the model no more.
        await house.query(
            "INSERT INTO room_people.legal_text (page, language, body, actor) VALUES "
            "('imprint', 'de', 'Wer wir sind', 'person:1'), ('imprint', 'en', 'Who we are: [name]', 'person:1')"
        )
        await person.go("/")
        texts = items.filter(has_text="5 rechtliche Texte sind nicht ausgefüllt")
        await texts.get_by_role("link").click()
        await person.arrives("/legal")

        # The header of somebody who is signed in fits on a small phone.
        await person.page.set_viewport_size({"width": 320, "height": 568})
        for path in ("/", "/audit", "/people", "/queries?type=Streetlight"):
            await person.go(path)
            assert await person.visit.overflow() <= 0, path
