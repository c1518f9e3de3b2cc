"""Two versions of an app side by side: the new one adds before it serves, and takes away when no old one is left."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from ..conftest import Serve, Server, new_folder
from .installing import install

OWN = {"Sec-Fetch-Site": "same-origin"}
OLD = {"0002_old.sql": "CREATE TABLE old_only (x int); INSERT INTO old_only VALUES (1);"}
NEW = OLD | {
    "0003_new.sql": "CREATE TABLE new_only (x int);",
    "0004_less.post.sql": "INSERT INTO new_only SELECT x FROM old_only; DROP TABLE old_only;",
}
SERVING = "SELECT worker, cardinality(knows), seen_at FROM app_lanterns.serving"


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    made = new_folder(), new_folder()
    for folder in made:
        folder.chmod(0o755)
    yield made
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def rows(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def until(condition: Callable[[], Any]) -> None:
    """Until an awaited condition holds (the test's own patience bounds it)."""
    while not await condition():
        await asyncio.sleep(0.05)


async def light(server: Server, level: int) -> int:
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=60) as city:
        answer = await city.post("/api/lanterns/light", json={"number": 3, "level": level})
        assert answer.status_code == 200, answer.text
        return int((await city.get("/api/lanterns/read")).json()[2])


async def test_what_the_old_version_needs_goes_when_none_of_it_is_left(
    serve: Serve, database_url: str, rows: asyncpg.Connection, folders: tuple[Path, Path]
) -> None:
    on = {"RHINECLOUD_DATABASE_URL": database_url, "RHINECLOUD_DATABASE_CONNECTIONS": "40"}
    old = serve("--workers=1", environ=install(folders[0], "1", OLD) | on)
    assert await light(old, 1) == 3
    assert await there(rows) == (True, False)
    new = serve("--workers=1", environ=install(folders[1], "2", NEW) | on)
    assert await there(rows) == (True, True)  # what adds has run before it said that it is ready

    async def new_beats() -> set[Any]:
        return {seen_at for _, knows, seen_at in await rows.fetch(SERVING) if knows == 1}

    beats: set[Any] = set()

    async def beaten_thrice() -> bool:
        beats.update(await new_beats())
        return len(beats) >= 3

    await until(beaten_thrice)  # so it has tried twice at least
    assert await there(rows) == (True, True)
    assert [await light(server, 2) for server in (old, new)] == [6, 6]

    # One that is killed says nothing of its end: it is waited for until it has given no sign of life for long.
    (worker,) = [worker for worker, knows, _ in await rows.fetch(SERVING) if knows == 0]
    old.process.send_signal(signal.SIGKILL)
    old.process.wait(10)
    beats.clear()
    await until(beaten_thrice)
    assert await there(rows) == (True, True)
    silence = "UPDATE app_lanterns.serving SET seen_at = now() - interval '4 minutes' WHERE worker = $1"
    await rows.execute(silence, worker)

    async def taken_away() -> bool:
        return await there(rows) == (False, True)

    await until(taken_away)
    assert await rows.fetchval("SELECT x FROM app_lanterns.new_only") == 1
    assert await light(new, 3) == 9
    assert new.stop() == 0
    assert await rows.fetchval("SELECT count(*) FROM app_lanterns.serving WHERE worker <> $1", worker) == 0


async def test_an_old_version_that_ends_leaves_at_once(
    serve: Serve, database_url: str, rows: asyncpg.Connection, folders: tuple[Path, Path]
) -> None:
    on = {"RHINECLOUD_DATABASE_URL": database_url, "RHINECLOUD_DATABASE_CONNECTIONS": "40"}
    old = serve("--workers=1", environ=install(folders[0], "1", OLD) | on)
    serve("--workers=1", environ=install(folders[1], "2", NEW) | on)
    assert await there(rows) == (True, True)
    assert old.stop() == 0

    async def taken_away() -> bool:
        return await there(rows) == (False, True)

    await until(taken_away)


async def there(rows: asyncpg.Connection) -> tuple[bool, bool]:
    """Whether there are the tables of the old and of the new version."""
    names = ("app_lanterns.old_only", "app_lanterns.new_only")
    return tuple([await rows.fetchval("SELECT to_regclass($1) IS NOT NULL", name) for name in names])
