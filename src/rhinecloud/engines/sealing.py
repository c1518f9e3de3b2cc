"""Backups that only the holder of a private key can read: the age format (age-encryption.org/v1), by pyrage.

The installation knows recipients (public keys, `age1…`) and nothing else; whoever takes the machine or the place of the
backups reads none of them. The same files are read by the program `age`.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, TypeAlias

import pyrage

from rhinecloud.engines.account import EngineError

Recipient: TypeAlias = Any  # pyrage has no types
_MAGIC = b"age-encryption.org/v1"


def new_key() -> tuple[str, str]:
    """A fresh private key and the public key that belongs to it."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def recipients(text: str) -> list[Recipient]:
    """Public keys, separated by blanks or commas. Raises ValueError in words."""
    found = []
    for word in text.replace(",", " ").split():
        if word.startswith("AGE-SECRET-KEY"):
            raise ValueError(
                "this is a private key, which must not lie here: the public one begins with age1"
            )
        try:
            found.append(pyrage.x25519.Recipient.from_str(word))
        except pyrage.RecipientError:
            raise ValueError(
                f"{word!r} is no public key of age (age1…; rhinecloud backup-key create makes one)"
            ) from None
    return found


def is_sealed(source: Path) -> bool:
    """Whether a file is encrypted. Raises EngineError when it cannot be read."""
    try:
        with source.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise EngineError(f"{source} cannot be read: {error.strerror}") from None


@contextmanager
def sealed(file: IO[bytes], public: list[Recipient]) -> Iterator[IO[bytes]]:
    """What is written in the block comes encrypted into `file`; the plain text touches no disk."""
    reading, writing = os.pipe()
    failure: list[BaseException] = []

    def encrypt() -> None:
        # Closed at the end whatever happens, so that the writer never waits for a reader that is gone.
        with os.fdopen(reading, "rb") as plain:
            try:
                pyrage.encrypt_io(plain, file, public)
            except BaseException as error:
                failure.append(error)

    thread = threading.Thread(target=encrypt, name="encryption")
    thread.start()
    try:
        with os.fdopen(writing, "wb") as sink:
            yield sink
    except BrokenPipeError:
        pass  # what stopped the reader is told below
    finally:
        thread.join()
    if failure:
        raise EngineError(f"The backup could not be encrypted: {failure[0]}") from failure[0]


@contextmanager
def unsealed(source: Path, key: Path | None, scratch: Path | None) -> Iterator[Path]:
    """The backup as it can be read: itself, or decrypted into a file of `scratch` for the time of the block.

    `key` is a file with private keys, one a line as `rhinecloud backup-key create` prints them. Raises EngineError
    for a missing or wrong key and for a file that was changed or cut off: nothing of it is used then.
    """
    if not is_sealed(source):
        yield source
        return
    if key is None:
        raise EngineError(f"{source} is encrypted: name the file with its private key by --key.")
    identities = _identities(key)
    with TemporaryDirectory(prefix="rhinecloud-backup-", dir=scratch) as folder:
        plain = Path(folder) / "backup.tar"
        descriptor = os.open(plain, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with source.open("rb") as sealed_file, os.fdopen(descriptor, "wb") as file:
            try:
                pyrage.decrypt_io(sealed_file, file, identities)
            except (pyrage.DecryptError, OSError) as error:
                raise EngineError(_words(source, key, error)) from None
        yield plain


def _identities(key: Path) -> list[Any]:
    try:
        lines = [line.strip() for line in key.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"The key in {key} cannot be read: {error}") from None
    found = []
    for line in lines:
        if line.startswith("AGE-SECRET-KEY"):
            try:
                found.append(pyrage.x25519.Identity.from_str(line))
            except pyrage.IdentityError:
                raise EngineError(f"{key} holds a private key that is mistyped or not whole.") from None
    if not found:
        raise EngineError(f"{key} holds no private key (a line that begins with AGE-SECRET-KEY-1).")
    return found


def _words(source: Path, key: Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"{source} cannot be decrypted: {error.strerror}"
    if "No matching keys" in str(error):
        return f"{source} is encrypted for another key than the one in {key}."
    return f"{source} is damaged: it was changed or cut off after it was written ({error})."


def remove_leftovers(scratch: Path) -> None:
    """Delete what a backup that was killed left there."""
    for folder in scratch.glob(".rhinecloud-*"):
        shutil.rmtree(folder, ignore_errors=True)
