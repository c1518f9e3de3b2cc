"""A city with two streets, lamps, detectors and a field gateway, set up as its staff would."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from tests.conftest import Server

from .places import at

PATIENCE = 120.0
OWN = {"Sec-Fetch-Site": "same-origin"}
CABINET = "urn:ngsi-ld:StreetlightControlCabinet:K1"
NIGHT, BLOCK, FIELD = "Nachtweg", "Blockstraße", "Feldweg"
LAMP = "urn:ngsi-ld:Streetlight:"


def until(what: Callable[[], Any], said: str) -> Any:
    """What `what` returns, as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, said
        time.sleep(0.1)
    return found


def roads() -> bytes:
    """Three streets: the one of the detector, one 60 m beside it that does not meet it, and one that goes on."""
    lines = {
        NIGHT: [at(0, 0), at(300, 0)],
        BLOCK: [at(0, 60), at(300, 60)],
        FIELD: [at(300, 0), at(600, 0)],
    }
    features = [
        {
            "type": "Feature",
            "properties": {"name": name, "maxspeed": "50"},
            "geometry": {"type": "LineString", "coordinates": line},
        }
        for name, line in lines.items()
    ]
    return msgspec.json.encode({"type": "FeatureCollection", "features": features})


class Office:
    """The staff."""

    def __init__(self, server: Server) -> None:
        self.http = httpx.Client(base_url=server.base_url, headers=OWN, timeout=60)

    def set_up(self) -> None:
        """Everything, until the tables are there."""
        lamps = [("n", i, 30 * i, 0.0) for i in range(10)] + [("b", i, 30 * i, 60.0) for i in range(10)]
        lamps += [("f", i, 310 + 30 * i, 0.0) for i in range(6)]
        for row in range(0, len(lamps)):
            street, i, _, _ = lamps[row]
            if street != "f":
                self.device(f"lamp-{street}{i}", "Streetlight", "lamp-on-demand")
        self.device("gw-1", "Gateway", "plain-json")
        for name in ("d0", "d1"):
            self.device(name, "Device", "road-detector")
        entities = [
            {
                "id": f"{LAMP}{street}{i}",
                "type": "Streetlight",
                "location": {"type": "Point", "coordinates": list(at(x, y))},
                "name": f"{street}{i}",
                "address": {"streetAddress": {"n": NIGHT, "b": BLOCK, "f": FIELD}[street]},
                **(
                    {"refStreetlightControlCabinet": {"type": "Relationship", "object": CABINET}}
                    if street == "f"
                    else {
                        "refDevice": {
                            "type": "Relationship",
                            "object": f"urn:ngsi-ld:Device:lamp-{street}{i}",
                        }
                    }
                ),
            }
            for street, i, x, y in lamps
        ]
        answered = self.http.post("/ngsi-ld/v1/entityOperations/upsert", json=entities)
        assert answered.status_code in (201, 204), answered.text
        answered = self.http.post(
            "/api/lighting/demand/detectors", json=[detector("d0", 0), detector("d1", 120)]
        )
        assert answered.status_code == 200, answered.text
        self.ok(self.http.post("/lighting/demand/gateways", data={"device": "gw-1", "cabinet": CABINET}))
        self.ok(
            self.http.post(
                "/lighting/demand/roads", files={"file": ("strassen.geojson", roads(), "application/json")}
            )
        )
        self.computed()

    def computed(self) -> str:
        """The page, when the tables are up to date."""

        def page() -> str:
            text = self.http.get("/lighting/demand", headers={"Accept-Language": "en"}).text
            return text if "up to date" in text else ""

        return str(until(page, "the tables were not computed"))

    def device(self, name: str, kind: str, profile: str) -> None:
        """Register one."""
        asked = {"id": name, "type": kind, "profile": profile}
        if profile == "lamp-on-demand":
            asked["entity_id"] = LAMP + name.removeprefix("lamp-")
        answered = self.http.post("/api/v1/devices", json=asked)
        assert answered.status_code == 201, answered.text

    @staticmethod
    def ok(answered: httpx.Response) -> None:
        """It was taken."""
        assert answered.status_code == 303, answered.text


def detector(name: str, x: float, **more: Any) -> dict[str, Any]:
    """At the street of the night, forward is eastward."""
    lon, lat = at(x, 2)
    given = {"id": name, "name": f"Detektor {name}", "lon": lon, "lat": lat, "street": NIGHT, "bearing": 90.0}
    return {**given, "kinds": ["vehicle", "pedestrian"], **more}
