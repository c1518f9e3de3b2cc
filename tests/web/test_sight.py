"""Who may see what is decided in one place; live views never mix two sights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rhinecloud.model.sight import EVERYTHING, Grant, Sight
from rhinecloud.people import PERMISSIONS, Actor
from rhinecloud.people.actors import ANONYMOUS
from rhinecloud.web import create_app
from rhinecloud.web.live import Fragment, Live
from rhinecloud.web.sight import PermittedRoute
from tests.acting import acting

from .test_errors import Broken

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "pages.md"
_PART = re.compile(r"/live/|/map/|/objects/list$|/objects/\{id\}/history$|/devices/~list$")  # parts of pages


async def _nothing() -> str:
    return ""


def test_views_of_two_sights_are_two() -> None:
    views = Live()
    other = Sight((Grant(scopes=frozenset({"/Duisburg/Nord"})),))
    mine = views.channel(EVERYTHING, "map", lambda: Fragment(_nothing))
    theirs = views.channel(other, "map", lambda: Fragment(_nothing))
    assert mine is not theirs
    assert views.channel(EVERYTHING, "map", lambda: Fragment(_nothing)) is mine
    assert (
        views.channel(
            Sight((Grant(scopes=frozenset({"/Duisburg/Nord"})),)), "map", lambda: Fragment(_nothing)
        )
        is theirs
    )
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
    for route in create_app(Broken(RuntimeError())).routes:
        if route.path not in ("/static/{path:path}", "/robots.txt"):
            found.append((route.path, route.permission))
    return found


def test_every_page_names_a_permission_and_is_documented() -> None:
    rows = re.findall(r"^\| `(/[^`]*)` \|.*\| (`.*`) \|$", PAGES.read_text(), re.MULTILINE)
    documented = {(path, one) for path, needed in rows for one in re.findall(r"`([^`]+)`", needed)}
    pages = {(path, permission) for path, permission in _routes() if not _PART.match(path)}
    assert pages == documented
    assert all(permission in PERMISSIONS for _, permission in _routes())
    known = {permission for _, permission in pages}
    assert {permission for _, permission in _routes()} == known


async def test_a_live_part_asks_for_its_permission() -> None:
    app = create_app(Broken(RuntimeError()))
    for actor, status in ((ANONYMOUS, 401), (_SOMEBODY, 403)):
        async with _asked_by(app, actor) as client:
            for path, permission in _routes():
                if path.startswith("/live/") and permission != "public":
                    assert (await client.get(path.replace("{id}", "x"))).status_code == status, path


async def test_a_route_asks_for_its_permission() -> None:
    async def page(request: Request) -> Response:
        return PlainTextResponse("seen")

    routes = [PermittedRoute("/devices", page, "devices.see")]
    app = Starlette(routes=[*routes, PermittedRoute("/devices", page, "devices.manage", method="POST")])
    async with _asked_by(app, Actor("person:1", "person", permissions=frozenset({"devices.see"}))) as client:
        assert (await client.get("/devices")).status_code == 200
        assert (await client.post("/devices")).status_code == 403
    async with _asked_by(app, ANONYMOUS) as client:
        answer = await client.get("/devices?search=a&x=%2F%2Fevil.example")
        assert answer.status_code == 303 and answer.headers["cache-control"] == "no-store"
        assert (
            answer.headers["location"] == "/sign-in?next=/devices%3Fsearch%3Da%26x%3D%252F%252Fevil.example"
        )
        assert (await client.post("/devices")).headers["location"] == "/sign-in"
        # A part of a page that htmx asked for: the page goes to the sign-in, and only to one of ours from there.
        for current, back in (
            ("http://city/devices?a=1", "/devices%3Fa%3D1"),
            ("http://city//evil.example", ""),
        ):
            answer = await client.get("/devices", headers={"HX-Request": "true", "HX-Current-URL": current})
            assert answer.status_code == 401
            assert answer.headers["hx-redirect"] == "/sign-in" + (f"?next={back}" if back else "")
    # Where no gate has looked nobody is anything.
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://city") as client:
        assert (await client.get("/devices")).status_code == 303


_SOMEBODY = Actor("person:2", "person", permissions=frozenset({"account"}))


def _asked_by(app: Any, actor: Actor) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=acting(app, actor)), base_url="http://city")
