"""The ASGI application: finds the operation, asks whether it is permitted, answers errors as problem details."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import unquote

import asyncpg
import msgspec

from rhinecloud.broker import Overloaded, Unavailable
from rhinecloud.bus import BusUnavailable
from rhinecloud.model import NgsiLdError
from rhinecloud.people.actors import of_scope
from rhinecloud.people.gate import Denied, demand
from rhinecloud.people.permissions import PUBLIC, SEE_API

from ..ngsi_ld import openapi as ngsi_ld_openapi
from ..ngsi_ld.api import ROUTES as NGSI_LD_ROUTES
from . import devices, openapi, profiles, unmapped
from .exchange import PROBLEM, ROOT, Answer, ApiError, Request
from .route import BY_DEVICE, Route, Services, parameters_of

_log = logging.getLogger(__name__)
_SAFE = ("GET", "HEAD")
_encode = msgspec.json.Encoder().encode


async def describe(services: Services, request: Request) -> Answer:
    """GET /openapi.json."""
    return Answer(200, openapi.document(ROUTES))


async def describe_ngsi_ld(services: Services, request: Request) -> Answer:
    """GET /ngsi-ld-openapi.json: beside the standard's own API, which has no such resource."""
    return Answer(200, ngsi_ld_openapi.describe(NGSI_LD_ROUTES))


ROUTES: tuple[Route, ...] = (
    *devices.ROUTES,
    *profiles.ROUTES,
    *unmapped.ROUTES,
    Route("GET", "/openapi.json", SEE_API, describe, "This description", answer=dict[str, Any]),
    Route(
        "GET",
        "/ngsi-ld-openapi.json",
        PUBLIC,
        describe_ngsi_ld,
        "The description of the NGSI-LD API",
        answer=dict[str, Any],
    ),
)


class _Gone(Exception):  # noqa: N818  # says who went
    """Nobody waits for an answer to half a request."""


class ManagementApi:
    """Serves /api/v1."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tree = _tree(ROUTES)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            answer = await self._answer(scope, receive)
        except _Gone:
            return
        except Denied as error:
            answer = _problem(error.status, error.title, str(error))
            answer = msgspec.structs.replace(answer, headers=error.headers)
        except ApiError as error:
            answer = Answer(error.status, error.problem(), error.headers, PROBLEM)
        except NgsiLdError as error:
            answer = _problem(error.status, error.title, error.detail, field=error.field)
        except Overloaded as error:
            answer = _away("more requests are waiting than can be served", error.retry_after)
        except asyncpg.DataError as error:
            answer = _problem(400, "Bad request data", f"a value cannot be stored: {error}")
        except (*Unavailable, BusUnavailable) as error:
            _log.warning("the management API has to wait: %s", error or type(error).__name__)
            answer = _away("the store is away; it is not known whether the request was carried out", 2)
        except Exception:
            _log.exception("%s %s", scope["method"], scope["path"])
            answer = _problem(500, "Internal error", "something went wrong here; it is in the log")
        await _send(send, answer, head=scope["method"] == "HEAD")

    async def _answer(self, scope: Any, receive: Any) -> Answer:
        headers = dict(scope["headers"])
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        method = scope["method"]
        route, arguments = _find(self._tree, raw.removeprefix(ROOT), "GET" if method == "HEAD" else method)
        actor = of_scope(scope)
        if route.permission is not BY_DEVICE:  # whose secret the operation looks at
            demand(actor, route.permission)
        body = b"" if method in _SAFE else await _read(receive, headers, route.largest_body)
        request = Request(method, raw, arguments, scope["query_string"], headers, body, actor.id)
        return await route.operation(self._services, request)


_Tree = dict[tuple[int, str], list[tuple[list[str], Route]]]


def _tree(routes: tuple[Route, ...]) -> _Tree:
    """By number of parts and first part; fixed parts come before names."""
    tree: _Tree = {}
    for route in routes:
        parts = route.path.strip("/").split("/")
        tree.setdefault((len(parts), parts[0]), []).append((parts, route))
    for found in tree.values():
        found.sort(key=lambda one: [part.startswith("{") for part in one[0]])
    return tree


def _find(tree: _Tree, path: str, method: str) -> tuple[Route, dict[str, str]]:
    parts = [unquote(part) for part in path.strip("/").split("/")]
    allowed: list[str] = []
    for pattern, route in tree.get((len(parts), parts[0]), ()):
        if all(one.startswith("{") or one == part for one, part in zip(pattern, parts, strict=True)):
            if route.method == method:
                values = [part for one, part in zip(pattern, parts, strict=True) if one.startswith("{")]
                return route, dict(zip(parameters_of(route.path), values, strict=True))
            allowed.append(route.method)
    if allowed:
        header = ((b"allow", ", ".join(dict.fromkeys(allowed)).encode()),)
        raise ApiError(405, "Method not allowed", f"{method} is not possible here", headers=header)
    raise ApiError(404, "Not found", f"there is nothing at {ROOT}{path:.200}; see {ROOT}/openapi.json")


async def _read(receive: Any, headers: dict[bytes, bytes], largest: int) -> bytes:
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > largest:
        raise _too_large(largest)
    parts = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        parts += message.get("body", b"")
        more = message.get("more_body", False)
        if len(parts) > largest:
            raise _too_large(largest)
    return bytes(parts)


def _too_large(largest: int) -> ApiError:
    return ApiError(413, "Content too large", f"a body here may have {largest} bytes")


def _problem(status: int, title: str, detail: str, *, field: str | None = None) -> Answer:
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Answer(status, problem if field is None else {**problem, "field": field}, (), PROBLEM)


def _away(detail: str, seconds: int) -> Answer:
    answer = _problem(503, "Service unavailable", detail)
    return msgspec.structs.replace(answer, headers=((b"retry-after", str(seconds).encode()),))


async def _send(send: Any, answer: Answer, *, head: bool) -> None:
    headers = [*answer.headers, (b"x-content-type-options", b"nosniff")]
    body = b""
    if answer.body is not None:
        body = _encode(answer.body)
        headers.append((b"content-type", answer.media_type.encode()))
    if answer.status != 204:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
