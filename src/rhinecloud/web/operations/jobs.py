"""Jobs: what waits, runs and is dead, what is timed; running a dead one again, or giving it up."""

from __future__ import annotations

from typing import Any, cast, get_args
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.jobs import NotDead, State

from .. import language as languages
from ..forms import fields
from ..live import Channel, Fragment, StreamRoute
from ..shell import Shell
from ..sight import PermittedRoute, actor_of, sight_of
from .pages import PAGE, done, number, to, whole
from .payloads import readable

PATH = "/jobs"
_EVERY = 2.0  # seconds between two looks while somebody looks
_FIGURES = ("waiting", "running", "dead")


def routes(shell: Shell) -> list[BaseRoute]:
    """`/jobs` and `/jobs/{number}`."""

    async def index(request: Request) -> Response:
        values = await _listing(shell, request)
        return shell.renderer.page(request, "operations/jobs.html", done=done(request), **values)

    def channel(request: Request) -> Channel:
        code = languages.choose(request)
        key = f"jobs:{code}:{_choice(request)}"

        async def render() -> str:
            shell.live.notify_later(key, _EVERY)
            return shell.renderer.part("operations/parts/jobs.html", code, **await _listing(shell, request))

        return shell.live.channel(sight_of(request), key, lambda: Fragment(render), rate=1.0)

    async def page(request: Request) -> Response:
        return await _page(shell, request)

    async def act(request: Request) -> Response:
        job = number(request)
        action = (await fields(request)).get("action")
        actor = actor_of(request).id
        try:
            if action == "retry":
                await shell.jobs.retry(job, actor)
            elif action == "discard":
                await shell.jobs.discard(job, actor)
            else:
                raise HTTPException(400)
        except NotDead as error:
            return await _page(shell, request, str(error))
        return to(PATH, done=action)

    return [
        PermittedRoute(PATH, index, "jobs.see"),
        StreamRoute("/live/jobs", shell.live, channel, "jobs.see"),
        PermittedRoute(f"{PATH}/{{number}}", page, "jobs.see"),
        PermittedRoute(f"{PATH}/{{number}}", act, "jobs.manage", method="POST"),
    ]


def _choice(request: Request) -> tuple[State | None, int | None]:
    wanted = request.query_params.get("state")
    state = cast("State", wanted) if wanted in get_args(State) else None
    return state, whole(request.query_params.get("before"), 2**62) or None


async def _listing(shell: Shell, request: Request) -> dict[str, Any]:
    state, before = _choice(request)
    found = await shell.jobs.list(state, before=before, limit=PAGE + 1)
    shown = found[:PAGE]
    kept = {"state": state} if state else {}
    figures = await shell.jobs.health()
    more = len(found) > PAGE
    return {
        "jobs": shown,
        "state": state,
        "states": [(name, figures[name]) for name in _FIGURES],
        "schedules": await shell.jobs.schedules(),
        "first": f"{PATH}?{urlencode(kept)}" if before else None,
        "after": f"{PATH}?{urlencode({**kept, 'before': shown[-1].id})}" if more else None,
        "address": "?" + urlencode({**kept, **({"before": before} if before else {})}),
    }


async def _page(shell: Shell, request: Request, problem: str | None = None) -> Response:
    job = await shell.jobs.get(number(request))
    if job is None:
        return shell.renderer.page(request, "operations/job_gone.html", 404)
    payload = readable(job.payload.encode())
    return shell.renderer.page(
        request, "operations/job.html", 409 if problem else 200, job=job, payload=payload, problem=problem
    )


__all__ = ["routes"]
