"""The certificate of this installation: looked after while it is renewed, and copied to where NATS can read it."""

from __future__ import annotations

import os
import ssl
import time
from pathlib import Path

from rhinecloud.engines.account import EngineError
from rhinecloud.engines.folder import DataFolder

_LOOK = 5.0  # seconds between looks at the files


class Certificate:
    """A certificate chain and its key (PEM files), or neither."""

    def __init__(self, chain: Path | None, key: Path | None) -> None:
        self._chain = chain
        self._key = key
        self._looked = 0.0
        self._known = self._times()

    @property
    def is_given(self) -> bool:
        """Whether there is any."""
        return self._chain is not None and self._key is not None

    def was_renewed(self, *, at_once: bool = False) -> bool:
        """Once for each time that other files are there, and fit each other; asks every few seconds only, unless told
        to. Told to, it raises EngineError for files that do not fit."""
        now = time.monotonic()
        if not self.is_given or (now - self._looked < _LOOK and not at_once):
            return False
        self._looked = now
        found = self._times()
        if found == self._known:
            return False
        if at_once:
            self.contents()
        # Of the two files one may be written already and the other not yet.
        elif not found or self._problem() is not None:
            return False
        self._known = found
        return True

    def contents(self) -> tuple[bytes, bytes]:
        """Chain and key. Raises EngineError, with words, for files that make no certificate."""
        assert self._chain is not None and self._key is not None
        problem = self._problem()
        if problem is not None:
            raise EngineError(
                f"The certificate {self._chain} with the key {self._key} cannot be used: {problem}"
            )
        return self._chain.read_bytes(), self._key.read_bytes()

    def _problem(self) -> Exception | None:
        assert self._chain is not None and self._key is not None
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._chain, self._key)
        except (OSError, ssl.SSLError) as error:
            return error
        return None

    def _times(self) -> tuple[float, ...]:
        if self._chain is None or self._key is None:
            return ()
        try:
            return tuple(path.stat().st_mtime for path in (self._chain, self._key))
        except OSError:
            return ()


class StagedCertificate(Certificate):
    """Copies of it for NATS, whose account cannot read the files of root."""

    def __init__(self, folder: DataFolder, chain: Path | None, key: Path | None) -> None:
        super().__init__(chain, key)
        self._folder = folder

    @property
    def tls(self) -> dict[str, object]:
        """The members of a `tls` block."""
        return {"cert_file": str(self._copy("cert.pem")), "key_file": str(self._copy("key.pem"))}

    def stage(self) -> None:
        """Copy what is there now. Raises EngineError."""
        for name, content in zip(("cert.pem", "key.pem"), self.contents(), strict=True):
            self._write(self._copy(name), content)

    def _copy(self, name: str) -> Path:
        return self._folder.nats / name

    def _write(self, path: Path, content: bytes) -> None:
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        self._folder.hand_over(fresh)
        fresh.rename(path)
