"""Files that lie beside the database, in a backup: one member of the tar each, and a list of their digests last."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol

from rhinecloud.engines.access import Access
from rhinecloud.engines.account import EngineError

FOLDER, DIGESTS = "files/", "files.sha256"


class Contents(Protocol):
    """Contents by name (32 hexadecimal digits), wherever they lie. A name's content never changes."""

    def names(self) -> dict[str, int]:
        """All names, each with its number of bytes."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Raises LookupError if it has gone meanwhile."""
        ...

    def take(self, name: str, content: IO[bytes]) -> None:
        """Store it; it survives a power cut when this returns."""
        ...

    def remove(self, name: str) -> None:
        """Delete it, if it is there."""
        ...


class _Hashed:
    """Reads from a file and remembers the digest of what was read."""

    def __init__(self, file: IO[bytes], counted: Counted) -> None:
        self._file = file
        self._counted = counted
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        self._counted.add(len(block))
        return block


class Counted(Protocol):
    """Hears of each piece that was copied."""

    def add(self, size: int) -> None:
        """`size` bytes more."""
        ...


def write(tar: tarfile.TarFile, contents: Contents, names: dict[str, int], counted: Counted) -> bytes:
    """Add the contents to a tar; returns the list of digests, which the caller adds after them.

    What was erased after `names` was asked for is left out.
    """
    digests = []
    for name, size in names.items():
        try:
            file = contents.open(name)
        except LookupError:
            continue
        with file:
            entry = tarfile.TarInfo(FOLDER + name)
            entry.size = size
            read = _Hashed(file, counted)
            try:
                tar.addfile(entry, read)
            except OSError as error:
                raise EngineError(f"The content of the file {name} cannot be read whole: {error}") from None
        digests.append(f"{read.digest.hexdigest()}  {FOLDER}{name}\n")
    return "".join(digests).encode()


def verify(source: Path) -> list[str]:
    """The names of the contents in a backup. Raises EngineError unless each is as it was written."""
    found: dict[str, str] = {}
    digests: dict[str, str] | None = None
    try:
        with tarfile.open(source, "r:") as tar:
            for entry, file in _members(tar):
                if entry.name == DIGESTS:
                    lines = file.read().decode().splitlines()
                    digests = {line[66:]: line[:64] for line in lines}
                else:
                    found[entry.name] = digest_of(file)
    except (tarfile.TarError, OSError, UnicodeDecodeError) as error:
        raise EngineError(f"{source} is damaged: {error}") from None
    if digests is None or found != digests:
        raise EngineError(f"{source} is damaged: its files are not what was written.")
    return [name.removeprefix(FOLDER) for name in found]


def unpack(source: Path, contents: Contents, counted: Counted) -> None:
    """Store all contents of a verified backup."""
    with tarfile.open(source, "r:") as tar:
        for entry, file in _members(tar):
            if entry.name != DIGESTS:
                contents.take(entry.name.removeprefix(FOLDER), _Hashed(file, counted))  # type: ignore[arg-type]


def digest_of(file: IO[bytes]) -> str:
    """The SHA-256 of what is left of a file, in hexadecimal."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    for entry in tar:
        name = entry.name.removeprefix(FOLDER)
        wanted = entry.name == DIGESTS or (name != entry.name and len(name) == 32 and name.isalnum())
        file = tar.extractfile(entry) if wanted and entry.isreg() else None
        if file is not None:
            yield entry, file


def unnamed(access: Access, contents: Contents) -> list[str]:
    """Contents that no row of the database names.

    The storage is asked first: a row is written before its content, so what is just arriving has one.
    """
    names = contents.names()
    named = {line.replace("-", "") for line in rows(access, "id", ("file", "file_arriving", "file_leaving"))}
    return [name for name in names if name not in named]


def rows(access: Access, columns: str, tables: Sequence[str] = ("file",)) -> list[str]:
    """Lines with these columns of the tables of files, of all tenants."""
    names = ", ".join(f"'{table}'" for table in tables)
    return access.sql(
        f"SELECT string_agg(format($x$SELECT {columns} FROM %I.%I$x$, nspname, relname), ' UNION ALL ') "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE nspname LIKE 'tenant\\_%' AND relkind = 'r' AND relname IN ({names}) HAVING count(*) > 0 \\gexec\n"
    ).splitlines()
