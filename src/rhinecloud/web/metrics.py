"""What Prometheus reads."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.observing import CONTENT_TYPE

from .shell import Shell
from .sight import PermittedRoute


def routes(shell: Shell) -> list[BaseRoute]:
    """`/metrics`, for whoever may see how the installation is; Prometheus comes with an API token."""

    async def metrics(request: Request) -> Response:
        return Response(await shell.city.metrics(), media_type=CONTENT_TYPE)

    return [PermittedRoute("/metrics", metrics, "health.see")]
