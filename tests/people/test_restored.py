"""Whom an older backup brings back is erased again before anything is served: by the commands, with a real server."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest

from rhinecloud.engines.sealing import new_key
from rhinecloud.people import accounts
from rhinecloud.people.sessions import Sessions
from rhinecloud.store import Connections, RoomDatabase, Rooms, migrations_in
from rhinecloud.web import build
from tests.conftest import Serve, Server, new_folder
from tests.engines.test_backup import rhinecloud, value
from tests.engines.test_supervision import embedded

MAIL = "someone@example.org"
OWN = {"Sec-Fetch-Site": "same-origin"}
THERE = f"SELECT count(*) FROM room_people.feedback WHERE mail = '{MAIL}'"
OPEN = "SELECT count(*) FROM room_people.data_request WHERE closed_at IS NULL"


@pytest.fixture(scope="module", autouse=True)
def assets() -> None:
    """Pages are there when their assets are."""
    build.build()


def _post(server: Server, path: str, **given: str) -> httpx.Response:
    return httpx.post(server.base_url + path, data=given, headers=OWN, timeout=30)


def _page(server: Server, path: str) -> str:
    return httpx.get(server.base_url + path, headers={"Accept-Language": "en"}, timeout=30).text


async def _erase(server: Server) -> None:
    """As staff does for somebody without an account."""
    refused = _post(server, "/privacy/requests/~new", kind="access", mails=MAIL)
    assert refused.status_code == 422  # nobody made sure who asks
    opened = _post(server, "/privacy/requests/~new", kind="access", mails=MAIL, identity="answered a letter")
    assert opened.status_code == 303
    request = opened.headers["location"]
    page = _page(server, request)
    assert MAIL in page and "The points are too small" in page and "answered a letter" in page
    assert _post(server, request, action="erase").status_code == 303
    async with asyncio.timeout(60):
        while await value(server.database_url, OPEN):
            await asyncio.sleep(0.05)
    assert MAIL not in _page(server, request)


@embedded
async def test_erased_again_after_a_restore(serve: Serve, data_folder: Path) -> None:
    server = serve(data=data_folder)
    report = _post(server, "/barrierefreiheit", about="/map", message="The points are too small", mail=MAIL)
    assert report.status_code == 303, report.text
    file = data_folder.parent / "backup.tar"
    rhinecloud("backup", file, "--data", data_folder)
    await _erase(server)
    assert await value(server.database_url, THERE) == 0
    assert server.stop() == 0

    ledger = data_folder / "erasures.jsonl"
    assert MAIL not in ledger.read_text()
    elsewhere = ledger.rename(data_folder.parent / "kept.jsonl")
    printed = rhinecloud("restore", file, "--data", data_folder, "--force")
    assert "There is no ledger of erasures" in printed
    server = serve(data=data_folder)
    assert await value(server.database_url, THERE) == 1  # without the ledger nobody knows
    assert server.stop() == 0

    server = serve(data=data_folder, environ={"RHINECLOUD_ERASURE_LEDGER": str(elsewhere)})
    assert server.output.index("erasures were carried out again") < server.output.index("  OPEN:")
    assert await value(server.database_url, THERE) == 0
    assert await value(server.database_url, "SELECT count(*) FROM room_people.erasure") == 1
    assert MAIL not in _page(server, "/legal")


@embedded
async def test_a_ledger_that_lies_elsewhere_is_brought_along(serve: Serve, data_folder: Path) -> None:
    source = serve()
    for message in ("The points are too small", "and grey"):
        _post(source, "/barrierefreiheit", about="/map", message=message, mail=MAIL)
    file = data_folder.parent / "backup.tar"
    rhinecloud("backup", file, "--data", source.data)
    await _erase(source)
    ledger = (source.data / "erasures.jsonl").rename(data_folder.parent / "ledger")
    source.kill()

    missing = data_folder.parent / "nowhere"
    assert "no ledger" in rhinecloud("restore", file, "--data", data_folder, "--ledger", missing, code=1)
    printed = rhinecloud("restore", file, "--data", data_folder, "--ledger", ledger)
    assert "Erasures known: 1, 1 of them after the backup" in printed and str(ledger) in printed
    target = serve(data=data_folder)
    assert await value(target.database_url, THERE) == 0
    assert MAIL not in _page(target, "/legal")


@embedded
async def test_a_notice_survives_its_lost_city_and_its_author_stays_erased(
    serve: Serve, data_folder: Path, tmp_path: Path
) -> None:
    """From a backup that was made by the clock, with the ledger that lies beside it."""
    private, public = new_key()
    key = tmp_path / "key.txt"
    key.write_text(f"{private}\n")
    source = serve("--no-open")
    author, cookie = await _editor(source)
    notice = {
        "title": "Bürgerservice",
        "text": "Montag geschlossen",
        "until": str(date.today() + timedelta(7)),
    }
    async with _client(source, cookie) as mine:
        assert (await mine.post("/noticeboard/new", data=notice)).status_code == 303
    assert source.stop() == 0
    place = new_folder("rhinecloud-backups-")
    flags = ("--backup-every=24h", f"--backup-to={place}", f"--backup-recipient={public}")
    source = serve("--no-open", *flags, data=source.data)
    async with asyncio.timeout(120):
        while not (backups := list(place.glob("rhinecloud-*.tar.age"))):
            await asyncio.sleep(0.1)
    async with _client(source, cookie) as mine:
        assert (await mine.post("/account/delete")).status_code == 303
    async with asyncio.timeout(120):
        while not (place / "erasures.jsonl").exists():
            await asyncio.sleep(0.1)
    assert "Ein Mensch" not in (place / "erasures.jsonl").read_text()
    source.kill()

    printed = rhinecloud("restore", backups[0], "--data", data_folder, "--key", key)
    assert "Erasures known: 1, 1 of them after the backup" in printed
    target = serve("--no-open", data=data_folder)
    assert target.output.index("erasures were carried out again") < target.output.index("http://")
    url = target.database_url
    assert await value(url, "SELECT count(*) FROM room_people.account") == 0
    assert await value(url, "SELECT title FROM app_noticeboard.notice") == notice["title"]
    mentions = "SELECT count(*) FROM tenant_city.audit WHERE actor = $1 OR subject = $1"
    assert await value(url, mentions.replace("$1", f"'person:{author}'")) == 0
    posted = "SELECT actor FROM tenant_city.audit WHERE action = 'noticeboard.post'"
    assert await value(url, posted) == "person:0"
    async with _client(target) as anybody:
        (hangs,) = (await anybody.get("/api/noticeboard")).json()
        assert (hangs["title"], hangs["until"]) == (notice["title"], notice["until"])
    async with _client(target, cookie) as mine:
        assert (await mine.get("/account/data")).status_code == 303  # nobody is signed in with it any more


async def _editor(server: Server) -> tuple[int, str]:
    """Somebody who may post notices: the number of their account, and the cookie of their session."""
    room = await Rooms(server.database_url).prepare("room_people", migrations_in("rhinecloud.people"))
    connections = Connections(server.database_url, 2)
    database = RoomDatabase(connections, room)
    sessions = Sessions(database.pool, timedelta(hours=1), timedelta(days=1))
    async with database.transaction() as connection:
        account = await accounts.make(connection, b"author", "Ein Mensch", MAIL, "de")
        organisation = await connection.fetchval(
            "INSERT INTO organisation (name) VALUES ('Stadt') RETURNING id"
        )
        await connection.execute("INSERT INTO membership VALUES ($1, $2, 'editor')", account, organisation)
        cookie = await sessions.begin(connection, account, "Firefox")
    await database.close()
    await connections.close()
    return account, cookie


def _client(server: Server, cookie: str | None = None) -> httpx.AsyncClient:
    headers = {"Origin": server.base_url, "Accept-Language": "de"}
    if cookie is not None:
        headers["Cookie"] = f"rhinecloud={cookie}"
    return httpx.AsyncClient(base_url=server.base_url, headers=headers, timeout=30)
