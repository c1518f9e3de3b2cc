"""Files that every browser loads and that never change while a worker runs: sent from memory.

A thread for each of them (as for a file of any size) costs more than the rest of the answer, and a hall of people
opens the same page in the same half minute.
"""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("application/geo+json", ".geojson")
_WORTH: Final = 500  # bytes: less is not worth compressing
_TEXTS: Final = ("text/", "application/json", "application/geo+json", "image/svg+xml")


class StaticFile:
    """A file; read when it is first asked for, and compressed then, unless a `.gz` lies beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._plain: bytes | None = None
        self._packed: bytes | None = None

    def answer(self, request: Request, cache_control: str) -> Response:
        """The file, compressed where the browser takes that."""
        if self._plain is None:
            self._packed = self._pack(plain := self._path.read_bytes())
            self._plain = plain
        headers = {"Cache-Control": cache_control, "Vary": "Accept-Encoding"}
        content = self._plain
        if self._packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            content = self._packed
        return Response(content, media_type=self._kind, headers=headers)

    def _pack(self, plain: bytes) -> bytes | None:
        beside = self._path.with_name(f"{self._path.name}.gz")
        if beside.exists():
            return beside.read_bytes()
        if len(plain) < _WORTH or not self._kind.startswith(_TEXTS):
            return None
        return gzip.compress(plain, mtime=0)
