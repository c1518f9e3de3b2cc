"""Files: kept with the caller's transaction, or gone without a trace, in a folder and in object storage."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from rhinecloud.broker import Overloaded
from rhinecloud.files import (
    IMAGES,
    TABLES,
    File,
    Files,
    Missing,
    Refused,
    Rules,
    Storage,
    StorageUnavailable,
)
from rhinecloud.files.examination import examine_files
from rhinecloud.files.kinds import PDF
from rhinecloud.files.s3 import Bucket
from rhinecloud.files.storage import Folder
from rhinecloud.jobs import Jobs
from rhinecloud.settings import Settings
from rhinecloud.store import Database

from . import samples
from .object_storage import ObjectStorage


def lying(storage: Storage) -> set[object]:
    return {stored.id for stored in storage.listing()}


async def kept(files: Files, database: Database, name: str, content: bytes, **rules: object) -> File:
    upload = await files.receive(name, content, Rules(**rules))  # type: ignore[arg-type]
    async with database.transaction() as connection:
        return await files.keep(connection, upload, app="defects", subject="urn:ngsi-ld:Defect:1", actor="p1")


async def test_a_file_comes_in_and_goes_out(files: Files, database: Database, folder: Path) -> None:
    file = await kept(files, database, "Plan der Straße.PDF", samples.PDF)
    assert (file.name, file.type, file.size) == ("Plan der Straße.pdf", PDF.type, len(samples.PDF))
    assert file.sha256 == hashlib.sha256(samples.PDF).digest()
    assert await files.get(file.id) == file
    assert await files.of("defects", "urn:ngsi-ld:Defect:1") == [file]
    assert await files.of("other", "urn:ngsi-ld:Defect:1") == []
    assert await files.content(file) == samples.PDF
    assert b"".join([block async for block in files.read(file, 5, 8)]) == samples.PDF[5:8]
    assert b"".join([block async for block in files.read(file, 5, 5)]) == b""
    assert lying(files.storage) == {file.id}
    assert list((folder / "incoming").iterdir()) == []


async def test_an_image_is_stored_without_what_it_knows(files: Files, database: Database) -> None:
    file = await kept(files, database, "IMG_1.jpg", samples.jpeg(640, 320), longest=320)
    content = await files.content(file)
    assert b"SPY-CAMERA" not in content
    assert (file.width, file.height) == (320, 160) == Image.open(io.BytesIO(content)).size
    assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).digest())


async def test_larger_than_one_block(files: Files, database: Database) -> None:
    text = os.urandom(700_000).hex().encode()

    async def blocks() -> AsyncIterator[bytes]:
        for start in range(0, len(text), 50_001):
            yield text[start : start + 50_001]

    upload = await files.receive("numbers.txt", blocks(), Rules(kinds=TABLES))
    async with database.transaction() as connection:
        file = await files.keep(connection, upload, app="a", subject="s", actor="p1")
    assert await files.content(file) == text
    assert (
        b"".join([block async for block in files.read(file, 600_000, 1_300_000)]) == text[600_000:1_300_000]
    )


@pytest.mark.parametrize(
    ("name", "content", "rules", "reason"),
    [
        ("a.jpg", b"", {}, "empty"),
        ("a.jpg", b"MZ a program", {}, "kind"),
        ("a.pdf", samples.PDF, {"kinds": IMAGES}, "kind"),
        ("a.txt", b"text is not on the usual list", {}, "kind"),
        ("a.jpg", samples.jpeg()[:150], {}, "content"),
        ("a.pdf", samples.PDF, {"size": 20}, "too-large"),
        ("a.pdf", samples.PDF + bytes(2_000_000), {"size": 10_000_000}, "too-large"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    files: Files,
    database: Database,
    folder: Path,
    name: str,
    content: bytes,
    rules: dict[str, object],
    reason: str,
) -> None:
    with pytest.raises(Refused) as refused:
        await files.receive(name, content, Rules(**rules))  # type: ignore[arg-type]
    assert refused.value.reason == reason and refused.value.name == name and 400 <= refused.value.status < 500
    assert lying(files.storage) == set() and list((folder / "incoming").iterdir()) == []
    assert await database.pool.fetchval("SELECT count(*) FROM file_arriving") == 0


async def test_a_sender_who_breaks_off(files: Files, folder: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"%PDF-1.7 the beg"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await files.receive("a.pdf", broken())
    assert list((folder / "incoming").iterdir()) == []


async def test_a_transaction_that_is_rolled_back(files: Files, database: Database) -> None:
    upload = await files.receive("a.pdf", samples.PDF)
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await files.keep(connection, upload, app="a", subject="s", actor="p1")
            raise ZeroDivisionError
    assert await files.get(upload.id) is None
    assert lying(files.storage) == {upload.id}
    assert await files.sweep() == 0  # somebody may still keep it
    await database.pool.execute("UPDATE file_arriving SET at = now() - interval '25 hours'")
    assert await files.sweep() == 1
    assert lying(files.storage) == set()
    async with database.transaction() as connection:
        with pytest.raises(Refused, match="too long ago"):
            await files.keep(connection, upload, app="a", subject="s", actor="p1")


async def test_an_upload_is_kept_once(files: Files, database: Database) -> None:
    upload = await files.receive("a.pdf", samples.PDF)
    async with database.transaction() as connection:
        await files.keep(connection, upload, app="a", subject="s", actor="p1")
        with pytest.raises(Refused):
            await files.keep(connection, upload, app="a", subject="s", actor="p1")


async def test_keeping_wins_over_sweeping(files: Files, database: Database) -> None:
    """The sweeper passes by what is just being kept, and takes nothing that was kept."""
    upload = await files.receive("a.pdf", samples.PDF)
    await database.pool.execute("UPDATE file_arriving SET at = now() - interval '25 hours'")
    async with database.transaction() as connection:
        file = await files.keep(connection, upload, app="a", subject="s", actor="p1")
        assert await files.sweep() == 0
    assert await files.sweep() == 0
    assert await files.content(file) == samples.PDF


async def test_removed_content_stays_a_while(files: Files, database: Database) -> None:
    file = await kept(files, database, "a.pdf", samples.PDF)
    other = await kept(files, database, "b.pdf", samples.PDF)
    async with database.transaction() as connection:
        assert await files.remove(connection, file.id)
        assert not await files.remove(connection, uuid4())
    assert await files.get(file.id) is None
    assert await files.sweep() == 0 and lying(files.storage) == {file.id, other.id}
    await database.pool.execute("UPDATE file_leaving SET due_at = due_at - interval '7 days'")
    assert await files.sweep() == 1 and lying(files.storage) == {other.id}
    assert await database.pool.fetchval("SELECT count(*) FROM file_leaving") == 0

    async with database.transaction() as connection:
        assert await files.remove(connection, other.id, at_once=True)
    assert await files.sweep() == 1 and lying(files.storage) == set()
    with pytest.raises(Missing):
        await files.content(other)


async def test_two_sweepers_share_the_work(files: Files, database: Database) -> None:
    made = [await kept(files, database, f"{n}.pdf", samples.PDF) for n in range(6)]
    async with database.transaction() as connection:
        for file in made:
            await files.remove(connection, file.id, at_once=True)
    swept = await asyncio.gather(files.sweep(), files.sweep())
    assert sum(swept) == 6 and lying(files.storage) == set()


async def test_what_a_killed_worker_left(files: Files, folder: Path) -> None:
    (folder / "incoming").mkdir()
    old, new = folder / "incoming" / uuid4().hex, folder / "incoming" / uuid4().hex
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (time.time() - 90_000,) * 2)
    await files.sweep()
    assert not old.exists() and new.exists()


async def test_figures(files: Files, database: Database) -> None:
    await kept(files, database, "a.pdf", samples.PDF)
    await files.receive("b.pdf", samples.PDF)
    figures = await files.health()
    assert (figures["files"], figures["bytes"], figures["arriving"], figures["leaving"]) == (
        1,
        len(samples.PDF),
        1,
        0,
    )
    assert figures["place"] == files.storage.place


async def test_a_storage_that_is_away(
    database: Database, folder: Path, object_storage: ObjectStorage
) -> None:
    url = object_storage.url(prefix="away").replace(str(object_storage.port), "1")
    files = Files(database, Bucket(url), folder / "incoming")
    with pytest.raises(StorageUnavailable):
        await files.receive("a.pdf", samples.PDF)
    # What may have been stored in part has a row that names it; it is tried again until it is gone.
    await database.pool.execute("UPDATE file_arriving SET at = now() - interval '25 hours'")
    with pytest.raises(StorageUnavailable):
        await files.sweep()
    assert await database.pool.fetchval("SELECT count(*) FROM file_arriving") == 1
    back = Files(database, Bucket(object_storage.url(prefix="away")), folder / "incoming")
    assert await back.sweep() == 1


async def test_a_wrong_secret_is_told(object_storage: ObjectStorage) -> None:
    with pytest.raises(StorageUnavailable):
        await Bucket(object_storage.url(secret="wrong")).ask()
    await Bucket(object_storage.url()).ask()


async def test_what_check_says(object_storage: ObjectStorage, folder: Path) -> None:
    async def said(**settings: str) -> tuple[str, str]:
        return await examine_files(Settings(data=folder, **settings))  # type: ignore[arg-type]

    assert await said() == ("good", f"Files lie in {folder}/files")
    level, text = await said(database_url="postgresql://elsewhere/x")
    assert level == "note" and "--files-url" in text
    level, text = await said(files_url=object_storage.url())
    assert level == "good" and "which answers" in text
    level, text = await said(files_url=object_storage.url(secret="wrong"))
    assert level == "wrong" and "wrong" not in text.replace("does not answer as it must", "")
    assert (await said(files_url="s3://"))[0] == "wrong"
    assert not (folder / "files").exists()


def test_addresses_of_buckets() -> None:
    assert (
        Bucket("s3://k:s%2Fs@bucket/a/b?endpoint=http://127.0.0.1:1").place
        == "s3://bucket/a/b at http://127.0.0.1:1"
    )
    for wrong, words in (
        ("https://bucket", "s3://bucket/prefix"),
        ("s3://", "s3://bucket/prefix"),
        ("s3://bucket?endpiont=http://x", "endpiont is not known"),
        ("s3://bucket?endpoint=ftp://x", "http:// or https://"),
        ("s3://bucket?ca=/nowhere.pem", "cannot be read"),
    ):
        with pytest.raises(ValueError, match=words):
            Bucket(wrong)


async def test_a_folder_that_is_full(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhinecloud.files.files._LITTLE_SPACE", 1 << 62)
    files = Files(database, Folder(folder / "files"), folder / "incoming")
    with pytest.raises(Refused) as refused:
        await files.receive("a.pdf", samples.PDF)
    assert (refused.value.reason, refused.value.status) == ("full", 507)


async def test_images_in_another_process(database: Database, folder: Path) -> None:
    jobs = Jobs(database, "Europe/Berlin")
    files = Files(database, Folder(folder / "files"), folder / "incoming", compute=jobs.compute)
    try:
        upload = await files.receive("a.jpg", samples.jpeg(640, 320))
        assert (upload.width, upload.height) == (640, 320)
        with pytest.raises(Refused, match="cannot be read"):
            await files.receive("a.jpg", samples.jpeg()[:150])

        # A picture that ends the process which reads it is refused like one that cannot be read.
        async def dies(function: Any, /, *arguments: Any, timeout: float) -> Any:
            return await jobs.compute(os.abort, timeout=timeout)

        files = Files(database, Folder(folder / "files"), folder / "incoming", compute=dies)
        with pytest.raises(Refused) as refused:
            await files.receive("a.jpg", samples.jpeg())
        assert refused.value.reason == "content"
    finally:
        await jobs.close()
    assert list((folder / "incoming").iterdir()) == []


async def test_more_at_once_than_is_good(files: Files) -> None:
    gate = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield samples.PDF
        await gate.wait()

    waiting = [asyncio.create_task(files.receive("a.pdf", slow())) for _ in range(32)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await files.receive("b.pdf", samples.PDF)
    gate.set()
    assert len(await asyncio.gather(*waiting)) == 32
    await files.receive("b.pdf", samples.PDF)
