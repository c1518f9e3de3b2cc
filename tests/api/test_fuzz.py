"""Whatever is sent, the answer is an answer: never a 5xx, never a hung or closed connection."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ..model import strategies as some

FUZZ = settings(
    max_examples=50,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)

words = st.sampled_from(
    ["id", "type", "@id", "@type", "@context", "value", "object", "languageMap", "vocab", "json", "valueList",
     "objectList", "datasetId", "observedAt", "unitCode", "scope", "location", "createdAt", "a", "b", "@none",
     "coordinates", "expiresAt", "@graph", "@list", "https://x.example/a#b", ""]
)  # fmt: skip
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["urn:ngsi-ld:null", "urn:x:1", "Property", "Relationship", "GeoProperty", "LanguageProperty", "ListProperty",
         "JsonProperty", "VocabProperty", "ListRelationship", "Point", "Polygon", "2026-01-01T00:00:00Z", "/A/B",
         "\x00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "ex:a"]
    ),
)  # fmt: skip
documents = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(words, st.text(max_size=4)), inner, max_size=5)
    ),
    max_leaves=20,
)
headed = st.dictionaries(words, documents, max_size=5).map(
    lambda d: {**d, "id": "urn:x:fuzz", "type": "Fuzz"}
)
targets = st.sampled_from(
    [
        ("POST", "entities"),
        ("PUT", "entities/urn:x:fuzz"),
        ("PATCH", "entities/urn:x:fuzz"),
        ("POST", "entities/urn:x:fuzz/attrs"),
        ("PATCH", "entities/urn:x:fuzz/attrs"),
        ("PATCH", "entities/urn:x:fuzz/attrs/a"),
        ("PUT", "entities/urn:x:fuzz/attrs/a"),
        ("POST", "entityOperations/create"),
        ("POST", "entityOperations/upsert"),
        ("POST", "entityOperations/update"),
        ("POST", "entityOperations/merge"),
        ("POST", "entityOperations/delete"),
    ]
)
media_types = st.sampled_from(["application/json", "application/json", "application/ld+json"])


def judge(answer: httpx.Response) -> None:
    # A remote @context that cannot be fetched is the one reason for a 503 here.
    away = answer.status_code == 503 and "LdContextNotAvailable" in answer.text
    assert answer.status_code < 500 or away, (answer.request.method, str(answer.request.url), answer.text)
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["title"]
        assert problem["detail"]


def dumped(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


@FUZZ
@given(targets, media_types, st.one_of(documents, headed, st.lists(headed, max_size=3)))
def test_documents(api: httpx.Client, target: tuple[str, str], media_type: str, document: Any) -> None:
    method, path = target
    judge(api.request(method, path, content=dumped(document), headers={"content-type": media_type}))
    if path in ("entities", "entityOperations/create"):
        judge(api.get("entities/urn:x:fuzz"))
        judge(
            api.get("entities/urn:x:fuzz?options=concise,sysAttrs", headers={"accept": "application/ld+json"})
        )
        judge(api.get("entities/urn:x:fuzz?options=keyValues", headers={"accept": "application/geo+json"}))
        judge(api.delete("entities/urn:x:fuzz"))


@FUZZ
@given(some.documents, st.sampled_from(["normalized", "concise"]))
def test_every_entity_that_is_valid_is_kept_and_comes_back_to_be_written_again(
    api: httpx.Client, document: dict[str, Any], form: str
) -> None:
    document = {**document, "id": "urn:x:valid"}
    answer = api.post(
        "entityOperations/upsert", content=dumped([document]), headers={"content-type": "application/json"}
    )
    assert answer.status_code in (201, 204), answer.text
    first = api.get("entities/urn:x:valid").json()
    again = api.get("entities/urn:x:valid", params={"format": form})
    assert api.post("entityOperations/upsert", json=[again.json()]).status_code == 204, again.text
    assert api.get("entities/urn:x:valid").json() == first


names = st.one_of(
    st.sampled_from(
        ["type", "id", "idPattern", "attrs", "pick", "omit", "q", "georel", "geometry", "coordinates", "geoproperty",
         "limit", "offset", "count", "options", "format", "lang", "geometryProperty", "local", "scopeQ", "datasetId"]
    ),
    st.text(max_size=5),
)  # fmt: skip
terms = st.one_of(
    st.text(max_size=20),
    st.text("()[]{};|,.=!<>~\"'\\aT0:-*+?^$%&# ", max_size=24),
    st.sampled_from(
        ["Fuzz", "*", "n>1", "near;maxDistance==1e9", "within", "Point", "[1,2]", "[[[0,0],[1,0],[1,1],[0,0]]]",
         "[1e308,1e308]", "true", "-1", "9" * 5000, "(" * 3000, "a" * 9000, "n==" + "(" * 2000, "\x00", "n~=\"(a+)+$\"",
         "n==1..", "a[b", "keyValues", "urn:x:1", "n==2026-01-01T00:00:00Z", ".*" * 200, "createdAt>1"]
    ),
)  # fmt: skip


def escaped(text: str) -> str:
    return quote(text, safe="", errors="replace")


parts = st.one_of(words, st.text(max_size=6), st.sampled_from(["attrs", "entities", "entityOperations"]))
methods = st.sampled_from(["GET", "GET", "GET", "HEAD", "DELETE", "PUT", "OPTIONS"])


@FUZZ
@given(st.dictionaries(names, terms, max_size=5), st.booleans())
def test_query_parameters(api: httpx.Client, parameters: dict[str, str], typed: bool) -> None:
    if typed:
        parameters = {"type": "Fuzz", **parameters}
    query = "&".join(
        f"{quote(name, errors='replace')}={quote(value, safe='', errors='replace')}"
        for name, value in parameters.items()
    )
    if len(query) < 60_000:
        judge(api.get(f"entities?{query}"))
        judge(api.get(f"entities/urn:x:1?{query}"))


@FUZZ
@given(methods, st.lists(parts, max_size=5), st.text("%/?.\\ab0f:", max_size=10))
def test_paths(api: httpx.Client, method: str, parts: list[str], raw: str) -> None:
    for path in ("/".join(escaped(part) for part in parts), f"entities/urn:x:{raw}"):
        answer = api.request(method, f"{str(api.base_url).rstrip('/')}/{path}")
        assert answer.status_code < 500, (method, path, answer.text)


headers = st.dictionaries(
    st.sampled_from(["accept", "link", "content-type", "prefer", "ngsild-tenant"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    max_size=4,
)


@FUZZ
@given(headers)
def test_headers(api: httpx.Client, headers: dict[str, str]) -> None:
    answer = api.get("entities?type=Fuzz", headers={name: value.strip() for name, value in headers.items()})
    judge(answer)
    judge(
        api.post("entities", content=b"{}", headers={name: value.strip() for name, value in headers.items()})
    )
