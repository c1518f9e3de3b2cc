"""What consumers ask for and what they see, through real HTTP (CIM 009 §5.7.1, §5.7.2, §6.4.3.2, §6.5.3.1, §6.23)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .test_operations import problem

POINT = {"type": "Point", "coordinates": [6.76, 51.43]}
VILLA, TOWER, STREET, CITY = (f"urn:x:{name}" for name in ("villa", "tower", "street", "city"))
# Every kind of attribute, a sub-attribute, several instances, several types, scopes.
KINDS: dict[str, Any] = {
    "name": [
        {
            "type": "Property",
            "value": "Villa",
            "unitCode": "X",
            "source": {"type": "Property", "value": "map"},
        },
        {"type": "Property", "value": "Haus", "datasetId": "urn:d:de"},
    ],
    "location": {"type": "GeoProperty", "value": POINT},
    "at": {"type": "Relationship", "object": STREET},
    "owners": {"type": "Relationship", "object": ["urn:x:ann", "urn:x:bob"]},
    "sign": {"type": "LanguageProperty", "languageMap": {"de": "Eingang", "en": ["entrance", "way in"]}},
    "use": {"type": "VocabProperty", "vocab": ["flats", "shop"]},
    "plan": {"type": "JsonProperty", "json": {"id": "no URI", "type": None}},
    "floors": {"type": "ListProperty", "valueList": [2, 1]},
    "tour": {"type": "ListRelationship", "objectList": [{"object": STREET}, {"object": CITY}]},
}
CONCISE: dict[str, Any] = {
    "name": [
        {"value": "Villa", "unitCode": "X", "source": "map"},
        {"value": "Haus", "datasetId": "urn:d:de"},
    ],
    "location": POINT,
    "at": {"object": STREET},
    "owners": {"object": ["urn:x:ann", "urn:x:bob"]},
    "sign": {"languageMap": KINDS["sign"]["languageMap"]},
    "use": {"vocab": ["flats", "shop"]},
    "plan": {"json": {"id": "no URI", "type": None}},
    "floors": {"valueList": [2, 1]},
    "tour": {"objectList": [STREET, CITY]},
}
SIMPLIFIED: dict[str, Any] = {
    "name": {"dataset": {"@none": "Villa", "urn:d:de": "Haus"}},
    "location": POINT,
    "at": STREET,
    "owners": ["urn:x:ann", "urn:x:bob"],
    "sign": {"languageMap": KINDS["sign"]["languageMap"]},
    "use": {"vocab": ["flats", "shop"]},
    "plan": {"json": {"id": "no URI", "type": None}},
    "floors": [2, 1],
    "tour": [STREET, CITY],
}
HEAD = {"id": VILLA, "type": ["Building", "Home"], "scope": ["/Duisburg/Ruhrort", "/Listed"]}


def build(kind: str, entity_id: str, **members: Any) -> dict[str, Any]:
    return {"id": entity_id, "type": kind, **members}


@pytest.fixture(scope="module")
def graph(api: httpx.Client) -> Iterator[httpx.Client]:
    entities = [
        {**HEAD, **KINDS},
        build("Building", TOWER, name="Tower", height=90, at={"object": STREET}, scope="/Duisburg/Mitte"),
        build("Street", STREET, name="Kai", within={"object": CITY}),
        build("City", CITY, name="Duisburg", biggest={"object": TOWER}),
    ]
    for entity in entities:
        assert api.post("entities", json=entity).status_code == 201
    yield api
    for entity in entities:
        api.delete(f"entities/{entity['id']}")


def seen(api: httpx.Client, path: str = "entities", **parameters: Any) -> Any:
    answer = api.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(api: httpx.Client, **parameters: Any) -> list[str]:
    return [entity["id"].removeprefix("urn:x:") for entity in seen(api, **{"local": "true", **parameters})]


def test_every_kind_of_attribute_in_every_form(graph: httpx.Client) -> None:
    for form, expected in (
        ("normalized", KINDS),
        ("concise", CONCISE),
        ("simplified", SIMPLIFIED),
        ("keyValues", SIMPLIFIED),
    ):
        assert seen(graph, f"entities/{VILLA}", format=form) == {**HEAD, **expected}
        assert seen(graph, f"entities/{VILLA}", options=form) == {**HEAD, **expected}
        assert seen(graph, type="Home", format=form) == [{**HEAD, **expected}]
        rest = {key: value for key, value in HEAD.items() if key != "id"}
        feature = graph.get(
            f"entities/{VILLA}", params={"format": form}, headers={"Accept": "application/geo+json"}
        ).json()
        assert feature["properties"] == {**rest, **expected} and feature["geometry"] == POINT
    whole = seen(graph, f"entities/{VILLA}", options="sysAttrs")
    assert {"createdAt", "modifiedAt"} <= whole.keys() & whole["name"][0].keys()


def test_geojson(graph: httpx.Client) -> None:
    geo = {"Accept": "application/geo+json"}
    answer = graph.get("entities", params={"type": "Building"}, headers=geo)
    assert answer.headers["content-type"].startswith("application/geo+json")
    collection = answer.json()
    assert collection["type"] == "FeatureCollection" and "@context" in collection
    assert [one["geometry"] for one in collection["features"]] == [None, POINT]
    answer = graph.get("entities", params={"type": "Home"}, headers={**geo, "Prefer": "body=json"})
    assert "@context" not in answer.json() and "rel=" in answer.headers["link"]
    other = graph.get(f"entities/{VILLA}", params={"geometryProperty": "entrance"}, headers=geo)
    assert other.json()["geometry"] is None
    problem(graph.get(f"entities/{VILLA}", params={"geometryProperty": "x"}), 400, "BadRequestData")
    flat = graph.get(f"entities/{TOWER}", params={"join": "flat"}, headers=geo).json()
    assert [one["id"] for one in flat["features"]] == [TOWER, STREET]


def test_languages(graph: httpx.Client) -> None:
    for lang, value, tag in (
        ("de", "Eingang", "de"),
        ("en,de;q=0.5", ["entrance", "way in"], "en"),
        ("*", "Eingang", "de"),
    ):
        sign = seen(graph, f"entities/{VILLA}", lang=lang)["sign"]
        assert (sign["type"], sign["value"], sign["lang"]) == ("Property", value, tag)
        assert seen(graph, f"entities/{VILLA}", lang=lang, format="simplified")["sign"] == value
    problem(graph.get(f"entities/{VILLA}", params={"lang": "d_e"}), 400, "BadRequestData", "lang")


def test_instances_by_dataset(graph: httpx.Client) -> None:
    name = KINDS["name"]
    assert seen(graph, f"entities/{VILLA}", datasetId="@none")["name"] == name[0]
    assert seen(graph, f"entities/{VILLA}", datasetId="urn:d:de") == {**HEAD, "name": name[1]}
    assert seen(graph, f"entities/{VILLA}", datasetId="@none,urn:d:de")["name"] == name
    assert seen(graph, f"entities/{VILLA}", datasetId="urn:d:fr") == HEAD
    problem(graph.get(f"entities/{VILLA}", params={"datasetId": "de"}), 400, "BadRequestData", "datasetId")


def test_members_are_picked_and_omitted(graph: httpx.Client) -> None:
    tower = f"entities/{TOWER}"
    assert seen(graph, tower, pick="id,height", format="simplified") == {"id": TOWER, "height": 90}
    assert seen(graph, tower, omit="at,scope,type,name", format="simplified") == {"id": TOWER, "height": 90}
    assert seen(graph, tower, attrs="height,unknown", format="simplified").keys() == {
        "id",
        "type",
        "scope",
        "height",
    }
    # What shows nothing is not there; what has no attribute that is asked for neither.
    assert seen(graph, type="Building,Street", pick="height", format="simplified") == [{"height": 90}]
    assert len(seen(graph, type="Building,Street", pick="id,height")) == 3
    assert ids(graph, attrs="height,within") == ["street", "tower"]
    assert len(seen(graph, pick="height")) == 1
    for parameters in ({"pick": "unknown"}, {"attrs": "unknown"}, {"omit": "id,type,scope,name,height,at"}):
        problem(graph.get(tower, params=parameters), 404, "ResourceNotFound")
    for parameters in (
        {"pick": "name", "omit": "name"},
        {"attrs": "name", "pick": "height"},
        {"attrs": "name", "omit": "height"},
        {"attrs": "id"},
        {"pick": "at{name}"},
        {"join": "flat", "pick": "at{within{name}}"},
        {"join": "deep"},
        {"join": "flat", "joinLevel": "0"},
        {"join": "flat", "containedBy": "nobody"},
    ):
        problem(graph.get(tower, params=parameters), 400, "BadRequestData")
        problem(graph.get("entities", params={"type": "Building", **parameters}), 400, "BadRequestData")
    assert seen(graph, tower, type="Building")["id"] == TOWER
    problem(graph.get(tower, params={"type": "Street"}), 404, "ResourceNotFound")


def test_linked_entities(graph: httpx.Client) -> None:
    street = {"id": STREET, "type": "Street", "name": "Kai", "within": CITY}
    tower = seen(graph, f"entities/{TOWER}", join="inline", format="simplified")
    assert tower["at"] == street
    tower = seen(graph, f"entities/{TOWER}", join="inline", joinLevel=3, pick="at{within{biggest,id}}")
    assert tower["at"]["entity"]["within"]["entity"] == {
        "id": CITY,
        "biggest": {"type": "Relationship", "object": TOWER},  # not again within itself
    }
    flat = seen(graph, f"entities/{TOWER}", join="flat", joinLevel=3)
    assert [one["id"] for one in flat] == [TOWER, STREET, CITY]
    flat = seen(graph, type="Building", join="flat", joinLevel=2, containedBy=CITY)
    assert [one["id"] for one in flat] == [TOWER, VILLA, STREET]
    assert seen(graph, f"entities/{TOWER}", join="@none")["id"] == TOWER
    assert [one["id"] for one in seen(graph, f"entities/{CITY}", join="flat", omit="biggest")] == [CITY]


def test_orders_and_scopes(graph: httpx.Client) -> None:
    everything = {"type": "Building,Street,City"}
    assert ids(graph, **everything, orderBy="name") == ["city", "street", "tower", "villa"]
    assert ids(graph, **everything, orderBy="name;desc") == ["villa", "tower", "street", "city"]
    assert ids(graph, **everything, orderBy="type,name;desc", limit=2, offset=1) == ["tower", "city"]
    assert ids(graph, **everything, orderBy="height,id;desc") == ["tower", "villa", "street", "city"]
    assert ids(graph, **everything, orderBy="location;dist-asc", orderFrom="[6.7,51.4]")[0] == "villa"
    for parameters in (
        {"orderBy": "name;up"},
        {"orderBy": "location;dist-asc"},
        {"orderBy": "location;dist-asc", "orderFrom": "[6.7]"},
        {"orderBy": "name", "collation": "?"},
        {"csf": "name=="},
    ):
        problem(graph.get("entities", params={**everything, **parameters}), 400, "BadRequestData")
    for scope, found in (
        ("/Duisburg/#", ["tower", "villa"]),
        ("/Duisburg/+;/Listed", ["villa"]),
        ("(/Duisburg/Ruhrort;/Listed)|/Duisburg/Mitte", ["tower", "villa"]),
        ("/Listed/+", []),
    ):
        assert ids(graph, **everything, scopeQ=scope) == found, scope
    problem(graph.get("entities", params={**everything, "scopeQ": "//"}), 400, "BadRequestData", "scopeQ")


def test_queries_that_follow_relationships(graph: httpx.Client) -> None:
    for q, level, found in (
        ('at{name}=="Kai"', 1, ["tower", "villa"]),
        ('at{Street:name}=="Kai";height', 1, ["tower"]),
        ('at{City:name}=="Kai"', 1, []),
        ('at{within{name}}=="Duisburg"', 2, ["tower", "villa"]),
        ('tour{name}=="Duisburg"', 1, ["villa"]),
    ):
        for form in ("inline", "flat"):
            answer = seen(
                graph, type="Building", q=q, join=form, joinLevel=level, pick="id", format="simplified"
            )
            assert [one["id"].removeprefix("urn:x:") for one in answer] == found, q
    for parameters in ({}, {"join": "flat"}, {"join": "@none", "joinLevel": "9"}):
        q = {"type": "Building", "q": 'at{within{name}}=="Duisburg"'}
        problem(graph.get("entities", params={**q, **parameters}), 400, "BadRequestData", "q")


def test_values_of_queries_are_expanded_where_asked(graph: httpx.Client) -> None:
    assert ids(graph, q="use==flats", expandValues="use") == ["villa"]
    assert ids(graph, q='use=="flats"', expandValues="name,use") == ["villa"]
    assert ids(graph, q='use=="flats"') == []
    assert ids(graph, q='plan[id]=="no URI"', jsonKeys="plan") == ["villa"]
    both = {"q": "use==flats", "expandValues": "use", "jsonKeys": "use"}
    problem(graph.get("entities", params=both), 400, "BadRequestData", "jsonKeys")


def test_what_is_too_wide_is_refused(graph: httpx.Client) -> None:
    for parameters in (
        {},
        {"id": TOWER},
        {"pick": "id,type"},
        {"q": "createdAt>2020-01-01T00:00:00Z"},
        {"scopeQ": "/#"},
    ):
        problem(graph.get("entities", params=parameters), 400, "BadRequestData")
    assert len(seen(graph, local="true", id=TOWER)) == 1
    assert len(seen(graph, type="*", scopeQ="/#")) == 2
    problem(graph.get("entities", params={"type": "*", "local": "false"}), 400, "BadRequestData", "local")
    problem(graph.get("entities", params={"type": "A", "geometry": "Point"}), 400, "BadRequestData", "georel")


def asked(api: httpx.Client, query: Any, **parameters: Any) -> httpx.Response:
    body = {"type": "Query", **query} if isinstance(query, dict) else query
    return api.post("entityOperations/query", json=body, params=parameters)


def test_a_query_in_a_body(graph: httpx.Client) -> None:
    near = {"georel": "near;maxDistance==100", "geometry": "Point", "coordinates": [6.76, 51.43]}
    for query, found in (
        ({"entities": [{"type": "Street"}, {"type": "Building", "id": TOWER}]}, ["street", "tower"]),
        ({"entities": [{"type": "*", "idPattern": "y$"}]}, ["city"]),
        ({"attrs": ["height", "within"]}, ["street", "tower"]),
        ({"q": "height>80", "scopeQ": "/Duisburg/#"}, ["tower"]),
        ({"geoQ": near}, ["villa"]),
        ({"entities": [{"type": "Building"}], "ordering": {"orderBy": ["name;desc"]}}, ["villa", "tower"]),
        (
            {
                "entities": [{"type": "Building"}],
                "ordering": {
                    "orderBy": ["location;dist-asc", "id"],
                    "coordinates": [6, 51],
                    "geometry": "Point",
                },
            },
            ["villa", "tower"],
        ),
        ({"entities": [{"type": "City"}], "join": "flat", "joinLevel": 2}, ["city", "tower", "street"]),
        ({"q": "use==shop", "expandValues": "use", "lang": "de", "datasetId": ["@none"]}, ["villa"]),
    ):
        answer = asked(graph, query)
        assert answer.status_code == 200, answer.text
        assert [one["id"].removeprefix("urn:x:") for one in answer.json()] == found, query
    answer = asked(graph, {"pick": ["id", "height"], "entities": [{"type": "Building"}]}, format="simplified")
    assert answer.json() == [{"id": TOWER, "height": 90}, {"id": VILLA}]
    answer = asked(graph, {"entities": [{"type": "Building"}]}, limit=1, count="true")
    assert len(answer.json()) == 1 and answer.headers["ngsild-results-count"] == "2"
    assert "/entityOperations/query?" in answer.headers["link"] and "offset=1" in answer.headers["link"]
    ld = graph.post(
        "entityOperations/query",
        json={"@context": {"Haus": "https://uri.etsi.org/ngsi-ld/default-context/Building"}, "type": "Query",
              "entities": [{"type": "Haus"}]},
        headers={"Content-Type": "application/ld+json", "Accept": "application/ld+json"},
    )  # fmt: skip
    assert [one["type"] for one in ld.json()] == ["Haus", ["Haus", "Home"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ([], None),
        ({"type": "Question"}, "/type"),
        ({}, None),
        ({"entities": []}, "/entities"),
        ({"entities": [{"id": TOWER}]}, "/entities/0/type"),
        ({"q": 1}, "/q"),
        ({"q": "a=="}, "q"),
        ({"attrs": []}, "/attrs"),
        ({"attrs": "a,b"}, "/attrs"),
        ({"pick": ["a", ""]}, "/pick"),
        ({"pick": ["a"], "omit": ["a"]}, "omit"),
        ({"geoQ": {"georel": "within"}}, "geometry"),
        ({"geoQ": {"georel": "within", "shape": 1}}, "/geoQ/shape"),
        ({"geoQ": []}, "/geoQ"),
        ({"ordering": {"orderBy": "a"}, "joinLevel": "2"}, "/joinLevel"),
        ({"splitEntities": "yes"}, "/splitEntities"),
        ({"temperature": 1}, "/temperature"),
    ],
)
def test_what_is_wrong_in_a_body_is_named(graph: httpx.Client, query: Any, field: str | None) -> None:
    problem(asked(graph, query), 400, "BadRequestData", field)


# ---- discovery


def test_types_and_attributes_are_discovered(graph: httpx.Client) -> None:
    default = "https://uri.etsi.org/ngsi-ld/default-context/"
    assert {"Building", "City", "Home", "Street"} <= set(seen(graph, "types")["typeList"])
    assert {"name", "height", "location"} <= set(seen(graph, "attributes")["attributeList"])
    listed = seen(graph, "attributes")
    assert listed["type"] == "AttributeList" and listed["id"].startswith("urn:ngsi-ld:AttributeList:")
    building = seen(graph, "types/Building")
    details = {one["attributeName"]: one for one in building.pop("attributeDetails")}
    assert building == {
        "id": default + "Building", "type": "EntityTypeInfo", "typeName": "Building", "entityCount": 2
    }  # fmt: skip
    assert details["at"] == {
        "id": default + "at", "type": "Attribute", "attributeName": "at", "attributeTypes": ["Relationship"]
    }  # fmt: skip
    assert details["tour"]["attributeTypes"] == ["ListRelationship"]
    assert seen(graph, f"attributes/{default.replace('/', '%2F')}at") == seen(graph, "attributes/at")
    name = seen(graph, "attributes/name")
    assert name["attributeTypes"] == ["Property"] and name["attributeCount"] >= 5
    assert {"Building", "City", "Home", "Street"} <= set(name["typeNames"])
    at = next(one for one in seen(graph, "attributes", details="true") if one["attributeName"] == "at")
    assert at == {
        "id": default + "at", "type": "Attribute", "attributeName": "at", "typeNames": ["Building", "Home"]
    }  # fmt: skip
    detailed = {one["typeName"]: one for one in seen(graph, "types", details="true")}
    assert detailed["Street"]["attributeNames"] == ["name", "within"]
    ld = graph.get("types/City", headers={"Accept": "application/ld+json"}).json()
    assert ld["@context"] and ld["entityCount"] == 1
    for path in ("types/Nowhere", "attributes/nothing"):
        problem(graph.get(path), 404, "ResourceNotFound")
    for path in ("types/%3Cx", "attributes/@id"):
        problem(graph.get(path), 400, "BadRequestData")
