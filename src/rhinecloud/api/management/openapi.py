"""The OpenAPI document (3.1), made from the routes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import msgspec

from .exchange import JSON, PROBLEM, ROOT
from .route import BY_DEVICE, Route, parameters_of

_TITLES = {
    400: "What was sent cannot be used; `field` says where",
    401: "No token or secret, or a wrong one",
    403: "Not allowed",
    404: "There is no such thing",
    409: "It stands against what is there",
    413: "Too large",
    415: "Not in a media type that is understood here",
    422: "Understood, but it cannot be used",
    429: "Too often; Retry-After says when again",
    503: "Not now; Retry-After says when again",
}


class Problem(msgspec.Struct, frozen=True):
    """Problem details (RFC 7807). `field` is a JSON pointer into the body or the name of a parameter; `problems` lists
    them where there are several."""

    type: str
    title: str
    status: int
    detail: str
    field: str | msgspec.UnsetType = msgspec.UNSET
    problems: list[dict[str, str]] | msgspec.UnsetType = msgspec.UNSET


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The document of these routes."""
    types = [kind for route in routes for kind in (route.body, route.answer) if kind not in (None, bytes)]
    schemas, components = msgspec.json.schema_components(
        [*types, Problem], ref_template="#/components/schemas/{name}"
    )
    by_type = {str(kind): schema for kind, schema in zip([*types, Problem], schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(ROOT + route.path, {})[route.method.lower()] = _operation(route, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rhine Cloud: management",
            "version": importlib.metadata.version("rhinecloud"),
            "license": {"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
            "description": "Devices, their profiles, and the messages that could not be mapped.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token (rc_…); whoever signed in with a browser needs none",
                },
                "device": {"type": "http", "scheme": "bearer", "description": "The secret of a device"},
            },
        },
    }


def _operation(route: Route, by_type: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {str(route.status): {"description": route.summary}}
    if route.answer is not None:
        responses[str(route.status)]["content"] = {JSON: {"schema": by_type[str(route.answer)]}}
    for status in sorted({*route.errors, 401, 403, 503}):
        responses[str(status)] = {
            "description": _TITLES[status],
            "content": {PROBLEM: {"schema": by_type[str(Problem)]}},
        }
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.path.split("/")[1].removesuffix(".json")],
        "x-permission": route.permission.name,
        "responses": responses,
    }
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in parameters_of(route.path)
    ]
    parameters += [
        {"name": one.name, "in": "query", "description": one.text, "schema": {"type": one.kind}}
        for one in route.query
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {
                media_type: {"schema": by_type[str(route.body)] if media_type == JSON else {"type": "string"}}
                for media_type in route.body_media_types
            },
        }
    if route.permission is BY_DEVICE:
        operation["security"] = [{"device": []}]
    return operation
