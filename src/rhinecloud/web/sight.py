"""Who looks at the pages, and what they may see and do: the one place that the pages ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rhinecloud.model.sight import Sight
from rhinecloud.people import OPEN, Actor

Handler = Callable[[Request], Awaitable[Response]]


def actor_of(request: Request) -> Actor:
    """Who asks, as the gate before all routes found it; without one, whoever reaches an open installation."""
    found: Actor = request.scope.get("rhinecloud.actor", OPEN)
    return found


def sight_of(request: Request) -> Sight:
    """What they may read of the graph. Who has the same sight is told the same, in the same bytes."""
    return actor_of(request).sight


class PermittedRoute(Route):
    """A route of pages that answers 403 to whoever lacks its permission (`devices.see`, `devices.manage`)."""

    def __init__(self, path: str, handler: Handler, permission: str, *, method: str = "GET") -> None:
        async def permitted(request: Request) -> Response:
            if not actor_of(request).may(permission):
                raise HTTPException(403)
            return await handler(request)

        super().__init__(path, permitted, methods=[method])
        self.permission = permission


__all__ = ["PermittedRoute", "actor_of", "sight_of"]
