"""What is asked of every answer (CIM 009 §5.5.2, §5.5.3, §6.3.2, §6.3.4; RFC 9110)."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 10.0  # seconds for any answer
_IDLE = 2.0  # seconds after which a connection may be about to be closed
_WITHOUT_BODY = (411, 415)  # of errors (§6.3.4)
_DOCUMENTS = ("application/json", "application/ld+json", "application/geo+json")


@dataclass(frozen=True)
class Reply:
    """An answer. Names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


def judge(method: str, reply: Reply, told: Any) -> None:
    """Raise AssertionError, with what was `told`, for an answer that no request may get."""
    told = (told, reply.status, reply.content[:500])
    media_type = reply.headers.get("content-type", "").partition(";")[0]
    # A remote @context that cannot be had is the one reason for a 503 here.
    away = reply.status == 503 and (b"LdContextNotAvailable" in reply.content or method == "HEAD")
    assert reply.status < 500 or away, told
    if reply.status == 204:
        assert not reply.content, told
    if reply.status == 405:
        assert reply.headers.get("allow"), told
    if method == "HEAD":
        return
    if reply.status in _WITHOUT_BODY:
        assert not reply.content, told
    elif reply.status >= 400:
        assert media_type == "application/json", told
        problem = reply.json()
        assert problem["status"] == reply.status, told
        for member in ("type", "title", "detail"):
            assert isinstance(problem[member], str), told
            assert problem[member], told
    elif reply.content:
        assert media_type in _DOCUMENTS, told
        reply.json()


class Asking:
    """A client whose every answer is judged. Paths are sent as they are, and begin below /ngsi-ld/v1/."""

    def __init__(self, base_url: str) -> None:
        address = urlsplit(base_url)
        self._root = "/ngsi-ld/v1/"
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=PATIENCE)
        self._used = 0.0

    def __call__(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: Any = None,
    ) -> Reply:
        """Send and judge. AssertionError too if the connection was dropped or it took more than PATIENCE."""
        if json is not None:
            content, headers = _dumped(json), {"content-type": "application/json", **(headers or {})}
        told = (method, path[:2000], dict(headers or {}), (content or b"")[:2000])
        if time.monotonic() - self._used > _IDLE:
            self._connection.close()
        try:
            self._connection.putrequest(method, self._root + path, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                self._connection.putheader(name, value.encode("latin-1", "replace"))
            if content is not None:
                self._connection.putheader("content-length", str(len(content)))
            self._connection.endheaders(content)
            answer = self._connection.getresponse()
            reply = Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise AssertionError(told, repr(error)) from error
        self._used = time.monotonic()
        judge(method, reply, told)
        return reply

    def close(self) -> None:
        self._connection.close()


def _dumped(document: Any) -> bytes:
    return json.dumps(document).encode()
