"""The certificate of the MQTT side: copied to where the engine's own account can read it, and again when renewed."""

from __future__ import annotations

import os
import ssl
import time
from pathlib import Path

from rhinecloud.engines.account import EngineError
from rhinecloud.engines.folder import DataFolder

_LOOK = 5.0  # seconds between looks at the files


class Certificate:
    """A certificate chain and its key (PEM), or neither.

    The files often belong to root and change under us every few weeks; the server reads copies in a folder of its own.
    """

    def __init__(self, folder: DataFolder, chain: Path | None, key: Path | None) -> None:
        self._folder = folder
        self._chain = chain
        self._key = key
        self._staged: tuple[float, ...] = ()
        self._looked = 0.0

    @property
    def is_given(self) -> bool:
        return self._chain is not None and self._key is not None

    def staged(self) -> dict[str, object]:
        """The members of a `tls` block."""
        return {"cert_file": str(self._copy("cert.pem")), "key_file": str(self._copy("key.pem"))}

    def stage(self) -> None:
        """Copy what is there now. Raises EngineError, with words, for files that make no certificate."""
        assert self._chain is not None and self._key is not None
        seen = self._times()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._chain, self._key)
            for source, name in ((self._chain, "cert.pem"), (self._key, "key.pem")):
                self._write(self._copy(name), source.read_bytes())
        except (OSError, ssl.SSLError) as error:
            raise EngineError(
                f"The certificate {self._chain} with the key {self._key} cannot be used: {error}"
            ) from error
        self._staged = seen

    def was_renewed(self) -> bool:
        """Whether other files are there than those that were copied, and they fit each other; asks now and then."""
        now = time.monotonic()
        if not self.is_given or now - self._looked < _LOOK:
            return False
        self._looked = now
        if self._times() in ((), self._staged):
            return False
        assert self._chain is not None and self._key is not None
        try:
            # Of the two files one may be written already and the other not yet.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._chain, self._key)
        except (OSError, ssl.SSLError):
            return False
        return True

    def _times(self) -> tuple[float, ...]:
        assert self._chain is not None and self._key is not None
        try:
            return tuple(path.stat().st_mtime for path in (self._chain, self._key))
        except OSError:
            return ()

    def _copy(self, name: str) -> Path:
        return self._folder.nats / name

    def _write(self, path: Path, content: bytes) -> None:
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        self._folder.hand_over(fresh)
        fresh.rename(path)
