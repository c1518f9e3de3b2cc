"""Subscriptions on their pages: how telling goes, pausing, resuming, trying again, deleting; with and without
JavaScript."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import asyncpg
import pytest
from playwright.async_api import expect

from rhinecloud.web.operations.subscriptions import shown_address, without_secrets
from tests.conftest import Serve, Server

from .conftest import Street, Visiting, axe_and_width

ID = "urn:ngsi-ld:Subscription:depot"
PATH = f"/subscriptions/{ID}"


class Endpoint:
    """A webhook that takes notifications, or refuses them with a status."""

    def __init__(self) -> None:
        self.status = 204
        self.taken: list[dict[str, object]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if outer.status < 300:
                    outer.taken.append(json.loads(body))
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/told?key=hidden-key"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def server(module_serve: Serve) -> Server:
    """A server that may call this machine."""
    return module_serve(environ={"RHINECLOUD_OUTBOUND_ALLOW": "127.0.0.1"})


@pytest.fixture
def subscription(city: Street, endpoint: Endpoint) -> Iterator[Endpoint]:
    """One subscription to lamps."""
    endpoint.status = 204
    document = {
        "id": ID,
        "type": "Subscription",
        "subscriptionName": "Betriebshof",
        "entities": [{"type": "Streetlight"}],
        "q": 'powerState=="on"',
        "notification": {
            "endpoint": {"uri": endpoint.url, "receiverInfo": [{"key": "X-Key", "value": "hidden-header"}]}
        },
    }
    answer = city.client.post("/ngsi-ld/v1/subscriptions", json=document)
    assert answer.status_code == 201, answer.text
    yield endpoint
    city.client.delete(f"/ngsi-ld/v1/subscriptions/{ID}")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_readable_for_everybody(visit: Visiting, subscription: Endpoint, theme: str) -> None:
    await axe_and_width(visit, ["/subscriptions", PATH], theme)


async def test_a_failing_endpoint_is_seen_and_tried_again(
    visit: Visiting, city: Street, subscription: Endpoint
) -> None:
    subscription.status = 503
    async with visit() as visited:
        page = visited.page
        await visited.go(f"{PATH}?lang=de")
        await expect(page.locator("#subscription")).to_contain_text("aktiv")
        city.set("urn:ngsi-ld:Streetlight:L0001", powerState="on", illuminanceLevel=0.31)
        await expect(page.locator("#subscription")).to_contain_text("answered 503", timeout=15_000)
        await expect(page.locator("#subscription")).to_contain_text("Nächster Versuch", timeout=15_000)
        await visited.go("/subscriptions?lang=de")
        row = page.locator("tbody tr", has_text="Betriebshof")
        await expect(row).to_contain_text("nicht angenommen")
        await expect(row.locator("time")).to_be_visible(timeout=15_000)
        subscription.status = 204
        await visited.go(f"{PATH}?lang=de")
        await page.get_by_role("button", name="Jetzt erneut versuchen").click()
        await expect(page.get_by_role("status")).to_contain_text("Es wird jetzt erneut versucht")
        await expect(page.locator("#subscription")).to_contain_text("aktiv", timeout=15_000)
        assert subscription.taken


async def test_one_whose_owner_is_gone_is_an_alarm(
    visit: Visiting, city: Street, server: Server, subscription: Endpoint
) -> None:
    connection = await asyncpg.connect(server.database_url)

    async def belongs_to(owner: str) -> None:
        await connection.execute("UPDATE tenant_city.subscription SET owner = $1 WHERE id = $2", owner, ID)
        # Whose it is never changes otherwise: who tells reads it anew with whatever does.
        changed = city.client.patch(f"/ngsi-ld/v1/subscriptions/{ID}", json={"description": f"of {owner}"})
        assert changed.status_code == 204, changed.text

    await belongs_to("token:999999")
    async with visit() as visited:
        page = visited.page
        await visited.go(f"{PATH}?lang=de")
        await expect(page.locator("#subscription")).to_contain_text("Recht erloschen", timeout=60_000)
        await expect(page.locator("#subscription")).to_contain_text("widerrufen")
        for theme in ("light", "dark"):
            await axe_and_width(visit, ["/subscriptions", PATH], theme)
        await visited.go("/?lang=de")
        await expect(page.locator("main")).to_contain_text("Abonnement ist verstummt", timeout=60_000)
        shown = city.client.get(f"/ngsi-ld/v1/subscriptions/{ID}").json()
        assert shown["status"] == "paused" and shown.get("isActive", True)
        await belongs_to("open")
        await visited.go(f"{PATH}?lang=de")
        await expect(page.locator("#subscription")).to_contain_text("aktiv", timeout=60_000)
    city.set("urn:ngsi-ld:Streetlight:L0001", powerState="on", illuminanceLevel=0.77)
    async with asyncio.timeout(60):
        while "0.77" not in json.dumps(subscription.taken):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await connection.close()


async def test_pausing_needs_no_javascript(visit: Visiting, city: Street, subscription: Endpoint) -> None:
    def status() -> str:
        return str(city.client.get(f"/ngsi-ld/v1/subscriptions/{ID}").json()["status"])

    async with visit(java_script_enabled=False) as visited:
        page = visited.page
        await page.goto(f"{city.url}{PATH}?lang=de")
        await page.get_by_role("button", name="Anhalten").click()
        await expect(page).to_have_url(f"{city.url}{PATH}?done=pause")
        assert status() == "paused"
        await page.get_by_role("button", name="Fortsetzen").click()
        await expect(page.get_by_role("status")).to_contain_text("Wieder aktiv")
        assert status() == "active"
        await page.locator(".danger summary").click()
        await page.get_by_role("button", name="Endgültig löschen").click()
        await expect(page.get_by_role("status")).to_contain_text("gelöscht")
        assert city.client.get(f"/ngsi-ld/v1/subscriptions/{ID}").status_code == 404
        await expect(page.locator("body")).not_to_contain_text("Betriebshof")


async def test_secrets_are_not_shown(city: Street, subscription: Endpoint) -> None:
    for path in ("/subscriptions", PATH):
        text = city.client.get(path).text
        assert "hidden-key" not in text and "hidden-header" not in text
    assert "X-Key" in city.client.get(PATH).text


def test_odd_requests(city: Street, subscription: Endpoint) -> None:
    own = {"origin": city.url}
    assert city.client.post(PATH, data={"action": "delete"}).status_code == 403
    assert city.client.post(PATH, data={"action": "explode"}, headers=own).status_code == 400
    assert (
        city.client.post("/subscriptions/nothing", data={"action": "pause"}, headers=own).status_code == 404
    )
    for path in ("/subscriptions/nothing", "/subscriptions/%00", "/live/subscriptions/nothing"):
        assert city.client.get(path).status_code == 404
    assert city.client.get("/subscriptions?offset=99999999999999999999").status_code == 200
    assert city.client.get(f"/ngsi-ld/v1/subscriptions/{ID}").status_code == 200


def test_addresses_without_secrets() -> None:
    assert shown_address("mqtt://user:word@host:1883/a/b") == "mqtt://host:1883/a/b"
    assert shown_address("https://host/p?token=a&b=") == "https://host/p?token=•••&b=•••"
    endpoint = {"uri": "http://u:p@h/", "receiverInfo": [{"key": "K", "value": "v"}]}
    shown = without_secrets({"id": "x", "notification": {"endpoint": endpoint}})
    assert shown["notification"]["endpoint"]["receiverInfo"] == [{"key": "K", "value": "•••"}]
    assert endpoint["uri"] == "http://u:p@h/"
