"""Counts and public levels as objects of the graph. Nothing else of a passing is ever written. Pure."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Any

from .counting import QUARTER, Count, Level
from .passing import Placed


def of_count(count: Count, detector: Placed) -> dict[str, Any]:
    """How many passed in a quarter of an hour (Smart Data Models: TrafficFlowObserved). What passed is `vehicleType`
    bicycle, or for people on foot and for vehicles of whatever kind the extension `travellerType`."""
    begin, end = _instant(count.begin), _instant(count.begin + QUARTER)
    document: dict[str, Any] = {
        "id": f"urn:ngsi-ld:TrafficFlowObserved:{count.detector}:{count.kind}",
        "type": "TrafficFlowObserved",
        "name": _property(detector.name),
        "intensity": {**_property(count.number), "observedAt": end},
        "dateObserved": {**_property(f"{begin}/{end}"), "observedAt": end},
        "dateObservedFrom": {**_property({"@type": "DateTime", "@value": begin}), "observedAt": end},
        "dateObservedTo": {**_property({"@type": "DateTime", "@value": end}), "observedAt": end},
        "travellerType": _property(count.kind),
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [detector.lon, detector.lat]},
        },
    }
    if count.kind == "cyclist":
        document["vehicleType"] = _property("bicycle")
    return document


def of_level(level: Level) -> dict[str, Any]:
    """How bright a street was in the mean of a quarter of an hour: `level` in percent."""
    begin, end = _instant(level.begin), _instant(level.begin + QUARTER)
    return {
        "id": f"urn:ngsi-ld:StreetLightLevel:{_slug(level.street)}",
        "type": "StreetLightLevel",
        "name": _property(level.street),
        "level": {**_property(level.level), "unitCode": "P1", "observedAt": end},
        "dateObservedFrom": _property({"@type": "DateTime", "@value": begin}),
        "dateObservedTo": _property({"@type": "DateTime", "@value": end}),
    }


def _property(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss"))
    plain = plain.replace("a\u0308", "ae").replace("o\u0308", "oe").replace("u\u0308", "ue")
    return re.sub(r"[^a-z0-9]+", "-", plain.encode("ascii", "ignore").decode()).strip("-") or "street"
