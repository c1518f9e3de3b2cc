"""The page of operations: engines, the way from commit to bus, and what could not be understood."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from . import language as languages
from .live import Channel, Fragment, StreamRoute
from .shell import Shell
from .sight import sight_of

LATE = 5.0  # seconds: a relay that is further behind is called late
_GRACE = 3.0  # seconds to wait for figures


class Part(msgspec.Struct, frozen=True):
    """A part of the installation. `state`: ok, late or away."""

    key: str
    state: str
    rows: tuple[tuple[str, Any], ...]


async def summary(shell: Shell) -> list[Part]:
    """The parts and how they are; never raises, a part that does not answer is away."""
    try:
        async with asyncio.timeout(_GRACE):
            found = await shell.health()
    except Exception as error:
        return [Part("postgresql", "away", (("reason", str(error) or type(error).__name__),))]
    return [_part(key, value) for key, value in found.items() if isinstance(value, dict)]


def _part(key: str, figures: dict[str, Any]) -> Part:
    rows = tuple((name, value) for name, value in _flat(figures))
    state = "ok"
    if (
        figures.get("ok") is False
        or figures.get("connected") is False
        or figures.get("state") in ("away", "down")
    ):
        state = "away"
    elif float(figures.get("lag_seconds") or 0) > LATE:
        state = "late"
    return Part(key, state, rows)


def _flat(figures: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in figures.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, value))
    return rows


async def figures(shell: Shell) -> dict[str, Any]:
    """What the page's live part shows."""
    parts = await summary(shell)
    states = {part.state for part in parts}
    worst = next((state for state in ("away", "late") if state in states), "ok")
    return {"parts": parts, "worst": worst, "viewers": sum(shell.live.watched().values())}


def routes(shell: Shell) -> list[BaseRoute]:
    """`/health` and its live part."""

    async def page(request: Request) -> Response:
        found = await figures(shell)
        return shell.renderer.page(request, "health.html", 503 if found["worst"] == "away" else 200, **found)

    def channel(request: Request) -> Channel:
        code = languages.choose(request)
        key = f"health:{code}"

        async def render() -> str:
            shell.live.notify_later(key, 2.0)
            return shell.renderer.part("parts/health.html", code, **await figures(shell))

        return shell.live.channel(sight_of(request), key, lambda: Fragment(render), rate=1.0)

    return [Route("/health", page), StreamRoute("/live/health", shell.live, channel)]
