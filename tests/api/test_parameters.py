"""Parameters that an operation does not take are refused, on every route, before anything else (CIM 009 §6.3.20)."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from rhinecloud.api.ngsi_ld.api import ROUTES
from rhinecloud.api.ngsi_ld.routing import Route, Routes, parameters
from rhinecloud.model import BadRequestData, InvalidRequest
from rhinecloud.people import PUBLIC

from .test_operations import problem


def every_route() -> Iterator[tuple[str, str, Route]]:
    """Method, a path that leads there, and the row."""
    for path, methods in ROUTES.table.items():
        for method, route in methods.items():
            yield method, path.replace("{uri}", "urn:x:nobody").replace("{name}", "some"), route


def test_every_operation_refuses_what_it_does_not_take(api: httpx.Client) -> None:
    for method, path, route in every_route():
        headers = {"content-type": "application/json"} if method in ("POST", "PUT", "PATCH") else {}
        body = b"no JSON" if headers else b""
        for query in ("invalidParams=invalidValue", "type=T&Type=T", "%20local=true"):
            answer = api.request(method, f"{path}?{query}", headers=headers, content=body)
            problem(answer, 400, "InvalidRequest")
        if "options" in route.parameters.names:
            problem(
                api.request(method, f"{path}?options=sysAttr", headers=headers, content=body),
                400, "InvalidRequest", "options",
            )  # fmt: skip


@pytest.mark.parametrize(
    "query",
    ["format=poetry", "options=poetry", "options=keyValues,poetry", "format=keyValues&options=poetry"],
)
def test_unknown_formats_are_refused_before_the_entity_is_looked_for(api: httpx.Client, query: str) -> None:
    problem(api.get(f"entities/urn:x:nobody?{query}"), 400, "InvalidRequest")
    problem(api.get(f"entities?type=T&{query}"), 400, "InvalidRequest")


def test_what_a_row_takes() -> None:
    takes = parameters("limit", "count local", options="sysAttrs", formats="concise simplified")
    for given in (
        {},
        {"limit": "5"},
        {"options": "sysAttrs, concise"},
        {"options": ""},
        {"format": "simplified", "options": "sysAttrs"},
        {"count": "True", "local": "false"},
    ):
        takes.check(given)
    for given in (
        {"offset": "5"},
        {"": ""},
        {"options": "sysAttrs,x"},
        {"options": "CONCISE"},
        {"format": "sysAttrs"},
    ):  # fmt: skip
        with pytest.raises(InvalidRequest):
            takes.check(given)
    with pytest.raises(BadRequestData):
        takes.check({"count": "1"})
    with pytest.raises(InvalidRequest):
        parameters("local").check({"options": "sysAttrs"})


def test_paths_lead_to_rows() -> None:
    async def nothing() -> None: ...

    rows = [Route(nothing, parameters(str(n)), PUBLIC) for n in range(4)]  # type: ignore[arg-type]
    routes = Routes(
        {
            "a": {"GET": rows[0]},
            "a/{uri}": {"GET": rows[1]},
            "a/{uri}/b/{name}/{uri}": {"GET": rows[2]},
            "a/{uri}/b": {"POST": rows[3]},
        }
    )
    assert routes.find(["a"], "GET") == (rows[0], [])
    assert routes.find(["a", "urn:x:1"], "GET") == (rows[1], ["urn:x:1"])
    assert routes.find(["a", "urn:x:b", "b", "b", "urn:x:c"], "GET") == (rows[2], ["urn:x:b", "b", "urn:x:c"])
    with pytest.raises(BadRequestData):
        routes.find(["a", "urn:x:b", "b", "b", "no uri"], "GET")
    with pytest.raises(BadRequestData):
        routes.find(["a", "{uri}"], "GET")
    for path, method, status in (
        (["a"], "PUT", 405),
        (["a", "urn:x:1", "b"], "GET", 405),
        (["b"], "GET", 404),
        (["a", "urn:x:1", "b", "c"], "GET", 404),
        ([""], "GET", 404),
    ):
        with pytest.raises(Exception) as caught:
            routes.find(path, method)
        assert caught.value.status == status  # type: ignore[attr-defined]
