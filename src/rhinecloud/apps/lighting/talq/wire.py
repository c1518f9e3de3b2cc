"""TALQ over HTTP (3.3, 3.5): addresses and versions of who asks, encodings of bodies, answers. For both sides."""

from __future__ import annotations

import zlib
from typing import Any, Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .base import NIL, VERSION
from .errors import TalqError, refused

HEADER: Final = "talq-api-version"
LARGEST: Final = 16 * 2**20  # bytes of a body, compressed or not
_MAJOR = VERSION.partition(".")[0]
_WBITS: Final = {"gzip": 31, "deflate": 15}


class Asked(msgspec.Struct, frozen=True):
    """Who asks, and which request it is; `client` is None where none was said (the announcement of a gateway)."""

    client: UUID | None
    request: UUID | None
    origin: UUID | None


def asked(request: Request, *, announcing: bool = False) -> Asked:
    """Read the header and the query. Raises TalqError: 400 for what is missing or is none."""
    version = request.headers.get(HEADER)
    if version is None:
        raise refused(400, "headerMissing", f"the header {HEADER} is missing")
    if version.strip().partition(".")[0] != _MAJOR:
        raise refused(400, "headerValueNotValid", f"{HEADER} {version!r:.40} is not {_MAJOR}.x")
    client = _uuid(request, "clientAddress")
    if client is None and not announcing:
        raise refused(400, "parameterMissing", "clientAddress is missing")
    tracked = _uuid(request, "talqRequestId")
    if tracked is None and request.method != "GET":
        raise refused(400, "parameterMissing", "talqRequestId is missing")
    return Asked(client if client != NIL else None, tracked, _uuid(request, "talqOriginRequestId"))


def _uuid(request: Request, name: str) -> UUID | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise refused(400, "parameterValueNotValid", f"{name} is no UUID: {text!r:.60}") from None


async def body_of(request: Request) -> bytes:
    """The body, unpacked. Raises TalqError: 413 for more than LARGEST bytes, 415 for another encoding."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _WBITS and encoding != "identity":
        raise refused(415, "headerValueNotValid", f"content-encoding {encoding!r:.40} is not understood")
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > LARGEST:
            raise refused(413, "payloadError", f"a body has {LARGEST} bytes at most")
    return bytes(received) if encoding == "identity" else _unpacked(bytes(received), encoding)


def _unpacked(packed: bytes, encoding: str) -> bytes:
    unpacking = zlib.decompressobj(_WBITS[encoding])
    try:
        body = unpacking.decompress(packed, LARGEST + 1)
    except zlib.error as error:
        raise refused(400, "payloadError", f"the body is no {encoding}: {error}") from None
    if len(body) > LARGEST:
        raise refused(413, "payloadError", f"a body has {LARGEST} bytes at most, unpacked")
    if not unpacking.eof:
        raise refused(400, "payloadError", f"the body ends within its {encoding}")
    return body


def packed(body: bytes, encoding: str) -> bytes:
    """A body in one of the encodings that both sides have to read."""
    packing = zlib.compressobj(wbits=_WBITS[encoding])
    return packing.compress(body) + packing.flush()


def answer(
    request: Request, status: int, content: Any = None, headers: dict[str, str] | None = None
) -> Response:
    """A response in the encoding of the request (3.5). Without content there is no body."""
    named = {HEADER: VERSION, "cache-control": "no-store, no-transform", **(headers or {})}
    if content is None:
        return Response(status_code=status, headers=named)
    body = msgspec.json.encode(content)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in _WBITS:
        body = packed(body, encoding)
        named["content-encoding"] = encoding
    return Response(body, status, named, media_type="application/json")


def error_answer(request: Request, error: TalqError) -> Response:
    """A refusal, as the data model says it."""
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return answer(request, error.status, list(error.errors), headers)


def page_of(request: Request) -> tuple[int, int | None]:
    """`offset` and `limit` of a list. Raises TalqError."""
    found: list[int | None] = []
    for name in ("offset", "limit"):
        text = request.query_params.get(name)
        if text is not None and not text.isdecimal():
            raise refused(400, "parameterValueNotValid", f"{name} is a number, not {text!r:.40}")
        found.append(None if text is None else min(int(text), 2**31))
    return found[0] or 0, found[1]


def classes_of(request: Request) -> frozenset[str]:
    """The device classes that are asked for (`deviceClasses`, repeated or with commas); none: all."""
    given = request.query_params.getlist("deviceClasses")
    return frozenset(part for text in given for part in text.split(",") if part)
