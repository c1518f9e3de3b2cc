"""The files that an app's pages load: its folder `static/`, kept by browsers for as long as a file is the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rhinecloud.web.static_files import StaticFile

_FOR_EVER = "public, max-age=31536000, immutable"
_LOOK_AGAIN = "no-cache"


class Statics:
    """The files of one app. There is no file besides those that are there when it begins."""

    def __init__(self, app: str, folder: Path) -> None:
        self.path = f"/{app}/static/{{path:path}}"
        self._root = f"/{app}/static/"
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        self._files = {name: StaticFile(path) for name, path in paths.items()}
        self._hashes = {
            name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for name, path in paths.items()
        }

    def address(self, name: str) -> str:
        """Where a page finds a file: `static("map.js")` in a template. Raises ValueError if there is none."""
        if name not in self._files:
            raise ValueError(f"there is no static/{name}")
        return f"{self._root}{name}?{self._hashes[name]}"

    async def serve(self, request: Request) -> Response:
        """A file; asked for by the address of its content it is kept for ever."""
        name = request.path_params["path"]
        if name not in self._files:
            raise HTTPException(404)
        same = request.url.query == self._hashes[name]
        return self._files[name].answer(request, _FOR_EVER if same else _LOOK_AGAIN)
