"""The line between a CMS and gateways, with an ear on it: every exchange is held to TALQ's definitions.

A proxy in the test's own process. Gateways reach the CMS at `cms`, the CMS reaches gateways at `gateway`.
"""

from __future__ import annotations

import asyncio
import threading
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .definitions import Definitions

_HOP = {"host", "content-length", "connection", "transfer-encoding", "accept-encoding"}
_WBITS = {"gzip": 31, "deflate": 15}
Tap = Callable[[str, str, str, Any], Response | None]


class Line:
    """Addresses, and what was heard: `wrong` (what is not as defined), `said` (how often what was answered how)."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self.wrong: list[str] = []
        self.said: Counter[tuple[str, str, str, int]] = Counter()
        self.cms_target = ""
        self.gateway_target = ""
        self.base = ""
        self.tap: Tap | None = None  # (api, method, path, body): an answer instead of the true one, or None
        self._http: httpx.AsyncClient | None = None

    @property
    def cms(self) -> str:
        """Where gateways find the CMS."""
        return f"{self.base}/cms"

    @property
    def gateway(self) -> str:
        """Where the CMS finds gateways, followed by their names."""
        return f"{self.base}/gateway"

    def times(self, api: str, method: str, template: str) -> int:
        """How often an operation was answered with success."""
        return sum(
            number
            for (a, m, t, status), number in self.said.items()
            if (a, m, t) == (api, method, template) and status < 400
        )

    async def _cms(self, request: Request) -> Response:
        return await self._pass(request, "cms", self.cms_target, "/" + request.path_params["rest"])

    async def _gateway(self, request: Request) -> Response:
        path = "/" + request.path_params["rest"]
        return await self._pass(
            request, "gateway", f"{self.gateway_target}/{request.path_params['name']}", path
        )

    async def _pass(self, request: Request, api: str, target: str, path: str) -> Response:
        assert self._http is not None
        body = await request.body()
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        encoding = request.headers.get("content-encoding", "")
        plain = zlib.decompress(body, _WBITS[encoding]) if encoding in _WBITS else body
        instead = self.tap(api, request.method, path, plain) if self.tap else None
        if instead is not None:
            return instead
        try:
            answered = await self._http.request(
                request.method, f"{target}{path}?{request.url.query}", headers=headers, content=body
            )
        except httpx.HTTPError:
            return Response(status_code=502)
        self._hear(api, request, path, plain, answered)
        kept = {
            name: value
            for name, value in answered.headers.items()
            if name not in _HOP | {"content-encoding", "date", "server"}
        }
        return Response(answered.content, answered.status_code, kept)

    def _hear(self, api: str, request: Request, path: str, body: bytes, answered: httpx.Response) -> None:
        if answered.status_code >= 500:
            return
        found = self._definitions.operation(api, request.method, path)
        self.said[api, request.method, found[0] if found else path, answered.status_code] += 1
        headers = dict(request.headers)
        self.wrong += self._definitions.judge(
            api,
            request.method,
            path,
            request.url.query,
            headers,
            body,
            answered.status_code,
            answered.content,
        )
        if answered.headers.get("talq-api-version") is None:
            self.wrong.append(f"{api} {request.method} {path}: the answer names no version")

    def application(self) -> Starlette:
        """The proxy."""
        every = ["GET", "POST", "PUT", "PATCH", "DELETE"]

        @asynccontextmanager
        async def open_line(_: Starlette) -> AsyncIterator[None]:
            async with httpx.AsyncClient(timeout=60, trust_env=False) as self._http:
                yield

        return Starlette(
            lifespan=open_line,
            routes=[
                Route("/cms/{rest:path}", self._cms, methods=every),
                Route("/gateway/{name}/{rest:path}", self._gateway, methods=every),
            ],
        )


@contextmanager
def listening(definitions: Definitions) -> Iterator[Line]:
    """A line that is open; it hears what goes over it in a thread of its own."""
    line = Line(definitions)
    server = uvicorn.Server(uvicorn.Config(line.application(), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    end = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < end and thread.is_alive()
        time.sleep(0.01)
    line.base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield line
    server.should_exit = True
    thread.join(30)
