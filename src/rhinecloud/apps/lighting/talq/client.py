"""Calls to the API of a gateway (gateway API 2.7.1)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import msgspec

from rhinecloud.city import Forbidden

from .base import VERSION, TALQErrorMessage
from .wire import HEADER, LARGEST

_TOLD: Final = 200  # letters of an answer that is none


class Away(Exception):  # noqa: N818  # says what became of the call
    """The gateway did not answer, or not yet: it may have taken the request."""


class Declined(Exception):  # noqa: N818  # says what became of the call
    """The gateway answered that it will not, or with what is no TALQ."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(f"{status}: {text}")


def tls(certificate: str | None, key: str | None, authority: str | None) -> ssl.SSLContext | None:
    """How gateways are called over TLS: whom to trust (a file of certificates; none: as the system does) and what to
    show (certificate and key as PEM files). None where nothing is set. Raises OSError, ssl.SSLError."""
    if certificate is None and authority is None:
        return None
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # TALQ 2.7.1, 3.6
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


class GatewayClient:
    """One gateway, as we call it. `own` is our address as a CMS."""

    def __init__(self, http: httpx.AsyncClient, uri: str, own: UUID) -> None:
        self._http = http
        self._base = uri.rstrip("/")
        self._own = str(own)

    async def get(self, path: str, wanted: Any = Any) -> Any:
        """Read something. Raises Away, Declined (404 is one)."""
        return self._read(await self._call("GET", path), wanted)

    async def has(self, path: str, wanted: Any = Any) -> Any:
        """Read something; None if there is none."""
        try:
            return await self.get(path, wanted)
        except Declined as error:
            if error.status == 404:
                return None
            raise

    async def send(self, method: str, path: str, content: Any = None) -> int:
        """Make, change or delete something; returns the status: 202 says that it is not done yet (3.5)."""
        status, _ = await self._call(method, path, content)
        return status

    async def _call(self, method: str, path: str, content: Any = None) -> tuple[int, bytes]:
        query = {"clientAddress": self._own}
        if method != "GET":
            query["talqRequestId"] = str(uuid4())
        headers = {HEADER: VERSION, "cache-control": "no-transform", "accept": "application/json"}
        body = None
        if content is not None:
            body = msgspec.json.encode(content)
            headers["content-type"] = "application/json"
        try:
            async with self._http.stream(
                method, f"{self._base}/{path}", params=query, content=body, headers=headers
            ) as response:
                answered = await _bounded(response)
        except (httpx.HTTPError, httpx.InvalidURL, Forbidden, OSError) as error:
            raise Away(f"{type(error).__name__}: {error}"[:300]) from None
        if response.status_code >= 500 or response.status_code == 429:
            raise Away(f"{response.status_code}: {_told(answered)}")
        if not 200 <= response.status_code < 300:
            raise Declined(response.status_code, _told(answered))
        return response.status_code, answered

    @staticmethod
    def _read(answer: tuple[int, bytes], wanted: Any) -> Any:
        status, body = answer
        try:
            return msgspec.json.decode(body, type=wanted)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise Declined(status, f"the answer is no TALQ: {error}") from None


async def _bounded(response: httpx.Response) -> bytes:
    received = bytearray()
    async for chunk in response.aiter_bytes():
        received += chunk
        if len(received) > LARGEST:
            raise Away(f"the answer has more than {LARGEST} bytes")
    return bytes(received)


def _told(body: bytes) -> str:
    """What an error says, in words."""
    try:
        errors: Sequence[TALQErrorMessage] = msgspec.json.decode(body, type=list[TALQErrorMessage])
    except (msgspec.ValidationError, msgspec.DecodeError):
        return body[:_TOLD].decode(errors="replace")
    return "; ".join(f"{error.key} {error.description}".strip() for error in errors[:5])[: 2 * _TOLD]
