"""The API described in OpenAPI 3.1, made from its own table of routes: no path, method or parameter can be forgotten.

What bodies look like is said as CIM 009 §5.2 says it, no stricter: schemathesis sends what fits and what does not.
"""

from __future__ import annotations

from typing import Any

from rhinecloud.api.ngsi_ld.routing import Parameters, Routes

_NAME = {"type": "string", "minLength": 1, "maxLength": 20}
_URI = {"type": "string", "format": "uri"}
_TIME = {"type": "string", "format": "date-time"}
_NAMES = {"type": "array", "items": _NAME, "minItems": 1, "maxItems": 5}
_CONTEXT = {
    "anyOf": [_URI, {"type": "object", "additionalProperties": _URI}, {"type": "array", "items": _URI}]
}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


_KINDS = "Property Relationship GeoProperty LanguageProperty VocabProperty JsonProperty ListProperty ListRelationship"
# One schema for all kinds: schemathesis takes its time with alternatives, and none at all with what refers to itself.
_ATTRIBUTE = _object(
    "type",
    type={"enum": _KINDS.split()},
    value={},
    object=_URI,
    languageMap={"type": "object", "additionalProperties": {"type": "string"}},
    vocab=_NAME,
    json={"type": "object"},
    valueList={"type": "array"},
    objectList={"type": "array", "items": _object("object", object=_URI)},
    datasetId=_URI,
    observedAt=_TIME,
    unitCode=_NAME,
)
_LOCATION = _object(
    "type value",
    type={"const": "GeoProperty"},
    value=_object(
        "type coordinates",
        type={"enum": ["Point", "LineString", "Polygon", "MultiPoint", "GeometryCollection"]},
        coordinates={"type": "array"},
    ),
)
_SELECTOR = _object("type", id=_URI, idPattern={"type": "string"}, type=_NAME)
_GEO_QUERY = _object(
    "geometry coordinates georel",
    geometry={"enum": ["Point", "LineString", "Polygon"]},
    coordinates={"type": "array"},
    georel={
        "enum": ["near;maxDistance==10", "within", "contains", "intersects", "equals", "disjoint", "overlaps"]
    },
    geoproperty=_NAME,
)
_TEMPORAL_QUERY = _object(
    "timerel timeAt",
    timerel={"enum": ["before", "after", "between"]},
    timeAt=_TIME,
    endTimeAt=_TIME,
    timeproperty=_NAME,
    lastN={"type": "integer"},
)
_ENDPOINT = _object(
    "uri",
    uri=_URI,
    accept={"enum": ["application/json", "application/ld+json", "application/geo+json"]},
    receiverInfo={"type": "array", "items": _object("key value", key=_NAME, value=_NAME)},
    timeout={"type": "integer"},
    cooldown={"type": "integer"},
)

_SCHEMAS = {
    "Attribute": _ATTRIBUTE,
    "Entity": {
        **_object(
            "id type", id=_URI, type=_NAME, scope={"type": "string"}, location=_LOCATION, a=_ref("Attribute")
        ),
        "additionalProperties": _ref("Attribute"),
    },
    "Fragment": {**_object("", location=_LOCATION), "additionalProperties": _ref("Attribute")},
    "Evolution": {
        **_object("id type", id=_URI, type=_NAME),
        "additionalProperties": {"type": "array", "items": _ref("Attribute")},
    },
    "Entities": {"type": "array", "items": _ref("Entity"), "minItems": 1, "maxItems": 5},
    "Identifiers": {"type": "array", "items": _URI, "minItems": 1, "maxItems": 5},
    "Query": _object(
        "type entities",
        type={"const": "Query"},
        entities={"type": "array", "items": _SELECTOR, "minItems": 1},
        attrs=_NAMES,
        q={"type": "string"},
        geoQ=_GEO_QUERY,
        temporalQ=_TEMPORAL_QUERY,
        scopeQ={"type": "string"},
        lang={"type": "string"},
        pick=_NAMES,
        omit=_NAMES,
    ),
    "Subscription": _object(
        "type notification",
        id=_URI,
        type={"const": "Subscription"},
        entities={"type": "array", "items": _SELECTOR, "minItems": 1},
        watchedAttributes=_NAMES,
        q={"type": "string"},
        geoQ=_GEO_QUERY,
        throttling={"type": "integer"},
        expiresAt=_TIME,
        isActive={"type": "boolean"},
        notification=_object(
            "endpoint",
            endpoint=_ENDPOINT,
            attributes=_NAMES,
            format={"enum": ["normalized", "concise", "keyValues", "simplified"]},
        ),
    ),
    "Context": {"type": "object", "properties": {"@context": _CONTEXT}, "required": ["@context"]},
}


def describe(routes: Routes) -> dict[str, Any]:
    """An OpenAPI document of everything in the table. Paths begin below /ngsi-ld/v1."""
    paths: dict[str, Any] = {}
    for path, methods in routes.table.items():
        parts = [f"{{p{n}}}" if part.startswith("{") else part for n, part in enumerate(path.split("/"))]
        named = [
            {
                "name": part[1:-1],
                "in": "path",
                "required": True,
                "schema": _NAME if kind == "{name}" else _URI,
            }
            for part, kind in zip(parts, path.split("/"), strict=True)
            if part != kind
        ]
        paths["/" + "/".join(parts)] = {
            method.lower(): _operation(path, method, route.parameters, named)
            for method, route in methods.items()
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "NGSI-LD", "version": "1.8"},
        "paths": paths,
        "components": {"schemas": _SCHEMAS},
    }


def _operation(path: str, method: str, takes: Parameters, named: list[dict[str, Any]]) -> dict[str, Any]:
    query = [{"name": name, "in": "query", "schema": _value(name, takes)} for name in sorted(takes.names)]
    described: dict[str, Any] = {
        "parameters": [*named, *query],
        "responses": {"default": {"description": "Any"}},
    }
    if method in ("POST", "PUT", "PATCH"):
        schema = _ref(_body(path))
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}, "application/ld+json": {"schema": schema}},
        }
    return described


def _value(name: str, takes: Parameters) -> dict[str, Any]:
    if name == "options":
        return {"type": "string", "enum": sorted(takes.options)}
    if name == "format":
        return {"type": "string", "enum": sorted(takes.formats)}
    if name in ("limit", "offset", "lastN", "joinLevel"):
        return {"type": "integer"}
    if name in ("timeAt", "endTimeAt", "observedAt"):
        return _TIME
    if name in ("count", "local", "details", "deleteAll", "reload", "splitEntities"):
        return {"type": "boolean"}
    return {"type": "string"}


def _body(path: str) -> str:
    if path.endswith("/query"):
        return "Query"
    if path.endswith("/delete"):
        return "Identifiers"
    for beginning, name in (
        ("entityOperations", "Entities"),
        ("subscriptions", "Subscription"),
        ("jsonldContexts", "Context"),
    ):
        if path.startswith(beginning):
            return name
    if "attrs/" in path:
        return "Attribute"
    if path.startswith("temporal"):
        return "Evolution"
    return "Entity" if path == "entities" else "Fragment"
