"""The built assets: names with a hash of their content, kept by browsers for ever, sent compressed."""

from __future__ import annotations

from pathlib import Path

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .static_files import StaticFile

DIST = Path(__file__).parent / "static" / "dist"
_FOR_EVER = "public, max-age=31536000, immutable"


class _Entry(msgspec.Struct, rename="camel"):
    """An entry of Vite's manifest."""

    file: str
    css: list[str] = []
    imports: list[str] = []


class NotBuilt(Exception):
    """There are no built assets; the message says how to make them."""


class Assets:
    """What the build left: which file an entry became, and the files."""

    def __init__(self, folder: Path = DIST) -> None:
        manifest = folder / "manifest.json"
        if not manifest.exists():
            raise NotBuilt("the pages' assets are not built: run `python -m rhinecloud.web.build`")
        self._entries = msgspec.json.decode(manifest.read_bytes(), type=dict[str, _Entry])
        self._files = {
            path.relative_to(folder).as_posix(): StaticFile(path)
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".gz" and path != manifest
        }

    def script(self, entry: str) -> str:
        """Address of an island's script, by its source's name (`map` for src/map.ts)."""
        return "/static/" + self._entries[f"src/{entry}.ts"].file

    def preloads(self, entry: str) -> list[str]:
        """Addresses of the scripts that an island imports."""
        return ["/static/" + self._entries[name].file for name in self._entries[f"src/{entry}.ts"].imports]

    def styles(self, entry: str) -> list[str]:
        """Addresses of an island's own style sheets, and of those of the scripts that it imports."""
        found = self._entries[f"src/{entry}.ts"]
        shared = [css for name in found.imports for css in self._entries[name].css]
        return ["/static/" + css for css in (*shared, *found.css)]

    def style(self, entry: str) -> str:
        """Address of a style sheet by its source's name (`shell` for src/shell.css)."""
        return "/static/" + self._entries[f"src/{entry}.css"].file

    def font(self, name: str) -> str:
        """Address of a font by its file's name."""
        return "/static/" + self._entries[f"fonts/{name}.woff2"].file

    async def serve(self, request: Request) -> Response:
        """A file of the build, compressed where the browser takes that."""
        file = self._files.get(request.path_params["path"])
        if file is None:
            raise HTTPException(404)
        return file.answer(request, _FOR_EVER)
