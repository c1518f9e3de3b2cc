"""Bring data that an older PostgreSQL wrote to the installed major version: dump, load, exchange the folders.

The old programs are those kept in the data folder. The old data stay beside the new ones until someone
removes them.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from rhinecloud.engines import binaries
from rhinecloud.engines.access import PSQL, Access, running
from rhinecloud.engines.account import EngineError, run
from rhinecloud.engines.backup import Progress, create_roles, roles_in_use
from rhinecloud.engines.child import Say
from rhinecloud.engines.folder import DataFolder
from rhinecloud.engines.postgresql import PostgreSQL, create, data_major, finish_upgrade

_OLD_SOCKET = 5433


def upgrade(folder: DataFolder, say: Say, old_programs: Path | None = None) -> Path | None:
    """Upgrade an opened folder; where the old data are now, or None if there was nothing to do."""
    finish_upgrade(folder)
    found = data_major(folder.postgresql)
    wheel = int(binaries.wheel_postgresql_version().split(".")[0])
    if found is None or found == wheel:
        return None
    if found > wheel:
        raise EngineError(f"The data are of PostgreSQL {found}, newer than the installed {wheel}.")
    old_program = binaries.kept_postgresql(folder.programs, found)
    if old_programs is not None:
        old_program = _program(old_programs)
    if old_program is None or old_program.major != found:
        raise EngineError(
            f"PostgreSQL {found} is needed to read its data, and {folder.programs} does not have it. "
            f"Install it and name its programs, for example: --old-programs /usr/lib/postgresql/{found}/bin"
        )
    new_program = binaries.postgresql(folder.programs)
    fresh = folder.path / "postgresql.fresh"
    for remains in (fresh, folder.upgraded):
        shutil.rmtree(remains, ignore_errors=True)
    say(f"Moving the data from PostgreSQL {found} to {wheel} …")
    create(new_program, folder, fresh)
    old = PostgreSQL(folder, say, program=old_program, socket_number=_OLD_SOCKET)
    new = PostgreSQL(folder, say, data=fresh, program=new_program)
    with running(old), running(new):
        _copy(Access(old.url, new_program.bin), Access(new.url, new_program.bin), say)
    fresh.rename(folder.upgraded)
    kept = folder.path / f"postgresql-{found}.old"
    shutil.rmtree(kept, ignore_errors=True)
    folder.postgresql.rename(kept)
    finish_upgrade(folder)
    return kept


def _program(folder: Path) -> binaries.Program:
    version = run([folder / "postgres", "--version"]).split()[2]
    return binaries.Program(version, folder)


def _copy(old: Access, new: Access, say: Say) -> None:
    create_roles(new, roles_in_use(old))
    reader = old.start("pg_dump", "--no-comments", "--no-owner", f"--dbname={old.url}")
    writer = new.start(
        "psql",
        *PSQL,
        "--single-transaction",
        "-f",
        "-",
        new.url,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert reader.stdout is not None and writer.stdin is not None
    progress = Progress(say, "Moving")
    try:
        while block := reader.stdout.read(1 << 16):
            writer.stdin.write(block)
            progress.add(len(block))
        _, complaint = reader.communicate()
        if reader.returncode != 0:
            writer.kill()  # no commit of a half
            raise EngineError(f"The old data cannot be read: {complaint.decode(errors='replace').strip()}")
    except BrokenPipeError:
        reader.kill()
        reader.communicate()
    _, complaint = writer.communicate()
    if writer.returncode != 0:
        raise EngineError(
            f"The new PostgreSQL refused the data: {complaint.decode(errors='replace').strip()}"
        )
    new.sql("ANALYZE")
