"""Devices on their pages, with real devices at the door: added, given secrets, told what is wanted, named when
something is wrong; with and without JavaScript."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import shlex
from pathlib import Path

import aiomqtt
import asyncpg
import pytest
from playwright.async_api import Page, expect

from tests.conftest import Server

from .conftest import Street, Visiting, axe_and_width

DEVICE = "lamp-0042"
PATH = f"/devices/{DEVICE}"


def post(city: Street, path: str, status: int = 303, **fields: str) -> str:
    """A form as a browser sends it."""
    answer = city.client.post(path, data=fields, headers={"origin": city.url})
    assert answer.status_code == status, answer.text
    return answer.text


def secret_of(city: Street, device: str) -> str:
    """A new secret, as the page shows it."""
    text = post(city, f"/devices/{device}/secrets", 200, note="test", days="")
    found = re.search(r'data-copy="([A-Za-z0-9]{32})"', text)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def lamp(city: Street) -> str:
    """A lamp with a secret, which is returned."""
    post(
        city,
        "/devices/~new",
        id=DEVICE,
        type="Streetlight",
        profile="plain-json",
        name="Leuchte am Innenhafen",
    )
    return secret_of(city, DEVICE)


def connected(server: Server, secret: str, device: str = DEVICE) -> aiomqtt.Client:
    """A device at the door."""
    return aiomqtt.Client(
        server.mqtt_host, server.mqtt_port, username=device, password=secret, identifier=device, timeout=10
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_readable_for_everybody(visit: Visiting, lamp: str, theme: str) -> None:
    paths = [
        "/devices",
        "/devices?search=nothing-like",
        "/devices/~new",
        "/devices/~import",
        PATH,
        f"{PATH}/edit",
    ]
    await axe_and_width(visit, paths, theme)


async def test_from_nothing_to_a_device_that_speaks(visit: Visiting, city: Street, server: Server) -> None:
    """Add, draw a secret, publish with it, block: all by forms, without JavaScript."""
    async with visit(java_script_enabled=False) as visited:
        page: Page = visited.page
        visited.allowed = ["422"]
        await page.goto(f"{city.url}/devices?lang=de")
        await page.get_by_role("link", name="Gerät anlegen").click()
        await page.get_by_label("Kennung").fill("no good")
        await page.locator("#type").fill("Streetlight")
        await page.get_by_role("button", name="Anlegen").click()
        await expect(page.locator("#id")).to_have_attribute("aria-invalid", "true")
        await expect(page.locator("#id-error")).to_contain_text("1 to 128 letters")
        await expect(page.locator("#type")).to_have_value("Streetlight")
        await page.locator("#id").fill("lamp-0001")
        await page.locator("#publish").fill("harbour/lamps/1\nharbour/#/2")
        await page.get_by_role("button", name="Anlegen").click()
        await expect(page.locator("#publish-error")).to_contain_text("Zeile 2")
        await page.locator("#publish").fill("harbour/lamps/1")
        await page.get_by_role("button", name="Anlegen").click()
        await expect(page.get_by_role("status")).to_contain_text("Das Gerät wurde angelegt")
        await expect(page.locator("#topics-title + dl")).to_contain_text("json/Streetlight/lamp-0001")
        await expect(page.locator("#topics-title + dl")).to_contain_text("harbour/lamps/1")

        await page.locator("#note").fill("Werkstatt")
        await page.get_by_role("button", name="Geheimnis erzeugen").click()
        shown = page.locator(".secret pre").first
        secret = await shown.inner_text()
        assert re.fullmatch(r"[A-Za-z0-9]{32}", secret)
        words = shlex.split(await page.locator(".secret pre").nth(1).inner_text())
        told = dict(zip(words[1::2], words[2::2], strict=True))
        await page.goto(f"{city.url}/devices/lamp-0001")
        await expect(page.locator("body")).not_to_contain_text(secret)
        await expect(page.get_by_role("region", name="Geheimnisse")).to_contain_text("Werkstatt")

        async with aiomqtt.Client(
            told["-h"], int(told["-p"]), username=told["-u"], password=told["-P"], identifier=told["-i"]
        ) as client:
            await client.publish(told["-t"], told["-m"], qos=int(told["-q"]))
            await eventually_on(page, "#attributes", "powerState")
            await page.get_by_role("button", name="Sperren").click()
            await expect(page.get_by_role("status")).to_contain_text("Gesperrt")
            with pytest.raises(aiomqtt.MqttError):
                await asyncio.wait_for(anext(client.messages), 10)
        with pytest.raises(aiomqtt.MqttError):
            async with connected(server, secret, "lamp-0001"):
                pass


async def eventually_on(page: Page, place: str, text: str) -> None:
    """Reload until a text is there."""
    async with asyncio.timeout(20):
        while text not in "".join(await page.locator(place).all_inner_texts()):
            await page.reload()


async def test_what_is_wanted_and_confirmed_is_seen_live(visit: Visiting, server: Server, lamp: str) -> None:
    async with visit() as visited:
        page = visited.page
        await visited.go(f"{PATH}?lang=de")
        await page.locator("#set").fill('{"powerState": ')
        await page.get_by_role("button", name="Senden").click()
        await expect(page.locator("#set-error")).to_contain_text("not JSON")
        await expect(page.locator("#set")).to_have_value('{"powerState": ')
        visited.allowed = ["422"]
        await page.locator("#set").fill('{"powerState": "off"}')
        await page.get_by_role("button", name="Senden").click()
        await expect(page.get_by_role("status")).to_contain_text("Vorgemerkt")
        row = page.get_by_role("region", name="Was gewünscht wurde").locator("tbody tr").first
        await expect(row).to_contain_text('{"powerState":"off"}')
        await expect(row).to_contain_text("gewünscht")
        async with connected(server, lamp) as client:
            await client.subscribe(f"json/Streetlight/{DEVICE}/command", qos=1)
            message = await asyncio.wait_for(anext(client.messages), 20)
            command = json.loads(bytes(message.payload))
            assert command["set"] == {"powerState": "off"}
            answer = {"version": command["version"], "result": "done"}
            await client.publish(f"json/Streetlight/{DEVICE}/confirm", json.dumps(answer), qos=1)
            await expect(row).to_contain_text("bestätigt", timeout=20_000)


async def test_alarms_are_seen_and_closed(visit: Visiting, server: Server, lamp: str) -> None:
    async with visit() as visited:
        page = visited.page
        await visited.go(f"{PATH}?lang=de")
        async with connected(server, lamp) as client:
            await client.publish("json/Streetlight/somebody-else", b'{"powerState": "on"}', qos=1)
            old = b'{"powerState": "on", "observedAt": "1970-01-01T00:00:00Z"}'
            await client.publish(f"json/Streetlight/{DEVICE}", old, qos=1)
        alarms = page.locator("#device .alarms")
        await expect(alarms).to_contain_text("Verbotenes Topic", timeout=20_000)
        await expect(alarms).to_contain_text("json/Streetlight/somebody-else")
        await expect(alarms).to_contain_text("Uhr kann nicht stimmen", timeout=20_000)
        await visited.go("/devices?lang=de")
        await expect(page.locator("tbody tr", has_text=DEVICE)).to_contain_text("2 Meldungen")
        await visited.go(f"{PATH}?lang=de")
        for _ in range(2):
            await page.get_by_role("button", name=re.compile("^Gesehen")).first.click()
            await expect(page.get_by_role("status")).to_contain_text("abgehakt")
        await expect(page.locator("#device .alarms")).to_have_count(0)
        # The message whose clock lies stands below, and leads to its page.
        await page.get_by_role("region", name="Liste der Nachrichten").get_by_role("link").first.click()
        await expect(page.locator("main")).to_contain_text("Zeit kann nicht stimmen")


async def test_an_alarm_of_no_device_is_seen_and_closed(visit: Visiting, city: Street) -> None:
    answer = city.client.post(
        "/api/v1/devices/nobody-at-all/messages", json={}, headers={"Authorization": "Bearer x"}
    )
    assert answer.status_code == 401
    async with visit() as visited:
        page = visited.page
        await visited.go("/devices?lang=de")
        alarm = page.locator(".alarms li", has_text="nobody-at-all")
        await expect(alarm).to_contain_text("Anmeldung abgelehnt")
        await expect(alarm).to_contain_text("Benutzername")
        await alarm.get_by_role("button", name=re.compile("^Gesehen")).click()
        await expect(page.get_by_role("status")).to_contain_text("abgehakt")
        await expect(page.locator(".alarms")).to_have_count(0)


async def test_search_as_one_types(visit: Visiting, city: Street, lamp: str) -> None:
    async with visit() as visited:
        page = visited.page
        await visited.go("/devices?lang=de")
        await page.locator("#search").press_sequentially("Innenhafen")
        await expect(page.locator("#listing tbody tr")).to_have_count(1)
        await expect(page.locator("#listing")).to_contain_text(DEVICE)
        await page.select_option("#profile", "tasmota")
        await expect(page.locator("#listing")).to_contain_text("Kein Gerät passt")


async def test_many_from_a_table_with_secrets(visit: Visiting, city: Street, tmp_path: Path) -> None:
    table = tmp_path / "devices.csv"
    rows = [
        "id;type;name",
        *(f"many-{n:03d};Streetlight;Leuchte {n}" for n in range(60)),
        "no good;Streetlight;x",
    ]
    table.write_text("\n".join(rows), "utf-8-sig")
    async with visit() as visited:
        page = visited.page
        await visited.go("/devices/~import?lang=de")
        await page.set_input_files("#file", table)
        await page.locator("#secrets").check()
        await page.get_by_role("button", name="Anlegen").click()
        await expect(page.get_by_role("status")).to_contain_text("60 Geräte wurden angelegt")
        await expect(page.locator("main")).to_contain_text("Zeile 62")
        shown = await page.locator(".call pre").inner_text()
        secrets = list(csv.DictReader(shown.splitlines()))
        assert len(secrets) == 60 and all(len(row["secret"]) == 32 for row in secrets)
        assert await visited.overflow() <= 0
        await page.locator("#text").fill("id,type\nmany-001,Streetlight")
        await page.get_by_role("button", name="Anlegen").click()
        await expect(page.locator("main")).to_contain_text("1 gab es schon")
    listed = city.client.get("/devices?search=many-").text
    assert "many-000" in listed and "many-024" in listed and "many-025" not in listed
    after = re.findall(r'rel="next" href="([^"]+)"', listed)[0].replace("&amp;", "&")
    assert "many-025" in city.client.get(after).text


async def test_changing_and_removing(visit: Visiting, city: Street) -> None:
    post(city, "/devices/~new", id="short-lived", type="Streetlight", profile="plain-json")
    async with visit() as visited:
        page = visited.page
        await visited.go("/devices/short-lived/edit?lang=de")
        await page.locator("#name").fill("Für kurze Zeit")
        await page.select_option("#profile", "tasmota")
        await page.get_by_role("button", name="Speichern").click()
        await expect(page.locator("h1")).to_have_text("Für kurze Zeit")
        await expect(page.locator("#topics-title + dl")).to_contain_text("tele/short-lived/")
        await page.locator(".danger summary").click()
        await page.get_by_role("button", name="Endgültig entfernen").click()
        await expect(page.get_by_role("status")).to_contain_text("entfernt")
    assert city.client.get("/devices/short-lived").status_code == 404


def test_a_revoked_secret_is_gone(city: Street) -> None:
    post(city, "/devices/~new", id="revoked", type="Streetlight", profile="plain-json")
    secret_of(city, "revoked")
    number = re.findall(r'name="secret" value="(\d+)"', city.client.get("/devices/revoked").text)[0]
    post(city, "/devices/revoked/secrets/revoke", secret=number)
    assert "noch kein Geheimnis" in city.client.get("/devices/revoked?lang=de").text
    post(city, "/devices/revoked/secrets/revoke", 404, secret=number)


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        (PATH, {"action": "explode"}, 400),
        (PATH, {"action": "acknowledge", "alarm": "x"}, 400),
        (PATH, {"action": "acknowledge", "alarm": "999999"}, 404),
        ("/devices", {"action": "explode"}, 400),
        ("/devices", {"action": "acknowledge", "alarm": "999999"}, 404),
        (f"{PATH}/secrets/revoke", {"secret": "-1"}, 400),
        (f"{PATH}/wanted", {"set": "[1]"}, 422),
        (f"{PATH}/wanted", {"set": "{}"}, 422),
        (f"{PATH}/wanted", {"set": '{"a": 1}', "timeout": "99999999"}, 422),
        ("/devices/~new", {"id": DEVICE, "type": "Streetlight", "profile": "plain-json"}, 422),
        ("/devices/~new", {"id": "a", "type": "B", "profile": "nothing"}, 422),
        ("/devices/nothing", {"action": "block"}, 404),
        ("/devices/nothing/wanted", {"set": '{"a": 1}'}, 404),
        ("/devices/nothing/edit", {"type": "B"}, 404),
    ],
)
def test_odd_forms_get_a_clear_answer(
    city: Street, lamp: str, path: str, fields: dict[str, str], status: int
) -> None:
    post(city, path, status, **fields)


def test_odd_addresses(city: Street, lamp: str) -> None:
    for path in ("/devices/%00", "/devices/nothing", f"/devices/{'a' * 200}", "/live/devices/nothing"):
        assert city.client.get(path).status_code == 404
    for path in ("/devices?search=%25_%00", "/devices?after=zzzz", "/devices?profile=nothing"):
        assert city.client.get(path).status_code == 200
    refused = city.client.post(PATH, data={"action": "remove"}, headers={"origin": "http://evil.example"})
    assert refused.status_code == 403
    assert city.client.get(PATH).status_code == 200


async def test_devices_that_are_silent(visit: Visiting, city: Street, server: Server) -> None:
    names = [f"silence-{number:02d}" for number in range(30)]
    for name in names:
        answer = city.client.post("/api/v1/devices", json={"id": name, "type": "Streetlight"})
        assert answer.status_code == 201
    connection = await asyncpg.connect(server.database_url)
    try:
        await connection.execute(
            "UPDATE tenant_city.device SET seen_at = now() - interval '2 days', enabled = id <> $1 "
            "WHERE id LIKE 'silence-%' AND id <> $2",
            names[0],
            names[1],
        )
    finally:
        await connection.close()
    async with visit(java_script_enabled=False) as visited:
        page = visited.page
        # From the desk: as many as it counts, page after page.
        await page.goto(f"{city.url}/?lang=de")
        await page.locator(".desk__item a", has_text="schweigen seit über einem Tag").click()
        await expect(page.locator("#silent")).to_have_value("1d")
        await expect(page.locator("table caption")).to_contain_text("28 Geräte")
        await expect(page.locator("tbody tr")).to_have_count(25)
        await expect(page.locator("tbody tr").first).to_contain_text("schweigt")
        await page.click("a[rel=next]")
        await expect(page.locator("tbody tr")).to_have_count(3)
        await expect(page.locator("#silent")).to_have_value("1d")
        await page.select_option("#silent", "7d")
        await page.click("main .filter button[type=submit]")
        await expect(page.locator(".empty")).to_contain_text("Kein Gerät passt")
        await page.goto(f"{city.url}/devices?silent=never&search=silence")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await expect(page.locator("tbody tr")).to_contain_text(names[1])
        await page.goto(f"{city.url}/devices?silent=36h&search=silence")
        await expect(page.locator("#silent option:checked")).to_have_text("vor mehr als 36 Stunden")
    for nonsense in ("x", "0d", "99999d", "-1h", "%00"):
        assert city.client.get(f"/devices?silent={nonsense}").status_code == 200
    async with visit() as visited:
        page = visited.page
        await visited.go("/devices?search=silence&lang=de")
        await page.select_option("#silent", "never")
        await expect(page.locator("tbody tr")).to_have_count(1)
        assert await visited.axe() == []
