"""Files on a real PostgreSQL, in a folder and in a real S3-compatible server."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from rhinecloud.files import Files, Storage
from rhinecloud.files.s3 import Bucket
from rhinecloud.files.storage import Folder
from rhinecloud.store import Database
from tests.conftest import new_folder

from .object_storage import ObjectStorage, object_storage  # noqa: F401  # pytest finds fixtures here


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder."""
    made = new_folder()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of its own."""
    made = await Database.open(database_url)
    yield made
    await made.close()


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, folder: Path) -> Storage:
    """Each kind of storage, empty."""
    if request.param == "folder":
        return Folder(folder / "files")
    server: ObjectStorage = request.getfixturevalue("object_storage")
    return Bucket(server.url(prefix=f"tests/{folder.name}"))


@pytest.fixture
def files(database: Database, storage: Storage, folder: Path) -> Files:
    """Files in each kind of storage."""
    return Files(database, storage, folder / "incoming", max_bytes=2_000_000)
