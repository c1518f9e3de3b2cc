"""What somebody who looks at the pages may see and do: the one place that asks it.

Who looks was found by the gate (`people/gate.py`); every route names its permission.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from rhinecloud.model.sight import Sight
from rhinecloud.people import PERMISSIONS, Actor
from rhinecloud.people.actors import of_scope
from rhinecloud.people.gate import Denied, demand

from .addresses import inside, sign_in

Handler = Callable[[Request], Awaitable[Response]]


def actor_of(request: Request) -> Actor:
    """Who asks."""
    return of_scope(request.scope)


def sight_of(request: Request) -> Sight:
    """What who asks may read."""
    return of_scope(request.scope).sight


def refused(request: Request, permission: str) -> Response | None:
    """The answer to whoever lacks a permission, None for who has it: anybody is led to the sign-in, and from there back
    to where they were. Raises HTTPException 403 for others."""
    actor = actor_of(request)
    if actor.may(permission):
        return None
    if actor.kind != "anonymous":
        raise HTTPException(403)
    if request.url.path.startswith("/live/"):
        raise HTTPException(401)
    if request.headers.get("hx-request"):
        # A part of a page: the whole page goes to the sign-in, and comes back whole.
        page = urlsplit(request.headers.get("hx-current-url", ""))
        back = inside(page.path + (f"?{page.query}" if page.query else ""), "")
        return Response(status_code=401, headers={"HX-Redirect": sign_in(back), "Cache-Control": "no-store"})
    back = inside(request.url.path + (f"?{request.url.query}" if request.url.query else ""), "")
    target = sign_in(back if request.method in ("GET", "HEAD") else "")
    return RedirectResponse(target, 303, {"Cache-Control": "no-store"})


class PermittedRoute(Route):
    """A route of pages for whoever has its permission (`devices.see`, `public`); see `refused` for others."""

    def __init__(self, path: str, handler: Handler, permission: str, *, method: str = "GET") -> None:
        async def permitted(request: Request) -> Response:
            return refused(request, permission) or await handler(request)

        super().__init__(path, permitted, methods=[method])
        self.permission = permission


class MachineRoute(Route):
    """A route beside the pages to which programs come (`/metrics`): whoever lacks its permission is told so as by an
    API, and led nowhere. The gate knows its path as one of theirs (`people/gate.py`). Raises KeyError for a permission
    that there is not."""

    def __init__(self, path: str, handler: Handler, permission: str) -> None:
        needed = PERMISSIONS[permission]

        async def permitted(request: Request) -> Response:
            try:
                demand(actor_of(request), needed)
            except Denied as error:
                return problem(error)
            return await handler(request)

        super().__init__(path, permitted, methods=["GET"])
        self.permission = permission


def problem(error: Denied) -> Response:
    """The answer to a program that may not: problem details (RFC 9457), with a challenge to whoever is anybody."""
    headers = {name.decode(): value.decode() for name, value in error.headers}
    document = {"type": "about:blank", "title": error.title, "status": error.status, "detail": str(error)}
    return JSONResponse(
        document,
        error.status,
        {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers},
        "application/problem+json",
    )


__all__ = ["MachineRoute", "PermittedRoute", "actor_of", "problem", "refused", "sight_of"]
