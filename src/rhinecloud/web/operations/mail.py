"""Mail: what became of each letter, and sending one again that was refused or given up."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.mail import STATES

from ..forms import fields
from ..shell import Shell
from ..sight import PermittedRoute, actor_of
from .pages import PAGE, done, number, to, whole

PATH = "/mail"
AGAIN = ("refused", "expired")  # states in which a letter may be sent again


def routes(shell: Shell) -> list[BaseRoute]:
    """`/mail` and `/mail/{number}`."""

    async def index(request: Request) -> Response:
        return shell.renderer.page(
            request, "operations/mail.html", done=done(request), **await _listing(shell, request)
        )

    async def page(request: Request) -> Response:
        return await _page(shell, request, done(request))

    async def act(request: Request) -> Response:
        if (await fields(request)).get("action") != "retry":
            raise HTTPException(400)
        message = number(request)
        if not await shell.mail.retry(message, actor_of(request).id):
            return await _page(shell, request, "not", 409)
        return to(f"{PATH}/{message}", done="retry")

    return [
        PermittedRoute(PATH, index, "mail.see"),
        PermittedRoute(f"{PATH}/{{number}}", page, "mail.see"),
        PermittedRoute(f"{PATH}/{{number}}", act, "mail.manage", method="POST"),
    ]


async def _listing(shell: Shell, request: Request) -> dict[str, Any]:
    state = request.query_params.get("state")
    if state not in STATES:
        state = None
    before = whole(request.query_params.get("before"), 2**62) or None
    recipient = (request.query_params.get("recipient") or "").strip()[:254]
    if not recipient.isprintable():
        raise HTTPException(400)
    found = await shell.mail.messages(
        states=(state,) if state else (), recipient=recipient or None, before=before, limit=PAGE + 1
    )
    shown = found[:PAGE]
    kept = {name: value for name, value in (("state", state), ("recipient", recipient)) if value}
    figures = await shell.mail.health()
    more = len(found) > PAGE
    return {
        "letters": shown,
        "state": state,
        "recipient": recipient,
        "states": [(name, figures.get(name, 0)) for name in STATES],
        "server": figures.get("server"),
        "reason": figures.get("reason"),
        "first": f"{PATH}?{urlencode(kept)}" if before else None,
        "after": f"{PATH}?{urlencode({**kept, 'before': shown[-1].id})}" if more else None,
    }


async def _page(shell: Shell, request: Request, told: str, status: int = 200) -> Response:
    letter = await shell.mail.get(number(request))
    if letter is None:
        raise HTTPException(404)
    return shell.renderer.page(
        request, "operations/letter.html", status, letter=letter, again=letter.state in AGAIN, done=told
    )
