"""Temporal provision over HTTP: CIM 009 §5.6.11 to §5.6.16 with §6.18 to §6.22."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

BAD_REQUEST = "https://uri.etsi.org/ngsi-ld/errors/BadRequestData"
INVALID = "https://uri.etsi.org/ngsi-ld/errors/InvalidRequest"
NOT_FOUND = "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound"
EVENING = "2020-09-01T12:07:00Z"


def values(*pairs: tuple[Any, str], **more: Any) -> list[dict[str, Any]]:
    return [{"type": "Property", "value": value, "observedAt": at, **more} for value, at in pairs]


def evolution(entity_id: str, **attributes: Any) -> dict[str, Any]:
    return {"id": entity_id, "type": "Vehicle", **attributes}


def create(api: httpx.Client, entity_id: str, **attributes: Any) -> None:
    assert api.post("temporal/entities", json=evolution(entity_id, **attributes)).status_code == 201


def shown(api: httpx.Client, entity_id: str, name: str = "speed") -> list[tuple[Any, str | None]]:
    """(value, observedAt) of an attribute's evolution."""
    answer = api.get(f"temporal/entities/{entity_id}")
    instances = answer.json().get(name, []) if answer.status_code == 200 else []
    return [(i["value"], i.get("observedAt")) for i in instances]


def current(api: httpx.Client, entity_id: str, name: str = "speed") -> Any:
    return api.get(f"entities/{entity_id}", params={"options": "keyValues"}).json().get(name)


def refused(answer: httpx.Response, status: int, kind: str) -> bool:
    return (answer.status_code, answer.json()["type"]) == (status, kind)


def test_creating_and_updating(api: httpx.Client, new_id: str) -> None:
    """§5.6.11"""
    document = evolution(new_id, speed=values((80, "2020-09-01T12:05:00Z"), (120, "2020-09-01T12:03:00Z")))
    made = api.post("temporal/entities", json=document)
    assert (made.status_code, made.content) == (201, b"")
    assert made.headers["location"] == f"/ngsi-ld/v1/temporal/entities/{new_id}"
    assert current(api, new_id) == 80

    more = {**document, "type": ["Car"], "speed": values((7, EVENING), (8, "2020-09-01T12:03:00Z"))}
    again = api.post("temporal/entities/", json=more)
    assert (again.status_code, again.content) == (204, b"")
    assert api.get(f"entities/{new_id}").json()["type"] == ["Vehicle", "Car"]
    assert current(api, new_id) == 7
    assert shown(api, new_id) == [(8, "2020-09-01T12:03:00Z"), (80, "2020-09-01T12:05:00Z"), (7, EVENING)]


def test_the_simplified_form_scopes_and_datasets_are_taken(api: httpx.Client, new_id: str) -> None:
    """§4.5.6, §4.5.9"""
    early, late = "2020-09-01T12:03:00Z", EVENING
    create(
        api,
        new_id,
        speed={"type": "Property", "values": [[120, early], [80, late]]},
        says={"type": "LanguageProperty", "languageMaps": [[{"languageMap": {"en": "yes"}}, early]]},
        parkedAt={"type": "Relationship", "objects": [["urn:ngsi-ld:Parking:1", early]]},
        scope=[
            {"type": "Property", "value": ["/A"], "observedAt": early},
            {"type": "Property", "value": ["/B", "/C"], "observedAt": late},
        ],
        level=[*values((1, late)), *values((2, early), datasetId="urn:ngsi-ld:dataset:1")],
        nothing=[],
    )
    entity = api.get(f"entities/{new_id}", params={"options": "keyValues"}).json()
    assert (entity["speed"], entity["scope"]) == (80, ["/B", "/C"])
    assert entity["level"] == {"dataset": {"@none": 1, "urn:ngsi-ld:dataset:1": 2}}
    assert entity["parkedAt"] == "urn:ngsi-ld:Parking:1"
    assert "nothing" not in entity
    assert shown(api, new_id, "scope") == [(["/A"], early), (["/B", "/C"], late)]


def test_adding_attributes(api: httpx.Client, new_id: str) -> None:
    """§5.6.12"""
    path = f"temporal/entities/{new_id}/attrs"
    body = {"height": values((3, EVENING))}
    assert refused(api.post(path, json=body), 404, NOT_FOUND)
    create(api, new_id, speed=values((80, EVENING)))
    added = api.post(path, json=body)
    assert (added.status_code, added.content) == (204, b"")
    assert (current(api, new_id, "height"), current(api, new_id)) == (3, 80)
    assert refused(api.post(path, json={**body, "id": "urn:x:1"}), 400, BAD_REQUEST)


def test_what_is_no_evolution_is_refused(api: httpx.Client, new_id: str) -> None:
    for body, kind in (
        (b"{,}", INVALID),
        (b"", INVALID),
        (b"[]", BAD_REQUEST),
        (b'{"type": "Vehicle"}', BAD_REQUEST),
        (b'{"id": "no uri", "type": "Vehicle"}', BAD_REQUEST),
        (b'{"id": "urn:x:typeless", "speed": 1}', BAD_REQUEST),
        (
            b'{"id": "urn:x:1", "type": "T", "speed": [{"type": "Property", "value": "urn:ngsi-ld:null"}]}',
            BAD_REQUEST,
        ),
        (b'{"id": "urn:x:1", "type": "T", "speed": {"type": "Property", "values": [[1]]}}', BAD_REQUEST),
        (
            b'{"id": "urn:x:1", "type": "T", "says": {"type": "JsonProperty", "jsons": [[1, "2"]]}}',
            BAD_REQUEST,
        ),
        (
            b'{"id": "urn:x:1", "type": "T", "speed": {"type": "Property", "values": [[1, "now"]]}}',
            BAD_REQUEST,
        ),
        (b'{"id": "urn:x:1", "type": "T", "scope": [{"type": "Property", "value": 5}]}', BAD_REQUEST),
        (b'{"id": "urn:x:1", "type": "T", "scope": [{"type": "Property"}]}', BAD_REQUEST),
    ):
        answer = api.post("temporal/entities", content=body, headers={"content-type": "application/json"})
        assert refused(answer, 400, kind), (body, answer.text)
    assert refused(api.post("temporal/entities?offset=1", json=evolution(new_id)), 400, INVALID)
    assert api.delete("temporal/entities/").status_code == 405
    assert api.patch("temporal/entities/urn:x:1/attrs/speed/", json={"value": 1}).status_code == 405
    assert refused(api.delete("temporal/entities/nothing"), 400, BAD_REQUEST)
    assert refused(api.post("temporal/entities//attrs", json={"speed": 1}), 400, BAD_REQUEST)


def test_erasing_leaves_neither_history_nor_state(api: httpx.Client, new_id: str) -> None:
    """§5.6.16; decision 18"""
    assert refused(api.delete(f"temporal/entities/{new_id}"), 404, NOT_FOUND)
    for before in (False, True):  # as it is, and after an ordinary deletion
        create(api, new_id, speed=values((80, EVENING)))
        if before:
            assert api.delete(f"entities/{new_id}").status_code == 204
            assert (80, EVENING) in shown(api, new_id)
        gone = api.delete(f"temporal/entities/{new_id}")
        assert (gone.status_code, gone.content) == (204, b"")
        assert refused(api.get(f"temporal/entities/{new_id}"), 404, NOT_FOUND)
        assert refused(api.get(f"entities/{new_id}"), 404, NOT_FOUND)
        assert refused(api.delete(f"temporal/entities/{new_id}"), 404, NOT_FOUND)


def test_deleting_an_attribute(api: httpx.Client, new_id: str) -> None:
    """§5.6.13"""
    path, dataset = f"temporal/entities/{new_id}/attrs/speed", "urn:ngsi-ld:dataset:1"
    assert refused(api.delete(path), 404, NOT_FOUND)

    def begin() -> None:
        api.delete(f"temporal/entities/{new_id}")
        create(api, new_id, speed=[*values((80, EVENING)), *values((7, EVENING), datasetId=dataset)])

    begin()
    assert api.delete(path).status_code == 204
    assert (shown(api, new_id), current(api, new_id)) == ([(7, EVENING)], 7)
    assert refused(api.delete(path), 404, NOT_FOUND)
    begin()
    assert api.delete(path, params={"datasetId": dataset}).status_code == 204
    assert (shown(api, new_id), current(api, new_id)) == ([(80, EVENING)], 80)
    begin()
    assert api.delete(path, params={"deleteAll": "true"}).status_code == 204
    assert (shown(api, new_id), current(api, new_id)) == ([], None)
    assert refused(api.delete(path.replace("speed", "other")), 404, NOT_FOUND)
    assert refused(api.delete(path.replace("speed", "no(name")), 400, BAD_REQUEST)
    assert refused(api.delete(path, params={"datasetId": "no uri"}), 400, BAD_REQUEST)
    assert refused(api.delete(path, params={"lang": "de"}), 400, INVALID)


def ids(api: httpx.Client, entity_id: str, name: str = "speed") -> list[str]:
    return [i["instanceId"] for i in api.get(f"temporal/entities/{entity_id}").json()[name]]


def test_correcting_an_instance(api: httpx.Client, new_id: str) -> None:
    """§5.6.14"""
    early = "2020-09-01T12:03:00Z"
    create(api, new_id, speed=values((120, early), (80, EVENING)))
    path = f"temporal/entities/{new_id}/attrs/speed"
    first, last = ids(api, new_id)
    (before, _) = api.get(f"temporal/entities/{new_id}", params={"options": "sysAttrs"}).json()["speed"]
    corrected = api.patch(f"{path}/{first}", json={"type": "Property", "value": 129, "observedAt": early})
    assert (corrected.status_code, corrected.content) == (204, b"")
    (after, _) = api.get(f"temporal/entities/{new_id}", params={"options": "sysAttrs"}).json()["speed"]
    assert (after["value"], after["instanceId"], after["createdAt"]) == (129, first, before["createdAt"])
    assert after["modifiedAt"] > before["modifiedAt"]
    assert current(api, new_id) == 80

    # In all forms of a fragment; the newest is the current one; without a time it stays where it is.
    for value, body in (
        (1, {"speed": [{"type": "Property", "value": 1}]}),
        (2, {"speed": {"value": 2}}),
        (3, [{"type": "Property", "value": 3, "accuracy": 5}]),
    ):
        assert api.patch(f"{path}/{last}", json=body).status_code == 204
        assert (current(api, new_id), shown(api, new_id)[1]) == (value, (value, EVENING))

    # Another time is another place.
    assert api.patch(f"{path}/{last}", json=values((4, "2020-08-01T00:00:00Z"))[0]).status_code == 204
    assert shown(api, new_id) == [(4, "2020-08-01T00:00:00Z"), (129, early)]
    assert current(api, new_id) == 129
    assert refused(api.patch(f"{path}/{last}", json={"value": 1}), 404, NOT_FOUND)


def test_deleting_an_instance(api: httpx.Client, new_id: str) -> None:
    """§5.6.15"""
    create(
        api, new_id, speed=values((120, "2020-09-01T12:03:00Z"), (80, EVENING), (5, "2099-01-01T00:00:00Z"))
    )
    path = f"temporal/entities/{new_id}/attrs/speed"
    for left in (80, 120, None):  # the newest goes, and the one before it shows
        gone = api.delete(f"{path}/{ids(api, new_id)[-1]}")
        assert (gone.status_code, gone.content, current(api, new_id)) == (204, b"", left)
    assert shown(api, new_id) == []


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_instances_that_are_not_there(api: httpx.Client, new_id: str, method: str) -> None:
    create(api, new_id, speed=values((80, EVENING)), height=values((80, EVENING)))
    (known,) = ids(api, new_id)
    body = {"json": {"type": "Property", "value": 1}} if method == "PATCH" else {}
    for entity, attribute, instance, status, kind in (
        (new_id, "speed", "no-uri", 400, BAD_REQUEST),
        ("no-uri", "speed", known, 400, BAD_REQUEST),
        ("", "speed", known, 400, BAD_REQUEST),
        (new_id, "no(name", known, 400, BAD_REQUEST),
        (new_id, "", known, 400, BAD_REQUEST),
        (new_id + "other", "speed", known, 404, NOT_FOUND),
        (new_id, "height", known, 404, NOT_FOUND),
        (new_id, "other", known, 404, NOT_FOUND),
        (new_id, "speed", "urn:ngsi-ld:01234567890123456789", 404, NOT_FOUND),
        (new_id, "speed", known + "-1", 404, NOT_FOUND),
        (new_id, "speed", f"urn:ngsi-ld:instance:{10**17}-0", 404, NOT_FOUND),
        (new_id, "speed", f"{known.rpartition('-')[0]}-{10**18 - 1}", 404, NOT_FOUND),
    ):
        answer = api.request(method, f"temporal/entities/{entity}/attrs/{attribute}/{instance}", **body)
        assert refused(answer, status, kind), (instance, answer.text)


def test_a_correction_stays_in_its_dataset_and_is_one_instance(api: httpx.Client, new_id: str) -> None:
    create(api, new_id, speed=values((80, EVENING), datasetId="urn:x:1"))
    path = f"temporal/entities/{new_id}/attrs/speed/{ids(api, new_id)[0]}"
    assert api.patch(path, json={"value": 1}).status_code == 204
    assert api.get(f"entities/{new_id}").json()["speed"]["datasetId"] == "urn:x:1"
    assert refused(api.patch(path, json={"value": 1, "datasetId": "urn:x:2"}), 400, BAD_REQUEST)
    assert refused(api.patch(path, json=values((1, EVENING), (2, EVENING))), 400, BAD_REQUEST)
    assert refused(api.patch(path, json={"speed": []}), 400, BAD_REQUEST)
    assert api.patch(path, content=b"{").status_code == 415


def test_who_comes_back_goes_on_with_its_history(api: httpx.Client, new_id: str) -> None:
    """Decision 18"""
    create(api, new_id, speed=values((80, EVENING)))
    assert api.delete(f"entities/{new_id}").status_code == 204
    late = api.post("temporal/entities", json=evolution(new_id, speed=values((1, "2020-09-01T12:00:00Z"))))
    assert late.status_code == 204  # known, and older than the deletion: it stays deleted
    assert api.get(f"entities/{new_id}").status_code == 404
    assert (
        api.post("entities", json=evolution(new_id, speed={"type": "Property", "value": 3})).status_code
        == 201
    )
    told = shown(api, new_id)
    assert [value for value, _ in told] == [1, 80, "urn:ngsi-ld:null", 3]
    future = {"speed": values((9, "2099-01-01T00:00:00Z"))}
    assert api.delete(f"entities/{new_id}").status_code == 204
    assert api.post(f"temporal/entities/{new_id}/attrs", json=future).status_code == 204
    assert current(api, new_id) == 9
    assert api.get(f"entities/{new_id}").json()["type"] == "Vehicle"


@pytest.mark.parametrize(
    ("attribute", "null"),
    [
        ({"type": "Property", "value": 5}, {"value": "urn:ngsi-ld:null"}),
        ({"type": "Relationship", "object": "urn:x:1"}, {"object": "urn:ngsi-ld:null"}),
        (
            {"type": "LanguageProperty", "languageMap": {"en": "x"}},
            {"languageMap": {"@none": "urn:ngsi-ld:null"}},
        ),
        ({"type": "JsonProperty", "json": {"a": 1}}, {"json": "urn:ngsi-ld:null"}),
    ],
)
def test_a_deleted_attribute_leaves_its_end(
    api: httpx.Client, new_id: str, attribute: dict[str, Any], null: dict[str, Any]
) -> None:
    """§4.5.7, §4.5.8, by each operation that deletes"""
    entity = f"entities/{new_id}"
    for end in (
        lambda: api.delete(f"{entity}/attrs/it"),
        lambda: api.patch(f"{entity}/attrs", json={"it": {"type": attribute["type"], **null}}),
        lambda: api.put(entity, json=evolution(new_id, other=1)),
        lambda: api.delete(entity),
    ):
        api.delete(f"temporal/{entity}")
        assert api.post("entities", json=evolution(new_id, it=attribute)).status_code == 201
        assert end().status_code == 204
        answer = api.get(f"temporal/{entity}", params={"timeproperty": "deletedAt"})
        (told,) = answer.json()["it"]
        assert told.pop("deletedAt") and told.pop("instanceId")
        assert told == {"type": attribute["type"], **null}
