"""Data that an older major version of PostgreSQL wrote move to the installed one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rhinecloud.engines import binaries
from rhinecloud.engines.access import running
from rhinecloud.engines.folder import DataFolder
from rhinecloud.engines.postgresql import PostgreSQL, create
from tests.conftest import Serve, quiet
from tests.engines.test_backup import CONTENT, FINGERPRINT, execute, rhinecloud, value
from tests.engines.test_supervision import embedded

OLD = Path("/usr/lib/postgresql/15/bin")
pytestmark = [
    embedded,
    pytest.mark.skipif(not OLD.exists(), reason="needs an older PostgreSQL: apt-get install postgresql-15"),
]


@pytest.fixture
async def old_installation(data_folder: Path) -> Path:
    """An installation that PostgreSQL 15 made and served; its programs are not kept in the folder."""
    folder = DataFolder(data_folder)
    folder.open()
    program = binaries.Program("15.0", OLD)
    create(program, folder, folder.postgresql, ("--locale=C", "--encoding=UTF8"))
    with running(PostgreSQL(folder, quiet, program=program)) as server:
        await execute(server.url, *CONTENT)
    folder.close()
    return data_folder


def keep_programs(data: Path) -> None:
    """What a start with the older wheel would have left in the folder."""
    kept = data / "engines" / "postgresql-15.0"
    kept.mkdir(parents=True)
    (kept / "bin").symlink_to(OLD)


async def test_upgrade_by_the_documented_command(serve: Serve, old_installation: Path) -> None:
    refused = serve(data=old_installation, wait=False)
    assert refused.process.wait(20) == 1
    assert "rhinecloud upgrade --old-programs" in refused.output
    assert "rhinecloud upgrade" in rhinecloud("check", "--data", old_installation, code=1)

    printed = rhinecloud("upgrade", "--data", old_installation, "--old-programs", OLD)
    assert "postgresql-15.old" in printed
    server = serve(data=old_installation)
    assert str(await value(server.database_url, "SHOW server_version")).startswith("18")
    assert await value(server.database_url, "SELECT count(*) FROM lighting.lamp") == 1000
    assert await value(server.database_url, FINGERPRINT)
    assert await value(
        server.database_url, "SELECT has_table_privilege('lamp_reader', 'lighting.lamp', 'SELECT')"
    )
    locale = "SELECT datlocale FROM pg_database WHERE datname = current_database()"
    assert await value(server.database_url, locale) == "C.UTF-8"
    server.stop()
    assert "Nothing to do" in rhinecloud("upgrade", "--data", old_installation)


async def test_the_kept_programs_serve_until_the_upgrade(serve: Serve, old_installation: Path) -> None:
    keep_programs(old_installation)
    server = serve(data=old_installation)
    assert "run on its kept programs" in server.output
    assert str(await value(server.database_url, "SHOW server_version")).startswith("15")
    assert "is in use" in rhinecloud("upgrade", "--data", old_installation, code=1)
    server.stop()
    rhinecloud("upgrade", "--data", old_installation)
    server = serve(data=old_installation)
    assert await value(server.database_url, "SELECT count(*) FROM lighting.lamp") == 1000


async def test_an_upgrade_cut_off_before_its_last_step_is_finished_by_the_next_start(
    serve: Serve, old_installation: Path
) -> None:
    rhinecloud("upgrade", "--data", old_installation, "--old-programs", OLD)
    (old_installation / "postgresql").rename(old_installation / "postgresql.upgraded")
    server = serve(data=old_installation)
    assert "Creating the database" not in server.output
    assert await value(server.database_url, "SELECT count(*) FROM lighting.lamp") == 1000


async def test_a_failing_upgrade_leaves_the_old_data_alone(old_installation: Path) -> None:
    (old_installation / "engines" / "postgresql-18.6.3").mkdir(parents=True, exist_ok=True)
    rhinecloud("upgrade", "--data", old_installation, "--old-programs", OLD, code=1)
    assert (old_installation / "postgresql" / "PG_VERSION").read_text().strip() == "15"
    shutil.rmtree(old_installation / "engines" / "postgresql-18.6.3")
    rhinecloud("upgrade", "--data", old_installation, "--old-programs", OLD)
