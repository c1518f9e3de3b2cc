"""Tenants over HTTP: NGSILD-Tenant in requests, answers and notifications (CIM 009 §4.14, §5.5.10, §6.3.14)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import pytest

from ..conftest import EXTERNAL_DATABASE, Serve, Server
from ..receivers import eventually, http_receiver

LAMP = {"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", "power": 1}


def rhinecloud(server: Server, *arguments: str, says: str = "", code: int = 0) -> str:
    """Run `rhinecloud tenant` on the installation of a server; what it printed."""
    where = f"--database-url={server.database_url}" if EXTERNAL_DATABASE else f"--data={server.data}"
    done = subprocess.run(
        [sys.executable, "-m", "rhinecloud.cli", "tenant", *arguments, where],
        input=says,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def client_of(server: Server, tenant: str | None = None) -> httpx.Client:
    headers = {"NGSILD-Tenant": tenant} if tenant is not None else {}
    return httpx.Client(base_url=f"{server.base_url.rstrip('/')}/ngsi-ld/v1/", headers=headers, timeout=20)


@pytest.fixture(scope="module")
def served(module_serve: Serve) -> Server:
    """Two workers that make no tenants by themselves, and may call this machine."""
    server = module_serve("--workers=2", "--outbound-allow=127.0.0.1")
    rhinecloud(server, "add", "port")
    return server


@pytest.fixture
def port(served: Server) -> Iterator[httpx.Client]:
    with client_of(served, "port") as client:
        yield client


@pytest.fixture
def city(served: Server) -> Iterator[httpx.Client]:
    with client_of(served) as client:
        yield client


def refused(answer: httpx.Response, status: int, kind: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"https://uri.etsi.org/ngsi-ld/errors/{kind}"


def test_a_tenant_sees_its_own_and_nothing_else(port: httpx.Client, city: httpx.Client) -> None:
    assert port.post("entities", json=LAMP).status_code == 201
    refused(city.get(f"entities/{LAMP['id']}"), 404, "ResourceNotFound")
    assert city.post("entities", json=LAMP | {"power": 2}).status_code == 201
    assert port.get("entities", params={"type": "Lamp", "options": "keyValues"}).json() == [LAMP]
    assert city.get(f"entities/{LAMP['id']}", params={"options": "keyValues"}).json()["power"] == 2
    past = port.get(f"temporal/entities/{LAMP['id']}", params={"options": "temporalValues"}).json()
    assert [value[0] for value in past["power"]["values"]] == [1]
    assert port.delete(f"entities/{LAMP['id']}").status_code == 204
    assert port.get("entities", params={"type": "Lamp"}).json() == []
    assert city.delete(f"entities/{LAMP['id']}").status_code == 204


def test_subscriptions_and_contexts_are_a_tenants_own(port: httpx.Client, city: httpx.Client) -> None:
    document = {
        "id": "urn:ngsi-ld:Subscription:own",
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": "http://127.0.0.1:9/"}},
        "isActive": False,
    }
    assert port.post("subscriptions", json=document).status_code == 201
    refused(city.get("subscriptions/urn:ngsi-ld:Subscription:own"), 404, "ResourceNotFound")
    assert port.delete("subscriptions/urn:ngsi-ld:Subscription:own").status_code == 204

    made = port.post("jsonldContexts", json={"@context": {"power": "urn:v:power"}})
    assert made.status_code == 201
    path = made.headers["location"].removeprefix("/ngsi-ld/v1/")
    assert port.get(path).json() == {"@context": {"power": "urn:v:power"}}
    refused(city.get(path), 404, "ResourceNotFound")


@pytest.mark.parametrize("name", ["nobody", "Port", "x" * 80, "p;rt", 'a"b', "../etc"])
def test_who_does_not_exist(served: Server, name: str) -> None:
    with client_of(served, name) as client:
        for answer in (
            client.get("entities", params={"type": "Lamp"}),
            client.post("entities", json=LAMP),
            client.delete("entities/urn:x:1"),
        ):
            refused(answer, 404, "NonexistentTenant")
            assert answer.headers["ngsild-tenant"] == name


def test_the_answer_names_the_tenant_as_the_request_did(served: Server, city: httpx.Client) -> None:
    assert "ngsild-tenant" not in city.get("types").headers
    for name in ("port", "city", ""):
        with client_of(served, name) as client:
            for answer in (client.get("types"), client.get("entities/urn:none"), client.get("nothing/here")):
                assert answer.headers["ngsild-tenant"] == name
            assert client.get("types").status_code == 200


async def test_notifications_name_the_tenant(served: Server, port: httpx.Client, city: httpx.Client) -> None:
    """Of the default tenant nobody speaks; what a subscriber wants to be sent under that name is not sent."""
    async with http_receiver() as receiver:
        for client in (port, city):
            endpoint = {"uri": receiver.url, "receiverInfo": [{"key": "ngsild-tenant", "value": "other"}]}
            document = {
                "type": "Subscription",
                "entities": [{"type": "Told"}],
                "notification": {"endpoint": endpoint, "format": "keyValues"},
            }
            if client is city:
                del endpoint["receiverInfo"]
            assert client.post("subscriptions", json=document).status_code == 201
        for client, number in ((port, 1), (city, 2)):
            entity = {"id": "urn:ngsi-ld:Told:1", "type": "Told", "n": number}
            answer = await asyncio.to_thread(client.post, "entities", json=entity)
            assert answer.status_code == 201
        told = {one.body["data"][0]["n"]: one for one in await receiver.told(2)}
        assert told[1].headers["ngsild-tenant"] == "port"
        assert "ngsild-tenant" not in told[2].headers
        # What is written later arrives too, in order.
        for number in range(3, 30):
            merged = await asyncio.to_thread(port.patch, "entities/urn:ngsi-ld:Told:1", json={"n": number})
            assert merged.status_code == 204
        await eventually(lambda: receiver.values("n")[-1:] == [29])
        of_port = [one.body["data"][0]["n"] for one in receiver.received if "ngsild-tenant" in one.headers]
        assert of_port == sorted(set(of_port))


async def test_a_tenant_that_is_removed_is_gone_and_can_be_made_anew(served: Server) -> None:
    assert "needs the name" in rhinecloud(served, "add", code=1)
    assert "not a tenant's name" in rhinecloud(served, "add", "Big", code=1)
    rhinecloud(served, "add", "gone")
    assert "already" in rhinecloud(served, "add", "gone", code=1)
    with client_of(served, "gone") as client:
        assert client.post("entities", json=LAMP).status_code == 201
        assert "--yes" in rhinecloud(served, "remove", "gone", code=1)
        assert "nothing was removed" in rhinecloud(served, "remove", "gone", "--yes", says="port\n", code=1)
        assert client.get(f"entities/{LAMP['id']}").status_code == 200
        listed = rhinecloud(served, "list")
        assert all(name in listed for name in ("city", "(default)", "port", "gone"))
        rhinecloud(served, "remove", "gone", "--yes", says="gone\n")
        # Each worker finds out when it is next asked; who has a broken connection may say so once.
        found = [client.get(f"entities/{LAMP['id']}") for _ in range(6)]
        assert {answer.status_code for answer in found} <= {404, 503}
        refused(found[-1], 404, "NonexistentTenant")
        assert "There is no tenant" in rhinecloud(served, "remove", "gone", "--yes", says="gone\n", code=1)
        connection = await asyncpg.connect(served.database_url)
        left = "SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'rhinecloud_gone_%'), to_regnamespace($1)"
        assert tuple(await connection.fetchrow(left, "tenant_gone")) == (0, None)
        await connection.close()

        rhinecloud(served, "add", "gone")
        answers: list[Any] = []
        while not answers or answers[-1].status_code == 503:
            assert len(answers) < 10
            answers.append(client.get(f"entities/{LAMP['id']}"))
        refused(answers[-1], 404, "ResourceNotFound")
        assert client.post("entities", json=LAMP).status_code == 201
    assert "always exists" in rhinecloud(served, "remove", "city", "--yes", says="city\n", code=1)


def test_the_first_operation_that_creates_something_makes_the_tenant(serve: Serve) -> None:
    """Where the setting says so; and no other operation does (§5.5.10)."""
    server = serve("--tenant-creation")
    batch = "entityOperations/create"
    subscription = {
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": "http://example.org/"}},
    }
    with client_of(server, "first") as client:
        refused(client.get("entities", params={"type": "Lamp"}), 404, "NonexistentTenant")
        refused(client.post("entityOperations/upsert", json=[LAMP]), 404, "NonexistentTenant")
        refused(client.patch("entities/urn:x:1", json={"n": 1}), 404, "NonexistentTenant")
        assert client.post("entities", json=LAMP).status_code == 201
        assert client.get(f"entities/{LAMP['id']}").status_code == 200
    for name, path, body in (
        ("second", batch, [LAMP]),
        ("third", "subscriptions", subscription),
        (
            "fourth",
            "temporal/entities",
            {**LAMP, "power": [{"value": 1, "observedAt": "2026-01-01T00:00:00Z"}]},
        ),
    ):
        with client_of(server, name) as client:
            assert client.post(path, json=body).status_code == 201
    with client_of(server, "No Name") as client:
        refused(client.post("entities", json=LAMP), 400, "BadRequestData")
        refused(client.get("types"), 404, "NonexistentTenant")
