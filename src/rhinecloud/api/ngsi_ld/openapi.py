"""The NGSI-LD API described in OpenAPI 3.1, made from its own table of routes: no path, method or parameter can be
forgotten.

What bodies look like is said as CIM 009 §5.2 says it, no stricter.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

from .operation_texts import OPERATIONS, PARAMETERS
from .routing import Parameters, Route, Routes

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
# One schema for all kinds: readers and generators take their time with alternatives.
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
    "Evolutions": {"type": "array", "items": _ref("Evolution")},
    "Subscriptions": {"type": "array", "items": _ref("Subscription")},
    "Document": {"type": ["object", "array"]},
    "Problem": _object(
        "type title",
        type={"type": "string"},
        title={"type": "string"},
        status={"type": "integer"},
        detail={"type": "string"},
        field={"type": "string"},
    ),
    "Context": {"type": "object", "properties": {"@context": _CONTEXT}, "required": ["@context"]},
}


def describe(routes: Routes) -> dict[str, Any]:
    """An OpenAPI document of everything in the table. Paths begin below /ngsi-ld/v1."""
    paths: dict[str, Any] = {}
    for path, methods in routes.table.items():
        parts = path.split("/")
        names = _names(parts)
        shown = [f"{{{name}}}" if name else part for part, name in zip(parts, names, strict=True)]
        named = [
            {"name": name, "in": "path", "required": True, "schema": _NAME if part == "{name}" else _URI}
            for part, name in zip(parts, names, strict=True)
            if name
        ]
        paths["/" + "/".join(shown)] = {
            method.lower(): _operation(path, method, route, named) for method, route in methods.items()
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rhine Cloud: NGSI-LD",
            "version": importlib.metadata.version("rhinecloud"),
            "license": {"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
            "description": "The context broker of the city: ETSI GS CIM 009.",
        },
        "servers": [{"url": "/ngsi-ld/v1"}],
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An API token (rc_…)"}
            },
        },
    }


def _names(parts: list[str]) -> list[str]:
    """What the identifiers of a path are called, "" for its fixed parts."""
    found: list[str] = []
    for number, part in enumerate(parts):
        before = parts[number - 1] if number else ""
        if not part.startswith("{"):
            found.append("")
        elif part == "{uri}":
            found.append("instanceId" if before == "{name}" else "id")
        else:
            found.append({"attrs": "attribute", "types": "type", "attributes": "attribute"}.get(before, "id"))
    return found


def _operation(path: str, method: str, route: Route, named: list[dict[str, Any]]) -> dict[str, Any]:
    words = OPERATIONS[path, method]
    takes = route.parameters
    query = [
        {"name": name, "in": "query", "description": PARAMETERS[name], "schema": _value(name, takes)}
        for name in sorted(takes.names)
    ]
    success: dict[str, Any] = {"description": words.english}
    if words.answer:
        success["content"] = {"application/json": {"schema": _ref(words.answer)}}
    problem = {"application/json": {"schema": _ref("Problem")}}
    described: dict[str, Any] = {
        "operationId": f"{method.lower()}_{path.translate(_PLAIN)}",
        "summary": words.english,
        "x-summary-de": words.german,
        "x-permission": route.permission.name,
        "description": f"CIM 009 §{words.clause}",
        "tags": [path.partition("/")[0]],
        "parameters": [*named, *query],
        "responses": {
            str(words.status): success,
            "default": {"description": "What is wrong, as problem details", "content": problem},
        },
        "security": [{}, {"token": []}] if route.permission.name == "public" else [{"token": []}],
    }
    if method in ("POST", "PUT", "PATCH"):
        schema = _ref(_body(path))
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}, "application/ld+json": {"schema": schema}},
        }
    return described


_PLAIN = str.maketrans({"/": "_", "{": None, "}": None})


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
