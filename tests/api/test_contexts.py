"""@contexts of requests (CIM 009 §6.3.5, §5.5.7): embedded, linked, preloaded; unreachable and private ones."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..conftest import Serve, Server, new_folder, server_factory

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
KNOWN = "https://city.example/context.jsonld"
RELATION = "http://www.w3.org/ns/json-ld#context"
TERMS = {"@context": {"power": "https://city.example/power", "Lamp": "https://city.example/Lamp"}}


def link(url: str) -> dict[str, str]:
    return {"link": f'<{url}>; rel="{RELATION}"; type="application/ld+json"'}


LD = {"content-type": "application/ld+json"}


class Web:
    """A web server of this machine that counts what is asked of it."""

    def __init__(self) -> None:
        asked: list[str] = []
        self.asked = asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                if self.path == "/away":
                    self.send_response(302)
                    self.send_header("location", "http://10.0.0.1/")
                    self.end_headers()
                    return
                bodies = {
                    "/good": json.dumps(TERMS).encode(),
                    "/text": b"no JSON",
                    "/empty": b"{}",
                    "/large": b" " * 3_000_000,
                    "/loop": b'{"@context": "%s/loop"}' % url.encode(),
                    "/nested": b'{"@context": ["%s/good", {"height": "https://city.example/height"}]}'
                    % url.encode(),
                }
                body = bodies.get(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body or b"")

            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        url = self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    served = Web()
    yield served
    served.close()


@pytest.fixture(scope="module")
def careful(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with a preloaded @context, to which private networks are closed."""
    folder = new_folder()
    (folder / "index.json").write_text(json.dumps({KNOWN: "terms.jsonld"}))
    (folder / "terms.jsonld").write_text(json.dumps(TERMS))
    request.getfixturevalue("programs")
    factory = server_factory(None)
    serve: Serve = next(factory)
    yield serve(f"--context-preload={folder}")
    for _ in factory:
        pass
    remove(folder)


def remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.fixture
def closed(careful: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{careful.base_url.rstrip('/')}/ngsi-ld/v1/", timeout=30) as client:
        yield client


def refused(answer: httpx.Response, status: int, kind: str) -> str:
    assert answer.status_code == status, answer.text
    document = answer.json()
    assert document["type"] == ERRORS + kind
    return str(document)


def test_a_preloaded_context_needs_no_internet(closed: httpx.Client, new_id: str) -> None:
    document = {"id": new_id, "type": "Lamp", "power": 5}
    assert closed.post("entities", json=document, headers=link(KNOWN)).status_code == 201
    full = closed.get(f"entities/{new_id}", params={"options": "keyValues"}).json()
    assert full == {
        "id": new_id, "type": "https://city.example/Lamp", "https://city.example/power": 5,
    }  # fmt: skip
    answer = closed.get(f"entities/{new_id}", params={"options": "keyValues"}, headers=link(KNOWN))
    assert answer.json() == document
    assert f"<{KNOWN}>" in answer.headers["link"]
    answer = closed.get(f"entities/{new_id}", headers={**link(KNOWN), "accept": "application/ld+json"})
    assert KNOWN in str(answer.json()["@context"])
    found = closed.get(
        "entities", params={"type": "Lamp", "q": "power==5", "attrs": "power"}, headers=link(KNOWN)
    )
    assert [entity["id"] for entity in found.json()] == [new_id]
    assert closed.get("entities", params={"type": "Lamp", "q": "power==5"}).json() == []


def test_embedded_contexts_and_lists_of_them(closed: httpx.Client, new_id: str) -> None:
    inline = {"power": "https://city.example/watts", "ex": "https://example.org/"}
    for number, context in enumerate(
        (KNOWN, TERMS["@context"], [KNOWN], [KNOWN, inline], [inline, TERMS["@context"]])
    ):
        document = {
            "@context": context,
            "id": f"{new_id}{number}",
            "type": "Lamp",
            "power": 1,
            "ex:height": 2,
        }
        answer = closed.post("entities", content=json.dumps(document), headers=LD)
        assert answer.status_code == 201, answer.text
        stored = closed.get(f"entities/{new_id}{number}", params={"options": "keyValues"}).json()
        watts = context == [KNOWN, inline]  # the last one wins
        assert stored[f"https://city.example/{'watts' if watts else 'power'}"] == 1
        assert stored["type"] == "https://city.example/Lamp"
    batch = [
        {"@context": KNOWN, "id": f"{new_id}x", "type": "Lamp", "power": 1},
        {"@context": inline, "id": f"{new_id}y", "type": "Lamp", "power": 2},
        {"id": f"{new_id}z", "type": "Lamp", "power": 3},
    ]
    answer = closed.post("entityOperations/create", content=json.dumps(batch), headers=LD)
    assert answer.status_code == 207
    assert answer.json()["success"] == [f"{new_id}x", f"{new_id}y"]
    assert "@context" in str(answer.json()["errors"])


def test_the_core_context_cannot_be_redefined(closed: httpx.Client, new_id: str) -> None:
    context = {
        "type": "https://evil.example/type",
        "location": "https://evil.example/location",
        "id": "https://evil.example/id",
    }
    document = {
        "@context": context,
        "id": new_id,
        "type": "Lamp",
        "location": {"type": "Point", "coordinates": [1, 2]},
    }
    answer = closed.post("entities", content=json.dumps(document), headers=LD)
    assert answer.status_code in (201, 400), answer.text
    if answer.status_code == 201:
        assert closed.get(f"entities/{new_id}").json()["location"]["type"] == "GeoProperty"


def test_contexts_in_the_wrong_place(closed: httpx.Client, new_id: str) -> None:
    document = {"id": new_id, "type": "Lamp"}
    embedded = {**document, "@context": KNOWN}
    refused(closed.post("entities", json=embedded), 400, "BadRequestData")
    refused(closed.post("entities", content=json.dumps(document), headers=LD), 400, "BadRequestData")
    both = {**LD, **link(KNOWN)}
    refused(closed.post("entities", content=json.dumps(embedded), headers=both), 400, "BadRequestData")
    two = {"link": f'<{KNOWN}>; rel="{RELATION}", <https://x.example/>; rel="{RELATION}"'}
    refused(closed.get("entities?type=Lamp", headers=two), 400, "BadRequestData")
    other = {"link": '<https://x.example/>; rel="next"'}
    assert closed.get("entities?type=Lamp", headers=other).status_code == 200
    for context in (
        5,
        True,
        {"a": 5},
        {"a": {"@id": 5}},
        {"@vocab": 7},
        [[["x"]]],
    ):
        answer = closed.post("entities", content=json.dumps({**document, "@context": context}), headers=LD)
        assert answer.status_code in (400, 503), (context, answer.text)
        assert answer.json()["type"].startswith(ERRORS)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]", "10.1.2.3", "169.254.169.254", "192.168.0.1", "[fe80::1]", "[64:ff9b::7f00:1]",
        "100.64.0.1", "224.0.0.1", "ip6-localhost",
    ],
)  # fmt: skip
def test_private_networks_are_refused_by_address_and_by_name(
    closed: httpx.Client, web: Web, new_id: str, host: str
) -> None:
    """localhost is the name that resolves to 127.0.0.1 wherever the tests run."""
    before = len(web.asked)
    url = f"http://{host}:{web.port}/good"
    text = refused(closed.get("entities?type=Lamp", headers=link(url)), 503, "LdContextNotAvailable")
    assert url in text
    assert len(web.asked) == before


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/c",
        "gopher://x/",
        "unix:///tmp/x",
        "http://",
        "http://[::1",
        "c",
        "",
    ],
)
def test_other_kinds_of_address_are_refused(closed: httpx.Client, url: str) -> None:
    answer = closed.get("entities?type=Lamp", headers=link(url))
    assert answer.status_code in (400, 503), answer.text
    assert "root:" not in answer.text


def test_an_unreachable_context_is_a_clear_answer(closed: httpx.Client, new_id: str) -> None:
    url = "https://no-such-host.invalid/context.jsonld"
    document = {"id": new_id, "type": "Lamp", "@context": [KNOWN, url]}
    answer = closed.post("entities", content=json.dumps(document), headers=LD)
    assert url in refused(answer, 503, "LdContextNotAvailable")
    assert closed.get(f"entities/{new_id}").status_code == 404
    batch = [{**document, "@context": KNOWN}, {**document, "id": f"{new_id}b"}]
    answer = closed.post("entityOperations/create", content=json.dumps(batch), headers=LD)
    assert answer.status_code == 207
    assert answer.json()["success"] == [new_id]
    assert "LdContextNotAvailable" in str(answer.json()["errors"])


def test_allowed_private_contexts_are_fetched_once_and_judged(serve: Serve, web: Web) -> None:
    server = serve("--outbound-allow=127.0.0.0/8")
    with httpx.Client(base_url=f"{server.base_url.rstrip('/')}/ngsi-ld/v1/", timeout=30) as client:
        web.asked.clear()
        for n in range(3):
            document = {"id": f"urn:x:{n}", "type": "Lamp", "power": n, "height": 1}
            answer = client.post("entities", json=document, headers=link(f"{web.url}/nested"))
            assert answer.status_code == 201, answer.text
        assert sorted(web.asked) == ["/good", "/nested"]
        stored = client.get("entities/urn:x:2", params={"options": "keyValues"}).json()
        assert (stored["https://city.example/power"], stored["https://city.example/height"]) == (2, 1)
        for path in ("text", "empty", "large", "missing", "loop"):
            answer = client.get("entities?type=Lamp", headers=link(f"{web.url}/{path}"))
            assert answer.status_code in (400, 503), (path, answer.text)
            assert answer.json()["type"].startswith(ERRORS)
    assert server.stop() == 0
    server = serve("--outbound-allow=127.0.0.0/8", data=server.data)
    web.asked.clear()
    answer = httpx.get(
        f"{server.base_url.rstrip('/')}/ngsi-ld/v1/entities?type=Lamp", headers=link(f"{web.url}/nested")
    )
    assert len(answer.json()) == 3
    assert web.asked == []  # it is in the database
