"""Routes by their first segment answer as they would one after the other."""

from __future__ import annotations

from itertools import product

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from rhinecloud.web.segments import BySegment


async def _told(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.scope['route'].path} {request.method} {request.path_params}")


ROUTES = [
    Route("/", _told),
    Route("/a", _told),
    Route("/a/{x}", _told),
    Route("/a/{x}", _told, methods=["POST"]),
    Route("/a/b", _told, methods=["DELETE"]),
    Route("/b/{x:int}/c", _told),
    Route("/static/{path:path}", _told),
]
PATHS = ("/", "/a", "/a/", "/a/b", "/a/b/", "/a/%2F", "/b/3/c", "/b/x/c", "/static/x/y", "/c", "//", "/{x}")


async def test_each_request_finds_what_it_would_find_one_after_the_other() -> None:
    one, other = Starlette(routes=ROUTES), Starlette(routes=[BySegment(ROUTES)])
    clients = [
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://city") for app in (one, other)
    ]
    seen = set()
    for path, method in product(PATHS, ("GET", "HEAD", "POST", "DELETE")):
        plain, segments = [await client.request(method, path) for client in clients]
        assert (plain.status_code, plain.text) == (segments.status_code, segments.text), (path, method)
        assert plain.headers.get("location") == segments.headers.get("location")
        assert plain.headers.get("allow") == segments.headers.get("allow")
        seen.add(plain.status_code)
    assert seen == {200, 307, 404, 405}


def test_what_begins_with_a_name_is_refused() -> None:
    for route in (Route("/{x}/a", _told), Mount("/", routes=[])):
        with pytest.raises(ValueError, match="no plain word"):
            BySegment([route])
