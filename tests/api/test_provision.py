"""Provision, sentence by sentence: what CIM 009 §5.6.1 to §5.6.10 and §5.6.17 to §5.6.20 say beyond the usual."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .test_operations import DEFAULT, NULL, lamp, problem, simplified


def test_an_entity_counts_as_there_only_if_it_is_of_the_types_asked_for(
    api: httpx.Client, new_id: str
) -> None:
    path = f"entities/{new_id}"
    assert api.post("entities", json=lamp(new_id, a=1, b=1)).status_code == 201

    def attempts(kind: str) -> list[httpx.Response]:
        only = {"type": kind}
        return [
            api.patch(path, params=only, json={"a": 2}),
            api.put(path, params=only, json=lamp(new_id, a=3, b=3)),
            api.post(f"{path}/attrs", params=only, json={"a": 4}),
            api.patch(f"{path}/attrs", params=only, json={"a": 5}),
            api.patch(f"{path}/attrs/a", params=only, json={"value": 6}),
            api.put(f"{path}/attrs/a", params=only, json={"value": 7}),
            api.delete(f"{path}/attrs/b", params=only),
            api.delete(path, params=only),
        ]

    for answer in attempts("Bench"):
        problem(answer, 404, "ResourceNotFound")
    for answer in attempts("((("):
        problem(answer, 400, "BadRequestData")
    assert simplified(api, new_id) == lamp(new_id, a=1, b=1)
    assert [answer.status_code for answer in attempts("Bench,Lamp")] == [204] * 8
    assert api.get(path).status_code == 404


def test_a_simplified_merge_leaves_types_as_they_are(api: httpx.Client, new_id: str) -> None:
    before = lamp(
        new_id,
        n=1,
        near={"object": "urn:x:1"},
        name={"languageMap": {"de": "Lampe", "en": "lamp"}},
        place={"type": "Property", "value": "here"},
        location={"type": "Point", "coordinates": [6.7, 51.4]},
        data={"json": {"a": 1}},
        row={"valueList": [1, 2]},
        gone=5,
    )
    path = f"entities/{new_id}"
    assert api.post("entities", json=before).status_code == 201
    patch = {
        "id": new_id,
        "type": "Lamp",
        "n": 2,
        "near": "urn:x:2",
        "name": {"languageMap": {"de": "Leuchte"}},
        "place": {"type": "Point", "coordinates": [1, 2]},
        "location": {"type": "Point", "coordinates": [6.8, 51.5]},
        "data": {"json": {"b": 2}},
        "row": [3],
        "gone": NULL,
        "address": {"type": "PostalAddress", "value": "in a plain object nothing has a meaning"},
    }
    for parameters in ({"format": "simplified"}, {"options": "keyValues"}):
        assert api.patch(path, params=parameters, json=patch).status_code == 204
        now = api.get(path).json()
        assert now["n"] == {"type": "Property", "value": 2}
        assert now["near"] == {"type": "Relationship", "object": "urn:x:2"}
        assert now["name"]["languageMap"] == {"de": "Leuchte", "en": "lamp"}
        assert now["place"] == {"type": "Property", "value": patch["place"]}
        assert now["location"] == {"type": "GeoProperty", "value": patch["location"]}
        assert now["data"] == {"type": "JsonProperty", "json": {"a": 1, "b": 2}}
        assert now["row"] == {"type": "ListProperty", "valueList": [3]}
        assert now["address"] == {"type": "Property", "value": patch["address"]}
        assert "gone" not in now
    for wrong in ({"near": 5}, {"location": "here"}, {"name": "lamp"}, {"n": {"json": 1}}, {"row": 1}):
        answer = api.patch(path, params={"format": "simplified"}, json=wrong)
        problem(answer, 400, "BadRequestData", next(iter(wrong)))
    assert api.get(path).json() == now


def test_a_merge_may_say_its_language_and_its_time_once(api: httpx.Client, new_id: str) -> None:
    early, late, own = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")
    entity = lamp(
        new_id,
        a={"value": 1, "observedAt": early},
        b={"value": 1},
        c={"value": 1, "observedAt": early},
        name={"languageMap": {"de": "Lampe", "en": "lamp"}},
        word="plain",
    )
    path = f"entities/{new_id}"
    assert api.post("entities", json=entity).status_code == 201
    patch = {
        "a": {"value": 2},
        "b": {"value": 2},
        "c": {"value": 2, "observedAt": own},
        "new": 1,
        "name": "Leuchte",
        "word": "still plain",
    }
    answer = api.patch(path, params={"observedAt": late, "lang": "de"}, json=patch)
    assert answer.status_code == 204
    now = api.get(path).json()
    assert now["a"] == {"type": "Property", "value": 2, "observedAt": late}
    assert now["b"] == {"type": "Property", "value": 2}
    assert now["c"]["observedAt"] == own
    assert now["new"] == {"type": "Property", "value": 1}
    assert now["name"] == {"type": "LanguageProperty", "languageMap": {"de": "Leuchte", "en": "lamp"}}
    assert now["word"] == {"type": "Property", "value": "still plain"}
    answer = api.patch(path, params={"lang": "en", "format": "simplified"}, json={"name": ["a", "b"]})
    assert answer.status_code == 204
    assert api.get(path).json()["name"]["languageMap"] == {"de": "Leuchte", "en": ["a", "b"]}
    for wrong in ({"lang": "no language"}, {"lang": "@none"}, {"observedAt": "noon"}):
        problem(api.patch(path, params=wrong, json={"a": 1}), 400, "BadRequestData", next(iter(wrong)))


def test_a_scope_is_replaced_by_an_update_but_not_brought_by_it(api: httpx.Client, new_id: str) -> None:
    path = f"entities/{new_id}"
    assert api.post("entities", json=lamp(new_id, a=1)).status_code == 201
    answer = api.patch(f"{path}/attrs", json={"scope": "/A", "a": 2})
    assert answer.status_code == 207
    assert answer.json()["updated"] == [DEFAULT + "a"]
    assert answer.json()["notUpdated"][0]["attributeName"] == "https://uri.etsi.org/ngsi-ld/scope"
    assert simplified(api, new_id) == lamp(new_id, a=2)
    assert api.post(f"{path}/attrs", json={"scope": "/A"}).status_code == 204
    assert api.patch(f"{path}/attrs", json={"scope": ["/B", "/C"]}).status_code == 204
    answer = api.post(f"{path}/attrs", params={"options": "noOverwrite"}, json={"scope": ["/C", "/D"]})
    assert answer.status_code == 204
    assert simplified(api, new_id)["scope"] == ["/B", "/C", "/D"]


@pytest.mark.parametrize("operation", ["create", "upsert", "update", "merge"])
def test_what_is_wrong_with_the_context_of_a_batch_is_wrong_with_the_request(
    api: httpx.Client, new_id: str, operation: str
) -> None:
    core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
    link = f'<{core}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    items = [lamp(new_id, **{"@context": core})]
    ld_json = {"content-type": "application/ld+json"}
    answer = api.post(f"entityOperations/{operation}", json=items, headers={**ld_json, "link": link})
    problem(answer, 400, "BadRequestData")
    missing = link.replace("core-context-v1.8", "core-context-none")
    answer = api.post(f"entityOperations/{operation}", json=[lamp(new_id)], headers={"link": missing})
    problem(answer, 503, "LdContextNotAvailable")
    # Each item of JSON-LD has its own, so what is wrong there is wrong with the item.
    good = lamp(f"{new_id}good", **{"@context": core})
    answer = api.post("entityOperations/create", json=[lamp(new_id), good], headers=ld_json)
    assert answer.status_code == 207
    assert [error["entityId"] for error in answer.json()["errors"]] == [new_id]
    if operation == "create":
        assert answer.json()["success"] == [good["id"]]


def test_items_of_one_entity_in_a_batch_take_effect_one_after_the_other(
    api: httpx.Client, new_id: str
) -> None:
    def send(operation: str, items: Any, **parameters: str) -> httpx.Response:
        return api.post(f"entityOperations/{operation}", json=items, params=parameters)

    answer = send("create", [lamp(new_id, a=1), lamp(new_id, a=2)])  # §5.5.11.1
    assert (answer.status_code, answer.json()["success"]) == (207, [new_id])
    assert answer.json()["errors"][0]["error"]["type"].endswith("AlreadyExists")
    assert simplified(api, new_id) == lamp(new_id, a=1)
    second = f"{new_id}2"
    answer = send("upsert", [lamp(second, a=1), lamp(second, b=2)])  # §5.5.11.2
    assert (answer.status_code, answer.json()) == (201, [second])
    assert simplified(api, second) == lamp(second, b=2)
    third = f"{new_id}3"
    answer = send("upsert", [lamp(third, a=1), lamp(third, b=2), lamp(third, a=3)], options="update")
    assert (answer.status_code, answer.json()) == (201, [third])
    assert simplified(api, third) == lamp(third, a=3, b=2)
    patches = [{"id": third, "a": NULL}, {"id": third, "a": 4}, {"id": third, "b": NULL}]
    assert send("merge", patches).status_code == 204  # §5.5.11.5
    assert simplified(api, third) == lamp(third, a=4)
    answer = send("delete", [third, third, "no uri"])  # §5.5.11.4
    assert (answer.status_code, answer.json()["success"]) == (207, [third])
    kinds = [error["error"]["type"].rpartition("/")[2] for error in answer.json()["errors"]]
    assert kinds == ["ResourceNotFound", "BadRequestData"]


def test_one_instance_of_an_attribute_is_meant_by_its_dataset(api: httpx.Client, new_id: str) -> None:
    path = f"entities/{new_id}"
    two = [{"value": 1}, {"value": 2, "datasetId": "urn:x:1"}]
    assert api.post("entities", json=lamp(new_id, a=two)).status_code == 201
    assert api.delete(f"{path}/attrs/a", params={"datasetId": "@none"}).status_code == 204
    assert api.get(path, params={"format": "concise"}).json()["a"] == two[1]
    problem(api.delete(f"{path}/attrs/a"), 404, "ResourceNotFound")
    problem(api.delete(f"{path}/attrs/a", params={"datasetId": "no uri"}), 400, "BadRequestData", "datasetId")
    problem(api.put(f"{path}/attrs/a", json={"value": 3}), 404, "ResourceNotFound")
    put = {"value": 3, "datasetId": "urn:x:1"}
    assert api.put(f"{path}/attrs/a", json=put).status_code == 204
    assert api.get(path, params={"format": "concise"}).json()["a"] == put
    wrong = {"type": "Relationship", "object": "urn:x:1", "datasetId": "urn:x:1"}
    problem(api.patch(f"{path}/attrs/a", json=wrong), 400, "BadRequestData", "/type")
    for name in ("scope", "type", "1a", "@id"):
        problem(api.patch(f"{path}/attrs/{name}", json={"value": 1}), 400, "BadRequestData")
        problem(api.put(f"{path}/attrs/{name}", json={"value": 1}), 400, "BadRequestData")


def test_a_purge_deletes_what_matches(api: httpx.Client) -> None:
    """§5.6.21"""
    things = [
        {"id": f"urn:x:purge:{n:04}", "type": "Purged" if n % 2 else "Kept", "n": n, "a": 1, "scope": "/P"}
        for n in range(1_500)
    ]
    here = {"type": "Point", "coordinates": [6.7, 51.4]}
    things[7]["location"] = here

    def ids(kind: str) -> list[int]:
        found: list[int] = []
        while True:
            parameters: Any = {"type": kind, "limit": 1_000, "offset": len(found), "format": "simplified"}
            page = api.get("entities", params=parameters).json()
            found += [int(entity["id"][-4:]) for entity in page]
            if len(page) < 1_000:
                return found

    def purge(**parameters: Any) -> None:
        answer = api.delete("entities", params=parameters)
        assert (answer.status_code, answer.content) == (204, b""), answer.text

    assert api.post("entityOperations/create", json=things).status_code == 201
    odd = list(range(1, 1_500, 2))
    near = {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": "[6.7,51.4]"}
    purge(type="Purged", **near)
    purge(type="Purged", id="urn:x:purge:0001,urn:x:purge:0002,urn:x:nobody")
    purge(type="Purged", idPattern=":0003$")
    purge(type="Purged", scopeQ="/Q")
    purge(type="Purged", q="n>=5;n<7")
    left = odd[4:]
    assert ids("Purged") == left
    purge(type="Purged", drop="a,missing")
    entity = api.get("entities/urn:x:purge:0009", params={"format": "simplified"}).json()
    assert entity == {"id": "urn:x:purge:0009", "type": "Purged", "scope": "/P", "n": 9}
    assert api.get("entities/urn:x:purge:0010").json()["a"]["value"] == 1
    purge(type="Kept", id="urn:x:purge:0010", keep="a")
    entity = api.get("entities/urn:x:purge:0010", params={"format": "simplified"}).json()
    assert entity == {"id": "urn:x:purge:0010", "type": "Kept", "scope": "/P", "a": 1}
    assert ids("Purged") == left
    purge(type="Purged")
    assert ids("Purged") == []
    assert len(ids("Kept")) == 750
    purge(q="a==1", scopeQ="/P")
    assert ids("Kept") == []


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"id": "urn:x:1"},
        {"local": "false"},
        {"q": "createdAt>2026-01-01T00:00:00Z"},
        {"type": "Lamp", "keep": "a", "drop": "b"},
        {"type": "Lamp", "keep": ""},
        {"type": "Lamp", "drop": "id"},
        {"type": "Lamp", "keep": "a,scope"},
        {"type": "Lamp", "id": "no uri"},
        {"type": "Lamp", "idPattern": "("},
        {"type": "Lamp", "q": "a{b}==1"},
        {"type": "Lamp", "q": "((("},
        {"type": "Lamp", "georel": "near"},
    ],
)
def test_a_purge_is_asked_for_plainly(api: httpx.Client, new_id: str, parameters: dict[str, str]) -> None:
    assert api.post("entities", json=lamp(new_id, a=1)).status_code == 201
    problem(api.delete("entities", params=parameters), 400, "BadRequestData")
    assert api.get(f"entities/{new_id}").status_code == 200


WHOLE: dict[str, Any] = {
    "value": 1,
    "unitCode": "C62",
    "acc": {"value": 2, "unitCode": "P1", "of": {"object": "urn:x:1"}},
    "by": [{"object": "urn:x:1"}, {"object": "urn:x:2", "datasetId": "urn:d:2"}],
}


def members(api: httpx.Client, entity_id: str) -> dict[str, Any]:
    document: dict[str, Any] = api.get(f"entities/{entity_id}", params={"format": "concise"}).json()
    return {name: value for name, value in document.items() if name not in ("id", "type")}


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"unitCode": NULL}, {"unitCode": None}),
        ({"value": 5, "acc": {"value": 3}}, {"value": 5, "acc": {**WHOLE["acc"], "value": 3}}),
        ({"type": "Property", "acc": {"type": "Property", "unitCode": NULL}},
         {"acc": {"value": 2, "of": WHOLE["acc"]["of"]}}),
        ({"type": "Property", "acc": {"type": "Property", "of": NULL}}, {"acc": {"value": 2, "unitCode": "P1"}}),
        ({"type": "Property", "acc": NULL}, {"acc": None}),
        ({"type": "Property", "acc": {"object": NULL}}, {"acc": None}),
        ({"type": "Property", "acc": {"object": "urn:x:9"}}, {"acc": {"object": "urn:x:9"}}),
        ({"type": "Property", "by": {"object": NULL}}, {"by": WHOLE["by"][1]}),
        ({"type": "Property", "by": {"object": "urn:x:3", "datasetId": "urn:d:2"}},
         {"by": [WHOLE["by"][0], {"object": "urn:x:3", "datasetId": "urn:d:2"}]}),
        ({"type": "Property", "new": {"value": {"a": NULL, "b": 1}, "c": NULL}}, {"new": {"b": 1}}),
        ({"value": {"a": {"b": NULL, "c": 1}}}, {"value": {"a": {"c": 1}}}),
    ],
)  # fmt: skip
def test_a_merge_goes_into_sub_attributes(
    api: httpx.Client, new_id: str, patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    """§5.5.12"""
    for n, path in enumerate(("entities/", "entityOperations/merge")):
        entity_id = f"{new_id}{n}"
        assert api.post("entities", json=lamp(entity_id, a=WHOLE)).status_code == 201
        if n:
            answer = api.post(path, json=[{"id": entity_id, "a": patch}])
        else:
            answer = api.patch(f"{path}{entity_id}", json={"a": patch})
        assert answer.status_code == 204, answer.text
        whole = {name: value for name, value in {**WHOLE, **expected}.items() if value is not None}
        assert members(api, entity_id) == {"a": whole}


def test_nulls_stand_where_something_is_deleted(api: httpx.Client, new_id: str) -> None:
    """§5.5.4, §5.5.8: in an update in place of a value, in a merge within values too, elsewhere nowhere."""
    path = f"entities/{new_id}"
    assert api.post(
        "entities", json=lamp(new_id, a=WHOLE, n={"languageMap": {"de": "a", "en": "b"}})
    ).is_success
    before = members(api, new_id)
    deep: list[Any] = [
        {"value": {"x": NULL}},
        {"value": [NULL]},
        {"languageMap": {"de": NULL, "en": "b"}},
        {"valueList": [1, {"a": NULL}]},
    ]
    for value in deep:
        problem(api.patch(f"{path}/attrs", json={"z": value}), 400, "BadRequestData", "z")
        problem(api.patch(f"{path}/attrs/a", json=value), 400, "BadRequestData")
    for value in (*deep, NULL, {"value": NULL}, {"object": NULL}, {"value": 1, "s": NULL}):
        problem(api.post(f"{path}/attrs", json={"z": value}), 400, "BadRequestData", "z")
        problem(api.put(f"{path}/attrs/a", json=value), 400, "BadRequestData")
        problem(api.put(path, json=lamp(new_id, z=value)), 400, "BadRequestData", "z")
        problem(api.post("entities", json=lamp(f"{new_id}no", z=value)), 400, "BadRequestData", "z")
        answer = api.post("entityOperations/upsert", json=[lamp(new_id, z=value)])
        assert (answer.status_code, answer.json()["success"]) == (207, [])
    # Details of what is not there cannot be kept without a value.
    details = {"type": "Property", "unitCode": "C62"}
    for fragment in ({"z": details}, {"a": {"type": "Property", "z": details}}):
        problem(api.patch(path, json=fragment), 400, "BadRequestData")
    problem(api.patch(f"{path}/attrs/a", json={"z": details}), 400, "BadRequestData")
    assert members(api, new_id) == before

    assert api.patch(f"{path}/attrs/a", json={"acc": NULL, "unitCode": NULL}).status_code == 204
    assert members(api, new_id)["a"] == {"value": 1, "by": WHOLE["by"]}
    assert api.patch(f"{path}/attrs/a", json={"by": {"object": "urn:x:7"}}).status_code == 204
    assert members(api, new_id)["a"]["by"] == [{"object": "urn:x:7"}, WHOLE["by"][1]]
    assert api.patch(f"{path}/attrs", json={"a": {"value": 2, "acc": NULL, "c": 3}}).status_code == 204
    assert members(api, new_id)["a"] == {"value": 2, "c": 3}
    assert api.patch(path, json={"n": {"languageMap": {"de": NULL}}}).status_code == 204
    assert members(api, new_id)["n"] == {"languageMap": {"en": "b"}}
    assert api.patch(path, json={"n": {"languageMap": {"en": NULL}}}).status_code == 204
    assert "n" not in members(api, new_id)
