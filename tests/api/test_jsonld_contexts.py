"""Storing, managing and serving @contexts over HTTP (CIM 009 §5.13, §6.29, §6.30)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from rhinecloud.model import CORE_CONTEXT_URL

from ..conftest import Server
from ..context_server import Web
from ..receivers import eventually, http_receiver

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
RELATION = "http://www.w3.org/ns/json-ld#context"
LD = {"content-type": "application/ld+json"}
TERMS = {"power": "https://city.example/power", "Lamp": "https://city.example/Lamp"}
COLOUR = {"colour": "https://city.example/colour"}
ROOT = "/ngsi-ld/v1/"
PATH = "jsonldContexts/"


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A server that may tell receivers of this machine."""
    os.environ["RHINECLOUD_OUTBOUND_ALLOW"] = "127.0.0.1"
    try:
        server: Server = request.getfixturevalue("server")
    finally:
        del os.environ["RHINECLOUD_OUTBOUND_ALLOW"]
    with httpx.Client(base_url=f"{server.base_url.rstrip('/')}/ngsi-ld/v1/", timeout=20) as client:
        yield client


def add(client: httpx.Client, context: Any) -> str:
    """Host a context; its path below the root."""
    answer = client.post("jsonldContexts", json={"@context": context, "else": 1})
    assert (answer.status_code, answer.content) == (201, b""), answer.text
    path = answer.headers["location"]
    assert path.startswith(f"{ROOT}{PATH}urn:uuid:")
    return below(path)


def below(path: str) -> str:
    """A path as the client takes it: its base is the root."""
    return path.removeprefix(ROOT)


def url_of(client: httpx.Client, path: str) -> str:
    return f"http://{client.base_url.netloc.decode()}{ROOT}{path}"


def link(url: str) -> dict[str, str]:
    return {"link": f'<{url}>; rel="{RELATION}"; type="application/ld+json"'}


def refused(answer: httpx.Response, status: int, kind: str) -> None:
    assert (answer.status_code, answer.json()["type"]) == (status, ERRORS + kind), answer.text


def test_from_adding_to_deleting(served: httpx.Client, new_id: str) -> None:
    path = add(served, TERMS)
    url, local_id = url_of(served, path), path.removeprefix(PATH)
    for asked in (path, PATH + quote(local_id, safe=""), PATH + quote(url, safe="")):
        answer = served.get(asked)
        assert answer.json() == {"@context": TERMS}
        assert answer.headers["content-type"] == "application/json"
    answer = served.get(path, headers={"accept": "application/ld+json"})
    assert (answer.json(), answer.headers["content-type"]) == ({"@context": TERMS}, "application/ld+json")
    assert served.get(path, headers={"accept": "text/html"}).status_code == 406
    assert served.head(path).status_code == 200

    details = served.get(path, params={"details": "true"}).json()
    assert details.keys() == {"URL", "localId", "kind", "createdAt", "numberOfHits", "extraInfo"}
    assert (details["URL"], details["localId"], details["kind"]) == (url, local_id, "Hosted")
    assert details["numberOfHits"] == 0

    document = {"id": new_id, "type": "Lamp", "power": 5}
    assert served.post("entities", json=document, headers=link(url)).status_code == 201
    full = served.get(f"entities/{new_id}", params={"format": "simplified"}).json()
    assert full == {"id": new_id, "type": "https://city.example/Lamp", "https://city.example/power": 5}
    answer = served.get(
        f"entities/{new_id}",
        params={"format": "simplified"},
        headers={**link(url), "accept": "application/ld+json"},
    )
    assert url in str(answer.json()["@context"])
    assert {**answer.json(), "@context": 0} == {**document, "@context": 0}
    both = {"id": f"{new_id}b", "type": "Lamp", "colour": "red", "@context": [url, COLOUR]}
    assert served.post("entities", content=json.dumps(both), headers=LD).status_code == 201

    details = served.get(path, params={"details": "true"}).json()
    assert details["numberOfHits"] == 4  # three uses and the look before
    assert details["lastUsage"] > details["createdAt"]
    assert served.delete(path).status_code == 204
    refused(served.get(path), 404, "ResourceNotFound")
    refused(served.get(path, params={"details": "true"}), 404, "ResourceNotFound")
    refused(served.delete(path), 404, "ResourceNotFound")
    answer = served.get(f"entities/{new_id}", headers=link(url))
    refused(answer, 503, "LdContextNotAvailable")


def test_what_is_asked_wrongly_is_refused(served: httpx.Client) -> None:
    path = add(served, COLOUR)
    for method, asked, params, status, kind in (
        ("GET", "jsonldContexts", {"details": "other"}, 400, "BadRequestData"),
        ("GET", "jsonldContexts", {"kind": "other"}, 400, "BadRequestData"),
        ("GET", "jsonldContexts", {"kind": "hosted"}, 400, "BadRequestData"),
        ("GET", "jsonldContexts", {"unknown": "1"}, 400, "InvalidRequest"),
        ("GET", "jsonldContexts", {"limit": "1001"}, 400, "BadRequestData"),
        ("GET", "jsonldContexts", {"limit": "0"}, 400, "BadRequestData"),
        ("GET", path, {"details": "1"}, 400, "BadRequestData"),
        ("GET", path, {"reload": "true"}, 400, "InvalidRequest"),
        ("DELETE", path, {"reload": "xxx"}, 400, "BadRequestData"),
        ("DELETE", path, {"reload": "true"}, 400, "BadRequestData"),
        ("DELETE", "jsonldContexts/unknown", {"reload": "true"}, 400, "BadRequestData"),
        ("DELETE", "jsonldContexts/unknown", {"reload": "false"}, 404, "ResourceNotFound"),
        ("DELETE", "jsonldContexts/unknown", {}, 404, "ResourceNotFound"),
        ("GET", "jsonldContexts/%00", {}, 400, "BadRequestData"),
    ):
        refused(served.request(method, asked, params=params), status, kind)
    for method in ("PUT", "PATCH"):
        assert served.request(method, path, json={}).status_code == 405
    for body, status, kind in (
        (b"{", 400, "InvalidRequest"),
        (b"", 400, "InvalidRequest"),
        (b"[]", 400, "BadRequestData"),
        (b'{"a": 1}', 400, "BadRequestData"),
        (b'{"@context": {"a": {"@context": {}, "@id": "urn:a:a"}}}', 400, "BadRequestData"),
        (b'{"@context": {"a": "%s"}}' % (b"x" * 2_000_000), 400, "BadRequestData"),
        (b'{"@context": %s}' % (b"[" * 900 + b"]" * 900), 400, "BadRequestData"),
    ):
        answer = served.post("jsonldContexts", content=body, headers={"content-type": "application/json"})
        refused(answer, status, kind)
    assert (
        served.post("jsonldContexts", content=b"{}", headers={"content-type": "text/plain"}).status_code
        == 415
    )
    assert served.get(path).json() == {"@context": COLOUR}


def test_the_core_context_is_listed_and_stays(served: httpx.Client) -> None:
    core = f"jsonldContexts/{quote(CORE_CONTEXT_URL, safe='')}"
    refused(served.get(core), 422, "OperationNotSupported")
    refused(served.delete(core), 400, "BadRequestData")
    refused(served.delete(core, params={"reload": "false"}), 400, "BadRequestData")
    assert served.delete(core, params={"reload": "true"}).status_code == 204
    details = served.get(core, params={"details": "true"}).json()
    assert (details["URL"], details["kind"]) == (CORE_CONTEXT_URL, "Cached")
    assert CORE_CONTEXT_URL in served.get("jsonldContexts", params={"kind": "Cached"}).json()


def test_lists_come_in_pages(served: httpx.Client) -> None:
    added = [url_of(served, add(served, {"n": f"https://city.example/{n}"})) for n in range(5)]
    found: list[str] = []
    answer = served.get("jsonldContexts", params={"kind": "Hosted", "limit": "2", "count": "true"})
    assert answer.headers["ngsild-results-count"] == str(len(served.get("jsonldContexts?kind=Hosted").json()))
    while True:
        assert len(answer.json()) <= 2
        found += answer.json()
        following = answer.links.get("next")
        if following is None:
            break
        answer = served.get(below(following["url"]))
    assert [url for url in found if url in added] == added
    assert len(found) == len(set(found))
    detailed = served.get("jsonldContexts", params={"kind": "Hosted", "details": "true"}).json()
    assert [one["URL"] for one in detailed] == found
    everything = served.get("jsonldContexts").json()
    assert set(found) < set(everything)
    assert served.get("jsonldContexts?kind=Hosted", headers={"host": 'x"><script>'}).status_code == 403


def subscription(served: httpx.Client, url: str, context: Any, **members: Any) -> str:
    document = {
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": url}, "format": "simplified"},
        "@context": context,
        **members,
    }
    answer = served.post("subscriptions", content=json.dumps(document), headers=LD)
    assert answer.status_code == 201, answer.text
    return below(answer.headers["location"])


def implied(served: httpx.Client) -> list[str]:
    return list(served.get("jsonldContexts?kind=ImplicitlyCreated").json())


async def test_a_subscription_with_several_contexts_has_one_of_its_own(
    served: httpx.Client, new_id: str
) -> None:
    """§5.13.1: the receiver is told an address where the list is."""
    terms, colour = url_of(served, add(served, TERMS)), url_of(served, add(served, COLOUR))
    async with http_receiver() as receiver, httpx.AsyncClient(base_url=served.base_url) as client:
        first = subscription(served, receiver.url, [terms, colour])
        url = (await client.get(first)).json()["jsonldContext"]
        assert url.startswith(url_of(served, PATH))
        assert implied(served) == [url]
        assert (await client.get(url)).json() == {"@context": [terms, colour]}
        details = (await client.get(url, params={"details": "true"})).json()
        assert (details["kind"], details["URL"], details["numberOfHits"]) == ("ImplicitlyCreated", url, 0)
        refused(await client.delete(url, params={"reload": "true"}), 400, "BadRequestData")

        lamp = {"id": new_id, "type": "Lamp", "power": 5, "colour": "red", "@context": url}
        assert (await client.post("entities", content=json.dumps(lamp), headers=LD)).status_code == 201
        await eventually(lambda: receiver.received)
        told = receiver.received[0]
        assert told.headers["link"].startswith(f"<{url}>")
        assert told.entities == [{"id": new_id, "type": "Lamp", "power": 5, "colour": "red"}]

        second = subscription(served, receiver.url, [terms, colour])  # the same content needs no second one
        assert (await client.get(second)).json()["jsonldContext"] == url
        assert (await client.delete(first)).status_code == 204
        assert implied(served) == [url]
        # Deleted under its hands: what it was made of is still told by.
        assert (await client.delete(url)).status_code == 204
        count = len(receiver.received)
        patch = {"notificationTrigger": ["attributeUpdated"]}
        assert (await client.patch(second, json=patch)).status_code == 204
        change = {"power": 6, "@context": terms}
        answer = await client.patch(f"entities/{new_id}/attrs", content=json.dumps(change), headers=LD)
        assert answer.status_code == 204
        await eventually(lambda: len(receiver.received) > count)
        assert receiver.received[-1].entities[0]["power"] == 6
        assert (await client.delete(second)).status_code == 204


async def test_a_reloaded_context_changes_the_names_in_notifications(
    served: httpx.Client, new_id: str
) -> None:
    web = Web()
    lamp = {"id": new_id, "type": "Lamp", "power": 1, "@context": TERMS}
    async with http_receiver() as receiver, httpx.AsyncClient(base_url=served.base_url) as client:
        url = web.say(TERMS)
        path = subscription(served, receiver.url, url)
        assert (await client.post("entities", content=json.dumps(lamp), headers=LD)).status_code == 201
        await eventually(lambda: receiver.received)
        assert receiver.received[0].entities[0]["power"] == 1
        web.change(url, {**TERMS, "strom": TERMS["power"], "power": "https://city.example/other"})
        answer = await client.delete(PATH + quote(url, safe=""), params={"reload": "true"})
        assert answer.status_code == 204
        attributes = {"power": 2, "@context": TERMS}
        answer = await client.patch(f"entities/{new_id}/attrs", content=json.dumps(attributes), headers=LD)
        assert answer.status_code == 204
        await eventually(lambda: len(receiver.received) > 1)
        assert receiver.received[1].entities[0] == {"id": new_id, "type": "Lamp", "strom": 2}
        assert (await client.delete(path)).status_code == 204
    web.close()


def test_what_a_subscription_had_made_goes_with_it(served: httpx.Client) -> None:
    here = "http://127.0.0.1:9/told"
    terms = url_of(served, add(served, TERMS))
    inline = subscription(served, here, TERMS)  # has no URL of its own either
    assert len(implied(served)) == 1
    assert served.get(implied(served)[0]).json() == {"@context": TERMS}
    named = subscription(served, here, [terms, COLOUR], jsonldContext=terms)
    plain = subscription(served, here, terms)
    core = subscription(served, here, CORE_CONTEXT_URL)
    assert len(implied(served)) == 1
    assert served.patch(inline, json={"jsonldContext": terms}).status_code == 204
    assert implied(served) == []
    for one in (inline, named, plain, core):
        assert served.delete(one).status_code == 204
