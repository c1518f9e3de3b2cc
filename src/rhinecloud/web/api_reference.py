"""The description of the APIs as pages of our own: made from the OpenAPI documents that are served, offline."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from rhinecloud.api.management.api import ROUTES as MANAGEMENT
from rhinecloud.api.management.openapi import document
from rhinecloud.api.ngsi_ld.api import ROUTES as NGSI_LD
from rhinecloud.api.ngsi_ld.openapi import describe

from .shell import Shell
from .sight import PermittedRoute

PATH = "/api-reference"
_EXAMPLES = {
    "id": "urn:ngsi-ld:Streetlight:1",
    "type": "Streetlight",
    "attribute": "powerState",
    "instanceId": "urn:ngsi-ld:instance:1",
}


class Parameter(msgspec.Struct, frozen=True):
    """A parameter: `place` is path or query, `kind` what its values are."""

    name: str
    place: str
    kind: str
    text: str
    required: bool


class Described(msgspec.Struct, frozen=True):
    """An operation. `public`: nobody needs to say who they are. `body` names what is sent, `answer` what comes."""

    id: str
    method: str
    path: str
    summary: tuple[str, str]
    note: str
    permission: str
    public: bool
    parameters: tuple[Parameter, ...]
    body: str
    media_types: tuple[str, ...]
    answers: tuple[tuple[str, str, str], ...]
    curl: str


def operations(described: dict[str, Any], root: str) -> dict[str, list[Described]]:
    """The operations of an OpenAPI document by their first tag, in its order. `root`: the address of the site."""
    found: dict[str, list[Described]] = {}
    base = root + described["servers"][0]["url"].rstrip("/")
    for path, methods in described["paths"].items():
        for method, one in methods.items():
            found.setdefault(one["tags"][0], []).append(_described(path, method.upper(), one, base))
    return found


def _described(path: str, method: str, one: dict[str, Any], base: str) -> Described:
    parameters = tuple(
        Parameter(
            each["name"],
            each["in"],
            _kind(each["schema"]),
            each.get("description", ""),
            each.get("required", False),
        )
        for each in one.get("parameters", ())
    )
    content = one.get("requestBody", {}).get("content", {})
    answers = tuple(
        (status, told["description"], ", ".join(_kind(c["schema"]) for c in told.get("content", {}).values()))
        for status, told in one["responses"].items()
    )
    permission = one["x-permission"]
    return Described(
        id=one["operationId"],
        method=method,
        path=path,
        summary=(one.get("x-summary-de", one["summary"]), one["summary"]),
        note=one.get("description", ""),
        permission=permission,
        public=permission == "public",
        parameters=parameters,
        body=next((_kind(told["schema"]) for told in content.values()), ""),
        media_types=tuple(content),
        answers=answers,
        curl=_curl(path, method, parameters, tuple(content), base, permission),
    )


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a word or a few."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(map(_kind, schema["anyOf"]))
    kind = schema.get("type", "any")
    if kind == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    return str(schema.get("format", kind)) if isinstance(kind, str) else " | ".join(kind)


def _curl(
    path: str,
    method: str,
    parameters: tuple[Parameter, ...],
    media_types: tuple[str, ...],
    base: str,
    permission: str,
) -> str:
    for each in parameters:
        if each.place == "path":
            path = path.replace(f"{{{each.name}}}", quote(_EXAMPLES.get(each.name, each.name), safe=":"))
    if method == "GET" and path == "/entities":
        path += "?type=Streetlight&limit=10"
    words = ["curl", "-s"] + (["-X", method] if method != "GET" else [])
    if permission != "public":
        words += ["-H", "Authorization: Bearer rc_…"]
    if media_types:
        words += ["-H", f"Content-Type: {media_types[0]}", "--data", "@document.json"]
    return " ".join(shlex.quote(word) if not word.startswith("-") else word for word in (*words, base + path))


def routes(shell: Shell) -> list[BaseRoute]:
    """`/api-reference` (NGSI-LD) and `/api-reference/management`."""

    def show(request: Request, described: dict[str, Any], which: str, file: str) -> Response:
        found = operations(described, shell.public_url(request))
        return shell.renderer.page(
            request,
            "api_reference.html",
            which=which,
            file=file,
            groups=found,
            schemas=[
                (name, msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())
                for name, schema in sorted(described["components"]["schemas"].items())
            ],
        )

    async def ngsi_ld(request: Request) -> Response:
        return show(request, describe(NGSI_LD), "ngsi-ld", "/api/v1/ngsi-ld-openapi.json")

    async def management(request: Request) -> Response:
        return show(request, document(MANAGEMENT), "management", "/api/v1/openapi.json")

    return [
        PermittedRoute(PATH, ngsi_ld, "public"),
        PermittedRoute(f"{PATH}/management", management, "api.see"),
    ]
