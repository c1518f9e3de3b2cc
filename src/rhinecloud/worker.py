"""A worker process: answers requests on the inherited socket. Placeholder that says hello."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from rhinecloud.engines.handover import WorkerHandover


def main() -> None:
    """Serve until SIGTERM."""
    handover = WorkerHandover.from_env()

    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("Rhine Cloud\n")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        asyncio.get_running_loop().call_soon(handover.report_ready)
        yield

    app = Starlette(routes=[Route("/{path:path}", hello)], lifespan=lifespan)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    asyncio.run(server.serve([socket.socket(fileno=handover.listen_fd)]))


if __name__ == "__main__":
    main()
