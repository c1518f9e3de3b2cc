"""Who asks is found at the gate; whatever is not public is refused to whoever may not, on every route there is."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rhinecloud.api.management.api import ROUTES as MANAGEMENT
from rhinecloud.api.management.route import BY_DEVICE
from rhinecloud.api.ngsi_ld.api import ROUTES as NGSI_LD
from rhinecloud.app import App, Endpoint, Page
from rhinecloud.city import City
from rhinecloud.hosting import AppApis, find
from rhinecloud.model.sight import Grant
from rhinecloud.people import PERMISSIONS, accounts, organisations, tokens
from rhinecloud.people.gate import MACHINES
from rhinecloud.people.sessions import Sessions
from rhinecloud.store import Connections, RoomDatabase, Rooms, migrations_in
from rhinecloud.web import create_app
from rhinecloud.web.sight import MachineRoute, PermittedRoute
from tests.conftest import Serve, Server
from tests.web.test_errors import Broken

LAMP = {"id": "urn:ngsi-ld:Streetlight:1", "type": "Streetlight", "powerState": "on"}
_numbers = itertools.count(1)
_neighbours = (f"10.{number >> 8}.{number & 255}.1" for number in itertools.count())


class House:
    """A server with sign-in, and its room of people."""

    def __init__(self, server: Server, room: RoomDatabase) -> None:
        self.server = server
        self.room = room
        self.sessions = Sessions(room.pool, timedelta(hours=1), timedelta(days=1))

    async def person(self, *roles: str) -> tuple[int, int, str]:
        """Somebody who signed in, with these roles in an organisation: (account, organisation, cookie)."""
        number = next(_numbers)
        async with self.room.transaction() as connection:
            account = await accounts.make(connection, f"handle {number}".encode(), "Person", None, "de")
            organisation = await connection.fetchval(
                "INSERT INTO organisation (name) VALUES ($1) RETURNING id", f"Organisation {number}"
            )
            for role in roles:
                await organisations.join(connection, account, organisation, role)
            return account, organisation, await self.sessions.begin(connection, account, "test")

    async def token(
        self,
        account: int | None,
        *permissions: str,
        reads: Grant | None = None,
        organisation: int | None = None,
    ) -> tuple[int, str]:
        wanted = tokens.Wanted("test", frozenset(permissions), organisation, reads or Grant())
        async with self.room.transaction() as connection:
            return await tokens.make(connection, wanted, account)

    def client(
        self, cookie: str | None = None, token: str | None = None, **headers: str
    ) -> httpx.AsyncClient:
        """A browser with a cookie (of our own pages), a program with a token, or anybody."""
        url = self.server.base_url
        # Each is a neighbour of nobody: how many of these tests ask is not counted together.
        given = {"X-Forwarded-For": next(_neighbours), **headers}
        if cookie is not None:
            given = {"Cookie": f"rhinecloud={cookie}", "Origin": url, **given}
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        return httpx.AsyncClient(base_url=url, headers=given, timeout=30)


@pytest.fixture(scope="module")
def server(module_serve: Serve) -> Iterator[Server]:
    """A server that somebody has to sign in to, behind a proxy on this machine."""
    yield module_serve("--no-open", "--proxies=127.0.0.1 ::1")


@pytest.fixture(scope="module")
async def house(server: Server) -> AsyncIterator[House]:
    """Its people."""
    room = await Rooms(server.database_url).prepare("room_people", migrations_in("rhinecloud.people"))
    connections = Connections(server.database_url, 4)
    database = RoomDatabase(connections, room)
    yield House(server, database)
    await database.close()
    await connections.close()


def filled(path: str) -> str:
    """A path with something in the place of its names."""
    return re.sub(r"\{\w+(:\w+)?\}", "999999", path.replace("{uri}", "urn:x:1"))


def api_routes() -> list[tuple[str, str, str]]:
    """(method, path, permission) of both APIs."""
    found = [
        (method, f"/ngsi-ld/v1/{filled(path)}", route.permission.name)
        for path, methods in NGSI_LD.table.items()
        for method, route in methods.items()
    ]
    for one in MANAGEMENT:
        if one.permission is not BY_DEVICE:
            found.append((one.method, f"/api/v1{filled(one.path)}", one.permission.name))
    return found


def machine_routes() -> list[tuple[str, str, str]]:
    """(method, path, permission) of what stands beside the pages, and of the APIs of apps, for programs."""
    found = [("GET", route.path, route.permission) for route in _routes() if isinstance(route, MachineRoute)]
    for app in apps():
        found += [(one.method, f"/api/{app.name}{filled(one.path)}", one.permission) for one in app.endpoints]
    return found


def judged_by_apps() -> set[str]:
    """Paths whose callers come with a secret that an app gave them."""
    return {f"/api/{app.name}{filled(one.path)}" for app in apps() for one in app.endpoints if one.own_secret}


def page_routes() -> list[tuple[str, str, str]]:
    """(method, path, permission) of all pages, also of apps."""
    found = []
    for route in _routes():
        if route.path not in ("/static/{path:path}", "/robots.txt") and not isinstance(route, MachineRoute):
            method = "POST" if route.methods and "POST" in route.methods else "GET"
            found.append((method, filled(route.path), route.permission))
    for app in apps():
        found += [(one.method, f"/{app.name}{filled(one.path)}", one.permission) for one in app.pages]
    return found


def _routes() -> list[Any]:
    return list(create_app(Broken(RuntimeError())).routes)


def apps() -> list[App]:
    """All that are installed; none of them is left out because it contradicts the contract."""
    found = find()
    assert found and not [(one.name, one.reason) for one in found if one.app is None]
    return [one.app for one in found if one.app is not None]


def test_every_route_names_a_permission_that_there_is() -> None:
    routes = [*api_routes(), *machine_routes(), *page_routes()]
    assert len(routes) > 100
    known = {one.name for one in PERMISSIONS} | {one.name for app in apps() for one in app.permissions}
    assert {permission for _, _, permission in routes} <= known
    writing = {
        permission for method, path, permission in api_routes() if method != "GET" and "query" not in path
    }
    assert "public" not in writing
    assert {"/noticeboard/new", "/api/noticeboard", "/metrics"} <= {path for _, path, _ in routes}
    assert all(path.startswith(MACHINES) for _, path, _ in machine_routes())


async def _open_to_all(city: City, request: Request) -> Response:
    return PlainTextResponse("seen")


@pytest.mark.parametrize("permission", ["", "noticeboard.edti"])
def test_an_app_serves_nothing_without_a_permission_that_there_is(permission: str) -> None:
    page, endpoint = Page("", _open_to_all, permission), Endpoint("", _open_to_all, permission)
    for part in ({"pages": (page,)}, {"endpoints": (endpoint,)}):
        app = App(name="leaky", package="leaky", title=("Leck", "Leak"), **part)  # type: ignore[arg-type]
        (problem,) = app.problems(lambda name: name in PERMISSIONS)
        assert f"names the permission {permission!r}, which does not exist" in problem
    # Nor would the house take it, were the contract not asked.
    city: Any = SimpleNamespace(app="leaky")
    with pytest.raises(KeyError):
        AppApis([(city, endpoint)])
    for route in (Route("/leaky", _seen), PermittedRoute("/leaky", _seen, permission)):
        with pytest.raises(ValueError, match="names no permission"):
            create_app(Broken(RuntimeError()), lambda shell, house, route=route: [route])  # type: ignore[misc]


async def _seen(request: Request) -> Response:
    return PlainTextResponse("seen")


async def test_anybody_is_asked_to_sign_in_wherever_it_is_not_public(house: House) -> None:
    judged = judged_by_apps()
    for method, path, permission in [*api_routes(), *machine_routes()]:
        async with house.client() as client:
            answer = await client.request(method, path)
        if path in judged:
            assert answer.status_code == 401, path
            continue
        if permission == "public":
            assert answer.status_code not in (401, 403, 429), path
            continue
        assert answer.status_code == 401, (method, path, answer.text)
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert answer.json()["status"] == 401 and permission in answer.json()["detail"]
    for method, path, permission in page_routes():
        if permission == "public":
            continue
        async with house.client(Origin=house.server.base_url) as client:
            answer = await client.request(method, path)
        if path.startswith("/live/"):
            assert answer.status_code == 401, path
        else:
            assert answer.status_code == 303, (method, path)
            assert answer.headers["location"].startswith("/sign-in"), path


async def test_somebody_with_an_account_alone_gets_nowhere_else(house: House) -> None:
    _, _, cookie = await house.person()
    _, _, other = await house.person()
    judged = judged_by_apps()
    everybodys = {name for app in apps() for name in app.granted.get("citizen", ())}
    async with house.client(cookie) as client, house.client(other) as another:
        for method, path, permission in [*api_routes(), *machine_routes()]:
            answer = await client.request(method, path)
            if path in judged:
                assert answer.status_code == 401, path
            elif permission == "public":
                assert answer.status_code not in (401, 403), path
            else:
                assert answer.status_code == 403, (method, path)
                assert answer.json()["title"] == "Forbidden"
        for method, path, permission in page_routes():
            if permission not in ("public", "account", *everybodys):
                assert (await another.request(method, path)).status_code == 403, (method, path)


async def test_what_is_internal_is_seen_by_those_who_may(house: House) -> None:
    _, _, operator = await house.person("operator")
    _, _, editor = await house.person("editor")
    _, _, citizen = await house.person()
    async with house.client(operator) as client:
        assert (await client.post("/ngsi-ld/v1/entities", json=LAMP)).status_code == 201
        assert (await client.get(f"/ngsi-ld/v1/entities/{LAMP['id']}")).status_code == 200
        assert (await client.get("/devices")).status_code == 200
        assert (await client.get("/people")).status_code == 403
    async with house.client(editor) as client:
        assert (await client.get(f"/ngsi-ld/v1/entities/{LAMP['id']}")).status_code == 200
        assert (await client.delete(f"/ngsi-ld/v1/entities/{LAMP['id']}")).status_code == 403
    for cookie in (citizen, None, "no such session"):
        async with house.client(cookie) as client:
            assert (await client.get(f"/ngsi-ld/v1/entities/{LAMP['id']}")).status_code == 404
            assert (await client.get("/ngsi-ld/v1/entities?type=Streetlight")).json() == []
            assert (await client.get("/objects")).status_code == 200


async def test_a_page_from_elsewhere_uses_nobodys_cookie(house: House) -> None:
    _, _, cookie = await house.person("administrator")
    foreign: list[dict[str, str]] = [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ]
    for headers in foreign:
        async with house.client(cookie) as client:
            for path in ("/ngsi-ld/v1/entities", "/api/v1/devices", "/sign-out"):
                answer = await client.post(path, json={**LAMP, "id": "urn:x:evil"}, headers=headers)
                assert answer.status_code == 403, (path, headers)
    async with house.client(cookie) as client:
        assert (await client.get("/ngsi-ld/v1/entities/urn:x:evil")).status_code == 404
        del client.headers["Origin"]  # a program that found a cookie is no page of ours either
        assert (await client.post("/api/v1/devices", json={"id": "e", "type": "Lamp"})).status_code == 403


async def test_a_token_does_what_it_was_given_and_its_maker_may(house: House) -> None:
    account, organisation, cookie = await house.person("operator")
    number, secret = await house.token(account, "graph.write", "graph.internal", "devices.see", "audit.see")
    async with house.client(token=secret) as client:
        entity = {**LAMP, "id": "urn:ngsi-ld:Streetlight:token"}
        assert (await client.post("/ngsi-ld/v1/entities", json=entity)).status_code == 201
        assert (await client.get(f"/ngsi-ld/v1/entities/{entity['id']}")).status_code == 200
        assert (await client.get("/api/v1/devices")).status_code == 200
        assert (await client.get("/devices")).status_code == 200
        assert (await client.post("/api/v1/devices", json={"id": "d", "type": "Lamp"})).status_code == 403
        assert (await client.get("/audit")).status_code == 403  # which its maker may not
        record = await house.room.pool.fetchrow("SELECT hash, used_on FROM token WHERE id = $1", number)
        assert record["used_on"] is not None and secret.encode() not in record["hash"]
        # The maker becomes less: so does the token, as soon as anything is looked up again.
        await house.room.pool.execute("UPDATE membership SET role = 'member' WHERE account = $1", account)
        async with house.client(cookie) as maker:
            await maker.post("/sign-out")
        assert (await client.post("/ngsi-ld/v1/entities", json=LAMP)).status_code == 403
    _, narrow = await house.token(
        None,
        "graph.internal",
        reads=Grant(types=frozenset({"https://uri.etsi.org/ngsi-ld/default-context/Bench"})),
    )
    async with house.client(token=narrow) as client:
        assert (await client.get("/ngsi-ld/v1/entities?type=Streetlight")).json() == []


async def test_what_is_no_token_is_refused_and_soon_too_often(house: House) -> None:
    _, over = await house.token(None, "graph.write")
    await house.room.pool.execute(
        "UPDATE token SET expires_at = now() WHERE used_on IS NULL AND account IS NULL"
    )
    async with house.client(token=over) as client:
        for path in ("/ngsi-ld/v1/types", "/"):
            answer = await client.get(path)
            assert answer.status_code == 401 and 'error="invalid_token"' in answer.headers["www-authenticate"]
        seen = {(await client.get("/ngsi-ld/v1/types")).status_code for _ in range(30)}
        assert seen == {401, 429}
        answer = await client.get("/ngsi-ld/v1/types")
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
        # Another neighbourhood is not held back.
        headers = {"X-Forwarded-For": next(_neighbours)}
        assert (await client.get("/ngsi-ld/v1/types", headers=headers)).status_code == 401


async def test_who_signs_out_is_nobody_at_once_and_their_live_views_end(house: House) -> None:
    account, _, cookie = await house.person("operator")
    async with house.client(cookie) as client, asyncio.timeout(60):
        assert (await client.get("/devices")).status_code == 200

        async def look() -> None:
            async with client.stream("GET", "/live/start") as view:
                assert view.status_code == 200
                begun.set()
                async for _ in view.aiter_bytes():
                    pass

        begun = asyncio.Event()
        looking = asyncio.create_task(look())
        await begun.wait()
        assert (await client.post("/sign-out")).status_code == 303
        await looking  # ends by itself
        assert (await client.get("/devices")).status_code == 303
    # Whoever is blocked by another process is nobody after some seconds.
    account, _, cookie = await house.person("operator")
    async with house.client(cookie) as client, asyncio.timeout(60):
        assert (await client.get("/devices")).status_code == 200
        await house.room.pool.execute("UPDATE account SET blocked_at = now() WHERE id = $1", account)
        while (await client.get("/devices")).status_code != 303:
            await asyncio.sleep(0.1)


async def test_anybody_who_tries_too_often_has_to_wait(house: House) -> None:
    async with house.client(Origin=house.server.base_url) as client:
        tried = [(await client.post("/sign-in/options", json={})).status_code for _ in range(80)]
        assert 429 in tried and tried[0] != 429
        assert (await client.get("/sign-in")).status_code == 200
        links = [(await client.get("/link/x")).status_code for _ in range(50)]
        assert 429 in links
        # Pages say so in the reader's language, to people; programs are told as the APIs do it.
        for language, words in (("de", "Das war zu oft"), ("en", "That was too often")):
            answer = await client.get("/link/x", headers={"Accept-Language": language})
            assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
            assert words in answer.text and "content-security-policy" in answer.headers
    async with house.client() as client:
        reading = [(await client.get("/ngsi-ld/v1/types")).status_code for _ in range(400)]
        assert reading[0] == 200 and 429 in reading


async def test_the_command_makes_lists_and_revokes_tokens(house: House) -> None:
    def token(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "rhinecloud.cli", "token", *words, f"--data={house.server.data}"],
            capture_output=True,
            text=True,
            env={**os.environ, **house.server.environ},
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    told = token(
        "create", "Traffic model", "--permission", "graph.internal", "--type", "https://example.org/Road"
    )
    secret = re.search(r"Bearer (rc_\S+)", told)
    number = re.search(r"Token (\d+)", told)
    assert secret and number
    assert "Traffic model" in token("list") and secret[1] not in token("list")
    async with house.client(token=secret[1]) as client, asyncio.timeout(60):
        assert (await client.get("/ngsi-ld/v1/types")).status_code == 200
        assert (await client.get("/api/v1/devices")).status_code == 403
        token("revoke", number[1])
        while (await client.get("/ngsi-ld/v1/types")).status_code != 401:
            await asyncio.sleep(0.1)
    assert "cannot be given" in token("create", "x", "--permission", "tokens.manage", code=1)
    assert "365 days at most" in token("create", "x", "--days", "366", code=1)
    _, _, auditor = await house.person("administrator")
    async with house.client(auditor) as client:
        page = (await client.get("/audit")).text
        assert "token.create" in page and "token.revoke" in page


async def test_somebody_makes_and_revokes_tokens_on_the_page(house: House) -> None:
    account, organisation, cookie = await house.person("operator")
    _, _, other = await house.person("operator")
    async with house.client(cookie) as client, house.client(other) as another:
        page = await client.get("/tokens")
        assert "may.devices.see" in page.text and "may.people.manage" not in page.text
        form = {"name": "Dashboard", "days": "30", "organisation": str(organisation), "may.devices.see": "on"}
        made = await client.post("/tokens", data={**form, "may.people.manage": "on"})
        secret = re.search(r"Bearer (rc_[\w-]+)", made.text)
        assert secret and secret[1] not in (await client.get("/tokens")).text
        async with house.client(token=secret[1]) as program:
            assert (await program.get("/api/v1/devices")).status_code == 200
            assert (await program.get("/people")).status_code == 403
            assert (await program.get("/tokens")).status_code == 403
            number = await house.room.pool.fetchval("SELECT id FROM token WHERE account = $1", account)
            revoking = {"action": "revoke", "token": str(number)}
            assert "Dashboard" not in (await another.get("/tokens")).text
            assert (await another.post("/tokens", data=revoking)).status_code == 404
            assert (await client.post("/tokens", data=revoking)).status_code == 303
            assert (await program.get("/api/v1/devices")).status_code == 401
        for wrong, german, english in (
            ({"days": "400"}, "höchstens ein Jahr", "for a year at most"),
            ({"organisation": "1"}, "Ihrer eigenen Organisationen", "one of your own organisations"),
            ({"name": " "}, "braucht einen Namen", "needs a name"),
        ):
            for language, words in (("de", german), ("en", english)):
                refused = await client.post(f"/tokens?lang={language}", data={**form, **wrong})
                assert refused.status_code == 422 and words in refused.text, (wrong, language)
