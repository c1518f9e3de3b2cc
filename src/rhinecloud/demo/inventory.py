"""What the city writes into its books before anything measures: entities in concise NGSI-LD. Pure."""

from __future__ import annotations

from typing import Any

from rhinecloud.demo.stations import STATIONS, report
from rhinecloud.demo.streets import Position, Street
from rhinecloud.demo.traffic import RATED, Traffic, detector_key

Entity = dict[str, Any]


def inventory(traffic: Traffic, observed_at: str, seconds: float) -> list[Entity]:
    """Everything that exists, with what it measures at this moment."""
    entities: list[Entity] = []
    for number, street in enumerate(traffic.streets):
        entities.append(_group(street))
        for index, position in enumerate(street.lamps):
            state = traffic.lamp_state(number, index)
            entities.append(_lamp(street, index, position, _observed(state, observed_at)))
        entities += [_detector(street, direction) for direction in (0, 1)]
    for station in STATIONS:
        measured = _observed(report(station, seconds)[2], observed_at)
        entity = {
            **_entity(station.kind, station.key, (station.lon, station.lat)),
            "name": station.name,
            "areaServed": "Duisburg",
            **measured,
        }
        if station.size:
            entity["totalSpotNumber"] = station.size
        entities.append(entity)
    return entities


def _lamp(street: Street, index: int, position: Position, state: Entity) -> Entity:
    return {
        **_entity("Streetlight", street.lamp_key(index), position),
        "name": f"{street.name} {index + 1}",
        "streetPoleNum": f"{index + 1}",
        "areaServed": street.district.name,
        "locationCategory": "road",
        "controllingMethod": "individual",
        "powerRating": {"value": RATED, "unitCode": "WTT"},
        "refStreetlightGroup": {"object": _id("StreetlightGroup", f"duisburg-{street.key}")},
        "status": "ok",
        **state,
    }


def _group(street: Street) -> Entity:
    middle = street.lamps[len(street.lamps) // 2]
    return {
        **_entity("StreetlightGroup", f"duisburg-{street.key}", middle),
        "name": street.name,
        "areaServed": street.district.name,
        "switchingMode": "auto",
    }


def _detector(street: Street, direction: int) -> Entity:
    # The two directions lie on top of each other otherwise, and only one could be picked on a map.
    lon, lat = street.lamps[len(street.lamps) // 2]
    place = (round(lon + (0.00012 if direction else -0.00012), 6), lat)
    return {
        **_entity("TrafficFlowObserved", detector_key(street, direction), place),
        "name": f"{street.name}, {'gegen' if direction else 'in'} Richtung der Hausnummern",
        "areaServed": street.district.name,
        "laneDirection": "backward" if direction else "forward",
    }


def _entity(kind: str, key: str, position: Position) -> Entity:
    point = {"type": "Point", "coordinates": list(position)}
    return {"id": _id(kind, key), "type": kind, "location": point}


def _id(kind: str, key: str) -> str:
    return f"urn:ngsi-ld:{kind}:{key}"


def _observed(attributes: Entity, observed_at: str) -> Entity:
    return {
        name: {**(value if isinstance(value, dict) else {"value": value}), "observedAt": observed_at}
        for name, value in attributes.items()
    }
