"""Who may see what is decided in one place; live views never mix two sights."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rhinecloud.web import sight
from rhinecloud.web.live import Fragment, Live
from rhinecloud.web.sight import EVERYTHING, PermittedRoute, Sight


async def _nothing() -> str:
    return ""


def test_views_of_two_sights_are_two() -> None:
    live = Live()
    other = Sight("district-north", "somebody")
    mine = live.channel(EVERYTHING, "map", lambda: Fragment(_nothing))
    theirs = live.channel(other, "map", lambda: Fragment(_nothing))
    assert mine is not theirs
    assert live.channel(EVERYTHING, "map", lambda: Fragment(_nothing)) is mine
    assert live.channel(Sight("district-north", "somebody"), "map", lambda: Fragment(_nothing)) is theirs
    live.notify("map")
    assert mine._dirty.is_set() and theirs._dirty.is_set()


def test_views_that_nobody_looks_at_are_forgotten() -> None:
    live = Live()
    for number in range(1_000):
        live.channel(EVERYTHING, f"object:{number}", lambda: Fragment(_nothing))
    assert len(live._channels) <= 256


async def test_a_route_asks_for_its_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    async def page(request: Request) -> Response:
        return PlainTextResponse("seen")

    app = Starlette(routes=[PermittedRoute("/devices", page, "devices.see")])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://city") as client:
        assert (await client.get("/devices")).status_code == 200
        monkeypatch.setattr(sight, "sight_of", lambda request: Sight("nobody", "nobody"))
        assert (await client.get("/devices")).status_code == 403
