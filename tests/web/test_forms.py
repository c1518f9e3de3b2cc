"""Only our own pages may change something, and only within limits."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rhinecloud.web.forms import MOST_BYTES, OwnForms, fields, is_known, is_own

OWN = {"origin": "http://city.example"}


def _app(hosts: frozenset[str] | None = None) -> OwnForms:
    async def take(request: Request) -> Response:
        return PlainTextResponse(str(sorted((await fields(request)).items())))

    async def refuse(request: Request, status: int) -> Response:
        return PlainTextResponse("refused", status)

    return OwnForms(Starlette(routes=[Route("/", take, methods=["GET", "POST"])]), refuse, hosts)


def _client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://city.example")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 200),
        (OWN, 200),
        ({"sec-fetch-site": "cross-site", **OWN}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[bad"}, 403),
        ({"referer": "http://city.example/"}, 403),
        ({}, 403),
    ],
)
async def test_a_form_comes_from_here_or_is_refused(headers: dict[str, str], status: int) -> None:
    async with _client(_app()) as client:
        assert (await client.post("/", data={"a": "1"}, headers=headers)).status_code == status
        assert (await client.get("/", headers=headers)).status_code == 200


async def test_a_name_that_points_here_is_not_ours() -> None:
    """DNS rebinding: the attacker's page is of the same origin as what its name leads to."""
    async with _client(_app(frozenset({"city.example"}))) as client:
        assert (await client.post("/", data={}, headers=OWN)).status_code == 200
        foreign = {"host": "evil.example", "origin": "http://evil.example"}
        assert (await client.post("/", data={}, headers=foreign)).status_code == 403


def test_names_of_an_open_installation() -> None:
    names = frozenset({"city.example"})
    for host in (
        "localhost:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "a.localhost",
        "city.example",
        "city.example.:1",
    ):
        assert is_known(host, names), host
    for host in ("evil.example", "127.0.0.1.evil.example", "", "10.0.0.1", "notlocalhost"):
        assert not is_known(host, names), host
    assert is_known("anything", None)
    assert not is_own({"origin": "http://city.example", "host": "city.example:81"})


async def test_a_form_has_its_limits() -> None:
    async def chunks() -> Any:
        for _ in range(MOST_BYTES // 100_000 + 2):
            yield b"a" * 100_000

    async with _client(_app()) as client:
        told = await client.post("/", content=b"a" * (MOST_BYTES + 1), headers=OWN)
        assert told.status_code == 413
        streamed = await client.post("/", content=chunks(), headers=OWN)
        assert streamed.status_code == 413
        assert (await client.post("/", content=b"&".join([b"a=1"] * 3_000), headers=OWN)).status_code == 400
        assert (await client.post("/", content=b"a=%FF", headers=OWN)).status_code == 400
        lines = await client.post("/", content=b"a=1%0D%0A2&b=&a=3%0D%0A4", headers=OWN)
        assert lines.text == "[('a', '3\\n4'), ('b', '')]"
