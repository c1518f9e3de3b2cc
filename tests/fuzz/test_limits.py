"""The huge, the deep and the many: answered, in bounded memory, while everybody else is served. On raw sockets."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import psutil
import pytest

from rhinecloud.listening import HEAD_PATIENCE, LARGEST_HEAD

from ..conftest import Server
from .hostile import SLOW, Hostile
from .judging import Asking, Reply, judge

MEGABYTE = 2**20
LARGEST_BODY = 32 * MEGABYTE
_ROOM = 200 * MEGABYTE  # what a document of some megabytes may need for a while, decoded and compiled


@pytest.fixture(autouse=True)
def others_are_served(ask: Asking) -> Iterator[None]:
    """Whatever a test does, afterwards the server answers."""
    yield
    assert ask("GET", "entities?type=Nothing").status == 200


@contextlib.contextmanager
def connected(server: Server, seconds: float = 20.0) -> Iterator[socket.socket]:
    address = urlsplit(server.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=seconds) as line:
        yield line


def send(line: socket.socket, *parts: bytes) -> None:
    """As far as the other side listens."""
    try:
        for part in parts:
            line.sendall(part)
    except (BrokenPipeError, ConnectionResetError):
        pass


def read(line: socket.socket, method: str = "GET") -> Reply | None:
    """One answer, judged; None if the connection was closed without one."""
    received = bytearray()
    while b"\r\n\r\n" not in received:
        part = line.recv(65536)
        if not part:
            assert not received, bytes(received)
            return None
        received += part
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        part = line.recv(65536)
        assert part, (head, body)
        body += part
    reply = Reply(int(first.split()[1]), headers, body)
    judge(method, reply, head)
    return reply


def exchanged(server: Server, *parts: bytes) -> int:
    """The status that raw bytes get."""
    with connected(server) as line:
        send(line, *parts)
        reply = read(line)
        assert reply is not None
        return reply.status


def post(path: str, length: int | None = None, media_type: str = "application/json", more: str = "") -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return (
        f"POST /ngsi-ld/v1/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n{framing}\r\n{more}\r\n"
    ).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def memory(server: Server) -> int:
    """Bytes that the program's own processes hold; the engines are not meant."""
    process = psutil.Process(server.process.pid)
    own = [one for one in (process, *process.children()) if "python" in one.name()]
    return sum(one.memory_info().rss for one in own)


GET = b"GET /ngsi-ld/v1/types HTTP/1.1\r\nHost: localhost\r\n"
QUERY = b"GET /ngsi-ld/v1/entities?"
END = b" HTTP/1.1\r\nHost: localhost\r\n\r\n"

HUGE = {
    "URL": ([QUERY, *[b"a" * MEGABYTE] * 200], 414),
    "header": ([GET, b"X: ", *[b"a" * MEGABYTE] * 200], 431),
    "name of a header": ([GET, *[b"a" * MEGABYTE] * 200], 431),
    "headers": ([GET, *[b"X: a\r\n" * 100_000] * 200], 431),
    "trailers": ([post("entities"), chunk(b"{}"), b"0\r\n", *[b"X: y\r\n" * 100_000] * 200], 400),
    "trailer": ([post("entities"), chunk(b"{}"), b"0\r\nX: ", *[b"a" * MEGABYTE] * 200], 400),
    "chunk's extension": ([post("entities"), b"2;", *[b"x" * MEGABYTE] * 200], 400),
    "chunks": ([post("entities"), *[chunk(b" " * MEGABYTE)] * 200, b"0\r\n\r\n"], 413),
    "body": ([post("entities", 200 * MEGABYTE), *[b" " * MEGABYTE] * 200], 413),
    "promise": ([post("entities", 10**15), b"{}"], 413),
}


@pytest.mark.parametrize("what", HUGE)
def test_the_huge(fuzzed: Server, what: str) -> None:
    parts, status = HUGE[what]
    before = memory(fuzzed)
    assert exchanged(fuzzed, *parts) == status
    assert memory(fuzzed) - before < LARGEST_BODY + 40 * MEGABYTE


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (QUERY + b"q=" + b"a" * (LARGEST_HEAD + 1) + END, 414),
        (GET + b"Link: " + b"<" * 60_000 + b"\r\n\r\n", 200),
        (GET + b"".join(b"X%d:\r\n" % n for n in range(7_000)) + b"X1: a\r\n\r\n", 200),
        (GET + b"Link:\r\n" * 9_000 + b"\r\n", 200),
        (GET + b"Accept: " + b"a/b;q=1," * 7_000 + b"*/*\r\n\r\n", 200),
        (QUERY + b"&".join(b"p%d=1" % n for n in range(5_000)) + END, 400),
        (QUERY + b"type=" + b"&type=".join(b"T%d" % n for n in range(5_000)) + END, 200),
        (QUERY + b"type=X&id=" + b",".join(b"urn:x:%d" % n for n in range(5_000)) + END, 200),
        (QUERY + b"type=X&attrs=" + b",".join(b"a%d" % n for n in range(5_000)) + END, 200),
        (b"GET /ngsi-ld/v1/" + b"a/" * 20_000 + END, 404),
        (b"BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"CONNECT /ngsi-ld/v1/types HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (post("entities", None, more="Content-Length: 5\r\n") + b"0\r\n\r\n", 400),
        (post("entities", -1) + b"{}", 400),
        (post("entities", 10**30) + b"{}", 400),
        (post("entities") + b"zz\r\n", 400),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else None,
)
def test_heads_and_framing(fuzzed: Server, raw: bytes, status: int) -> None:
    assert exchanged(fuzzed, raw) == status


def nested(opening: bytes, inner: bytes, closing: bytes, times: int) -> bytes:
    return opening * times + inner + closing * times


ENTITY = b'{"id":"urn:x:deep","type":"Deep",%s}'
DEEP = {
    "array": ENTITY % (b'"a":{"type":"Property","value":' + nested(b"[", b"1", b"]", 100_000) + b"}"),
    "value": ENTITY % (b'"a":{"type":"Property","value":' + nested(b'{"a":', b"1", b"}", 100_000) + b"}"),
    "sub-attribute": ENTITY % (b'"a":' + nested(b'{"value":1,"a":', b"1", b"}", 100_000)),
    "concise": ENTITY % (b'"a":' + nested(b'{"a":', b"1", b"}", 500)),
    "open": b"[" * MEGABYTE,
    "scope": ENTITY % (b'"scope":' + nested(b"[", b'"/a"', b"]", 300)),
    "geometry": ENTITY % (b'"location":{"type":"Polygon","coordinates":' + nested(b"[", b"", b"]", 900) + b"}"),
    "context": ENTITY % (b'"@context":' + nested(b"[", b"{}", b"]", 100_000)),
    "context in context": ENTITY % (b'"@context":' + nested(b'{"@context":', b"{}", b"}", 800)),
    "scoped context": ENTITY % (b'"@context":' + nested(b'{"a":{"@id":"urn:a:a","@context":', b"{}", b"}}", 300)),
}  # fmt: skip


@pytest.mark.parametrize("what", DEEP)
def test_the_deep(ask: Asking, what: str) -> None:
    media_type = "application/ld+json" if "context" in what else "application/json"
    headers = {"content-type": media_type}
    for method, path, body in (
        ("POST", "entities", DEEP[what]),
        ("POST", "entityOperations/upsert", b"[" + DEEP[what] + b"]"),
        ("PATCH", "entities/urn:x:deep", DEEP[what]),
        ("POST", "subscriptions", DEEP[what]),
    ):
        reply = ask(method, path, content=body, headers=headers)
        assert reply.status != 500
    ask("GET", "entities/urn:x:deep")
    ask("DELETE", "entities/urn:x:deep")


@pytest.mark.parametrize(
    "q",
    ["(" * 2_000 + "a" + ")" * 2_000, "a{" * 500 + "b" + "}" * 500, ";".join(["a"] * 6_000), "|".join(["a>1"] * 3_000),
     "a." * 5_000 + "b", "a[" + "b." * 4_000 + "b]", "a==" + ",".join(["1"] * 6_000), "a~=" + "(" * 5_000,
     'a~="' + "(a*)*" * 40 + '"', "a~=" + "[a-z]{1,200}" * 20, "a==" + "9" * 10_000,
     "|".join(f"(a{n};b{n})" for n in range(900))],
)  # fmt: skip
def test_q(ask: Asking, q: str) -> None:
    """Refused or answered; in neither case for long."""
    assert ask("GET", f"entities?type=X&q={quote(q)}").status in (200, 400, 403)
    wanted = {
        "type": "Subscription",
        "entities": [{"type": "X"}],
        "q": q,
        "notification": {"endpoint": {"uri": "http://127.0.0.1:1/"}},
    }
    made = ask("POST", "subscriptions", json=wanted)
    assert made.status in (201, 400, 403)
    if made.status == 201:
        ask("DELETE", made.headers["location"].removeprefix("/ngsi-ld/v1/"))


T0, T1 = "2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
MANY = 20_000


def many_of(what: str) -> tuple[str, str, Any]:
    names = [f"a{n}" for n in range(MANY)]
    ids = [f"urn:x:many:{n}" for n in range(MANY)]
    notification = {"endpoint": {"uri": "http://127.0.0.1:1/"}}
    subscription = {"type": "Subscription", "entities": [{"type": "X"}], "notification": notification}
    entity = {"id": "urn:x:many", "type": "Many"}
    bodies: dict[str, tuple[str, str, Any]] = {
        "items": ("POST", "entityOperations/upsert", [{"id": one, "type": "Many"} for one in ids]),
        "same items": ("POST", "entityOperations/upsert", [entity] * MANY),
        "wrong items": ("POST", "entityOperations/create", [7] * MANY),
        "ids": ("POST", "entityOperations/delete", ids),
        "attributes": ("POST", "entityOperations/upsert", [{**entity, **dict.fromkeys(names, 1)}]),
        "instances": (
            "POST",
            "entityOperations/upsert",
            [{**entity, "a": [{"type": "Property", "value": 1, "datasetId": one} for one in ids]}],
        ),
        "types": ("POST", "entityOperations/upsert", [{**entity, "type": names}]),
        "scopes": ("POST", "entityOperations/upsert", [{**entity, "scope": [f"/{name}" for name in names]}]),
        "watched": ("POST", "subscriptions", {**subscription, "watchedAttributes": names}),
        "told": ("POST", "subscriptions", {**subscription, "notification": {**notification, "attributes": names}}),
        "selectors": ("POST", "subscriptions", {**subscription, "entities": [{"type": name} for name in names]}),
        "receiver infos": (
            "POST",
            "subscriptions",
            {
                **subscription,
                "notification": {
                    "endpoint": {**notification["endpoint"], "receiverInfo": [{"key": n, "value": n} for n in names]}
                },
            },
        ),
    }  # fmt: skip
    return bodies[what]


@pytest.mark.parametrize(
    "what",
    ["items", "same items", "wrong items", "ids", "attributes", "instances", "types", "scopes", "watched", "told",
     "selectors", "receiver infos"],
)  # fmt: skip
def test_the_many(ask: Asking, fuzzed: Server, what: str) -> None:
    method, path, document = many_of(what)
    before = memory(fuzzed)
    made = ask(method, path, json=document)
    assert made.status in (200, 201, 204, 207, 400, 403, 413), made
    assert memory(fuzzed) - before < _ROOM
    if made.status == 201 and path == "subscriptions":
        ask("DELETE", made.headers["location"].removeprefix("/ngsi-ld/v1/"))
    ids = [f"urn:x:many:{n}" for n in range(MANY)] if what == "items" else ["urn:x:many"]
    ask("POST", "entityOperations/delete", json=ids)


def test_what_multiplies(ask: Asking, fuzzed: Server) -> None:
    """Small questions whose answers could be as large as one likes."""
    ids = [f"urn:x:web:{n}" for n in range(30)]
    web = [{"id": one, "type": "Web", "to": {"type": "Relationship", "object": ids}} for one in ids]
    web += [{"id": "urn:x:long", "type": "Long", "text": "a" * 100_000, "n": {"value": 1, "observedAt": T0}}]
    ask("POST", "entityOperations/upsert", json=web)
    ask("POST", "entityOperations/update", json=[{"id": "urn:x:long", "n": {"value": 2, "observedAt": T1}}])
    before = memory(fuzzed)
    period = f"timerel=between&timeAt={T0}&endTimeAt=2026-12-31T00:00:00Z&aggrMethods=avg,distinctCount"
    ring = [[n / 10_000, (n * 7919 % 10_000) / 10_000] for n in range(10_000)]
    for query in (
        "entities?type=Web&join=inline&joinLevel=10",
        "entities?type=Web&join=flat&joinLevel=10",
        "entities/urn:x:web:1?join=inline&joinLevel=10&pick=id,to" + "{to" * 12 + "}" * 12,
        "entities?type=Web&q=" + "to{" * 25 + "a" + "}" * 25,
        "entities?type=Web&q=" + "to{" * 5 + "a" + "}" * 5 + "==1",
        "entities?type=Web&join=flat&joinLevel=10&q=" + "to{" * 9 + "a" + "}" * 9 + "==1",
        "entities?type=Web&join=flat&joinLevel=10&q=" + "%7C".join(["to{" * 9 + "a" + "}" * 9 + "==1"] * 30),
        "entities?type=" + ";".join(f"(A{n}%7CB{n})" for n in range(300)),
        "entities?type=" + "(" * 5_000 + "A" + ")" * 5_000,
        "entities?type=Web&scopeQ=" + ";".join(f"(/A{n}%7C/B{n})" for n in range(300)),
        "entities?type=Web&orderBy=" + ",".join(f"a{n}" for n in range(5_000)),
        "entities?type=Web&lang=" + ",".join(f"d{n};q=0.{n}" for n in range(1, 4_000)),
        "entities?type=Web&pick=" + "a{" * 5_000 + "b" + "}" * 5_000,
        "entities?type=Web&idPattern=" + "(.*a){1,30}" * 30,
        "entities?type=Long&q=text~=" + "(a*b*)*" * 5 + "c",
        "entities?type=Long&q=text~=" + "a.*" * 30 + "b",
        f"temporal/entities/urn:x:long?{period}&aggrPeriodDuration=PT0.001S&format=aggregatedValues",
        f"temporal/entities/urn:x:long?{period}&aggrPeriodDuration=PT1S&format=aggregatedValues",
        f"temporal/entities?type=Long&{period}&aggrPeriodDuration=P9999999Y&format=aggregatedValues",
        f"temporal/entities?type=Long&{period}&aggrPeriodDuration=PT0S&format=aggregatedValues",
        "temporal/entities?type=Web&timerel=before&timeAt=9999-12-31T23:59:59Z&join=inline&joinLevel=9",
    ):
        reply = ask("GET", query)
        assert len(reply.content) < 50 * MEGABYTE, query[:200]
    for geometry, coordinates in (
        ("Polygon", [[*ring, ring[0]]]),
        ("MultiPoint", ring),
        ("LineString", ring),
    ):
        for georel in ("within", "near;maxDistance==1", "intersects"):
            geo = {"geometry": geometry, "coordinates": coordinates, "georel": georel}
            ask(
                "POST",
                "entityOperations/query",
                json={"type": "Query", "entities": [{"type": "Web"}], "geoQ": geo},
            )
    assert memory(fuzzed) - before < _ROOM
    ask("POST", "entityOperations/delete", json=[*ids, "urn:x:long"])


def test_terms_of_a_context_may_be_many_but_not_refer_without_end(ask: Asking) -> None:
    doubling = {f"t{n}": f"t{n + 1}:{'x' * 20}" for n in range(1_000)}
    for context in (
        {f"t{n}": f"https://x.example/{n}" for n in range(MANY)},
        doubling,
        [{"a": f"https://x.example/{n}"} for n in range(5_000)],
        [[{}] * 1_000] * 20,
    ):
        document = {"id": "urn:x:terms", "type": "Terms", "@context": context}
        headers = {"content-type": "application/ld+json"}
        ask("POST", "entityOperations/upsert", content=json.dumps([document]).encode(), headers=headers)


def test_pipelined_requests_are_answered_in_their_order(fuzzed: Server) -> None:
    with connected(fuzzed) as line:
        send(line, b"GET /ngsi-ld/v1/types HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5 + b"nonsense\r\n\r\n")
        received = b""
        while part := line.recv(65536):
            received += part
        assert received.count(b"HTTP/1.1 200 ") == 5
        assert received.count(b"HTTP/1.1 ") <= 6


def half_requests(server: Server, end: threading.Event) -> None:
    """Two hundred who never finish what they say are told so after a while."""
    halves = [b"", b"G", b"\r\n", b"GET /ngsi-ld/v1/types HTTP/1.1\r\nHost:", b"GET / HTTP/1.1\r\nA: b\r\n"]
    with contextlib.ExitStack() as lines:
        opened = [lines.enter_context(connected(server, HEAD_PATIENCE * 3)) for _ in range(200)]
        for number, line in enumerate(opened):
            send(line, halves[number % len(halves)])
        end.wait(1)
        for line in opened[::7]:
            send(line, b"x")  # a little more changes nothing
        for line in opened:
            told = read(line)
            assert told is None or told.status in (400, 408)
            assert line.recv(1) == b""


def dripping_head(server: Server, end: threading.Event) -> None:
    """A header now and then is not enough either."""
    with connected(server, 0.2) as line:
        send(line, b"GET /ngsi-ld/v1/types HTTP/1.1\r\n")
        while not end.is_set():
            send(line, b"X: y\r\n")
            try:
                reply = read(line)
            except TimeoutError:
                continue
            assert reply is not None
            assert reply.status == 408
            return
    raise AssertionError("nobody lost patience")


def context_of(kind: str, hostile: Hostile) -> Callable[[Server, threading.Event], None]:
    """Whoever names a @context that does not come waits for it alone."""

    def named(server: Server, end: threading.Event) -> None:
        link = f'<{hostile.url(kind)}>; rel="http://www.w3.org/ns/json-ld#context"'
        with connected(server, HEAD_PATIENCE * 3) as line:
            send(line, f"GET /ngsi-ld/v1/types HTTP/1.1\r\nHost: localhost\r\nLink: {link}\r\n\r\n".encode())
            reply = read(line)
            assert reply is not None
            assert reply.status == 503

    return named


def test_who_is_slow_holds_nobody(fuzzed: Server, hostile: Hostile, ask: Asking) -> None:
    end = threading.Event()
    slow = [half_requests, dripping_head, *(context_of(kind, hostile) for kind in SLOW)]
    with concurrent.futures.ThreadPoolExecutor(len(slow)) as threads:
        under_way = [threads.submit(one, fuzzed, end) for one in slow]
        begun = time.monotonic()
        while not all(one.done() for one in under_way):
            assert ask("GET", "entities?type=Nothing").status == 200
            if time.monotonic() - begun > HEAD_PATIENCE * 3:
                end.set()
            end.wait(0.1)
        for one in under_way:
            one.result()


def test_what_was_not_sent_to_its_end_is_not_carried_out(fuzzed: Server, ask: Asking) -> None:
    whole = b'{"id":"urn:x:cut","type":"Cut"}'
    for sent in (post("entities", 1_000) + whole, post("entities") + chunk(whole)):
        with connected(fuzzed) as line:
            send(line, sent)
            ask("GET", "types")  # by now it has been read
    for _ in range(60):
        assert ask("GET", "entities/urn:x:cut").status == 404
