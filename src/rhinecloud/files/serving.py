"""Files over HTTP: with headers that let a browser show a file and nothing more.

There is no route here: who may see a file is known to the app that keeps it, which asks, and then answers with this.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from .files import File, Files
from .storage import Missing

# Shown in the page; everything else is saved. A PDF may run scripts in some viewers, text may be taken for HTML by none
# that obeys nosniff.
_SHOWN = {"image/jpeg", "image/png", "image/webp", "text/plain"}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


async def answer(
    files: Files, file: File, request: Request, *, save: bool = False, public: bool = False
) -> Response:
    """A response with the content, or the part of it that was asked for (RFC 9110 §14).

    `save` lets the browser save what it could show; `public` lets shared caches keep it. Raises
    storage.StorageUnavailable; content that is missing in the storage answers 404.
    """
    etag = f'"{file.sha256.hex()}"'
    shown = file.type in _SHOWN and not save
    headers = {
        "Content-Type": file.type + ("; charset=utf-8" if file.type.startswith("text/") else ""),
        "Content-Disposition": disposition(file.name, "inline" if shown else "attachment"),
        "X-Content-Type-Options": "nosniff",
        # Whatever the content turns out to be: it loads nothing and runs nothing.
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": f"{'public' if public else 'private'}, max-age={3600 if public else 0}, must-revalidate",
    }
    if etag in [
        one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")
    ]:
        return Response(None, 304, headers)
    start, end, status = 0, file.size, 200
    wanted = request.headers.get("range", "")
    if (
        wanted
        and request.headers.get("if-range", etag) == etag
        and (found := _RANGE.fullmatch(wanted.strip()))
    ):
        part = _part(found[1], found[2], file.size)
        if part is None:
            return Response(None, 416, {**headers, "Content-Range": f"bytes */{file.size}"})
        start, end = part
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(None, status, headers)
    # The first block is read before anything is promised: what is missing is a 404, not a broken answer.
    blocks = files.read(file, start, end)
    try:
        first = await anext(blocks, b"")
    except Missing:
        return Response("There is no content of this file.\n", 404, media_type="text/plain")
    return StreamingResponse(_all(first, blocks), status, headers)


def disposition(name: str, kind: str) -> str:
    """The value of Content-Disposition, with the name for old and new readers (RFC 6266 §4.3)."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace("\\", "_").replace('"', "_")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _part(first: str, last: str, size: int) -> tuple[int, int] | None:
    """Start and end of a byte range; None if there is nothing of it."""
    if first == "":
        length = int(last) if last else 0
        return (max(0, size - length), size) if length else None
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    return (start, end) if start < end else None


async def _all(first: bytes, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for block in blocks:
        yield block
