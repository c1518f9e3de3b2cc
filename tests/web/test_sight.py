"""Who may see what is decided in one place; live views never mix two sights."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rhinecloud.model.sight import EVERYTHING, Grant, Sight
from rhinecloud.people import Actor
from rhinecloud.web import create_app, live, sight
from rhinecloud.web.live import Fragment, Live
from rhinecloud.web.sight import PermittedRoute

from .test_errors import Broken

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "pages.md"
_PART = re.compile(r"/live/|/map/|/objects/list$|/objects/\{id\}/history$|/devices/~list$")  # parts of pages


async def _nothing() -> str:
    return ""


def test_views_of_two_sights_are_two() -> None:
    views = Live()
    other = Sight((Grant(scopes=frozenset({"/North"})),))
    mine = views.channel(EVERYTHING, "map", lambda: Fragment(_nothing))
    theirs = views.channel(other, "map", lambda: Fragment(_nothing))
    assert mine is not theirs
    assert views.channel(EVERYTHING, "map", lambda: Fragment(_nothing)) is mine
    assert views.channel(Sight((Grant(scopes=frozenset({"/North"})),)), "map", lambda: Fragment(_nothing)) is theirs
    views.notify("map")
    assert mine._dirty.is_set() and theirs._dirty.is_set()


def test_views_that_nobody_looks_at_are_forgotten() -> None:
    views = Live()
    for number in range(1_000):
        views.channel(EVERYTHING, f"object:{number}", lambda: Fragment(_nothing))
    assert len(views._channels) <= 256


def _routes() -> list[tuple[str, str]]:
    """(address, permission) of every page, live part and form."""
    found = []
    # Outermost are the headers, then the check of forms, then the routes.
    for route in create_app(Broken(RuntimeError()))._app._app._app.routes:  # type: ignore[attr-defined]
        if route.path not in ("/static/{path:path}", "/robots.txt"):
            found.append((route.path, route.permission))
    return found


def test_every_page_names_a_permission_and_is_documented() -> None:
    rows = re.findall(r"^\| `(/[^`]*)` \|.*\| (`.*`) \|$", PAGES.read_text(), re.MULTILINE)
    documented = {(path, one) for path, needed in rows for one in re.findall(r"`([^`]+)`", needed)}
    pages = {(path, permission) for path, permission in _routes() if not _PART.match(path)}
    assert pages == documented
    assert all(re.fullmatch(r"[a-z]+\.(see|manage|command)", permission) for _, permission in _routes())
    known = {permission for _, permission in pages}
    assert {permission for _, permission in _routes()} == known


async def test_a_live_part_asks_for_its_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(Broken(RuntimeError()))
    monkeypatch.setattr(live, "actor_of", lambda request: Actor("nobody", "anonymous"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://city") as client:
        for path, _ in _routes():
            if path.startswith("/live/"):
                assert (await client.get(path.replace("{id}", "x"))).status_code == 403, path


async def test_a_route_asks_for_its_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    async def page(request: Request) -> Response:
        return PlainTextResponse("seen")

    app = Starlette(routes=[PermittedRoute("/devices", page, "devices.see")])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://city") as client:
        assert (await client.get("/devices")).status_code == 200
        monkeypatch.setattr(sight, "actor_of", lambda request: Actor("nobody", "anonymous"))
        assert (await client.get("/devices")).status_code == 403
