"""A backup is proven by restoring it into an empty installation."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import Serve, Server
from tests.engines.test_supervision import embedded, eventually


def rhinecloud(*arguments: object, code: int = 0) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "rhinecloud.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


CONTENT = (
    "CREATE ROLE lamp_reader NOLOGIN",
    "CREATE SCHEMA lighting",
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE TABLE lighting.lamp (id text PRIMARY KEY, note text)",
    "CREATE INDEX ON lighting.lamp USING gin (note gin_trgm_ops)",
    "INSERT INTO lighting.lamp SELECT 'lamp ' || n, 'Größe ' || n FROM generate_series(1, 1000) n",
    "GRANT USAGE ON SCHEMA lighting TO lamp_reader",
    "GRANT SELECT ON lighting.lamp TO lamp_reader",
)
FINGERPRINT = "SELECT md5(string_agg(id || note, ',' ORDER BY id)) FROM lighting.lamp"


@embedded
@pytest.mark.parametrize("while_serving", [True, False], ids=["serving", "stopped"])
async def test_backup_and_restore_into_an_empty_installation(
    serve: Serve, data_folder: Path, while_serving: bool
) -> None:
    source = serve()
    await execute(source.database_url, *CONTENT)
    fingerprint = await value(source.database_url, FINGERPRINT)
    epoch = await value(source.database_url, "SELECT max(epoch) FROM rhinecloud.bus_epoch")
    file = data_folder.parent / "backup.tar"
    if not while_serving:
        source.stop()
    rhinecloud("backup", file, "--data", source.data)
    assert file.stat().st_mode & 0o077 == 0
    with tarfile.open(file) as tar:
        assert tar.getnames() == ["manifest.json", "roles.json", "database.dump"]

    target = serve() if while_serving else None
    folder = target.data if target else data_folder
    printed = rhinecloud("restore", file, "--data", folder)
    assert "Restored the state of" in printed
    if target is not None:
        eventually(lambda: "Restarting the workers" in target.output)
        eventually(lambda: "is back after" in target.output)
    else:
        target = serve(data=folder)
    assert await value(target.database_url, FINGERPRINT) == fingerprint
    assert await value(target.database_url, "SELECT max(epoch) FROM rhinecloud.bus_epoch") > epoch
    assert await value(
        target.database_url, "SELECT has_table_privilege('lamp_reader', 'lighting.lamp', 'SELECT')"
    )

    # Not over what is there, unless one insists; and then nothing of before remains.
    assert "not empty" in rhinecloud("restore", file, "--data", folder, code=1)
    await execute(
        target.database_url,
        "DELETE FROM lighting.lamp",
        "CREATE SCHEMA later",
        "CREATE TABLE later.t (n int)",
    )
    rhinecloud("restore", file, "--data", folder, "--force")
    assert await value(target.database_url, FINGERPRINT) == fingerprint
    assert await value(target.database_url, "SELECT to_regnamespace('later') IS NULL")


@embedded
async def test_a_damaged_backup_changes_nothing(server: Server, data_folder: Path) -> None:
    await execute(server.database_url, "CREATE SCHEMA a", "CREATE TABLE a.t AS SELECT 7 AS n")
    file = data_folder.parent / "backup.tar"
    rhinecloud("backup", file, "--data", server.data)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    assert "damaged" in rhinecloud("restore", file, "--data", server.data, "--force", code=1)
    assert await value(server.database_url, "SELECT n FROM a.t") == 7

    file.write_bytes(b"something else")
    assert "is not a backup" in rhinecloud("restore", file, "--data", server.data, "--force", code=1)


async def test_an_external_database_is_backed_up_and_restored(database_url: str, data_folder: Path) -> None:
    file = data_folder.parent / "backup.tar"
    os.environ.pop("PGAPPNAME", None)
    await execute(
        database_url,
        "CREATE SCHEMA parks",
        "CREATE TABLE parks.tree AS SELECT n FROM generate_series(1, 50) n",
        # Without the superuser: an extension that an application may install itself.
        "CREATE EXTENSION IF NOT EXISTS btree_gist",
    )
    rhinecloud("backup", file, "--database-url", database_url)
    await execute(database_url, "DROP SCHEMA parks CASCADE")
    printed = rhinecloud("restore", file, "--database-url", database_url)
    assert "Restart the processes" in printed
    assert await value(database_url, "SELECT count(*) FROM parks.tree") == 50


async def test_what_an_apps_migration_brought_is_no_content(database_url: str, data_folder: Path) -> None:
    file = data_folder.parent / "backup.tar"
    rhinecloud("backup", file, "--database-url", database_url)
    await execute(
        database_url,
        "CREATE SCHEMA app_bees; CREATE TABLE app_bees.migration AS SELECT '0001' AS name; "
        "CREATE TABLE app_bees.kind AS SELECT 'carnica' AS name",
    )
    rhinecloud("restore", file, "--database-url", database_url)

    # What somebody wrote is.
    await execute(
        database_url,
        "CREATE SCHEMA app_bees; CREATE TABLE app_bees.migration AS SELECT '0001' AS name; "
        "CREATE TABLE app_bees.kind AS SELECT 'carnica' AS name",
        "UPDATE app_bees.kind SET name = 'buckfast'",
    )
    assert "rows in app_bees.kind" in rhinecloud("restore", file, "--database-url", database_url, code=1)

    # And so is what a restore brought, the migrations among it, although one transaction wrote it all.
    rhinecloud("backup", file, "--database-url", database_url)
    rhinecloud("restore", file, "--database-url", database_url, "--force")
    assert "rows in app_bees.kind" in rhinecloud("restore", file, "--database-url", database_url, code=1)
