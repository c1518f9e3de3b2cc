"""What the city writes into its books before anything measures: entities in concise NGSI-LD. Pure."""

from __future__ import annotations

from typing import Any

from rhinecloud.demo.luminaires import RATED, Luminaires
from rhinecloud.demo.stations import STATIONS, report
from rhinecloud.demo.streets import FEEDERS, Position, Street
from rhinecloud.demo.traffic import detector_key

Entity = dict[str, Any]


def inventory(lamps: Luminaires, observed_at: str, seconds: float, *, known: bool = False) -> list[Entity]:
    """Everything that exists, with what it measures at this moment. Of lamps that the city knows already (`known`) it
    says nothing of what others judge: their status."""
    entities: list[Entity] = []
    for number, street in enumerate(lamps.streets):
        entities += [_group(street), _cabinet(street), *(_feeder(street, one) for one in FEEDERS)]
        for index, position in enumerate(street.lamps):
            state = _observed(lamps.report((number, index)), observed_at)
            entities.append(_lamp(street, index, position, {} if known else {"status": "ok"}, state))
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


def _lamp(street: Street, index: int, position: Position, *state: Entity) -> Entity:
    lamp: Entity = {
        **_entity("Streetlight", street.lamp_key(index), position),
        "name": f"{street.name} {index + 1}",
        "streetPoleNum": f"{index + 1}",
        "areaServed": street.district.name,
        "locationCategory": "road",
        "controllingMethod": "individual",
        "powerRating": {"value": RATED, "unitCode": "WTT"},
        "lightingClass": "M3" if street.reacts else "M4",
        "sign394": True,
        "refStreetlightGroup": {"object": _id("StreetlightGroup", f"duisburg-{street.key}")},
        "refStreetlightControlCabinet": {
            "object": _id("StreetlightControlCabinet", f"duisburg-{street.key}")
        },
        "feederID": _id("StreetlightFeeder", street.feeder_key(street.feeder(index))),
        "refDevice": {"object": _id("Device", street.lamp_key(index))},
    }
    for attributes in state:
        lamp |= attributes
    return lamp


def _group(street: Street) -> Entity:
    middle = street.lamps[len(street.lamps) // 2]
    return {
        **_entity("StreetlightGroup", f"duisburg-{street.key}", middle),
        "name": street.name,
        "areaServed": street.district.name,
        "switchingMode": "auto",
    }


def _cabinet(street: Street) -> Entity:
    lon, lat = street.lamps[0]
    return {
        **_entity("StreetlightControlCabinet", f"duisburg-{street.key}", (round(lon - 0.0001, 6), lat)),
        "name": f"Schrank {street.name}",
        "areaServed": street.district.name,
        "workingMode": "automatic",
        "refStreetlightGroup": {"object": _id("StreetlightGroup", f"duisburg-{street.key}")},
    }


def _feeder(street: Street, feeder: str) -> Entity:
    lon, lat = street.lamps[0]
    east = 0.00015 + 0.00005 * FEEDERS.index(feeder)
    return {
        **_entity("StreetlightFeeder", street.feeder_key(feeder), (round(lon - east, 6), lat)),
        "name": f"{street.name}, Abgang {feeder}",
        "refStreetlightControlCabinet": {
            "object": _id("StreetlightControlCabinet", f"duisburg-{street.key}")
        },
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
