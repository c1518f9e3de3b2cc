"""The folder of files, where things lie in more than one file system."""

from __future__ import annotations

import tempfile
from pathlib import Path
from uuid import uuid4

import pytest

from rhinecloud.files.storage import Folder

SHARED = Path("/dev/shm")
DISK = Path(__file__).parent


@pytest.mark.skipif(
    not SHARED.is_dir() or SHARED.stat().st_dev == DISK.stat().st_dev, reason="needs a second file system"
)
async def test_what_was_made_in_another_file_system_is_taken_over() -> None:
    with tempfile.TemporaryDirectory(dir=SHARED) as there, tempfile.TemporaryDirectory(dir=DISK) as here:
        for made, kept in ((there, here), (here, there)):
            source, folder, file_id = Path(made) / "copy.zip", Folder(Path(kept) / "files"), uuid4()
            source.write_bytes(b"all of it")
            await folder.put(file_id, source)
            with folder.open(file_id) as content:
                assert content.read() == b"all of it"
            assert [stored.id for stored in folder.listing()] == [file_id]
            assert [path.name for path in folder.path.iterdir()] == [file_id.hex[:2]]  # nothing is left over
