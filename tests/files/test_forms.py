"""Forms with files, read as they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from rhinecloud.files import IMAGES, Files, Refused, Rules, receive_form
from rhinecloud.store import Database

from . import samples


def encoded(fields: dict[str, str], files: list[tuple[str, tuple[str, bytes]]]) -> tuple[str, bytes]:
    request = httpx.Request("POST", "http://x", data=fields, files=files)
    return request.headers["content-type"], request.read()


async def cut(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("size", [1, 7, 1_000, 1_000_000])
async def test_fields_and_files(files: Files, size: int) -> None:
    kind, body = encoded(
        {"place": "Königstraße", "text": "a\r\nb"},
        [
            ("photo", ("ä ö.jpg", samples.jpeg())),
            ("photo", ("b.png", samples.png())),
            ("plan", ("c.pdf", samples.PDF)),
        ],
    )
    form = await receive_form(files, kind, cut(body, size))
    assert form.fields == {"place": "Königstraße", "text": "a\r\nb"}
    assert [upload.type for upload in form.uploads["photo"]] == ["image/jpeg", "image/png"]
    assert form.uploads["plan"][0].size == len(samples.PDF)


async def test_an_input_left_empty(files: Files) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="photo"; filename=""\r\n\r\n\r\n--x--\r\n'
    form = await receive_form(files, "multipart/form-data; boundary=x", cut(body, 10))
    assert form.uploads == {}


async def test_too_many_files(files: Files, database: Database) -> None:
    kind, body = encoded({}, [("photo", (f"{n}.png", samples.png())) for n in range(4)])
    with pytest.raises(Refused) as refused:
        await receive_form(files, kind, cut(body, 500), Rules(kinds=IMAGES, count=3))
    assert (refused.value.reason, refused.value.limit, refused.value.status) == ("too-many", 3, 413)
    # Those before were stored, and are swept because nobody keeps them.
    assert await database.pool.fetchval("SELECT count(*) FROM file_arriving") == 3


async def test_one_that_is_refused_ends_the_form(files: Files) -> None:
    kind, body = encoded(
        {}, [("photo", ("a.jpg", b"MZ program" * 100_000)), ("photo", ("b.png", samples.png()))]
    )
    with pytest.raises(Refused) as refused:
        await receive_form(files, kind, cut(body, 1_000), Rules(size=1000))
    assert (refused.value.reason, refused.value.name) == ("too-large", "a.jpg")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"no boundary at all"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nv\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nhalf'),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.pdf"\r\n\r\n%PDF-1.7 half',
        ),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\n"
            + b"X-Long: "
            + b"y" * 10_000
            + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n--x--',
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"; filename=""\r\n\r\ncontent\r\n--x--\r\n',
        ),
    ],
)
async def test_what_is_no_form(files: Files, kind: str, body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        await receive_form(files, kind, cut(body, 9))
    assert refused.value.reason == "malformed"


async def test_too_many_words(files: Files) -> None:
    kind, body = encoded({"text": "x" * 1_200_000}, [("a", ("a.pdf", samples.PDF))])
    with pytest.raises(Refused) as refused:
        await receive_form(files, kind, cut(body, 60_000))
    assert refused.value.reason == "too-large"


async def test_a_connection_that_breaks(files: Files) -> None:
    kind, body = encoded({}, [("a", ("a.pdf", samples.PDF * 100))])

    async def broken() -> AsyncIterator[bytes]:
        yield body[:2_000]
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await receive_form(files, kind, broken())
