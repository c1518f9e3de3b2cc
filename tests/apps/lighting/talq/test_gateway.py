"""The reference gateway offers the lighting profile, and refuses what it has to."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from rhinecloud.apps.lighting.talq import functions
from rhinecloud.apps.lighting.talq.gateway.holdings import Holdings, Lamp
from rhinecloud.apps.lighting.talq.gateway.server import OPERATIONS, application

from .definitions import Definitions, needed

pytestmark = needed
CMS = uuid4()


class Caller:
    """A CMS that holds every exchange to the definitions."""

    def __init__(self, definitions: Definitions) -> None:
        self.holdings = Holdings("one", [Lamp("a", 6.76, 51.43), Lamp("b", 6.76, 51.43)])
        self.holdings.address, self.holdings.cms = uuid4(), CMS
        self.holdings.cms_uri, self.holdings.uri = "http://cms/", "http://gateway/one/"
        self.application = application({"one": self.holdings})
        self.definitions = definitions
        self.said: set[tuple[str, str]] = set()

    def __call__(self, method: str, path: str, content: Any = None, **query: Any) -> httpx.Response:
        params = {
            "clientAddress": str(CMS),
            **({} if method == "GET" else {"talqRequestId": str(uuid4())}),
            **query,
        }
        headers = {"talq-api-version": "2.7.1"}
        body = b"" if content is None else msgspec.json.encode(content)
        if body:
            headers["content-type"] = "application/json"
        answered = asyncio.run(self._ask(method, path, params, headers, body))
        asked = str(answered.request.url.query, "ascii")
        judged = self.definitions.judge(
            "gateway", method, path, asked, headers, body, answered.status_code, answered.content
        )
        assert judged == []
        found = self.definitions.operation("gateway", method, path)
        if found is not None and answered.status_code < 400:
            self.said.add((method, found[0]))
        return answered

    async def _ask(
        self, method: str, path: str, params: dict[str, str], headers: dict[str, str], body: bytes
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            return await http.request(
                method, f"/one{path}", params=params, headers=headers, content=body or None
            )


@pytest.fixture
def call(definitions: Definitions) -> Caller:
    return Caller(definitions)


def program(name: str, level: int = 50) -> dict[str, Any]:
    state = {"name": "LevelState", "value": level}
    fixed = [{"startTime": "12:00:00", "command": {"state": state}}]
    return {
        "type": "ControlProgramOne",
        "id": name,
        "ownerCMS": str(CMS),
        "activePeriods": [],
        "fixedTimeControls": fixed,
    }


def calendar(name: str, used: str) -> dict[str, Any]:
    return {"id": name, "ownerCMS": str(CMS), "rules": [], "defaultProgram": used}


def test_the_lighting_profile_is_there(definitions: Definitions) -> None:
    offered = {(one.method, one.path) for one in OPERATIONS}
    assert definitions.mandatory("gateway") <= offered and len(definitions.mandatory("gateway")) == 39


def test_every_operation_does_what_it_says(call: Caller, definitions: Definitions) -> None:
    lamp = next(iter(call.holdings.luminaires.values()))
    at = f"/devices/{lamp.address}"
    assert call("POST", "/control-programs", [program("p"), program("q")]).status_code == 201
    assert call("POST", "/calendars", [calendar("c", "p"), calendar("d", "p")]).status_code == 201
    assert call("PUT", "/control-programs", [program("p", 40)]).status_code == 200
    assert call("PUT", "/control-programs/p", program("p", 45)).status_code == 200
    assert call("PUT", "/calendars", [calendar("c", "p")]).status_code == 200
    assert call("PUT", "/calendars/c", calendar("c", "p")).status_code == 200
    assert call("GET", "/control-programs/count").json() == 2 == call("GET", "/calendars/count").json()
    assert call("GET", "/control-programs/p").json()["id"] == "p"
    assert call("GET", "/calendars/c").json()["id"] == "c"
    assert len(call("GET", "/control-programs").json()) == 2 == len(call("GET", "/calendars").json())
    device = {"resource": "devices", "address": str(lamp.address)}
    entity = {"resource": "calendars", "address": "c"}
    assert call("POST", "/assign-commands", {"addresses": [device], "entity": entity}).status_code == 201
    assert call("GET", f"{at}/lamp/calendarID").json()["value"] == "c"
    assert call("GET", f"{at}/lamp/actualLightState").json()["value"]["value"] == 45
    command = {"state": {"name": "LevelState", "value": 9}, "reason": "override"}
    assert (
        call("POST", "/override-commands", {"addresses": [device], "targetCommand": command}).status_code
        == 201
    )
    assert lamp.level == 9
    assert call("POST", "/override-commands", {"addresses": [device]}).status_code == 201
    assert lamp.level == 45
    assert call("DELETE", "/calendars/c").status_code == 422
    assert call("DELETE", "/control-programs/p").status_code == 422
    assert call("DELETE", "/control-programs/q").status_code == 200
    assert call("DELETE", "/calendars/d").status_code == 200
    whole = call("GET", at).json()
    assert len(call("GET", "/devices", offset="1", limit="1").json()) == 1
    assert call("GET", "/devices/count").json() == 3 and call("GET", f"{at}/lamp").status_code == 200
    bare = {"address": str(lamp.address), "name": lamp.name, "class": "Luminaire"}
    assert call("PATCH", "/devices", [bare]).status_code == 200 == call("PATCH", at, bare).status_code
    state = functions.document(functions.ACTUATOR, "defaultLightState", {"name": "LevelState", "value": 20})
    function = {"id": "lamp", "type": "LampActuatorFunction", "defaultLightState": state}
    assert call("PATCH", f"{at}/lamp", function).status_code == 200
    assert call("PATCH", f"{at}/lamp/defaultLightState", state).status_code == 200
    assert lamp.default_level == 20
    assert call("PUT", "/devices", [whole]).status_code == 200
    made = call("POST", "/devices", [{**bare, "address": str(uuid4())}]).json()[0]
    assert call("DELETE", f"/devices/{made['address']}").status_code == 200
    logger = {"address": "l", "ownerCMS": str(CMS), "sourceAddresses": {"blackList": []}}
    logger |= {
        "recordingMode": {"type": "VendorRecordingMode"},
        "reportingMode": {"type": "ImmediateReportingMode", "delay": 0},
    }
    assert call("POST", "/logger-configs", logger).status_code == 201
    assert call("PUT", "/logger-configs/l", logger).status_code == 200
    assert call("GET", "/logger-configs/l").json()["address"] == "l"
    assert call("GET", "/log-reports/l").json()["entries"]
    assert call("GET", "/log-reports/count").json() == 1
    assert call("DELETE", "/logger-configs/l").status_code == 200
    assert call("GET", "/device-classes/count").json() == len(call("GET", "/device-classes").json())
    assert call("GET", "/device-classes/Luminaire").status_code == 200
    assert call("GET", "/services").status_code == 200 == call("GET", "/services/ControlService").status_code
    assert definitions.mandatory("gateway") <= call.said


def test_what_it_refuses(call: Caller) -> None:
    assert call("POST", "/calendars", [calendar("c", "none")]).status_code == 422
    assert call("POST", "/control-programs", [program("p"), program("p")]).status_code == 400
    assert call("POST", "/control-programs", [program("p")]).status_code == 201
    assert call("POST", "/control-programs", [program("x"), program("p")]).status_code == 409
    assert call("GET", "/control-programs/count").json() == 1
    assert call("PUT", "/control-programs", [program("p"), program("x")]).status_code == 404
    assert call("GET", "/control-programs/x").status_code == 404
    assert call("GET", f"/devices/{uuid4()}").status_code == 404
    nowhere = {"resource": "devices", "address": str(uuid4())}
    command = {"state": {"name": "LevelState", "value": 9}}
    assert (
        call("POST", "/override-commands", {"addresses": [nowhere], "targetCommand": command}).status_code
        == 422
    )
    assert call("GET", "/devices", clientAddress=str(uuid4())).status_code == 400


def test_the_gateway_itself_is_removed_and_begins_anew(call: Caller) -> None:
    assert call("DELETE", f"/devices/{call.holdings.address}").status_code == 200
    assert call.holdings.address.int == 0 == call.holdings.cms.int
