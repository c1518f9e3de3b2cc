"""One file with everything: a tar of a manifest, the roles, PostgreSQL's own dump of the whole database, the files.

NATS is not in it: the bus is made again from the database (a restore starts a new epoch).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from rhinecloud.engines import contents as files
from rhinecloud.engines import sealing
from rhinecloud.engines.access import PSQL, Access
from rhinecloud.engines.account import EngineError
from rhinecloud.engines.child import Say
from rhinecloud.engines.contents import Contents
from rhinecloud.engines.moment import snapshot

FORMAT = 2  # 1 has no files
MANIFEST, ROLES, DUMP = "manifest.json", "roles.json", "database.dump"
# Tables that hold something in an installation that was served but never used.
_BOOKKEEPING = (
    *("migration", "position", "watch_gap", "context", "subscription_revision"),
    # Work that the clock asked for. What people asked for is also a row elsewhere.
    *("job_schedule", "pgqueuer", "pgqueuer_log", "pgqueuer_statistics"),
    # Of people: the key of erasures, the link of the first administrator, sign-ins begun. Of apps: who serves.
    *("erasure_key", "link", "challenge", "oidc_request", "serving"),
)


# Rows of an app that none of its migrations brought. Those were written by the transaction that wrote the migration
# down; after a restore one transaction has written everything, the platform's migrations among it.
_SINCE = (
    " WHERE xmin::text NOT IN (SELECT xmin::text FROM {app}.migration "
    "EXCEPT SELECT xmin::text FROM rhinecloud.migration)"
)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says about itself. `time` is the moment whose state it holds; `sha256` is that of the database
    dump; `files` the number of files in it, or None for one without files; `rows` the rows of each table, or None in
    an older backup."""

    format: int
    rhinecloud: str
    time: str
    postgresql: str
    bus_epoch: int | None
    sha256: str
    files: int | None = None
    rows: dict[str, int] | None = None


class Role(msgspec.Struct, frozen=True):
    """A role that owns or may use something in the database, and the roles it is a member of."""

    name: str
    member_of: tuple[str, ...]


def write_backup(
    access: Access,
    target: Path,
    say: Say,
    contents: Contents | None = None,
    *,
    public: Sequence[sealing.Recipient] = (),
    scratch: Path | None = None,
) -> Manifest:
    """Write everything into `target`, with the files of `contents`; it appears when it is complete.

    With `public` keys only the holders of their private ones can read it. The dump lies in `scratch` meanwhile, by
    default beside the target. Raises EngineError.
    """
    fresh = target.with_name(target.name + ".new")
    with tempfile.TemporaryDirectory(dir=scratch or target.parent, prefix=".rhinecloud-") as folder:
        dump = Path(folder) / DUMP
        with snapshot(access) as moment, dump.open("wb") as output:
            process = access.start(
                "pg_dump",
                "--format=custom",
                f"--snapshot={moment.name}",
                f"--dbname={access.url}",
                stdout=output,
            )
            _wait(process, say, "Writing", dump)
            rows = moment.count_rows()
        # Asked after the dump: what the dump names lies there, for what is removed stays for some days.
        names = contents.names() if contents is not None else {}
        manifest = Manifest(
            format=FORMAT if names else 1,
            rhinecloud=importlib.metadata.version("rhinecloud"),
            time=moment.time,
            postgresql=access.sql("SHOW server_version"),
            bus_epoch=bus_epoch(access),
            sha256=_sha256(dump),
            files=len(names) if contents is not None else None,
            rows=rows,
        )
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with (
                sealing.sealed(file, list(public)) if public else contextlib.nullcontext(file) as plain,
                # Written from the beginning to the end, for what is encrypted cannot go back.
                tarfile.open(fileobj=plain, mode="w|" if public else "w") as tar,
            ):
                _add(tar, MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
                _add(tar, ROLES, msgspec.json.encode(roles_in_use(access)))
                tar.add(dump, DUMP)
                if contents is not None and names:
                    _add(tar, files.DIGESTS, files.write(tar, contents, names, Progress(say, "Adding files")))
            file.flush()
            os.fsync(file.fileno())
    fresh.rename(target)
    return manifest


def read_manifest(source: Path, shown: Path | None = None) -> Manifest:
    """The manifest of a backup. EngineError when the file is none, or of a format that is not known."""
    shown = shown or source
    try:
        with tarfile.open(source, "r:") as tar:
            # It comes first, and is looked for no further: what is cut off later is told by who reads on.
            entry = tar.next()
            if entry is None or entry.name != MANIFEST:
                raise KeyError(f"no {MANIFEST}")
            manifest = msgspec.json.decode(_member(tar, MANIFEST, entry).read(), type=Manifest)
    except (OSError, tarfile.TarError, KeyError, msgspec.DecodeError) as error:
        raise EngineError(f"{shown} is not a backup of Rhine Cloud: {error}") from None
    if manifest.format > FORMAT:
        raise EngineError(f"{shown} was made by a newer Rhine Cloud ({manifest.rhinecloud}).")
    return manifest


def restore(
    access: Access,
    source: Path,
    say: Say,
    contents: Contents | None = None,
    *,
    force: bool = False,
    shown: Path | None = None,
) -> Manifest:
    """Replace the database's content by the backup's, in one transaction: all of it, or nothing changes.

    The files are put into `contents` before, so that no row ever names what is not there. `shown` is what the backup is
    called in words, if `source` is a copy. Raises EngineError, also when the installation is not empty and `force` is
    not given.
    """
    shown = shown or source
    manifest = read_manifest(source, shown)
    if not force and (full := first_table_with_rows(access)) is not None:
        raise EngineError(
            f"The installation is not empty (there are rows in {full}). A restore would replace everything; "
            "say --force if you want that."
        )
    before = bus_epoch(access) or 0
    with tempfile.TemporaryDirectory(prefix="rhinecloud-restore-", dir=_roomy(source)) as folder:
        dump = Path(folder) / DUMP
        try:
            with tarfile.open(source, "r:") as tar:
                roles = msgspec.json.decode(_member(tar, ROLES).read(), type=list[Role])
                with dump.open("wb") as file:
                    shutil.copyfileobj(_member(tar, DUMP), file, 1 << 20)
        except (tarfile.TarError, KeyError, msgspec.DecodeError) as error:
            raise EngineError(f"{shown} is damaged: it was changed or cut off ({error}).") from None
        if _sha256(dump) != manifest.sha256:
            raise EngineError(f"{shown} is damaged: its database dump is not what was written.")
        create_roles(access, roles)
        added = _bring_files(source, manifest, contents, say)
        try:
            with dump.open("rb") as file:
                _load(access, file, before, say)
        except BaseException:
            for name in added:
                assert contents is not None
                contents.remove(name)
            raise
    _wake_workers(access)
    return manifest


def _bring_files(source: Path, manifest: Manifest, contents: Contents | None, say: Say) -> list[str]:
    """Store the files of the backup; returns the names of those that were not there before."""
    if not manifest.files or contents is None:
        return []
    names = files.verify(source)
    before = contents.names()
    files.unpack(source, contents, Progress(say, "Restoring files"))
    return [name for name in names if name not in before]


def bus_epoch(access: Access) -> int | None:
    """The current epoch of the bus; None before the first start made the schema."""
    if access.sql("SELECT to_regclass('rhinecloud.bus_epoch') IS NULL") == "t":
        return None
    text = access.sql("SELECT max(epoch) FROM rhinecloud.bus_epoch")
    return int(text) if text else None


def first_table_with_rows(access: Access) -> str | None:
    """A table with content, or None when the installation is as good as new."""
    lines = access.sql(
        "SELECT format('%I.%I', n.nspname, c.relname) || '|' || CASE WHEN n.nspname ~ '^app_' "
        "AND to_regclass(format('%I.migration', n.nspname)) IS NOT NULL "
        "THEN format('%I', n.nspname) ELSE '' END FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname !~ '^pg_' "
        "AND nspname NOT IN ('information_schema', 'rhinecloud') "
        "AND relname NOT IN (" + ", ".join(f"'{name}'" for name in _BOOKKEEPING) + ") "
        # Tables of extensions are not ours.
        "AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e') ORDER BY 1"
    ).splitlines()
    if not lines:
        return None
    named = [line.split("|") for line in lines]
    checks = " UNION ALL ".join(
        f"SELECT $x${name}$x$ WHERE EXISTS (SELECT FROM {name}{_SINCE.format(app=app) if app else ''})"
        for name, app in named
    )
    found = access.sql(checks).splitlines()
    return found[0] if found else None


def roles_in_use(access: Access) -> list[Role]:
    """Roles that the dump will name; PostgreSQL keeps them outside of any database."""
    lines = access.sql(
        "SELECT DISTINCT r.rolname || '|' || coalesce((SELECT string_agg(g.rolname, ',') "
        "FROM pg_auth_members m "
        "JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid AND g.rolname !~ '^pg_'), '') "
        "FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid "
        "WHERE d.refclassid = 'pg_authid'::regclass AND r.rolname !~ '^pg_' "
        "AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ).splitlines()
    pairs = [line.split("|") for line in lines]
    return [Role(name, tuple(filter(None, groups.split(",")))) for name, groups in pairs]


def create_roles(access: Access, roles: list[Role]) -> None:
    """Make the roles that are missing (without sign-in) and let the application become them."""
    for role in roles:
        access.sql(
            "SELECT format('CREATE ROLE %I NOLOGIN', :'role') WHERE NOT EXISTS "
            "(SELECT FROM pg_roles WHERE rolname = :'role') \\gexec\n"
            "SELECT format('GRANT %I TO CURRENT_USER', :'role') "
            "WHERE NOT pg_has_role(current_user, :'role', 'MEMBER') \\gexec\n",
            [f"role={role.name}"],
        )
    for role in roles:
        for group in role.member_of:
            access.sql(
                "SELECT format('GRANT %I TO %I', :'grp', :'role') WHERE EXISTS (SELECT FROM pg_roles WHERE "
                "rolname = :'grp') AND NOT pg_has_role(:'role', :'grp', 'MEMBER') \\gexec\n",
                [f"role={role.name}", f"grp={group}"],
            )


_EMPTY = """\
SET client_min_messages = warning;
BEGIN;
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT nspname FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
    LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP;
    FOR name IN SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' AND pg_has_role(extowner, 'USAGE')
    LOOP EXECUTE format('DROP EXTENSION IF EXISTS %I CASCADE', name); END LOOP;
END $$;
"""

# Seconds since 1970 as a lower bound: even a restore beside a bus that outlived its database gets an epoch
# that was never used.
_NEW_EPOCH = """
RESET ALL;
SET client_min_messages = warning;
DO $$
BEGIN
    IF to_regclass('rhinecloud.bus_epoch') IS NOT NULL THEN
        UPDATE rhinecloud.bus_epoch
            SET epoch = greatest(epoch + 1, %d + 1, extract(epoch FROM now())::bigint);
    END IF;
END $$;
COMMIT;
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND pg_has_role(current_user, usesysid, 'USAGE');
ANALYZE;
"""


def _load(access: Access, dump: IO[bytes], epoch_before: int, say: Say) -> None:
    reader = access.start("pg_restore", "--no-owner", "--no-comments", "--file=-", stdin=dump)
    writer = access.start(
        "psql", *PSQL, "-f", "-", access.url, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert reader.stdout is not None and writer.stdin is not None
    # A setting that only newer servers know must not stop an older one.
    unknown = b"SET transaction_timeout" if int(access.sql("SHOW server_version_num")) < 170000 else None
    progress = Progress(say, "Restoring")
    with contextlib.suppress(BrokenPipeError):  # psql's own words tell why, below
        writer.stdin.write(_EMPTY.encode())
        beginning = True
        while block := reader.stdout.read(1 << 16):
            if beginning and unknown is not None:
                block = block.replace(unknown + b" = 0;", b"")
            beginning = False
            writer.stdin.write(block)
            progress.add(len(block))
        _, complaint = reader.communicate()
        if reader.returncode == 0:
            writer.stdin.write((_NEW_EPOCH % epoch_before).encode())
        else:
            writer.kill()
            raise EngineError(f"The backup cannot be read: {complaint.decode(errors='replace').strip()}")
    reader.stdout.close()
    _, complaint = writer.communicate()
    reader.wait()
    if writer.returncode != 0:
        raise EngineError(
            f"Nothing was restored; the database said: {complaint.decode(errors='replace').strip()}"
        )


def _wake_workers(access: Access) -> None:
    """Workers keep nothing of the former database: their supervisor starts them anew."""
    if access.supervisor is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(access.supervisor, signal.SIGUSR1)


class Progress:
    """A line every few seconds for something long."""

    def __init__(self, say: Say, doing: str) -> None:
        self._say = say
        self._doing = doing
        self._done = 0
        self._next = time.monotonic() + 2

    def add(self, size: int) -> None:
        """Count `size` bytes more."""
        self._done += size
        self.at(self._done)

    def at(self, size: int) -> None:
        """Tell the size reached so far, when it is time."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 5
            self._say(f"{self._doing}: {size / 1e6:.0f} MB so far …")


def _wait(process: subprocess.Popen[bytes], say: Say, doing: str, output: Path) -> None:
    progress = Progress(say, doing)
    while True:
        try:
            _, complaint = process.communicate(timeout=1)
            break
        except subprocess.TimeoutExpired:
            progress.at(output.stat().st_size)
    if process.returncode != 0:
        raise EngineError(f"The database could not be read: {complaint.decode(errors='replace').strip()}")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mtime = int(time.time())
    tar.addfile(entry, io.BytesIO(content))


def _member(tar: tarfile.TarFile, name: str, entry: tarfile.TarInfo | None = None) -> IO[bytes]:
    file = tar.extractfile(entry or name)
    if file is None:
        raise KeyError(name)
    return file


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _roomy(source: Path) -> Path | None:
    """Beside the backup there is room for its content, if one may write there."""
    return source.parent if os.access(source.parent, os.W_OK) else None
