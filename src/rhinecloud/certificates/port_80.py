"""What is answered without TLS: the challenges of an ACME authority, and to everybody else where HTTPS is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

Asgi = Any


class Port80:
    """An ASGI application. It leads to the names of the installation only, whatever Host says."""

    def __init__(self, tokens: Mapping[str, str], names: Sequence[str], https: str) -> None:
        """`https` is the address of the installation, from which the port is taken."""
        self._tokens = tokens
        self._names = frozenset(names)
        self._https = urlsplit(https)

    async def __call__(self, scope: Asgi, receive: Asgi, send: Asgi) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        token = self._tokens.get(scope["path"])
        if token is not None:
            await _answer(send, 200, token.encode(), [(b"content-type", b"application/octet-stream")])
        elif scope["path"].startswith("/.well-known/acme-challenge/"):
            await _answer(send, 404, b"", [])
        else:
            await _answer(send, 308, b"", [(b"location", self._location(scope).encode())])

    def _location(self, scope: Asgi) -> str:
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").partition(":")[0].lower()
        name = host if host in self._names else self._https.hostname
        port = f":{self._https.port}" if self._https.port not in (None, 443) else ""
        query = "?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""
        return f"https://{name}{port}{quote(scope['path'])}{query}"


async def _answer(send: Asgi, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
