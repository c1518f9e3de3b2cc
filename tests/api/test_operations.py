"""Every operation through real HTTP (CIM 009 §6): status codes, headers, bodies, error documents."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
NULL = "urn:ngsi-ld:null"
DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"


def lamp(entity_id: str, **members: Any) -> dict[str, Any]:
    return {"id": entity_id, "type": "Lamp", **members}


def problem(
    answer: httpx.Response, status: int, kind: str | None = None, field: str | None = None
) -> dict[str, Any]:
    """Check an error document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["type"] == (ERRORS + kind if kind else "about:blank")
    if field is not None:
        assert field in str(document), document
    return document


def simplified(api: httpx.Client, entity_id: str) -> dict[str, Any]:
    answer = api.get(f"entities/{entity_id}", params={"options": "keyValues"})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_the_life_of_an_entity(api: httpx.Client, new_id: str) -> None:
    problem(api.get(f"entities/{new_id}"), 404, "ResourceNotFound")
    answer = api.post(
        "entities", json=lamp(new_id, power=5, location={"type": "Point", "coordinates": [6.7, 51.4]})
    )
    assert (answer.status_code, answer.content) == (201, b"")
    location = answer.headers["location"]
    assert location == f"/ngsi-ld/v1/entities/{new_id}"
    assert api.get(f"http://{api.base_url.netloc.decode()}{location}").json()["id"] == new_id
    problem(api.post("entities", json=lamp(new_id)), 409, "AlreadyExists")

    assert api.patch(f"entities/{new_id}", json={"power": 6, "color": "red"}).status_code == 204  # merge
    assert api.post(f"entities/{new_id}/attrs", json={"height": 7}).status_code == 204
    answer = api.post(
        f"entities/{new_id}/attrs", params={"options": "noOverwrite"}, json={"height": 8, "width": 1}
    )
    assert answer.status_code == 207
    assert answer.json()["updated"] == [DEFAULT + "width"]  # no names without an @context (§6.3.6)
    assert answer.json()["notUpdated"][0]["attributeName"] == DEFAULT + "height"
    assert api.patch(f"entities/{new_id}/attrs", json={"height": 9, "depth": 2}).status_code == 204
    assert api.patch(f"entities/{new_id}/attrs/power", json={"value": 10}).status_code == 204
    assert api.put(f"entities/{new_id}/attrs/color", json={"value": "blue"}).status_code == 204
    assert api.delete(f"entities/{new_id}/attrs/depth").status_code == 204
    document = simplified(api, new_id)
    del document["location"]
    assert document == lamp(new_id, power=10, color="blue", height=9, width=1)
    assert api.patch(f"entities/{new_id}/attrs", json={"width": NULL}).status_code == 204
    assert api.put(f"entities/{new_id}", json=lamp(new_id, power=1)).status_code == 204
    assert simplified(api, new_id) == lamp(new_id, power=1)
    assert api.delete(f"entities/{new_id}").status_code == 204
    for answer in (
        api.get(f"entities/{new_id}"),
        api.delete(f"entities/{new_id}"),
        api.patch(f"entities/{new_id}", json={"power": 1}),
        api.put(f"entities/{new_id}", json=lamp(new_id)),
        api.post(f"entities/{new_id}/attrs", json={"power": 1}),
        api.patch(f"entities/{new_id}/attrs", json={"power": 1}),
        api.patch(f"entities/{new_id}/attrs/power", json={"value": 1}),
        api.put(f"entities/{new_id}/attrs/power", json={"value": 1}),
        api.delete(f"entities/{new_id}/attrs/power"),
    ):
        problem(answer, 404, "ResourceNotFound")


def test_attributes_with_datasets(api: httpx.Client, new_id: str) -> None:
    two = [{"value": 1}, {"value": 2, "datasetId": "urn:x:1"}]
    assert api.post("entities", json=lamp(new_id, a=two, b=two, c=two, scope="/A")).status_code == 201
    assert api.delete(f"entities/{new_id}/attrs/a", params={"datasetId": "urn:x:1"}).status_code == 204
    assert api.delete(f"entities/{new_id}/attrs/b", params={"deleteAll": "true"}).status_code == 204
    assert api.delete(f"entities/{new_id}/attrs/c").status_code == 204
    problem(api.delete(f"entities/{new_id}/attrs/c"), 404, "ResourceNotFound")
    patch = {"value": 3, "datasetId": "urn:x:1"}
    assert api.patch(f"entities/{new_id}/attrs/c", json=patch).status_code == 204
    assert api.delete(f"entities/{new_id}/attrs/scope").status_code == 204
    problem(api.patch(f"entities/{new_id}/attrs/scope", json={"value": "/B"}), 400, "BadRequestData")
    document = api.get(f"entities/{new_id}", params={"format": "concise"}).json()
    assert document["a"] in (1, {"value": 1})
    assert document["c"] == patch
    assert {"b", "scope"}.isdisjoint(document)


def test_batches_have_a_verdict_for_each_item(api: httpx.Client, new_id: str) -> None:
    first, second, third = (f"{new_id}{c}" for c in "abc")
    answer = api.post("entityOperations/create", json=[lamp(first, n=1), lamp(second, n=1)])
    assert (answer.status_code, sorted(answer.json())) == (201, [first, second])
    answer = api.post(
        "entityOperations/create",
        json=[
            lamp(first),
            lamp(third),
            {"id": "no uri", "type": "T"},
            5,
            lamp("urn:x:y", bad={"type": "Nothing"}),
        ],
    )
    assert answer.status_code == 207
    body = answer.json()
    assert body["success"] == [third]
    kinds = {error["entityId"]: error["error"]["type"].removeprefix(ERRORS) for error in body["errors"]}
    assert kinds[first] == "AlreadyExists"
    assert kinds["no uri"] == kinds["urn:x:y"] == "BadRequestData"
    assert len(body["errors"]) == 4

    assert api.post("entityOperations/upsert", json=[lamp(first, n=2, m=1)]).status_code == 204
    answer = api.post("entityOperations/upsert", json=[lamp(first, n=3), lamp(f"{new_id}d", n=1)])
    assert (answer.status_code, answer.json()) == (201, [f"{new_id}d"])
    assert simplified(api, first) == lamp(first, n=3)
    answer = api.post("entityOperations/upsert", params={"options": "update"}, json=[lamp(first, m=4)])
    assert answer.status_code == 204
    assert simplified(api, first) == lamp(first, n=3, m=4)

    answer = api.post("entityOperations/update", json=[lamp(first, n=5), lamp("urn:x:none", n=1)])
    assert answer.status_code == 207
    assert answer.json()["success"] == [first]
    assert answer.json()["errors"][0]["entityId"] == "urn:x:none"
    answer = api.post(
        "entityOperations/update", params={"options": "noOverwrite"}, json=[lamp(first, n=6, k=1)]
    )
    assert answer.status_code == 207
    assert simplified(api, first) == lamp(first, n=5, m=4, k=1)
    assert api.post("entityOperations/merge", json=[{"id": first, "n": 7, "m": NULL}]).status_code == 204
    assert simplified(api, first) == lamp(first, n=7, k=1)

    answer = api.post("entityOperations/delete", json=[first, second, "urn:x:none"])
    assert answer.status_code == 207
    assert answer.json()["success"] == [first, second]
    assert api.post("entityOperations/delete", json=[third]).status_code == 204
    for name in ("create", "upsert", "update", "merge", "delete"):
        for body in ([], {}, [None], "x"):
            problem(api.post(f"entityOperations/{name}", json=body), 400, "BadRequestData")


@pytest.fixture(scope="module")
def dozen(api: httpx.Client) -> list[str]:
    """Twelve posts in a row, 100 m or so apart."""
    posts = [
        {
            "id": f"urn:ngsi-ld:Post:{n:02}",
            "type": "Post",
            "n": {"value": n, "unitCode": "C62", "observedAt": "2026-01-01T00:00:00Z"},
            "location": {"type": "Point", "coordinates": [6.76 + n * 0.001442, 51.43]},
            "name": {"languageMap": {"de": f"Pfosten {n}", "en": f"post {n}"}},
            "near": {"object": "urn:ngsi-ld:Post:00"},
        }
        for n in range(12)
    ]
    assert api.post("entityOperations/create", json=posts).status_code == 201
    return [post["id"] for post in posts]


def test_queries(api: httpx.Client, dozen: list[str]) -> None:
    def ask(**parameters: Any) -> list[str]:
        answer = api.get("entities", params={"type": "Post", "limit": 100, **parameters})
        assert answer.status_code == 200, answer.text
        return [entity["id"] for entity in answer.json()]

    assert ask() == dozen
    assert ask(q="n>=3;n<5") == dozen[3:5]
    assert ask(q='name[en]=="post 7"|n==1') == [dozen[1], dozen[7]]
    assert ask(q="near==urn:ngsi-ld:Post:00;n==2") == dozen[2:3]
    assert ask(id=f"{dozen[4]},{dozen[2]}") == [dozen[2], dozen[4]]
    assert ask(idPattern=".*:1[01]$") == dozen[10:]
    assert ask(attrs="missing") == []
    near = {"georel": "near;maxDistance==350", "geometry": "Point", "coordinates": "[6.76,51.43]"}
    assert ask(**near) == dozen[:4]
    assert ask(**near, q="n>1") == dozen[2:4]
    box = "[[[6.75,51.42],[6.7625,51.42],[6.7625,51.44],[6.75,51.44],[6.75,51.42]]]"
    assert ask(georel="within", geometry="Polygon", coordinates=box) == dozen[:2]
    assert ask(type="Other,Post", q="n==0") == dozen[:1]
    answer = api.get("entities", params={"type": "Post", "attrs": "n", "options": "keyValues", "limit": 1})
    assert answer.json() == [{"id": dozen[0], "type": "Post", "n": 0}]
    for parameters, field in (
        ({}, ""),
        ({"type": "Post", "q": "n>>1"}, "q"),
        ({"type": "Post", "limit": "-1"}, "limit"),
        ({"type": "Post", "limit": "9" * 5_000}, "limit"),
        ({"type": "Post", "limit": "0"}, "limit"),
        ({"type": "Post", "limit": "1001"}, "limit"),
        ({"type": "Post", "offset": "x"}, "offset"),
        ({"type": "Post", "offset": str(2**70)}, "offset"),
        ({"type": "Post", "georel": "near;maxDistance==10"}, "geometry"),
        ({"type": "Post", **near, "coordinates": "[6.7"}, "coordinates"),
        ({"type": "Post", **near, "georel": "beside"}, "georel"),
        ({"type": "Post", "id": "no uri"}, "id"),
        ({"type": "Post", "idPattern": "("}, ""),
        ({"type": "(((", "limit": "1"}, "type"),
    ):
        problem(api.get("entities", params=parameters), 400, "BadRequestData", field)


def test_pages_are_linked_and_counted(api: httpx.Client, dozen: list[str]) -> None:
    seen: list[str] = []
    url: str | None = "entities?type=Post&limit=5&count=true&q=n%3E%3D0"
    pages = 0
    while url is not None:
        answer = api.get(url)
        seen += [entity["id"] for entity in answer.json()]
        assert answer.headers["ngsild-results-count"] == "12"
        links = answer.headers.get_list("link", split_commas=True)
        following = [link for link in links if 'rel="next"' in link]
        assert any('rel="prev"' in link for link in links) == (pages > 0)
        pages += 1
        match = re.search(r"<([^>]*)>", following[0]) if following else None
        url = f"http://{api.base_url.netloc.decode()}{match[1]}" if match else None
    assert (seen, pages) == (dozen, 3)
    answer = api.get("entities", params={"type": "Post", "limit": 0, "count": "true"})
    assert (answer.json(), answer.headers["ngsild-results-count"]) == ([], "12")
    assert "ngsild-results-count" not in api.get("entities", params={"type": "Post"}).headers
    ld_json = {"accept": "application/ld+json"}
    middle = api.get("entities", params={"type": "Post", "limit": 5, "offset": 5}, headers=ld_json)
    assert middle.headers["link"] == ", ".join(
        f'</ngsi-ld/v1/entities?type=Post&limit=5&offset={start}>;rel="{relation}";type="application/ld+json"'
        for relation, start in (("next", 10), ("prev", 0))
    )
    last = api.get("entities", params={"type": "Post", "limit": 5, "offset": 10})
    assert 'rel="next"' not in str(last.headers)


def test_the_four_representations(api: httpx.Client, dozen: list[str]) -> None:
    path = f"entities/{dozen[3]}"
    normalized = api.get(path).json()
    assert normalized["n"] == {
        "type": "Property", "value": 3, "unitCode": "C62", "observedAt": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    assert normalized["near"] == {"type": "Relationship", "object": dozen[0]}
    assert normalized["location"]["type"] == "GeoProperty"
    concise = api.get(path, params={"format": "concise"}).json()
    assert concise["n"] == {"value": 3, "unitCode": "C62", "observedAt": "2026-01-01T00:00:00Z"}
    assert concise["near"] == {"object": dozen[0]}
    assert concise["name"] == {"languageMap": {"de": "Pfosten 3", "en": "post 3"}}
    for parameters in ({"format": "simplified"}, {"options": "keyValues"}, {"options": "simplified"}):
        document = api.get(path, params=parameters).json()
        assert (document["n"], document["near"], document["location"]["type"]) == (3, dozen[0], "Point")
    feature = api.get(path, headers={"accept": "application/geo+json"})
    assert feature.headers["content-type"] == "application/geo+json"
    body = feature.json()
    assert (body["type"], body["id"], body["geometry"]["type"]) == ("Feature", dozen[3], "Point")
    assert body["properties"]["n"]["value"] == 3
    collection = api.get(
        "entities", params={"type": "Post"}, headers={"accept": "application/geo+json"}
    ).json()
    assert (collection["type"], len(collection["features"])) == ("FeatureCollection", 12)
    preferred = {"accept": "application/geo+json", "prefer": "ngsi-ld=1.6, body=json"}
    bare = api.get(path, headers=preferred)
    assert "@context" not in bare.json() and bare.headers["preference-applied"] == "ngsi-ld=1.8"
    times = api.get(path, params={"options": "sysAttrs"}).json()
    assert {"createdAt", "modifiedAt"} <= times.keys()
    assert {"createdAt", "modifiedAt"} <= times["n"].keys()
    assert "createdAt" not in normalized
    german = api.get(path, params={"lang": "de", "options": "keyValues"}).json()
    assert german["name"] == "Pfosten 3"


def test_a_representation_can_be_written_back(api: httpx.Client, dozen: list[str]) -> None:
    for parameters in ({}, {"format": "concise"}):
        document = api.get(f"entities/{dozen[5]}", params=parameters).json()
        before = api.get(f"entities/{dozen[5]}").json()
        assert api.post("entityOperations/upsert", json=[document]).status_code == 204
        assert api.get(f"entities/{dozen[5]}").json() == before


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/ld+json", "application/ld+json"),
        ("application/ld+json, application/json", "application/json"),
        ("application/json;q=0.5, application/ld+json", "application/ld+json"),
        ("text/html, application/ld+json;q=0.9, */*;q=0.1", "application/ld+json"),
        ("application/geo+json", "application/geo+json"),
    ],
)
def test_the_answer_is_in_the_media_type_asked_for(
    api: httpx.Client, dozen: list[str], accept: str | None, given: str
) -> None:
    request = api.build_request("GET", f"entities/{dozen[0]}")
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    answer = api.send(request)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == given
    body = answer.json()
    assert ("@context" in body) == (given != "application/json")
    assert ("json-ld#context" in answer.headers.get("link", "")) == (given != "application/ld+json")


def test_what_http_itself_refuses(api: httpx.Client, dozen: list[str], new_id: str) -> None:
    root = f"http://{api.base_url.netloc.decode()}/ngsi-ld/v1"
    for path in (
        "",
        "/nothing",
        "/entities/a:b/c",
        "/entities/a:b/attrs/c/d",
        "/entityOperations",
        "/entityOperations/x",
    ):
        problem(api.get(root + path + "/"), 404)
    answer = api.post(f"entities/{dozen[0]}", json={})
    problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "PUT", "PATCH", "DELETE"}
    for method in ("PUT", "PATCH"):  # the id is missing (§5.6.17.4, §5.6.18.4)
        problem(api.request(method, "entities/", json={}), 400, "BadRequestData", "/id")
    problem(api.request("OPTIONS", f"entities/{dozen[0]}"), 405)
    for accept in ("text/html", "application/json;q=0", "image/png, text/*"):
        assert (
            "application/ld+json"
            in problem(api.get(f"entities/{dozen[0]}", headers={"accept": accept}), 406)["detail"]
        )
    for media_type in ("text/plain", "application/xml", ""):
        answer = api.post("entities", content=b"{}", headers={"content-type": media_type})
        assert (answer.status_code, answer.content) == (415, b"")  # §6.3.4
        assert answer.headers["accept"] == "application/json, application/ld+json"
    patch = {"content-type": "application/merge-patch+json"}
    assert api.patch(f"entities/{dozen[0]}", content=b'{"x":1}', headers=patch).status_code == 204
    assert api.post("entities", content=b"{}", headers=patch).status_code == 415
    problem(api.get(f"entities/{dozen[0]}", headers={"NGSILD-Tenant": "atlantis"}), 404, "NonexistentTenant")
    assert api.get(f"entities/{dozen[0]}", headers={"NGSILD-Tenant": "city"}).status_code == 200
    head = api.head(f"entities/{dozen[0]}")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 10
    request = api.build_request("POST", "entities", headers={"content-type": "application/json"})
    del request.headers["content-length"]
    answer = api.send(request)
    assert (answer.status_code, answer.content) == (411, b"")
    relation = 'rel="http://www.w3.org/ns/json-ld#context"'
    two = [("link", f"<https://example.org/{name}>; {relation}") for name in "ab"]
    problem(api.get(f"entities/{dozen[0]}", headers=two), 400, "BadRequestData", "Link")
    large = b" " * (33 * 2**20)
    assert (
        api.post("entities", content=large, headers={"content-type": "application/json"}).status_code == 413
    )

    def portions() -> Any:
        for _ in range(33):
            yield b" " * 2**20

    assert (
        api.post("entities", content=portions(), headers={"content-type": "application/json"}).status_code
        == 413
    )
    problem(api.get("entities/not-a-uri"), 400, "BadRequestData")
    problem(api.delete("entities/not-a-uri"), 400, "BadRequestData")
    problem(api.put(f"entities/{new_id}", json=lamp("urn:x:other")), 400, "BadRequestData", "/id")


DEEP = b'{"id":"urn:x:deep","type":"T","a":{"type":"Property","value":%s}}'


@pytest.mark.parametrize(
    ("body", "kind", "field"),
    [
        (b"", "InvalidRequest", None),
        (b"{", "InvalidRequest", None),
        (b'{"id":"urn:x:1","type":"T",}', "InvalidRequest", None),
        (b"\xff\xfe", "InvalidRequest", None),
        (b'{"id":"urn:x:1","type":"T","a":{"value":"\\ud800"}}', None, None),
        (b'{"id":"urn:x:1","type":"T","a":{"value":1e999}}', None, None),
        (b'{"id":"urn:x:1","type":"T","a":{"value":NaN}}', "InvalidRequest", None),
        (b"[]", "BadRequestData", None),
        (b"null", "BadRequestData", None),
        (b'"text"', "BadRequestData", None),
        (b"{}", "BadRequestData", "/id"),
        (b'{"id":"urn:x:1"}', "BadRequestData", "/type"),
        (b'{"id":5,"type":"T"}', "BadRequestData", "/id"),
        (b'{"id":"no uri","type":"T"}', "BadRequestData", "/id"),
        (b'{"id":"urn:x:%s","type":"T"}' % (b"x" * 5_000), "BadRequestData", "/id"),
        (b'{"id":"urn:x:1","type":""}', "BadRequestData", "/type"),
        (b'{"id":"urn:x:1","type":[]}', "BadRequestData", "/type"),
        (b'{"id":"urn:x:1","type":"T","a":null}', "BadRequestData", "/a"),
        (b'{"id":"urn:x:1","type":"T","a":{"type":"Property"}}', "BadRequestData", "/a"),
        (b'{"id":"urn:x:1","type":"T","a":{"type":"Nothing","value":1}}', "BadRequestData", "/a/type"),
        (
            b'{"id":"urn:x:1","type":"T","a":{"value":1,"observedAt":"noon"}}',
            "BadRequestData",
            "/a/observedAt",
        ),
        (b'{"id":"urn:x:1","type":"T","a":{"object":"no uri"}}', "BadRequestData", "/a"),
        (b'{"id":"urn:x:1","type":"T","a":{"value":"urn:ngsi-ld:null"}}', "BadRequestData", "/a"),
        (b'{"id":"urn:x:1","type":"T","a":{"value":1,"b":{"value":"a\\u0000b"}}}', "BadRequestData", None),
        (b'{"id":"urn:x:1","type":"T","scope":"a b"}', "BadRequestData", "/scope"),
        (
            b'{"id":"urn:x:1","type":"T","a":{"type":"GeoProperty","value":{"type":"Point","coordinates":[1]}}}',
            "BadRequestData",
            "/a/value",
        ),
        (b'{"id":"urn:x:1","type":"T","a":[{"value":1},{"value":2}]}', "BadRequestData", "/a"),
        (b'{"id":"urn:x:1","type":"T","@context":"https://example.org/c"}', "BadRequestData", "@context"),
        (DEEP % (b"[" * 100 + b"]" * 100), "BadRequestData", "/a"),
        (DEEP % (b"[" * 100_000 + b"]" * 100_000), None, None),
        (b"[" * 1_000_000, None, None),
        (DEEP % (b'{"a":' * 5_000 + b"1" + b"}" * 5_000), None, None),
    ],
)
def test_bad_bodies_get_clear_answers(
    api: httpx.Client, body: bytes, kind: str | None, field: str | None
) -> None:
    answer = api.post("entities", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text[:200]
    assert answer.json()["type"].removeprefix(ERRORS) in (
        [kind] if kind else ["InvalidRequest", "BadRequestData"]
    )
    problem(answer, 400, answer.json()["type"].removeprefix(ERRORS), field)
    assert api.get("entities/urn:x:1").status_code == 404


@pytest.mark.parametrize(
    "value",
    [0, -0.0, 1e308, 5e-324, 2**53 + 1, -(2**63), 2**63, 2**64, 10**300, 0.1 + 0.2]
    + ["", "x" * 100_000, "\u2028", [], {}],
)
def test_values_come_back_as_they_went(api: httpx.Client, new_id: str, value: Any) -> None:
    answer = api.post("entities", json=lamp(new_id, a={"type": "Property", "value": value}))
    if value == 10**300 and answer.status_code == 400:
        return  # an integer beyond what any number type holds may be refused, but clearly
    assert answer.status_code == 201, answer.text
    back = api.get(f"entities/{new_id}").json()["a"]["value"]
    assert back == value or (isinstance(value, float) and float(back) == value)


def test_ids_with_difficult_characters(api: httpx.Client) -> None:
    for entity_id in (
        "urn:x:a/b",
        "urn:x:größe",
        "urn:x:100%25",
        "urn:x:a?b#c",
        "https://example.org/lamp/1",
    ):
        answer = api.post("entities", json=lamp(entity_id))
        assert answer.status_code == 201, answer.text
        location = answer.headers["location"]
        assert location.isascii()
        found = api.get(f"http://{api.base_url.netloc.decode()}{location}")
        assert found.status_code == 200, (location, found.text)
        assert found.json()["id"] == entity_id
        assert api.delete(f"http://{api.base_url.netloc.decode()}{location}").status_code == 204


def test_concurrent_writers(api: httpx.Client, new_id: str) -> None:
    base = str(api.base_url)

    def create(number: int) -> int:
        return httpx.post(f"{base}entities", json=lamp(new_id, n=number), timeout=20).status_code

    def append(number: int) -> int:
        return httpx.post(
            f"{base}entities/{new_id}/attrs", json={f"a{number}": number}, timeout=20
        ).status_code

    with ThreadPoolExecutor(12) as threads:
        assert sorted(threads.map(create, range(12))) == [201] + [409] * 11
        assert list(threads.map(append, range(40))) == [204] * 40
    document = simplified(api, new_id)
    assert all(document[f"a{number}"] == number for number in range(40))


def test_types_are_discovered_with_their_attributes(api: httpx.Client) -> None:
    entity = {"id": "urn:ngsi-ld:Bench:1", "type": "Bench", "seats": 4, "material": "Eiche"}
    assert api.post("entities", json=entity).status_code == 201
    listed = api.get("types").json()
    assert listed["type"] == "EntityTypeList"
    assert "Bench" in listed["typeList"]
    details = api.get("types", params={"details": "true"}).json()
    (bench,) = [one for one in details if one["typeName"] == "Bench"]
    assert bench["attributeNames"] == ["material", "seats"]
