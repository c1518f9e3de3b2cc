"""HTTP as it arrives: uvicorn's protocol with a bound on what may come before anybody has asked for it.

uvicorn hands a request on when its head is complete. Until then nothing limits how long that head is or how long it
takes, nor does anything limit how slowly a body drips. Here both have an end, and whoever cannot go on is told so by
problem details (RFC 9457). A certificate that a client showed stands in the scope, as ASGI's extension `tls` has it.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

import msgspec
from cryptography import x509
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of a request's line and headers."""
HEAD_PATIENCE: Final = 10.0
"""Seconds for a head, from the connection or its first byte on."""
BODY_PATIENCE: Final = 20.0
"""Seconds in which a body that we wait for brings at least SLOWEST bytes."""
SLOWEST: Final = 1_000

_LINGER = 2.0  # seconds in which whoever is refused can read why: closing at once would throw the answer away
_FRAMING = 16  # bytes of chunks' sizes, extensions and trailers for each byte of a body, beyond LARGEST_HEAD

_NOTHING, _HEAD, _BODY = range(3)  # what the connection is in the middle of


class _Refused(Exception):
    pass


def _shown(connection: ssl.SSLObject | None) -> dict[object, object] | None:
    """ASGI's extension `tls` for a client that showed a certificate: `client_cert_chain` is the certificate alone."""
    der = connection.getpeercert(binary_form=True) if connection is not None else None
    if der is None:
        return None
    return {
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(der)],
        "client_cert_name": x509.load_der_x509_certificate(der).subject.rfc4514_string(),
        "client_cert_error": None,
        "tls_version": None,
        "cipher_suite": None,
    }


class BoundedProtocol(HttpToolsProtocol):
    """For `uvicorn.Config(http=BoundedProtocol)`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._within = _NOTHING
        self._unchecked = False  # whether what has come is enough for too large a head
        self._arrived = 0  # bytes since the head, or the body, began to come in pieces
        self._taken = 0  # bytes of them that were the body
        self._clock: asyncio.TimerHandle | None = None
        self._refusal = (400, "Bad request", "this is no HTTP request")
        self._over = False
        self._shown: dict[object, object] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._shown = _shown(transport.get_extra_info("ssl_object"))
        self._clock = self.loop.call_later(HEAD_PATIENCE, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        before = self._within
        if before == _HEAD:
            self._arrived += len(data)
        self._unchecked = self._arrived + len(data) > LARGEST_HEAD
        super().data_received(data)
        if self._over:
            return
        if self._within == _NOTHING:
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_clock()
            elif self._clock is None:  # blank lines end uvicorn's own patience with an idle connection
                self._clock = self.loop.call_later(HEAD_PATIENCE, self._head_is_late)
        elif self._within == _HEAD:
            # What came together with the end of another request is not counted: it is no more than one read.
            if self._arrived > LARGEST_HEAD:
                self._refuse(*_too_large(self.url))
            elif self._clock is None:
                self._clock = self.loop.call_later(HEAD_PATIENCE, self._head_is_late)
        else:
            self._arrived += len(data)
            if self._arrived - len(data) > LARGEST_HEAD + _FRAMING * self._taken:
                self._refuse(400, "Bad request", "this is hardly a body, but framing around it")
            elif self._clock is None:
                self._watch_body()

    def on_message_begin(self) -> None:
        self._within = _HEAD
        self._arrived = 0
        super().on_message_begin()
        if self._shown is not None:
            self.scope["extensions"] = {"tls": self._shown}

    def on_headers_complete(self) -> None:
        if self._unchecked:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > LARGEST_HEAD:
                self._refusal = _too_large(self.url)
                raise _Refused
        self._within = _BODY
        self._arrived = self._taken = 0
        self._stop_clock()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._taken += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._within = _NOTHING
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for what its parser, or we in one of its callbacks, did not take."""
        self._refuse(*self._refusal)

    def _head_is_late(self) -> None:
        self._clock = None
        detail = f"the head of the request was not complete within {HEAD_PATIENCE:.0f} s"
        self._refuse(408, "Request timeout", detail)

    def _watch_body(self) -> None:
        arrived = self._arrived
        self._clock = self.loop.call_later(BODY_PATIENCE, self._look_at_body, arrived)

    def _look_at_body(self, arrived: int) -> None:
        self._clock = None
        if self._within != _BODY:
            return
        # Whoever was told to wait, because what came before is still being worked on, is not slow.
        if self.flow.read_paused or self._arrived - arrived >= SLOWEST:
            self._watch_body()
        else:
            detail = f"the body brought less than {SLOWEST} bytes in {BODY_PATIENCE:.0f} s"
            self._refuse(408, "Request timeout", detail)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _refuse(self, status: int, title: str, detail: str) -> None:
        """Say why, and listen no more."""
        self._over = True
        self._stop_clock()
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        worked_on = self.cycle is not None and not self.cycle.response_complete
        if worked_on and self._within != _BODY:
            self.cycle.keep_alive = False  # a request before this one: its answer is the last
            return
        if self._within == _BODY:
            if self.pipeline or self.cycle.response_started:
                self.transport.close()
                return
            # Whoever reads the body is told as if the connection had been lost.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        body = msgspec.json.encode(problem)
        head = (
            b"content-type: application/json\r\n"  # CIM 009 §5.5.3
            b"connection: close\r\n"
            b"content-length: %d\r\n\r\n" % len(body)
        )
        self.transport.write(STATUS_LINE[status] + head + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)


def _too_large(url: bytes) -> tuple[int, str, str]:
    limit = f"line and headers may have {LARGEST_HEAD} bytes"
    if len(url) > LARGEST_HEAD // 2:
        return 414, "URI too long", f"{limit}; a query can be sent by POST"
    return 431, "Request header fields too large", limit
