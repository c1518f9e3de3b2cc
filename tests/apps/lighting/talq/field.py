"""Gateways in processes of their own, and a city with lamps behind them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import Server

from .line import Line

PATIENCE = 120.0
OWN = {"Sec-Fetch-Site": "same-origin"}
LAMP = "urn:ngsi-ld:Streetlight:"


def until(what: Callable[[], Any], said: str | Callable[[], str], patience: float = PATIENCE) -> Any:
    """What `what` returns, as soon as it is true."""
    end = time.monotonic() + patience
    while not (found := what()):
        assert time.monotonic() < end, said() if callable(said) else said
        time.sleep(0.1)
    return found


class Office:
    """The city's side: what the staff and other programs see."""

    def __init__(self, server: Server) -> None:
        self.http = httpx.Client(base_url=server.base_url, headers=OWN, timeout=60)

    def lamps(self, *names: str, **attributes: Any) -> None:
        """Put lamps up."""
        entities = [
            {
                "id": LAMP + name,
                "type": "Streetlight",
                "location": {"type": "Point", "coordinates": [6.76, 51.43]},
                **attributes,
            }
            for name in names
        ]
        answered = self.http.post("/ngsi-ld/v1/entityOperations/upsert", json=entities)
        assert answered.status_code in (201, 204), answered.text

    def lamp(self, name: str) -> dict[str, Any]:
        """A lamp as it is."""
        answered = self.http.get(f"/ngsi-ld/v1/entities/{LAMP}{name}", params={"options": "keyValues"})
        return dict(answered.json())

    def admit(self, name: str, cabinet: str = "") -> str:
        """Admit a gateway on its page; the key that the page shows."""
        page = self.http.post("/lighting/gateways", data={"name": name, "cabinet": cabinet})
        assert page.status_code == 200, page.text
        return page.text.partition("/talq/key/")[2].partition("/")[0]

    def want(
        self, assigned: Mapping[str, str], *, level: int = 70, confirmed: bool = False, **plan: Any
    ) -> httpx.Response:
        """Want plans: lamps (names) with their calendars, all with one program at this level unless it is given."""
        known = {
            "programs": [
                {"id": "night", "name": ["Nacht", "night"], "fixed": [{"at": "12:00", "level": level}]}
            ],
            "calendars": [
                {"id": one, "name": [one, one], "default": "night"} for one in sorted(set(assigned.values()))
            ],
        }
        lamps = {LAMP + name: calendar for name, calendar in assigned.items()}
        said = {**known, **plan, "assigned": lamps, "confirmed": confirmed}
        return self.http.post("/api/lighting/gateways/plans", json=said)

    def plan(self, gateway: str) -> dict[str, Any]:
        """What became of a gateway's plan."""
        for one in self.http.get("/api/lighting/gateways").json():
            if one["name"] == gateway:
                return dict(one["plan"] or {})
        return {}

    def behind(self, gateway: str) -> int:
        """How many lamps are known behind a gateway."""
        found = self.http.get("/api/lighting/gateways").json()
        return next((int(one["lamps"]) for one in found if one["name"] == gateway), 0)

    def override(self, names: list[str], level: int | None) -> httpx.Response:
        """Override lamps."""
        return self.http.post(
            "/api/lighting/gateways/overrides",
            json={"lamps": [LAMP + name for name in names], "level": level},
        )

    def overridden(self, name: str) -> str:
        """What became of it."""
        found = self.http.get("/api/lighting/gateways/overrides", params={"lamp": LAMP + name}).json()
        return str(found[0]["state"]) if found else ""

    def alarms(self, name: str | None = None) -> set[str]:
        """Kinds of alarms that are open, of all gateways or one."""
        found = self.http.get("/api/v1/alarms", params={"limit": 100}).json()
        items = found if isinstance(found, list) else found["items"]
        return {one["kind"] for one in items if name is None or one["detail"].get("name") == name}


@contextmanager
def gateways(
    folder: Path, line: Line, keys: Mapping[str, str], lamps: Mapping[str, list[str]], *options: str
) -> Iterator[Callable[[str], str]]:
    """A process with these gateways (name → key) and lamps (gateway → assets); yields the address of a simulator."""
    (folder / "keys").write_text("".join(f"{name} {key}\n" for name, key in keys.items()))
    rows = [f"{name};{asset};6.76;51.43;60" for name, assets in lamps.items() for asset in assets]
    (folder / "lamps").write_text("\n".join(rows))
    log = folder / "gateways.log"
    command = [
        sys.executable,
        "-m",
        "rhinecloud.cli",
        "lighting",
        "talq-gateway",
        f"--cms={line.cms}",
        "--port=0",
    ]
    command += [
        f"--keys={folder / 'keys'}",
        f"--lamps={folder / 'lamps'}",
        f"--url={line.gateway}",
        "--every=0.3",
    ]
    with log.open("w") as output:
        process = subprocess.Popen([*command, *options], stdout=output, stderr=subprocess.STDOUT)
    try:
        until(lambda: "Listening at" in log.read_text() or process.poll() is not None, log.read_text)
        assert process.poll() is None, log.read_text()
        line.gateway_target = log.read_text().partition("Listening at ")[2].partition(",")[0]
        yield lambda name: f"{line.gateway_target}/{name}/simulator"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
