"""Whom an older backup brings back is erased again before anything is served: by the commands, with a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from rhinecloud.web import build
from tests.conftest import Serve, Server
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
    rhinecloud("restore", file, "--data", data_folder, "--force")
    server = serve(data=data_folder)
    assert await value(server.database_url, THERE) == 1  # without the ledger nobody knows
    assert server.stop() == 0

    server = serve(data=data_folder, environ={"RHINECLOUD_ERASURE_LEDGER": str(elsewhere)})
    assert server.output.index("erasures were carried out again") < server.output.index("  OPEN:")
    assert await value(server.database_url, THERE) == 0
    assert await value(server.database_url, "SELECT count(*) FROM room_people.erasure") == 1
    assert MAIL not in _page(server, "/legal")
