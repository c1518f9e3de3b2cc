"""The account that the engines run as, and how a child process becomes it.

PostgreSQL refuses to run as root, so root hands both engines to an account without rights.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

PREFERRED = ("rhinecloud", "nobody")
_PR_SET_PDEATHSIG = 1
# Loaded before any fork: a child between fork and exec must not take the loader's lock.
_LIBC = ctypes.CDLL(None, use_errno=True)


class EngineError(Exception):
    """Why an engine cannot run, in words for the person at the terminal."""


class Account(msgspec.Struct, frozen=True):
    """User and group that engines run as; `switch` when it is not the one of this process."""

    name: str
    uid: int
    gid: int
    switch: bool


def user_name(uid: int) -> str:
    """Name of a user, or the number as text."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def engine_account(existing: Path | None = None) -> Account:
    """This process's own account; for root the owner of `existing` data, else one of PREFERRED."""
    if os.geteuid() != 0:
        return Account(user_name(os.geteuid()), os.geteuid(), os.getegid(), False)
    if existing is not None and existing.exists() and existing.stat().st_uid != 0:
        status = existing.stat()
        return Account(user_name(status.st_uid), status.st_uid, status.st_gid, True)
    for name in PREFERRED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid, True)
    raise EngineError(
        "PostgreSQL does not run as root, and there is neither a user 'rhinecloud' nor 'nobody' to run it "
        "as. Create one: useradd --system rhinecloud"
    )


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends `number` to the child when the thread that forked it ends.

    It runs after Popen has changed the user, which matters: changing it clears the setting.
    """
    parent = os.getpid()

    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(1)

    return prepare


def spawn(
    command: Sequence[str | Path],
    *,
    at_parents_end: signal.Signals,
    account: Account | None = None,
    output: IO[Any] | int | None = None,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a long-running child that does not outlive this process. Call it from the main thread only.

    It gets a process group of its own, so that Ctrl-C reaches the supervisor alone and the stop is orderly.
    """
    switch = account if account is not None and account.switch else None
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        cwd=cwd,
        env=None if environ is None else dict(environ),
        pass_fds=tuple(pass_fds),
        process_group=0,
        user=switch.uid if switch else None,
        group=switch.gid if switch else None,
        extra_groups=[] if switch else None,
        umask=0o077 if account is not None else -1,
        preexec_fn=die_with_parent(at_parents_end),
    )


def run(
    command: Sequence[str | Path],
    *,
    account: Account | None = None,
    stdin: bytes | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Run a short program to its end and return what it printed; EngineError with its words if it fails."""
    switch = account if account is not None and account.switch else None
    done = subprocess.run(
        [str(part) for part in command],
        input=b"" if stdin is None else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=None if environ is None else dict(environ),
        user=switch.uid if switch else None,
        group=switch.gid if switch else None,
        extra_groups=[] if switch else None,
        umask=0o077,
        check=False,
    )
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise EngineError(f"{Path(command[0]).name} failed ({done.returncode}):\n{text.strip()}")
    return text


def describe_exit(code: int) -> str:
    """'exit code 1' or 'killed by SIGKILL', from a Popen return code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"
