"""Files are in the backup, and back after a restore: from a folder and from object storage, into either."""

from __future__ import annotations

import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest

from rhinecloud.files import File, Files
from rhinecloud.files.files import Storage
from rhinecloud.files.s3 import Bucket
from rhinecloud.files.storage import Folder
from rhinecloud.store import Database
from tests.conftest import Serve, Server
from tests.engines.test_backup import rhinecloud
from tests.engines.test_supervision import embedded, eventually

from . import samples
from .object_storage import ObjectStorage

Keep = Callable[[Server, Storage, int], Awaitable[list[File]]]


async def keep(server: Server, storage: Storage, count: int) -> list[File]:
    """Some files in a served city, one of them removed."""
    database = await Database.open(server.database_url, migrate=False)
    files = Files(database, storage, server.data / "files" / "incoming")
    made = []
    for n in range(count + 1):
        upload = await files.receive(f"{n}.pdf", samples.PDF + b"%% %d" % n)
        async with database.transaction() as connection:
            made.append(await files.keep(connection, upload, app="defects", subject="urn:x:1", actor="p1"))
    async with database.transaction() as connection:
        await files.remove(connection, made[0].id)
    await database.close()
    return made


async def read(server: Server, storage: Storage) -> dict[str, bytes]:
    database = await Database.open(server.database_url, migrate=False)
    files = Files(database, storage, server.data / "files" / "incoming")
    found = {file.name: await files.content(file) for file in await files.of("defects", "urn:x:1")}
    await database.close()
    return found


def expected(count: int) -> dict[str, bytes]:
    return {f"{n}.pdf": samples.PDF + b"%% %d" % n for n in range(1, count + 1)}


@embedded
async def test_there_and_back(serve: Serve, data_folder: Path) -> None:
    source = serve()
    made = await keep(source, Folder(source.data / "files"), 3)
    backup = data_folder.parent / "backup.tar"
    assert "4 files" in rhinecloud("backup", backup, "--data", source.data)  # the removed one's content too
    with tarfile.open(backup) as tar:
        names = tar.getnames()
    assert names[:3] == ["manifest.json", "roles.json", "database.dump"] and names[-1] == "files.sha256"
    assert set(names[3:-1]) == {f"files/{file.id.hex}" for file in made}

    target = serve()
    rhinecloud("restore", backup, "--data", target.data)
    eventually(lambda: "is back after" in target.output)
    storage = Folder(target.data / "files")
    assert await read(target, storage) == expected(3)
    assert "3 files" in rhinecloud("files", "check", "--data", target.data)

    # What came later is gone after another restore: the files as well as their rows.
    await keep(target, storage, 2)
    assert len(list(storage.listing())) == 7
    rhinecloud("restore", backup, "--data", target.data, "--force")
    assert {stored.id for stored in storage.listing()} == {file.id for file in made}

    # Missing, damaged, and named by nobody: all three are told.
    storage.remove(made[1].id)
    (storage.path / made[2].id.hex[:2] / made[2].id.hex).write_bytes(b"something else")
    with (source.data / "files" / made[3].id.hex[:2] / made[3].id.hex).open("rb") as content:
        storage.take(UUID(int=7), content)
    told = rhinecloud("files", "check", "--data", target.data, code=1)
    assert "2 of them missing or damaged" in told and "1 contents that nobody names" in told
    assert f"{made[1].id.hex} is missing: defects / urn:x:1 / 1.pdf" in told
    assert f"{made[2].id.hex} is damaged" in told
    rhinecloud("files", "check", "--remove-unnamed", "--data", target.data, code=1)
    assert len(list(storage.listing())) == 3


@embedded
async def test_a_backup_with_a_damaged_file_changes_nothing(serve: Serve, data_folder: Path) -> None:
    source = serve()
    await keep(source, Folder(source.data / "files"), 2)
    backup = data_folder.parent / "backup.tar"
    rhinecloud("backup", backup, "--data", source.data)
    content = backup.read_bytes()
    place = content.index(b"%PDF")
    backup.write_bytes(content[:place] + b"?" + content[place + 1 :])
    target = serve()
    assert "damaged: its files" in rhinecloud("restore", backup, "--data", target.data, code=1)
    assert list(Folder(target.data / "files").listing()) == []
    assert await read(target, Folder(target.data / "files")) == {}


@embedded
async def test_without_files(serve: Serve, data_folder: Path) -> None:
    source = serve()
    made = await keep(source, Folder(source.data / "files"), 1)
    backup = data_folder.parent / "backup.tar"
    assert "without files" in rhinecloud("backup", backup, "--without-files", "--data", source.data)
    # Nothing is taken away from a storage that is backed up by itself.
    assert "The backup has no files" in rhinecloud("restore", backup, "--data", source.data, "--force")
    assert {stored.id for stored in Folder(source.data / "files").listing()} == {file.id for file in made}


@embedded
async def test_from_object_storage_into_a_folder(
    serve: Serve, data_folder: Path, object_storage: ObjectStorage
) -> None:
    url = object_storage.url(prefix=data_folder.parent.name)
    source = serve(f"--files-url={url}")
    made = await keep(source, Bucket(url), 2)
    backup = data_folder.parent / "backup.tar"
    assert "3 files" in rhinecloud("backup", backup, "--data", source.data, "--files-url", url)
    target = serve()
    rhinecloud("restore", backup, "--data", target.data)
    assert await read(target, Folder(target.data / "files")) == expected(2)

    # And back into a bucket, where what others put is left alone.
    other = object_storage.url(prefix=f"{data_folder.parent.name}-other")
    with (target.data / "files" / made[0].id.hex[:2] / made[0].id.hex).open("rb") as content:
        Bucket(other).take(UUID(int=7), content)
    rhinecloud("restore", backup, "--data", target.data, "--files-url", other, "--force")
    assert await read(target, Bucket(other)) == expected(2)
    assert len(list(Bucket(other).listing())) == 4


def test_a_storage_that_does_not_answer(data_folder: Path, database_url: str) -> None:
    url = "s3://k:s@bucket?endpoint=http://127.0.0.1:1"
    told = rhinecloud(
        "backup", data_folder.parent / "b.tar", "--database-url", database_url, "--files-url", url, code=1
    )
    assert "cannot be reached" in told and "k:s" not in told
    assert not (data_folder.parent / "b.tar").exists()


@pytest.mark.parametrize("flag", ["https://bucket", "s3://"])
def test_a_wrong_address(data_folder: Path, database_url: str, flag: str) -> None:
    told = rhinecloud("files", "check", "--database-url", database_url, "--files-url", flag, code=1)
    assert "s3://bucket/prefix" in told
