"""The management API on a real server, with real MQTT clients as its devices."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest

from rhinecloud.api.management import ROUTES
from rhinecloud.api.management.listing import read_csv
from rhinecloud.model import BadRequestData

from ..conftest import EXTERNAL_NATS, Serve, Server

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference" / "management-api.md"
PATIENCE = 20.0


@pytest.fixture(scope="module")
def manage(server: Server) -> Iterator[httpx.Client]:
    """A client whose paths begin below /api/v1/."""
    with httpx.Client(base_url=f"{server.base_url.rstrip('/')}/api/v1/", timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def graph(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.base_url.rstrip('/')}/ngsi-ld/v1/", timeout=20) as client:
        yield client


def add(manage: httpx.Client, device: str, /, **members: Any) -> str:
    """A device with a secret, which is returned."""
    response = manage.post("devices", json={"id": device, "type": "Lamp", **members})
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"/api/v1/devices/{device}"
    response = manage.post(f"devices/{device}/secrets", json={})
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    secret: str = response.json()["secret"]
    return secret


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def problem(response: httpx.Response, status: int, field: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document.get("field") == field
    return document


# The description ---------------------------------------------------------------------------------------------


def test_the_description_has_every_route_and_nothing_else(manage: httpx.Client) -> None:
    described = manage.get("openapi.json").json()
    assert described["openapi"].startswith("3.1")
    found = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in described["paths"].items()
        for method in methods
    }
    assert found == {(route.method, route.path) for route in ROUTES}
    names = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    text = json.dumps(described)
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', text):
        target: Any = described
        for part in reference.split("/"):
            target = target[part]
    for path, methods in described["paths"].items():
        for operation in methods.values():
            declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert declared == set(re.findall(r"\{(\w+)\}", path))
            assert operation["x-permission"]


def test_the_reference_names_every_route_with_its_permission() -> None:
    text = REFERENCE.read_text()
    for route in ROUTES:
        row = next((line for line in text.splitlines() if f"`{route.method} {route.path}`" in line), None)
        assert row is not None, f"{route.method} {route.path} is not documented"
        assert f"`{route.permission.name}`" in row


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_described_route_is_there_and_says_what_is_wrong(manage: httpx.Client, route: Any) -> None:
    """With names of nothing and an empty body: an answer that is described, never 405 or 500."""
    path = re.sub(r"\{\w+\}", "999999", route.path.lstrip("/"))
    headers = {"Content-Type": "application/json"} if route.body is not None else {}
    response = manage.request(route.method, path, headers=headers, content=b"{}" if route.body else None)
    described = {route.status, *route.errors}
    assert response.status_code in described, f"{response.status_code} {response.text}"
    if response.status_code >= 400:
        problem(response, response.status_code, response.json().get("field"))


def test_what_is_not_there(manage: httpx.Client) -> None:
    problem(manage.get("nothing"), 404)
    problem(manage.get("devices/a/b/c/d"), 404)
    response = manage.put("devices", json={})
    problem(response, 405)
    assert set(response.headers["allow"].split(", ")) == {"GET", "POST"}
    assert manage.head("devices").status_code == 200
    assert manage.head("devices").content == b""


# Who may -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
        {"Origin": "http://[bad"},
        {"Host": "evil.example"},
    ],
)
def test_a_page_from_elsewhere_changes_nothing(manage: httpx.Client, headers: dict[str, str]) -> None:
    problem(manage.post("devices", json={"id": "evil", "type": "Lamp"}, headers=headers), 403)
    problem(manage.post("unmapped/replay", content=b"{}", headers=headers), 403)
    problem(manage.get("devices/evil"), 404)


def test_a_foreign_name_for_this_machine_sees_nothing(manage: httpx.Client) -> None:
    problem(manage.get("devices", headers={"Host": "evil.example"}), 403)
    assert manage.get("devices", headers={"Host": "localhost:1"}).status_code == 200
    assert manage.get("devices", headers={"Host": "[::1]:1"}).status_code == 200


def test_only_json_is_read(manage: httpx.Client) -> None:
    body = b'{"id": "text", "type": "Lamp"}'
    problem(manage.post("devices", content=body, headers={"Content-Type": "text/plain"}), 415)
    problem(manage.post("devices", content=body), 415)


# Devices -----------------------------------------------------------------------------------------------------


def test_a_device_from_its_first_day_to_its_last(manage: httpx.Client) -> None:
    secret = add(manage, "d-1", name="Mast", detail={"place": "Königstraße"})
    device = manage.get("devices/d-1").json()
    assert device["topics"]["command"] == "json/Lamp/d-1/command"
    assert device["detail"] == {"place": "Königstraße"}
    assert secret not in manage.get("devices/d-1/secrets").text
    changed = manage.patch("devices/d-1", json={"name": "Anderer Mast"})
    assert changed.json()["name"] == "Anderer Mast"
    assert changed.json()["detail"] == {"place": "Königstraße"}
    found = manage.get("devices", params={"search": "anderer", "count": "true"}).json()
    assert (found["count"], [one["id"] for one in found["items"]]) == (1, ["d-1"])
    problem(manage.post("devices", json={"id": "d-1", "type": "Lamp"}), 409, "/id")
    assert manage.delete("devices/d-1").status_code == 204
    problem(manage.get("devices/d-1"), 404)
    problem(manage.delete("devices/d-1"), 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"id": "x/y", "type": "Lamp"}, "/id"),
        ({"id": "x"}, None),
        ({"id": 7, "type": "Lamp"}, "/id"),
        ({"id": "x", "type": "Lamp", "colour": "red"}, None),
        ({"id": "x", "type": "Lamp", "profile": "nix"}, "/profile"),
        ({"id": "x", "type": "Lamp", "publish": ["$SYS/#"]}, "/publish/0"),
        ({"id": "x", "type": "Lamp", "publish": "a"}, "/publish"),
        ({"id": "x", "type": "Lamp", "detail": {"a": "\u0000"}}, None),
    ],
)
def test_a_bad_device_is_told_with_its_field(
    manage: httpx.Client, body: dict[str, Any], field: str | None
) -> None:
    problem(manage.post("devices", json=body), 400, field)


def test_parameters_are_checked(manage: httpx.Client) -> None:
    problem(manage.get("devices", params={"limit": "0"}), 400, "limit")
    problem(manage.get("devices", params={"limit": "1001"}), 400, "limit")
    problem(manage.get("devices", params={"count": "maybe"}), 400, "count")
    problem(manage.get("unmapped", params={"kind": "odd"}), 400, "kind")
    problem(manage.get("devices", params={"after": "a\x00"}), 400)


def test_a_list_of_devices_is_added_with_its_secrets(manage: httpx.Client) -> None:
    lines = [f"bulk-{n};Lamp;Mast {n};raw/bulk-{n} raw/more" for n in range(5_000)]
    text = "id;type;name;publish\r\n" + "\r\n".join(
        [*lines, "bad id;Lamp;;", ";;;", "bulk-1;Lamp;;", "x;y;z;a;b"]
    )
    begun = time.monotonic()
    response = manage.post(
        "devices/import",
        params={"secrets": "true"},
        content=text.encode("utf-8-sig"),
        headers={"Content-Type": "text/csv; charset=utf-8"},
    )
    took = time.monotonic() - begun
    assert response.status_code == 200, response.text
    outcome = response.json()
    assert outcome["added"] == len(outcome["secrets"]) == 5_000
    assert {one["line"] for one in outcome["problems"]} == {5_002, 5_004, 5_005}
    print(f"5,000 devices with secrets in {took:.2f} s")
    topics = manage.get("devices/bulk-7").json()["topics"]["publish"]
    assert topics[-2:] == ["raw/bulk-7", "raw/more"]
    again = manage.post("devices/import", json=[{"id": "bulk-7", "type": "Lamp"}, {"id": "bulk-x"}]).json()
    assert (again["added"], again["existing"], again["problems"][0]["line"]) == (0, ["bulk-7"], 2)
    page = manage.get("devices", params={"search": "bulk-", "limit": "1000"}).json()
    assert len(page["items"]) == 1_000
    after = manage.get("devices", params={"search": "bulk-", "limit": "1", "after": page["next"]}).json()
    assert after["items"][0]["id"] > page["items"][-1]["id"]


@pytest.mark.parametrize(
    "text", ["", "name\nx", "id,type,colour\n1,Lamp,red", "id\nx", 'id,type\n"x', "id,type,levels.\nx,y,z"]
)
def test_a_list_that_is_none(text: str) -> None:
    if text == 'id,type\n"x':
        assert read_csv(text).problems
        return
    with pytest.raises(BadRequestData):
        read_csv(text)


def test_levels_of_a_list_go_to_the_detail() -> None:
    listed = read_csv("id,type,enabled,levels.application\na,Lamp,nein,city\nb,Lamp,,\nc,Lamp,perhaps,\n")
    assert [(line, one.enabled, one.detail) for line, one in listed.devices] == [
        (2, False, {"levels": {"application": "city"}}),
        (3, True, {}),
    ]
    assert [line for line, _ in listed.problems] == [4]


# HTTP push ---------------------------------------------------------------------------------------------------


def push(manage: httpx.Client, name: str, secret: str, body: Any, **options: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {secret}".strip(), **options.pop("headers", {})}
    return manage.post(f"devices/{name}/messages", content=content, headers=headers, **options)


def test_a_pushed_message_is_in_the_graph_when_it_is_answered(
    manage: httpx.Client, graph: httpx.Client
) -> None:
    secret = add(manage, "p-1")
    response = push(manage, "p-1", secret, {"power": 12.5, "observedAt": "2026-03-01T12:00:00Z"})
    assert (response.status_code, response.content) == (204, b"")
    entity = graph.get("entities/urn:ngsi-ld:Lamp:p-1").json()
    assert entity["power"]["value"] == 12.5
    until(lambda: manage.get("devices/p-1").json()["seen_at"], 30)


def test_a_push_is_only_for_the_device_itself(manage: httpx.Client, graph: httpx.Client) -> None:
    one, other = add(manage, "p-2"), add(manage, "p-3")
    response = push(manage, "p-2", other, {"power": 1})
    problem(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")
    problem(push(manage, "p-2", "", {"power": 1}), 401)
    problem(push(manage, "nobody", one, {"power": 1}), 401)
    alarms = manage.get("alarms", params={"device": "p-2"}).json()["items"]
    assert [(alarm["kind"], alarm["times"], alarm["detail"]) for alarm in alarms] == [
        ("sign_in", 1, {"name": "p-2", "by": "HTTP"})
    ]
    problem(manage.post("devices/p-2/messages", content=b"{}"), 401)
    problem(push(manage, "p-2", one, {"power": 1}, params={"topic": "json/Lamp/p-3"}), 403)
    problem(push(manage, "p-2", one, {"power": 1}, params={"topic": "json/+/p-2"}), 403)
    assert graph.get("entities/urn:ngsi-ld:Lamp:p-2").status_code == 404
    assert graph.get("entities/urn:ngsi-ld:Lamp:p-3").status_code == 404
    assert push(manage, "p-2", one, {"power": 1}, params={"topic": "json/Lamp/p-2"}).status_code == 204
    manage.patch("devices/p-2", json={"enabled": False})
    until(lambda: push(manage, "p-2", one, {"power": 2}).status_code == 401)


def test_what_cannot_be_mapped_is_told_kept_and_replayed(manage: httpx.Client, graph: httpx.Client) -> None:
    secret = add(manage, "p-4", publish=["odd/p-4"])
    told = problem(push(manage, "p-4", secret, b"{"), 422)
    assert told["kind"] == "payload"
    kept = manage.get("unmapped", params={"device": "p-4"}).json()["items"]
    assert [(one["payload"], one["source"]) for one in kept] == [("{", "http")]
    problem(push(manage, "p-4", secret, {"watt": 3}, params={"topic": "odd/p-4"}), 422)
    (odd,) = manage.get("unmapped", params={"topic": "odd/+"}).json()["items"]
    assert (odd["kind"], odd["payload"]) == ("topic", '{"watt": 3}')
    assert manage.get(f"unmapped/{odd['id']}").json() == odd
    assert any(group["kind"] == "topic" for group in manage.get("unmapped/groups").json()["items"])
    problem(manage.post("unmapped/replay", json={}), 400, "/ids")
    assert manage.post("unmapped/replay", json={"ids": [odd["id"]]}).json() == {"mapped": 0, "still": 1}
    profile = {
        "name": "odd",
        "title": {"en": "Odd"},
        "topics": ["odd/{device}"],
        "format": "json",
        "entity": {"id": "urn:ngsi-ld:Odd:{device}", "type": "Odd"},
        "attributes": [{"name": "power", "path": "$.watt", "unit": "WTT"}],
    }
    message = {"topic": "odd/p-4", "payload": '{"watt": 3}'}
    trial = manage.post("profiles/try", json={**message, "profile": profile}).json()
    assert trial["problems"] == []
    assert trial["entities"][0]["power"]["value"] == 3
    bad = {**profile, "attributes": [{"name": "power", "path": "watt["}]}
    told = problem(manage.put("profiles/odd", json=bad), 422)
    assert told["problems"][0]["field"].startswith("/attributes/0")
    assert manage.put("profiles/odd", json=profile).status_code == 200
    problem(manage.put("profiles/other", json=profile), 400, "/name")
    assert manage.get("profiles/odd").json()["document"] == profile
    problem(manage.put("profiles/plain-json", json={**profile, "name": "plain-json"}), 422)
    replayed = until(lambda: manage.post("unmapped/replay", json={"topic": "odd/#"}).json()["mapped"])
    assert replayed == 1
    assert graph.get("entities/urn:ngsi-ld:Lamp:p-4").json()["power"]["value"] == 3, "as the registry says"
    problem(manage.get(f"unmapped/{odd['id']}"), 404)
    assert manage.post("unmapped/discard", json={"ids": [kept[0]["id"]]}).json() == {"discarded": 1}
    assert manage.delete("profiles/odd").status_code == 204
    problem(manage.delete("profiles/odd"), 404)


def test_a_profile_in_use_stays(manage: httpx.Client) -> None:
    profile = {"name": "mine", "extends": "plain-json", "topics": ["mine/{type}/{device}"]}
    assert manage.put("profiles/mine", json=profile).status_code == 200, manage.put(
        "profiles/mine", json=profile
    ).text
    until(lambda: manage.get("profiles/mine").status_code == 200)
    add(manage, "p-5", profile="mine")
    problem(manage.delete("profiles/mine"), 409)
    manage.delete("devices/p-5")
    assert manage.delete("profiles/mine").status_code == 204


def test_the_same_push_twice_is_one(manage: httpx.Client, graph: httpx.Client) -> None:
    secret = add(manage, "p-6")
    for value, key in ((1, "a.1"), (2, "a.1"), (3, "a.2")):
        headers = {"Idempotency-Key": key}
        assert push(manage, "p-6", secret, {"n": value}, headers=headers).status_code == 204
        shown = graph.get("entities/urn:ngsi-ld:Lamp:p-6").json()["n"]["value"]
        assert shown == {1: 1, 2: 1, 3: 3}[value]
    problem(push(manage, "p-6", secret, {"n": 4}, headers={"Idempotency-Key": "x" * 200}), 400)


def test_what_is_too_large_is_refused(manage: httpx.Client) -> None:
    secret = add(manage, "p-7")
    problem(push(manage, "p-7", secret, b" " * (256 * 1024 + 1)), 413)
    problem(
        manage.post("devices", content=b" " * (2**20 + 1), headers={"Content-Type": "application/json"}), 413
    )


def test_payloads_may_be_anything(manage: httpx.Client) -> None:
    secret = add(manage, "p-8")
    problem(push(manage, "p-8", secret, b"\xff\x00"), 422)
    (kept,) = manage.get("unmapped", params={"device": "p-8"}).json()["items"]
    assert kept["payload"] is None
    assert base64.b64decode(kept["payload_base64"]) == b"\xff\x00"
    payload = base64.b64encode(b"\xff").decode()
    trial = manage.post("profiles/try", json={"topic": "json/Lamp/x", "payload_base64": payload}).json()
    assert trial["problems"]
    problem(manage.post("profiles/try", json={"topic": "a"}), 400)
    problem(manage.post("profiles/try", json={"topic": "a", "payload": "", "profile": "no"}), 400, "/profile")


# Over MQTT ---------------------------------------------------------------------------------------------------

mqtt = pytest.mark.skipif(EXTERNAL_NATS is not None, reason="needs the MQTT side of the embedded NATS")


def client(server: Server, name: str, secret: str) -> aiomqtt.Client:
    return aiomqtt.Client(server.mqtt_host, server.mqtt_port, username=name, password=secret, identifier=name)


@mqtt
async def test_a_device_with_its_secret_publishes_and_others_do_not(
    server: Server, manage: httpx.Client, graph: httpx.Client
) -> None:
    secret, other = add(manage, "m-1"), add(manage, "m-2")
    for name, password in (("m-1", other), ("m-1", ""), ("nobody", secret)):
        with pytest.raises(aiomqtt.MqttError):
            async with client(server, name, password):
                pass
    async with client(server, "m-1", secret) as device:
        await device.publish("json/Lamp/m-2", '{"power": 666}', qos=1)
        await device.publish("json/Lamp/m-1", '{"power": 7}', qos=1)

    def check() -> None:
        until(lambda: graph.get("entities/urn:ngsi-ld:Lamp:m-1").status_code == 200)
        assert graph.get("entities/urn:ngsi-ld:Lamp:m-2").status_code == 404
        of_one = {"device": "m-1"}
        expected = {"forbidden_topic", "sign_in"}
        until(lambda: {a["kind"] for a in manage.get("alarms", params=of_one).json()["items"]} >= expected)
        of_one["kind"] = "forbidden_topic"
        (alarm,) = manage.get("alarms", params=of_one).json()["items"]
        assert alarm["detail"]["topic"] == "json/Lamp/m-2"
        closed = manage.post(f"alarms/{alarm['id']}/acknowledge").json()
        assert closed["acknowledged_at"]
        assert manage.get("alarms", params=of_one).json()["items"] == []
        problem(manage.post(f"alarms/{alarm['id']}/acknowledge"), 404)

    await asyncio.to_thread(check)


@mqtt
async def test_who_loses_its_secret_loses_its_connection(server: Server, manage: httpx.Client) -> None:
    secret = add(manage, "m-3")
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(aiomqtt.MqttError):
            async with client(server, "m-3", secret) as device:
                await device.subscribe("json/Lamp/m-3/command")
                assert (await asyncio.to_thread(manage.delete, "devices/m-3/secrets")).status_code == 204
                async for _ in device.messages:
                    pass
        with pytest.raises(aiomqtt.MqttError):
            async with client(server, "m-3", secret):
                pass


@mqtt
async def test_a_command_is_told_confirmed_and_seen(server: Server, manage: httpx.Client) -> None:
    secret = add(manage, "m-4")

    def want(dim: int) -> dict[str, Any]:
        response = manage.post("devices/m-4/wanted", json={"set": {"dim": dim}, "timeout_seconds": 60})
        assert response.status_code == 201, response.text
        wanted: dict[str, Any] = response.json()
        return wanted

    first, second = await asyncio.to_thread(want, 10), await asyncio.to_thread(want, 20)
    async with asyncio.timeout(PATIENCE), client(server, "m-4", secret) as device:
        await device.subscribe("json/Lamp/m-4/command", qos=1)
        told = json.loads(bytes((await anext(aiter(device.messages))).payload))
        assert told == {"version": second["version"], "set": {"dim": 20}}
        answer = {"version": told["version"], "result": "done", "reported": {"dim": 20}}
        await device.publish("json/Lamp/m-4/confirm", json.dumps(answer), qos=1)
        path = f"devices/m-4/wanted/{second['version']}"
        await asyncio.to_thread(until, lambda: manage.get(path).json()["state"] == "confirmed")

    def check() -> None:
        history = manage.get("devices/m-4/wanted").json()["items"]
        assert [(one["version"], one["state"]) for one in history] == [
            (second["version"], "confirmed"),
            (first["version"], "superseded"),
        ]
        page = manage.get("devices/m-4/wanted", params={"limit": "1"}).json()
        assert page["next"] == second["version"]
        problem(manage.post("devices/m-4/wanted", json={"set": {}}), 400, "/set")
        problem(manage.post("devices/nobody/wanted", json={"set": {"a": 1}}), 404)
        problem(manage.get("devices/m-4/wanted/7"), 404)

    await asyncio.to_thread(check)


@mqtt
async def test_a_device_that_speaks_in_its_own_words_is_told_in_them(
    server: Server, manage: httpx.Client
) -> None:
    """Tasmota: a topic and a payload for each value, and no versions: what is reported is compared."""
    secret = add(manage, "plug-1", type="Device", profile="tasmota")

    def want() -> dict[str, Any]:
        response = manage.post("devices/plug-1/wanted", json={"set": {"POWER": "ON", "Dimmer": 30}})
        assert response.status_code == 201, response.text
        wanted: dict[str, Any] = response.json()
        return wanted

    async with asyncio.timeout(PATIENCE), client(server, "plug-1", secret) as plug:
        await plug.subscribe("cmnd/plug-1/#")
        wanted = await asyncio.to_thread(want)
        told = {}
        async for message in plug.messages:
            told[str(message.topic)] = bytes(message.payload)
            if len(told) == 2:
                break
        assert told == {"cmnd/plug-1/POWER": b"ON", "cmnd/plug-1/Dimmer": b"30"}
        path = f"devices/plug-1/wanted/{wanted['version']}"
        await plug.publish("stat/plug-1/RESULT", '{"POWER": "ON"}', qos=0)
        await plug.publish("stat/plug-1/RESULT", '{"Dimmer": 30}', qos=0)
        done = await asyncio.to_thread(
            until, lambda: (found := manage.get(path).json())["state"] == "confirmed" and found
        )
        assert done["detail"]["reported"]["Dimmer"] == 30


def test_a_device_that_pushes_too_much_is_told_to_wait(serve: Serve) -> None:
    server = serve("--device-rate=2")
    with httpx.Client(base_url=f"{server.base_url.rstrip('/')}/api/v1/", timeout=20) as manage:
        loud, quiet = add(manage, "loud"), add(manage, "quiet")
        codes = [push(manage, "loud", loud, {"n": n}).status_code for n in range(60)]
        assert codes[0] == 204
        assert set(codes) == {204, 429}
        refused = until(lambda: (r := push(manage, "loud", loud, {"n": 1})).status_code == 429 and r)
        assert int(refused.headers["retry-after"]) > 0
        assert push(manage, "quiet", quiet, {"n": 1}).status_code == 204
        until(lambda: manage.get("alarms", params={"device": "loud", "kind": "flood"}).json()["items"])
