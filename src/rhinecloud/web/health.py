"""The page of operations: engines, the way from commit to bus, and what could not be understood."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.observing import CONTENT_TYPE

from . import language as languages
from .figures import Part, part
from .live import Channel, Fragment, StreamRoute
from .shell import Shell
from .sight import MachineRoute, PermittedRoute, sight_of

_GRACE = 3.0  # seconds to wait for figures
_NEEDED = ("postgresql", "nats")  # without which there is no service
_WORST = ("away", "late", "look")


async def summary(shell: Shell) -> list[Part]:
    """The parts and how they are; never raises, a part that does not answer is away."""
    try:
        async with asyncio.timeout(_GRACE):
            found = await shell.health()
    except Exception as error:
        return [part("postgresql", {"reason": str(error) or type(error).__name__, "state": "away"})]
    return [part(key, value) for key, value in found.items() if isinstance(value, dict)]


async def figures(shell: Shell) -> dict[str, Any]:
    """What the page's live part shows."""
    parts = await summary(shell)
    states = {part.state for part in parts}
    worst = next((state for state in _WORST if state in states), "ok")
    return {"parts": parts, "worst": worst, "viewers": sum(shell.live.watched().values())}


def routes(shell: Shell) -> list[BaseRoute]:
    """`/health`, its live part, and `/metrics`, to which Prometheus comes with an API token."""

    async def page(request: Request) -> Response:
        found = await figures(shell)
        away = any(one.state == "away" for one in found["parts"] if one.key in _NEEDED)
        return shell.renderer.page(request, "health.html", 503 if away else 200, **found)

    def channel(request: Request) -> Channel:
        code = languages.choose(request)
        key = f"health:{code}"

        async def render() -> str:
            shell.live.notify_later(key, 2.0)
            return shell.renderer.part("parts/health.html", code, **await figures(shell))

        return shell.live.channel(sight_of(request), key, lambda: Fragment(render), rate=1.0)

    async def metrics(request: Request) -> Response:
        return Response(await shell.city.metrics(), media_type=CONTENT_TYPE)

    return [
        MachineRoute("/metrics", metrics, "health.see"),
        PermittedRoute("/health", page, "health.see"),
        StreamRoute("/live/health", shell.live, channel, "health.see"),
    ]
