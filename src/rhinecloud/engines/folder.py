"""The data folder: where everything lies, who may read it, and that only one supervisor uses it."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rhinecloud.engines.account import Account, EngineError, engine_account, user_name

# sun_path holds 108 bytes; PostgreSQL adds "/.s.PGSQL.5432.lock" to the folder's name.
LONGEST_SOCKET_FOLDER = 80
_MOMENT: Final = 2.0  # seconds that a lock may outlive who was killed


class DataFolder:
    """Paths below the data folder; created on `open`, locked until `close`."""

    def __init__(self, path: Path, programs: Path | None = None) -> None:
        """`programs` lets several folders share the staged engines (tests); by default each has its own."""
        self.path = path.absolute()
        self.programs = programs or self.path / "engines"
        self.account: Account = engine_account(self.path / "postgresql")
        self._lock: int | None = None

    @property
    def postgresql(self) -> Path:
        return self.path / "postgresql"

    @property
    def upgraded(self) -> Path:
        """Where an upgrade leaves the finished new data before it puts them in place."""
        return self.path / "postgresql.upgraded"

    @property
    def nats(self) -> Path:
        return self.path / "nats"

    @property
    def sockets(self) -> Path:
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "log"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def socket_fits(self) -> bool:
        return len(os.fsencode(self.sockets)) <= LONGEST_SOCKET_FOLDER

    def open(self) -> None:
        """Create what is missing and take the lock. EngineError when another process has it, or no access."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._must_be_ours()
            # The engine's account walks through; it owns its own rooms inside and reads no others.
            self.path.chmod(0o711)
            self.programs.mkdir(parents=True, exist_ok=True)
            self.programs.chmod(0o755)  # whatever the umask says: the engine's account starts them there
            self.secrets.mkdir(mode=0o700, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise EngineError(f"The data folder {self.path} cannot be used: {error.strerror}.") from error
        self.take_lock()
        for room in (self.nats, self.sockets):
            self.own_room(room)

    def _must_be_ours(self) -> None:
        """Root's files in a person's folder would shut that person out at the next start."""
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise EngineError(
                f"The data folder {self.path} belongs to user {user_name(owner)}; run this as that user."
            )

    def own_room(self, room: Path) -> None:
        """A folder that belongs to the engine's account alone."""
        room.mkdir(mode=0o700, exist_ok=True)
        self.hand_over(room)
        if self.account.switch:
            self._must_be_reachable()

    def hand_over(self, path: Path) -> None:
        """Make the engine's account the owner."""
        if self.account.switch and path.stat().st_uid != self.account.uid:
            os.chown(path, self.account.uid, self.account.gid)

    def _must_be_reachable(self) -> None:
        closed = unreachable_parent(self.path, self.account)
        if closed is not None:
            raise EngineError(
                f"The engines run as '{self.account.name}', which cannot enter {closed}. "
                f"Choose a data folder elsewhere (--data), or allow it: chmod o+x {closed}"
            )

    def take_lock(self) -> None:
        """Hold the folder until `close`, or until this process ends in whatever way."""
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(descriptor):
            owner = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise EngineError(
                f"The data folder {self.path} is in use by another Rhine Cloud"
                + (f" (process {owner})." if owner else ".")
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock = descriptor

    def supervisor(self) -> int | None:
        """Process id of the supervisor that holds the lock, or None when nobody does."""
        try:
            descriptor = os.open(self.lock, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.read(descriptor, 32).decode().strip()
            return int(text) if text.isdigit() else None
        else:
            return None
        finally:
            os.close(descriptor)

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
        """A random text that is made once and readable by this account only."""
        path = self.secrets / name
        if not path.exists():
            fresh = path.with_suffix(".new")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(make())
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
        return path.read_text()

    def close(self) -> None:
        """Let the folder go."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(descriptor: int) -> bool:
    """Lock a file. A process that was killed may leave it locked for a moment: a child that it was about to start
    holds the same file until it is another program."""
    deadline = time.monotonic() + _MOMENT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def unreachable_parent(path: Path, account: Account) -> Path | None:
    """The first folder on the way to `path` that `account` cannot enter; None when it can enter all."""
    for folder in [*reversed(path.parents), path]:
        if not folder.exists():
            continue
        status = folder.stat()
        if status.st_uid == account.uid:
            allowed = status.st_mode & 0o100
        elif status.st_gid == account.gid:
            allowed = status.st_mode & 0o010
        else:
            allowed = status.st_mode & 0o001
        if not allowed:
            return folder
    return None
