"""Plans reach many gateways, through kill -9 and nights without a line, and never an older one after a newer."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
from starlette.responses import Response

from tests.conftest import Serve

from .definitions import needed
from .field import Office, gateways, until
from .line import Line

pytestmark = needed
NAMES = [f"G{number}" for number in range(8)]
LAMPS = {name.lower(): [f"{name}-{number}" for number in range(3)] for name in NAMES}
ALL = [lamp for those in LAMPS.values() for lamp in those]


class Assigned:
    """What each gateway was assigned, in the order in which it came."""

    def __init__(self) -> None:
        self.versions: dict[str, list[int]] = {}
        self.silent = False
        self._lock = threading.Lock()

    def __call__(self, api: str, method: str, path: str, body: bytes) -> Response | None:
        if api == "gateway" and self.silent:
            return Response(status_code=503)
        if api == "gateway" and path == "/assign-commands":
            said = json.loads(body)
            with self._lock:
                for one in said["addresses"]:
                    self.versions.setdefault(str(one["address"]), []).append(int(said["cmsRefId"]))
        return None


def states(office: Office) -> list[Any]:
    found = office.http.get("/api/lighting/gateways").json()
    return [(one["plan"] or {}).get("state") for one in found]


def test_it_goes_on_after_kill_9_and_nobody_gets_an_older_plan(
    module_serve: Serve, line: Line, tmp_path: Path
) -> None:
    server = module_serve("--outbound-allow=127.0.0.0/8")
    line.cms_target = f"{server.base_url}/api/lighting/talq"
    line.tap = heard = Assigned()
    office = Office(server)
    office.lamps(*ALL)
    keys = {name.lower(): office.admit(name) for name in NAMES}
    with gateways(tmp_path, line, keys, LAMPS) as simulator:
        until(
            lambda: office.http.get("/lighting/gateways").text.count("3 / 3") == len(NAMES),
            "lamps are not known",
        )
        heard.silent = True
        for level in (20, 30, 40):
            assert office.want(dict.fromkeys(ALL, "usual"), level=level).json() == {"gateways": len(NAMES)}
        until(lambda: office.plan("G0").get("trouble"), "nobody tried")
        heard.silent = False
        until(lambda: "confirmed" in states(office), lambda: str(states(office)))
        assert office.want(dict.fromkeys(ALL, "usual"), level=50).status_code == 202
        server.kill()
        office.http.close()
        again = module_serve("--outbound-allow=127.0.0.0/8", data=server.data)
        line.cms_target = f"{again.base_url}/api/lighting/talq"
        office = Office(again)
        until(lambda: states(office) == ["confirmed"] * len(NAMES), lambda: str(states(office)))
        for name in LAMPS:
            assert {one["level"] for one in httpx.get(simulator(name)).json()["lamps"]} == {50}
        office.http.close()
    line.tap = None
    for versions in heard.versions.values():
        assert versions == sorted(versions)
    assert line.wrong == []
