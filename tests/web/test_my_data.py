"""My data: what is kept about me, a copy of it, corrected, and erased with the account; nobody else's."""

from __future__ import annotations

import asyncio
import email
import email.policy
import io
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import asyncpg
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
_LETTERS = "SELECT recipient, message FROM tenant_city.mail WHERE letter = 'privacy_answer' ORDER BY id"


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


async def _letters(server: Server) -> list[tuple[str, str]]:
    """To whom answers went, and what they say in one line, the oldest first."""
    connection = await asyncpg.connect(server.database_url)
    found = []
    for record in await connection.fetch(_LETTERS):
        message = email.message_from_bytes(record["message"], policy=email.policy.default)
        body = message.get_body(("plain",))
        assert body is not None
        found.append((record["recipient"], " ".join(body.get_content().split())))
    await connection.close()
    return found


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
            refusal = {
                "action": "answer",
                "decision": "refused",
                "language": "de",
                "words": "Wir müssen zählen.",
            }
            path = f"/privacy/requests/{request}"
            assert MAIL in page
            for given, status in ((refusal | {"words": " "}, 422), (refusal | {"decision": "maybe"}, 400)):
                assert (await staff.post(path, data=given)).status_code == status
            sent = await staff.post(path, data=refusal)
            assert sent.headers["location"].endswith("done=answered")
            assert (await staff.post(path, data=refusal)).status_code == 404  # once only
            ((recipient, text),) = await _letters(server)
            assert recipient == MAIL
            assert "Wir müssen zählen." in text and "Art. 21 DSGVO" in text and "Art. 77 und 79" in text
            assert asked["words"] not in (await staff.get(f"/privacy/requests/{request}")).text
            # Somebody without an account wrote a letter.
            letter = {"kind": "restriction", "mails": "letter@example.org", "identity": "answered a letter"}
            assert (await staff.post("/privacy/requests/~new", data=letter)).status_code == 422
            opened = await staff.post("/privacy/requests/~new", data=letter | {"words": "the sensor at home"})
            assert "the sensor at home" in (await staff.get(opened.headers["location"])).text
            context = await browser.new_context(locale="de-DE", viewport={"width": 320, "height": 600})
            await context.add_cookies([{"name": "rhinecloud", "value": staff_cookie, "url": server.base_url}])
            for theme, language in (("light", "de"), ("dark", "en")):
                visit = Visit(await context.new_page(), server.base_url)
                await visit.go(f"{opened.headers['location']}?lang={language}&theme={theme}")
                assert await visit.axe() == []
                assert await visit.overflow() <= 0
            await context.close()
            english = refusal | {"decision": "granted", "language": "en", "words": "It is switched off."}
            await staff.post(opened.headers["location"], data=english)
            recipient, text = (await _letters(server))[-1]
            assert recipient == "letter@example.org" and "Art. 18 GDPR" in text
            assert "We follow your request." in text and "Art. 77" not in text
            # Where there is no address nobody can be written to: the request is only closed.
            nameless = {
                "kind": "objection",
                "devices": "sensor-1",
                "identity": "showed it",
                "words": "no more",
            }
            opened = await staff.post("/privacy/requests/~new", data=nameless)
            assert 'value="answer"' not in (await staff.get(opened.headers["location"])).text
            assert (await staff.post(opened.headers["location"], data=english)).status_code == 409
            closed = await staff.post(opened.headers["location"], data={"action": "close"})
            assert closed.status_code == 303
            assert len(await _letters(server)) == 2
        left = await room.pool.fetch("SELECT words, mails, account FROM data_request WHERE kind <> 'export'")
        assert [tuple(record) for record in left] == [("", [], None)] * 3

        link = re.search(r'href="(/link/copy/[\w-]+)"', (await mine.post("/account/data/copy")).text)
        assert link is not None
        async with asyncio.timeout(60):
            # Links may be looked at every two seconds in the long run (429).
            while (answer := await anybody.get(link[1])).status_code in (202, 429):
                await asyncio.sleep(0.5)
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
