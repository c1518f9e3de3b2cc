"""Files over HTTP: safe headers, ranges, and nothing that could run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rhinecloud.files import TABLES, File, Files, Rules, answer
from rhinecloud.files.serving import disposition
from rhinecloud.files.storage import Folder
from rhinecloud.store import Database

from . import samples

Get = Callable[..., Awaitable[httpx.Response]]
TEXT = b"<script>alert(1)</script> 0123456789"


@pytest.fixture
def storage(folder: Path) -> Folder:
    return Folder(folder / "files")


async def keep(files: Files, database: Database, name: str, content: bytes) -> File:
    upload = await files.receive(name, content, Rules(kinds=(*Rules().kinds, *TABLES)))
    async with database.transaction() as connection:
        return await files.keep(connection, upload, app="a", subject="s", actor="p1")


@pytest_asyncio.fixture
async def text(files: Files, database: Database) -> File:
    return await keep(files, database, "Übersicht.txt", TEXT)


@pytest_asyncio.fixture
async def get(files: Files) -> AsyncIterator[Get]:
    async def serve(request: Request) -> Response:
        found = await files.get(request.path_params["id"])
        assert found is not None
        return await answer(files, found, request, save="save" in request.query_params)

    app = Starlette(routes=[Route("/{id:uuid}", serve)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:

        async def ask(file: File, method: str = "GET", query: str = "", **headers: str) -> httpx.Response:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, f"/{file.id}{query}", headers=named)

        yield ask


async def test_headers(get: Get, text: File, files: Files, database: Database) -> None:
    found = await get(text)
    assert found.status_code == 200 and found.content == TEXT
    assert found.headers["content-type"] == "text/plain; charset=utf-8"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["content-security-policy"].startswith("default-src 'none'")
    assert "sandbox" in found.headers["content-security-policy"]
    assert found.headers["content-length"] == str(len(TEXT))
    assert found.headers["content-disposition"].startswith("inline;")
    assert found.headers["cache-control"].startswith("private")
    assert (await get(text, query="?save")).headers["content-disposition"].startswith("attachment;")
    pdf = await keep(files, database, "a.pdf", samples.PDF)
    assert (await get(pdf)).headers["content-disposition"].startswith("attachment;")
    image = await keep(files, database, "a.jpg", samples.jpeg())
    assert (await get(image)).headers["content-disposition"].startswith("inline;")


async def test_asked_again(get: Get, text: File) -> None:
    etag = (await get(text)).headers["etag"]
    again = await get(text, If_None_Match=f'"other", W/{etag}')
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == etag
    head = await get(text, "HEAD")
    assert head.content == b"" and head.headers["content-length"] == str(len(TEXT))


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-4", 0, 5),
        ("bytes=30-", 30, 36),
        ("bytes=-6", 30, 36),
        ("bytes=30-999", 30, 36),
        ("bytes=-99", 0, 36),
    ],
)
async def test_parts(get: Get, text: File, asked: str, start: int, end: int) -> None:
    found = await get(text, Range=asked)
    assert found.status_code == 206 and found.content == TEXT[start:end]
    assert found.headers["content-range"] == f"bytes {start}-{end - 1}/36"
    etag = found.headers["etag"]
    assert (await get(text, Range=asked, If_Range=etag)).status_code == 206
    assert (await get(text, Range=asked, If_Range='"older"')).content == TEXT


async def test_parts_that_there_are_not(get: Get, text: File) -> None:
    for asked in ("bytes=36-", "bytes=-0", "bytes=5-4"):
        found = await get(text, Range=asked)
        assert found.status_code == 416 and found.headers["content-range"] == "bytes */36"
    for asked in ("bytes=0-1,4-5", "lines=1-2", "bytes=x"):
        assert (await get(text, Range=asked)).status_code == 200


async def test_content_that_is_missing(get: Get, text: File, files: Files) -> None:
    files.storage.remove(text.id)
    assert (await get(text)).status_code == 404


def test_names_in_headers() -> None:
    assert disposition('Plan "Süd".pdf', "attachment") == (
        "attachment; filename=\"Plan _S_d_.pdf\"; filename*=UTF-8''Plan%20%22S%C3%BCd%22.pdf"
    )
