"""Through the door phones come to the event, and to nothing else of the city."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import httpx
import pytest
from playwright.async_api import async_playwright, expect

from rhinecloud.demo.door import way

from ..conftest import EXTERNAL_NATS, Server
from ..web.conftest import CHROMIUM, FLAGS
from .test_city import demo, ended
from .test_opening import OPTIONS, PATIENCE, Said

EVENT = "/participation/e/K7QM3A"


@pytest.mark.parametrize(
    ("method", "path", "cookies", "found"),
    [
        ("GET", "/", "", "card"),
        ("GET", "/participation", "", "card"),
        ("GET", EVENT, "", "card"),
        ("GET", EVENT, "a=b; vote-K7QM3A=x", "through"),
        ("GET", "/", "vote-K7QM3A=x", "event"),
        ("POST", f"{EVENT}/vote", "", "through"),
        ("GET", f"{EVENT}/stage", "", "through"),
        ("GET", f"{EVENT}/results.csv", "", "through"),
        ("GET", f"{EVENT}/places/7/tickets.txt", "", "through"),
        ("GET", "/live/participation/phone/K7QM3A", "", "through"),
        ("GET", "/static/style-u-s4KVpy.css", "", "through"),
        ("GET", "/participation/static/phone.js", "", "through"),
        ("POST", "/", "", None),
        ("DELETE", EVENT, "vote-K7QM3A=x", None),
        ("GET", "/participation/e/ABCDEF/stage", "", None),
        ("GET", f"{EVENT}/../../events/1", "", None),
        ("GET", f"{EVENT}/%2e%2e/events", "", None),
        ("GET", "/participation/events/1", "", None),
        ("GET", "/static/../people", "", None),
        ("GET", "/live/participation/remote/1", "", None),
        ("GET", "http://city/people", "", None),
        ("GET", "/ngsi-ld/v1/entities", "", None),
    ],
)
def test_which_way_a_request_goes(method: str, path: str, cookies: str, found: str | None) -> None:
    assert way(method, path, cookies, "K7QM3A") == found


def own_address() -> str:
    """This machine's address in its network, where it has one: phones come by no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


@pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")
async def test_a_phone_that_scans_the_code_of_the_stage_votes(server: Server) -> None:
    host = own_address()
    with socket.socket() as free:
        free.bind((host, 0))
        here = f"{host}:{free.getsockname()[1]}"
    process = demo(server, *OPTIONS, "--vote-seconds", "60", "--phones", here)
    try:
        said = Said(process)
        stage = (await asyncio.to_thread(said.until, "to watch")).split()[-1]
        assert stage.startswith(f"http://{here}/participation/e/")
        assert (await asyncio.to_thread(said.until, "Phones")).split()[-1] == f"http://{here}"
        async with httpx.AsyncClient(timeout=30) as anybody:
            for path in ("/people", "/participation/events/1", "/ngsi-ld/v1/types", "/api/v1/devices"):
                assert (await anybody.get(f"http://{here}{path}")).status_code == 404
                assert (await anybody.get(f"{server.base_url}{path}")).status_code == 200
            vote = stage.removesuffix("stage") + "vote"
            for origin in ("http://elsewhere", f"http://{here}.elsewhere"):
                assert (await anybody.post(vote, headers={"Origin": origin})).status_code == 403
            assert (
                await anybody.post(vote, headers={"Origin": f"http://{here}"})
            ).status_code == 404  # no poll
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            phones: list[Any] = []
            for _ in range(2):
                context = await browser.new_context(
                    viewport={"width": 390, "height": 844}, locale="de-DE", has_touch=True
                )
                context.set_default_timeout(PATIENCE)
                phone = await context.new_page()
                await phone.goto(stage.removesuffix("/stage"))
                await phone.get_by_role("button", name="Breitband").tap()
                await phone.get_by_role("button", name="Abstimmen").tap()
                await expect(phone.get_by_text("Ihre Stimme ist angekommen.")).to_be_visible(timeout=PATIENCE)
                phones.append(await phone.locator("#phone").get_attribute("data-me"))
            assert phones[0] != phones[1], "each has a card of its own"
            big = await browser.new_page(viewport={"width": 1_600, "height": 900})
            await big.goto(stage)
            shown = big.locator(".stage__state")
            before = int(re.findall(r"\d+", await shown.inner_text())[0])
            await expect(shown).not_to_have_text(re.compile(rf"^{before} "), timeout=PATIENCE)  # it is live
            await browser.close()
    finally:
        ended(process)
