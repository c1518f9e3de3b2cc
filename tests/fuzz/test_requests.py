"""Requests of every operation that the API has, with bodies, queries, headers and paths that are nearly right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud.api.ngsi_ld.api import ROUTES
from rhinecloud.api.ngsi_ld.routing import Route

from ..model import strategies as some
from . import strategies as fuzz
from .effort import effort, long_enough
from .hostile import KINDS, SLOW, Hostile
from .judging import Asking

pytestmark = long_enough

OPERATIONS = [
    (path, method, route) for path, methods in ROUTES.table.items() for method, route in methods.items()
]


@st.composite
def requests(draw: Callable[..., Any], operation: tuple[str, str, Route]) -> tuple[str, str, dict[str, Any]]:
    """Method, path and what goes with them."""
    path, method, route = operation
    parts = [draw(fuzz.identities) if part.startswith("{") else part for part in path.split("/")]
    query = draw(fuzz.query_strings(route.parameters.names))
    request: dict[str, Any] = {"headers": draw(fuzz.headers())}
    if method in ("POST", "PUT", "PATCH"):
        request["content"] = draw(fuzz.bodies(path))
    if method == "GET" and draw(st.integers(0, 19)) == 0:
        method = "HEAD"
    return method, "/".join(parts) + (f"?{query}" if query else ""), request


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation[1]} {operation[0]}")
def test_every_operation(ask: Asking, operation: tuple[str, str, Route]) -> None:
    @effort(12)
    @given(requests(operation))
    def answered(request: tuple[str, str, dict[str, Any]]) -> None:
        method, path, more = request
        ask(method, path, **more)

    answered()


AGGREGATES = (
    "timerel=after&timeAt=2000-01-01T00:00:00Z&timeproperty=modifiedAt&aggrPeriodDuration=PT0S"
    "&aggrMethods=totalCount,distinctCount,sum,avg,min,max,stddev,sumsq"
)
READINGS = [
    ("entities/urn:x:fuzz?options=sysAttrs", "application/json"),
    ("entities/urn:x:fuzz?options=concise,sysAttrs", "application/ld+json"),
    ("entities/urn:x:fuzz?options=keyValues", "application/geo+json"),
    ("entities?type=*&format=simplified&q=a|b", "application/json"),
    ("entities?id=urn:x:fuzz", "application/geo+json"),
    ("entities?type=Fuzz&join=inline&joinLevel=3&orderBy=a;desc,location&lang=de", "application/ld+json"),
    ("entities?type=Fuzz&scopeQ=/%23&pick=id,a,b{a}&datasetId=@none", "application/json"),
    (
        "entities?type=Fuzz&georel=near;maxDistance==1e7&geometry=Point&coordinates=[1,2]",
        "application/geo+json",
    ),
    ("temporal/entities/urn:x:fuzz?options=sysAttrs", "application/ld+json"),
    ("temporal/entities/urn:x:fuzz?format=temporalValues&lastN=3", "application/json"),
    (
        "temporal/entities?type=Fuzz&timerel=after&timeAt=2000-01-01T00:00:00Z&timeproperty=modifiedAt",
        "application/json",
    ),
    (f"temporal/entities/urn:x:fuzz?format=aggregatedValues&{AGGREGATES}", "application/json"),
    ("types?details=true", "application/json"),
    ("types/Fuzz", "application/ld+json"),
    ("attributes?details=true", "application/json"),
]


@effort(25)
@given(
    st.one_of(fuzz.slipped(fuzz.entities), fuzz.entities, fuzz.noise),
    st.sampled_from(["POST", "PATCH", "PUT"]),
)
def test_whatever_was_taken_can_be_read_in_every_form(ask: Asking, document: Any, method: str) -> None:
    if isinstance(document, dict):
        document = {**document, "id": "urn:x:fuzz"}
    json = {"content-type": "application/json"}
    if method != "POST":
        ask("POST", "entities", json={"id": "urn:x:fuzz", "type": "Fuzz", "a": 1})
    path = "entities" if method == "POST" else "entities/urn:x:fuzz"
    ask(method, path, content=fuzz.dumped(document), headers=json)
    for reading, media_type in READINGS:
        ask("GET", reading, headers={"accept": media_type})
    ask("DELETE", "entities/urn:x:fuzz")


@effort(25)
@given(some.documents, st.sampled_from(["normalized", "concise"]))
def test_every_entity_that_is_valid_is_kept_and_comes_back_to_be_written_again(
    ask: Asking, document: dict[str, Any], form: str
) -> None:
    content = fuzz.dumped([{**document, "id": "urn:x:valid"}])
    answer = ask(
        "POST", "entityOperations/upsert", content=content, headers={"content-type": "application/json"}
    )
    assert answer.status in (201, 204), answer.content
    first = ask("GET", "entities/urn:x:valid").json()
    again = ask("GET", f"entities/urn:x:valid?format={form}").json()
    assert ask("POST", "entityOperations/upsert", json=[again]).status == 204
    assert ask("GET", "entities/urn:x:valid").json() == first


parts = st.one_of(
    st.sampled_from([part for path, _, _ in OPERATIONS for part in path.split("/")]),
    fuzz.identities,
    st.text(max_size=6).map(lambda text: quote(text, safe="", errors="replace")),
)
methods = st.sampled_from(["GET", "HEAD", "DELETE", "PUT", "POST", "PATCH", "OPTIONS", "TRACE", "BREW"])


@effort(40)
@given(methods, st.lists(parts, max_size=6), st.text("%/.\\ab0f:;~", max_size=10))
def test_paths(ask: Asking, method: str, parts: list[str], raw: str) -> None:
    for path in ("/".join(parts).replace("{", "%7B"), f"entities/urn:x:{raw}"):
        ask(method, path, headers={"content-type": "application/json"})


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SLOW])
def test_contexts_of_hostile_servers(ask: Asking, hostile: Hostile, kind: str) -> None:
    """`good` and whatever redirects to it is used, all else is a 4xx or 503."""
    link = f'<{hostile.url(kind)}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    linked = ask("GET", "entities?type=Fuzz", headers={"link": link})
    assert (linked.status == 200) == (kind in ("good", "moved"))
    embedded = {
        "id": "urn:x:context",
        "type": "Fuzz",
        "@context": [hostile.url(kind), {"b": "https://x.example/b"}],
    }
    ld_json = {"content-type": "application/ld+json"}
    written = ask("POST", "entityOperations/upsert", content=fuzz.dumped([embedded]), headers=ld_json)
    assert (written.status < 205) == (kind in ("good", "moved"))
