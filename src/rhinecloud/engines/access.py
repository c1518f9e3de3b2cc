"""The database of an installation for a command from outside, whether it is served now or stopped."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from rhinecloud.engines import binaries
from rhinecloud.engines.account import Account, EngineError, engine_account
from rhinecloud.engines.child import Say
from rhinecloud.engines.folder import DataFolder
from rhinecloud.engines.postgresql import DATABASE, ROLE, PostgreSQL, pid_file
from rhinecloud.settings import Settings


class Access(msgspec.Struct, frozen=True):
    """How to reach the database with PostgreSQL's own programs."""

    url: str
    programs: Path
    account: Account | None = None  # whom to become for it; None: stay who we are
    supervisor: int | None = None  # process id of the one that serves it now

    def start(
        self,
        program: str,
        *arguments: str,
        stdin: IO[bytes] | int | None = subprocess.DEVNULL,
        stdout: IO[bytes] | int | None = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        """Start one of PostgreSQL's programs; its complaints come to `stderr`."""
        switch = self.account if self.account is not None and self.account.switch else None
        return subprocess.Popen(
            [str(self.programs / program), *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PGAPPNAME": "rhinecloud command"},
            user=switch.uid if switch else None,
            group=switch.gid if switch else None,
            extra_groups=[] if switch else None,
        )

    def sql(self, statement: str, variables: Sequence[str] = ()) -> str:
        """Run SQL and return its bare output (fields separated by |). Raises EngineError."""
        options = [part for variable in variables for part in ("-v", variable)]
        process = self.start("psql", *PSQL, *options, "-f", "-", self.url, stdin=subprocess.PIPE)
        printed, complaint = process.communicate(statement.encode())
        if process.returncode != 0:
            raise EngineError(f"The database said: {complaint.decode(errors='replace').strip()}")
        return printed.decode().strip()


PSQL = ("-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1")


@contextmanager
def database(settings: Settings, say: Say) -> Iterator[Access]:
    """The database, external or embedded; the embedded one is started for the time when nobody serves it."""
    if settings.database_url is not None:
        yield Access(settings.database_url, binaries.postgresql_in_wheel().bin)
        return
    folder = DataFolder(settings.data)
    serving = folder.supervisor()
    if serving is not None:
        yield Access(_served_url(folder), binaries.postgresql(folder.programs).bin, _client(folder), serving)
        return
    folder.open()
    try:
        with running(PostgreSQL(folder, say)) as server:
            yield Access(server.url, binaries.postgresql(folder.programs).bin)
    finally:
        folder.close()


@contextmanager
def running(server: PostgreSQL) -> Iterator[PostgreSQL]:
    """A server for the time of a `with`."""
    server.start()
    try:
        while not server.is_ready:
            server.poll()
            time.sleep(0.01)
        yield server
    finally:
        server.request_stop()
        server.wait_stopped(600)


def _client(folder: DataFolder) -> Account | None:
    """PostgreSQL knows its folder's owner and its supervisor's user; root becomes the owner."""
    return engine_account(folder.postgresql) if os.geteuid() == 0 else None


def _served_url(folder: DataFolder) -> str:
    lines = pid_file(folder.postgresql)
    if len(lines) < 8 or lines[7].strip() != "ready":
        raise EngineError("PostgreSQL is just starting or stopping; try again in a moment.")
    if lines[4]:
        return f"postgresql://{ROLE}@/{DATABASE}?host={lines[4]}&port={lines[3]}"
    return f"postgresql://{ROLE}:{folder.secret('postgresql')}@127.0.0.1:{lines[3]}/{DATABASE}"
