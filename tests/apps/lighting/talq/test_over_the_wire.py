"""A city and reference gateways in processes of their own, every exchange held to TALQ's definitions."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

import httpx
from starlette.responses import Response

from tests.conftest import Server

from .definitions import needed
from .field import Office, gateways, until
from .line import Line

pytestmark = needed


def test_a_gateway_introduces_itself_and_its_lamps_are_known(
    city: Server, office: Office, line: Line, tmp_path: Path
) -> None:
    names = ["Ost-1", "Ost-2", "Ost-3"]
    office.lamps(*names)
    key = office.admit("Ost")
    with gateways(tmp_path, line, {"ost": key}, {"ost": [*names, "Ost-9"]}) as simulator:
        until(lambda: "3 / 4" in office.http.get("/lighting/gateways").text, "its lamps are not known")
        # It is introduced as it was before its first look at what it should do.
        until(lambda: office.lamp("Ost-1").get("illuminanceLevel") == 1.0, "the lamp's level is not told")
        until(lambda: office.lamp("Ost-1")["powerConsumption"] > 1.0, "its power is not told")
        told = httpx.get(simulator("ost")).json()
        assert told["address"] != told["cms"]
        lamp = office.lamp("Ost-1")
    assert lamp["powerState"] == "on"
    assert 55 < lamp["powerConsumption"] < 65
    assert line.wrong == []


def test_a_plan_reaches_the_lamps_and_is_confirmed_by_them(
    city: Server, office: Office, line: Line, tmp_path: Path
) -> None:
    names = [f"West-{number}" for number in range(5)]
    office.lamps(*names)
    with gateways(tmp_path, line, {"west": office.admit("West")}, {"west": names}) as simulator:
        until(lambda: "5 / 5" in office.http.get("/lighting/gateways").text, "its lamps are not known")
        assert office.want(dict.fromkeys(names, "usual"), level=70).status_code == 202
        until(lambda: office.plan("West").get("state") == "confirmed", lambda: str(office.plan("West")))
        lamps = httpx.get(simulator("west")).json()["lamps"]
        assert {one["level"] for one in lamps} == {70}
        until(lambda: office.lamp("West-3").get("illuminanceLevel") == 0.7, "the level is not told")
        # The same again is nothing new; another one is a newer version, and the old one is taken away.
        assert office.want(dict.fromkeys(names, "usual"), level=70).json() == {"gateways": 0}
        assert office.want(dict.fromkeys(names, "usual"), level=30).json() == {"gateways": 1}
        until(lambda: office.plan("West").get("state") == "confirmed", lambda: str(office.plan("West")))
        assert office.plan("West")["version"] == 2
        until(lambda: office.lamp("West-3").get("illuminanceLevel") == 0.3, "the level is not told")
        until(
            lambda: line.times("gateway", "DELETE", "/control-programs/{controlProgramAddress}"),
            "it is not tidied up",
        )
        calendars = {one["calendar"] for one in httpx.get(simulator("west")).json()["lamps"]}
        assert len(calendars) == 1 and calendars.pop().startswith("rc.usual.")
    assert line.wrong == []


def test_an_override_holds_until_it_is_ended(
    city: Server, office: Office, line: Line, tmp_path: Path
) -> None:
    names = ["Nord-1", "Nord-2"]
    office.lamps(*names, "Nord-alone")
    with gateways(tmp_path, line, {"nord": office.admit("Nord")}, {"nord": names}) as simulator:
        until(lambda: "2 / 2" in office.http.get("/lighting/gateways").text, "its lamps are not known")
        assert office.want(dict.fromkeys(names, "usual"), level=60).status_code == 202
        until(lambda: office.plan("Nord").get("state") == "confirmed", lambda: str(office.plan("Nord")))
        assert office.override(["Nord-1"], 15).status_code == 202
        until(lambda: office.overridden("Nord-1") == "confirmed", lambda: city.output)
        assert [one["level"] for one in httpx.get(simulator("nord")).json()["lamps"]] == [15, 60]
        assert office.override(["Nord-1"], None).status_code == 202
        until(
            lambda: office.lamp("Nord-1").get("illuminanceLevel") == 0.6, "it does not return to its calendar"
        )
        # A lamp that is behind no gateway of this city: refused as a whole, and on record.
        refused = office.override(["Nord-2", "Nord-alone"], 0)
        assert refused.status_code == 403
        assert office.overridden("Nord-2") == ""
        audit = office.http.get("/audit", params={"action": "lighting.override.refused"})
        assert "Nord-alone" in audit.text
        httpx.post(simulator("nord"), json={"lamp": 1, "fault": "deaf", "on": True})
        assert office.override(["Nord-2"], 5).status_code == 202
        until(
            lambda: office.overridden("Nord-2") in ("sent", "contradicted"),
            lambda: office.overridden("Nord-2"),
        )
    assert line.wrong == []


class Later:
    """A gateway that answers assignments with 202 and does them when it is let (specification 3.5)."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._lock = threading.Lock()

    def __call__(self, api: str, method: str, path: str, body: bytes) -> Response | None:
        if api != "gateway" or path != "/assign-commands":
            return None
        with self._lock:
            self.asked.append(body)
        return Response(status_code=202, headers={"talq-api-version": "2.7.1"})

    def do(self, gateway: str) -> None:
        """What was asked last, at the gateway itself."""
        cms = httpx.get(f"{gateway}/simulator").json()["cms"]
        with self._lock:
            body = self.asked[-1]
        done = httpx.post(
            f"{gateway}/assign-commands",
            params={"clientAddress": cms, "talqRequestId": str(uuid4())},
            headers={"talq-api-version": "2.7.1", "content-type": "application/json"},
            content=body,
        )
        assert done.status_code == 201, done.text


def test_a_gateway_that_takes_its_time_is_confirmed_when_its_devices_say_so(
    city: Server, office: Office, line: Line, tmp_path: Path
) -> None:
    names = ["Spät-1", "Spät-2"]
    office.lamps(*names)
    with gateways(tmp_path, line, {"late": office.admit("Late")}, {"late": names}) as simulator:
        until(lambda: office.behind("Late") == 2, "its lamps are not known")
        line.tap = late = Later()
        try:
            assert office.want(dict.fromkeys(names, "usual"), level=45).status_code == 202
            until(lambda: late.asked, "nothing was assigned")
            until(lambda: office.plan("Late").get("state") in ("sent", "contradicted"), "it is not seen")
            until(lambda: len(late.asked) > 1, "it is not looked after again")
            assert office.plan("Late")["state"] != "confirmed", "an answer is no confirmation"
            late.do(simulator("late").removesuffix("/simulator"))
            until(lambda: office.plan("Late").get("state") == "confirmed", lambda: str(office.plan("Late")))
        finally:
            line.tap = None
        assert {one["level"] for one in httpx.get(simulator("late")).json()["lamps"]} == {45}
        assert "lighting.gateway_contradicts" not in office.alarms("Late")
    assert line.wrong == []
