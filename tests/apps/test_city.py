"""What an app is given does what docs/reference/apps.md says, on a real server with an app that does all of it."""

from __future__ import annotations

import asyncio
import http.server
import itertools
import os
import shutil
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest
import trustme
from playwright.async_api import async_playwright

from rhinecloud.app import App, Command, Layer, State, View
from rhinecloud.testing import contradictions

from ..conftest import EXTERNAL_DATABASE, Serve, Server, new_folder
from ..web.conftest import CHROMIUM, FLAGS
from .installing import command, install

OWN = {"Sec-Fetch-Site": "same-origin"}
MANY = 5_500
ALARM = (
    "SELECT times, acknowledged_at IS NULL FROM tenant_city.device_alarm WHERE kind = 'lanterns.burns_by_day'"
)


@pytest.fixture(scope="module")
def environ() -> Iterator[dict[str, str]]:
    folder = new_folder()
    folder.chmod(0o755)
    yield install(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server(module_serve: Serve, environ: dict[str, str]) -> Server:
    return module_serve("--workers=2", "--outbound-allow=127.0.0.1", environ=environ)


@pytest.fixture
async def city(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=60) as client:
        yield client


@pytest.fixture
async def rows(server: Server) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.database_url)
    yield connection
    await connection.close()


async def until(condition: Callable[[], Any]) -> None:
    """Until an awaited condition holds (the test's own patience bounds it)."""
    while not await condition():
        await asyncio.sleep(0.05)


async def light(city: httpx.AsyncClient, number: int, level: int) -> None:
    answer = await city.post("/api/lanterns/light", json={"number": number, "level": level})
    assert answer.json() == number, answer.text


async def test_thousands_of_entities_are_written_in_one_call_read_in_lists_and_counted_by_a_command(
    city: httpx.AsyncClient, server: Server, environ: dict[str, str], rows: asyncpg.Connection
) -> None:
    await light(city, MANY, 2)
    assert (await city.get("/api/lanterns/read")).json() == [MANY, 2, 2 * MANY]

    words = ("lanterns", "count", "Gezählt", f"--data={server.data}")
    if not EXTERNAL_DATABASE:
        assert f"Gezählt: {MANY} lanterns in Duisburg" in command(*words, environ=environ)
        assert "Gezählt" in command(*words, "--fail", environ=environ, code=3)
        counted = "/ngsi-ld/v1/entities/urn:ngsi-ld:Lantern:counted"
        assert (await city.get(counted)).json()["level"]["value"] == MANY + 1

        async def told() -> bool:
            return bool(await rows.fetchval("SELECT true FROM app_lanterns.seen WHERE after = $1", MANY + 1))

        await until(told)  # what a command wrote reaches the watch as well
        assert (
            await rows.fetchval("SELECT count(*) FROM tenant_city.audit WHERE action = 'lanterns.count'") == 2
        )


def test_commands_of_apps_are_found_and_told(environ: dict[str, str]) -> None:
    assert '{"simulated":true}' in command("lanterns", "simulate", environ=environ)
    told = command("lanterns", "--help", environ=environ)
    assert "  count     count the lanterns" in told and "rhinecloud lanterns COMMAND" in told
    assert "no command nothing" in command("lanterns", "nothing", environ=environ, code=1)
    assert "GREETING" in command("lanterns", "count", environ=environ, code=2).upper()
    assert "lanterns" in command("--help", environ=environ)
    assert "There is no command 'lantern'" in command("lantern", environ=environ, code=2)


@pytest.mark.skipif(EXTERNAL_DATABASE is not None, reason="starts a database of its own")
def test_a_command_of_a_city_that_is_stopped_starts_its_database(
    serve: Serve, environ: dict[str, str], data_folder: Path
) -> None:
    words = ("lanterns", "count", "Jetzt", f"--data={data_folder}")
    assert "This cannot be done" in command(*words, environ=environ, code=1)  # nothing was ever served there
    server = serve("--apps=", data=data_folder)
    assert server.stop() == 0
    assert "Jetzt: 0 lanterns" in command(*words, environ=environ)


async def test_a_watch_misses_nothing_though_workers_are_killed(
    serve: Serve, environ: dict[str, str]
) -> None:
    server = serve("--workers=2", environ=environ)
    rows = await asyncpg.connect(server.database_url)
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=60) as city:

        async def seen(level: int) -> bool:
            found = await rows.fetchval("SELECT count(*) FROM app_lanterns.seen WHERE after = $1", level)
            return bool(found >= 40)

        await light(city, 40, 1)
        await until(lambda: seen(1))
        for level in range(2, 14):
            if level % 4 == 0:
                for child in psutil.Process(server.process.pid).children():
                    if "rhinecloud.worker" in " ".join(child.cmdline()):
                        os.kill(child.pid, signal.SIGKILL)
            while True:
                try:
                    await light(city, 40, level)
                    break
                except (httpx.TransportError, ValueError):
                    await asyncio.sleep(0.1)
        await until(lambda: seen(13))
    found = await rows.fetch("SELECT change, lantern, before, after FROM app_lanterns.seen ORDER BY number")
    committed = await rows.fetch("SELECT id FROM tenant_city.outbox ORDER BY id")
    await rows.close()
    assert {one["change"] for one in found} >= {
        one["id"] for one in committed if one["id"] >= found[0]["change"]
    }
    last: dict[str, tuple[int, int]] = {}
    for one in found:  # in order, but for what comes again after a kill; then it says the same
        change, level = last.get(one["lantern"], (0, 0))
        if one["change"] > change:
            assert one["before"] in (level or None, one["after"]), one
            last[one["lantern"]] = (one["change"], one["after"])
    assert {level for _, level in last.values()} == {13} and len(last) == 40


async def test_states_are_wanted_of_devices_with_the_transaction_and_alarms_come_and_go(
    city: httpx.AsyncClient, rows: asyncpg.Connection
) -> None:
    for name in ("lamp-1", "lamp-2"):
        made = await city.post(
            "/api/v1/devices", json={"id": name, "type": "Streetlight", "profile": "plain-json"}
        )
        assert made.status_code == 201, made.text
    asked = {"devices": ["lamp-2", "lamp-1"], "set": {"level": 40}}
    assert (await city.post("/api/lanterns/want", json=asked | {"fail": True})).status_code == 500
    address = "/api/lanterns/wanted?devices=lamp-1,lamp-2,lamp-3"
    assert (await city.get(address)).json() == {}
    assert (await city.post("/api/lanterns/want", json=asked)).status_code == 204
    first = (await city.get(address)).json()
    assert first.keys() == {"lamp-1", "lamp-2"}
    assert (await city.post("/api/lanterns/want", json=asked | {"devices": ["lamp-1"]})).status_code == 204
    second = (await city.get(address)).json()
    assert second["lamp-1"][1] > first["lamp-1"][1] and second["lamp-2"][1] == first["lamp-2"][1]
    nobody = asked | {"devices": ["lamp-3"]}
    assert (await city.post("/api/lanterns/want", json=nobody)).status_code == 404

    for times in (1, 2):
        await city.put("/api/lanterns/alarms/lamp-1")
        assert tuple(await rows.fetchrow(ALARM)) == (times, True)
    for there in (True, False):
        assert (await city.delete("/api/lanterns/alarms/lamp-1")).json() is there
    assert tuple(await rows.fetchrow(ALARM)) == (2, False)


async def test_machines_come_to_an_address_of_the_app_with_a_secret_that_it_gave_them(
    serve: Serve, environ: dict[str, str]
) -> None:
    server = serve("--no-open", environ=environ, wait=False)
    while not (lines := [line for line in server.output.splitlines() if line.startswith("  Pages ")]):
        assert server.process.poll() is None, server.output
        await asyncio.sleep(0.05)
    async with httpx.AsyncClient(base_url=lines[0].split()[1], timeout=60) as gateway:
        address = "/api/lanterns/talq/v2/events"
        answer = await gateway.post(address, json=[1], headers={"Authorization": "Bearer of-gateway-7"})
        assert answer.json() == {"gateway": 7, "body": [1]}
        # Many gateways stand behind one address: whom the app knows is not counted as anybody is.
        known = {"Authorization": "Bearer of-gateway-7"}
        asked = [gateway.post(address, json=[n], headers=known) for n in range(600)]
        for start in range(0, len(asked), 50):
            answers = await asyncio.gather(*asked[start : start + 50])
            assert {answer.status_code for answer in answers} == {200}
        # Who guesses is.
        assert (await gateway.post(address, json=[1])).status_code == 401
        async with asyncio.timeout(60):
            seen: set[int] = set()
            while 429 not in seen:
                guesses = (
                    gateway.post(address, json=[1], headers={"Authorization": f"Bearer guess-{n}"})
                    for n in range(50)
                )
                seen |= {answer.status_code for answer in await asyncio.gather(*guesses)}
            assert seen == {401, 429}


class _Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802  # the library's name
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"who shows a certificate is answered")

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


async def test_what_an_app_limits_is_counted_of_who_asks(city: httpx.AsyncClient) -> None:
    waits = [(await city.get("/api/lanterns/guess")).json() for _ in range(10)]  # two workers, three each
    assert waits[:3] == [0, 0, 0] and len([wait for wait in waits if wait > 100]) >= 4


async def test_calls_go_where_the_operator_lists_it_with_a_certificate_of_the_app(
    city: httpx.AsyncClient,
) -> None:
    folder = new_folder()
    folder.chmod(0o755)
    authority = trustme.CA()
    (folder / "authority.pem").write_bytes(authority.cert_pem.bytes())
    (folder / "client.pem").write_bytes(authority.issue_cert("cms").private_key_and_cert_chain_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    gateway = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
    gateway.socket = context.wrap_socket(gateway.socket, server_side=True)
    threading.Thread(target=gateway.serve_forever, daemon=True).start()
    url = f"https://127.0.0.1:{gateway.server_port}/"
    files = {"certificate": str(folder / "client.pem"), "authority": str(folder / "authority.pem")}
    try:
        answer = await city.post("/api/lanterns/call", json={"url": url, **files})
        assert answer.json() == "who shows a certificate is answered"
        assert (await city.post("/api/lanterns/call", json={"url": url})).json() == "failed: ConnectError"
        private = {"url": url.replace("127.0.0.1", "127.0.0.2"), **files}
        assert "forbidden: 127.0.0.2" in (await city.post("/api/lanterns/call", json=private)).json()
    finally:
        gateway.shutdown()
        gateway.server_close()
        shutil.rmtree(folder, ignore_errors=True)


async def test_pages_have_files_of_their_own_live_parts_and_a_layer_of_the_map(
    city: httpx.AsyncClient, server: Server
) -> None:
    await light(city, 3, 7)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(locale="de-DE")
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        await page.goto(f"{server.base_url}/lanterns")
        await page.get_by_text("a script of its own").wait_for()
        for level in (8, 9):
            await light(city, 3, level)
            await page.get_by_text(f"Stufe {level}").wait_for()
        spacing = "getComputedStyle(document.querySelector('.lanterns-level')).letterSpacing"
        assert await page.evaluate(spacing) == "3px"
        assert problems == []
        await browser.close()
    shown = (await city.get("/lanterns")).text
    (address,) = [part.split('"')[0] for part in shown.split('src="') if "lanterns.js" in part]
    kept = await city.get(address)
    assert (kept.status_code, kept.headers["content-type"].partition(";")[0]) == (200, "text/javascript")
    assert "immutable" in kept.headers["cache-control"]
    assert (await city.get("/lanterns/static/lanterns.js")).headers["cache-control"] == "no-cache"
    assert (await city.get("/lanterns/static/../app.py")).status_code == 404
    legend = (await city.get("/map")).text
    assert "Laternen" in legend and "#ffd24d" in legend


def test_what_contradicts_the_contract_is_named() -> None:
    async def nothing(*arguments: Any) -> str:
        return ""

    state = State("x", ("x", "x"), "disc", "#000", "#fff")
    app = App(
        name="lanterns",
        package="tests.apps.lanterns",
        title=("Laternen", "Lanterns"),
        commands=(
            Command("Count", "…", nothing),
            Command("twice", "…", nothing),
            Command("twice", "…", nothing),
        ),
        views=(View("/level/", nothing, "nobody"),),
        layers=(Layer("Streetlight", ("x", "x"), (state,)),),
    )
    found = "\n".join(contradictions(app))
    for part in ("not 'Count'", "the command twice is there twice", "the view GET '/level/'", "'nobody'"):
        assert part in found
    assert "the layer of Streetlight is there twice" in found


def test_numbers_of_layers() -> None:
    """The look of what has a layer stays what it is when apps bring theirs."""
    from rhinecloud.web import layers

    before = layers.codes()
    try:
        more = [
            Layer(f"Of{n}", ("x", "x"), (State("x", ("x", "x"), "disc", "#000", "#fff"),)) for n in range(20)
        ]
        with pytest.raises(ValueError, match="at most"):
            layers.add(*more)
        assert layers.codes() == before
        layers.add(more[0])
        assert (
            layers.layer(layers.number_of(("https://uri.etsi.org/ngsi-ld/default-context/Of0",))) == more[0]
        )
        with pytest.raises(ValueError, match="already"):
            layers.add(more[0])
        assert list(itertools.islice(layers.codes().items(), 3)) == [*before.items()][:3]
    finally:
        layers._table = layers._Table(layers.LAYERS)
