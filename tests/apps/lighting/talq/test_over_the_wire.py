"""A city and reference gateways in processes of their own, every exchange held to TALQ's definitions."""

from __future__ import annotations

from pathlib import Path

import httpx

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
        until(lambda: "illuminanceLevel" in office.lamp("Ost-1"), "nothing was told of a lamp")
        told = httpx.get(simulator("ost")).json()
        assert told["address"] != told["cms"]
        lamp = office.lamp("Ost-1")
    assert lamp["illuminanceLevel"] == 1.0 and lamp["powerState"] == "on"
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
