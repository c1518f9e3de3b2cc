"""What somebody who looks at the pages may see and do: the one place that decides it.

Until there is sign-in everybody sees and may do everything, for the program is served on a loopback address only. Live
views are kept apart by the sight already, and every route names its permission.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rhinecloud.people import OPEN, Actor

Handler = Callable[[Request], Awaitable[Response]]


class Sight(msgspec.Struct, frozen=True):
    """Who has the same sight is told the same, in the same bytes. `actor` is the name for the audit."""

    key: str
    actor: str

    def may(self, permission: str) -> bool:
        """Whether this sight includes what a permission allows."""
        return self is EVERYTHING


EVERYTHING = Sight("everything", "open")


def sight_of(request: Request) -> Sight:
    """The sight of who asks."""
    return EVERYTHING


def actor_of(request: Request) -> Actor:
    """Who asks, as the gate before all routes found it; without one, whoever reaches an open installation."""
    found: Actor = request.scope.get("rhinecloud.actor", OPEN)
    return found


class PermittedRoute(Route):
    """A route of pages that answers 403 to whoever lacks its permission (`devices.see`, `devices.manage`)."""

    def __init__(self, path: str, handler: Handler, permission: str, *, method: str = "GET") -> None:
        async def permitted(request: Request) -> Response:
            if not sight_of(request).may(permission):
                raise HTTPException(403)
            return await handler(request)

        super().__init__(path, permitted, methods=[method])
        self.permission = permission


__all__ = ["EVERYTHING", "PermittedRoute", "Sight", "actor_of", "sight_of"]
