"""Subscriptions over HTTP (CIM 009 §6.10, §6.11): what is answered, and killed workers against a ledger."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from rhinecloud import tasks

from ..conftest import Serve, Server
from ..receivers import eventually, http_receiver

LD = {"Content-Type": "application/ld+json"}
HERE = "http://127.0.0.1:9/told"
VOCABULARY = {"Lamp": "urn:v:Lamp", "power": "urn:v:power", "colour": "urn:v:colour"}


@pytest.fixture(scope="module")
def subscriptions(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A server that may call this machine."""
    os.environ["RHINECLOUD_OUTBOUND_ALLOW"] = "127.0.0.1"
    try:
        server: Server = request.getfixturevalue("server")
    finally:
        del os.environ["RHINECLOUD_OUTBOUND_ALLOW"]
    with httpx.Client(base_url=f"{server.base_url.rstrip('/')}/ngsi-ld/v1/", timeout=20) as client:
        yield client


def document(**members: Any) -> dict[str, Any]:
    """A subscription; None takes a member away."""
    whole = {
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": HERE}},
        **members,
    }
    return {name: value for name, value in whole.items() if value is not None}


def refused(answer: httpx.Response, status: int, kind: str, field: str | None = None) -> str:
    """A problem of this kind that names the member; its detail."""
    problem = answer.json()
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert problem["type"] == f"https://uri.etsi.org/ngsi-ld/errors/{kind}"
    if field is not None:
        assert problem["field"] == field, problem
    return str(problem["detail"])


def test_create_retrieve_update_delete(subscriptions: httpx.Client) -> None:
    """§5.8.1 to §5.8.5"""
    answer = subscriptions.post("subscriptions", json=document(id="urn:s:1", q="power>5", throttling=2.5))
    assert answer.status_code == 201 and not answer.content
    assert answer.headers["location"] == "/ngsi-ld/v1/subscriptions/urn:s:1"
    refused(subscriptions.post("subscriptions", json=document(id="urn:s:1")), 409, "AlreadyExists")
    found = subscriptions.get("subscriptions/urn:s:1")
    assert found.status_code == 200 and "ngsi-ld-core-context" in found.headers["link"]
    triggers = ["attributeCreated", "attributeUpdated"]  # what holds by default is said
    given = {"id": "urn:s:1", "q": "power>5", "throttling": 2.5}
    assert found.json() == document(**given, status="active", notificationTrigger=triggers)
    assert subscriptions.get("subscriptions/urn:s:1?options=sysAttrs").json().keys() >= {
        "createdAt",
        "modifiedAt",
    }
    answer = subscriptions.patch(
        "subscriptions/urn:s:1", json={"q": "power<3", "throttling": None, "isActive": False}
    )
    assert answer.status_code == 204
    found = subscriptions.get("subscriptions/urn:s:1")
    given = {"id": "urn:s:1", "q": "power<3", "isActive": False}
    assert found.json() == document(**given, status="paused", notificationTrigger=triggers)
    assert subscriptions.delete("subscriptions/urn:s:1").status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        body = {"json": {"q": "a"}} if method == "PATCH" else {}
        answer = subscriptions.request(method, "subscriptions/urn:s:1", **body)
        refused(answer, 404, "ResourceNotFound")
    made = subscriptions.post("subscriptions", json=document()).headers["location"]
    assert made.startswith("/ngsi-ld/v1/subscriptions/urn:ngsi-ld:Subscription:")
    assert subscriptions.delete(made.removeprefix("/ngsi-ld/v1/")).status_code == 204


def test_names_are_shown_in_the_context_of_who_asks(subscriptions: httpx.Client) -> None:
    """§5.5.7"""
    body = document(
        id="urn:s:names",
        entities=[{"type": "(Lamp;Post)"}],
        watchedAttributes=["power"],
        q='colour=="red"|power>5',
        geoQ={"georel": "within", "geometry": "Point", "coordinates": [1, 2], "geoproperty": "power"},
        notification={"pick": ["id", "power"], "omit": ["colour"], "endpoint": {"uri": HERE}},
    )
    answer = subscriptions.post("subscriptions", json={**body, "@context": VOCABULARY}, headers=LD)
    assert answer.status_code == 201, answer.text
    plain = subscriptions.get("subscriptions/urn:s:names").json()
    assert plain["watchedAttributes"] == ["urn:v:power"] and plain["entities"] == [
        {"type": "(urn:v:Lamp;Post)"}
    ]
    assert plain["notification"]["pick"] == ["id", "urn:v:power"]
    assert plain["geoQ"]["geoproperty"] == "urn:v:power" and "urn:v:colour" in plain["q"]
    # What is shown can be sent again and means the same.
    again = {**plain, "id": "urn:s:again"}
    assert subscriptions.post("subscriptions", json=again).status_code == 201
    shown = subscriptions.get("subscriptions/urn:s:again").json()
    assert {**shown, "id": ""} == {**plain, "id": ""}
    ld = subscriptions.get("subscriptions/urn:s:names", headers={"Accept": "application/ld+json"}).json()
    assert "@context" in ld
    for identifier in ("names", "again"):
        subscriptions.delete(f"subscriptions/urn:s:{identifier}")


def test_pages(subscriptions: httpx.Client) -> None:
    """§6.3.10"""
    before = int(subscriptions.get("subscriptions?limit=0&count=true").headers["ngsild-results-count"])
    ids = [f"urn:s:page:{n}" for n in range(5)]
    for identifier in ids:
        assert subscriptions.post("subscriptions", json=document(id=identifier)).status_code == 201
    seen: list[str] = []
    path = f"subscriptions?limit=2&offset={before}&count=true"
    while path:
        answer = subscriptions.get(path)
        assert answer.headers["ngsild-results-count"] == str(before + 5)
        seen += [one["id"] for one in answer.json()]
        assert len(answer.json()) <= 2
        links = httpx.Response(200, headers={"link": ", ".join(answer.headers.get_list("link"))}).links
        path = links.get("next", {}).get("url", "").removeprefix("/ngsi-ld/v1/")
        assert ("prev" in links) == (len(seen) > 2 or before > 0)
    assert seen == ids
    refused(subscriptions.get("subscriptions?limit=0"), 400, "BadRequestData")
    for identifier in ids:
        subscriptions.delete(f"subscriptions/{identifier}")


ENDPOINT = {"uri": HERE}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"type": None}, "/type"),
        ({"type": "Lamp"}, "/type"),
        ({"id": "no uri"}, "/id"),
        ({"notification": None}, "/notification"),
        ({"notification": {}}, "/notification/endpoint"),
        ({"notification": {"endpoint": {}}}, "/notification/endpoint/uri"),
        ({"notification": {"endpoint": {"uri": "nowhere"}}}, "/notification/endpoint/uri"),
        ({"notification": {"endpoint": {"uri": "http://10.0.0.1/"}}}, "/notification/endpoint/uri"),
        ({"notification": {"endpoint": {"uri": "http://[::1]/"}}}, "/notification/endpoint/uri"),
        ({"notification": {"endpoint": {"uri": "mqtt://127.0.0.1/"}}}, "/notification/endpoint/uri"),
        ({"notification": {"endpoint": {"uri": "mqtt://127.0.0.1/a/+"}}}, "/notification/endpoint/uri"),
        ({"notification": {"endpoint": {**ENDPOINT, "accept": "text/plain"}}}, "/notification/endpoint/accept"),
        ({"notification": {"endpoint": {**ENDPOINT, "timeout": 0}}}, "/notification/endpoint/timeout"),
        (
            {"notification": {"endpoint": {**ENDPOINT, "receiverInfo": [{"key": "a b", "value": ""}]}}},
            "/notification/endpoint/receiverInfo/0/key",
        ),
        (
            {"notification": {"endpoint": {**ENDPOINT, "receiverInfo": [{"key": "a", "value": "x\r\nb: c"}]}}},
            "/notification/endpoint/receiverInfo/0/value",
        ),
        ({"notification": {"endpoint": ENDPOINT, "format": "xml"}}, "/notification/format"),
        ({"notification": {"endpoint": ENDPOINT, "attributes": []}}, "/notification/attributes"),
        ({"notification": {"endpoint": ENDPOINT, "attributes": ["id"]}}, "/notification/attributes/0"),
        ({"notification": {"endpoint": ENDPOINT, "pick": ["a"], "omit": ["a"]}}, "/notification/omit"),
        ({"notification": {"endpoint": ENDPOINT, "pick": ["a{b}"]}}, "/notification/joinLevel"),
        ({"notification": {"endpoint": ENDPOINT, "pick": ["a{b"]}}, "/notification/pick/0"),
        ({"notification": {"endpoint": ENDPOINT, "join": "deep"}}, "/notification/join"),
        (
            {"notification": {"endpoint": ENDPOINT, "format": "keyValues", "showChanges": True}},
            "/notification/showChanges",
        ),
        ({"entities": None}, ""),
        ({"entities": []}, "/entities"),
        ({"entities": [{"id": "urn:x:1"}]}, "/entities/0/type"),
        ({"entities": [{"type": "A", "id": "x"}]}, "/entities/0/id"),
        ({"entities": [{"type": "A", "idPattern": "("}]}, "/entities/0/idPattern"),
        ({"entities": [{"type": "A;;"}]}, "/entities/0/type"),
        ({"watchedAttributes": []}, "/watchedAttributes"),
        ({"watchedAttributes": ["a b"]}, "/watchedAttributes/0"),
        ({"notificationTrigger": ["entityMoved"]}, "/notificationTrigger/0"),
        ({"q": "a=="}, "/q"),
        ({"scopeQ": "//"}, "/scopeQ"),
        ({"geoQ": {"georel": "near"}}, "/geoQ/geometry"),
        ({"geoQ": {"georel": "near", "geometry": "Point", "coordinates": [1, 2]}}, "/geoQ"),
        ({"timeInterval": 0}, "/timeInterval"),
        ({"timeInterval": 5, "throttling": 5}, "/throttling"),
        ({"timeInterval": 5, "watchedAttributes": ["a"]}, "/watchedAttributes"),
        ({"throttling": "5"}, "/throttling"),
        ({"isActive": "yes"}, "/isActive"),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, "/expiresAt"),
        ({"expiresAt": "tomorrow"}, "/expiresAt"),
        ({"colour": "red"}, "/colour"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(subscriptions: httpx.Client, members: dict[str, Any], field: str) -> None:
    answer = subscriptions.post("subscriptions", json=document(**members))
    refused(answer, 400, "BadRequestData", field)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"notification": {"endpoint": {"uri": "ftp://example.org/"}}}, "/notification/endpoint/uri"),
        ({"ngsildConformance": "1.3"}, "/ngsildConformance"),
    ],
)
def test_what_is_not_offered_is_said(
    subscriptions: httpx.Client, members: dict[str, Any], field: str
) -> None:
    answer = subscriptions.post("subscriptions", json=document(**members))
    refused(answer, 422, "OperationNotSupported", field)


def test_other_answers(subscriptions: httpx.Client) -> None:
    answer = subscriptions.post("subscriptions", json=document(jsonldContext="https://no-such.invalid/c"))
    refused(answer, 503, "LdContextNotAvailable")
    refused(subscriptions.get("subscriptions/nothing"), 400, "BadRequestData")
    assert subscriptions.put("subscriptions/urn:s:1", json={}).status_code == 405
    refused(subscriptions.post("subscriptions", json=[]), 400, "BadRequestData")
    # What only we give is ignored (§5.2.12, §5.2.14.2).
    body = document(id="urn:s:o", status="expired", createdAt="x")
    body["notification"]["timesSent"] = 7
    assert subscriptions.post("subscriptions", json=body).status_code == 201
    shown = subscriptions.get("subscriptions/urn:s:o").json()
    assert shown["status"] == "active" and "timesSent" not in shown["notification"]
    refused(
        subscriptions.patch("subscriptions/urn:s:o", json={"id": "urn:s:p"}), 400, "BadRequestData", "/id"
    )
    refused(subscriptions.patch("subscriptions/urn:s:o", json={"notification": None}), 400, "BadRequestData")
    refused(subscriptions.patch("subscriptions/urn:s:o", json={"entities": None}), 400, "BadRequestData")
    assert subscriptions.delete("subscriptions/urn:s:o").status_code == 204


# Killed at any moment --------------------------------------------------------------------------------------------


VICTIMS: dict[str, Callable[[list[str]], bool]] = {
    "worker": lambda command: "rhinecloud.worker" in command,
    "nats": lambda command: Path(command[0]).name == "nats-server",
    "postgresql": lambda command: Path(command[0]).name == "postgres" and "-D" in command,
}


def _victims(server: Server, what: str) -> list[psutil.Process]:
    """The processes of a kind; of PostgreSQL the one that started the others."""
    found = []
    for child in psutil.Process(server.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):
            if VICTIMS[what](child.cmdline()):
                found.append(child)
    return found


async def test_whatever_is_killed_no_notification_is_lost(serve: Serve) -> None:
    """Every acknowledged change is told at least once, and those of an entity in their order."""
    server = serve("--workers=2", "--outbound-allow=127.0.0.1")
    base = f"{server.base_url.rstrip('/')}/ngsi-ld/v1/"
    acknowledged: dict[str, list[int]] = {f"urn:x:{k}": [] for k in range(5)}
    stop = asyncio.Event()

    async def write(entity_id: str) -> None:
        number = 0
        async with httpx.AsyncClient(base_url=base, timeout=5) as client:
            while not stop.is_set():
                number += 1
                body = [{"id": entity_id, "type": "Lamp", "n": number}]
                while True:
                    try:
                        answer = await client.post("entityOperations/upsert", json=body)
                    except httpx.HTTPError:
                        await asyncio.sleep(0.05)
                        continue
                    if answer.status_code in (201, 204):
                        acknowledged[entity_id].append(number)
                        break
                    await asyncio.sleep(0.05)
                await asyncio.sleep(0.01)

    async with http_receiver() as receiver, httpx.AsyncClient(base_url=base, timeout=10) as client:
        body = document(notification={"endpoint": {"uri": receiver.url}, "format": "keyValues"})
        assert (await client.post("subscriptions", json=body)).status_code == 201
        writers = [asyncio.create_task(write(entity_id)) for entity_id in acknowledged]
        for what in ("worker", "nats", "worker", "postgresql", "worker"):
            await asyncio.sleep(1.2)
            victims = _victims(server, what)
            assert victims or what == "worker", f"no {what} to kill"
            for victim in victims:
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.send_signal(signal.SIGKILL)
                await asyncio.sleep(0.3)
        await asyncio.sleep(1)
        stop.set()
        _, left = await asyncio.wait(writers, timeout=60)
        await tasks.stop(*writers)
        assert not left, f"{len(left)} writers did not end"

        def told(entity_id: str) -> list[int]:
            return [entity["n"] for entity in receiver.entities if entity["id"] == entity_id]

        await eventually(lambda: all(set(numbers) <= set(told(i)) for i, numbers in acknowledged.items()), 60)
        for entity_id, numbers in acknowledged.items():
            assert len(numbers) > 10
            first_seen = list(dict.fromkeys(told(entity_id)))
            assert first_seen == sorted(first_seen), entity_id
