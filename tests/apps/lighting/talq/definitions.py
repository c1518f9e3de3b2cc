"""The OpenAPI definitions of TALQ 2.7.1, as a judge of requests and responses. They are not part of this repository.

What says of itself what it is (a function, a command's state, an attribute) is held to the schema of just that: the
definitions' discriminators are followed, which a validator of JSON Schema does not do by itself.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import UUID

import jsonschema
import pytest
from jsonschema.validators import validator_for

FOLDER = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "talq"
MODEL = "talq-data-model-2-7-1-online.json"
needed = pytest.mark.skipif(
    not FOLDER.exists(),
    reason="TALQ'S DEFINITIONS ARE NOT THERE (../shared/data/talq): nothing is held to them",
)
_REFERENCE = re.compile(r'"(?:\./talq-data-model-2-7-1-online\.json)?#/components/schemas/([^"]+)"')
# Answers that no operation lists and every one may give (specification 3.5, 5.1).
_ANYWHERE = {401, 403, 413, 415, 429}


def _formats() -> jsonschema.FormatChecker:
    checker = jsonschema.FormatChecker(formats=())

    def clock(text: object) -> bool:
        return not isinstance(text, str) or bool(
            re.fullmatch(r"\d\d:\d\d:\d\d", text) and time.fromisoformat(text)
        )

    def moment(text: object) -> bool:
        return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None

    def uuid(text: object) -> bool:
        return not isinstance(text, str) or bool(UUID(text))

    for name, check in (("time", clock), ("date-time", moment), ("uuid", uuid)):
        checker.checks(name, ValueError)(check)
    return checker


def _schemas() -> dict[str, Any]:
    text = (FOLDER / MODEL).read_text()
    schemas: dict[str, Any] = json.loads(_REFERENCE.sub(r'"#/$defs/\1"', text))["components"]["schemas"]
    bases = {
        name: one["discriminator"]["propertyName"] for name, one in schemas.items() if "discriminator" in one
    }
    found = dict(schemas)
    for base in bases:
        found[f"{base}.itself"] = schemas[base]
    for one in schemas.values():  # what is a kind of a base refers to the base itself
        for part in one.get("allOf", ()):
            kind = part.get("$ref", "").rpartition("/")[2]
            if kind in bases:
                part["$ref"] = f"#/$defs/{kind}.itself"
    for base, member in bases.items():
        kinds = [name for name in schemas if base in _ancestors(name, schemas)]
        found[base] = {
            "allOf": [
                {"$ref": f"#/$defs/{base}.itself"},
                *(
                    {
                        "if": {"properties": {member: {"const": kind}}, "required": [member]},
                        "then": {"$ref": f"#/$defs/{kind}"},
                    }
                    for kind in kinds
                ),
            ]
        }
    return found


def _ancestors(name: str, schemas: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for part in schemas.get(name, {}).get("allOf", ()):
        parent = part.get("$ref", "").rpartition("/")[2].removesuffix(".itself")
        if parent:
            found |= {parent} | _ancestors(parent, schemas)
    return found


class Definitions:
    """Both APIs. `cms` and `gateway` name them."""

    def __init__(self) -> None:
        self._schemas = _schemas()
        self._formats = _formats()
        self._apis = {
            name: json.loads(
                _REFERENCE.sub(r'"#/$defs/\1"', (FOLDER / f"talq-api-{name}-2-7-1-online.json").read_text())
            )["paths"]
            for name in ("cms", "gateway")
        }
        self._validators: dict[str, Any] = {}

    @property
    def schemas(self) -> dict[str, Any]:
        """Those of the data model, by name."""
        return self._schemas

    def mandatory(self, api: str) -> set[tuple[str, str]]:
        """Method and path of what the lighting profile asks of this side."""
        side = {"cms": "cms", "gateway": "gw"}[api]
        return {
            (method.upper(), path)
            for path, operations in self._apis[api].items()
            for method, operation in operations.items()
            if isinstance(operation, dict)
            and operation.get("x-talq-profiles", [{}])[0].get("lighting", {}).get(side) == "M"
        }

    def operation(self, api: str, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
        """The template of an address and its operation; exact parts before parameters."""
        parts = path.strip("/").split("/")
        found = [
            (template.count("{"), template, operations[method.lower()])
            for template, operations in self._apis[api].items()
            if method.lower() in operations
            and len(template.strip("/").split("/")) == len(parts)
            and all(
                one.startswith("{") or one == unquote(other)
                for one, other in zip(template.strip("/").split("/"), parts, strict=True)
            )
        ]
        if not found:
            return None
        _, template, operation = min(found, key=lambda one: one[0])
        return template, operation

    def wrong(self, schema: Any, value: Any) -> list[str]:
        """What in a value is not as a schema says."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$defs": self._schemas,
                "allOf": [schema],
            }
            self._validators[key] = validator_for(whole)(whole, format_checker=self._formats)
        return [
            f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
            for error in self._validators[key].iter_errors(value)
        ]

    def of_kind(self, name: str, value: Any) -> list[str]:
        """What in a value is not as one of the data model's schemas says."""
        return self.wrong({"$ref": f"#/$defs/{name}"}, value)

    def judge(
        self,
        api: str,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        request: bytes,
        status: int,
        response: bytes,
    ) -> list[str]:
        """What in an exchange is not as defined. A request is judged unless it was refused for its own faults."""
        found = self.operation(api, method, path)
        if found is None:
            return [] if status in (404, 405) else [f"{api} {method} {path}: there is no such operation"]
        template, operation = found
        where = f"{api} {method} {template} → {status}"
        wrong = []
        if status < 400:
            wrong += [
                f"{where}: request: {one}"
                for one in self._of_request(operation, path, query, headers, request)
            ]
        wrong += [f"{where}: response: {one}" for one in self._of_response(operation, status, response)]
        return wrong

    def _of_request(
        self, operation: dict[str, Any], path: str, query: str, headers: dict[str, str], body: bytes
    ) -> list[str]:
        wrong = []
        given = parse_qs(query)
        # The one request that has none: a gateway announces itself before it was given an address (specification 5.1).
        announcing = operation["operationId"] == "addDevices" and "clientAddress" not in given
        for parameter in operation["parameters"]:
            name = parameter["name"]
            values = given.get(name) if parameter["in"] == "query" else None
            if parameter["in"] == "header":
                values = [headers[name]] if name in headers else None
            if parameter["in"] == "path":
                continue
            if values is None:
                if parameter.get("required") and not (announcing and name == "clientAddress"):
                    wrong.append(f"{name} is missing")
            elif parameter["schema"].get("format") == "uuid":
                wrong += [f"{name}: {one}" for one in self.wrong(parameter["schema"], values[0])]
            elif parameter["schema"].get("type") == "integer" and not values[0].isdecimal():
                wrong.append(f"{name} is no number")
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if schema is not None:
            if headers.get("content-type") != "application/json":
                wrong.append(f"content-type {headers.get('content-type')}")
            wrong += self.wrong(schema, json.loads(body))
        elif body:
            wrong.append("there is a body")
        return wrong

    def _of_response(self, operation: dict[str, Any], status: int, body: bytes) -> list[str]:
        known = operation["responses"].get(str(status))
        if known is None and status in _ANYWHERE:
            known = operation["responses"]["400"]
        if known is None:
            return ["there is no such answer"]
        schema = known.get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            return ["there is a body"] if body else []
        try:
            return self.wrong(schema, json.loads(body))
        except ValueError as error:
            return [f"no JSON: {error}"]
