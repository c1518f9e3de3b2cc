"""The certificate that this process shows, which may be another for each connection that begins."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

_log = logging.getLogger(__name__)


class Tls:
    """`context` is what one listens with; after `reload` new connections get the new certificate, others go on."""

    def __init__(self, chain: Path, key: Path, client_authority: Path | None = None) -> None:
        """Clients may show a certificate that `client_authority` signed; a wrong one ends the connection. Raises
        OSError and ssl.SSLError for files that make no certificate."""
        self._chain = chain
        self._key = key
        self._client_authority = client_authority
        self._current = self._read()
        self.context = self._read()
        self.context.sni_callback = self._choose

    def reload(self) -> bool:
        """Take the files as they are now; the former certificate stays if they make none. Returns whether they do."""
        try:
            self._current = self._read()
        except (OSError, ssl.SSLError) as error:
            _log.error("the certificate %s cannot be used, the former one stays: %s", self._chain, error)
            return False
        return True

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        # A fresh context each time: loaded into the old one, a certificate of another kind of key would stand beside
        # the former, and some clients would still be shown that.
        connection.context = self._current

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._chain, self._key)
        if self._client_authority is not None:
            context.load_verify_locations(self._client_authority)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context
