"""What an import remembers beside its source: how far it came, and what was rejected."""

from __future__ import annotations

import csv
import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec


class Tally(msgspec.Struct):
    """The figures of an import, over all its runs."""

    sent: int = 0
    skipped: int = 0
    rejected: int = 0


class State(msgspec.Struct):
    """`line`: everything up to it is done. `content` names source, mapping and server together."""

    content: str
    line: int = 0
    tally: Tally = msgspec.field(default_factory=Tally)


class Journal:
    """The two files of an import in a folder: progress (removed at the end) and rejects (if there are any)."""

    def __init__(self, source: Path, content: str, folder: Path) -> None:
        self.rejects = folder / f"{source.name}.rejects.csv"
        self._progress = folder / f"{source.name}.import.json"
        self.state = self._read(content)
        self._pending: list[list[str]] = []

    def _read(self, content: str) -> State:
        try:
            state = msgspec.json.decode(self._progress.read_bytes(), type=State)
        except (OSError, msgspec.MsgspecError):
            return State(content)
        return state if state.content == content else State(content)

    @property
    def resumed(self) -> bool:
        """Whether an earlier run did a part."""
        return self.state.line > 0

    def reject(self, line: int, reason: str, values: Any) -> None:
        """Remember a rejected record; written with the next `save`."""
        self.state.tally.rejected += 1
        self._pending.append([str(line), reason, msgspec.json.encode(values).decode()[:4_000]])

    def save(self, line: int) -> None:
        """Everything up to `line` is done. Rejects first: after a crash between the two one stands there twice,
        which is better than missing."""
        if self._pending:
            new = self.state.line == 0 or not self.rejects.exists()
            with self.rejects.open("w" if new else "a", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                if new:
                    writer.writerow(["line", "reason", "record"])
                writer.writerows(self._pending)
            self._pending.clear()
        self.state.line = line
        beside = self._progress.with_suffix(".part")
        beside.write_bytes(msgspec.json.encode(self.state))
        beside.replace(self._progress)

    def finish(self) -> None:
        """The import is complete: nothing is to be resumed."""
        self._progress.unlink(missing_ok=True)


def fingerprint(source: Path, *others: str) -> str:
    """A name for the content of a file together with what else decides the outcome."""
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    for other in others:
        digest.update(b"\0" + other.encode())
    return digest.hexdigest()


def folder_for(source: Path) -> Path:
    """Where the files of an import stand: beside the source, or here if nothing can be written there."""
    return source.parent if os.access(source.parent, os.W_OK) else Path.cwd()
