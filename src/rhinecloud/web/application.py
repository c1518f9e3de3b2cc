"""The pages as one ASGI application: routes, error pages, headers."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.types import Receive, Scope, Send

from rhinecloud.broker import Overloaded, Unavailable
from rhinecloud.model import NgsiLdError
from rhinecloud.people import PERMISSIONS, PUBLIC
from rhinecloud.people.gate import WAIT
from rhinecloud.settings import Settings

from . import (
    api_reference,
    audit_log,
    city_map,
    desk_sources,
    health,
    legal,
    object_pages,
    operations,
    people,
    privacy,
    publishing,
    query_builder,
    start,
)
from .assets import Assets
from .forms import OwnForms
from .security import SecurityHeaders, content_security_policy
from .segments import BySegment
from .shell import City, Shell
from .sight import PermittedRoute

_log = logging.getLogger(__name__)
AppRoutes = Callable[[Shell, Sequence[BaseRoute]], list[BaseRoute]]


class WebApp:
    """The pages, by their `routes`; `close` ends the live views when the server stops."""

    def __init__(self, city: City, apps: AppRoutes | None = None) -> None:
        self.shell = Shell(city, Assets())
        shell = self.shell
        desk_sources.add_to(shell.desk)
        pages = Starlette(
            routes=[
                *start.routes(shell),
                *city_map.routes(shell),
                *object_pages.routes(shell),
                *health.routes(shell),
                *operations.routes(shell),
                *people.routes(shell),
                *audit_log.routes(shell),
                *legal.routes(shell),
                *privacy.routes(shell),
                *query_builder.routes(shell),
                *api_reference.routes(shell),
                *publishing.routes(shell),
                PermittedRoute("/static/{path:path}", shell.assets.serve, PUBLIC.name),
                PermittedRoute("/robots.txt", _robots, PUBLIC.name),
            ],
            exception_handlers={
                HTTPException: self._http_error,
                NgsiLdError: self._graph_error,
                **dict.fromkeys(Unavailable, self._unavailable),
                Overloaded: self._unavailable,
                Exception: self._failure,
            },
        )
        if apps is not None:
            pages.router.routes += apps(shell, pages.router.routes)
        for route in pages.router.routes:
            if getattr(route, "permission", None) not in PERMISSIONS:
                raise ValueError(f"the route {route} names no permission")
        self.routes = tuple(pages.router.routes)
        pages.router.routes = [BySegment(self.routes)]
        own = OwnForms(pages, self._refused, _hosts(city.settings))
        # Outside of Starlette's own handling of failures, so that the page of a failure has the headers too.
        policy = content_security_policy(city.settings.map_style_url)
        self._app = SecurityHeaders(own, policy)
        self._waiting = SecurityHeaders(self._too_often, policy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await (self._waiting if WAIT in scope else self._app)(scope, receive, send)

    def close(self) -> None:
        """End the live views and the watch of the graph."""
        self.shell.live.close()
        self.shell.follower.close()

    def _error(self, request: Request, status: int, *, foreign: bool = False) -> Response:
        known = status if status in (403, 404, 413, 429, 503) else 500 if status >= 500 else 400
        response = self.shell.renderer.page(
            request, "error.html", status, code=status, known=known, foreign=foreign
        )
        if status == 503:
            response.headers["Retry-After"] = "5"
        return response

    async def _too_often(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._error(Request(scope, receive), 429)
        response.headers["Retry-After"] = str(max(1, math.ceil(scope[WAIT])))
        await response(scope, receive, send)

    async def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = self._error(request, error.status_code)
        response.headers.update(error.headers or {})
        return response

    async def _refused(self, request: Request, status: int) -> Response:
        return self._error(request, status, foreign=status == 403)

    async def _graph_error(self, request: Request, error: Exception) -> Response:
        return self._error(request, getattr(error, "status", 500))

    async def _unavailable(self, request: Request, error: Exception) -> Response:
        _log.warning("a page cannot be made now: %s", error)
        return self._error(request, 503)

    async def _failure(self, request: Request, error: Exception) -> Response:
        return self._error(request, 500)


def _hosts(settings: Settings) -> frozenset[str] | None:
    """The names of an installation that nobody signs in to; with sign-in any name will do."""
    if not settings.open:
        return None
    return frozenset(filter(None, (settings.host, urlsplit(settings.public_url or "").hostname)))


async def _robots(request: Request) -> Response:
    return PlainTextResponse("User-agent: *\nDisallow: /live/\nDisallow: /map/\n")


def create_app(city: City, apps: AppRoutes | None = None) -> WebApp:
    """The pages of a city; `apps` gives those of the apps. Raises NotBuilt if there are no assets."""
    return WebApp(city, apps)


def create_routes(city: City) -> list[BaseRoute]:
    """The pages as routes; they take every path, so they come last. Raises NotBuilt if there are no assets."""
    return [Mount("/", app=create_app(city))]
