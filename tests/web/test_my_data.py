"""My data: what is kept about me, a copy of it, corrected, and erased with the account; nobody else's."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import httpx
import msgspec
import pytest
from playwright.async_api import Browser

from rhinecloud.people import accounts
from rhinecloud.people.sessions import Sessions
from rhinecloud.store import Connections, RoomDatabase, Rooms, migrations_in
from tests.conftest import Serve, Server

from .conftest import Visit

MAIL = "someone@example.org"


@pytest.fixture(scope="module")
def server(module_serve: Serve) -> Iterator[Server]:
    """A server that somebody has to sign in to."""
    yield module_serve("--no-open")


@pytest.fixture(scope="module")
async def room(server: Server) -> AsyncIterator[RoomDatabase]:
    """Its room of people."""
    found = await Rooms(server.database_url).prepare("room_people", migrations_in("rhinecloud.people"))
    connections = Connections(server.database_url, 4)
    database = RoomDatabase(connections, found)
    yield database
    await database.close()
    await connections.close()


async def _somebody(room: RoomDatabase, name: str, mail: str) -> tuple[int, str]:
    sessions = Sessions(room.pool, timedelta(hours=1), timedelta(days=1))
    async with room.transaction() as connection:
        account = await accounts.make(connection, name.encode(), name, mail, "de")
        return account, await sessions.begin(connection, account, "Firefox")


async def _staff(room: RoomDatabase) -> tuple[int, str]:
    account, cookie = await _somebody(room, "Datenschutz", "office@example.org")
    organisation = await room.pool.fetchval("INSERT INTO organisation (name) VALUES ('Stadt') RETURNING id")
    await room.pool.execute("INSERT INTO membership VALUES ($1, $2, 'administrator')", account, organisation)
    return account, cookie


def _client(server: Server, cookie: str | None = None) -> httpx.AsyncClient:
    headers = {"Origin": server.base_url, "Accept-Language": "de"}
    if cookie is not None:
        headers["Cookie"] = f"rhinecloud={cookie}"
    return httpx.AsyncClient(base_url=server.base_url, headers=headers, timeout=30)


async def test_seen_copied_corrected_and_erased(server: Server, room: RoomDatabase, browser: Browser) -> None:
    account, cookie = await _somebody(room, "Ein Mensch", MAIL)
    await _somebody(room, "Noch jemand", "other@example.org")
    async with _client(server) as anybody, _client(server, cookie) as mine:
        assert (await anybody.get("/account/data")).status_code == 303
        for path in (
            "/privacy",
            "/privacy/record.json",
            "/privacy/requests/1",
            "/legal",
            "/legal/imprint/de",
        ):
            assert (await mine.get(path)).status_code == 403, path
        assert (await anybody.get("/datenschutz")).status_code == 200
        page = (await mine.get("/account/data")).text
        assert "Ein Mensch" in page and MAIL in page and "Firefox" in page and "Noch jemand" not in page

        wrong = {"table": "account", "column": "mail", "old": MAIL, "new": "x@example.org"}
        assert (await mine.post("/account/data/correct", data=wrong)).status_code == 400
        right = {"table": "account", "column": "name", "old": "Ein Mensch", "new": "Ein anderer Mensch"}
        assert (
            (await mine.post("/account/data/correct", data=right)).headers["location"].endswith("corrected")
        )
        assert (await mine.get("/account/data")).text.count("Ein anderer Mensch") >= 1

        # What people decide reaches whoever answers requests, and is mine to see.
        asked = {"kind": "objection", "words": "Meine Messwerte sollen nicht ausgewertet werden"}
        for given, status, end in (
            ({"kind": "erasure", "words": "x"}, 400, ""),
            (asked | {"words": " "}, 303, "wordless"),
            (asked, 303, "asked"),
        ):
            answer = await mine.post("/account/data/ask", data=given)
            assert (answer.status_code, answer.headers.get("location", "").endswith(end)) == (status, True)
        assert asked["words"] in (await mine.get("/account/data?done=asked")).text
        _, staff_cookie = await _staff(room)
        async with _client(server, staff_cookie) as staff:
            assert "Anfrage zu eigenen Daten wartet auf Antwort" in (await staff.get("/")).text
            request = await room.pool.fetchval("SELECT id FROM data_request WHERE kind = 'objection'")
            assert f"{request}: Widerspruch" in (await staff.get("/privacy")).text
            page = (await staff.get(f"/privacy/requests/{request}")).text
            assert asked["words"] in page and "Art. 21 DSGVO" in page and MAIL in page
            closed = await staff.post(f"/privacy/requests/{request}", data={"action": "close"})
            assert closed.status_code == 303
            assert asked["words"] not in (await staff.get(f"/privacy/requests/{request}")).text
            # Somebody without an account wrote a letter.
            letter = {"kind": "restriction", "mails": "letter@example.org", "identity": "answered a letter"}
            assert (await staff.post("/privacy/requests/~new", data=letter)).status_code == 422
            opened = await staff.post("/privacy/requests/~new", data=letter | {"words": "the sensor at home"})
            assert "the sensor at home" in (await staff.get(opened.headers["location"])).text
            closed = await staff.post(opened.headers["location"], data={"action": "close"})
            assert closed.status_code == 303
        left = await room.pool.fetch("SELECT words, mails, account FROM data_request WHERE kind <> 'export'")
        assert [tuple(record) for record in left] == [("", [], None)] * 2

        link = re.search(r'href="(/link/copy/[\w-]+)"', (await mine.post("/account/data/copy")).text)
        assert link is not None
        async with asyncio.timeout(60):
            while (answer := await anybody.get(link[1])).status_code == 202:
                await asyncio.sleep(0.1)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as package:
            document = msgspec.json.decode(package.read("data.json"))
        assert "Ein anderer Mensch" in str(document) and "other@example.org" not in str(document)
        assert (await anybody.get(link[1] + "x")).status_code == 404

        context = await browser.new_context(locale="de-DE", viewport={"width": 320, "height": 600})
        await context.add_cookies([{"name": "rhinecloud", "value": cookie, "url": server.base_url}])
        for theme in ("light", "dark"):
            for language in ("de", "en"):
                visit = Visit(await context.new_page(), server.base_url)
                await visit.go(f"/account/data?lang={language}&theme={theme}")
                for summary in await visit.page.locator("details.data > summary").all():
                    await summary.click()
                assert await visit.axe() == []
                assert await visit.overflow() <= 0
        await context.close()

        assert (await mine.post("/account/delete")).status_code == 303
        async with asyncio.timeout(60):
            while not await room.pool.fetchval(
                "SELECT count(*) FROM data_request WHERE kind = 'erasure' AND counts IS NOT NULL"
            ):
                await asyncio.sleep(0.1)
        assert (await anybody.get(link[1])).status_code == 404
    assert await room.pool.fetchval("SELECT count(*) FROM account WHERE id = $1", account) == 0
    names = await room.pool.fetch("SELECT name FROM account ORDER BY id")
    assert [record[0] for record in names] == ["Noch jemand", "Datenschutz"]
