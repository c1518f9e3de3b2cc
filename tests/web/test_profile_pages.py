"""From a message that nobody understands to an object: the pages of what is not assigned and of profiles."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import aiomqtt
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.conftest import Server

from .conftest import Street, Visiting, axe_and_width

METER = {"reading": {"m3": 1234.5}, "taken": "2026-07-01T10:00:00Z"}
PROFILE: dict[str, Any] = {
    "name": "water-meter",
    "title": {"de": "Wasserzähler", "en": "Water meter"},
    "topics": ["utility/water/{device}/reading"],
    "entity": {"id": "urn:ngsi-ld:WaterMeter:{device}", "type": "WaterMeter"},
    "observed_at": {"path": "$.taken", "format": "rfc3339"},
    "attributes": [{"name": "volume", "path": "$.reading.m3", "unit": "MTQ", "scale": 1000}],
}


def post(city: Street, path: str, status: int, **fields: str) -> str:
    """A form as a browser sends it."""
    answer = city.client.post(path, data=fields, headers={"origin": city.url})
    assert answer.status_code == status, answer.text
    return answer.text


async def publish(server: Server, **messages: bytes) -> None:
    """Messages of nobody in particular; __ in a name is a slash."""
    async with aiomqtt.Client(server.mqtt_host, server.mqtt_port, timeout=10) as client:
        for topic, payload in messages.items():
            await client.publish(topic.replace("__", "/"), payload, qos=1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kept(city: Street, server: Server) -> None:
    """Messages of every kind that cannot be mapped."""
    old = b'{"powerState": "on", "observedAt": "1970-01-01T00:00:00Z"}'
    await publish(
        server,
        other__thing__1=b"\x01\xff\x00A",
        json__Streetlight__broken=b'{"powerState": ',
        json__Streetlight__clock=old,
        nasty__topic=b"<script>document.title='broken'</script>",
    )
    await shown(city, "/unmapped?lang=en", "4 messages in 4 groups")


async def shown(city: Street, path: str, text: str) -> None:
    """Wait until a page shows a text: a message is acknowledged when it is stored, and mapped a moment later."""
    async with asyncio.timeout(20):
        while text not in (await asyncio.to_thread(city.client.get, path)).text:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_readable_for_everybody(visit: Visiting, city: Street, kept: None, theme: str) -> None:
    number = re.findall(r"/unmapped/(\d+)", city.client.get("/unmapped").text)[0]
    paths = [
        "/profiles",
        "/profiles/plain-json",
        "/profiles/tts-v3",
        "/profiles/~new",
        "/profiles/~new?from=tasmota",
        f"/profiles/~try?message={number}",
        "/unmapped",
        "/unmapped/messages",
        "/unmapped/messages?kind=clock",
        f"/unmapped/{number}",
    ]
    await axe_and_width(visit, paths, theme)


async def test_from_a_strange_message_to_an_object(visit: Visiting, city: Street, server: Server) -> None:
    """Seen, a profile written and tried on it, saved, tried again: by forms alone, without JavaScript."""
    await publish(server, utility__water__17__reading=json.dumps(METER).encode())
    await shown(city, "/unmapped", "utility/#")
    async with visit(java_script_enabled=False) as visited:
        page = visited.page
        visited.allowed = ["422"]
        await page.goto(f"{city.url}/unmapped?lang=de")
        await page.get_by_role("link", name="utility/#").click()
        await page.get_by_role("region", name="Liste der Nachrichten").get_by_role("link").first.click()
        await expect(page.locator("main")).to_contain_text("Unbekanntes Topic")
        await expect(page.locator("#payload-title ~ pre")).to_contain_text('"m3": 1234.5')
        await page.get_by_role("link", name="Ein Profil dafür schreiben").click()
        await expect(page.locator("#topic")).to_have_value("utility/water/17/reading")

        # No JSON, then a document that cannot be: each is said at its line, and nothing that was written is lost.
        await page.locator("#document").fill('{\n "name": "water-meter",\n oops\n}')
        await page.get_by_role("button", name="Speichern").click()
        await expect(page.locator("#document-error")).to_contain_text("Zeile 3")
        wrong = {**PROFILE, "attributes": [{"name": "volume", "path": "$.reading["}]}
        await page.locator("#document").fill(json.dumps(wrong, indent=1))
        await page.get_by_role("button", name="Speichern").click()
        error = page.locator("#document-error")
        await expect(error).to_contain_text("/attributes/0")
        await expect(error).to_contain_text("$.reading[")
        await expect(page.locator("#payload")).to_have_value(re.compile("1234.5"))

        # Tried before it is used.
        await page.locator("#document").fill(json.dumps(PROFILE, indent=1))
        await page.get_by_role("button", name="Ausprobieren").click()
        await expect(page.get_by_role("status")).to_contain_text("Verstanden. Geschrieben wurde nichts.")
        await expect(page.locator("#result")).to_contain_text("1234500")
        await expect(page.get_by_role("region", name="Welcher Pfad was gefunden hat")).to_contain_text(
            "$.reading.m3"
        )
        assert city.client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:WaterMeter:17").status_code == 404
        assert city.client.get("/profiles/water-meter").status_code == 404

        # Saved; nothing is replayed by itself, the page offers it.
        await page.get_by_role("button", name="Speichern").click()
        await expect(page.locator("h1")).to_have_text("Wasserzähler")
        await expect(page.locator("#offer-title")).to_contain_text("1 Nachricht wartet")
        assert city.client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:WaterMeter:17").status_code == 404
        await page.get_by_role("button", name="Erneut versuchen").click()
        await expect(page.get_by_role("status")).to_contain_text("1 Nachricht wurde zugeordnet")
        found = city.client.get("/ngsi-ld/v1/entities/urn:ngsi-ld:WaterMeter:17?format=simplified").json()
        assert found["volume"] == 1234500
        await expect(page.locator("main")).not_to_contain_text("utility/")

        # Deleted: built-in ones cannot be, this one can.
        await page.goto(f"{city.url}/profiles/water-meter")
        await expect(page.locator("#offer-title")).to_have_count(0)
        await page.locator(".danger summary").click()
        await page.get_by_role("button", name="Endgültig löschen").click()
        await expect(page.get_by_role("status")).to_contain_text("gelöscht")
        assert city.client.get("/profiles/water-meter").status_code == 404


async def test_a_line_is_selected(visit: Visiting) -> None:
    async with visit() as visited:
        page = visited.page
        visited.allowed = ["422"]
        await visited.go("/profiles/~new?lang=de")
        text = json.dumps({**PROFILE, "name": "NOT A NAME"}, indent=1)
        await page.locator("#document").fill(text)
        await page.get_by_role("button", name="Speichern").click()
        await page.get_by_role("link", name="Zeile 2").click()
        chosen = "(e => e.value.slice(e.selectionStart, e.selectionEnd))(document.querySelector('#document'))"
        assert await page.evaluate(chosen) == ' "name": "NOT A NAME",'
        await expect(page.locator("#document")).to_be_focused()
        assert await visited.axe() == []


async def test_a_profile_is_tried_on_bytes(visit: Visiting) -> None:
    async with visit() as visited:
        page = visited.page
        visited.allowed = ["422"]
        await visited.go("/profiles/~try?lang=de")
        await page.select_option("#profile", "plain-json")
        await page.locator("#topic").fill("json/Streetlight/x")
        await page.locator("#payload").fill("zz")
        await page.select_option("#form", "hex")
        await page.get_by_role("button", name="Ausprobieren").click()
        await expect(page.locator("#payload-error")).to_contain_text("hexadecimal")
        await page.locator("#payload").fill(b'{"powerState": "on"}'.hex(" "))
        await page.get_by_role("button", name="Ausprobieren").click()
        await expect(page.locator("#result")).to_contain_text("Verstanden")
        await expect(page.locator("#result")).to_contain_text("urn:ngsi-ld:Streetlight:x")
        await page.locator("#topic").fill("nobody/knows")
        await page.select_option("#profile", "")
        await page.get_by_role("button", name="Ausprobieren").click()
        await expect(page.locator("#result")).to_contain_text("unbekanntes Topic")
        assert await visited.axe() == []


async def test_a_clock_that_lies(visit: Visiting, city: Street, kept: None) -> None:
    """Kept, nothing moved; with the time of arrival it is an object."""
    lamp = "urn:ngsi-ld:Streetlight:clock"
    assert city.client.get(f"/ngsi-ld/v1/entities/{lamp}").status_code == 404
    async with visit() as visited:
        page = visited.page
        await visited.go("/unmapped/messages?kind=clock&lang=de")
        await page.get_by_role("button", name="Zeit des Eintreffens nehmen").click()
        await expect(page.get_by_role("status")).to_contain_text("zugeordnet")
    assert city.client.get(f"/ngsi-ld/v1/entities/{lamp}").json()["powerState"]["value"] == "on"


async def test_payloads_are_shown_and_discarded(visit: Visiting, city: Street, kept: None) -> None:
    async with visit() as visited:
        page = visited.page
        await visited.go("/unmapped/messages?topic=other/%23&lang=de")
        await page.get_by_role("region", name="Liste der Nachrichten").get_by_role("link").first.click()
        await expect(page.locator("#payload-title ~ pre")).to_contain_text("01 ff 00 41")
        await page.get_by_role("button", name="Erneut versuchen").click()
        await expect(page.get_by_role("status")).to_contain_text("Noch ließ sich nichts zuordnen")
        await expect(page.locator("main")).to_contain_text("einmal")
        await page.locator(".danger summary").click()
        await page.get_by_role("button", name="Endgültig verwerfen").click()
        await expect(page.get_by_role("status")).to_contain_text("1 Nachricht wurde verworfen")
        await visited.go("/unmapped/messages?topic=nasty/%23&lang=de")
        await page.get_by_role("region", name="Liste der Nachrichten").get_by_role("link").first.click()
        await expect(page.locator("#payload-title ~ pre")).to_contain_text("<script>")
        assert "broken" not in await page.title()
        await visited.go("/unmapped/messages?topic=nasty/%23&lang=de")
        await page.locator(".danger summary").click()
        await page.get_by_role("button", name="Endgültig verwerfen").click()
        await expect(page.get_by_role("status")).to_contain_text("1 Nachricht wurde verworfen")
    left = city.client.get("/unmapped").text
    assert "other/#" not in left and "nasty/#" not in left and "json/" in left


def test_what_comes_of_itself_cannot_be_changed(city: Street) -> None:
    document = json.dumps({**PROFILE, "name": "plain-json"})
    text = post(city, "/profiles/~new", 422, document=document, action="save")
    assert "plain-json" in text
    post(city, "/profiles/plain-json/delete", 422)
    edit = city.client.get("/profiles/plain-json/edit")
    assert edit.status_code == 303 and edit.headers["location"] == "/profiles/~new?from=plain-json"
    assert city.client.get("/profiles/plain-json").status_code == 200


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/profiles/~new", {"document": "[]", "action": "save"}, 422),
        ("/profiles/~new", {"document": "[]", "action": "try", "topic": "a", "payload": ""}, 422),
        ("/profiles/~new", {"document": "[" * 5_000, "action": "save"}, 422),
        ("/profiles/~new", {}, 422),
        ("/profiles/~try", {"topic": "", "payload": "x"}, 422),
        ("/profiles/~try", {"topic": "json/A/b", "payload": "{}", "profile": "nothing"}, 422),
        ("/profiles/~try", {"topic": "a/+/#", "payload": "x"}, 200),
        ("/profiles/nothing/delete", {}, 404),
        ("/unmapped", {"kind": "nothing", "action": "discard"}, 400),
        ("/unmapped", {"topic": "no/such/topic", "action": "discard"}, 303),
        ("/unmapped", {"topic": "no/such/topic", "action": "replay", "clock": "sundial"}, 303),
        ("/unmapped/999999", {"action": "replay"}, 303),
        ("/unmapped/x", {"action": "replay"}, 404),
    ],
)
def test_odd_forms_get_a_clear_answer(city: Street, path: str, fields: dict[str, str], status: int) -> None:
    post(city, path, status, **fields)


def test_odd_addresses(city: Street) -> None:
    for path in (
        "/profiles/nothing",
        "/profiles/%00",
        "/unmapped/999999",
        "/unmapped/x",
        "/unmapped/" + "9" * 30,
    ):
        assert city.client.get(path).status_code == 404, path
    for path in (
        "/profiles/~try?message=999999",
        "/profiles/~try?message=x&profile=nothing",
        "/profiles/~new?message=" + "9" * 30,
        "/unmapped/messages?before=x&topic=%23&device=nobody",
        "/unmapped?done=replay&mapped=x&still=-1",
    ):
        assert city.client.get(path).status_code == 200, path
    assert city.client.get("/profiles/~new?from=nothing").status_code == 404
    assert city.client.get("/unmapped/messages?kind=nothing").status_code == 400
    assert city.client.get("/unmapped/messages?topic=%00").status_code == 400
