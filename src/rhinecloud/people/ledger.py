"""The ledger of erasures: that somebody was erased, without saying who, so that it is carried out again after a restore
of an older backup.

Whom an entry is about stands in it as traces: HMAC-SHA-256 of what they were known by, with a key that lies in the
database (and so in every backup). The file and the key together let one test whether a known address was erased, and
nothing else. An entry is written into the file before anything is erased: an erasure that was cut off is finished at
the next start.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from .register import By, Person

FILE = "erasures.jsonl"


class Entry(msgspec.Struct, frozen=True):
    """An erasure: when it was asked for, and the traces of whom."""

    id: UUID
    at: datetime
    traces: tuple[bytes, ...]


def trace(key: bytes, by: By, value: object) -> bytes:
    """What is kept of one thing that somebody was known by."""
    return hmac.digest(key, f"{by}\x00{value}".encode(), hashlib.sha256)


def traces(key: bytes, person: Person) -> tuple[bytes, ...]:
    """What is kept of a person."""
    known: tuple[By, ...] = ("account", "mail", "device")
    return tuple(trace(key, by, value) for by in known for value in person.values(by))


class Ledger:
    """The file, which no restore replaces: best on another disk than the data, or copied with the backups."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[UUID, Entry]:
        """All entries. A last line that was cut off by a crash is left out: nothing was erased for it yet."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return {}
        found = (_entry(line) for line in lines[:-1] if line)
        return {entry.id: entry for entry in found if entry is not None}

    def add(self, entries: Iterable[Entry]) -> None:
        """Write entries down; they are on the disk when this returns."""
        lines = b"".join(msgspec.json.encode(_plain(entry)) + b"\n" for entry in entries)
        if not lines:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                lines = b"\n" + lines  # what was cut off stays a line of its own
            while lines:
                lines = lines[os.write(file, lines) :]
            os.fsync(file)
        finally:
            os.close(file)


class _Line(msgspec.Struct):
    id: UUID
    at: datetime
    traces: list[str]


def _plain(entry: Entry) -> _Line:
    return _Line(entry.id, entry.at, [base64.b64encode(one).decode() for one in entry.traces])


def _entry(line: bytes) -> Entry | None:
    try:
        plain = msgspec.json.decode(line, type=_Line)
        return Entry(plain.id, plain.at, tuple(base64.b64decode(one) for one in plain.traces))
    except (msgspec.DecodeError, ValueError):
        return None
