"""Backups that are made by themselves: in a folder and in a bucket, seen in operation, proven by a restore."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from rhinecloud.backups import Kept, shelf_of
from rhinecloud.backups.backups import cron, every, told
from rhinecloud.backups.examination import examine_backups
from rhinecloud.backups.making import make, prune
from rhinecloud.backups.shelves import name_of
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.sealing import new_key
from rhinecloud.files import StorageUnavailable
from rhinecloud.jobs.schedule import check
from rhinecloud.settings import Settings, SettingsError, load
from tests.conftest import Serve, new_folder
from tests.engines.test_backup import execute, rhinecloud, value
from tests.engines.test_supervision import embedded, eventually
from tests.files.object_storage import ObjectStorage, object_storage  # noqa: F401  # pytest finds fixtures here

PRIVATE, PUBLIC = new_key()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The private key, as an administrator keeps it."""
    path = tmp_path / "key.txt"
    path.write_text(f"# kept elsewhere\n{PRIVATE}\n")
    return path


def test_when_backups_are_due() -> None:
    assert cron("24h") == "30 2 * * *"
    assert cron("6h") == "30 2,8,14,20 * * *"
    assert cron("15m") == "*/15 * * * *"
    for text in ("15m", "30m", "1h", "2h", "3h", "4h", "6h", "8h", "12h", "24h"):
        check(cron(text))
        assert every(Settings(backup_every=text)) is not None
    assert every(Settings()) is None


def test_settings_that_cannot_work_are_told() -> None:
    flags = {"backup_every": "24h", "backup_to": "/backups", "backup_recipient": PUBLIC}
    assert load(flags, environ={}).backup_every == "24h"
    for changed, words in (
        ({"backup_to": None}, "backup_to"),
        ({"backup_recipient": None}, "backup-key create"),
        ({"backup_recipient": PRIVATE}, "private key"),
        ({"backup_keep": "7 days"}, "7 daily 4 weekly"),
        ({"backup_every": "1d"}, "backup-every"),
    ):
        with pytest.raises(SettingsError, match=words):
            load({**flags, **changed}, environ={})


def test_what_is_late() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert told([], timedelta(hours=24), now)["late"] == 1
    one = [Kept(now - timedelta(hours=35), "x", 7)]
    assert told(one, timedelta(hours=24), now) == {
        "newest": "2026-11-22T01:00:00Z",
        "age_seconds": 126_000,
        "late": 0,
        "count": 1,
        "bytes": 7,
    }
    assert told(one, timedelta(hours=12), now)["late"] == 1


async def _made_pruned_and_fetched(settings: Settings, database_url: str, key: Path, folder: Path) -> None:
    shelf = shelf_of(settings)
    assert shelf is not None
    old = [datetime(2026, 1, day, 1, 30, tzinfo=UTC) for day in (1, 2, 3)]
    for at in old:
        source = folder / "old"
        source.write_bytes(b"of another day")
        shelf.put(name_of(at), source)
    await execute(
        database_url, "CREATE SCHEMA parks", "CREATE TABLE parks.tree AS SELECT generate_series(1, 50) n"
    )
    said: list[str] = []
    name = await asyncio.to_thread(make, settings, database_url, said.append)
    # The newest and, as the settings say, the newest of two days.
    assert [one.name for one in shelf.kept()] == [name, name_of(old[2])]
    assert "SECRET" not in shelf.place
    level, words = await examine_backups(settings)
    assert level == "good" and "2 backups" in words and "0 minutes" in words
    copy = folder / name
    await _listed_and_fetched(settings, name, copy)
    assert b"parks" not in copy.read_bytes()
    printed = await asyncio.to_thread(rhinecloud, "backup", "verify", copy, "--key", key)
    assert "50  parks.tree" in printed
    assert not list((settings.data / "scratch").iterdir())


def _seen_by_its_owner_only(file: Path) -> int:
    status = file.stat()
    assert status.st_mode & 0o077 == 0
    return status.st_size


async def _listed_and_fetched(settings: Settings, name: str, copy: Path) -> None:
    def command(action: str, *arguments: object, code: int = 0) -> str:
        return rhinecloud("backup", action, *arguments, "--backup-to", settings.backup_to, code=code)

    printed = await asyncio.to_thread(command, "list")
    assert printed.index(name) < printed.index("rhinecloud-20260103") and "2 backups in" in printed
    assert "very/secret" not in printed and "very%2Fsecret" not in printed
    listed = json.loads(await asyncio.to_thread(command, "list", "--json"))
    printed = await asyncio.to_thread(command, "fetch", "newest", "--to", copy)
    assert _seen_by_its_owner_only(copy) == listed[0]["size"]
    assert "is there already" in await asyncio.to_thread(command, "fetch", name, "--to", copy, code=1)
    other = copy.with_name("other")
    assert "no backup x in" in await asyncio.to_thread(command, "fetch", "x", "--to", other, code=1)
    await asyncio.to_thread(command, "fetch", listed[1]["name"], "--to", other)
    assert other.read_bytes() == b"of another day"


async def test_in_a_folder(database_url: str, data_folder: Path, key: Path, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    settings = Settings(
        data=data_folder,
        database_url=database_url,
        backup_every="24h",
        backup_to=str(place),
        backup_keep="2 daily",
        backup_recipient=PUBLIC,
    )
    with pytest.raises(StorageUnavailable, match="No such file"):
        make(settings, database_url, print)
    assert (await examine_backups(settings))[0] == "wrong"
    place.mkdir()
    (place / "someone-elses.txt").write_text("stays")
    await _made_pruned_and_fetched(settings, database_url, key, tmp_path)
    assert (place / "someone-elses.txt").exists()
    assert all(file.stat().st_mode & 0o077 == 0 for file in place.glob("rhinecloud-*"))
    assert prune(shelf_of(settings), settings) == []  # type: ignore[arg-type]


async def test_in_a_bucket(
    database_url: str,
    data_folder: Path,
    key: Path,
    tmp_path: Path,
    object_storage: ObjectStorage,  # noqa: F811
) -> None:
    settings = Settings(
        data=data_folder,
        database_url=database_url,
        backup_every="24h",
        backup_to=object_storage.url(prefix="backups"),
        backup_keep="2 daily",
        backup_recipient=PUBLIC,
    )
    await _made_pruned_and_fetched(settings, database_url, key, tmp_path)


@embedded
async def test_a_city_makes_its_first_backup_and_is_back_from_it_elsewhere(
    serve: Serve, data_folder: Path, key: Path, tmp_path: Path
) -> None:
    place = new_folder("rhinecloud-backups-")
    flags = (
        "--backup-every=24h",
        f"--backup-to={place}",
        f"--backup-recipient={PUBLIC}",
        "--workers=2",
    )
    source = serve(*flags)
    eventually(lambda: len(list(place.glob("rhinecloud-*.tar.age"))) == 1)
    lamp = {
        "id": "urn:ngsi-ld:Streetlight:1",
        "type": "Streetlight",
        "powerState": {"type": "Property", "value": "on"},
    }
    async with httpx.AsyncClient(base_url=source.base_url, timeout=30) as client:
        assert (await client.post("/ngsi-ld/v1/entities", json=lamp)).status_code == 201
        for _ in range(300):
            page = (await client.get("/health", headers={"Accept-Language": "de"})).text
            if "Alter der neuesten" in page and str(place) in page:
                break
            await asyncio.sleep(0.2)
        else:
            raise AssertionError(page)
    # One backup, though two workers began; and the job is done.
    waiting = "SELECT count(*) FROM tenant_city.pgqueuer WHERE entrypoint = 'backups.make'"
    while await value(source.database_url, waiting):
        await asyncio.sleep(0.1)
    assert len(list(place.glob("rhinecloud-*"))) == 1
    rhinecloud("check", "--data", source.data, *flags[:3])

    # What came after it is asked for by hand, encrypted as well.
    file = tmp_path / "city.tar.age"
    rhinecloud("backup", file, "--data", source.data, f"--backup-recipient={PUBLIC}")
    source.kill()
    stranger = tmp_path / "stranger.txt"
    stranger.write_text(new_key()[0])
    for arguments, words in (
        ((), "--key"),
        (("--key", stranger), "for another key"),
    ):
        assert words in rhinecloud("restore", file, "--data", data_folder, *arguments, code=1)
    whole = file.read_bytes()
    damaged = tmp_path / "damaged.tar.age"
    damaged.write_bytes(whole[: len(whole) // 2])
    assert "cut off" in rhinecloud("restore", damaged, "--data", data_folder, "--key", key, code=1)
    rhinecloud("restore", file, "--data", data_folder, "--key", key)
    assert "not empty" in rhinecloud("restore", file, "--data", data_folder, "--key", key, code=1)
    target = serve(data=data_folder)
    async with httpx.AsyncClient(base_url=target.base_url, timeout=30) as client:
        found = await client.get(f"/ngsi-ld/v1/entities/{lamp['id']}", params={"options": "keyValues"})
        assert found.json().get("powerState") == "on", found.text


async def test_a_backup_that_lacks_rows_is_not_proven(database_url: str, tmp_path: Path) -> None:
    file, short = tmp_path / "city.tar", tmp_path / "short.tar"
    await execute(
        database_url, "CREATE SCHEMA parks", "CREATE TABLE parks.tree AS SELECT generate_series(1, 50) n"
    )
    await asyncio.to_thread(rhinecloud, "backup", file, "--database-url", database_url)
    with tarfile.open(file) as tar, tarfile.open(short, "w") as written:
        for entry in tar:
            content = tar.extractfile(entry)
            assert content is not None
            data = content.read()
            if entry.name == "manifest.json":
                data = data.replace(b'"parks.tree": 50', b'"parks.tree": 51')
            entry.size = len(data)
            written.addfile(entry, io.BytesIO(data))
    printed = await asyncio.to_thread(rhinecloud, "backup", "verify", short, code=1)
    assert "parks.tree: 51 rows were written, 50 are there" in printed
    cut = tmp_path / "cut.tar"
    cut.write_bytes(file.read_bytes()[:20_000])
    assert "cut off" in await asyncio.to_thread(rhinecloud, "backup", "verify", cut, code=1)


def test_no_place_is_told(tmp_path: Path) -> None:
    assert "--backup-to" in rhinecloud("backup", "list", code=1)
    assert "cannot be seen" in rhinecloud("backup", "list", "--backup-to", tmp_path / "x", code=1)
    with pytest.raises(EngineError, match="backup_to"):
        make(Settings(), "postgresql://nowhere", print)
