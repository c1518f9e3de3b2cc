"""The APIs of apps: /api/NAME/…, refused unless permitted, with errors as problem details (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import Message, Receive, Scope, Send

from rhinecloud.app import Endpoint
from rhinecloud.broker import Overloaded, Unavailable
from rhinecloud.bus import BusUnavailable
from rhinecloud.city import City
from rhinecloud.model import NgsiLdError
from rhinecloud.people import PERMISSIONS
from rhinecloud.people.gate import Denied, demand
from rhinecloud.web import actor_of
from rhinecloud.web.sight import problem

_log = logging.getLogger(__name__)


class AppApis:
    """All of them. Raises KeyError for a permission that there is not."""

    def __init__(self, endpoints: Iterable[tuple[City, Endpoint]]) -> None:
        served = [(endpoint, self._route(city, endpoint)) for city, endpoint in endpoints]
        self._judging = [route for endpoint, route in served if endpoint.own_secret]
        self._app = Starlette(
            routes=[route for _, route in served],
            exception_handlers={
                Denied: _denied,
                HTTPException: _http_error,
                NgsiLdError: _graph_error,
                **dict.fromkeys((*Unavailable, Overloaded, BusUnavailable), _away),
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            await self._app(scope, receive, send)
        except Exception:  # Starlette has answered 500 by then
            _log.exception("%s %s", scope["method"], scope["path"])

    def judge(self, scope: Scope) -> bool:
        """Whether a request is for an endpoint whose callers an app judges itself."""
        return any(route.matches(scope)[0] is Match.FULL for route in self._judging)

    def _route(self, city: City, endpoint: Endpoint) -> Route:
        permission = PERMISSIONS[endpoint.permission]  # there is none without

        async def answer(request: Request) -> Response:
            demand(actor_of(request), permission)
            limited = Request(request.scope, _limited(request, endpoint.largest_body))
            found = await endpoint.handler(city, limited)
            return found if isinstance(found, Response) else _json(found)

        return Route(f"/api/{city.app}{endpoint.path}", answer, methods=[endpoint.method])


def _json(found: Any) -> Response:
    return Response(msgspec.json.encode(found), media_type="application/json")


def _limited(request: Request, most: int) -> Receive:
    left = most

    async def receive() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, f"a body here may have {most} bytes")
        return message

    return receive


def _problem(status: int, detail: str, headers: Any = None, **members: Any) -> Response:
    title = HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    return JSONResponse(
        document,
        status,
        {"X-Content-Type-Options": "nosniff", **(headers or {})},
        media_type="application/problem+json",
    )


async def _denied(request: Request, error: Exception) -> Response:
    assert isinstance(error, Denied)
    return problem(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _problem(error.status_code, error.detail, error.headers)


async def _graph_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, NgsiLdError)
    members = {"field": error.field} if error.field else {}
    return _problem(error.status, error.detail, **members)


async def _away(request: Request, error: Exception) -> Response:
    _log.warning("an app has to wait: %s", error or type(error).__name__)
    return _problem(
        503, "the store is away; it is not known whether the request was carried out", {"Retry-After": "2"}
    )
