"""Lamps behind a gateway have the light that counted traffic asks for, beside what people override; through kill -9."""

from __future__ import annotations

import html
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from starlette.responses import Response

from tests.conftest import Serve

from .definitions import needed
from .field import LAMP, Office, gateways, until
from .line import Line

pytestmark = needed
NAMES = ["K-1", "K-2", "K-3"]
COUNTER = "urn:ngsi-ld:TrafficFlowObserved:zaehlstelle-7"
_EVENING = (
    30 - datetime.now(UTC).hour
) % 24 - 12  # hours from Greenwich to where it is evening: no night ends meanwhile
OPTIONS = ("--outbound-allow=127.0.0.0/8", f"--time-zone=Etc/GMT{-_EVENING:+d}")


class Overrides:
    """The commands that the gateway was told, in the order in which they came; or nobody reaches it."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.silent = False
        self._lock = threading.Lock()

    def __call__(self, api: str, method: str, path: str, body: bytes) -> Response | None:
        if api == "gateway" and self.silent:
            return Response(status_code=503)
        if api == "gateway" and path == "/override-commands":
            with self._lock:
                self.commands.append(json.loads(body))
        return None

    def versions(self) -> dict[str, list[int]]:
        """Of the levels that each device was told."""
        found: dict[str, list[int]] = {}
        with self._lock:
            for one in self.commands:
                if one.get("targetCommand"):
                    for device in one["addresses"]:
                        found.setdefault(str(device), []).append(int(one["targetCommand"]["cmsRefId"]))
        return found


def counted(office: Office, vehicles: int) -> datetime:
    """What the counter says of the last hour; its end."""
    end = datetime.now(UTC).replace(microsecond=0)
    interval = f"{end - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}"
    document = {
        "id": COUNTER,
        "type": "TrafficFlowObserved",
        "intensity": {"type": "Property", "value": vehicles, "observedAt": interval.partition("/")[2]},
        "dateObserved": {"type": "Property", "value": interval},
    }
    answer = office.http.post("/ngsi-ld/v1/entityOperations/upsert", json=[document])
    assert answer.status_code in (201, 204), answer.text
    return end


def post(office: Office, path: str, **data: str) -> None:
    answer = office.http.post(path, data=data)
    assert answer.status_code < 400, answer.text


def plan(office: Office) -> None:
    """The full light all day long, less by traffic."""
    given = {"name_de": "Verkehr", "name_en": "Traffic", "fixed-0-at": "12:00", "fixed-0-level": "100"}
    given |= {"volume": "on", "volume_high": "500", "volume_low": "100", "volume_hold": "0"}
    post(office, "/lighting/programs/new", **given)
    post(office, "/lighting/calendars", name_de="Immer", name_en="Always", default="verkehr")
    post(office, "/lighting/groups/new", kind="type", name_de="Alle", name_en="All", categories="road")
    post(office, "/lighting/plan/assign", action="add", group="alle", calendar="immer")
    shown = html.unescape(office.http.get("/lighting/plan").text)
    found = re.search(r'name="digest" value="(\w+)"', shown)
    assert found is not None, shown
    post(office, "/lighting/plan/apply", digest=found[1])


def test_traffic_reaches_lamps_behind_a_gateway(module_serve: Serve, line: Line, tmp_path: Path) -> None:
    server = module_serve(*OPTIONS)
    line.cms_target = f"{server.base_url}/api/lighting/talq"
    line.tap = heard = Overrides()
    office = Office(server)
    address = {"type": "Property", "value": {"streetAddress": "Königstraße"}}
    office.lamps(*NAMES, address=address, locationCategory="road", lightingClass="M2")
    with gateways(tmp_path, line, {"king": office.admit("King")}, {"king": NAMES}) as simulator:
        until(lambda: office.behind("King") == 3, "its lamps are not known")

        def levels() -> list[int]:
            return [one["level"] for one in httpx.get(simulator("king")).json()["lamps"]]

        def are(*expected: int) -> None:
            until(lambda: levels() == list(expected), lambda: f"{levels()}, not {expected}: {heard.commands}")

        plan(office)
        until(lambda: office.plan("King").get("state") == "confirmed", lambda: str(office.plan("King")))
        are(100, 100, 100)
        assert heard.commands == []

        end = counted(office, 300)
        post(office, "/lighting/traffic", street="Königstraße", entity=COUNTER)
        are(67, 67, 67)
        [told] = heard.commands  # one for all three, that ends with the count
        assert len(told["addresses"]) == 3
        expiration = datetime.fromisoformat(told["targetCommand"]["expiration"])
        assert expiration == end + timedelta(minutes=90)
        until(lambda: {office.overridden(name) for name in NAMES} == {"confirmed"}, "lamps do not confirm it")
        why = html.unescape(office.http.get(f"/lighting/lamps/{LAMP}K-1").text)
        assert "Klasse M3 statt M2: 300 Fahrzeuge/h, Schwelle 500 (Königstraße)" in why
        assert "hinter TALQ-Gateways" in office.http.get("/lighting/traffic").text

        # What somebody overrode is theirs until they end it.
        assert office.override(["K-1"], 15).status_code == 202
        are(15, 67, 67)
        counted(office, 900)
        are(15, 100, 100)
        counted(office, 20)
        until(
            lambda: "M4 statt M2" in office.http.get(f"/lighting/lamps/{LAMP}K-1").text, "it is not counted"
        )
        assert levels()[0] == 15
        assert office.override(["K-1"], None).status_code == 202
        until(
            lambda: levels()[0] == 50, lambda: str(levels())
        )  # the others: less light again, but not so soon

        # Nobody reaches the gateway, and the city is killed: it goes on where it was.
        heard.silent = True
        counted(office, 900)
        until(lambda: office.overridden("K-1") == "asked", lambda: office.overridden("K-1"))
        assert levels()[0] == 50
        server.kill()
        office.http.close()
        server = module_serve(*OPTIONS, data=server.data)
        line.cms_target = f"{server.base_url}/api/lighting/talq"
        office = Office(server)
        assert levels()[0] == 50
        heard.silent = False
        are(100, 100, 100)

        # One line of the audit log for all lamps, and none where nothing changed.
        audit = office.http.get("/audit", params={"action": "lighting.traffic.gateways"}).text
        assert audit.count("lowered") == 4
        office.http.close()
    line.tap = None
    for versions in heard.versions().values():
        assert versions == sorted(versions)
    assert line.wrong == []
