"""Temporal consumption over HTTP: CIM 009 §5.7.3, §5.7.4 with §6.18, §6.19, §6.24, §6.3.10, §6.3.12."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from .test_operations import problem

TIMES = [f"2020-09-01T12:{minute:02d}:00Z" for minute in range(60)]
ALL = {"timerel": "after", "timeAt": TIMES[0]}


def numbers(*values: float, first: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [
        {"type": "Property", "value": value, "observedAt": TIMES[first + index], **more}
        for index, value in enumerate(values)
    ]


def create(api: httpx.Client, entity_id: str, type_: str = "Vehicle", **attributes: Any) -> str:
    document = {"id": entity_id, "type": type_, **attributes}
    assert api.post("temporal/entities", json=document).status_code == 201
    return entity_id


def test_a_temporal_evolution_in_its_forms(api: httpx.Client, new_id: str) -> None:
    create(
        api,
        new_id,
        speed=numbers(10, 20.5),
        name=[{"type": "Property", "value": "one", "observedAt": TIMES[3]}],
    )
    whole = api.get(f"temporal/entities/{new_id}")
    assert whole.status_code == 200
    assert "content-range" not in whole.headers
    body = whole.json()
    identities = [one.pop("instanceId") for one in body["speed"]]
    assert len(set(identities)) == 2
    assert all(re.fullmatch(r"urn:ngsi-ld:instance:\d+-\d+", one) for one in identities)
    assert body["speed"] == numbers(10, 20.5)
    assert (body["id"], body["type"]) == (new_id, "Vehicle")

    simple = {"type": "Property", "values": [[10, TIMES[0]], [20.5, TIMES[1]]]}
    for query in (
        "options=temporalValues",
        "format=temporalValues",
        "format=temporalValues&options=aggregatedValues",
    ):
        assert api.get(f"temporal/entities/{new_id}?{query}").json()["speed"] == simple
    concise = api.get(f"temporal/entities/{new_id}?options=concise").json()["speed"][0]
    assert concise.keys() == {"value", "observedAt", "instanceId"}
    full = api.get(f"temporal/entities/{new_id}?options=sysAttrs").json()
    assert full.keys() >= {"createdAt", "modifiedAt"}
    assert full["speed"][0].keys() >= {"createdAt", "modifiedAt"}

    linked = api.get(f"temporal/entities/{new_id}", headers={"accept": "application/ld+json"})
    assert linked.headers["content-type"] == "application/ld+json"
    assert "@context" in linked.json()


def test_times_last_n_attributes_and_datasets(api: httpx.Client, new_id: str) -> None:
    create(
        api,
        new_id,
        speed=[*numbers(0, 1, 2, 3, 4), *numbers(7, first=2, datasetId="urn:x:gps")],
        level=numbers(9, first=1),
    )

    def speeds(**query: Any) -> list[float]:
        answer = api.get(f"temporal/entities/{new_id}", params=query)
        assert answer.status_code == 200, answer.text
        return [one["value"] for one in answer.json().get("speed", [])]

    assert speeds(timerel="before", timeAt=TIMES[2], datasetId="@none") == [0, 1]
    assert speeds(timerel="after", timeAt=TIMES[3]) == [3, 4]
    assert speeds(timerel="between", timeAt=TIMES[1], endTimeAt=TIMES[3], datasetId="@none") == [1, 2]
    assert speeds(lastN=2) == [3, 4]
    assert speeds(lastN=2, timerel="before", timeAt=TIMES[2]) == [0, 1]
    assert speeds(datasetId="urn:x:gps") == [7]
    assert speeds(attrs="level") == []
    assert speeds(pick="speed", timerel="after", timeAt=TIMES[4]) == [4]
    assert api.get(f"temporal/entities/{new_id}?pick=level").json().keys() == {"level"}
    assert api.get(f"temporal/entities/{new_id}?omit=level,id").json().keys() == {"type", "speed"}
    apart = api.get(f"temporal/entities/{new_id}?options=temporalValues&attrs=speed").json()["speed"]
    assert [one.get("datasetId") for one in apart] == [None, "urn:x:gps"]


def test_aggregates(api: httpx.Client, new_id: str) -> None:
    create(api, new_id, speed=numbers(*range(10)))
    body = api.get(
        f"temporal/entities/{new_id}",
        params={"format": "aggregatedValues", "aggrMethods": "avg,totalCount", "aggrPeriodDuration": "PT5M"},
    ).json()
    assert body["speed"] == {
        "type": "Property",
        "avg": [[2.0, TIMES[0], TIMES[5]], [7.0, TIMES[5], TIMES[10]]],
        "totalCount": [[5, TIMES[0], TIMES[5]], [5, TIMES[5], TIMES[10]]],
    }
    whole = api.get(
        "temporal/entities",
        params={"id": new_id, "type": "Vehicle", "options": "aggregatedValues", "aggrMethods": "max", **ALL},
    ).json()
    assert whole[0]["speed"]["max"] == [[9.0, TIMES[0], TIMES[9]]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("timerel=after", "timeAt"),
        ("timerel=between&timeAt=2020-01-01T00:00:00Z", "endTimeAt"),
        ("timerel=during&timeAt=2020-01-01T00:00:00Z", "timerel"),
        ("timeAt=2020-01-01T00:00:00Z", "timerel"),
        ("timerel=after&timeAt=2020", "timeAt"),
        ("timeproperty=observed", "timeproperty"),
        ("lastN=0", "lastN"),
        ("options=aggregatedValues", "aggrMethods"),
        ("options=aggregatedValues&aggrMethods=median", "aggrMethods"),
        ("options=aggregatedValues&aggrMethods=avg&aggrPeriodDuration=1h", "aggrPeriodDuration"),
        ("options=aggregatedValues,temporalValues&aggrMethods=avg", "options"),
        ("pick=speed{name}", None),
        ("pick=speed&attrs=speed", None),
        ("pick=speed&omit=speed", "omit"),
    ],
)
def test_what_cannot_be_asked(api: httpx.Client, query: str, field: str | None) -> None:
    answer = api.get(f"temporal/entities/urn:x:nobody?{query}")
    problem(answer, 400, "BadRequestData", *([field] if field else []))


def test_what_is_not_there(api: httpx.Client, new_id: str) -> None:
    problem(api.get(f"temporal/entities/{new_id}"), 404, "ResourceNotFound")
    create(api, new_id, speed=numbers(1))
    for query in (
        "attrs=other",
        "pick=other",
        "omit=id,type,speed",
        "timerel=after&timeAt=2021-01-01T00:00:00Z",
    ):
        problem(api.get(f"temporal/entities/{new_id}?{query}"), 404, "ResourceNotFound")
    assert (
        api.get("temporal/entities", params={"type": "Vehicle", "id": new_id, **ALL, "attrs": "other"}).json()
        == []
    )


def test_queries_of_many_entities(api: httpx.Client, new_id: str) -> None:
    kind = f"Fleet{re.sub('[^0-9]', '', new_id)}"
    ids = [
        create(api, f"{new_id}{number}", kind, speed=numbers(number * 10, number * 10 + 1))
        for number in range(3)
    ]

    def found(**query: Any) -> list[str]:
        answer = api.get("temporal/entities", params={"type": kind, **ALL, **query})
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()]

    assert found() == ids
    assert found(orderBy="id;desc", local="true") == ids[::-1]
    assert found(q="speed>15") == [ids[2]]
    assert found(q="speed==10|speed==0") == ids[:2]
    assert found(id=",".join(ids[1:])) == ids[1:]
    assert found(idPattern=".*2$") == [ids[2]]
    page = api.get("temporal/entities", params={"type": kind, **ALL, "limit": 2, "count": "true"})
    assert page.headers["ngsild-results-count"] == "3"
    rest = api.get(page.links["next"]["url"].removeprefix("/ngsi-ld/v1/"))
    assert [one["id"] for one in rest.json()] == ids[2:]

    posted = api.post(
        "temporal/entityOperations/query",
        json={
            "type": "Query",
            "entities": [{"type": kind, "id": ids[0]}, {"type": kind, "idPattern": ".*2$"}],
            "attrs": ["speed"],
            "temporalQ": {"timerel": "before", "timeAt": TIMES[1], "lastN": 1},
            "aggrParams": {"aggrMethods": "max", "aggrPeriodDuration": "PT1H"},
        },
        params={"format": "aggregatedValues"},
    )
    assert posted.status_code == 200, posted.text
    assert [(one["id"], one["speed"]["max"][0][0]) for one in posted.json()] == [
        (ids[0], 0.0),
        (ids[2], 20.0),
    ]


@pytest.mark.parametrize(
    "query",
    ["", "timerel=after&timeAt=2020-01-01T00:00:00Z&id=urn:x:1", "type=Vehicle", "type=Vehicle&lastN=2"],
)
def test_a_query_needs_a_time_and_something_to_look_for(api: httpx.Client, query: str) -> None:
    problem(api.get(f"temporal/entities?{query}"), 400, "BadRequestData")


@pytest.mark.parametrize(
    "document",
    [
        {"type": "Query", "entities": [{"type": "Vehicle"}]},
        {"type": "Query", "entities": [{"type": "Vehicle"}], "temporalQ": "after"},
        {"type": "Query", "entities": [{"type": "Vehicle"}], "temporalQ": {"timerel": "after"}},
        {"type": "Query", "entities": [{"type": "Vehicle"}], "temporalQ": {**ALL, "since": "always"}},
        {"type": "Query", "entities": [{"type": "Vehicle"}], "temporalQ": {**ALL, "lastN": "1.5"}},
        {"entities": [{"type": "Vehicle"}], "temporalQ": ALL},
        [],
    ],
)
def test_documents_that_are_no_temporal_query(api: httpx.Client, document: Any) -> None:
    problem(api.post("temporal/entityOperations/query", json=document), 400, "BadRequestData")


def test_long_answers_come_in_parts(api: httpx.Client, new_id: str) -> None:
    """As many instances as a page has (1,000) are told; the rest is read on from the end of the range (§6.3.10)."""
    times = [f"2020-09-01T{n // 60 // 60:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z" for n in range(1_500)]
    speed = [{"type": "Property", "value": n, "observedAt": at} for n, at in enumerate(times)]
    late = [{"type": "Property", "value": 1, "observedAt": "2020-09-02T00:00:00Z"}]
    create(api, new_id, speed=speed, late=late)
    since = {"timerel": "after", "timeAt": "2020-08-01T00:00:00Z"}
    first = api.get(f"temporal/entities/{new_id}", params=since)
    assert first.status_code == 206
    assert first.headers["content-range"] == f"date-time 2020-08-01T00:00:00Z-{times[999]}/*"
    body = first.json()
    assert ([one["value"] for one in body["speed"]], body["late"]) == (list(range(1_000)), [])
    rest = api.get(f"temporal/entities/{new_id}", params={**since, "timeAt": times[999]})
    assert rest.status_code == 200
    assert [one["value"] for one in rest.json()["speed"]] == list(range(999, 1_500))
    back = api.get(f"temporal/entities/{new_id}", params={"lastN": 1_200, "options": "temporalValues"})
    assert back.status_code == 206
    assert back.headers["content-range"] == f"date-time 2020-09-02T00:00:00Z-{times[501]}/1200"
    assert len(back.json()["speed"]["values"]) == 999
    forth = api.get("temporal/entities", params={"type": "Vehicle", "id": new_id, **since})
    assert (forth.status_code, forth.headers["content-range"]) == (206, first.headers["content-range"])


def test_what_was_deleted_is_told(api: httpx.Client, new_id: str) -> None:
    create(
        api,
        new_id,
        speed=numbers(1),
        name=[{"type": "LanguageProperty", "languageMap": {"de": "eins"}, "observedAt": TIMES[0]}],
    )
    assert api.delete(f"entities/{new_id}/attrs/name").status_code == 204
    body = api.get(f"temporal/entities/{new_id}?timeproperty=deletedAt").json()
    (gone,) = body["name"]
    assert gone["languageMap"] == {"@none": "urn:ngsi-ld:null"}
    assert gone.keys() == {"type", "languageMap", "deletedAt", "instanceId"}
    assert "speed" not in body
    assert api.delete(f"entities/{new_id}").status_code == 204
    after = api.get(f"temporal/entities/{new_id}?timeproperty=deletedAt").json()
    assert after["type"] == "Vehicle"
    assert "deletedAt" in after["speed"][-1]
    assert [
        one["value"] for one in api.get(f"temporal/entities/{new_id}?timeproperty=observedAt").json()["speed"]
    ] == [1]
